"""The files of an OpenPose folder, and which frame of the clip each of them is of."""

from __future__ import annotations

import re
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import SETTLED, digest, file_state, sha256_bytes
from stroi.cache.files.opening import read_regular
from stroi.pipeline.index.table import tolerance
from stroi.stages.pose.readers.openpose_json import MAX_BYTES

_BEFORE = r"(?P<before>|.*\D)(?P<number>\d{1,12})"
_NAMES = (
    re.compile(_BEFORE + r"(?P<after>\D*)_keypoints\.json", re.ASCII),
    re.compile(_BEFORE + r"(?P<after>)\.json", re.ASCII),
)
"""``<clip>_<12 digits>_keypoints.json`` as OpenPose names the frames of a video,
``<image>_keypoints.json`` as it names those of a folder of images, or a plain running number. Where
there are names of the first kinds, others are no frames."""

NO_FOLDER = digest(["POSE_FOLDER"])
"""`pose_digest` of a clip without a folder."""

_FOLDER_REMEDY = "let the table's column skeleton name the folder that --write_json filled"
_NUMBER_REMEDY = (
    "number the files from 0 for the first frame of the video, with a file for every frame"
)


@dataclass(frozen=True)
class ClipFiles:
    """The files of one clip.

    Attributes:
        by_frame: File of each frame that has one, by the clip's frame number, counted from 0.
        offset: Number that the files give the video's first frame.
        first: First number in the folder.
        last: Last number in the folder.
    """

    by_frame: Mapping[int, Path]
    offset: int
    first: int
    last: int


def json_folder(raw: Path, name: str) -> Path:
    """The folder of a clip's JSON files in the data set at `raw`.

    Raises:
        ClipRejected: ``POSE_FOLDER`` if it is not inside `raw`, or behind a link, where DVC would
            not notice a change.
    """
    inside = Path(name)
    outside = inside.is_absolute() or ".." in inside.parts
    links = [
        part for part in (inside, *inside.parents) if part != Path() and (raw / part).is_symlink()
    ]
    if outside or links:
        problem = "is behind a link" if links else "is not inside the data set's folder"
        raise ClipRejected(
            "POSE_FOLDER", f"{str(inside)!a} {problem}", remedy="put the folder itself there"
        )
    return raw / inside


@dataclass(frozen=True)
class FolderFiles:
    """The files of a video, by the number in their names.

    Attributes:
        folder: Where they are.
        numbers: The numbers, ascending.
        names: Their files.
    """

    folder: Path
    numbers: Sequence[int]
    names: Sequence[str]

    def between(self, start: int, stop: int = 0) -> Iterator[tuple[int, Path]]:
        """Number and file from `start` to before `stop`; to the end if that is 0."""
        low = bisect_left(self.numbers, start)
        high = bisect_left(self.numbers, stop) if stop else len(self.numbers)
        for at in range(low, high):
            yield self.numbers[at], self.folder / self.names[at]


def list_frames(folder: Path) -> FolderFiles:
    """The files of a video by the number in their names.

    All clips of a video have one folder: it is listed again only if it changed.

    Raises:
        ClipRejected: ``POSE_FOLDER`` if there is no such folder or it holds no such file,
            ``POSE_FRAMES`` if two files have one number, ``POSE_NAMES`` if the names differ in
            more than the number.
    """
    try:
        status = folder.stat()
    except OSError:
        return _list_frames(folder)  # says what is wrong
    if time.time() - status.st_ctime <= SETTLED:
        return _list_frames(folder)
    return _list_once(folder, file_state(status))


@lru_cache(maxsize=1)
def _list_once(folder: Path, state: tuple[int, ...]) -> FolderFiles:
    return _list_frames(folder)


def _list_frames(folder: Path) -> FolderFiles:
    try:
        # macOS adds a file ._NAME for each on disks of other systems.
        names = sorted(file.name for file in folder.iterdir() if not file.name.startswith("."))
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise refused("POSE_FOLDER", folder, problem, _FOLDER_REMEDY) from error
    matches: list[re.Match[str]] = []
    for pattern in _NAMES:
        matches = matches or [match for name in names if (match := pattern.fullmatch(name))]
    if not matches:
        problem = "holds no file <clip>_<frame>_keypoints.json" + _found(names)
        raise refused("POSE_FOLDER", folder, problem, _FOLDER_REMEDY)
    frames: dict[int, str] = {}
    for match in matches:
        number = int(match["number"])
        if number in frames:
            problem = f"{frames[number]!a} and {match[0]!a} are both of frame {number}"
            raise refused("POSE_FRAMES", folder, problem, "keep the files of one clip per folder")
        frames[number] = match[0]
    kinds = {(match["before"], match["after"]): match[0] for match in matches}
    if len(kinds) > 1:
        one, other = sorted(kinds.values())[:2]
        problem = f"{one!a} and {other!a} differ in more than the number of the frame"
        raise refused("POSE_NAMES", folder, problem, "keep the files of one clip per folder")
    numbers = sorted(frames)
    return FolderFiles(folder, numbers, [frames[number] for number in numbers])


