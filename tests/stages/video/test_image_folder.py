"""Folders of images as clips: their names, their order, and everything that is no frame."""

from __future__ import annotations

import os
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from stroi.cache.errors import ClipRejected
from stroi.stages.video.frames import VideoInfo
from stroi.stages.video.image_folder import folder_digest, list_images, read_image
from stroi.stages.video.reader import read_frames, read_selected

Name = Callable[[int], str]
NUCLA: Name = lambda number: f"frame_{number}_tc_{2349 + 37 * number}_rgb.jpg"  # noqa: E731
NAMES: dict[str, Name] = {
    "Northwestern-UCLA": NUCLA,
    "padded": lambda number: f"{number:06d}.png",
    "bare": lambda number: f"{number}.jpg",
    "prefix": lambda number: f"clip1-img_{number}.JPEG",
}
REMEDY = "keep one clip per folder, its frames numbered without gaps"


def image(number: int, *, size: tuple[int, int] = (48, 32)) -> np.ndarray:
    """A grey picture as bright as its number, which any JPEG coder keeps."""
    return np.full((size[1], size[0], 3), 2 * number, np.uint8)


def fill(folder: Path, name: Name = NUCLA, *, count: int = 12, first: int = 0) -> Path:
    """A folder of `count` numbered images, written in no order."""
    folder.mkdir(parents=True, exist_ok=True)
    numbers = list(range(count))
    random.Random(0).shuffle(numbers)
    for number in numbers:
        assert cv2.imwrite(str(folder / name(first + number)), image(number))
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(ClipRejected) as caught:
        for _ in read_frames(folder):
            pass
    text = str(caught.value)
    assert text.endswith(f"; {REMEDY}")
    return text.removesuffix(f"; {REMEDY}").replace(str(folder), "FOLDER")


@pytest.mark.parametrize("first", [0, 1, 95])
@pytest.mark.parametrize("kind", NAMES)
def test_frames_come_in_the_order_of_their_numbers(tmp_path: Path, kind: str, first: int) -> None:
    frames = read_frames(fill(tmp_path / "clip", NAMES[kind], first=first))
    shades = [int(frame.mean().round()) for frame in frames]
    assert shades == [2 * number for number in range(12)]
    assert frames.info == VideoInfo(12, 48, 32, 0.0)


def test_selected_frames_are_those_of_the_pass(tmp_path: Path) -> None:
    folder = fill(tmp_path / "clip")
    every = list(read_frames(folder))
    found = read_selected(folder, [11, 3, 3, 0])
    assert sorted(found) == [0, 3, 11]
    for index, frame in found.items():
        np.testing.assert_array_equal(frame, every[index])
    with pytest.raises(ClipRejected, match=r"frame 12 is needed, but only 12 decode"):
        read_selected(folder, [12])


def test_only_selected_frames_are_decoded(tmp_path: Path) -> None:
    folder = fill(tmp_path / "clip")
    (folder / NUCLA(4)).write_bytes(b"damaged")
    assert sorted(read_selected(folder, [3, 5])) == [3, 5]
    with pytest.raises(ClipRejected, match="VIDEO_FRAMES"):
        read_selected(folder, [4])


@pytest.mark.parametrize("first", [0, 95])
def test_a_segment_of_a_folder_counts_from_its_first_file(tmp_path: Path, first: int) -> None:
    folder = fill(tmp_path / "clip", first=first)
    for damaged in (first + 3, first + 8):
        (folder / NUCLA(damaged)).write_bytes(b"damaged")
    frames = read_frames(folder, 4, 8)
    assert [int(frame.mean().round()) for frame in frames] == [8, 10, 12, 14]
    assert frames.info == VideoInfo(4, 48, 32, 0.0)
    assert int(read_selected(folder, [1], 4, 8)[1].mean().round()) == 10
    assert len(list(read_frames(folder, 9, 15))) == 3
    with pytest.raises(ClipRejected, match=r"frames 9 to 15 of the video, of which only 12 decode"):
        list(read_frames(folder, 9, 16))
    with pytest.raises(ClipRejected, match=r"VIDEO_SEGMENT.*frames 12 on of the video"):
        list(read_frames(folder, 12))


