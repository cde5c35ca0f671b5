"""Clips, their pictures, and mean weights against a plain loop over persons and clips."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from small_run import CLASSES, IDS, TEST, label_of, persons_of, weights

from stroi.cache.mosaics import MosaicCache
from stroi.cache.weights import Weights
from stroi.pipeline.workspace import Workspace
from stroi.stages.evaluation.predictions import PredictedLabels
from stroi.stages.report_page.attention import (
    PNG_BYTES,
    cards,
    choose_clips,
    mean_weights,
    picture,
    top_weight,
)
from stroi.stages.report_page.charts import weight_bar

ACTUAL = np.array([CLASSES.index(label_of(name)) for name in TEST], np.int64)
LABELS = PredictedLabels(TEST, ACTUAL, {7: ACTUAL})


@given(st.lists(st.integers(0, 19), max_size=80), st.integers(1, 15))
def test_chosen_clips_are_distinct_and_spread_over_the_classes(
    labels: list[int], count: int
) -> None:
    chosen = choose_clips(np.array(labels, np.int64), count)
    assert len(set(chosen)) == len(chosen)
    classes = len(set(labels))
    shown = [labels[at] for at in chosen]
    assert shown == sorted(shown)
    assert len(set(shown)) == min(classes, count)
    if classes >= count:
        assert len(shown) == count
    else:
        assert len(shown) == min(len(labels), count)


def test_classes_start_with_clips_of_different_places() -> None:
    assert choose_clips(np.array([0, 0, 0, 1, 1, 1, 2, 2, 2]), 3) == (0, 4, 8)


def test_cards_hold_the_weights_of_their_own_clip(workspace: Workspace) -> None:
    mosaics = MosaicCache(workspace.mosaics("small"))
    given_weights = weights(0)
    shown = cards(LABELS, CLASSES, mosaics, given_weights)
    assert {card.id for card in shown} == set(TEST)
    for card in shown:
        own = given_weights.row_weights[IDS.index(card.id), : persons_of(card.id)]
        np.testing.assert_array_equal(np.array(card.weights, np.float32), own.T)
        assert card.actual == label_of(card.id)
    assert top_weight(shown) == max(w for card in shown for row in card.weights for w in row)
    assert top_weight(()) == 1.0


@pytest.mark.parametrize("weight", [0.0, 0.25])
def test_small_weights_have_a_bar_with_weight_one_at_its_end(
    workspace: Workspace, weight: float
) -> None:
    """As of a network whose features are all 0, in `scale: training`."""
    whole = weights(0)
    faint = Weights(whole.ids, 0 * whole.joint_weights, np.full_like(whole.row_weights, weight))
    shown = cards(LABELS, CLASSES, MosaicCache(workspace.mosaics("small")), faint)
    html = weight_bar(weight, top_weight(shown))
    assert f"width:{100 * weight:.2f}%" in html
    assert "left:100.00%" in html


def test_mean_weights_count_every_clip_once_and_absent_persons_never() -> None:
    given_weights = weights(0)
    overall, *by_class = mean_weights(TEST, ACTUAL, CLASSES, given_weights)
    assert (overall.name, overall.clips) == ("all test clips", len(TEST))
    assert [each.name for each in by_class] == list(CLASSES)
    for each in (overall, *by_class):
        own = [name for name in TEST if each.name in ("all test clips", label_of(name))]
        rows, joints = [], []
        for name in own:
            at, people = IDS.index(name), range(persons_of(name))
            rows.append(np.mean([given_weights.row_weights[at, p] for p in people], axis=0))
            joints.append(
                np.mean(
                    [
                        given_weights.joint_weights[at, p]
                        / given_weights.joint_weights[at, p].mean()
                        for p in people
                    ],
                    axis=0,
                )
            )
        assert each.rows == pytest.approx(np.mean(rows, axis=0), rel=1e-5)
        assert each.joints == pytest.approx(np.mean(joints, axis=0), rel=1e-5)
        assert np.mean(each.joints) == pytest.approx(1.0)


def test_class_without_test_clips_has_no_mean() -> None:
    means = mean_weights(TEST, ACTUAL, (*CLASSES, "never seen"), weights(0))
    assert [each.name for each in means[1:]] == list(CLASSES)


def test_dead_network_has_weight_zero_everywhere() -> None:
    dead = Weights(
        IDS, np.zeros((len(IDS), 2, 25), np.float32), np.ones((len(IDS), 2, 5), np.float32)
    )
    overall = mean_weights(TEST, ACTUAL, CLASSES, dead)[0]
    assert overall.joints == (0.0,) * 25
    assert overall.rows == (1.0,) * 5


def _decode(uri: str) -> tuple[str, NDArray[np.uint8]]:
    """Kind and RGB pixels of a data address."""
    head, data = uri.split(",", 1)
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return head, np.asarray(pixels[..., ::-1], np.uint8)


def test_small_mosaic_keeps_every_pixel() -> None:
    mosaic = np.random.default_rng(0).integers(0, 256, (50, 70, 3), np.uint8)
    image = picture(mosaic)
    head, pixels = _decode(image.uri)
    assert head == "data:image/png;base64"
    np.testing.assert_array_equal(pixels, mosaic)
    assert (image.width, image.height) == (140, 100)


def test_noisy_mosaic_of_the_paper_is_not_too_large() -> None:
    mosaic = np.random.default_rng(0).integers(0, 256, (480, 480, 3), np.uint8)
    image = picture(mosaic)
    head, pixels = _decode(image.uri)
    assert head == "data:image/jpeg;base64"
    assert pixels.shape == mosaic.shape
    assert len(image.uri) * 12 < 4_500_000
    assert (image.width, image.height) == (450, 450)


def test_smooth_picture_survives_as_jpeg() -> None:
    ramp = np.linspace(0, 255, 480)[:, None] + np.random.default_rng(0).normal(0, 9, (480, 480))
    mosaic = np.clip(np.stack([ramp, ramp[::-1], ramp.T], axis=2), 0, 255).astype(np.uint8)
    head, pixels = _decode(picture(mosaic).uri)
    assert head == "data:image/jpeg;base64"
    assert np.abs(pixels.astype(float) - mosaic).mean() < 8


def test_huge_mosaic_is_shrunk_in_proportion() -> None:
    mosaic = np.full((500, 2000, 3), (200, 100, 50), np.uint8)
    image = picture(mosaic)
    _, pixels = _decode(image.uri)
    assert pixels.shape == (120, 480, 3)
    assert tuple(pixels[60, 240]) == (200, 100, 50)
    assert len(image.uri) < PNG_BYTES
