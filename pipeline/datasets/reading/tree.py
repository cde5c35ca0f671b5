"""The folders of a data set as they are read: videos, images, and what else lies in each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.pipeline.datasets.reading.places import linked_folder

JSON_FOLDER = "openpose-json"
"""Folder of a data set that has the JSON files of each clip under its sample id."""

SKELETON_ENDINGS = (".npz", ".csv")
"""Of skeletons of one's own, in any case."""

SKIPPED = {
    JSON_FOLDER, "__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found",
}  # fmt: skip
"""Folders that hold no class: poses, and what systems and archives add, in any case. They are
skipped like names that begin with a dot."""

MAX_DEPTH = 8
"""Levels of folders that are read below the root."""


@dataclass(frozen=True)
class Folder:
    """What lies in one folder; names are sorted.

    Attributes:
        videos: Names of the video files.
        images: Number of images.
        others: Names of all other files.
        folders: Names of the folders.
        skipped: Names that were skipped: hidden, or of `SKIPPED`.
    """

    videos: tuple[str, ...]
    images: int
    others: tuple[str, ...]
    folders: tuple[str, ...]
    skipped: tuple[str, ...]


class FolderTree:
    """Reads each folder below a root once.

    Args:
        root: The data set.
        video_endings: Of video files, in lower case.
        image_endings: Of images that may be frames of a video.
    """

    def __init__(
        self, root: Path, video_endings: tuple[str, ...], image_endings: tuple[str, ...]
    ) -> None:
        self.root = root
        self._video_endings = video_endings
        self._image_endings = image_endings
        self._read: dict[str, Folder] = {}

    def folder(self, place: str) -> Folder:
        """What lies at `place`, relative to the root; ``""`` is the root.

        Raises:
            RefusedInput: ``LINKED_FOLDER`` if a folder in it is a link, behind which DVC would not
                see a change; ``DATASET_MISSING`` if it cannot be read.
        """
        if place not in self._read:
            self._read[place] = self._scan(place)
        return self._read[place]

    def has_videos(self, place: str) -> bool:
        """Whether a video, a file or a folder of images, is at `place` or below it."""
        here = self.folder(place)
        if here.videos or here.images:
            return True
        return place.count("/") < MAX_DEPTH and any(map(self.has_videos, self.inside(place)))

    def inside(self, place: str) -> list[str]:
        """Places of the folders in `place`."""
        return [join(place, name) for name in self.folder(place).folders]

    def _scan(self, place: str) -> Folder:
        try:
            with os.scandir(self.root / place) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            raise RefusedInput(
                "DATASET_MISSING",
                f"{self.root / place} cannot be read ({error.strerror})",
                remedy="allow it, or leave the folder out",
            ) from None
        folders, files, skipped = [], [], []
        for entry in entries:
            if entry.name.startswith(".") or entry.name.casefold() in SKIPPED:
                skipped.append(entry.name)
            elif not entry.is_dir():
                files.append(entry.name)
            elif entry.is_symlink():
                raise linked_folder(self.root, entry.path)
            else:
                folders.append(entry.name)
        videos = [name for name in files if name.lower().endswith(self._video_endings)]
        images = sum(name.lower().endswith(self._image_endings) for name in files)
        known = self._video_endings + self._image_endings
        others = [name for name in files if not name.lower().endswith(known)]
        return Folder(tuple(videos), images, tuple(others), tuple(folders), tuple(skipped))


def json_place(skeleton: str, sample_id: str) -> str:
    """Folder of a clip's JSON files: the one that the table names, or the default one."""
    return skeleton or f"{JSON_FOLDER}/{sample_id}"


def join(place: str, name: str) -> str:
    """The place of an entry of `place`."""
    return f"{place}/{name}" if place else name
