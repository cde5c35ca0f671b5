"""Skeletons of one's own in a new data set: their layout, cameras, and what is wrong with them."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import click
import numpy as np
from pydantic import RootModel

from stroi.cache.errors import ClipRejected, ParamsError, RefusedInput
from stroi.cache.rois import MAX_PEOPLE, row_joints
from stroi.pipeline.index.table import ClipEntry
from stroi.pipeline.params.load import require
from stroi.pipeline.params.own_skeletons import (
    ANY_CAMERA,
    CameraParams,
    LayoutName,
    LayoutParams,
    OwnSkeletonParams,
)
from stroi.pipeline.params.yaml import read_yaml
from stroi.stages.tools.init.crop_size import Torsos, torso_lengths
from stroi.stages.tools.init.options import InitOptions

LAYOUT_FILE, CAMERA_FILE = "layout.yaml", "camera.yaml"
"""Taken from the folder of the skeletons, if they are there and no option names others."""

_SHOWN = 10


class _Cameras(RootModel[dict[str, CameraParams]]):
    """Cameras by name."""


@dataclass(frozen=True)
class Checked:
    """What the files hold.

    Attributes:
        problems: The clips that stages will quarantine, and why.
        videos: Sound clips with a video.
        placed: Whether there are some, and the joints of all have a place in the picture.
        torsos: Lengths of torsos in the picture.
        people: Most people of a clip.
    """

    problems: tuple[str, ...]
    videos: int
    placed: bool
    torsos: Torsos
    people: int


def own_params(options: InitOptions) -> OwnSkeletonParams:
    """Layout, unit and cameras as the options name them.

    Raises:
        ParamsError: ``INIT_LAYOUT`` if there is no layout; as `require` for a file; ``ROWS_LAYOUT``
            if it has no joint for one of the paper's rows.
    """
    folder = cast(Path, options.skeletons)
    chosen = options.layout or _if_there(folder / LAYOUT_FILE)
    names = get_args(LayoutName)
    layout: Any = chosen
    if chosen not in names:
        if not Path(chosen).is_file():
            what = f"there is no layout {chosen!a:.80}" if chosen else "the joints are not named"
            raise ParamsError(
                "INIT_LAYOUT",
                what,
                remedy=f"give --layout with {', '.join(names)}, or with a YAML file of joints,"
                f" bones and centre; {folder / LAYOUT_FILE} is taken too (docs/own-skeletons.md)",
            )
        layout = require(LayoutParams, Path(chosen))
    cameras = options.camera or _if_there(folder / CAMERA_FILE)
    params = OwnSkeletonParams(
        layout=layout, unit=options.unit, cameras=_cameras(Path(cameras)) if cameras else {}
    )
    row_joints(layout=params.joints)
    return params


def _if_there(path: Path) -> str:
    return str(path) if path.is_file() else ""


def _cameras(path: Path) -> dict[str, CameraParams]:
    """One camera, or several by name."""
    document = read_yaml(path).value
    if isinstance(document, dict) and "focal" in document:
        return {ANY_CAMERA: require(CameraParams, path)}
    return require(_Cameras, path).root


def check_skeletons(root: Path, clips: Sequence[ClipEntry], own: OwnSkeletonParams) -> Checked:
    """Read the skeletons of all clips.

    Raises:
        RefusedInput: ``INIT_SKELETONS`` if none can be read.
    """
    from stroi.stages.pose.readers.own import own_tracks
    from stroi.stages.sensors.own import read_joints

    problems: list[str] = []
    lengths: list[tuple[float, int]] = []
    videos, placed, most = 0, 0, 1
    for clip in clips:
        file = root / clip.skeleton
        try:
            joints = read_joints(file, own, clip.camera, clip.start, clip.stop, people=MAX_PEOPLE)
        except ClipRejected as refused:
            problems.append(f"{clip.id}: {refused}")
            continue
        most = max(most, joints.person_count)
        if not clip.video:
            continue
        videos += 1
        try:
            people, size, _ = own_tracks(file, own, clip.camera, MAX_PEOPLE)
        except ClipRejected:
            continue
        placed += 1
        everybody = np.concatenate(people)
        lengths += [(one, size[1] if size else 0) for one in torso_lengths(everybody)]
    if len(problems) == len(clips):
        raise RefusedInput(
            "INIT_SKELETONS",
            f"none of {len(clips)} skeletons can be read, first {problems[0]}",
            remedy="docs/own-skeletons.md has the form of the files",
            details=tuple(problems[1:_SHOWN]),
        )
    torsos = Torsos(tuple(lengths), placed)
    return Checked(tuple(problems), videos, 0 < videos == placed, torsos, most)


def own_source(options: InitOptions, checked: Checked) -> str:
    """Where the people in the videos come from: the skeletons, if they have a place there."""
    if checked.placed:
        return "own"
    if checked.videos:
        click.echo(
            "note: a camera is not known for all clips, and not all files have pixels: the mosaics"
            f" show people as {options.source} finds them"
        )
    return options.source


def yaml_text(own: OwnSkeletonParams, pad: str) -> str:
    """The params as lines of a profile, indented by `pad`."""
    fields = own.model_dump(mode="json", exclude_defaults=True)
    return "\n".join(_lines(fields, pad))


def _lines(fields: dict[str, Any], pad: str) -> list[str]:
    lines = []
    for name, value in fields.items():
        plain = name.isidentifier() and name.casefold() not in ("null", "true", "false")
        key = name if plain else json.dumps(name)
        if isinstance(value, dict) and name != "body25":
            lines += [f"{pad}{key}:", *_lines(value, f"{pad}  ")]
        else:
            text = f"{pad}{key}: {json.dumps(value)}"
            lines += textwrap.wrap(
                text, 100, subsequent_indent=f"{pad}  ", drop_whitespace=True,
                break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip
    return lines
