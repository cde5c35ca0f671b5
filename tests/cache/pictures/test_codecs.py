"""Pictures to blobs and back."""

from __future__ import annotations

import sys

import cv2
import numpy as np
import pytest
from blobs import HEIGHT, WIDTH, good, hostile, noise, smooth
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.cache.errors import ParamsError, RefusedInput, StroiError
from stroi.cache.pictures.codecs import (
    DEFAULT_QUALITY,
    check_codec,
    decode_picture,
    encode_picture,
)

SIDES = st.integers(1, 40)


def decoded(blob: bytes, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:  # type: ignore[type-arg]
    out = np.full((height, width, 3), 7, np.uint8)
    decode_picture(np.frombuffer(blob, np.uint8), out, "here")
    return out


@settings(max_examples=60, deadline=None, derandomize=True)
@given(height=SIDES, width=SIDES, seed=st.integers(0, 9))
def test_webp_gives_every_picture_back(height: int, width: int, seed: int) -> None:
    picture = noise(height, width, seed=seed)
    blob = encode_picture(picture, "webp", None)
    np.testing.assert_array_equal(decoded(blob, height, width), picture, strict=True)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(height=SIDES, width=SIDES, quality=st.integers(1, 100), seed=st.integers(0, 9))
def test_jpeg_gives_a_picture_of_the_same_size(
    height: int, width: int, quality: int, seed: int
) -> None:
    decoded(encode_picture(noise(height, width, seed=seed), "jpeg", quality), height, width)


def test_jpeg_comes_near_and_nearer_with_quality() -> None:
    picture = smooth(64, 80)
    errors = []
    for quality in (30, 60, DEFAULT_QUALITY, 98):
        found = decoded(encode_picture(picture, "jpeg", quality), 64, 80)
        errors.append(float(np.abs(found.astype(float) - picture).mean()))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 2
    assert errors[2] < 4


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_colours_stand_in_the_order_red_green_blue(codec: str) -> None:
    picture = np.zeros((16, 48, 3), np.uint8)
    picture[:, :16, 0] = picture[:, 16:32, 1] = picture[:, 32:, 2] = 255
    found = decoded(encode_picture(picture, *check_codec(codec, None)), 16, 48)
    np.testing.assert_allclose(found[8, [8, 24, 40]], picture[8, [8, 24, 40]], atol=3)


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_equal_pictures_give_equal_bytes(codec: str) -> None:
    assert good()[codec] == good()[codec]


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_older_opencv_gives_the_same_pixels(codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = decoded(good()[codec])
    monkeypatch.delattr(cv2, "IMREAD_COLOR_RGB")
    np.testing.assert_array_equal(decoded(good()[codec]), found)


@pytest.mark.parametrize("name", hostile())
def test_no_hostile_blob_reaches_the_decoder(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        pytest.fail("the decoder saw it")

    blob, text = hostile()[name]
    monkeypatch.setattr(cv2, "imdecode", fail)
    with pytest.raises(RefusedInput, match="IMAGE_HEADER: here") as caught:
        decoded(blob)
    assert text in str(caught.value)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(codec=st.sampled_from(["jpeg", "webp"]), data=st.data())
def test_a_changed_blob_is_refused_or_some_picture(codec: str, data: st.DataObject) -> None:
    blob = bytearray(good()[codec])
    for _ in range(data.draw(st.integers(1, 3))):
        blob[data.draw(st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    try:
        decoded(bytes(blob))
    except RefusedInput as error:
        assert error.code in {"IMAGE_HEADER", "IMAGE_DECODE"}  # noqa: PT017
        assert error.message.startswith("here")  # noqa: PT017


def test_what_the_decoder_cannot_read_is_refused() -> None:
    blob = bytearray(good()["webp"])
    blob[25:] = bytes([0xFF]) * (len(blob) - 25)
    with pytest.raises(RefusedInput) as caught:
        decoded(bytes(blob))
    assert str(caught.value) == ("IMAGE_DECODE: here cannot be decoded; fetch or rebuild the file")


def test_the_decoder_must_give_what_the_header_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: np.zeros((HEIGHT, WIDTH), np.uint8))
    with pytest.raises(RefusedInput, match="IMAGE_DECODE: here cannot be decoded"):
        decoded(good()["jpeg"])


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (("jpeg", None), ("jpeg", DEFAULT_QUALITY)),
        (("jpeg", 100), ("jpeg", 100)),
        (("webp", None), ("webp", None)),
    ],
)
def test_codec_and_its_default(given: tuple[str, int | None], wanted: tuple[str, int]) -> None:
    assert check_codec(*given) == wanted


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (("png", None), "CODEC: there is no codec 'png'; use one of jpeg, webp"),
        (("webp", 90), "CODEC: webp is lossless and has no quality; leave the quality out"),
        (("jpeg", 0), "CODEC: there is no quality 0; use 1 to 100"),
        (("jpeg", 101), "CODEC: there is no quality 101; use 1 to 100"),
    ],
)
def test_codec_that_there_is_not(given: tuple[str, int | None], text: str) -> None:
    with pytest.raises(ParamsError) as caught:
        check_codec(*given)
    assert str(caught.value) == text


def test_without_opencv_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    blob = good()["jpeg"]
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(StroiError) as caught:
        decoded(blob)
    assert caught.value.exit_status == 1
    assert str(caught.value) == (
        "OPENCV_MISSING: the compact form of mosaics needs OpenCV, which is not installed;"
        " pip install opencv-python-headless"
    )


def test_what_opencv_cannot_write_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imencode", lambda *_: (False, None))
    with pytest.raises(StroiError, match=r"IMAGE_ENCODE: OpenCV .* could not write jpeg"):
        encode_picture(smooth(), "jpeg", 90)
