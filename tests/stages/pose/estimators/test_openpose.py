"""The user's own OpenPose, by stand-ins that refuse what each of its releases refuses."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fake_openpose import DIALECTS, fake_build
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput, StroiError
from stroi.cache.layouts import BODY_25
from stroi.pipeline.params.profile import OpenPoseParams
from stroi.stages.pose.estimators.openpose import OpenPose, check_weights, read_people
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

estimator = OpenPose(OpenPoseParams(root=sys.argv[1], **{options}))
{body}
"""


def in_a_process(root: Path, body: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run `body` with an `estimator`: OpenPose can be started once per process."""
    script = SCRIPT.replace("{options}", repr(options)).replace("{body}", body)
    return subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", script, str(root)],
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
        "num_gpu": "-1",
        "num_gpu_start": "0",
        "maximize_positives": "0",
        "render_pose": "0",
        "keypoint_scale": "0",
        "logging_level": "4",
    }
    info = ast.literal_eval(done.stdout.splitlines()[-1])
    assert (info["dialect"], info["network"]) == ("1.7", "BODY_25")
    assert info["options"]["net_resolution"] == "-1x320"
    assert len(info["module"]) == 64


def test_second_one_in_a_process_is_refused(tmp_path: Path) -> None:
    body = """
estimator(frame(1))
try:
    OpenPose(OpenPoseParams(root=sys.argv[1]))(frame(1))
except StroiError as error:
    print(error)
"""
    done = in_a_process(fake_build(tmp_path, "1.5"), body)
    assert "OPENPOSE_TWICE: one OpenPose runs in this process already" in done.stdout


EMPTY_FRAMES = 20_000


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="None cannot lose references here")
def test_stand_in_of_1_7_0_aborts_as_the_real_one_does(tmp_path: Path) -> None:
    body = f"""
from stroi.stages.pose.estimators.openpose import import_openpose
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


def test_failure_in_openpose_names_the_page(tmp_path: Path) -> None:
    root = fake_build(tmp_path, "master")
    module = root / "build" / "python" / "openpose" / "pyopenpose.py"
    module.write_text(
        module.read_text().replace(
            "EXPECTED, RETURNS = VectorDatum, True",
            """
EXPECTED, RETURNS = VectorDatum, False""",
        )
    )
    body = """
try:
    estimator(frame(1))
except StroiError as error:
    print(error)
"""
    done = in_a_process(root, body)
    assert (
        "OPENPOSE_FAILED: OpenPose failed: it gave a frame back without processing it"
        in done.stdout
    )
    assert "see docs/pose-sources.md" in done.stdout


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"net_resolution=1": "x"}, "Extra inputs are not permitted"),
        ({"write_images": "out"}, "Extra inputs are not permitted"),
        ({"net_resolution": "-1x370"}, "net_resolution is -1x370: use multiples of 16"),
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


def test_truncated_weights_are_refused(tmp_path: Path) -> None:
    root = fake_build(tmp_path, "master")
    weights = next(root.rglob("*.caffemodel"))
    with weights.open("r+b") as file:
        file.truncate(60_000_000)
    with pytest.raises(RefusedInput) as caught:
        OpenPose(OpenPoseParams(root=str(root)))
    assert caught.value.code == "OPENPOSE_MODEL"
    assert "has 60,000,000 bytes, the network's weights 104,715,850" in caught.value.message
    weights.unlink()
    with pytest.raises(RefusedInput, match=r"OPENPOSE_MODEL.* has 0 bytes.*docs/pose-sources"):
        OpenPose(OpenPoseParams(root=str(root)))


def test_digest_is_the_weights_own(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"abc")
    assert check_weights(file, 3).startswith("ba7816bf8f01cfea")


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
