"""Mosaics of natural images for benchmarks: crops of the frames of any real videos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from assembled import assemble_mosaics
from numpy.typing import NDArray

from stroi.cache.files.atomic import write_atomic
from stroi.cache.manifest import FileEntry, Manifest, file_entry, write_manifest
from stroi.cache.mosaics import Mosaics
from stroi.cache.rois import row_joints
from stroi.cache.skeletons import Clip
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.mosaic.cut import Cut, cut_mosaic

ENDINGS = {".avi", ".mp4", ".mkv", ".mov", ".webm"}
COLUMNS = 5
CELL = 96  # px, as for NTU
JITTER = 12  # px that a joint moves between two columns
STEP = 5  # every fifth frame is kept
KEPT = 30  # frames of a video that are kept
PER_SHARD = 250


def find_videos(places: Sequence[Path]) -> list[Path]:
    """The videos themselves, and all videos in and below the folders."""
    found = [path for path in places if path.is_file()]
    for folder in places:
        found += [path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS]
    return sorted(found)


def read_frames(path: Path) -> list[NDArray[np.uint8]]:
    """Some frames (H, W, 3) BGR of a video."""
    capture = cv2.VideoCapture(str(path))
    frames = []
    for number in range(STEP * KEPT):
        if not capture.grab():
            break
        if number % STEP == 0:
            frames.append(np.asarray(capture.retrieve()[1], np.uint8))
    capture.release()
    return frames


def random_cuts(
    videos: Sequence[Path], count: int, sizes: Sequence[int], seed: int = 0
) -> Iterator[list[Cut]]:
    """`count` times one mosaic in each of `sizes` px, around random walks through a video."""
    random = np.random.default_rng(seed)
    for number, video in enumerate(videos):
        share = count // len(videos) + (number < count % len(videos))
        frames = read_frames(video)
        height, width = frames[0].shape[:2]
        for _ in range(share):
            times = np.sort(random.choice(len(frames), COLUMNS, len(frames) < COLUMNS))
            keypoints = np.zeros((len(frames), 2, 25, 3), np.float32)
            for (joint,) in row_joints():
                start = random.uniform((0, 0), (width, height))
                walk = start + random.normal(0, JITTER, (len(frames), 2))
                keypoints[:, 0, joint, :2] = walk.clip(0, (width - 1, height - 1))
                keypoints[:, 0, joint, 2] = 1
            clip = Clip(keypoints, 1, width, height, 25.0)
            shown = {time: frames[time] for time in times.tolist()}
            yield [
                cut_mosaic(
                    shown, clip, times, MosaicParams(cell=CELL, size=size, min_confidence=0.1)
                )
                for size in sizes
            ]


def write_caches(
    folders: Sequence[Path], videos: Sequence[Path], count: int, sizes: Sequence[int]
) -> None:
    """One training cache of the same `count` mosaics in each size."""
    entries: list[list[FileEntry]] = [[] for _ in sizes]
    waiting: list[list[Cut]] = []
    for number, cuts in enumerate(random_cuts(videos, count, sizes), 1):
        waiting.append(cuts)
        if len(waiting) == PER_SHARD or number == count:
            ids = tuple(f"clip{row:05d}" for row in range(number - len(waiting), number))
            for folder, made, listed in zip(
                folders, zip(*waiting, strict=True), entries, strict=True
            ):
                listed.append(write_shard(folder, len(listed), ids, made))
            waiting = []
    for folder, size, listed in zip(folders, sizes, entries, strict=True):
        params = {"columns": COLUMNS, "cell": CELL, "size": size}
        write_manifest(folder, Manifest("mosaics", params, {}, tuple(listed)))


def write_shard(folder: Path, number: int, ids: tuple[str, ...], cuts: Sequence[Cut]) -> FileEntry:
    """One shard and its entry in the manifest."""
    names = ("mosaic", "frame_index", "box", "confidence", "valid")
    stacked = {name: np.stack([getattr(cut, name) for cut in cuts]) for name in names}
    mosaics = Mosaics(ids=ids, person_count=np.ones(len(ids), np.int8), **stacked)
    encoded = assemble_mosaics([mosaics])
    name = f"mosaics-{number:05d}.h5"
    write_atomic(folder / name, encoded.data)
    return file_entry(name, encoded.data, ids, encoded.sample_sha256)
