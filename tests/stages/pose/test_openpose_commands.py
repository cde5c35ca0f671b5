"""The script for an OpenPose elsewhere, run by a shell with a stand-in, and read back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from numbered import count_to, write_video

from stroi.cache.skeletons import SkeletonCache
from stroi.pipeline.cli import run
from stroi.pipeline.index.ledger import read_ledger
from stroi.pipeline.index.table import Index, Sample, write_index
from stroi.pipeline.params.profile import SkeletonParams
from stroi.stages.pose.openpose_commands import openpose_commands
from stroi.stages.video.fingerprint import measure_clip

PLACES = ("it's wave 1.mp4", 'wave/größe "$HOME" `a`.mp4', "-f & b;c\\d.mp4", "frames of a")
STAND_IN = """#!{python}
import json, pathlib, sys
args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
with open({log!r}, "a") as log:
    log.write(json.dumps(args) + "\\n")
out = pathlib.Path(args["--write_json"])
first = int(args.get("--frame_first", 0))
last = int(args.get("--frame_last", first + 9))
person = {{"pose_keypoints_2d": [160.0, 80.0, 0.9] * 25}}
for number in range(first, last + 1):
    name = f"clip_{{number:012d}}_keypoints.json"
    (out / name).write_text(json.dumps({{"version": 1.3, "people": [person]}}))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose videos have names that a shell could take apart."""
    root = tmp_path / "a project's folder"
    raw = root / "data" / "odd" / "raw"
    for place in PLACES[:3]:
        (raw / place).parent.mkdir(parents=True, exist_ok=True)
        write_video(raw / place, "mpeg4", count_to(10), options={"qscale": "3"}, gop=5)
    (raw / PLACES[3]).mkdir()
    for number in range(10):
        cv2.imwrite(str(raw / PLACES[3] / f"{number}.png"), np.zeros((160, 320, 3), np.uint8))
    samples = [
        Sample(f"clip{number}", place, "wave", bytes=size, sha256=sha256)
        for number, place in enumerate(PLACES)
        for sha256, size in [measure_clip(raw / place)]
    ]
    part = Sample("part", PLACES[0], "wave", start=3, stop=8,
                  bytes=samples[0].bytes, sha256=samples[0].sha256)  # fmt: skip
    write_index(root / "data" / "odd" / "index", [*samples, part])
    (root / "profiles").mkdir()
    (root / "profiles" / "odd.yaml").write_text(
        "skeletons: {source: openpose-json, openpose_json: {compare_frames: 0}}\n"
        "splits: {s: {by: id, test: [clip0]}}\n"
    )
    return root


def script_of(project: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert run(["skeletons", "odd", "--print-openpose-commands", "--root", str(project)]) == 0
    return capsys.readouterr().out


def executed(script: str, tmp_path: Path) -> list[dict[str, str]]:
    """Run the script, and return the arguments of every call of the stand-in."""
    log, program = tmp_path / "log", tmp_path / "openpose stand-in"
    program.write_text(STAND_IN.format(python=sys.executable, log=str(log)))
    program.chmod(0o755)
    log.write_text("")
    done = subprocess.run(
        ["sh"], input=script, text=True, capture_output=True,
        env={"OPENPOSE_ROOT": "/an openpose", "OPENPOSE": str(program), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [eval(line, {}) for line in log.read_text().splitlines()]


def test_the_script_writes_what_the_source_reads(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script, raw = script_of(project, capsys), project / "data" / "odd" / "raw"
    calls = executed(script, tmp_path)
    inputs = [call.get("--video") or call["--image_dir"] for call in calls]
    assert inputs == [str(raw / place) for place in (*PLACES, PLACES[0])]
    assert "--image_dir" in calls[3]
    assert calls[0]["--model_folder"] == "/an openpose/models/"
    assert (calls[0]["--keypoint_scale"], calls[0]["--model_pose"]) == ("0", "BODY_25")
    assert (calls[4]["--frame_first"], calls[4]["--frame_last"]) == ("3", "7")
    assert executed(script, tmp_path) == []
    assert run(["skeletons", "odd", "--root", str(project)]) == 0
    out = project / "data" / "odd" / "skeletons"
    assert read_ledger(out).summary() == "5 clips = 5 done + 0 quarantined"
    lengths = {name: len(SkeletonCache(out)[name].keypoints) for name in SkeletonCache(out).ids}
    assert lengths == {"clip0": 10, "clip1": 10, "clip2": 10, "clip3": 10, "part": 5}


def test_a_clip_that_was_broken_off_is_made_again(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = project / "data" / "odd" / "raw" / "openpose-json" / "clip0.part"
    part.mkdir(parents=True)
    (part / "clip_000000000099_keypoints.json").write_text("{}")
    executed(script_of(project, capsys), tmp_path)
    assert not part.exists()
    assert len(list((part.parent / "clip0").iterdir())) == 10


def test_flags_and_folders_are_the_params(tmp_path: Path) -> None:
    params = SkeletonParams.model_validate(
        {
            "source": "openpose-json",
            "openpose": {"net_resolution": "-1x480", "number_people_max": 2},
            "openpose_json": {"model": "COCO"},
        }
    )
    index = Index(
        (Sample("a", "a.mp4", "wave", skeleton="poses/a b"), Sample("b", "", "wave")), ("wave",)
    )
    head, *lines = openpose_commands("mine", tmp_path, index.samples, params)
    assert lines == ["clip 'poses/a b' --video \"$raw\"/a.mp4"]
    assert "--net_resolution -1x480 " in head
    assert "--number_people_max 2 " in head
    assert "--model_pose COCO " in head
