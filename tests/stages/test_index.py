"""What the index says of videos before people are estimated in them."""

from __future__ import annotations

import os
from pathlib import Path

import handmade_videos
import numpy as np
import pytest
from handmade_videos import jpeg, mux
from numbered import count_to, write_video

from stroi.pipeline.index.ledger import Ledger, read_ledger
from stroi.pipeline.index.table import read_index
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import IndexParams
from stroi.stages.index import build_index

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
