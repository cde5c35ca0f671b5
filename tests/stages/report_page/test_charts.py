"""Drawings: lengths, areas and places are the numbers', and text is escaped."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stroi.cache.layouts import BODY_25, KINECT_V1, KINECT_V2, LAYOUTS, MOCAP_35, Layout
from stroi.cache.percent import signed
from stroi.cache.rois import PAPER, row_joints
from stroi.stages.report_page import charts

numbers = st.floats(0, 100)


@given(value=numbers, line=numbers, low=numbers, width=numbers)
def test_bar_has_the_length_of_its_value(
    value: float, line: float, low: float, width: float
) -> None:
    high = min(100.0, low + width)
    html = charts.accuracy_bar(value, "rgb", line=line, interval=(low, high))
    places = [float(text) for text in re.findall(r"(?:width|left):([0-9.]+)%", html)]
    assert places == pytest.approx([value, low, high - low, line], abs=0.0051)
    assert "background:var(--rgb)" in html


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (2.46, "+2.5"),
        (-0.5, "-0.5"),
        (0.0, "0.0"),
        (-0.01, "-0.01"),
        (0.04, "+0.04"),
        (1e-13, "0.0"),
        (None, "\u2013"),
    ],
)
def test_points_have_a_sign_unless_they_are_nought(value: float | None, shown: str) -> None:
    assert signed(value) == shown


def test_intervals_and_small_probabilities_in_words() -> None:
    assert charts.between((-1.0, 2.0)) == "-1.0 … +2.0"
    assert charts.between(None) == "\u2013"
    assert charts.p_value(0.0123) == "0.012"
    assert charts.p_value(1e-9) == "< 0.001"
    # On either side of 0.05 / 11, which the page names as the limit for all comparisons.
    assert (charts.p_value(0.0044), charts.p_value(0.0047)) == ("0.0044", "0.0047")


@pytest.mark.parametrize(("value", "shown"), [(-3.0, "0.00"), (250.0, "100.00")])
def test_bar_never_leaves_its_field(value: float, shown: str) -> None:
    assert f"width:{shown}%" in charts.accuracy_bar(value, "both")


def test_bar_without_line_and_interval_draws_neither() -> None:
    html = charts.accuracy_bar(50, "rgb")
    assert "chance" not in html
    assert "whisker" not in html


def test_weight_bar_marks_weight_one() -> None:
    html = charts.weight_bar(1.5, 2.0)
    assert "width:75.00%" in html
    assert "left:50.00%" in html
    assert 'aria-label="weight 1.50"' in html


@pytest.mark.parametrize(
    ("value", "attributes"),
    [
        (0.5, ""),
        (1.0, ' style="--a:0.25"'),
        (2.0, ' class="strong" style="--a:0.75"'),
        (9.0, ' class="strong" style="--a:1.00"'),
    ],
)
def test_shade_runs_from_low_to_high(value: float, attributes: str) -> None:
    assert charts.shade(value, 0.5, 2.5) == attributes


def test_shade_of_a_constant_is_none() -> None:
    assert charts.shade(3, 3, 3) == ""


def test_circles_have_areas_in_proportion_to_weights() -> None:
    weights = [0.1 * (joint + 1) for joint in range(25)]
    svg = charts.skeleton(weights, "weights", coloured={0, 4, 7, 11, 14})
    radii = [float(text) for text in re.findall(r' r="([0-9.]+)"', svg)]
    assert [radius**2 / charts.JOINT_RADIUS**2 for radius in radii] == pytest.approx(
        weights, abs=0.02
    )
    assert svg.count("<line") == len(BODY_25.bones)
    assert re.findall(r'class="roi"[^>]*><title>([a-z ]+) ', svg) == [
        "nose", "right wrist", "left wrist", "right ankle", "left ankle",
    ]  # fmt: skip


def test_figure_stands_upright_and_faces_us() -> None:
    place = charts.STANDING
    assert set(place) == {
        joint for layout in LAYOUTS.values() if layout is not MOCAP_35 for joint in layout.joints
    }
    for upright in (
        ("nose", "neck", "mid_hip", "left_knee", "left_ankle"),
        ("head", "neck", "spine_shoulder", "spine_mid", "spine_base", "left_knee", "left_foot"),
        ("head", "shoulder_centre", "spine", "hip_centre", "left_ankle"),
    ):
        heights = [place[joint][1] for joint in upright]
        assert heights == sorted(heights)
    for joint in place:
        if joint.startswith("right_"):
            x, y = place[joint]
            assert place[joint.replace("right_", "left_")] == (100 - x, y)
            assert x < 50


def test_joints_of_other_names_are_amid_or_beyond_their_neighbours() -> None:
    place = charts.standing(MOCAP_35)
    assert place["right_fore_arm"] == charts.STANDING["right_elbow"]
    for chain in (
        ("hips", "spine", "spine1", "spine2", "neck", "neck1", "head"),
        ("left_toe_base", "left_foot", "left_leg_roll", "left_leg", "left_up_leg", "hips"),
    ):
        heights = [place[joint][1] for joint in chain]
        assert heights == sorted(heights, reverse=True)
    tip, base, hand, elbow = (
        place[f"left_{one}"] for one in ("hand_index", "finger_base", "hand", "fore_arm")
    )
    assert tip[1] > base[1] > hand[1] > elbow[1]


@pytest.mark.parametrize("layout", [KINECT_V1, KINECT_V2])
def test_every_layout_can_be_drawn(layout: Layout) -> None:
    rows = {joint for (joint,) in row_joints(PAPER, layout)}
    svg = charts.skeleton([1.0] * len(layout.joints), "a sensor's joints", layout, rows)
    assert svg.count("<circle") == len(layout.joints)
    assert svg.count("<line") == len(layout.bones)
    shown = re.findall(r'class="roi"[^>]*><title>([a-z ]+) ', svg)
    assert sorted(shown) == ["head", "left ankle", "left hand", "right ankle", "right hand"]


def test_skeleton_wants_25_weights() -> None:
    with pytest.raises(ValueError, match="zip"):
        charts.skeleton([1.0] * 24, "too few")


def test_labels_are_escaped() -> None:
    hostile = '"><script>'
    for svg in (charts.skeleton([1.0] * 25, hostile), charts.line_chart([[1.0]], hostile)):
        assert "<script>" not in svg
        assert "&lt;script&gt;" in svg


def _points(svg: str) -> list[list[tuple[float, float]]]:
    """Each path's points, as the browser reads them."""
    return [
        [(float(x), float(y)) for x, y in re.findall(r"[ML]([0-9.]+) ([0-9.]+)", path)]
        for path in re.findall(r' d="([^"]*)"', svg)
    ]


