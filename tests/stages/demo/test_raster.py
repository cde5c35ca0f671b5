"""Painted solids cover the area that geometry says, and never leave the picture."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stroi.stages.demo.raster import Image, ball, barrel, capsule, picture, shadow

LIGHT = (0.0, 0.0, 1.0)
WHITE = np.full((64, 64, 3), 255, np.float32)


def blank() -> Image:
    return np.zeros((80, 100, 3), np.float32)


def covered(before: Image, after: Image) -> float:
    """Area in pixels, edge pixels counted by their share."""
    return float((after - before)[..., 0].sum())


def test_a_capsule_covers_its_area() -> None:
    image = blank()
    texels = np.ones((64, 64, 3), np.float32)
    capsule(image, (0.0, 0.0, 0.0), ((30.3, 40.2), (70.1, 52.7)), (9.0, 9.0), texels)
    length = math.hypot(70.1 - 30.3, 52.7 - 40.2)
    # Without light the brightness is the ambient one, 0.44, everywhere.
    assert covered(blank(), image) / 0.44 == pytest.approx(math.pi * 81 + 18 * length, rel=0.01)


def test_a_capsule_is_brightest_on_its_axis() -> None:
    image = blank()
    capsule(image, LIGHT, ((20, 40), (80, 40)), (10.0, 10.0), WHITE)
    column = image[:, 50, 0]
    assert column.argmax() == 40
    assert column[40] > 1.5 * column[31] > 0


def test_a_barrel_follows_its_profile() -> None:
    image = blank()
    profile = np.array([4.0, 12.0, 6.0], np.float32)
    texels = np.ones((64, 64, 3), np.float32)
    barrel(image, (0.0, 0.0, 0.0), ((50.0, 10.0), (50.0, 70.0)), profile, texels)
    widths = image[..., 0].sum(axis=1) / 0.44
    np.testing.assert_allclose(widths[[25, 40, 55]], [16.0, 24.0, 18.0], atol=0.6)


def test_a_head_shows_its_front_and_when_turned_its_side() -> None:
    globe = np.zeros((36, 72, 3), np.float32)
    globe[:, 36 - 9 : 36 + 9] = (255, 0, 0)
    front, turned = blank(), blank()
    ball(front, LIGHT, (50, 40), (15, 18), np.eye(3, dtype=np.float32), globe)
    left = np.array([[0, 0, 1], [0, 1, 0], [-1, 0, 0]], np.float32)
    ball(turned, LIGHT, (50, 40), (15, 18), left, globe)
    assert front[40, 50, 0] > 200
    assert turned[40, 50, 0] == 0
    assert turned[40, 37, 0] > 60


def test_a_picture_lies_where_its_edges_say() -> None:
    sprite = np.zeros((41, 41, 4), np.float32)
    sprite[:20, :, 2] = 200.0
    sprite[20:, :, 1] = 100.0
    sprite[..., 3] = 1.0
    image = blank()
    picture(image, (50.0, 40.0), (12.0, 0.0), (0.0, -10.0), sprite)
    assert image[34, 50].tolist() == [0, 0, 200]
    assert image[46, 50].tolist() == [0, 100, 0]
    assert image[:28].sum() == 0
    assert image[:, 64:].sum() == 0
    assert (image[..., 1:].max(axis=2) > 50).sum() == pytest.approx(24 * 20, rel=0.12)


def test_a_shadow_only_darkens() -> None:
    image = np.full((80, 100, 3), 100, np.float32)
    shadow(image, (50, 40), (20, 8), 0.4)
    assert image.max() == 100
    assert image[40, 50, 0] == pytest.approx(60)


@pytest.mark.parametrize("centre", [(-60.0, 40.0), (50.0, 200.0), (300.0, -90.0)])
def test_what_is_outside_changes_nothing(centre: tuple[float, float]) -> None:
    image = blank()
    x, y = centre
    capsule(image, LIGHT, ((x, y), (x + 5, y)), (6.0, 6.0), WHITE)
    barrel(image, LIGHT, ((x, y), (x, y + 9)), np.array([4.0, 4.0], np.float32), WHITE)
    ball(image, LIGHT, centre, (8, 8), np.eye(3, dtype=np.float32), WHITE[:32])
    picture(image, centre, (5.0, 0.0), (0.0, -5.0), np.ones((9, 9, 4), np.float32))
    shadow(image, centre, (9, 5), 0.5)
    assert not image.any()


def test_what_crosses_the_edge_is_cut() -> None:
    image = blank()
    capsule(image, LIGHT, ((-5, 40), (10, 40)), (8.0, 8.0), WHITE)
    assert image[40, 0, 0] > 0
