"""What the networks answer about a clip: logits, probabilities, weights.

Legend of shapes: C classes, K rows, V joints, P the most persons of a clip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from stroi.stages.pose.source import PoseSourcePlan
from stroi.stages.predict.clips import VideoClip
from stroi.stages.predict.recipe import Fusion, Recipe
from stroi.trainer.config import Mode
from stroi.trainer.metrics.ensemble import ensemble, softmax

Branch = Literal["skeleton", "rgb", "ensemble"]


@dataclass(frozen=True)
class Answer:
    """The scores of one clip.

    Attributes:
        scores: (C,) of each branch that the run has: logits of ``skeleton`` and ``rgb``, and their
            weighted sum, ``ensemble``.
        probabilities: (C,) of each of them, summing to 1.
        row_weights: (P, K) what each person's part of the rows was multiplied by; None without
            weights.
    """

    scores: Mapping[Branch, NDArray[np.floating]]
    probabilities: Mapping[Branch, NDArray[np.float64]]
    row_weights: NDArray[np.float32] | None = None

    @property
    def branch(self) -> Branch:
        """The branch that decides: the ensemble, if there is one."""
        order: tuple[Branch, ...] = ("ensemble", "rgb", "skeleton")
        return next(name for name in order if name in self.scores)


class Model(Protocol):
    """Trained networks that answer about clips."""

    @property
    def name(self) -> str:
        """What they are called."""

    @property
    def recipe(self) -> Recipe:
        """How a video becomes their input."""

    @property
    def mode(self) -> Mode | None:
        """How the RGB branch was trained; None without one."""

    @property
    def plan(self) -> PoseSourcePlan:
        """How people are found in a video."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user should know of them."""

    @property
    def checkpoints(self) -> Mapping[str, str]:
        """SHA-256 of their files."""

    @property
    def store(self) -> Path | None:
        """Folder that keeps detections, so that a video costs less the second time; or None."""

    def score(self, clips: Sequence[VideoClip]) -> list[Answer]:
        """The answer for each clip; it depends on that clip alone.

        Raises:
            StroiError: If the clips cannot be scored.
        """


def answer(
    skeleton: NDArray[np.floating] | None,
    rgb: NDArray[np.floating] | None,
    fusion: Fusion,
    alpha: float,
    row_weights: NDArray[np.float32] | None = None,
) -> Answer:
    """The answer by logits (C,) of each branch; None for a branch that is not there."""
    scores: dict[Branch, NDArray[np.floating]] = {}
    if skeleton is not None:
        scores["skeleton"] = skeleton
    if rgb is not None:
        scores["rgb"] = rgb
    probabilities = {name: softmax(logits[None])[0] for name, logits in scores.items()}
    if skeleton is not None and rgb is not None:
        streams = [skeleton[None], rgb[None]]
        total = ensemble(streams, kind=fusion.scores, weights=(1.0, alpha))
        scores["ensemble"] = total[0]
        shares = softmax(total) if fusion.scores == "logits" else total / total.sum()
        probabilities["ensemble"] = shares[0]
    return Answer(scores, probabilities, row_weights)


@dataclass(frozen=True)
class Prediction:
    """What a run says about a video, or about a part of it.

    Attributes:
        video: The video.
        clip: What the networks saw: people and mosaic.
        answer: What they said.
        classes: The C class names.
    """

    video: Path
    clip: VideoClip
    answer: Answer
    classes: tuple[str, ...]

    @property
    def label(self) -> str:
        """The class with the highest score, of the ensemble if there is one."""
        return self.top(1)[0][0]

    def top(self, count: int = 5, branch: Branch | None = None) -> tuple[tuple[str, float], ...]:
        """The most probable classes of a branch with their probabilities, best first.

        Raises:
            KeyError: If the run has no such branch.
        """
        shares = self.answer.probabilities[branch or self.answer.branch]
        best = np.argsort(-shares, kind="stable")[:count]
        return tuple((self.classes[at], float(shares[at])) for at in best)
