"""Digests of OpenPose's JSON files, clip by clip, for the index."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from stroi.pipeline.datasets.reading.tree import JSON_FOLDER, json_place
from stroi.pipeline.index.table import ClipEntry
from stroi.pipeline.parallel.executor import Tick, Workers, parallel_map_unordered

_CHUNK = 64


def digest_poses(
    raw: Path, clips: Sequence[ClipEntry], folders: Collection[str], workers: Workers, store: Path
) -> dict[str, str]:
    """Digests of the files of every clip that has a folder of them, by sample id.

    Args:
        raw: The data set.
        clips: Its clips.
        folders: Folders that the clips name. A clip that names nothing has ``openpose-json/ID``,
            if that is there.
        workers: Where to run.
        store: Folder of finished work.
    """
    default = {path.name for path in (raw / JSON_FOLDER).glob("*") if path.is_dir()}
    having = [
        (json_place(clip.skeleton, clip.id), clip.start, clip.stop, clip.id)
        for clip in clips
        if clip.skeleton in folders or (not clip.skeleton and clip.id in default)
    ]
    if not having:
        return {}
    # Clips of one folder follow each other: it is listed once for all of them.
    having.sort()
    results = parallel_map_unordered(
        partial(_digest_chunk, raw),
        [having[at : at + _CHUNK] for at in range(0, len(having), _CHUNK)],
        workers=workers,
        total=len(having),
        label="JSON files",
        scratch=store,
    )
    return {sample_id: sha256 for chunk in results for sample_id, sha256 in chunk}


def _digest_chunk(
    raw: Path, chunk: Sequence[tuple[str, int, int, str]], tick: Tick
) -> list[tuple[str, str]]:
    # Only here: listing clips must not need a library of arrays.
    from stroi.stages.pose.readers.openpose_files import pose_digest

    digests = []
    for folder, start, stop, sample_id in chunk:
        digests.append((sample_id, pose_digest(raw, folder, start, stop)))
        tick()
    return digests
