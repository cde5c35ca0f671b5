"""Mosaics and weights on the page: some clips as cards, and mean weights per class."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

import cv2
import numpy as np
from numpy.typing import NDArray

from stroi.cache.mosaics import MosaicCache
from stroi.cache.weights import Weights
from stroi.stages.evaluation.predictions import PredictedLabels

CARDS = 12
"""Number of mosaics on the page."""

LARGEST = 480
"""Larger side of a picture, px; larger mosaics are shrunk."""

PNG_BYTES = 160_000
"""A PNG that would be larger becomes a JPEG, so that twelve of them stay below 4 MB."""

PARTS = {1: "cells", 2: "half cells", 3: "thirds of cells", 4: "quarters of cells"}
"""What each of so many persons has of the cells."""

_DISPLAYED = 450
"""Larger side of a picture on the screen, px; smaller ones are shown at twice their size."""


@dataclass(frozen=True)
class Picture:
    """A picture, and its size on the page.

    Attributes:
        uri: The picture itself as a ``data:`` address.
        width: Displayed width, CSS px.
        height: Displayed height, CSS px.
    """

    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Card:
    """One test clip's mosaic with its weights.

    Attributes:
        id: Sample id.
        actual: Its class name.
        predicted: The class name that row 7 gave it.
        picture: The mosaic.
        weights: Weight of each row and person: K tuples of 1 to P, the left person first.
        missing: Black cells, or black parts of cells that several persons share.
        cells: All cells, or parts.
    """

    id: str
    actual: str
    predicted: str
    picture: Picture
    weights: tuple[tuple[float, ...], ...]
    missing: int
    cells: int

    @property
    def cell_note(self) -> str:
        """How many cells are black, in words."""
        unit = PARTS[len(self.weights[0])]
        if not self.missing:
            return f"all {self.cells} {unit} filled"
        return f"{self.missing} of {self.cells} {unit} black: joint not found or out of frame"


@dataclass(frozen=True)
class MeanWeights:
    """Mean weights over test clips.

    Attributes:
        name: Of the class, or of all test clips together.
        clips: How many.
        rows: Mean weight of each mosaic row, K.
        joints: Mean weight of each joint, V, relative to a mean of 1 per clip and person.
    """

    name: str
    clips: int
    rows: tuple[float, ...]
    joints: tuple[float, ...]


def choose_clips(labels: NDArray[np.int64], count: int = CARDS) -> tuple[int, ...]:
    """Choose clips to show: one per class in turn until there are `count`.

    Class number c starts with its clip number c (modulo its size), so that other subjects and
    views come with other classes. Of more than `count` classes some are taken, evenly spaced.

    Args:
        labels: (N,) labels of the clips, sorted by id.
        count: How many to choose at most.

    Returns:
        Positions, by class and then by position.
    """
    members = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    classes = len(members)
    if classes > count:
        members = [members[at * classes // count] for at in range(count)]
    rotated = [own[at % len(own) :] + own[: at % len(own)] for at, own in enumerate(members)]
    rounds = zip_longest(*rotated)
    chosen = [at for each in rounds for at in each if at is not None][:count]
    return tuple(sorted(chosen, key=lambda at: (labels[at], at)))


def cards(
    labels: PredictedLabels, classes: Sequence[str], mosaics: MosaicCache, weights: Weights
) -> tuple[Card, ...]:
    """The chosen test clips.

    Raises:
        RefusedInput: ``ID_UNKNOWN`` if a test clip has no mosaic.
    """
    weights_at = {clip: at for at, clip in enumerate(weights.ids)}
    scored = mosaics.scored
    chosen = []
    for at in choose_clips(labels.actual):
        name = labels.ids[at]
        own = weights.row_weights[weights_at[name]]
        persons = int(mosaics.person_count([name])[0])
        valid = mosaics.valid([name])[0, :persons, scored]
        chosen.append(
            Card(
                id=name,
                actual=classes[labels.actual[at]],
                predicted=classes[labels.predicted[7][at]],
                picture=picture(mosaics.batch([name], columns=scored[None])[0]),
                weights=tuple(map(tuple, own[:persons].T.tolist())),
                missing=int(np.count_nonzero(~valid)),
                cells=valid.size,
            )
        )
    return tuple(chosen)


def top_weight(cards: Sequence[Card]) -> float:
    """Right end of the weight bars: the largest weight, at least 1."""
    return max((1.0, *(weight for card in cards for row in card.weights for weight in row)))


def mean_weights(
    ids: Sequence[str], labels: NDArray[np.int64], classes: Sequence[str], weights: Weights
) -> tuple[MeanWeights, ...]:
    """Mean weights over test clips, then over those of each class that has any.

    Persons of a clip are averaged first, so that every clip counts once; absent ones do not count.

    Args:
        ids: N test clips.
        labels: (N,) their labels.
        classes: Names of all classes.
        weights: Weights of these clips, and of others.
    """
    weights_at = {clip: at for at, clip in enumerate(weights.ids)}
    order = [weights_at[clip] for clip in ids]
    present = np.asarray(weights.joint_weights[order].any(axis=2), np.bool_)
    # Every clip has a person, even if all its joint weights are 0.
    present[~present.any(axis=1), 0] = True
    rows = _over_persons(weights.row_weights[order].astype(np.float64), present)
    joints = _over_persons(_relative(weights.joint_weights[order]), present)
    groups = [("all test clips", np.ones(len(order), np.bool_))]
    groups += [(name, labels == label) for label, name in enumerate(classes)]
    return tuple(
        MeanWeights(
            name,
            int(own.sum()),
            tuple(rows[own].mean(axis=0).tolist()),
            tuple(joints[own].mean(axis=0).tolist()),
        )
        for name, own in groups
        if own.any()
    )


def _over_persons(values: NDArray[np.float64], present: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean of `values` (N, P, X) over the persons `present` (N, P): (N, X)."""
    kept = np.where(present[..., None], values, 0.0)
    return np.asarray(kept.sum(axis=1) / present.sum(axis=1)[:, None], np.float64)


def _relative(joint: NDArray[np.float32]) -> NDArray[np.float64]:
    """Joint weights (N, P, V) by their mean over V; zeros stay zeros."""
    values = joint.astype(np.float64)
    mean = values.mean(axis=2, keepdims=True)
    return np.asarray(np.divide(values, mean, out=np.zeros_like(values), where=mean > 0))


def picture(mosaic: NDArray[np.uint8]) -> Picture:
    """A mosaic (H, W, 3) uint8 RGB as a picture, shown at twice its size where there is room."""
    pixels = _fit(mosaic)
    height, width = pixels.shape[:2]
    scale = min(2.0, _DISPLAYED / max(height, width))
    kind, data = "png", _encode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    if len(data) > PNG_BYTES:
        kind, data = "jpeg", _encode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])
    uri = f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return Picture(uri, round(width * scale), round(height * scale))


def _fit(mosaic: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = mosaic.shape[:2]
    larger = max(height, width)
    if larger <= LARGEST:
        return mosaic
    size = (max(1, width * LARGEST // larger), max(1, height * LARGEST // larger))
    return np.asarray(cv2.resize(mosaic, size, interpolation=cv2.INTER_AREA), np.uint8)


def _encode(ending: str, mosaic: NDArray[np.uint8], options: list[int]) -> bytes:
    success, data = cv2.imencode(ending, np.ascontiguousarray(mosaic[..., ::-1]), options)
    if not success:
        raise ValueError(f"OpenCV cannot encode {mosaic.dtype} {mosaic.shape} as {ending}")
    return data.tobytes()
