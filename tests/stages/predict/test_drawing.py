"""Pictures: people, crops and weights are where they belong."""

from __future__ import annotations

import numpy as np
import pytest

from stroi.cache.layouts import BODY_25
from stroi.stages.predict.drawing import (
    draw_boxes,
    draw_people,
    mosaic_panel,
    stack,
    text_panel,
    weight_colour,
)


def test_only_present_joints_are_drawn() -> None:
    points = np.zeros((1, 25, 3), np.float32)
    picture = np.zeros((100, 100, 3), np.uint8)
    draw_people(picture, points)
    assert not picture.any()
    for joint, place in (("neck", (50, 20)), ("mid_hip", (50, 80))):
        points[0, BODY_25.index(joint)] = (*place, 1)
    draw_people(picture, points, scale=0.5)
    rows, columns = np.nonzero(picture.any(axis=2))
    assert rows.min() >= 7
    assert rows.max() <= 43
    assert abs(columns.mean() - 25) < 1


def test_a_box_has_the_colour_of_its_weight() -> None:
    boxes = np.array([[[10, 10, 30, 30], [50, 50, 90, 90]]], np.float32)
    picture = np.zeros((100, 100, 3), np.uint8)
    draw_boxes(picture, boxes, np.array([[True, False]]), np.array([[2.0, 1.0]], np.float32))
    assert tuple(picture[10, 20]) == weight_colour(2.0)
    assert not picture[45:].any()


def test_heavier_rows_are_brighter_and_have_longer_bars() -> None:
    shades = [sum(weight_colour(weight)) for weight in (0.0, 1.0, 2.0)]
    assert shades == sorted(shades)
    assert weight_colour(9.0) == weight_colour(2.0)
    mosaic = np.zeros((50, 50, 3), np.uint8)
    weights = np.array([[0.25, 1.75]] * 2, np.float32)
    panel = mosaic_panel(mosaic, ["head", "feet"], weights, 1, 120)
    light, heavy = (
        int((panel[row, :46] == weight_colour(weight)).all(axis=1).sum())
        for row, weight in ((40, weights[0, 0]), (100, weights[0, 1]))
    )
    assert heavy > 5 * light > 0


def test_a_mosaic_keeps_its_colours() -> None:
    mosaic = np.zeros((40, 40, 3), np.uint8)
    mosaic[..., 0] = 200
    panel = mosaic_panel(mosaic, ["head"], None, 1, 40)
    assert panel[20, -20].tolist() == [0, 0, 200]


def test_text_that_is_not_ascii_and_narrow_pictures_do_no_harm() -> None:
    whole = stack([text_panel(["Händeschütteln"], 200), np.zeros((10, 50, 3), np.uint8)])
    assert whole.shape[1] == 200
    assert whole.dtype == np.uint8
    with pytest.raises(ValueError, match="max"):
        stack([])
