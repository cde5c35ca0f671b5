"""OpenPose, by the Python module of the user's own build.

It cannot be installed by pip: the module is in the folder that it was built in, loads only into
the Python that it was built for, and is called in another way in every release:

| release | dialect | ``emplaceAndPop`` takes | and returns | nobody in the frame |
|---|---|---|---|---|
| 1.5, 1.6 | 1.5 | a list | nothing | an array without dimensions |
| 1.7.0 | 1.7 | a ``VectorDatum`` | success | None, one reference short |
| later | 1.7 | a ``VectorDatum`` | success | None |
"""

from __future__ import annotations

import atexit
import ctypes
import importlib
import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput, StroiError
from stroi.cache.files.digests import sha256_file
from stroi.cache.layouts import BODY_25, Layout
from stroi.pipeline.params.profile import OpenPoseParams
from stroi.stages.pose.estimator import no_people
from stroi.stages.pose.layouts import COCO_18, to_body25

ROOT_VARIABLE = "OPENPOSE_ROOT"
"""Environment variable that names the folder of the build where no param does."""

NETWORKS = {
    "BODY_25": ("pose/body_25/pose_iter_584000.caffemodel", 104_715_850, BODY_25),
    "COCO": ("pose/coco/pose_iter_440000.caffemodel", 209_274_056, COCO_18),
}
"""Weights below OpenPose's folder of models, their size in bytes, and the joints found."""

_NAME_IT = (
    f"name the folder of your build by skeletons.openpose.root or {ROOT_VARIABLE} "
    "(docs/pose-sources.md), or take another skeletons.source"
)
_BUILD_IT = (
    f"build it with BUILD_PYTHON for this Python {sys.version_info.major}.{sys.version_info.minor}"
    " (docs/pose-sources.md)"
)
_PLACES = (
    "build/python", "python", ".", "build/python/openpose/Release", "python/openpose/Release",
)  # fmt: skip
"""Folders of a build or an installation that the Python module can be imported from."""
_MARK = "stroi-openpose:"
# OpenCV first, as in the stages: two of them in one process is what breaks builds most often.
_PROBE = f"""
import json, sys, cv2
from {__name__} import import_openpose
module = import_openpose(sys.argv[1:])
dialect = "1.7" if hasattr(module, "VectorDatum") else "1.5"
print("\\n{_MARK}" + json.dumps([dialect, module.__file__]))
"""
_LOG = logging.getLogger(__name__)
_started: list[OpenPose] = []
"""At most one: flags are global to the process, a second wrapper would inherit the first one's."""


