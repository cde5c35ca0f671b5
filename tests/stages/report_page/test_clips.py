"""Clips on the page: which are chosen, and what is said about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_run import CLASSES, IDS, TEST, label_of, persons_of, weights

from stroi.cache.mosaics import MosaicCache
from stroi.cache.weights import Weights
from stroi.pipeline.index.table import ClipEntry
from stroi.pipeline.workspace import Workspace
from stroi.stages.evaluation.predictions import PredictedLabels
from stroi.stages.report_page.charts import weight_bar
from stroi.stages.report_page.clips import (
    choose_clips,
    class_clips,
    sparse_clips,
    top_weight,
)

ACTUAL = np.array([CLASSES.index(label_of(name)) for name in TEST], np.int64)
MARGINS = np.linspace(1, 2, len(TEST))
LABELS = PredictedLabels(TEST, ACTUAL, {7: ACTUAL}, {7: MARGINS})
SAMPLES = {name: ClipEntry(name, f"videos/{name}.avi", label_of(name), start=100) for name in TEST}


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(-9, 9)), max_size=80), st.integers(1, 15))
def test_worst_and_best_of_each_class_are_chosen(clips: list[tuple[int, int]], count: int) -> None:
    labels = np.array([label for label, _ in clips], np.int64)
    margins = np.array([margin for _, margin in clips], np.float64)
    chosen = choose_clips(labels, margins, count)
    positions = [at for own in chosen.values() for at in own]
    assert len(set(positions)) == len(positions) <= count
    assert len(chosen) == min(len(set(labels.tolist())), count)
    wrong = [np.count_nonzero((labels == label) & (margins < 0)) for label in chosen]
    assert wrong == sorted(wrong, reverse=True)
    for label, own in chosen.items():
        assert all(labels[at] == label for at in own)
        found = [margins[at] for at in own]
        assert found == sorted(found)
        assert found[0] == margins[labels == label].min()
        if len(own) > 1:
            assert found[-1] == margins[labels == label].max()


def test_a_clip_of_few_is_named_for_what_it_is() -> None:
    assert choose_clips(np.array([0]), np.array([2.0])) == {0: {0: "best"}}
    assert choose_clips(np.array([0]), np.array([-2.0])) == {0: {0: "worst"}}
    three = choose_clips(np.array([0, 0, 0]), np.array([1.0, -1.0, 0.5]))
    assert three == {0: {1: "worst", 2: "drawn", 0: "best"}}


def test_cards_hold_the_weights_and_frames_of_their_own_clip(workspace: Workspace) -> None:
    mosaics = MosaicCache(workspace.mosaics("small"))
    given_weights = weights(0)
    groups = class_clips(LABELS, 7, CLASSES, mosaics, given_weights, SAMPLES)
    shown = [card for group in groups for card in group.cards]
    assert {card.id for card in shown} == set(TEST)
    for card in shown:
        own = given_weights.row_weights[IDS.index(card.id), : persons_of(card.id)]
        np.testing.assert_array_equal(np.array(card.weights, np.float32), own.T)
        assert card.actual == label_of(card.id)
        assert (card.frames, card.source) == ((100, 101, 102, 103, 104), f"videos/{card.id}.avi")
        assert card.margin == MARGINS[TEST.index(card.id)]
    assert top_weight(groups) == max(w for card in shown for row in card.weights for w in row)
    assert top_weight(()) == 1.0


def test_groups_count_wrong_clips(workspace: Workspace) -> None:
    mosaics = MosaicCache(workspace.mosaics("small"))
    predicted = ACTUAL.copy()
    predicted[TEST.index("k2_s3")] = 0
    margins = np.where(predicted == ACTUAL, 1.0, -1.0)
    labels = replace(LABELS, predicted={7: predicted}, margins={7: margins})
    first, *others = class_clips(labels, 7, CLASSES, mosaics, weights(0), SAMPLES)
    assert (first.name, first.clips, first.wrong) == ("give", 2, 1)
    assert [(card.id, card.right, card.why) for card in first.cards] == [
        ("k2_s3", False, "worst"),
        ("k2_s4", True, "best"),
    ]
    assert [group.wrong for group in others] == [0, 0, 0]


@pytest.mark.parametrize("weight", [0.0, 0.25])
def test_small_weights_have_a_bar_with_weight_one_at_its_end(
    workspace: Workspace, weight: float
) -> None:
    """As of a network whose features are all 0, in `scale: training`."""
    whole = weights(0)
    faint = Weights(whole.ids, 0 * whole.joint_weights, np.full_like(whole.row_weights, weight))
    mosaics = MosaicCache(workspace.mosaics("small"))
    html = weight_bar(weight, top_weight(class_clips(LABELS, 7, CLASSES, mosaics, faint, SAMPLES)))
    assert f"width:{100 * weight:.2f}%" in html
    assert "left:100.00%" in html


def test_the_clips_with_the_most_black_cells_are_shown(workspace: Workspace) -> None:
    (sparse,) = sparse_clips(MosaicCache(workspace.mosaics("small")))
    assert (sparse.id, sparse.missing) == (TEST[0], 8.0)
