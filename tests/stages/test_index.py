"""What the index says of videos before people are estimated in them."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import handmade_videos
import numpy as np
import pytest
from handmade_videos import jpeg, mux
from numbered import count_to, write_video
from openpose_folders import body, write

from stroi.cache.errors import ClipRejected
from stroi.cache.files import digests
from stroi.cache.layouts import BODY_25
from stroi.pipeline.index.ledger import Ledger, read_ledger
from stroi.pipeline.index.table import read_index
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import IndexParams
from stroi.stages.index import build_index
from stroi.stages.video import fingerprint, image_folder
from stroi.stages.video.clip_input import clip_inputs

HEADER = "sample_id,video,label,subject,camera,start,stop,skeleton\n"
CUT = "its video cannot be used: VIDEO_FRAMES: 'videos/cut.mkv': the file is cut: "


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw" / "videos"
    folder.mkdir(parents=True)
    for name in ("good.mp4", "cut.mkv"):
        options = {"bf": "2", "qscale": "3"}
        write_video(folder / name, "mpeg4", count_to(40), options=options, gop=9)
    os.truncate(folder / "cut.mkv", (folder / "cut.mkv").stat().st_size * 3 // 4)
    handmade_videos.write(folder / "wide.avi", "MJPG", [np.zeros((32, 8208, 3), np.uint8)])
    (folder / "list.avi").write_text("ffconcat version 1.0\nfile good.mp4\n")
    (folder / "lying.avi").write_bytes(
        mux([jpeg(one) for one in count_to(9)], 999, size=(320, 160))
    )
    (tmp_path / "raw" / "sensor.skeleton").touch()
    return tmp_path / "raw"


def ledger(raw: Path, rows: list[str]) -> Ledger:
    (raw / "table.csv").write_text(HEADER + "".join(f"{row}\n" for row in rows))
    out = raw.parent / f"index{len(rows)}"
    build_index(raw, out, IndexParams(max_quarantined=0), Workers(), raw.parent / "store")
    assert len(read_index(out).samples) == len(rows)
    return read_ledger(out)


def test_videos_that_later_stages_refuse_are_named(
    raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["good.mp4", "lying.avi", "cut.mkv", "wide.avi", "list.avi"]
    told = ledger(raw, [f"c{at},videos/{name},a,s,c,,," for at, name in enumerate(names)])
    details = [one.detail for one in told.outcomes]
    assert details[:2] == ["", ""]
    assert details[2].startswith(CUT)
    assert details[2].endswith("; fetch the file again, or encode it again if this is all there is")
    assert "VIDEO_SIZE: 'videos/wide.avi': frames of 8208 x 32 px; encode it with" in details[3]
    assert "VIDEO_MAGIC: 'videos/list.avi': not a video of a kind that is read (it" in details[4]
    assert told.done == ("c0", "c1", "c2", "c3", "c4")
    note = f"clips without a usable video: 3, first: c2: {details[2]}\n"
    assert note in capsys.readouterr().out


def test_a_part_of_a_cut_video_may_be_sound(raw: Path) -> None:
    told = ledger(
        raw,
        [
            "a,videos/cut.mkv,a,s,c,3,9,",
            "b,videos/cut.mkv,a,s,c,9,,",
            "c,videos/cut.mkv,a,s,c,,,sensor.skeleton",
            "d,videos/list.avi,a,s,c,3,9,",
        ],
    )
    details = {one.id: one.detail for one in told.outcomes}
    assert details["a"] == ""
    assert details["b"].startswith(CUT)
    assert details["c"].startswith(CUT)
    assert "VIDEO_MAGIC" in details["d"]


def test_good_videos_leave_no_note(raw: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger(raw, ["a,videos/good.mp4,a,s,c,,,"])
    assert "usable" not in capsys.readouterr().out


KINDS = {
    "a video": "videos/good.mp4",
    "a frame": "images/3.jpg",
    "a sensor's file": "sensor.skeleton",
    "a named file of OpenPose": "json/clip_000000000001_keypoints.json",
    "a file of OpenPose in the default folder": "openpose-json/d/clip_000000000001_keypoints.json",
}


@pytest.fixture
def everything(raw: Path) -> Path:
    """A data set with a file of every kind that later stages read."""
    (raw / "images").mkdir()
    for number in range(5):
        (raw / "images" / f"{number}.jpg").write_bytes(jpeg(count_to(5)[number]))
    for folder in ("json", "openpose-json/d"):
        write(raw / folder, {number: [body(BODY_25)] for number in range(5)})
    (raw / "sensor.skeleton").write_text("a skeleton")
    return raw


def samples(raw: Path) -> bytes:
    """The index of that data set."""
    rows = (
        "a,videos/good.mp4,a,s,c,,,sensor.skeleton", "b,images,a,s,c,,,",
        "c,videos/good.mp4,a,s,c,,,json", "d,videos/lying.avi,a,s,c,,,",
    )  # fmt: skip
    ledger(raw, list(rows))
    return (raw.parent / f"index{len(rows)}" / "samples.csv").read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_file_of_any_kind_changes_the_index(everything: Path, kind: str) -> None:
    """Later stages run again by the index alone: dvc.yaml does not give them the raw data."""
    before = samples(everything)
    assert samples(everything) == before
    file = everything / KINDS[kind]
    file.write_bytes(file.read_bytes() + b" ")
    assert samples(everything) != before


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Videos that are hashed, as it happens; files count as settled at once."""
    names: list[str] = []
    monkeypatch.setattr(digests, "SETTLED", -1.0)
    monkeypatch.setattr(fingerprint, "_known", {})
    for module, name in ((fingerprint, "sha256_file"), (image_folder, "folder_digest")):
        hashing = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda path, hashing=hashing: (names.append(path.name), hashing(path))[1]
        )
    return names


