"""Test clips on the page, class by class: the worst, the best and one at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stroi.cache.mosaics import MosaicCache
from stroi.cache.weights import Weights
from stroi.pipeline.index.table import ClipEntry
from stroi.stages.evaluation.predictions import PredictedLabels
from stroi.stages.report_page.pictures import Picture, picture

CARDS = 60
"""Clips on the page, at most."""

SPARSE = 6
"""Clips with black cells on the page, at most."""

PER_CLASS = 3
"""Clips of a class, at most."""

PARTS = {1: "cells", 2: "half cells", 3: "thirds of cells", 4: "quarters of cells"}
"""What each of so many persons has of the cells."""

Why = Literal["worst", "best", "drawn"]


@dataclass(frozen=True)
class Card:
    """One test clip's mosaic with its weights.

    Attributes:
        id: Sample id.
        actual: Its class name.
        predicted: The class name that the row gave it.
        why: Why it is shown: ``worst``, ``best`` or ``drawn`` of its class.
        margin: Score of its class less the highest other one.
        frames: The frames of its video that the columns show, from 0.
        source: That video, below the data set's root; empty if unknown.
        picture: The mosaic.
        weights: Weight of each row and person: K tuples of 1 to P, the left person first.
        missing: Black cells, or black parts of cells that several persons share.
        cells: All cells, or parts.
    """

    id: str
    actual: str
    predicted: str
    why: Why
    margin: float
    frames: tuple[int, ...]
    source: str
    picture: Picture
    weights: tuple[tuple[float, ...], ...]
    missing: int
    cells: int

    @property
    def right(self) -> bool:
        """Whether it was recognised."""
        return self.actual == self.predicted

    @property
    def cell_note(self) -> str:
        """How many cells are black, in words."""
        unit = PARTS[len(self.weights[0])]
        if not self.missing:
            return f"all {self.cells} {unit} filled"
        return f"{self.missing} of {self.cells} {unit} black: joint not found or out of frame"


@dataclass(frozen=True)
class ClassClips:
    """The clips of one class.

    Attributes:
        label: Its label.
        name: Its name.
        clips: Its test clips.
        wrong: How many of them the row takes for another class.
        cards: Those that are shown, wrong ones first.
    """

    label: int
    name: str
    clips: int
    wrong: int
    cards: tuple[Card, ...]


def choose_clips(
    labels: NDArray[np.int64], margins: NDArray[np.float64], count: int = CARDS
) -> dict[int, dict[int, Why]]:
    """Choose clips of each class: the lowest and the highest margin, and one of the others.

    Args:
        labels: (N,) labels of the clips, sorted by id.
        margins: (N,) their margins: below 0 the clip is wrong.
        count: How many to choose at most; of more classes those with the most wrong clips.

    Returns:
        Positions and why they were chosen, by class; classes with the most wrong clips first,
        clips with the lowest margin first.
    """
    members = {int(label): np.flatnonzero(labels == label) for label in np.unique(labels)}
    wrong = {label: int(np.count_nonzero(margins[own] < 0)) for label, own in members.items()}
    order = sorted(members, key=lambda label: (-wrong[label], label))[:count]
    share = min(PER_CLASS, count // max(1, len(order)))
    return {label: _choose(members[label], margins, label, share) for label in order}


def _choose(
    own: NDArray[np.int64], margins: NDArray[np.float64], label: int, share: int
) -> dict[int, Why]:
    worst, *others = own[np.argsort(margins[own], kind="stable")].tolist()
    chosen: dict[int, Why] = {worst: "worst" if len(own) > 1 or margins[worst] < 0 else "best"}
    if share > 1 and others:
        *middle, best = others
        if share > 2 and middle:
            # The same clips every time, and not at the same place in every class.
            chosen[int(np.random.default_rng(label).choice(middle))] = "drawn"
        chosen[best] = "best"
    return chosen


def class_clips(
    labels: PredictedLabels,
    row: int,
    classes: Sequence[str],
    mosaics: MosaicCache,
    weights: Weights,
    samples: Mapping[str, ClipEntry],
) -> tuple[ClassClips, ...]:
    """The chosen test clips.

    Args:
        labels: What the rows predict.
        row: Number of the row whose predictions and margins count.
        classes: Names of all classes.
        mosaics: The mosaics.
        weights: Weights of every test clip.
        samples: Their entries in the index.

    Raises:
        RefusedInput: ``ID_UNKNOWN`` if a test clip has no mosaic.
    """
    chosen = choose_clips(labels.actual, labels.margins[row])
    count = sum(map(len, chosen.values()))
    weights_at = {clip: at for at, clip in enumerate(weights.ids)}
    scored = mosaics.scored

    def card(at: int, why: Why) -> Card:
        name = labels.ids[at]
        persons = int(mosaics.person_count([name])[0])
        valid = mosaics.valid([name])[0, :persons, scored]
        own = weights.row_weights[weights_at[name]]
        sample = samples[name]
        frames = sample.start + mosaics.frames([name])[0, scored]
        return Card(
            id=name,
            actual=classes[labels.actual[at]],
            predicted=classes[labels.predicted[row][at]],
            why=why,
            margin=float(labels.margins[row][at]),
            frames=tuple(frames.tolist()),
            source=sample.video,
            picture=picture(mosaics.batch([name], columns=scored[None])[0], count),
            weights=tuple(map(tuple, own[:persons].T.tolist())),
            missing=int(np.count_nonzero(~valid)),
            cells=valid.size,
        )

    groups = []
    for label, own in chosen.items():
        members = labels.actual == label
        wrong = members & (labels.predicted[row] != label)
        cards = tuple(card(at, why) for at, why in own.items())
        groups.append(
            ClassClips(label, classes[label], int(members.sum()), int(wrong.sum()), cards)
        )
    return tuple(groups)


def top_weight(groups: Sequence[ClassClips]) -> float:
    """Right end of the weight bars: the largest weight, at least 1."""
    shown = [card for group in groups for card in group.cards]
    return max((1.0, *(weight for card in shown for row in card.weights for weight in row)))


@dataclass(frozen=True)
class SparseClip:
    """A clip with many black cells.

    Attributes:
        id: Sample id.
        missing: Share of its cells that are black, in percent.
        picture: Its mosaic.
    """

    id: str
    missing: float
    picture: Picture


def sparse_clips(mosaics: MosaicCache) -> tuple[SparseClip, ...]:
    """The clips with the most black cells, at most `SPARSE`; none without such cells."""
    if not mosaics.ids:
        return ()
    valid = mosaics.valid(mosaics.ids)
    present = np.arange(valid.shape[1]) < mosaics.person_count(mosaics.ids)[:, None]
    black = (present[:, :, None, None] & ~valid).sum(axis=(1, 2, 3))
    share = 100 * black / (present.sum(axis=1) * valid[0, 0].size)
    order = np.argsort(-share, kind="stable")[:SPARSE]
    return tuple(
        SparseClip(
            mosaics.ids[at],
            float(share[at]),
            picture(mosaics.batch([mosaics.ids[at]], columns=mosaics.scored[None])[0], CARDS),
        )
        for at in order.tolist()
        if share[at]
    )
