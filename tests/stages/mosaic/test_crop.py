"""g of eq. 1 against a crop of the padded frame."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stroi.cache.errors import ClipRejected, ParamsError
from stroi.stages.mosaic.crop import Border, crop, overlaps

WIDTH, HEIGHT, MARGIN = 31, 23, 60
FRAME = np.random.default_rng(0).integers(1, 256, (HEIGHT, WIDTH, 3), np.uint8)
MODES: dict[Border, str] = {"black": "constant", "edge": "edge", "reflect": "reflect"}

xs = st.floats(-40, WIDTH + 40, width=32)
ys = st.floats(-40, HEIGHT + 40, width=32)
sizes = st.integers(1, 24)


def half_to_even(value: float) -> int:
    whole = math.floor(value)
    part = value - whole
    if part == 0.5:
        return whole + whole % 2
    return whole if part < 0.5 else whole + 1


@pytest.mark.parametrize("border", ["black", "edge", "reflect"])
@given(x=xs, y=ys, width=sizes, height=sizes)
def test_is_a_crop_of_the_padded_frame(
    border: Border, x: float, y: float, width: int, height: int
) -> None:
    pads = ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))
    padded = np.pad(FRAME, pads, mode=MODES[border])  # type: ignore[call-overload]
    left, top = half_to_even(x - width / 2), half_to_even(y - height / 2)
    cut, box = crop(FRAME, x, y, width=width, height=height, border=border)
    assert box == (left, top, left + width, top + height)
    rows = slice(top + MARGIN, top + MARGIN + height)
    columns = slice(left + MARGIN, left + MARGIN + width)
    np.testing.assert_array_equal(cut, padded[rows, columns])


@given(x=st.integers(0, WIDTH - 1), y=st.integers(0, HEIGHT - 1), size=st.integers(2, 24))
def test_centre_of_the_crop_is_the_joint(x: int, y: int, size: int) -> None:
    cut, (left, top, _, _) = crop(FRAME, x, y, width=size, height=size)
    assert abs(left + size / 2 - x) <= 0.5
    assert abs(top + size / 2 - y) <= 0.5
    np.testing.assert_array_equal(cut[y - top, x - left], FRAME[y, x])


@given(x=st.floats(0, WIDTH, width=32), y=ys, size=sizes, shift=st.integers(-20, 20))
def test_moving_picture_and_joint_together_changes_nothing(
    x: float, y: float, size: int, shift: int
) -> None:
    wide = np.pad(FRAME, ((0, 0), (MARGIN, MARGIN), (0, 0)))
    moved = np.roll(wide, 2 * shift, axis=1)
    here, _ = crop(wide, x + MARGIN, y, width=size, height=size)
    there, _ = crop(moved, x + MARGIN + 2 * shift, y, width=size, height=size)
    np.testing.assert_array_equal(there, here)


@pytest.mark.parametrize(
    ("x", "expected"),
    [(0.0, (-4, 4)), (30.0, (26, 34)), (31.0, (27, 35)), (-1.0, (-5, 3)), (4.5, (0, 8)),
     (5.5, (2, 10)), (10.4, (6, 14)), (10.6, (7, 15))],
)  # fmt: skip
def test_each_edge_is_rounded_half_to_even(x: float, expected: tuple[int, int]) -> None:
    _, (x0, _, x1, _) = crop(FRAME, x, 10, width=8, height=8)
    assert (x0, x1) == expected
    assert (x0, x1) == (round(x - 4), round(x + 4))


@pytest.mark.parametrize(
    ("x", "y"), [(-500.0, 10.0), (500.0, 10.0), (10.0, -500.0), (10.0, 1e30), (-16.0, 10.0)]
)
def test_far_outside_is_black(x: float, y: float) -> None:
    cut, box = crop(FRAME, x, y, width=16, height=16)
    assert cut.shape == (16, 16, 3)
    assert not cut.any()
    assert not overlaps(box, WIDTH, HEIGHT)
    assert crop(FRAME, x, y, width=16, height=16, border="reflect")[0].all()


def test_overlap_is_at_least_one_pixel() -> None:
    assert overlaps((30, 22, 40, 30), WIDTH, HEIGHT)
    assert not overlaps((31, 22, 40, 30), WIDTH, HEIGHT)
    assert not overlaps((-8, 0, 0, 8), WIDTH, HEIGHT)
    assert overlaps((-8, -8, 1, 1), WIDTH, HEIGHT)


def test_crop_is_a_copy() -> None:
    frame = FRAME.copy()
    for border in ("black", "edge", "reflect"):
        cut, _ = crop(frame, 15, 11, width=8, height=8, border=border)
        cut[:] = 0
    np.testing.assert_array_equal(frame, FRAME)


@pytest.mark.parametrize(("x", "y"), [(math.nan, 3.0), (3.0, math.nan), (math.inf, 3.0)])
def test_position_that_is_no_number_is_refused(x: float, y: float) -> None:
    with pytest.raises(ClipRejected) as caught:
        crop(FRAME, x, y, width=8, height=8)
    assert str(caught.value) == (
        f"JOINT_POSITION: a joint stands at ({x}, {y}); mark a missing joint by confidence 0"
    )


def test_refusals() -> None:
    with pytest.raises(ParamsError, match="unknown border 'wrap'; use one of black, edge, ref"):
        crop(FRAME, 3, 3, width=8, height=8, border="wrap")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cannot crop 0 x 8 px"):
        crop(FRAME, 3, 3, width=0, height=8)
