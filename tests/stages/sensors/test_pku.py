"""PKU-MMD's joints: lines of 150 numbers, of which a clip takes its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import sha256_file
from stroi.cache.layouts import KINECT_V2
from stroi.cache.skeletons3d import JointCache
from stroi.pipeline.index.table import Index, Sample
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import Skeletons3dParams
from stroi.stages.sensors.pku import read_segment
from stroi.stages.sensors.readers import reader
from stroi.stages.skeletons3d import build_skeletons3d

T = 60


def person(frames: int, *, x: float, seed: int) -> NDArray[np.float64]:
    """Somebody (T, 25, 3) who stands 2 m tall at x, 3 m away, and moves."""
    rng = np.random.default_rng(seed)
    body = np.stack([rng.normal(x, 0.1, 25), np.linspace(-1, 1, 25), np.full(25, 3.0)], axis=1)
    return np.round(body + rng.normal(0, 0.05, (frames, 25, 3)), 6)


def write(path: Path, first: NDArray[np.float64], second: NDArray[np.float64]) -> Path:
    rows = np.concatenate([first.reshape(len(first), -1), second.reshape(len(second), -1)], axis=1)
    path.write_text("".join(" ".join(f"{value:.6f}" for value in row) + " \n" for row in rows))
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The first body throughout, a second one further left from frame 30 on."""
    second = person(T, x=-0.9, seed=2)
    second[:30] = 0
    return write(tmp_path / "0002-L.txt", person(T, x=0.4, seed=1), second)


def test_a_clip_is_its_lines_as_an_independent_reader_has_them(file: Path) -> None:
    table = np.loadtxt(file)
    clip = read_segment(file, 10, 25)
    assert (clip.layout, clip.fps, clip.person_count) == (KINECT_V2, 30.0, 1)
    np.testing.assert_array_equal(
        clip.position[:, 0], table[10:25, :75].reshape(-1, 25, 3).astype(np.float32)
    )
    assert clip.state[:, 0].all()
    assert not clip.state[:, 1].any()
    assert not clip.position[:, 1].any()


def test_blank_lines_at_the_end_are_no_frames(file: Path) -> None:
    whole = read_segment(file)
    file.write_bytes(file.read_bytes() + b"\r\n \n\n")
    np.testing.assert_array_equal(read_segment(file).position, whole.position)


def test_of_two_people_the_left_one_is_first(file: Path) -> None:
    table = np.loadtxt(file).astype(np.float32)
    clip = read_segment(file, 25, 55)
    assert clip.person_count == 2
    np.testing.assert_array_equal(clip.position[:, 0], table[25:55, 75:].reshape(-1, 25, 3))
    np.testing.assert_array_equal(clip.position[:, 1], table[25:55, :75].reshape(-1, 25, 3))
    assert clip.state[:, 0, 0].tolist() == [0] * 5 + [2] * 25


def test_the_end_may_lack_few_frames(file: Path) -> None:
    assert len(read_segment(file, 40, 63).state) == 20
    assert len(read_segment(file).state) == T
    assert len(read_segment(file, 50, 0).state) == 10
    for start, stop, last in ((40, 64, "40 to 63"), (60, 61, "60 to 60"), (60, 0, "60 on")):
        with pytest.raises(ClipRejected) as caught:
            read_segment(file, start, stop)
        assert str(caught.value) == (
            f"SKEL_SEGMENT: '0002-L.txt': the clip is frames {last} of the file, which holds 60;"
            " correct the clip's first and last frame, or fetch the file again"
        )


def test_damage_elsewhere_in_the_file_does_not_matter(file: Path) -> None:
    lines = file.read_text().split("\n")
    lines[5] = "not numbers"
    file.write_text("\n".join(lines))
    assert len(read_segment(file, 6, 20).state) == 14
    with pytest.raises(ClipRejected, match=r"SKEL_LINE: '0002-L\.txt': line 6 is not 150 numbers"):
        read_segment(file, 5, 20)


ZEROS = " ".join(["0"] * 150)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", "SKEL_LINE.*line 2 is not 150"),
        (ZEROS[:-2], "SKEL_LINE"),
        (f"{ZEROS} 0", "SKEL_LINE"),
        (f"nan {ZEROS[2:]}", "SKEL_LINE"),
        (f"inf {ZEROS[2:]}", "SKEL_LINE"),
        (f"1_0 {ZEROS[2:]}", "SKEL_LINE"),
        (f"\u0661 {ZEROS[2:]}", "SKEL_LINE"),
        (f"1e999 {ZEROS[2:]}", "SKEL_NONFINITE.*line 2: beyond 100 m"),
        (f"-100.5 {ZEROS[2:]}", "SKEL_NONFINITE"),
        (f"{' ' * 7000}{ZEROS}", "SKEL_LINE"),
        (ZEROS, "SKEL_EMPTY.*no joint of anybody"),
    ],
)
def test_every_defect_has_its_code(tmp_path: Path, line: str, expected: str) -> None:
    path = tmp_path / "0002-L.txt"
    path.write_text(f"{ZEROS}\n{line}\n{ZEROS}\n", encoding="utf-8")
    with pytest.raises(ClipRejected, match=expected):
        read_segment(path, 0, 3)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "0002-L.txt"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ClipRejected, match=r"SKEL_OPEN.*at most 134217728 are read"):
        read_segment(path, 0, 3)


def test_clips_of_one_file_become_a_cache(file: Path, tmp_path: Path) -> None:
    sha256 = sha256_file(file)
    samples = tuple(
        Sample(
            f"0002-L_{start:06d}_{stop:06d}",
            "",
            label,
            start=start,
            stop=stop,
            skeleton=file.name,
            skeleton_sha256=sha256,
        )
        for label, start, stop in (("a", 0, 20), ("b", 20, 45), ("a", 45, 60), ("b", 70, 90))
    )
    params = Skeletons3dParams(format="pku", max_quarantined=0.5)
    ledger = build_skeletons3d(
        tmp_path,
        Index(samples, ("a", "b")),
        tmp_path / "skeletons3d",
        params,
        Workers(1),
        tmp_path / "s",
    )
    assert [(lost.id, lost.code) for lost in ledger.quarantined] == [
        ("0002-L_000070_000090", "SKEL_SEGMENT")
    ]
    cache = JointCache(tmp_path / "skeletons3d")
    for start, stop in ((0, 20), (20, 45), (45, 60)):
        found, expected = cache[f"0002-L_{start:06d}_{stop:06d}"], read_segment(file, start, stop)
        np.testing.assert_array_equal(found.position, expected.position)
    assert reader("pku")(file, 20, 45).person_count == 2
