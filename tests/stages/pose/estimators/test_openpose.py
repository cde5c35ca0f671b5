"""The user's own OpenPose, by stand-ins that refuse what each of its releases refuses."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fake_openpose import DIALECTS, WEIGHTS, WEIGHTS_MD5, fake_build
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput, StroiError
from stroi.cache.layouts import BODY_25
from stroi.pipeline.params.profile import OpenPoseParams
from stroi.stages.pose.estimators.openpose import OpenPose, read_people
from stroi.stages.pose.estimators.openpose_build import NETWORKS, check_network
from stroi.stages.pose.layouts import COCO_18

SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from stroi.cache.errors import StroiError
from stroi.pipeline.params.profile import OpenPoseParams
from stroi.stages.pose.estimators.openpose import OpenPose

def frame(people, last=7):
    image = np.zeros((6, 8, 3), np.uint8)
    image[0, 0, 0], image[-1, -1, -1] = people, last
    return image

PARAMS = OpenPoseParams(root=sys.argv[1], weights_md5=sys.argv[2], **{options})
estimator = OpenPose(PARAMS)
{body}
"""


def in_a_process(root: Path, body: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run `body` with an `estimator`: OpenPose can be started once per process."""
    script = SCRIPT.replace("{options}", repr(options)).replace("{body}", body)
    return subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", script, str(root), WEIGHTS_MD5],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_finds_people_and_nobody(tmp_path: Path, dialect: str) -> None:
    body = """
for count in (0, 2, 0, 1, 3, 0):
    people = estimator(frame(count, last=90 + count))
    assert people.shape == (count, 25, 3) and people.dtype == np.float32
    for p in range(count):
        assert (people[p, :, 0] == 10 * p + np.arange(25)).all()
    assert (people[..., 1] == 90 + count).all() and (people[..., 2] == 0.5).all()
assert (estimator.frames, estimator.empty) == (6, 3)
# Stripes of a wider picture: the memory between them is not the frame's.
wide = np.full((6, 16, 3), 200, np.uint8)
wide[:, ::2] = frame(1, last=33)
(one,) = estimator(wide[:, ::2])
assert (one[:, 1] == 33).all()
print("dialect", estimator.build.dialect)
"""
    done = in_a_process(fake_build(tmp_path / "openpose", dialect), body)
    assert done.returncode == 0, done.stderr
    expected = {"1.7.0": "1.7", "master": "1.7"}.get(dialect, dialect)
    assert f"dialect {expected}" in done.stdout


@pytest.mark.parametrize("dialect", ["1.5", "master"])
def test_coco_is_rewritten_as_body_25(tmp_path: Path, dialect: str) -> None:
    body = """
(one,) = estimator(frame(1))
print([int(x) for x in one[:, 0]], [float(c) for c in one[:, 2]])
"""
    root = fake_build(tmp_path, dialect, models=("COCO",))
    done = in_a_process(root, body, model="COCO")
    assert done.returncode == 0, done.stderr
    places = [0, 1, 2, 3, 4, 5, 6, 7, 9, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17] + [0] * 6
    assert done.stdout.splitlines()[-1] == f"{places} {[0.5] * 19 + [0.0] * 6}"


def test_every_flag_is_set_because_flags_are_global(tmp_path: Path) -> None:
    root = fake_build(tmp_path, "master")
    options: dict[str, object] = {"net_resolution": "-1x320", "number_people_max": 2}
    done = in_a_process(root, "estimator(frame(1)); print(estimator.info())", **options)
    assert done.returncode == 0, done.stderr
    flags = dict(ast.literal_eval(done.stdout.split("Configured:")[1].splitlines()[0]))
    assert flags == {
        "model_pose": "BODY_25",
        "model_folder": f"{root / 'models'}/",
        "net_resolution": "-1x320",
        "scale_number": "1",
        "scale_gap": "0.25",
        "number_people_max": "2",
        "num_gpu": "1",
        "num_gpu_start": "0",
        "net_resolution_dynamic": "0",
        "maximize_positives": "0",
        "render_pose": "0",
        "keypoint_scale": "0",
        "logging_level": "4",
    }
    info = ast.literal_eval(done.stdout.splitlines()[-1])
    assert (info["dialect"], info["network"]) == ("1.7", "BODY_25")
    assert info["options"]["net_resolution"] == "-1x320"
    assert len(info["module"]) == len(info["prototxt"]) == 64
    assert not {"root", "models", "weights_md5", "num_gpu"} & set(info["options"])


def test_second_one_in_a_process_is_refused(tmp_path: Path) -> None:
    body = """
estimator(frame(1))
try:
    OpenPose(PARAMS)(frame(1))
except StroiError as error:
    print(error)
"""
    done = in_a_process(fake_build(tmp_path, "1.5"), body)
    assert "OPENPOSE_TWICE: one OpenPose runs in this process already" in done.stdout


EMPTY_FRAMES = 20_000


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="None cannot lose references here")
def test_stand_in_of_1_7_0_aborts_as_the_real_one_does(tmp_path: Path) -> None:
    body = f"""
from stroi.stages.pose.estimators.openpose_build import import_openpose
module = import_openpose(estimator.build.folders)
datum = module.Datum()
for _ in range({EMPTY_FRAMES}):
    datum.poseKeypoints
"""
    done = in_a_process(fake_build(tmp_path, "1.7.0"), body)
    assert done.returncode != 0
    assert "Fatal Python error" in done.stderr


@pytest.mark.parametrize("dialect", ["1.7.0", "master"])
def test_thousands_of_empty_frames_do_no_harm(tmp_path: Path, dialect: str) -> None:
    body = f"""
before = sys.getrefcount(None)
empty = frame(0)
for _ in range({EMPTY_FRAMES}):
    estimator(empty)
assert sys.getrefcount(None) - before > -500, (before, sys.getrefcount(None))
print("alive", estimator.empty)
"""
    done = in_a_process(fake_build(tmp_path, dialect), body)
    assert done.returncode == 0, done.stderr
    assert f"alive {EMPTY_FRAMES}" in done.stdout
    assert done.stderr.count("OpenPose has found nobody in 300 frames") == 1


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("fails", "message", "remedy"),
    [
        (
            "\nError:\nPrototxt file not found: a.prototxt.\n\nComing from:\n- net.cpp:run():7\n",
            "OpenPose failed: Prototxt file not found: a.prototxt.;",
            "check skeletons.openpose and the files of the network",
        ),
        (
            "Cuda check failed (2 vs. 0): out of memory",
            "OpenPose failed: Cuda check failed (2 vs. 0): out of memory;",
            "set a smaller skeletons.openpose.net_resolution",
        ),
    ],
)
def test_what_ended_a_thread_is_told(
    tmp_path: Path, dialect: str, fails: str, message: str, remedy: str
) -> None:
    body = """
try:
    estimator(frame(1))
except StroiError as error:
    print(error)
"""
    done = in_a_process(fake_build(tmp_path, dialect, fails=fails), body)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"OPENPOSE_FAILED: {message} {remedy}" in done.stdout


def test_a_cpu_takes_one_scale_and_no_number_of_gpus(tmp_path: Path) -> None:
    root = fake_build(tmp_path, "master")
    module = root / "build" / "python" / "openpose" / "pyopenpose.py"
    text = module.read_text().replace("return 1\n", "raise RuntimeError('no CUDA')\n", 1)
    module.write_text(text)
    done = in_a_process(root, "estimator(frame(1))")
    assert done.returncode == 0, done.stderr
    assert "('num_gpu', '-1')" in done.stdout
    done = in_a_process(root, "", scale_number=2)
    assert "OPENPOSE_SCALES: scale_number is 2, and this OpenPose runs on the CPU" in done.stderr


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"net_resolution=1": "x"}, "Extra inputs are not permitted"),
        ({"write_images": "out"}, "Extra inputs are not permitted"),
        ({"net_resolution": "-1x370"}, "net_resolution is -1x370: use multiples of 16"),
        ({"net_resolution": "-1x-1"}, "net_resolution is -1x-1: give one side"),
        ({"scale_number": 5}, r"scale 5 of 5 with a scale_gap of 0.25 is not above 0"),
        ({"weights_md5": "78287B57"}, "should match pattern"),
        ({"net_resolution": "wide"}, "should match pattern"),
        ({"num_gpu": 0}, "num_gpu is 0, which switches detection off"),
        ({"scale_gap": None}, "should be a valid number"),
        ({"maximize_positives": True}, "should be a valid integer"),
        ({"model": "MPI"}, "should be 'BODY_25' or 'COCO'"),
    ],
)
def test_option_that_would_end_the_process_or_be_ignored_is_refused(
    options: dict[str, str | int], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        OpenPoseParams.model_validate(options)


BODY = NETWORKS["BODY_25"]


def padded(content: bytes) -> Callable[[Path], object]:
    """Writes a file of the weights' size that begins with `content`; zeros follow."""

    def write(path: Path) -> None:
        path.write_bytes(content)
        os.truncate(path, BODY.size)

    return write


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "none": (Path.unlink, "has 0 bytes, the network's weights 104,715,850; put the whole file"),
    "cut": (
        lambda path: os.truncate(path, 10),
        "has 10 bytes, the network's weights 104,715,850; put the whole file",
    ),
    "zeros": (padded(b""), "has the MD5 f278c54da9e746a24812dc0206cc1dce"),
    "a page": (
        padded(b"<!DOCTYPE html>"),
        f"those of OpenPose have {BODY.md5}; fetch",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_other_weights_are_refused(tmp_path: Path, case: str) -> None:
    root = fake_build(tmp_path, "master")
    spoil, problem = WRONG[case]
    spoil(root / "models" / BODY.weights)
    with pytest.raises(RefusedInput) as caught:
        OpenPose(OpenPoseParams(root=str(root)))
    assert caught.value.code == "OPENPOSE_MODEL"
    assert problem in str(caught.value)


def test_own_weights_have_to_be_named(tmp_path: Path) -> None:
    models = fake_build(tmp_path, "master") / "models"
    files = check_network(models, BODY, WEIGHTS_MD5)
    assert files.weights == hashlib.sha256(WEIGHTS).hexdigest()
    assert files.prototxt == hashlib.sha256(b'name: "stand-in"').hexdigest()
    with pytest.raises(RefusedInput, match=r"weights_md5 names 0{32}"):
        check_network(models, BODY, "0" * 32)
    (models / BODY.prototxt).unlink()
    with pytest.raises(RefusedInput, match=r"pose_deploy.prototxt is missing; copy it from"):
        check_network(models, BODY, WEIGHTS_MD5)


def test_an_installation_has_its_models_elsewhere(tmp_path: Path) -> None:
    root = fake_build(tmp_path / "prefix", "master")
    moved = (root / "models").rename(tmp_path / "source-models")
    with pytest.raises(StroiError, match=r"OPENPOSE_MODEL: no folder .*skeletons.openpose.models"):
        OpenPose(OpenPoseParams(root=str(root), weights_md5=WEIGHTS_MD5))
    found = OpenPose(OpenPoseParams(root=str(root), models=str(moved), weights_md5=WEIGHTS_MD5))
    assert found.build.models == moved


def test_joints_that_are_no_numbers_are_absent() -> None:
    found = np.full((2, 25, 3), 0.5, np.float32)
    found[0, 4] = np.nan
    found[1, :, 2] = 0
    people = read_people(found, BODY_25)
    assert people.shape == (1, 25, 3)
    assert not people[0, 4].any()
    assert found[0, 3].all()


@pytest.mark.parametrize("found", [np.zeros((25, 3)), np.zeros((1, 18, 3)), np.zeros((1, 25, 2))])
def test_output_of_another_shape_is_refused(found: NDArray[np.float64]) -> None:
    with pytest.raises(StroiError, match=r"OPENPOSE_OUTPUT: OpenPose returned .*\(people, 25, 3\)"):
        read_people(found, BODY_25)
    assert read_people(np.zeros((0, 0, 0)), COCO_18).shape == (0, 25, 3)
