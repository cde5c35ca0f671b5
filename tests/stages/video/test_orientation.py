"""Upright pictures from display matrices and EXIF tags, as players and OpenCV show them."""

from __future__ import annotations

import struct
import zlib
from itertools import product
from pathlib import Path

import cv2
import numpy as np
import pytest
from numbered import count_to, number_of, write_video
from numbered_containers import with_orientation

from stroi.stages.video.orientation import UPRIGHT, of_image, of_matrix
from stroi.stages.video.reader import check_clip, read_frames, read_selected

TURNS = list(product((0, 90, 180, 270), (False, True), (False, True)))
WORDS = {
    1: "",
    2: "mirrored from left to right",
    3: "turned by 180 degrees",
    4: "mirrored from top to bottom",
    5: "mirrored from left to right and turned by 270 degrees clockwise",
    6: "turned by 90 degrees clockwise",
    7: "mirrored from left to right and turned by 90 degrees clockwise",
    8: "turned by 270 degrees clockwise",
}


def corner() -> np.ndarray:
    """A picture (48, 64, 3) that looks different in each of the eight orientations."""
    picture = np.full((48, 64, 3), 60, np.uint8)
    picture[:16, :32] = 250
    picture[16:32, :16] = 160
    return picture


@pytest.mark.parametrize(("turn", "hflip", "vflip"), TURNS)
@pytest.mark.parametrize("ending", ["mp4", "mov", "mkv"])
def test_display_matrices_are_followed(
    tmp_path: Path, ending: str, turn: int, hflip: bool, vflip: bool
) -> None:
    plain = write_video(
        tmp_path / "plain.mp4", "mpeg4", [corner()] * 3, options={"qscale": "2"}, gop=1
    )
    path = with_orientation(plain, tmp_path / f"clip.{ending}", turn, hflip, vflip)
    stored = list(read_frames(plain))
    expected = [np.rot90(picture, turn // 90) for picture in stored]
    expected = [picture[:, ::-1] if hflip else picture for picture in expected]
    expected = [picture[::-1] if vflip else picture for picture in expected]
    frames = read_frames(path)
    for frame, picture in zip(frames, expected, strict=True):
        np.testing.assert_array_equal(frame, picture)
        assert frame.flags.c_contiguous
    if not (hflip or vflip):
        good, picture = cv2.VideoCapture(str(path)).read()
        assert good
        np.testing.assert_array_equal(picture, expected[0])
    assert (frames.info.height, frames.info.width) == expected[0].shape[:2]
    assert (frames.info.remark == "") == ((turn, hflip, vflip) in UNTURNED)
    selected = read_selected(path, [1])
    np.testing.assert_array_equal(selected[1], expected[1])
    assert selected.remark == frames.info.remark


UNTURNED = {(0, False, False), (180, True, True)}


def test_a_portrait_clip_is_read_under_its_numbers(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "a.mp4", "libx264", count_to(20), options={"bf": "3"}, gop=9, turn=270
    )
    frames = read_frames(path)
    assert [number_of(frame) for frame in frames] == list(range(20))
    assert frames.info.remark == "turned by 90 degrees clockwise"
    check_clip(path)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ([0] * 9, ""),
        ([87381, 0, 0, 0, 65536, 0, 0, 0, 1 << 30], ""),
        ([60, 65000, 0, -65000, 60, 0, 0, 0, 1 << 30], "turned by 90 degrees clockwise"),
        ([46341, 46341, 0, -46341, 46341, 0, 0, 0, 1 << 30], ""),
    ],
    ids=["zeros", "wide pixels", "almost a quarter", "an eighth"],
)
def test_odd_matrices_are_taken_for_the_nearest_quarter(matrix: list[int], words: str) -> None:
    assert str(of_matrix(struct.pack("9i", *matrix))) == words


def exif(order: str, value: int) -> bytes:
    """A TIFF block whose second entry is the orientation."""
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order]
    camera = struct.pack(f"{order}HHIHH", 0x0100, 3, 1, 640, 0)
    tag = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, value, 0)
    return mark + struct.pack(f"{order}IH", 8, 2) + camera + tag + bytes(4)


def tagged(ending: str, order: str, value: int) -> bytes:
    good, coded = cv2.imencode(f".{ending}", corner())
    assert good
    data, block = coded.tobytes(), exif(order, value)
    if ending == "jpg":
        block = b"Exif\0\0" + block
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + data[2:]
    chunk = struct.pack(">I", len(block)) + b"eXIf" + block
    return data[:33] + chunk + struct.pack(">I", zlib.crc32(b"eXIf" + block)) + data[33:]


@pytest.mark.parametrize("value", WORDS)
@pytest.mark.parametrize(("ending", "order"), [("jpg", "<"), ("jpg", ">"), ("png", ">")])
def test_exif_tags_are_followed(tmp_path: Path, ending: str, order: str, value: int) -> None:
    data = tagged(ending, order, value)
    for number in range(3):
        (tmp_path / f"{number}.{ending}").write_bytes(data)
    expected = cv2.imread(str(tmp_path / f"0.{ending}"))
    frames = read_frames(tmp_path)
    for frame in frames:
        np.testing.assert_array_equal(frame, expected)
    assert frames.info.remark == WORDS[value]
    check_clip(tmp_path)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_orientations_that_do_not_exist_are_none(value: int) -> None:
    assert of_image(tagged("jpg", "<", value)) == UPRIGHT


def test_damaged_exif_blocks_are_none() -> None:
    data = tagged("jpg", ">", 6)
    assert str(of_image(data)) == WORDS[6]
    place = data.index(b"MM")
    for length in range(30):
        assert of_image(data[: place + length]) == UPRIGHT
    assert of_image(data.replace(b"MM\0*\0\0\0\x08", b"MM\0*\xff\xff\xff\xff")) == UPRIGHT
