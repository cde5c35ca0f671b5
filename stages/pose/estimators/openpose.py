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
import logging
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import StroiError
from stroi.cache.files.digests import sha256_file
from stroi.cache.layouts import Layout
from stroi.pipeline.params.cache_params import OF_THIS_MACHINE
from stroi.pipeline.params.profile import OpenPoseParams
from stroi.stages.pose.estimator import no_people
from stroi.stages.pose.estimators.openpose_build import (
    DYNAMIC,
    NETWORKS,
    check_network,
    find_build,
    folders_of,
    import_openpose,
)
from stroi.stages.pose.layouts import to_body25

_LOG = logging.getLogger(__name__)
_REASON = re.compile(r"(?:Error:\s*)?(?P<reason>\S.*?)(?:\n\n|\n?Coming from:|$)", re.DOTALL)
"""The first sentence of OpenPose's errors; the functions that it came through follow."""

_started: list[OpenPose] = []
"""At most one: flags are global to the process, a second wrapper would inherit the first one's."""


class OpenPose:
    """The user's own OpenPose. It is loaded at the first frame, and once per process.

    Attributes:
        digest: Sha256 of the network's weights.
        frames: Frames processed so far.
        empty: Those of them without anybody.

    Raises:
        RefusedInput: ``OPENPOSE_MODEL`` if a file of the network is missing or another one.
        StroiError: If there is no build that loads, see `find_build`; ``OPENPOSE_SCALES`` if it
            runs on the CPU and several scales are asked for.
    """

    name = "openpose"

    def __init__(self, params: OpenPoseParams) -> None:
        self.params = params
        self.build = find_build(*folders_of(params))
        network = NETWORKS[params.model]
        self._layout = network.layout
        files = check_network(self.build.models, network, params.weights_md5)
        self.digest, self._prototxt = files.weights, files.prototxt
        if params.scale_number > 1 and not self.build.gpus:
            raise StroiError(
                "OPENPOSE_SCALES",
                f"scale_number is {params.scale_number}, and this OpenPose runs on the CPU, where"
                " it takes one scale only",
                remedy="set skeletons.openpose.scale_number to 1, or use a GPU",
            )
        self.frames = 0
        self.empty = 0
        self._module: Any = None
        self._wrapper: Any = None

    def info(self) -> dict[str, Any]:
        """Dialect, digests of the Python module and the prototxt, network, and the flags."""
        return {
            "dialect": self.build.dialect,
            "module": sha256_file(self.build.module),
            "network": self.params.model,
            "prototxt": self._prototxt,
            "options": self.params.model_dump(exclude={"model", *OF_THIS_MACHINE["openpose"]}),
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
            raise _failed(str(error)) from error
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
        self._wrapper.configure(self._flags())
        self._wrapper.start()
        atexit.register(self._stop)

    def _flags(self) -> dict[str, Any]:
        flags = self.params.model_dump(exclude={"root", "models", "model", "weights_md5"})
        flags |= {"model_pose": self.params.model, "model_folder": f"{self.build.models}/"}
        flags |= {"render_pose": 0, "keypoint_scale": 0, "logging_level": 4}
        if not self.build.gpus:
            # A build for the CPU refuses any number of GPUs.
            flags |= {"num_gpu": -1}
        if self.build.has_flag(DYNAMIC):
            # Frames wider than 16:9 keep their shape, as in older releases and in videos.
            flags |= {DYNAMIC: 0}
        return flags

    def _process(self, frame: NDArray[np.uint8]) -> object:
        """Key points of a frame, or what the dialect returns for nobody."""
        datum = self._module.Datum()
        datum.cvInputData = frame
        batch = getattr(self._module, "VectorDatum", list)
        done = self._wrapper.emplaceAndPop(batch([datum]))
        # 1.5 and 1.6 return nothing; a frame that the network saw has its scales, in all of them.
        if done is False or not len(datum.scaleInputToNetInputs):
            raise _failed(self._stop() or "it gave a frame back without processing it")
        key_points: object = datum.poseKeypoints
        if key_points is None:
            # 1.7.0 takes a reference of None here, so Python 3.11 would abort after some thousand
            # empty frames. Where none is missing, one more does no harm.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(None))
        return key_points

    def _stop(self) -> str:
        """End OpenPose's threads.

        Returns:
            What ended one of them before; only this message has it.
        """
        wrapper, self._wrapper = self._wrapper, None
        try:
            if wrapper is not None:
                wrapper.stop()
        except Exception as error:
            return str(error)
        return ""


def _failed(reason: str) -> StroiError:
    """The error for a frame that was not processed."""
    found = _REASON.match(reason.strip())
    sentence = " ".join((found["reason"] if found else reason).split())[:300]
    remedy = "check skeletons.openpose and the files of the network (docs/pose-sources.md)"
    if "memory" in sentence.lower():
        remedy = "set a smaller skeletons.openpose.net_resolution, or use another GPU"
    return StroiError("OPENPOSE_FAILED", f"OpenPose failed: {sentence}", remedy=remedy)


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
            remedy="take a release that stroi knows (docs/pose-sources.md)",
        )
    people[~np.isfinite(people).all(axis=2)] = 0
    return to_body25(people[(people[..., 2] > 0).any(axis=1)], layout)
