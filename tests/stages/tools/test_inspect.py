"""`stroi inspect`: what a file is, or one line that says why it is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from handmade_videos import black_jpeg, mux
from ntu_texts import BODY_A, BODY_B, ntu_text
from openpose_texts import openpose_frame, points
from small_caches import score_arrays
from weights_attacks import GOOD, saved

from stroi.cache.errors import RefusedInput
from stroi.cache.storage.formats import SCORES
from stroi.cache.storage.hdf5 import encode
from stroi.pipeline.cli import run
from stroi.stages.tools import inspect
from stroi.stages.tools.inspect import READERS, describe_file, inspect_limited
from stroi.trainer.network_files.safetensors_io import write_tensors


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A good file of every kind."""
    (tmp_path / "clip.avi").write_bytes(mux([black_jpeg(96, 64)] * 4, 5))
    (tmp_path / "body.skeleton").write_bytes(ntu_text((BODY_A,), (BODY_A, BODY_B)))
    (tmp_path / "frame.json").write_bytes(openpose_frame([points(25)]))
    (tmp_path / "net.pth").write_bytes(saved(GOOD))
    write_tensors(tmp_path / "net.safetensors", GOOD, {"kind": "gcn", "classes": ["a", "b"]})
    (tmp_path / "scores.h5").write_bytes(encode(SCORES, score_arrays()))
    return tmp_path


SUMMARIES = {
    "clip.avi": "video: 4 frames, 96 x 64 px, 12.5 frames per second",
    "body.skeleton": "NTU skeleton: 2 frames, 2 bodies",
    "frame.json": "OpenPose frame (BODY_25): 1 person",
    "net.pth": "weights: 2 tensors, 7 numbers, all finite",
    "net.safetensors": "weights: 2 tensors, 7 numbers, all finite",
    "scores.h5": "shard of kind scores: ",
}


@pytest.mark.parametrize("name", SUMMARIES)
def test_every_kind_is_described(files: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["inspect", str(files / name)]) == 0
    out, err = capfd.readouterr()
    assert out.startswith(f"{files / name}: {SUMMARIES[name]}")
    assert err == ""


def test_particulars_follow(files: Path) -> None:
    assert describe_file(files / "body.skeleton")[1:] == [
        f"  body {BODY_A}: in 2 frames",
        f"  body {BODY_B}: in 1 frames",
    ]
    assert describe_file(files / "frame.json")[1] == "  person 0: 20 of 25 joints of BODY_25"
    assert describe_file(files / "net.safetensors")[1] == "a checkpoint of stroi: gcn, 2 classes"
    assert describe_file(files / "net.pth")[1:] == ["  a float32 (2, 3)", "  n int64 ()"]


def test_the_model_of_a_frame_is_an_option(files: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (files / "frame.json").write_bytes(openpose_frame([points(18), points(18)]))
    assert run(["inspect", str(files / "frame.json")]) == 3
    assert "POSE_LENGTH" in capfd.readouterr().err
    assert run(["inspect", "--json-model", "COCO", str(files / "frame.json")]) == 0
    assert "OpenPose frame (COCO): 2 people" in capfd.readouterr().out


def test_all_files_are_inspected_though_some_are_refused(
    files: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (files / "a.txt").touch()
    names = ["absent.avi", "clip.avi", "a.txt", "frame.json"]
    assert run(["inspect", *(str(files / name) for name in names)]) == 3
    out, err = capfd.readouterr()
    assert [line.split(": ")[1] for line in out.splitlines() if line[0] != " "] == [
        "video", "OpenPose frame (BODY_25)",
    ]  # fmt: skip
    first, last = err.splitlines()
    assert first.startswith("VIDEO_OPEN: ")
    assert last == (
        f"error: FILE_KIND: '{files / 'a.txt'}': no reader for this ending; known are: "
        + " ".join(sorted(READERS))
    )


def test_a_shard_of_a_known_kind_with_a_defect_is_refused_as_such(files: Path) -> None:
    arrays = score_arrays()
    data = encode(SCORES, arrays)
    logits = np.asarray(arrays["logits"]).tobytes()[:8]
    at = data.index(logits)
    (files / "scores.h5").write_bytes(
        data[:at] + np.full(2, np.nan, np.float32).tobytes() + data[at + 8 :]
    )
    with pytest.raises(RefusedInput, match=r"NONFINITE: .*logits"):
        describe_file(files / "scores.h5")
    (files / "scores.h5").write_bytes(data[:-8])
    with pytest.raises(RefusedInput, match="H5_EOF"):
        describe_file(files / "scores.h5")


def _die(path: Path, **_: object) -> list[str]:
    os.kill(os.getpid(), signal.SIGKILL)
    return []


def _grow(path: Path, **_: object) -> list[str]:
    return [str(np.ones(2**36, np.uint8).sum())]


def _fail(path: Path, **_: object) -> list[str]:
    raise RuntimeError("\x1b[31m")


def _spin(path: Path, **_: object) -> list[str]:
    while True:
        pass


def _write(path: Path, **_: object) -> list[str]:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    path.with_name("trace").write_bytes(b"x")
    return []


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (
            _die,
            r"READER_CRASHED: '.*clip.avi': its reader crashed \(SIGKILL\); do not use the file",
        ),
        (
            _grow,
            "READER_MEMORY: '.*clip.avi': reading it takes too much memory; do not use the file",
        ),
        (_fail, r"READER_CRASHED: .*RuntimeError"),
        (_spin, "READER_TIME: '.*clip.avi': reading it takes too long; do not use the file"),
        (_write, "READER_CRASHED.*File too large"),
    ],
)
def test_a_reader_that_goes_wild_is_ended(
    files: Path, monkeypatch: pytest.MonkeyPatch, task: object, expected: str
) -> None:
    monkeypatch.setattr(inspect, "describe_file", task)
    monkeypatch.setattr(inspect, "CPU_SECONDS", 1)
    with pytest.raises(RefusedInput, match=expected) as caught:
        inspect_limited(files / "clip.avi", "BODY_25")
    assert str(caught.value).isprintable()
    trace = files / "trace"
    assert not trace.exists() or trace.stat().st_size == 0


def test_torch_is_needed_for_weights_alone(files: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from stroi.stages.tools.inspect import describe_file\n"
        "for name in sys.argv[1:]: describe_file(Path(name))\n"
        "assert not {'torch', 'onnxruntime', 'scipy'} & set(sys.modules), sys.modules.keys()\n"
    )
    names = [str(files / name) for name in SUMMARIES if not name.startswith("net.")]
    done = subprocess.run([sys.executable, "-c", script, *names], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
