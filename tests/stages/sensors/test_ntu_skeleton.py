"""Skeleton texts: every number arrives, every defect is named by its line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ntu_texts import BODY_A, BODY_B, ntu_lines, ntu_text

from stroi.cache.errors import ClipRejected
from stroi.stages.sensors.ntu_skeleton import (
    MAX_BYTES,
    NtuSkeleton,
    parse_ntu_skeleton,
    read_ntu_skeleton,
)

FRAMES: tuple[tuple[int, ...], ...] = ((BODY_A,), (BODY_B, BODY_A), (), (BODY_A, BODY_B))
LINES = ntu_lines(*FRAMES)


def independent(lines: list[str]) -> dict[int, list[tuple[int, np.ndarray]]]:
    """Frames and (25, 12) numbers of every body, read the plain way."""
    found: dict[int, list[tuple[int, np.ndarray]]] = {}
    rest = iter(lines[1:])
    for frame in range(int(lines[0])):
        for _ in range(int(next(rest))):
            name = int(next(rest).split()[0])
            assert next(rest) == "25"
            rows = np.loadtxt([next(rest) for _ in range(25)])
            found.setdefault(name, []).append((frame, rows))
    return found


def assert_same(skeleton: NtuSkeleton, lines: list[str]) -> None:
    expected = independent(lines)
    assert [body.id for body in skeleton.bodies] == sorted(expected)
    for body in skeleton.bodies:
        frames, rows = zip(*expected[body.id], strict=True)
        numbers = np.array(rows)
        assert body.frames.dtype == np.int32
        assert body.frames.tolist() == list(frames)
        np.testing.assert_array_equal(body.joints, numbers[:, :, :3].astype(np.float32))
        np.testing.assert_array_equal(body.pixels, numbers[:, :, 5:7].astype(np.float32))
        np.testing.assert_array_equal(body.states, numbers[:, :, 11].astype(np.uint8))
        assert body.joints.shape == (len(frames), 25, 3)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_number_arrives(end: str) -> None:
    skeleton = parse_ntu_skeleton(ntu_text(*FRAMES, end=end), "x")
    assert skeleton.frames == 4
    assert_same(skeleton, LINES)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n \t\n\n\n"])
def test_blank_lines_at_the_end_are_no_text(end: str) -> None:
    assert_same(parse_ntu_skeleton(ntu_text(*FRAMES) + end.encode(), "x"), LINES)


def test_ids_that_a_float_merges_stay_apart() -> None:
    assert float(BODY_A) == float(BODY_B)
    bodies = parse_ntu_skeleton(ntu_text(*FRAMES), "x").bodies
    assert [body.id for body in bodies] == [BODY_A, BODY_B]
    assert [body.frames.tolist() for body in bodies] == [[0, 1, 3], [1, 3]]


def test_last_line_needs_no_end() -> None:
    assert_same(parse_ntu_skeleton("\n".join(LINES).encode(), "x"), LINES)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.permutations([1, 2, 10**17 + 1]).map(lambda p: tuple(p[:2])), min_size=1),
    st.integers(0, 2),
)
def test_any_bodies_in_any_order(frames: list[tuple[int, ...]], empty: int) -> None:
    lines = ntu_lines(*frames, *[()] * empty)
    skeleton = parse_ntu_skeleton("\n".join(lines).encode(), "x")
    assert skeleton.frames == len(frames) + empty
    assert_same(skeleton, lines)


def edited(line: int, text: str) -> bytes:
    """The good file with another text in the line of this number, counted from 1."""
    return "\n".join([*LINES[: line - 1], text, *LINES[line:]]).encode()


def field(line: int, column: int, text: str) -> bytes:
    fields = LINES[line - 1].split()
    fields[column] = text
    return edited(line, " ".join(fields))


DEFECTS: dict[str, tuple[bytes, str, str]] = {
    "10^9 frames": (edited(1, "1000000000"), "SKEL_COUNT", "line 1: '1000000000' is no number"),
    "10^9 - 1 frames": (
        edited(1, "999999999"), "SKEL_COUNT", "line 1: 999999999 frames, at most",
    ),
    "10^9 joints": (edited(4, "1000000000"), "SKEL_COUNT", "line 4: '1000000000' is no number of"),
    "10^9 bodies": (edited(2, "999999999"), "SKEL_COUNT", "line 2: 999999999 bodies in one frame"),
    "Arabic digits": (edited(1, "٣"), "SKEL_COUNT", r"line 1: '\u0663' is no number of frames"),
    "underscore in a count": (edited(1, "1_0"), "SKEL_COUNT", "line 1: '1_0' is no number"),
    "underscore in a field": (field(5, 0, "1_0"), "SKEL_LINE", "line 5: '1_0' is no number"),
    "sign in a count": (edited(1, "+4"), "SKEL_COUNT", "line 1: '+4' is no number of frames"),
    "20 joints": (edited(4, "20"), "SKEL_COUNT", "line 4: 20 joints, want 25"),
    "11 fields": (edited(9, LINES[8][:-2]), "SKEL_LINE", "line 9: 11 fields, want 12"),
    "13 fields": (edited(9, LINES[8] + " 1"), "SKEL_LINE", "line 9: 13 fields, want 12"),
    "9 fields of a body": (edited(3, LINES[2][:-2]), "SKEL_LINE", "line 3: 9 fields, want 10"),
    "NaN": (field(9, 1, "nan"), "SKEL_NONFINITE", "line 9: 'nan' is not finite"),
    "infinity": (field(9, 5, "-Infinity"), "SKEL_NONFINITE", "line 9: '-Infinity' is not finite"),
    "NaN of Windows": (field(9, 0, "-1.#IND"), "SKEL_NONFINITE", "line 9: '-1.#IND' is not fini"),
    "a sum past floats": (field(9, 0, "1e999"), "SKEL_NONFINITE", "line 9: '1e999' is out of ran"),
    "a star's distance": (field(9, 2, "-2e6"), "SKEL_NONFINITE", "line 9: '-2e6' is out of range"),
    "NaN in a body line": (field(3, 7, "nan"), "SKEL_NONFINITE", "line 3: 'nan' is not finite"),
    "two signs": (field(9, 0, "1-2"), "SKEL_LINE", "line 9: '1-2' is no number"),
    "hexadecimal": (field(9, 0, "0x1p3"), "SKEL_LINE", "line 9: '0x1p3' is no number"),
    "words in a body line": (field(3, 1, "1-"), "SKEL_LINE", "line 3: '1-' is no number"),
    "body id of letters": (field(3, 0, "x7"), "SKEL_LINE", "line 3: it holds more than numbers"),
    "negative body id": (field(3, 0, "-7"), "SKEL_LINE", "line 3: '-7' is no body id"),
    "odd state": (field(9, 11, "3"), "SKEL_LINE", "line 9: '3' is no tracking state"),
    "state as a float": (field(9, 11, "2.0"), "SKEL_LINE", "line 9: '2.0' is no tracking state"),
    "vertical tabs": (
        edited(9, LINES[8].replace(" ", "\v")), "SKEL_LINE", "line 9: it holds more than numb",
    ),
    "escape sequence": (field(9, 0, "\x1b[31m"), "SKEL_LINE", r"line 9: '\x1b[31m' is no number"),
    "line of 2000": (edited(9, LINES[8] + " " * 2000), "SKEL_LINE", "line 9: longer than 1024 by"),
    "text behind": (edited(len(LINES), LINES[-1] + "\n0"), "SKEL_LINE", "text after the last fra"),
    "text behind blank lines": (
        edited(len(LINES), LINES[-1] + "\n\n 0"),
        "SKEL_LINE", f"line {len(LINES) + 2}: text after the last frame",
    ),
    "cut in the last line": (
        "\n".join(LINES).encode()[:-2], "SKEL_LINE", f"line {len(LINES)}: 11 fields, want 12",
    ),
    "last line lost": (
        "\n".join(LINES[:-1]).encode(), "SKEL_LINE", f"line {len(LINES)}: the file ends before",
    ),
    "one body twice": (ntu_text((BODY_A, BODY_A)), "SKEL_LINE", "frame 0 shows a body id twice"),
    "no byte": (b"", "SKEL_EMPTY", "'a.skeleton': the file has 0 bytes"),
    "no frame": (b"0\n", "SKEL_EMPTY", "nobody in any of its 0 frames"),
    "nobody": (b"3\n0\n0\n0\n", "SKEL_EMPTY", "'a.skeleton': nobody in any of its 3 frames"),
    "not text": (b"\x80\x04\x95" * 50, "SKEL_COUNT", "line 1"),
}  # fmt: skip


@pytest.mark.parametrize("case", DEFECTS)
def test_defects_are_named(case: str) -> None:
    data, code, message = DEFECTS[case]
    with pytest.raises(ClipRejected) as caught:
        parse_ntu_skeleton(data, "a.skeleton")
    assert caught.value.code == code
    assert message in caught.value.message
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert caught.value.remedy


def test_every_cut_is_refused() -> None:
    data = ntu_text((BODY_A,), (BODY_B,), end="\n")
    for length in range(len(data) - 1):
        with pytest.raises(ClipRejected):
            parse_ntu_skeleton(data[:length], "x")


def test_files_are_opened_with_care(tmp_path: Path) -> None:
    path = tmp_path / "S001C001P001R001A001.skeleton"
    path.write_bytes(ntu_text(*FRAMES))
    assert read_ntu_skeleton(path).frames == 4
    with path.open("r+b") as file:
        file.truncate(MAX_BYTES + 1)
    os.mkfifo(tmp_path / "pipe")
    for name, problem in (
        (path.name, "16777217 bytes, at most 16777216 are read"),
        ("pipe", "not a regular file"),
        ("absent", "No such file"),
    ):
        with pytest.raises(ClipRejected, match=f"SKEL_OPEN.*{problem}"):
            read_ntu_skeleton(tmp_path / name)
