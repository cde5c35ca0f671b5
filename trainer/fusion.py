"""The scores of one clip by networks that saw different streams of it, as one score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stroi.cache.scores import Scores, join
from stroi.trainer.evaluation import ensemble


def summed(streams: Sequence[Scores], weights: Sequence[float] = ()) -> Scores:
    """Weighted sum of the logits of several streams, joined by id.

    Args:
        streams: Scores of one set of samples, one stream or more.
        weights: One factor per stream; 1 each if empty.

    Returns:
        Scores of the same samples, sorted by id; those of a single stream without a weight as
        they are.

    Raises:
        RefusedInput: See `stroi.cache.scores.join`.
        ValueError: If there are not as many weights as streams.
    """
    if len(streams) == 1 and not weights:
        return streams[0]
    ids, logits = join(streams)
    total = ensemble(logits, weights=list(weights) or None)
    return Scores(ids, total.astype(np.float32), streams[0].classes)
