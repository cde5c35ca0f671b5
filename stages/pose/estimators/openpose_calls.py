"""How OpenPose's Python module is called, and what it returns, in each of its dialects.

| release | call | nobody in the frame |
|---|---|---|
| 1.4 | ``OpenPose(params).forward(frame)`` | an array of size 0 |
| 1.5, 1.6 | ``emplaceAndPop`` of a list, returns nothing | an array without dimensions |
| 1.7.0 | ``emplaceAndPop`` of a ``VectorDatum``, returns whether it worked | None, once too often |
| later | as 1.7.0 | None |
"""

from __future__ import annotations

import atexit
import ctypes
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import StroiError
from stroi.cache.layouts import Layout
from stroi.stages.pose.estimator import nobody
from stroi.stages.pose.estimators.openpose_build import REMEDY, Build, import_openpose
from stroi.stages.pose.layouts import to_body25

Option = str | int | float
Forward = Callable[[NDArray[np.uint8]], object]
"""A frame to its key points, or to whatever the dialect returns for nobody."""

_QUIET = 4
"""OpenPose's logging level: important messages only."""

_TRIES = 64
_LOG = logging.getLogger(__name__)


def start(build: Build, flags: Mapping[str, Option]) -> Forward:
    """Load and start OpenPose in this process."""
    module, dialect = import_openpose(build.folders)
    if dialect == "1.4":
        return _start_1_4(module, flags)
    wrapper = module.WrapperPython()
    wrapper.configure({**flags, "render_pose": 0, "keypoint_scale": 0, "logging_level": _QUIET})
    wrapper.start()
    atexit.register(wrapper.stop)
    batch: Callable[[list[Any]], Any] = list if dialect == "1.5" else module.VectorDatum
    repair = _Repair()

    def forward(frame: NDArray[np.uint8]) -> object:
        datum = module.Datum()
        datum.cvInputData = frame
        # 1.5 and 1.6 return nothing, later ones whether it worked.
        if wrapper.emplaceAndPop(batch([datum])) is False:
            raise failed("OpenPose gave a frame back without looking at it")
        return repair.read(lambda: datum.poseKeypoints)

    return forward


def _start_1_4(module: Any, flags: Mapping[str, Option]) -> Forward:
    estimator = module.OpenPose(
        {
            "logging_level": _QUIET,
            "output_resolution": "-1x-1",
            "net_resolution": flags["net_resolution"],
            "model_pose": flags["model_pose"],
            "alpha_pose": 0.6,
            "scale_gap": flags["scale_gap"],
            "scale_number": flags["scale_number"],
            "render_threshold": 0.05,
            "num_gpu_start": flags["num_gpu_start"],
            "disable_blending": False,
            "default_model_folder": flags["model_folder"],
        }
    )

    def forward(frame: NDArray[np.uint8]) -> object:
        found = estimator.forward(frame, False)
        return found[0] if isinstance(found, tuple) else found

    return forward


class _Repair:
    """Gives None its references back.

    OpenPose 1.7.0 takes one from Python's None whenever it reports nobody, and the interpreter
    aborts after some thousand empty frames.
    """

    def __init__(self) -> None:
        self._leaks: bool | None = None

    def read(self, key_points: Callable[[], object]) -> object:
        found = key_points()
        if found is None:
            if self._leaks is None:
                self._leaks = _measure_leak(key_points)
            if self._leaks:
                _give_none_back(1)
        return found


def _measure_leak(key_points: Callable[[], object]) -> bool:
    before = sys.getrefcount(None)
    for _ in range(_TRIES):
        key_points()
    leaks = before - sys.getrefcount(None) > _TRIES // 2
    if leaks:
        _give_none_back(_TRIES)
        _LOG.warning(
            "this OpenPose, 1.7.0 most likely, would abort Python after some thousand frames "
            "without people; that is mended here, but not in other programs: "
            "see docs/pose-sources.md"
        )
    return leaks


def _give_none_back(times: int) -> None:
    take = ctypes.pythonapi.Py_IncRef
    take.argtypes, take.restype = [ctypes.py_object], None
    for _ in range(times):
        take(None)


def read_people(found: object, layout: Layout) -> NDArray[np.float32]:
    """What a dialect returned, as people.

    Args:
        found: (P, V, 3) x, y, confidence; or, for nobody, None, an empty array or one without
            any dimension, whose one value is garbage.
        layout: The network's V joints.

    Returns:
        (P, 25, 3) float32 BODY_25, a copy.

    Raises:
        StroiError: ``OPENPOSE_OUTPUT`` if it is anything else.
    """
    if found is None:
        return nobody()
    people = np.array(found, np.float32)
    if people.ndim == 0 or people.size == 0:
        return nobody()
    if people.ndim != 3 or people.shape[1:] != (len(layout.joints), 3):
        raise StroiError(
            "OPENPOSE_OUTPUT",
            f"OpenPose returned {people.shape}, not (people, {len(layout.joints)}, 3)",
            remedy=REMEDY,
        )
    people[~np.isfinite(people).all(axis=2)] = 0
    found_any = (people[..., 2] > 0).any(axis=1)
    return to_body25(people[found_any], layout)


def failed(problem: str) -> StroiError:
    """OpenPose did not do its work."""
    return StroiError(
        "OPENPOSE_FAILED",
        problem,
        remedy="see docs/pose-sources.md; want of GPU memory is helped by a smaller net_resolution",
    )