class OpenPose:
    """The user's own OpenPose. It is loaded at the first frame, and once per process.

    Attributes:
        digest: Sha256 of the network's weights.
        frames: Frames processed so far.
        empty: Those of them without anybody.

    Raises:
        RefusedInput: As `check_weights`.
        StroiError: As `find_build`.
    """

    name = "openpose"

    def __init__(self, params: OpenPoseParams) -> None:
        self.params = params
        self.build = find_build(Path(params.root) if params.root else None)
        file, size, self._layout = NETWORKS[params.model]
        self.digest = check_weights(self.build.models / file, size)
        self.frames = 0
        self.empty = 0
        self._module: Any = None
        self._wrapper: Any = None

    def info(self) -> dict[str, Any]:
        """Dialect, digest of the Python module, network, and the flags that shape what is found."""
        no_option = {"root", "model", "num_gpu", "num_gpu_start"}
        return {
            "dialect": self.build.dialect,
            "module": sha256_file(self.build.module),
            "network": self.params.model,
            "options": self.params.model_dump(exclude=no_option),
        }

    def __call__(self, bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Find the people in a frame.

        Args:
            bgr: Frame (H, W, 3) uint8 BGR.

        Returns:
            (P, 25, 3) float32 BODY_25 x, y in px of the frame and OpenPose's confidence 0..1;
            absent joints are (0, 0, 0). The network COCO knows no feet.

        Raises:
            StroiError: ``OPENPOSE_FAILED`` or ``OPENPOSE_OUTPUT`` if it does not do its work,
                ``OPENPOSE_TWICE`` if another one runs in this process.
        """
        # By pointer and without strides, so it has to be whole, and alive until the call is over.
        frame = np.ascontiguousarray(bgr)
        try:
            if self._wrapper is None:
                self._start()
            key_points = self._process(frame)
        except Exception as error:
            if isinstance(error, StroiError):
                raise
            raise StroiError(
                "OPENPOSE_FAILED",
                f"OpenPose failed: {error}",
                remedy="see docs/pose-sources.md; a smaller net_resolution needs less GPU memory",
            ) from error
        people = read_people(key_points, self._layout)
        self.frames += 1
        self.empty += not len(people)
        if self.frames == self.empty == 300:
            _LOG.warning("OpenPose has found nobody in 300 frames: see docs/pose-sources.md")
        return people

    def _start(self) -> None:
        if _started:
            raise StroiError(
                "OPENPOSE_TWICE",
                "one OpenPose runs in this process already, and its flags are global",
                remedy="use the one estimator, or another process",
            )
        _started.append(self)
        self._module = import_openpose(self.build.folders)
        self._wrapper = self._module.WrapperPython()
        flags = self.params.model_dump(exclude={"root", "model"})
        flags |= {"model_pose": self.params.model, "model_folder": f"{self.build.models}/"}
        flags |= {"render_pose": 0, "keypoint_scale": 0, "logging_level": 4}
        self._wrapper.configure(flags)
        self._wrapper.start()
        atexit.register(self._wrapper.stop)

    def _process(self, frame: NDArray[np.uint8]) -> object:
        """Key points of a frame, or what the dialect returns for nobody."""
        datum = self._module.Datum()
        datum.cvInputData = frame
        batch = getattr(self._module, "VectorDatum", list)
        # 1.5 and 1.6 return nothing, later ones whether it worked.
        if self._wrapper.emplaceAndPop(batch([datum])) is False:
            raise RuntimeError("it gave a frame back without processing it")
        key_points: object = datum.poseKeypoints
        if key_points is None:
            # 1.7.0 takes a reference of None here, so Python 3.11 would abort after some thousand
            # empty frames. Where none is missing, one more does no harm.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(None))
        return key_points


def read_people(key_points: object, layout: Layout) -> NDArray[np.float32]:
    """What a dialect returned, as people.

    Args:
        key_points: (P, V, 3) x, y, confidence; or, for nobody, None, an empty array or one without
            any dimension, whose one value is garbage.
        layout: The network's V joints.

    Returns:
        (P, 25, 3) float32 BODY_25, a copy.

    Raises:
        StroiError: ``OPENPOSE_OUTPUT`` if it is anything else.
    """
    people = no_people() if key_points is None else np.array(key_points, np.float32)
    if people.ndim == 0 or people.size == 0:
        return no_people()
    if people.ndim != 3 or people.shape[1:] != (len(layout.joints), 3):
        raise StroiError(
            "OPENPOSE_OUTPUT",
            f"OpenPose returned {people.shape}, not (people, {len(layout.joints)}, 3)",
            remedy=_NAME_IT,
        )
    people[~np.isfinite(people).all(axis=2)] = 0
    return to_body25(people[(people[..., 2] > 0).any(axis=1)], layout)


def check_weights(file: Path, size: int) -> str:
    """Sha256 of a network's weights.

    Raises:
        RefusedInput: ``OPENPOSE_MODEL`` if they do not have `size` bytes: OpenPose would run with
            them, and find nobody.
    """
    actual = file.stat().st_size if file.is_file() else 0
    if actual != size:
        raise RefusedInput(
            "OPENPOSE_MODEL",
            f"{file} has {actual:,} bytes, the network's weights {size:,}",
            remedy="put the whole file there (docs/pose-sources.md), or take another source",
        )
    return sha256_file(file)


@dataclass(frozen=True)
class Build:
    """A build of OpenPose that loads.

    Attributes:
        dialect: How it is called, ``1.5`` or ``1.7``.
        module: File of the Python module.
        folders: What has to be on ``sys.path`` to import it.
        models: OpenPose's folder of models.
    """

    dialect: str
    module: Path
    folders: tuple[str, ...]
    models: Path


def find_build(root: Path | None) -> Build:
    """The build below `root`, or else on Python's path.

    Raises:
        StroiError: ``OPENPOSE_MISSING`` if there is none, ``OPENPOSE_IMPORT`` if it does not
            load, ``OPENPOSE_MODEL`` if no folder of models is near it.
    """
    places = [root / place for place in _PLACES] if root else []
    folders = tuple(
        str(place)
        for place in places
        if (place / "openpose" / "__init__.py").is_file() or any(place.glob("pyopenpose*.[psd]*"))
    )
    if root and not folders:
        problem = f"{root} holds no Python module of OpenPose"
        raise StroiError("OPENPOSE_MISSING", problem, remedy=_BUILD_IT)
    dialect, module = _probe(folders, f"in {root}" if root else "on the path of Python")
    for folder in (*([root] if root else []), *module.parents):
        if (folder / "models" / "pose").is_dir():
            return Build(dialect, module, folders, folder / "models")
    problem = f"no folder models/pose is above {module.parent}"
    raise StroiError("OPENPOSE_MODEL", problem, remedy=_NAME_IT)


def _probe(folders: Sequence[str], where: str) -> tuple[str, Path]:
    """Dialect and file of the module, loaded in a process of its own that it may crash."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _PROBE, *folders],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=120,  # CUDA is slow to start on some machines
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        problem = f"it takes more than {error.timeout:.0f} s"
    else:
        _, mark, line = done.stdout.rpartition(_MARK)
        if mark:
            dialect, module = json.loads(line.splitlines()[0])
            return dialect, Path(module).resolve()
        problem = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1][:200]
    if not folders and problem.startswith("ImportError: No module named"):
        problem = "no Python module of OpenPose is found"
        raise StroiError("OPENPOSE_MISSING", problem, remedy=_NAME_IT)
    problem = f"OpenPose {where} does not load: {problem}"
    raise StroiError("OPENPOSE_IMPORT", problem, remedy=_BUILD_IT)


def import_openpose(folders: Sequence[str]) -> Any:
    """Load the Python module into this process; `folders` stay on ``sys.path`` for the build.

    Raises:
        ImportError: If there is none, or it does not load here.
    """
    sys.path[:0] = [folder for folder in folders if folder not in sys.path]
    problems = []
    for name in ("openpose.pyopenpose", "pyopenpose"):
        try:
            module = importlib.import_module(name)
        except (ImportError, OSError) as error:
            problems.append(str(error))
            continue
        if hasattr(module, "WrapperPython"):
            return module
        problems.append(f"{name} is no module of OpenPose")
    # A module that is there and broken comes before one that is not there.
    raise ImportError(min(problems, key=lambda problem: problem.startswith("No module named")))