def test_what_lies_beside_the_frames_does_not_matter(tmp_path: Path) -> None:
    folder = fill(tmp_path / "clip")
    before = folder_digest(folder)
    for name in ("frame_3_tc_2460_depth.png", "000007.jpg", "fileList.txt", ".DS_Store", "b.gif"):
        (folder / name).write_bytes(b"anything")
    (folder / "more").mkdir()
    assert len(list(read_frames(folder))) == 12
    assert folder_digest(folder) == before


def test_of_two_pictures_of_one_number_the_later_counts(tmp_path: Path) -> None:
    folder = fill(tmp_path / "clip")
    plain = folder_digest(folder)
    (folder / "frame_04_tc_1_rgb.jpg").write_bytes(b"the earlier one is not opened")
    assert folder_digest(folder) == plain
    assert cv2.imwrite(str(folder / "frame_04_tc_99999_rgb.jpg"), image(100))
    shades = [int(frame.mean().round()) for frame in read_frames(folder)]
    assert shades == [2 * number if number != 4 else 200 for number in range(12)]


def test_a_number_that_is_there_twice(tmp_path: Path) -> None:
    folder = fill(tmp_path / "clip", NAMES["padded"])
    (folder / "4.png").write_bytes(b"")
    assert refusal(folder) == "VIDEO_FRAMES: 'FOLDER': '000004.png' and '4.png' are both frame 4"


def test_digest_is_that_of_the_frames_in_order(tmp_path: Path) -> None:
    folder = fill(tmp_path / "clip")
    found, size = folder_digest(folder)
    assert len(found) == 64
    assert size == sum(file.stat().st_size for file in folder.iterdir())
    renamed = fill(tmp_path / "renamed", NAMES["bare"], first=5)
    for file in renamed.iterdir():
        os.utime(file, (0, 0))
    assert folder_digest(renamed) == (found, size)
    one, other = folder / NUCLA(2), folder / NUCLA(3)
    kept = one.read_bytes()
    one.write_bytes(other.read_bytes())
    assert folder_digest(folder)[0] != found
    other.write_bytes(kept)
    assert folder_digest(folder)[0] != found


def test_a_link_to_a_file_is_followed_as_dvc_makes_them(tmp_path: Path) -> None:
    folder = fill(tmp_path / "clip")
    elsewhere = tmp_path / "cache"
    (folder / NUCLA(5)).rename(elsewhere)
    (folder / NUCLA(5)).symlink_to(elsewhere)
    assert len(list(read_frames(folder))) == 12


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda folder: (folder / NUCLA(4)).unlink(),
         f"VIDEO_FRAMES: 'FOLDER': frame 4 is missing, '{NUCLA(5)}' comes after '{NUCLA(3)}'"),
        (lambda folder: (folder / NUCLA(4)).write_bytes(b""),
         f"VIDEO_FRAMES: 'FOLDER/{NUCLA(4)}': no JPEG or PNG image (it begins with b'')"),
        (lambda folder: (folder / NUCLA(4)).write_bytes(b"#EXTM3U\nfile:/etc/passwd"),
         f"VIDEO_FRAMES: 'FOLDER/{NUCLA(4)}': "
         "no JPEG or PNG image (it begins with b'#EXTM3U\\n')"),
        (lambda folder: os.truncate(folder / NUCLA(4), 300),
         f"VIDEO_FRAMES: 'FOLDER/{NUCLA(4)}': a JPEG image that is cut, or goes on behind its end"),
        (lambda folder: (folder / NUCLA(4)).write_bytes(b"\xff\xd8\xff\xd9"),
         f"VIDEO_FRAMES: 'FOLDER/{NUCLA(4)}': a JPEG image without its header"),
        (lambda folder: ((folder / NUCLA(4)).unlink(), os.mkfifo(folder / NUCLA(4))),
         f"VIDEO_FRAMES: 'FOLDER/{NUCLA(4)}': cannot be read (not a regular file)"),
        (lambda folder: ((folder / NUCLA(4)).unlink(), (folder / NUCLA(4)).mkdir()),
         f"VIDEO_FRAMES: 'FOLDER/{NUCLA(4)}': cannot be read (not a regular file)"),
        (lambda folder: ((folder / NUCLA(4)).unlink(), (folder / NUCLA(4)).symlink_to("gone")),
         f"VIDEO_FRAMES: 'FOLDER/{NUCLA(4)}': cannot be read (No such file or directory)"),
    ],
)  # fmt: skip
def test_damaged_folder_is_refused(
    tmp_path: Path, damage: Callable[[Path], object], expected: str
) -> None:
    folder = fill(tmp_path / "clip")
    damage(folder)
    assert refusal(folder) == expected


