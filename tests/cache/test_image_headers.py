"""Which blobs come as far as a decoder."""

from __future__ import annotations

import pytest
from blobs import HEIGHT, WIDTH, good, hostile

from stroi.cache.errors import RefusedInput
from stroi.cache.image_headers import check_header, check_jpeg, check_webp

CHECKS = {"jpeg": check_jpeg, "webp": check_webp}


@pytest.mark.parametrize("codec", CHECKS)
def test_what_we_write_is_let_through(codec: str) -> None:
    CHECKS[codec](good()[codec], HEIGHT, WIDTH, "here")


@pytest.mark.parametrize("codec", CHECKS)
@pytest.mark.parametrize("other", [(HEIGHT + 1, WIDTH), (HEIGHT, WIDTH - 1), (WIDTH, HEIGHT)])
def test_another_size_is_not(codec: str, other: tuple[int, int]) -> None:
    with pytest.raises(RefusedInput) as caught:
        CHECKS[codec](good()[codec], *other, "here")
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


@pytest.mark.parametrize("codec", CHECKS)
def test_no_cut_blob_is_let_through(codec: str) -> None:
    data = good()[codec]
    for length in range(len(data)):
        with pytest.raises(RefusedInput, match="IMAGE_HEADER: here"):
            CHECKS[codec](data[:length], HEIGHT, WIDTH, "here")
