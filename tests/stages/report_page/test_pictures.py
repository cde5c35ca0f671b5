"""Pictures of the page: exact where they are small, never too large."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from stroi.stages.report_page.pictures import BYTES, picture


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
    assert (image.width, image.height) == (300, 300)


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
    assert len(image.uri) < BYTES / 12


@pytest.mark.parametrize("count", [1, 12, 60])
def test_all_pictures_together_stay_below_the_limit(count: int) -> None:
    mosaic = np.random.default_rng(0).integers(0, 256, (480, 480, 3), np.uint8)
    assert len(picture(mosaic, count).uri) * count < 4_500_000
