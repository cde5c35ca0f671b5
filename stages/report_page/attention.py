"""What the page shows of mosaics and weights: chosen clips, and means per class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stroi.cache.layouts import ROI_ROWS
from stroi.cache.mosaics import MosaicCache
from stroi.cache.weights import Weights
from stroi.stages.report_page.images import Picture, picture
from stroi.stages.report_page.results import Predictions

CARDS = 12
"""Mosaics shown."""

ROW_NAMES = tuple(name.replace("_", " ") for name in ROI_ROWS)


@dataclass(frozen=True)
class Card:
    """One test clip's mosaic with its weights.

    Attributes:
        id: Sample id.
        actual: Its class name.
        predicted: The class name that row 7 gave it.
        picture: The mosaic.
        weights: Weight of each row, of each shown person: K tuples of 1 or 2, left one first.
        missing: Black cells, or half cells of two persons.
        cells: All cells, or half cells.
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
        unit = "cells" if len(self.weights[0]) == 1 else "half cells"
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


def choose(labels: NDArray[np.int64], wanted: int = CARDS) -> tuple[int, ...]:
    """Which of the clips, sorted by id, to show: one per class in turn until `wanted` are found.

    Class number c starts with its clip number c (modulo its size), so that other subjects and
    views come with other classes. With more classes than `wanted` they are taken evenly spaced.

    Args:
        labels: (N,) labels of the clips.
        wanted: How many to choose at most.

    Returns:
        Positions, by class and then by position.
    """
    members = [np.flatnonzero(labels == label).tolist() for label in np.unique(labels)]
    count = len(members)
    if count > wanted:
        members = [members[at * count // wanted] for at in range(wanted)]
    turned = [own[at % len(own) :] + own[: at % len(own)] for at, own in enumerate(members)]
    longest = max(map(len, turned), default=0)
    chosen = [own[turn] for turn in range(longest) for own in turned if turn < len(own)][:wanted]
    return tuple(sorted(chosen, key=lambda place: (labels[place], place)))


def cards(
    predictions: Predictions, classes: Sequence[str], mosaics: MosaicCache, weights: Weights
) -> tuple[Card, ...]:
    """The chosen test clips.

    Raises:
        RefusedInput: ``ID_UNKNOWN`` if a test clip has no mosaic.
    """
    place = {name: at for at, name in enumerate(weights.ids)}
    scored = mosaics.scored
    found = []
    for at in choose(predictions.actual):
        name = predictions.ids[at]
        persons = int(mosaics.person_count([name])[0])
        shown = mosaics.valid([name])[0, :persons, scored]
        found.append(
            Card(
                id=name,
                actual=classes[predictions.actual[at]],
                predicted=classes[predictions.predicted[7][at]],
                picture=picture(mosaics.batch([name], columns=scored[None])[0]),
                weights=tuple(map(tuple, weights.row_weights[place[name], :persons].T.tolist())),
                missing=int(np.count_nonzero(~shown)),
                cells=shown.size,
            )
        )
    return tuple(found)


def top_weight(shown: Sequence[Card]) -> float:
    """Right end of the weight bars: the largest weight shown, at least 1."""
    return max((1.0, *(weight for card in shown for row in card.weights for weight in row)))


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
    place = {name: at for at, name in enumerate(weights.ids)}
    order = [place[name] for name in ids]
    present = np.asarray(weights.joint_weights[order].any(axis=2), np.bool_)
    # Somebody is in every clip, even if the network finds all joints worth nothing.
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
    """Mean of (N, 2, X) over the persons that (N, 2) says are there: (N, X)."""
    kept = np.where(present[..., None], values, 0.0)
    return np.asarray(kept.sum(axis=1) / present.sum(axis=1)[:, None], np.float64)


def _relative(joint: NDArray[np.float32]) -> NDArray[np.float64]:
    """Joint weights (N, 2, V) by their mean over V; zeros stay zeros."""
    values = joint.astype(np.float64)
    mean = values.mean(axis=2, keepdims=True)
    return np.asarray(np.divide(values, mean, out=np.zeros_like(values), where=mean > 0))