def _found(names: Sequence[str]) -> str:
    if not names:
        return ": it is empty"
    return f", but {len(names)} others, first {names[0][:60]!a}"


def list_clip(folder: Path, start: int = 0, stop: int = 0) -> ClipFiles:
    """The files of a clip by its frames.

    OpenPose writes a file for every frame. It numbers the frames of a video from 0; those of a
    folder of images have the numbers of the images, which often start elsewhere: the first file
    is of the first frame. `check_frames` shows whether that can be.

    Args:
        folder: The folder of the clip's whole video.
        start: First frame of the clip in the video.
        stop: Frame after its last; 0 if it lasts to the end.

    Raises:
        ClipRejected: As `list_frames`.
    """
    listed = list_frames(folder)
    first, last = listed.numbers[0], listed.numbers[-1]
    # The numbers of a part of a video have to be the video's.
    offset = 0 if start or stop else first
    files = listed.between(offset + start, stop)
    by_frame = {number - offset - start: file for number, file in files}
    return ClipFiles(by_frame, offset, first, last)


def check_frames(
    folder: Path, files: ClipFiles, frames: int, start: int = 0, stop: int = 0
) -> tuple[int, int]:
    """Check the files against the T `frames` that the clip decodes to.

    Returns:
        How many frames have no file, and how many files are beyond the last frame.

    Raises:
        ClipRejected: ``POSE_NUMBERS`` if the numbers start elsewhere than at 0 and do not show
            which file is of the first frame, ``POSE_FRAMES`` if the files are not those of T
            frames, within `tolerance`.
    """
    numbers = f"the files are numbered from {files.first} to {files.last}"
    if start or stop:
        # A folder of the clip's own files alone may have the video's numbers too.
        if files.first and (files.first, files.last) != (start, start + frames - 1):
            problem = f"{numbers}, and the clip is a part of its video, from frame {start} on"
            raise refused("POSE_NUMBERS", folder, problem, _NUMBER_REMEDY)
    elif files.offset and files.last - files.first + 1 < frames:
        problem = f"{numbers} for {frames} frames of video: the first ones may lack a file"
        raise refused("POSE_NUMBERS", folder, problem, _NUMBER_REMEDY)
    missing = sum(number not in files.by_frame for number in range(frames))
    surplus = sum(number >= frames for number in files.by_frame)
    if max(missing, surplus) > tolerance(frames):
        problem = (
            f"{len(files.by_frame)} files for {frames} frames of video: {missing} frames lack one,"
            f" {surplus} files are beyond the end"
        )
        raise refused("POSE_FRAMES", folder, problem, _frames_remedy(sorted(files.by_frame)))
    return missing, surplus


def _frames_remedy(numbers: Sequence[int]) -> str:
    steps = {after - before for before, after in pairwise(numbers)}
    if len(steps) == 1 and min(steps) > 1:
        return f"run OpenPose on every frame: these files are of one frame in {min(steps)}"
    return "run OpenPose on this video, on every frame, and keep its files of empty frames"


def folder_digest(folder: Path, start: int = 0, stop: int = 0) -> str:
    """Sha256 over the numbers and contents of a clip's files, hexadecimal.

    Args:
        folder: The video's folder.
        start: First frame of the clip in its video.
        stop: Frame after its last; 0 if it lasts to the end.

    Raises:
        ClipRejected: As `list_frames`; ``POSE_OPEN`` if a file cannot be read.
    """
    listed = list_frames(folder)
    files = [
        [number, sha256_bytes(read_file(folder, file))]
        for number, file in listed.between(start, stop)
    ]
    # The first and last number of the folder decide where counting starts.
    return digest([listed.numbers[0], listed.numbers[-1], files])


def pose_digest(raw: Path, name: str, start: int = 0, stop: int = 0) -> str:
    """Digest of a clip's files, or of the code that they are refused with.

    Args:
        raw: The data set.
        name: Folder of the clip's video in it.
        start: First frame of the clip in its video.
        stop: Frame after its last; 0 if it lasts to the end.
    """
    try:
        return folder_digest(json_folder(raw, name), start, stop)
    except ClipRejected as rejected:
        return digest([rejected.code])


def read_file(folder: Path, file: Path) -> bytes:
    """Content of one of its files.

    Raises:
        ClipRejected: ``POSE_OPEN`` if it cannot be read or is larger than 1 MiB.
    """
    try:
        return read_regular(file, MAX_BYTES)
    except OSError as error:
        problem = f"{file.name!a} cannot be read ({error.strerror})"
        raise refused("POSE_OPEN", folder, problem, "write the folder again") from error


def refused(code: str, folder: Path, problem: str, remedy: str) -> ClipRejected:
    """The refusal of a folder, for the caller to raise."""
    return ClipRejected(code, f"{folder.name!a}: {problem}", remedy=remedy)
