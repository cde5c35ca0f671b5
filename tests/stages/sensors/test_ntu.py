"""From the text to the joints of the graph network, against a plain reading with numpy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ntu_people import furniture, person, skeleton_lines

from stroi.cache.errors import ClipRejected
from stroi.cache.layouts import KINECT_V2
from stroi.stages.sensors.readers import reader

T = 24
A, B, C = 72057594037944738, 72057594037944739, 72057594037944740


def plain(lines: list[str], name: int) -> np.ndarray:
    """(T, 25, 12) of one body, zeros where it is not shown."""
    found = np.zeros((int(lines[0]), 25, 12))
    rest = iter(lines[1:])
    for frame in range(len(found)):
        for _ in range(int(next(rest))):
            shown = int(next(rest).split()[0])
            assert next(rest) == "25"
            rows = np.loadtxt([next(rest) for _ in range(25)])
            if shown == name:
                found[frame] = rows
    return found


def test_two_people_a_couch_and_frames_without_anybody(tmp_path: Path) -> None:
    states = np.random.default_rng(0).integers(0, 3, (T, 25))
    bodies = {
        A: (range(2, T), person(T - 2, at=0.7, seed=1)),
        B: (range(T), furniture(T, at=0)),
        C: (range(3, T), person(T - 3, at=-0.7, seed=2)),
    }
    lines = skeleton_lines(T + 1, bodies, np.concatenate([states, states[:1]]))
    path = tmp_path / "a.skeleton"
    path.write_text("\n".join(lines))
    clip = reader("ntu")(path)
    assert (clip.person_count, clip.layout, clip.fps) == (2, KINECT_V2, 30)
    expected = np.stack([plain(lines, C), plain(lines, A)], axis=1)
    seen = expected[..., 11]
    np.testing.assert_array_equal(clip.state, seen.astype(np.uint8), strict=True)
    position = np.where(seen[..., None] > 0, expected[..., :3], 0).astype(np.float32)
    np.testing.assert_array_equal(clip.position, position, strict=True)


def test_one_person_leaves_the_second_place_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.skeleton"
    path.write_text("\n".join(skeleton_lines(T, {A: (range(T), person(T, at=0))})))
    clip = reader("ntu")(path)
    assert clip.person_count == 1
    assert clip.position.shape == (T, 2, 25, 3)
    assert not clip.state[:, 1].any()
    assert not clip.position[:, 1].any()


def test_a_bad_file_is_refused_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.skeleton"
    path.write_text("2\n0\n")
    with pytest.raises(ClipRejected, match=r"SKEL_LINE: .*a.skeleton', line 3: the file ends"):
        reader("ntu")(path)