def test_a_file_is_hashed_once_by_index_and_all_later_stages(
    everything: Path, hashed: list[str]
) -> None:
    before = samples(everything)
    assert sorted(hashed) == ["good.mp4", "images", "lying.avi", "sensor.skeleton"]
    hashed.clear()
    assert samples(everything) == before
    store, index = everything.parent / "store", read_index(everything.parent / "index4")
    for clip in clip_inputs(everything, index.samples, store, "video", "skeleton"):
        clip.check_unchanged("video")
        if clip.digests["skeleton"]:
            clip.check_unchanged("skeleton")
    assert hashed == []


def test_a_result_depends_on_the_camera_where_it_is_used(everything: Path) -> None:
    samples(everything)
    store, index = everything.parent / "store", read_index(everything.parent / "index4")
    one, other = (replace(index.samples[0], camera=name) for name in ("front", "side"))
    for used in (("video",), ("video", "camera")):
        front, side = clip_inputs(everything, [one, other], store, *used)
        assert (front.camera, side.camera) == ("front", "side")
        assert front.digests.keys() >= {*used}
        assert (front.digests == side.digests) == ("camera" not in used)
        assert front.states == side.states != {}


@pytest.mark.parametrize("kind", ["a video", "a frame", "a sensor's file"])
def test_a_file_that_changed_after_the_index_is_noticed(
    everything: Path, hashed: list[str], kind: str
) -> None:
    samples(everything)
    file = everything / KINDS[kind]
    before = file.stat()
    time.sleep(0.05)  # the clock of file systems ticks every 4 to 10 ms
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    with file.open("r+b") as changed:
        changed.write(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    store, index = everything.parent / "store", read_index(everything.parent / "index4")
    clips = clip_inputs(everything, index.samples, store, "video", "skeleton")
    clip = clips[1] if kind == "a frame" else clips[0]
    with pytest.raises(ClipRejected, match="changed since it was indexed"):
        clip.check_unchanged("skeleton" if "sensor" in kind else "video")


def test_a_damaged_note_of_what_is_known_costs_nothing_but_time(
    everything: Path, hashed: list[str]
) -> None:
    before = samples(everything)
    (note,) = (everything.parent / "store" / "digests").iterdir()
    for text in ("", "[]", '{"videos/good.mp4": 3}', '{"videos/good.mp4": ["", 1, 2, 3, 4, 5]}'):
        note.write_text(text)
        hashed.clear()
        assert samples(everything) == before
        assert "good.mp4" in hashed


def test_a_known_file_keeps_what_is_wrong_with_it(raw: Path, hashed: list[str]) -> None:
    rows = ["a,videos/cut.mkv,a,s,c,,,"]
    first = ledger(raw, rows).outcomes
    assert first[0].detail.startswith(CUT)
    hashed.clear()
    assert ledger(raw, rows).outcomes == first
    assert hashed == []
