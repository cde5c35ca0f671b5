"""Params of skeletons of one's own: their joints, their unit and the cameras."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Discriminator, Field, Tag, model_validator

from stroi.cache.layouts import LAYOUTS, Layout
from stroi.cache.own_layouts import own_layout
from stroi.pipeline.params.base import ParamsModel, Positive

Vector = tuple[float, float, float]
LayoutName = Literal["kinect_v1", "kinect_v2", "body25_3d", "coco17_3d", "mocap35"]

ANY_CAMERA = "any"
"""Name of the camera of clips whose own is not listed."""

_COEFFICIENTS = (0, 4, 5, 8)
_RIGID = 1e-3


class LayoutParams(ParamsModel):
    """Joints of a skeleton that stroi does not ship."""

    name: str
    """Its name, in caches and reports."""
    joints: tuple[str, ...]
    """In the order in which the files have them."""
    bones: tuple[tuple[str, str], ...]
    """One fewer than joints: the graph is a tree."""
    centre: str
    """The joint about which the graph's neighbours are divided (eq. 2)."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Left and right joints; by default those called left_x and right_x."""
    body25: dict[str, str] = Field(default_factory=dict)
    """BODY_25 joint: the joint that stands for it, if its name differs. Those of mosaics.rows are
    needed, by default nose, right_wrist, left_wrist, right_ankle and left_ankle."""

    @model_validator(mode="after")
    def _is_a_layout(self) -> LayoutParams:
        own_layout(**dict(self))
        return self


def _layout_is(value: object) -> str:
    return "own" if isinstance(value, (dict, LayoutParams)) else "shipped"


LayoutChoice = Annotated[
    Annotated[LayoutName, Tag("shipped")] | Annotated[LayoutParams, Tag("own")],
    Discriminator(_layout_is),
]


class CameraParams(ParamsModel):
    """A calibrated camera: where a point in space is in its picture."""

    size: tuple[Positive, Positive]
    """Width and height in px of the picture; a video may be a smaller copy of it."""
    focal: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
    """Focal lengths fx and fy in px."""
    centre: tuple[float, float]
    """Principal point cx and cy in px."""
    distortion: tuple[float, ...] = ()
    """Of the lens, as OpenCV orders it: k1, k2, p1, p2, k3, k4, k5, k6; none, 4, 5 or 8."""
    rotation: tuple[Vector, Vector, Vector] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    """From the joints' axes to the camera's: x to the right, y down, z forward."""
    translation: Vector = (0.0, 0.0, 0.0)
    """Place of the joints' origin as the camera sees it, in the unit of the files."""

    @model_validator(mode="after")
    def _is_a_camera(self) -> CameraParams:
        if len(self.distortion) not in _COEFFICIENTS:
            raise ValueError(f"distortion has {len(self.distortion)} numbers, use 0, 4, 5 or 8")
        rotation = np.array(self.rotation)
        if np.abs(rotation @ rotation.T - np.eye(3)).max() > _RIGID:
            raise ValueError("rotation is no rotation: its rows are not of length 1 and at right"
                             " angles")  # fmt: skip
        return self


class OwnSkeletonParams(ParamsModel):
    """Skeletons of one's own, a .npz or .csv file per clip (docs/own-skeletons.md)."""

    layout: LayoutChoice | None = None
    """Their joints: kinect_v1, kinect_v2, body25_3d, coco17_3d, mocap35, or a layout of one's own
    with name, joints, bones, centre, pairs and body25."""
    unit: Literal["m", "cm", "mm"] = "m"
    """Unit of the coordinates in the files."""
    cameras: dict[str, CameraParams] = Field(default_factory=dict)
    """Camera by the value of the index's column `camera`; `any` for all others. Not needed where
    the files have pixels."""

    @property
    def joints(self) -> Layout:
        """The layout.

        Raises:
            ValueError: If none is named.
        """
        if self.layout is None:
            raise ValueError("no layout is named")
        if isinstance(self.layout, LayoutParams):
            return own_layout(**dict(self.layout))
        return LAYOUTS[self.layout]

    def camera(self, name: str) -> CameraParams | None:
        """The camera of clips that the index lists under `name`; None if it is not known."""
        return self.cameras.get(name, self.cameras.get(ANY_CAMERA))
