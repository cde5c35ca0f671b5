"""Which blobs come as far as a decoder."""

from __future__ import annotations

import pytest
from blobs import HEIGHT, WIDTH, behind, good, hostile, segment, smooth, written

from stroi.cache.errors import RefusedInput
from stroi.cache.pictures.picture_headers import check_header, picture_size


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_what_we_write_is_let_through(codec: str) -> None:
    check_header(good()[codec], HEIGHT, WIDTH, "here")


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
@pytest.mark.parametrize("other", [(HEIGHT + 1, WIDTH), (HEIGHT, WIDTH - 1), (WIDTH, HEIGHT)])
def test_another_size_is_not(codec: str, other: tuple[int, int]) -> None:
    with pytest.raises(RefusedInput) as caught:
        check_header(good()[codec], *other, "here")
    assert str(caught.value) == (
        f"IMAGE_HEADER: here is 20 x 12 px, declared {other[0]} x {other[1]};"
        " fetch or rebuild the file"
    )


@pytest.mark.parametrize("name", hostile())
def test_nothing_else_is(name: str) -> None:
    data, text = hostile()[name]
    with pytest.raises(RefusedInput) as caught:
        check_header(data, HEIGHT, WIDTH, "here")
    assert caught.value.code == "IMAGE_HEADER"
    assert caught.value.message.startswith("here ") or caught.value.message.startswith("here: ")
    assert text in caught.value.message
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_no_cut_blob_is_let_through(codec: str) -> None:
    data = good()[codec]
    for length in range(len(data)):
        with pytest.raises(RefusedInput, match="IMAGE_HEADER: here"):
            check_header(data[:length], HEIGHT, WIDTH, "here")


def test_only_the_kinds_that_are_asked_for() -> None:
    png = written(".png", picture=smooth(20, 30))
    assert picture_size(png, "JPEG", "PNG") == (30, 20)
    with pytest.raises(ValueError, match="no JPEG image"):
        picture_size(png, "JPEG")


def test_a_header_behind_a_thousand_segments_is_none() -> None:
    many = behind(good()["jpeg"], 0xFFE0, segment(0xFFDB, bytes(65)) * 1000)
    with pytest.raises(RefusedInput, match="a JPEG image without its header"):
        check_header(many, HEIGHT, WIDTH, "here")
