"""Stand-ins for builds of OpenPose: real packages on disk that are called as each release is.

A frame tells the stand-in what to find: its first pixel holds the number of people. It reads the
frame as the real one does, by pointer and without strides, and finds person p's joint j at
(10 p + j, value of the frame's last byte) with confidence 0.5.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from stroi.stages.pose.estimators.openpose_build import NETWORKS

WEIGHTS = b"weights of a stand-in"
WEIGHTS_MD5 = hashlib.md5(WEIGHTS, usedforsecurity=False).hexdigest()

_COMMON = """
import ctypes
import numpy as np

# What ended a worker thread.
FAILS = ""
FLAGS = {"net_resolution": "-1x368", "model_pose": "BODY_25"}
KNOWN = {
    "net_resolution", "scale_number", "scale_gap", "number_people_max", "num_gpu",
    "num_gpu_start", "maximize_positives", "model_folder", "model_pose", "render_pose",
    "keypoint_scale", "logging_level",
}
JOINTS = {"BODY_25": 25, "COCO": 18, "MPI": 15}


def get_gpu_number():
    return 1


def memory(image):
    if image.dtype != np.uint8 or image.ndim != 3:
        raise RuntimeError("not an image")
    size = image.shape[0] * image.shape[1] * image.shape[2]
    return image.ctypes.data, size


def find(address, size):
    seen = (ctypes.c_ubyte * size).from_address(address)
    people, last = seen[0], seen[size - 1]
    joints = JOINTS[FLAGS["model_pose"]]
    found = np.full((people, joints, 3), 0.5, np.float32)
    found[..., 0] = 10 * np.arange(people)[:, None] + np.arange(joints)
    found[..., 1] = last
    return found
"""

_WRAPPER = """
class Datum:
    def __init__(self):
        self._found = None
        self._scales = []

    @property
    def scaleInputToNetInputs(self):
        return self._scales

    def __setattr__(self, name, value):
        if name == "cvInputData":
            value = memory(value)
        elif not name.startswith("_"):
            raise AttributeError(name)
        object.__setattr__(self, name, value)

    @property
    def poseKeypoints(self):
        return nothing() if self._found is None else self._found


class WrapperPython:
    def __init__(self):
        self._runs = False

    def configure(self, params):
        for key, value in params.items():
            if "=" in key:
                raise RuntimeError("PyOpenPose does not support equal sign flags")
            if key not in KNOWN:
                raise SystemExit(f"ERROR: unknown command line flag {key!r}")
            FLAGS[key] = str(value)
        print("Configured:", sorted(FLAGS.items()))

    def start(self):
        self._runs = True

    def stop(self):
        self._runs = False
        if FAILS:
            raise RuntimeError(FAILS)

    def emplaceAndPop(self, batch):
        if type(batch) is not EXPECTED:
            raise TypeError(f"emplaceAndPop(): incompatible function arguments: {batch!r}")
        if not self._runs:
            raise RuntimeError("not started")
        for datum in batch if not FAILS else ():
            datum._scales = [1.0]
            found = find(*datum.cvInputData)
            datum._found = found if len(found) else None
        return RETURNS if not FAILS else RETURNS and False
"""

_DIALECTS = {
    "1.5": """
def nothing():
    return np.array(1.4e-45, np.float32)

EXPECTED, RETURNS = list, None
""",
    "1.7.0": """
class VectorDatum:
    def __init__(self, datums):
        self._datums = list(datums)

    def __iter__(self):
        return iter(self._datums)

give_up = ctypes.pythonapi.Py_DecRef
give_up.argtypes, give_up.restype = [ctypes.py_object], None

def nothing():
    give_up(None)

EXPECTED, RETURNS = VectorDatum, True
""",
    "master": """
KNOWN.add("net_resolution_dynamic")


class VectorDatum:
    def __init__(self, datums):
        self._datums = list(datums)

    def __iter__(self):
        return iter(self._datums)

def nothing():
    return None

EXPECTED, RETURNS = VectorDatum, True
""",
}

DIALECTS = tuple(_DIALECTS)

KNOWN_WEIGHTS = {
    name: replace(network, size=len(WEIGHTS), md5=WEIGHTS_MD5) for name, network in NETWORKS.items()
}
"""`NETWORKS` as if OpenPose's authors had trained `WEIGHTS`."""


def fake_build(
    root: Path, dialect: str, *, models: tuple[str, ...] = ("BODY_25",), fails: str = ""
) -> Path:
    """Write the build of a release to `root`, whose weights have `WEIGHTS_MD5`.

    Args:
        root: The folder.
        dialect: One of `DIALECTS`.
        models: Networks whose files are there.
        fails: What ends its worker thread in the first frame.
    """
    package = root / "build" / "python" / "openpose"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("from . import pyopenpose as pyopenpose\n")
    module = (_COMMON + _DIALECTS[dialect] + _WRAPPER).replace('FAILS = ""', f"FAILS = {fails!r}")
    (package / "pyopenpose.py").write_text(module)
    (root / "models" / "pose").mkdir(parents=True)
    for model in models:
        network = NETWORKS[model]
        weights = root / "models" / network.weights
        weights.parent.mkdir()
        weights.write_bytes(WEIGHTS)
        (root / "models" / network.prototxt).write_text('name: "stand-in"')
    return root
