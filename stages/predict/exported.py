"""An exported network (`stroi export`) that answers about new videos, without torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import ValidationError

from stroi.cache.errors import RefusedInput
from stroi.cache.files.digests import sha256_bytes
from stroi.cache.files.opening import read_regular
from stroi.cache.storage.strict_json import parse_json
from stroi.stages.pose.estimator import onnx_session
from stroi.stages.pose.source import PoseSourcePlan
from stroi.stages.predict.answer import Answer, answer
from stroi.stages.predict.clips import CutMosaics, VideoClip, scored_mosaic
from stroi.stages.predict.recipe import Recipe, check_usable, pose_plan, read_recipe
from stroi.trainer.config import Align, Fill, Mode, Settings
from stroi.trainer.data.skeleton_input import prepare_all

EXPORT_KIND = "stroi export"
EXPORT_SCHEMA = "2.0"

MAX_BYTES = 2**31 - 1
"""Largest file that is read: ONNX files have no more without a second one."""
_META = "stroi"


class _Preparation(Settings):
    """Arguments of `stroi.trainer.data.skeleton_input.prepare`."""

    frames: int
    fill: Fill
    align: Align


@dataclass(frozen=True)
class ExportedModel:
    """An exported network on one CPU thread.

    Attributes:
        name: Name of the file.
        recipe: How a video becomes its input.
        mode: How the RGB branch was trained.
        seed: Its seed.
        plan: How people are found in a video.
        notes: What a user should know of it.
        checkpoints: SHA-256 of the file and of the checkpoints that it was made from.
        preparation: How skeletons are prepared; None if it takes none.
        sums: Whether its two outputs are a row of the table, so that their sum is one.
        session: The network.
        store: No folder keeps detections.
    """

    name: str
    recipe: Recipe
    mode: Mode
    seed: int
    plan: PoseSourcePlan
    notes: tuple[str, ...]
    checkpoints: Mapping[str, str]
    preparation: Mapping[str, Any] | None
    sums: bool
    session: onnxruntime.InferenceSession = field(repr=False)
    store: None = None

    def score(self, clips: Sequence[VideoClip]) -> list[Answer]:
        """The answer for each clip; it depends on that clip alone.

        Raises:
            StroiError: ``CLIP_EMPTY``.
        """
        return [self._score(clip) for clip in clips]

    def _score(self, clip: VideoClip) -> Answer:
        wanted = {port.name for port in self.session.get_inputs()}
        inputs = {name: value for name, value in self._inputs(clip).items() if name in wanted}
        names = [port.name for port in self.session.get_outputs()]
        found = dict(zip(names, self.session.run(None, inputs), strict=True))
        rgb, skeleton = found["logits"][0], found.get("skeleton_logits")
        alpha = self.recipe.alpha(self.mode, self.seed)
        weights = found["weights"][0] if "weights" in found else None
        both = answer(
            None if skeleton is None else skeleton[0], rgb, self.recipe.fusion, alpha, weights
        )
        if self.sums or skeleton is None:
            return both
        return Answer(
            {name: both.scores[name] for name in ("skeleton", "rgb")},
            {name: both.probabilities[name] for name in ("skeleton", "rgb")},
            weights,
        )

    def _inputs(self, clip: VideoClip) -> dict[str, NDArray[Any]]:
        ids = [clip.id]
        mosaics = CutMosaics({clip.id: clip.cut}, self.recipe.mosaics)
        inputs: dict[str, NDArray[Any]] = {
            "mosaics": scored_mosaic(clip.cut, self.recipe.mosaics)[None],
            "cell_valid": mosaics.valid(ids)[:, :, mosaics.scored],  # (1, P, L, K)
            "persons": mosaics.person_count(ids).astype(np.int64),
        }
        if self.preparation is not None:
            data = prepare_all({clip.id: clip.skeleton}, ids, **self.preparation)
            inputs |= {"skeletons": data.x, "present": data.present}
        return inputs


def open_exported(path: Path, *, pose_model: Path | None = None) -> ExportedModel:
    """A file of `stroi export`.

    Args:
        path: The ``.onnx`` file; it carries all that is needed.
        pose_model: The user's own pose network, if the run was made with one.

    Raises:
        RefusedInput: ``EXPORT_FILE`` if it is no such file or of another schema, ``EXPORT_INPUT``
            if it takes row weights, which nothing here computes; ``RECIPE``.
        ParamsError: ``PREDICT_SOURCE`` or ``PREDICT_ESTIMATOR``.
    """
    try:
        content = read_regular(path, MAX_BYTES)
        session = onnx_session(content)
    except (OSError, RuntimeError, ValueError) as error:
        raise _refused(path, f"no ONNX file that can be run ({str(error)[:100]!a})") from error
    except Exception as error:  # onnxruntime's own errors have no common base class
        raise _refused(path, f"no ONNX file that can be run ({type(error).__name__})") from error
    text = session.get_modelmeta().custom_metadata_map.get(_META)
    if text is None:
        raise _refused(path, "stroi did not export it")
    about = parse_json(text, str(path))
    if not isinstance(about, dict) or (about.get("kind"), about.get("schema")) != (
        EXPORT_KIND,
        EXPORT_SCHEMA,
    ):
        raise _refused(path, f"not of the schema {EXPORT_SCHEMA}, which says how to cut a video")
    inputs = {port.name for port in session.get_inputs()}
    if "weights" in inputs:
        raise RefusedInput(
            "EXPORT_INPUT",
            f"{str(path)!a}: it takes row weights, and the graph network that makes them is not in"
            " it",
            remedy="export it again with --with-gcn",
        )
    recipe = read_recipe(about.get("recipe"), str(path))
    skeletons = about.get("skeletons")
    try:
        preparation = (
            _Preparation.model_validate(skeletons["preparation"]).model_dump()
            if skeletons
            else None
        )
        mode, seed = _mode(about["mode"]), int(about["seed"])
        recipe.alpha(mode, seed)
        if tuple(about["classes"]) != recipe.classes:
            raise ValueError("its classes are not those of its recipe")
    except (KeyError, TypeError, ValueError, ValidationError) as error:
        raise _refused(path, f"its description is damaged ({str(error)[:60]!a})") from error
    plan, notes = pose_plan(recipe, pose_model)
    if skeletons:
        check_usable(recipe, mode)
    sums = about.get("ensemble") is True
    if skeletons and not sums:
        notes += (
            "no ensemble: the skeleton branch inside was trained together with the ResNet"
            if mode == "end-to-end"
            else "no ensemble: the run sums several graph networks, and one of them is inside",
        )
    files = {"onnx": sha256_bytes(content)} | dict(about.get("checkpoints", {}))
    return ExportedModel(
        path.name, recipe, mode, seed, plan, notes, files, preparation, sums, session
    )


def _mode(value: object) -> Mode:
    known: dict[str, Literal["plain", "fixed", "end-to-end"]] = {
        "plain": "plain", "fixed": "fixed", "end-to-end": "end-to-end",
    }  # fmt: skip
    return known[str(value)]


def _refused(path: Path, problem: str) -> RefusedInput:
    return RefusedInput(
        "EXPORT_FILE", f"{str(path)!a}: {problem}", remedy="give a file that `stroi export` wrote"
    )
