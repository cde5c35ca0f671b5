"""Skeleton texts and OpenPose frames of a stranger: no count is believed, every defect is named."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from ntu_texts import BODY_A, BODY_B, ntu_lines, ntu_text
from openpose_texts import openpose_frame, points
from received import CANARY, assert_inspect_refuses, stroi

LINES = ntu_lines((BODY_A,), (BODY_A, BODY_B))


def edited(line: int, text: str) -> bytes:
    """A good file with another text in the line of this number, counted from 1."""
    return "\r\n".join([*LINES[: line - 1], text, *LINES[line:]]).encode()


def field(line: int, column: int, text: str) -> bytes:
    fields = LINES[line - 1].split()
    fields[column] = text
    return edited(line, " ".join(fields))


def frames_of_nobody() -> bytes:
    return b"100000\n" + b"0\n" * 100_000


def many_bodies() -> bytes:
    """16 MB of bodies of which each joint has the shortest numbers."""
    body = b"%d 0 0 0 0 0 0 0 0 0\n25\n" + b"0 0 0 0 0 0 0 0 0 0 0 0\n" * 25
    each = b"".join(body % name for name in range(64))
    return b"400\n" + (b"64\n" + each) * 400


SKELETONS: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "10^9 frames": (lambda: edited(1, "1000000000"), "SKEL_COUNT", "line 1: '1000000000' is no"),
    "10^9 - 1 frames": (lambda: edited(1, "999999999"), "SKEL_COUNT", "line 1: 999999999 frames"),
    "10^9 bodies": (lambda: edited(2, "999999999"), "SKEL_COUNT", "line 2: 999999999 bodies in on"),
    "10^9 joints": (lambda: edited(4, "999999999"), "SKEL_COUNT", "line 4: 999999999 joints, want"),
    "20 joints": (lambda: edited(4, "20"), "SKEL_COUNT", "line 4: 20 joints, want 25"),
    "Arabic digits": (lambda: edited(1, "٢"), "SKEL_COUNT", r"line 1: '\u0662' is no number of"),
    "underscore": (lambda: field(6, 2, "1_0"), "SKEL_LINE", "line 6: '1_0' is no number"),
    "NaN": (lambda: field(6, 2, "nan"), "SKEL_NONFINITE", "line 6: 'nan' is not finite"),
    "infinity": (lambda: field(6, 5, "-inf"), "SKEL_NONFINITE", "line 6: '-inf' is not finite"),
    "1e999": (lambda: field(6, 5, "1e999"), "SKEL_NONFINITE", "line 6: '1e999' is out of range"),
    "13 fields": (lambda: edited(6, LINES[5] + " 1"), "SKEL_LINE", "line 6: 13 fields, want 12"),
    "endless line": (lambda: edited(6, "1 " * 8_000_000), "SKEL_LINE", "line 6: longer than 1024"),
    "text behind": (lambda: ntu_text((BODY_A,)) + b"x", "SKEL_LINE", "text after the last frame"),
    "cut in the last line": (
        lambda: ntu_text((BODY_A,), end="\n")[:-3], "SKEL_LINE", "line 29: 11 fields, want 12",
    ),
    "body twice": (lambda: ntu_text((BODY_A, BODY_A)), "SKEL_LINE", "shows a body id twice"),
    "nobody": (lambda: b"2\n0\n0\n", "SKEL_EMPTY", "nobody in any of its 2 frames"),
    "nobody for an hour": (frames_of_nobody, "SKEL_EMPTY", "nobody in any of its 100000 frames"),
    "nobody for days": (
        lambda: b"8000000\n" + b"0\n" * 8_000_000,
        "SKEL_COUNT", "line 1: 8000000 frames, at most 100000 can be",
    ),
    "16 MB of bodies, then text": (
        lambda: many_bodies() + b"x", "SKEL_LINE", "text after the last frame",
    ),
    "one byte too large": (lambda: b" " * (2**24 + 1), "SKEL_OPEN", "at most 16777216 are read"),
    "escape sequence": (
        lambda: edited(1, "\x1b]0;x\x07"), "SKEL_COUNT", r"'\x1b]0;x\x07' is no number of frames",
    ),
    "pickle": (lambda: b"cos\nsystem\n(S'touch trace'\ntR.", "SKEL_COUNT", "'cos' is no number"),
    "nothing": (lambda: b"", "SKEL_EMPTY", "the file has 0 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("case", SKELETONS)
def test_skeleton_texts(tmp_path: Path, case: str) -> None:
    make, code, says = SKELETONS[case]
    path = tmp_path / "S001C001P001R001A001.skeleton"
    path.write_bytes(make())
    assert_inspect_refuses(path, code, says)


GOOD = openpose_frame([points(25)])


def one(value: object, at: int = 0) -> bytes:
    keypoints: list[object] = list(points(25))
    keypoints[at] = value
    return openpose_frame([keypoints])


FRAMES: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "NaN": (lambda: one(float("nan")), "JSON", "holds NaN, which is not JSON"),
    "infinity": (lambda: one(float("inf")), "JSON", "holds Infinity, which is not JSON"),
    "1e999": (lambda: GOOD.replace(b"101.5", b"1e999"), "JSON", "holds 1e999"),
    "key twice": (
        lambda: GOOD.replace(b'"people"', b'"people":[],"people"'),
        "JSON_DUPLICATE_KEY", "the key 'people' twice",
    ),
    "2*10^5 brackets": (lambda: b"[" * 200_000, "JSON_DEPTH", "nests deeper than 64"),
    "2*10^5 objects": (lambda: b'{"a":' * 200_000, "JSON_DEPTH", "nests deeper than 64"),
    "a million numbers": (
        lambda: b'{"version":1.3,"people":[' + b"1," * 500_000 + b"1]}",
        "POSE_FORMAT", "person 0 has no pose_keypoints_2d",
    ),
    "a million objects": (
        lambda: b'{"version":1.3,"people":[' + b"{}," * 340_000 + b"{}]}",
        "POSE_FORMAT", "person 0 has no pose_keypoints_2d",
    ),
    "5000 digits": (
        lambda: GOOD.replace(b"101.5", b"9" * 5000), "JSON", "a number of 5000 digits",
    ),
    "90 digits": (lambda: one(10**90), "POSE_VALUE", "joint 0: x 1000000000"),
    "5000 people, one bad": (
        lambda: openpose_frame([[]] * 5_000 + [[1]]), "POSE_LENGTH", "person 5000: 1, want 75",
    ),
    "54 numbers": (lambda: openpose_frame([points(18)]), "POSE_LENGTH", "54, want 75 (BODY_25)"),
    "booleans": (lambda: openpose_frame([[True] * 75]), "POSE_VALUE", "joint 0: x True"),
    "texts": (lambda: openpose_frame([["1"] * 75]), "POSE_VALUE", "joint 0: x '1'"),
    "negative confidence": (lambda: one(-0.5, 2), "POSE_VALUE", "confidence -0.5, want 0 to 2"),
    "normalised": (lambda: openpose_frame([[0.5] * 75]), "POSE_SCALE", "no pixels; run OpenPose"),
    "another program's": (lambda: b'{"shapes": []}', "POSE_FORMAT", "a list of people"),
    "another version": (
        lambda: openpose_frame([], version="2\x1b[0m"), "POSE_VERSION", r"version '2\x1b[0m', want",
    ),
    "large": (lambda: GOOD + b" " * 2**20, "POSE_OPEN", "at most 1048576 are read"),
    "not UTF-8": (lambda: b'{"version":1.3,"people":"\xff"}', "JSON", "is not JSON"),
    "nothing": (lambda: b"", "JSON", "is not JSON"),
}  # fmt: skip


@pytest.mark.parametrize("case", FRAMES)
def test_openpose_frames(tmp_path: Path, case: str) -> None:
    make, code, says = FRAMES[case]
    path = tmp_path / "clip_000000000007_keypoints.json"
    path.write_bytes(make())
    assert_inspect_refuses(path, code, says)


def test_the_wrong_model_is_named_with_the_option(tmp_path: Path) -> None:
    (tmp_path / "f.json").write_bytes(GOOD)
    assert_inspect_refuses(
        tmp_path / "f.json", "POSE_LENGTH", "75, want 54 (COCO)", "--json-model", "COCO"
    )


@pytest.mark.parametrize(("name", "code"), [("x.skeleton", "SKEL_OPEN"), ("x.json", "POSE_OPEN")])
@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "nothing"])
def test_what_is_no_plain_file_neither_hangs_nor_grows(
    tmp_path: Path, name: str, code: str, kind: str
) -> None:
    path = tmp_path / name
    make: dict[str, Callable[[], object]] = {
        "fifo": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "device": lambda: path.symlink_to("/dev/zero"),
        "nothing": lambda: path.symlink_to("nowhere"),
    }
    make[kind]()
    says = "No such file" if kind == "nothing" else "not a regular file"
    assert_inspect_refuses(path, code, says)


def test_a_link_shows_nothing_of_another_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{CANARY}\n{CANARY}\n")
    (tmp_path / "x.json").symlink_to("secret")
    assert_inspect_refuses(tmp_path / "x.json", "JSON", "is not JSON")


def test_good_files_are_described(tmp_path: Path) -> None:
    (tmp_path / "x.skeleton").write_bytes("\r\n".join(LINES).encode())
    frame = {"version": 1.3, "people": [{"pose_keypoints_2d": []}]}
    (tmp_path / "x.json").write_text(json.dumps(frame))
    done = stroi(["inspect", "x.skeleton", "x.json"], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "x.skeleton: NTU skeleton: 2 frames, 2 bodies" in done.stdout
    assert "x.json: OpenPose frame (BODY_25): 0 people" in done.stdout
