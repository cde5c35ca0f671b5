"""Command predict, as a user runs it: table, files, overlays, bad videos."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from answering_run import CLASSES, RUN, TEST, video

from stroi.cache.errors import ParamsError
from stroi.pipeline.cli import run as stroi
from stroi.stages.predict.overlay import encoder, overlay_paths


def _predict(project: Path, *arguments: object, jobs: int = 1) -> int:
    line = ["predict", *map(str, arguments), "--root", str(project), "--jobs", str(jobs)]
    return stroi(line)


def test_a_bad_video_is_told_and_does_not_end_the_others(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new"
    (folder / "more").mkdir(parents=True)
    shutil.copy(video(project, TEST[0]), folder / "b.avi")
    shutil.copy(video(project, TEST[1]), folder / "more" / "c.avi")
    (folder / "a.mp4").write_bytes(b"no video")
    files = {kind: tmp_path / f"found.{kind}" for kind in ("json", "csv")}
    status = _predict(
        project, RUN, folder, "--json", files["json"], "--csv", files["csv"], "--top", 2
    )
    out, err = capsys.readouterr()
    assert status == 1
    assert "1 of 3 videos could not be predicted, the first is" in err
    assert "predict: 3/3 clips" in err
    lines = out.splitlines()
    assert lines[0].startswith(f"{folder / 'a.mp4'}: VIDEO_MAGIC: ")
    assert lines[1].startswith(f"{folder / 'b.avi'}: 31 frames of ")
    assert "1 person: the person at x " in lines[1]
    assert lines[2].split() == ["skeleton", "rgb", "ensemble"]
    assert lines[5].startswith(f"{folder / 'more' / 'c.avi'}: ")
    assert "2 people: left at x " in lines[5]
    found = json.loads(files["json"].read_bytes())
    assert found["classes"] == list(CLASSES)
    assert found["mode"] == "fixed"
    assert found["videos"][0]["error"]["code"] == "VIDEO_MAGIC"
    [part] = found["videos"][1]["parts"]
    assert [one["name"] for one in part["subjects"]] == ["the person"]
    assert len(part["branches"]["rgb"]["top"]) == 2
    assert sum(part["branches"]["ensemble"]["probabilities"]) == pytest.approx(1)
    rows = list(csv.DictReader(files["csv"].read_text("utf-8").splitlines()))
    assert len(rows) == 2 * 3 * 2
    best = [row for row in rows if row["branch"] == "ensemble" and row["rank"] == "1"]
    assert best[0]["label"] == part["branches"]["ensemble"]["top"][0]["label"]
    assert float(best[0]["probability"]) == pytest.approx(
        max(part["branches"]["ensemble"]["probabilities"]), abs=1e-6
    )


def test_overlay_has_every_frame_and_shows_something(project: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    assert _predict(project, RUN, video(project, TEST[1]), "--overlay", out) == 0
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == ("h264" if "264" in encoder() else "mpeg4")
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    assert len(frames) == 31
    with av.open(str(video(project, TEST[1]))) as container:
        stream = container.streams.video[0]
        height, width = stream.height, stream.width
    assert frames[0].shape[0] > height
    assert frames[0].shape[1] > width
    assert frames[0].std() > 10
    assert list(tmp_path.iterdir()) == [out]


def test_windows_print_a_label_track_and_draw_one_overlay(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, out = tmp_path / "found.json", tmp_path / "out.mp4"
    status = _predict(
        project, RUN, video(project, TEST[0]), "--window", "1s", "--stride", "0.4s",
        "--json", found, "--overlay", out,
    )  # fmt: skip
    assert status == 0
    [result] = json.loads(found.read_bytes())["videos"]
    assert [part["seconds"][0] for part in result["parts"]] == pytest.approx([0, 0.4, 0.8])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("3 windows, 15 frames/s")
    assert "0.00 to " in lines[1]
    assert lines[-1] == f"  overlay: {out}"
    with av.open(str(out)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 31


def test_overlays_have_names_of_their_own_and_replace_no_video(tmp_path: Path) -> None:
    out = tmp_path / "out"
    videos = [tmp_path / name for name in ("a.avi", "more/b.avi", "more/b.mp4")]
    names = [path.name for path in overlay_paths(out, videos)]
    assert names == ["a.mp4", "more_b.avi.mp4", "more_b.mp4.mp4"]
    assert overlay_paths(tmp_path / "seen.mp4", videos[:1]) == [tmp_path / "seen.mp4"]
    with pytest.raises(ParamsError, match=r"PREDICT_OVERLAY: 3 videos and one overlay"):
        overlay_paths(tmp_path / "seen.mp4", videos)
    for target in (tmp_path, tmp_path / "c.mp4"):
        with pytest.raises(ParamsError, match=r"c.mp4 would replace the video of that name"):
            overlay_paths(target, [tmp_path / "c.mp4"])


@pytest.mark.nightly
def test_the_same_bytes_by_one_worker_and_by_two(project: Path, tmp_path: Path) -> None:
    videos = [video(project, name) for name in TEST]
    for jobs in (1, 2):
        found = tmp_path / f"{jobs}.json"
        assert _predict(project, RUN, *videos, "--json", found, jobs=jobs) == 0
    assert (tmp_path / "1.json").read_bytes() == (tmp_path / "2.json").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        ([], 2, "PREDICT_USAGE: no video is named; use `stroi predict RUN VIDEO...` or"),
        ([RUN], 2, "PREDICT_USAGE: no video is named"),
        (["other", "x.avi"], 2, "PREDICT_RUN: 'other' is no run of params.yaml and no folder"),
        ([RUN, "x.avi", "--stride", "1s"], 2, "PREDICT_USAGE: --stride without --window"),
        ([RUN, "x.avi", "y.avi", "--overlay", "o.mp4"], 2, "PREDICT_OVERLAY: 2 videos and one ove"),
        ([RUN, "x.avi", "--window", "soon"], 2, "'soon' is no time such as 2s or 0.5s"),
        ([RUN, "x.avi"], 1, "PREDICT_SOME: 1 of 1 videos could not be predicted, the first is x."),
    ],
)
def test_wrong_usage_is_told(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, says: str
) -> None:
    assert _predict(project, *arguments) == status
    assert says in capsys.readouterr().err


def test_without_a_person_there_is_a_reason(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "empty.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder(), rate=15)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for _ in range(20):
            grey = np.full((64, 64, 3), 90, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode(None))
    assert _predict(project, RUN, path) == 1
    assert f"{path}: NO_PERSON: nobody is seen in 10% of the 20 frames" in capsys.readouterr().out
    assert _predict(project, RUN, path, "--window", "1s") == 0
    assert "nobody" in capsys.readouterr().out