def test_validation_is_drawn_dashed_and_left_out_where_it_is_not_known() -> None:
    svg = charts.line_chart(
        [[2.0, 1.0]], "loss", validation=[[4.0, math.nan], [math.nan, math.nan]]
    )
    assert re.findall(r'class="(curve[^"]*)"', svg) == [
        "curve",
        "curve validation",
        "curve validation",
    ]
    assert list(map(len, _points(svg))) == [2, 1, 0]
    assert ">4.00</text>" in svg


def test_chart_draws_one_falling_line_per_seed() -> None:
    svg = charts.line_chart([[2.0, 1.0, 0.0], [1.5, 1.0, 0.5]], "loss")
    first, second = _points(svg)
    assert [x for x, _ in first] == [x for x, _ in second]
    (_, top), (_, middle), (_, bottom) = first
    assert middle == pytest.approx((top + bottom) / 2, abs=0.051)
    assert top < middle < bottom
    assert re.findall(r">([0-9.]+)</text>", svg) == ["0.00", "1.00", "2.00", "1", "3"]


def test_chart_interrupts_the_line_where_there_is_no_number() -> None:
    svg = charts.line_chart([[1.0, math.nan, 0.5, math.inf, 0.2]], "loss")
    (path,) = re.findall(r' d="([^"]*)"', svg)
    assert path.count("M") == 3
    assert "L" not in path
    assert "nan" not in svg
    assert "inf" not in svg


def test_chart_keeps_to_its_axis() -> None:
    ((_, low), (_, high)) = _points(charts.line_chart([[-1.0, 7.0]], "accuracy", high=1.0))[0]
    ((_, zero), (_, one)) = _points(charts.line_chart([[0.0, 1.0]], "accuracy", high=1.0))[0]
    assert (low, high) == (zero, one)


@pytest.mark.parametrize("lines", [[], [[]], [[0.0]], [[math.nan]]])
def test_chart_of_nothing_is_a_chart(lines: list[list[float]]) -> None:
    assert charts.line_chart(lines, "loss").startswith("<svg")


@given(st.floats(1e-6, 1e6))
def test_axis_ends_at_a_round_number_close_above(value: float) -> None:
    end = charts.axis_end(value)
    assert value <= end * (1 + 1e-12)
    assert end <= 1.5 * value * (1 + 1e-9)
    assert float(f"{end:.1e}") == pytest.approx(end)
