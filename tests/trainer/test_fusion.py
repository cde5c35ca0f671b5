"""Streams of one clip are summed by id."""

from __future__ import annotations

import numpy as np
import pytest

from stroi.cache.errors import RefusedInput
from stroi.cache.scores import Scores
from stroi.trainer.fusion import summed

JOINT = Scores(("a", "b"), np.float32([[1, 0], [0, 2]]), ("x", "y"))
BONE = Scores(("b", "a"), np.float32([[3, 0], [0, 5]]), ("x", "y"))


def test_streams_are_summed_by_id_and_weighed() -> None:
    both = summed([JOINT, BONE])
    assert both.ids == ("a", "b")
    np.testing.assert_array_equal(both.logits, [[1, 5], [3, 2]])
    np.testing.assert_array_equal(summed([JOINT, BONE], (1.0, 0.5)).logits, [[1, 2.5], [1.5, 2]])
    assert both.logits.dtype == np.float32


def test_a_single_stream_is_left_as_it_is() -> None:
    assert summed([BONE]) is BONE


def test_other_samples_are_refused() -> None:
    with pytest.raises(RefusedInput, match="ENSEMBLE_IDS"):
        summed([JOINT, Scores(("a", "c"), BONE.logits, BONE.classes)])