def test_empty_folder_and_folder_of_other_things(tmp_path: Path) -> None:
    tmp_path.joinpath("notes.txt").write_text("no frame")
    tmp_path.joinpath("frame_1_depth.png").write_text("no frame")
    assert refusal(tmp_path) == "VIDEO_EMPTY: 'FOLDER': holds no numbered JPEG or PNG image"


def test_images_of_two_clips_in_one_folder(tmp_path: Path) -> None:
    for clip in ("a", "b"):
        fill(tmp_path / "clip", lambda number, clip=clip: f"{clip}{number}.png", count=2)
    assert refusal(tmp_path / "clip") == (
        "VIDEO_NAMES: 'FOLDER': 'a0.png' and 'b0.png' are named in different ways"
    )


def test_folder_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ClipRejected, match=r"VIDEO_OPEN: .* cannot be read \(No such file"):
        list_images(tmp_path / "gone")


def test_images_of_two_sizes(tmp_path: Path) -> None:
    folder = fill(tmp_path / "clip")
    cv2.imwrite(str(folder / NUCLA(7)), image(7, size=(32, 48)))
    with pytest.raises(ClipRejected, match="frame 7 is 32 x 48 px, the frames before 48 x 32 px"):
        list(read_frames(folder))


def png(width: int, height: int) -> bytes:
    """A PNG header that declares any size, and hardly any pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    body = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("size", [(8193, 16), (16, 8193), (15, 16), (2**31 - 1, 2**31 - 1), (0, 0)])
def test_sizes_out_of_range(tmp_path: Path, size: tuple[int, int]) -> None:
    file = tmp_path / "0.png"
    file.write_bytes(png(*size))
    with pytest.raises(ClipRejected) as caught:
        read_image(file)
    assert str(caught.value) == (
        f"VIDEO_SIZE: {str(file)!a}: an image of {size[0]} x {size[1]} px; "
        "use images with sides from 16 to 8192 px"
    )


def test_cut_png(tmp_path: Path) -> None:
    file = tmp_path / "0.png"
    cv2.imwrite(str(file), image(5))
    whole = file.read_bytes()
    for cut, problem in ((20, "without its header"), (len(whole) - 1, "that is cut")):
        file.write_bytes(whole[:cut])
        with pytest.raises(ClipRejected, match=f"VIDEO_FRAMES: .* a PNG image {problem}"):
            read_image(file)


def test_damage_inside_a_png(tmp_path: Path) -> None:
    file = tmp_path / "0.png"
    file.write_bytes(png(64, 64).replace(b"IDAT", b"IDAT\xff"))
    with pytest.raises(ClipRejected, match=r"VIDEO_FRAMES: .* cannot be decoded"):
        read_image(file)


def test_names_that_are_shown_cannot_do_harm(tmp_path: Path) -> None:
    folder = tmp_path / "c\x1b[31m\nlip"
    fill(folder, lambda number: f"\x1b[2J{number}.png", count=3)
    assert len(list(read_frames(folder))) == 3
    (folder / "\x1b[2J1.png").unlink()
    with pytest.raises(ClipRejected) as caught:
        list(read_frames(folder))
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()


def test_largest_file_that_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fill(tmp_path / "clip", count=3)
    monkeypatch.setattr("stroi.stages.video.image_folder.MAX_BYTES", 100)
    assert "bytes, at most 100 are read" in refusal(folder)
