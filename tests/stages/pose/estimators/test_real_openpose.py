"""OpenPose's own binding, where OPENPOSE_ROOT names a build: ``make test-openpose``.

No weights are needed: see `drawn_people`. Each test has a process of its own, because OpenPose's
flags are global to one.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest
from fake_openpose import WEIGHTS, WEIGHTS_MD5
from openpose_weights import write_weights

from stroi.stages.pose.estimators.openpose_build import NETWORKS

ROOT = os.environ.get("OPENPOSE_ROOT", "")
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(not ROOT, reason="OPENPOSE_ROOT names no build of OpenPose"),
]
FACTORIES = Path(__file__).parents[3] / "factories"
SCRIPT = """
import hashlib, os, sys, time
from pathlib import Path
sys.path.insert(0, {factories!r})
import numpy as np
from drawn_people import HEIGHT, STANDING, WIDTH, network_output
from stroi.cache.errors import StroiError
from stroi.cache.layouts import BODY_25
from stroi.pipeline.params.profile import OpenPoseParams
from stroi.stages.pose.estimators import openpose as adapter
from stroi.stages.pose.layouts import COCO_18

MODEL = {model!r}
JOINTS = {{"BODY_25": BODY_25, "COCO": COCO_18}}[MODEL].joints
params = OpenPoseParams(root={root!r}, models={models!r}, weights_md5={md5!r}, **{options!r})
estimator = adapter.OpenPose(params)
frame = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
seen = {{}}


def without_network():
    '''Let OpenPose take the output that `see` draws in place of its network's.'''
    flags = estimator._flags
    estimator._flags = lambda: flags() | {{"body": 2, "upsampling_ratio": 0}}
    module = adapter.import_openpose(estimator.build.folders)
    model = getattr(module.PoseModel, {{"BODY_25": "BODY_25", "COCO": "COCO_18"}}[MODEL])
    mapping = module.getPoseBodyPartMapping(model)
    ours = [joint.title().replace("Left_", "L").replace("Right_", "R") for joint in JOINTS]
    theirs = [mapping[joint] for joint in range(len(JOINTS))]
    assert [joint.replace("_", "") for joint in ours] == theirs, mapping
    seen["pairs"] = list(module.getPosePartPairs(model))
    seen["places"] = list(module.getPoseMapIndex(model))
    real = module.Datum

    def datum():
        made = real()
        if seen["output"] is not None:
            made.poseNetOutput = seen["output"]
        seen["datum"] = made
        return made

    module.Datum = datum


def see(*people):
    seen["output"] = network_output(people, len(JOINTS), seen["pairs"], seen["places"])
    return estimator(frame)


def drawn(scale, x, y):
    return STANDING[MODEL] * scale + (x, y)


def of(found):
    '''A person's joints in the network's order.'''
    return found[[BODY_25.joints.index(joint) for joint in JOINTS]]


try:
{body}
except StroiError as error:
    print("SAID", error)
print("THE END")
"""


def models(folder: Path, model: str, content: bytes | None = WEIGHTS) -> Path:
    """OpenPose's folder of models with a network's own prototxt and weights that are none."""
    network = NETWORKS[model]
    weights, prototxt = folder / network.weights, folder / network.prototxt
    weights.parent.mkdir(parents=True)
    prototxt.write_bytes((Path(ROOT) / "models" / network.prototxt).read_bytes())
    if content is not None:
        weights.write_bytes(content)
    return folder


def ran(
    body: str, folder: Path, model: str = "BODY_25", md5: str = WEIGHTS_MD5, **options: object
) -> subprocess.CompletedProcess[str]:
    """Run `body` with an `estimator`."""
    script = SCRIPT.format(
        factories=str(FACTORIES), model=model, root=ROOT, models=str(folder), md5=md5,
        options={"model": model, **options}, body=indent(body, "    "),
    )  # fmt: skip
    return subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, timeout=600
    )


def checked(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    assert "THE END" in done.stdout
    return done.stdout


@pytest.mark.parametrize("model", ["BODY_25", "COCO"])
def test_drawn_people_are_found(tmp_path: Path, model: str) -> None:
    body = """
