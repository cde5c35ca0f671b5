"""Finished clips: each in a file of its own until its shard is put together.

A worker takes clips, not shards, so that all workers have work in a set of a single shard, and a
kill costs one clip per worker. The files are not flushed one by one: one that a power cut damages
is noticed and made again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from stroi.cache.errors import ClipRejected, StroiError
from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.digests import digest
from stroi.cache.files.fault_points import fault_point
from stroi.cache.storage.schema import Array, Arrays, FileFormat, sample_digests
from stroi.pipeline.index.ledger import ClipOutcome
from stroi.pipeline.parallel.executor import Tick
from stroi.pipeline.shards.crashes import marked
from stroi.pipeline.shards.task import ClipTask, TaskSpec

CLIPS = "clips"
"""Folder of the store: finished clips of unfinished shards, by content key."""
CHANGED = "_CHANGED"
"""End of the codes of clips whose file changed since the index was made."""

_NOTE = "stroi"

Input = TypeVar("Input")
Result = TypeVar("Result")


@dataclass(frozen=True)
class FinishedClip:
    """A clip that came through or was rejected.

    Attributes:
        outcome: What became of it.
        arrays: Its array of each field of the shard but the id; none if it was rejected.
    """

    outcome: ClipOutcome
    arrays: Arrays


def make_clips(
    spec: TaskSpec[Input, Result], store: Path, tasks: Sequence[ClipTask[Input]], tick: Tick
) -> tuple[str, ...]:
    """Make clips one after another, but for those that are finished, into the store.

    Args:
        spec: How clips are made.
        store: Folder of finished work.
        tasks: The clips.
        tick: Called once per clip.

    Returns:
        Their ids.

    Raises:
        StroiError: If the disk fails.
    """
    for task in tasks:
        find_or_make_clip(spec, store, task)
        tick()
    return tuple(task.id for task in tasks)


def find_or_make_clip(
    spec: TaskSpec[Input, Result], store: Path, task: ClipTask[Input]
) -> FinishedClip:
    """A clip: from the store, or made now and put there.

    Raises:
        StroiError: If the disk fails.
    """
    key = spec.key([task])
    path = clip_path(store, key)
    clip = _read(path, spec.format)
    if clip is None:
        clip = _make(spec, store, key, task)
        _write(path, clip, spec.format)
    return clip


def clip_path(store: Path, key: str) -> Path:
    """Where the finished clip of that key lies."""
    return store / CLIPS / f"{key}.safetensors"


def remove_clips(
    spec: TaskSpec[Input, Result], store: Path, tasks: Sequence[ClipTask[Input]]
) -> None:
    """Remove finished clips whose shard is finished too."""
    # Those that cannot be removed cost disk space, nothing else.
    with suppress(OSError), os.scandir(store / CLIPS) as entries:
        if any(entries):
            for task in tasks:
                clip_path(store, spec.key([task])).unlink(missing_ok=True)


def _make(
    spec: TaskSpec[Input, Result], store: Path, key: str, task: ClipTask[Input]
) -> FinishedClip:
    try:
        with marked(store, key):
            result = spec.make(task.input)
        fault_point("after_decode")
    except ClipRejected as rejected:
        return FinishedClip(ClipOutcome(task.id, rejected.code, rejected.text), {})
    except OSError as error:
        raise StroiError(
            "CLIP_READ",
            f"clip {task.id} cannot be made: {error.strerror or error}",
            remedy="check the disk and run again; finished files are kept",
        ) from error
    outcome = ClipOutcome(task.id, detail=spec.detail(result))
    return FinishedClip(outcome, spec.fields(result))


def _write(path: Path, clip: FinishedClip, fmt: FileFormat) -> None:
    # As bytes, for the library knows no texts of fixed length.
    plain = {name: np.ascontiguousarray(a).view(np.uint8) for name, a in clip.arrays.items()}
    note = json.dumps({"outcome": asdict(clip.outcome), "seal": _seal(clip, fmt)})
    write_atomic(path, safetensors.numpy.save(plain, metadata={_NOTE: note}), flush=False)


def _read(path: Path, fmt: FileFormat) -> FinishedClip | None:
    """The clip, if it is there, its bytes are what was written, and its file had not changed."""
    try:
        with safe_open(path, "numpy") as file:
            note = json.loads(file.metadata()[_NOTE])
            types = {field.name: field.numpy for field in fmt.fields}
            arrays: dict[str, Array] = {
                name: file.get_tensor(name).view(types[name])
                for name in file.keys()  # noqa: SIM118
            }
        clip = FinishedClip(ClipOutcome(**note["outcome"]), arrays)
        intact = note["seal"] == _seal(clip, fmt)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
    return clip if intact and not clip.outcome.code.endswith(CHANGED) else None


def _seal(clip: FinishedClip, fmt: FileFormat) -> str:
    content = sample_digests(fmt, clip.arrays) if clip.arrays else ()
    return digest([asdict(clip.outcome), list(content)])
