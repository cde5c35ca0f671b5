"""The clips of one side of a split, their labels, and the clips that stages lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.pipeline.index.table import Index


@dataclass(frozen=True)
class GroundTruth:
    """The clips of one side of the split, such as test, and their labels.

    Attributes:
        ids: Clips that no stage lost, sorted, N.
        labels: (N,) their labels.
        classes: Names of all L classes.
        left_out: Number of further clips, by the first stage that lost them; stages in the order
            that clips pass them, the input of the graph network first.
    """

    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def listed(self) -> int:
        """Clips of the split, lost ones too."""
        return len(self.ids) + sum(self.left_out.values())

    @property
    def seen(self) -> int:
        """Clips that the graph network saw, with or without a mosaic."""
        return self.listed - next(iter(self.left_out.values()), 0)


def ground_truth(
    index: Index, ids: Sequence[str], lost: Mapping[str, set[str]], side: str = "test"
) -> GroundTruth:
    """The labels of those of `ids` that no stage lost.

    Args:
        index: The data set's index.
        ids: Clips of one side of the split.
        lost: Ids that each stage quarantined, in the order that clips pass the stages.
        side: Name of the side, for the message.

    Raises:
        RefusedInput: ``PART_LOST`` if no clip is left.
    """
    rest, left_out = set(ids), {}
    for stage, gone in lost.items():
        left_out[stage] = len(rest & gone)
        rest -= gone
    if not rest:
        counts = ", ".join(f"{count} by {stage}" for stage, count in left_out.items() if count)
        raise RefusedInput(
            "PART_LOST",
            f"none of the split's {len(set(ids))} {side} clips is left, lost: {counts}",
            remedy="solve what the ledgers report for these clips, or choose another split",
        )
    kept = tuple(sorted(rest))
    label_of = index.labels(kept)
    labels = np.array([label_of[name] for name in kept], np.int64)
    return GroundTruth(kept, labels, index.classes, left_out)