without_network()
one, two = drawn(1, 180, 190), drawn(0.9, 460, 200)
(found,) = see(one)
assert found.dtype == np.float32 and found.shape == (25, 3)
worst = np.abs(of(found)[:, :2] - one).max()
print("one person, worst joint", round(float(worst), 2), "px")
assert worst < 1.1
confidence = of(found)[:, 2]
print("confidence", confidence.min(), "to", confidence.max())
assert (confidence > 0.1).all()
kept = found.copy()
people = see(one, two)
assert len(people) == 2
for person, put_in in zip(sorted(people, key=lambda each: each[0, 0]), (one, two)):
    there = of(person)[:, 2] > 0
    # Where fields of two limbs meet, OpenPose may leave a joint out.
    assert there.sum() >= len(JOINTS) - 1
    assert np.abs(of(person)[:, :2] - put_in)[there].max() < 1.1
assert (found == kept).all(), "the array of a frame is overwritten by the next"
half = one.copy()
low = ("knee", "ankle", "toe", "heel")
legs = [joint for joint, name in enumerate(JOINTS) if name.endswith(low)]
half[legs] = 0
(found,) = see(half)
assert not of(found)[legs].any() and len(legs) > 3
assert see().shape == (0, 25, 3)
"""
    sys.stdout.write(checked(ran(body, models(tmp_path, model), model)))


def test_empty_frames_take_no_reference_of_none(tmp_path: Path) -> None:
    body = """
without_network()
see()
before = sys.getrefcount(None)
for _ in range(1000):
    estimator(frame)
change = sys.getrefcount(None) - before
print("references of None after 1000 empty frames:", change)
assert -50 < change < 1100, change
assert estimator.empty == 1001
"""
    sys.stdout.write(checked(ran(body, models(tmp_path, "BODY_25"))))


@pytest.mark.parametrize("model", ["BODY_25", "COCO"])
def test_random_weights_go_all_the_way(tmp_path: Path, model: str) -> None:
    folder = models(tmp_path, model, None)
    network = NETWORKS[model]
    write_weights(folder / network.prototxt, folder / network.weights)
    body = """
times = []
for seed in range(3):
    picture = np.random.default_rng(seed).integers(0, 255, (240, 320, 3), np.uint8)
    start = time.perf_counter()
    people = estimator(picture)
    times.append(time.perf_counter() - start)
    assert people.shape[1:] == (25, 3)
    assert len(seen) == 0 and np.isfinite(people).all()
print("random weights, 160 px high:", [round(one, 2) for one in times], "s a frame")
"""
    md5 = hashlib.md5((folder / network.weights).read_bytes(), usedforsecurity=False).hexdigest()
    sys.stdout.write(checked(ran(body, folder, model, md5, net_resolution="-1x160")))


def test_a_prototxt_that_is_missing_is_told(tmp_path: Path) -> None:
    folder = models(tmp_path, "BODY_25")
    (folder / NETWORKS["BODY_25"].prototxt).unlink()
    done = ran("estimator(frame)", folder)
    assert "OPENPOSE_MODEL" in done.stderr
    assert "pose_deploy.prototxt is missing; copy it from OpenPose's source" in done.stderr


def test_a_dead_worker_is_told(tmp_path: Path) -> None:
    body = """
without_network()
seen["output"] = None
estimator(frame)
"""
    out = checked(ran(body, models(tmp_path, "BODY_25")))
    assert "SAID OPENPOSE_FAILED: OpenPose failed: " in out
    assert "without processing it" not in out


def test_several_scales_on_a_cpu_are_refused(tmp_path: Path) -> None:
    done = ran("print(estimator.build.gpus)", models(tmp_path, "BODY_25"))
    if checked(done).splitlines()[-2] != "0":
        pytest.skip("this build runs on a GPU")
    done = ran("estimator(frame)", tmp_path, scale_number=2)
    assert "OPENPOSE_SCALES" in done.stderr
