"""OpenPose itself, by the Python module of the user's own build, in every dialect it speaks."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ParamsError, RefusedInput, StroiError
from stroi.cache.files.digests import sha256_file
from stroi.cache.layouts import BODY_25, Layout
from stroi.stages.pose.estimators.openpose_build import find_build
from stroi.stages.pose.estimators.openpose_calls import Forward, Option, failed, read_people, start
from stroi.stages.pose.layouts import COCO_18


@dataclass(frozen=True)
class Network:
    """One of OpenPose's networks.

    Attributes:
        file: Its weights below OpenPose's folder of models.
        bytes: Their size; OpenPose runs with a truncated file and finds nobody.
        layout: The joints it finds.
    """

    file: str
    bytes: int
    layout: Layout


NETWORKS = {
    "BODY_25": Network("pose/body_25/pose_iter_584000.caffemodel", 104_715_850, BODY_25),
    "COCO": Network("pose/coco/pose_iter_440000.caffemodel", 209_274_056, COCO_18),
}

OPTIONS: dict[str, Option] = {
    "net_resolution": "-1x368",
    "scale_number": 1,
    "scale_gap": 0.25,
    "number_people_max": -1,
    "num_gpu": -1,
    "num_gpu_start": 0,
    "maximize_positives": 0,
}
"""Flags of OpenPose that may be set, with its own defaults. Any other would shape what is drawn or
written, which nobody sees here; and one that OpenPose does not know ends the process."""

_IN_1_4 = {"net_resolution", "scale_number", "scale_gap", "num_gpu_start"}
_WEIGHTS_REMEDY = "put the whole file there (docs/pose-sources.md), or take another source"

_DOUBTFUL = 300
"""Frames without anybody, from the first on, after which a word is due."""

_LOG = logging.getLogger(__name__)
_started: list[OpenPose] = []
"""At most one: flags are global to the process, a second wrapper would inherit the first one's."""


class OpenPose:
    """The user's own OpenPose. It is loaded at the first frame, and once per process.

    Args:
        root: Folder of the build; if None ``OPENPOSE_ROOT``, or wherever Python finds it.
        model: ``BODY_25`` or ``COCO``.
        options: Flags to set, by name (see `OPTIONS`).

    Attributes:
        digest: Sha256 of the network's weights.
        frames: Frames seen so far.
        empty: Those of them without anybody.

    Raises:
        ParamsError: If the model or an option cannot be taken.
        RefusedInput: ``OPENPOSE_MODEL`` if the network's weights are missing or of a wrong size.
        StroiError: As `find_build`.
    """

    name = "openpose"

    def __init__(
        self,
        *,
        root: Path | None = None,
        model: str = "BODY_25",
        options: Mapping[str, Option] | None = None,
    ) -> None:
        self.network = _network(model)
        self.model = model
        self.build = find_build(root)
        self.options = check_options(options or {}, self.build.dialect)
        self.digest = check_weights(self.build.models / self.network.file, self.network.bytes)
        self.frames = 0
        self.empty = 0
        self._forward: Forward | None = None

    def info(self) -> dict[str, Any]:
        """Dialect, digest of the Python module, network, and the flags that shape what is found."""
        flags = {**OPTIONS, **self.options}
        return {
            "dialect": self.build.dialect,
            "module": sha256_file(self.build.module),
            "network": self.model,
            "options": {key: flags[key] for key in flags if not key.startswith("num_gpu")},
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
        if self._forward is None:
            self._forward = self._start()
        # By pointer and without strides, so it has to be whole, and alive until the call is over.
        frame = np.ascontiguousarray(bgr)
        try:
            found = self._forward(frame)
        except StroiError:
            raise
        except Exception as error:
            raise failed(f"OpenPose failed on a frame: {error}") from error
        people = read_people(found, self.network.layout)
        self._count(len(people))
        return people

    def _start(self) -> Forward:
        if _started:
            raise StroiError(
                "OPENPOSE_TWICE",
                "one OpenPose runs in this process already, and its flags are global",
                remedy="use the one estimator, or another process",
            )
        _started.append(self)
        flags: dict[str, Option] = {
            **OPTIONS,
            **self.options,
            "model_folder": f"{self.build.models}/",
            "model_pose": self.model,
        }
        try:
            return start(self.build, flags)
        except Exception as error:
            raise failed(f"OpenPose does not start: {error}") from error

    def _count(self, people: int) -> None:
        self.frames += 1
        self.empty += not people
        if self.frames == self.empty == _DOUBTFUL:
            _LOG.warning(
                "OpenPose has found nobody in %d frames: see docs/pose-sources.md", _DOUBTFUL
            )


def check_options(options: Mapping[str, Option], dialect: str) -> dict[str, Option]:
    """`options`, if OpenPose can take them.

    Raises:
        ParamsError: ``OPENPOSE_OPTION`` naming the first that it cannot take.
    """
    known = _IN_1_4 if dialect == "1.4" else set(OPTIONS)
    for key, value in options.items():
        if "=" in key or key not in known:
            raise _option(f"{key!a} is no option here", f"use one of {', '.join(sorted(known))}")
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise _option(f"{key} is {value!a}", "use a text or a number")
    resolution = str(options.get("net_resolution", "-1x368"))
    sides = re.fullmatch(r"(-1|[1-9]\d{0,3})x(-1|[1-9]\d{0,3})", resolution)
    if sides is None or any(side != "-1" and int(side) % 16 for side in sides.groups()):
        raise _option(f"net_resolution is {resolution!a}", "use multiples of 16, such as -1x368")
    if options.get("num_gpu") == 0:
        raise _option("num_gpu is 0, which switches detection off", "use -1 for all")
    return dict(options)


def check_weights(file: Path, size: int) -> str:
    """Sha256 of a network's weights, if they are whole.

    Raises:
        RefusedInput: ``OPENPOSE_MODEL`` if the file is missing or of another size: OpenPose would
            run with it, and find nobody.
    """
    try:
        found = file.stat().st_size
    except OSError as error:
        raise RefusedInput(
            "OPENPOSE_MODEL", f"{file}: {error.strerror}", remedy=_WEIGHTS_REMEDY
        ) from error
    if found != size:
        raise RefusedInput(
            "OPENPOSE_MODEL",
            f"{file} has {found:,} bytes, the network's weights {size:,}",
            remedy=_WEIGHTS_REMEDY,
        )
    return sha256_file(file)


def _network(model: str) -> Network:
    if model not in NETWORKS:
        raise _option(
            f"the network {model!a} is not supported"
            + (": it has no ears, eyes and feet" if model.startswith("MPI") else ""),
            f"use {' or '.join(NETWORKS)}",
        )
    return NETWORKS[model]


def _option(problem: str, remedy: str) -> ParamsError:
    return ParamsError("OPENPOSE_OPTION", f"OpenPose: {problem}", remedy=remedy)
