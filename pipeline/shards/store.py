"""The store: finished shards by kind and content key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.digests import digest, sha256_file
from stroi.cache.storage.assemble import Encoded, assemble_clips
from stroi.pipeline.index.ledger import ClipOutcome
from stroi.pipeline.shards.finished_clips import (
    CHANGED,
    FinishedClip,
    find_or_make_clip,
    remove_clips,
)
from stroi.pipeline.shards.task import ClipTask, TaskSpec

Input = TypeVar("Input")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Shard:
    """A finished shard in the store; `sha256` is empty when no clip of its group came through."""

    key: str
    sha256: str
    bytes: int
    ids: tuple[str, ...]
    sample_sha256: tuple[str, ...]
    outcomes: tuple[ClipOutcome, ...]


@dataclass(frozen=True)
class BuildContext:
    """What all shards of a run are made with.

    Attributes:
        store: Folder of finished work.
        crashed: Clips that must not be made, by id, with their outcome.
    """

    store: Path
    crashed: Mapping[str, ClipOutcome]

    def key(self, spec: TaskSpec[Input, Result], group: Sequence[ClipTask[Input]]) -> str:
        """Content key of the shard of a group."""
        return spec.key(group, sorted(task.id for task in group if task.id in self.crashed))


def shard_path(store: Path, kind: str, key: str) -> Path:
    """Where the shard of that key lies."""
    return store / kind / f"{key}.h5"


def sidecar_path(store: Path, kind: str, key: str) -> Path:
    """The note about the shard of that key; written after it."""
    return store / kind / f"{key}.json"


def find_shard(store: Path, kind: str, key: str) -> Shard | None:
    """The finished shard of that key, if it is there and its bytes are what was written.

    One that lacks a clip whose file had changed since the index was made counts as unfinished: the
    file may be what it was again.
    """
    try:
        note = json.loads(sidecar_path(store, kind, key).read_bytes())
        if note["seal"] != digest(note["shard"]):
            return None
        shard = _read_note(note["shard"])
        path = shard_path(store, kind, key)
        intact = not shard.sha256 or sha256_file(path) == shard.sha256
        intact &= not any(outcome.code.endswith(CHANGED) for outcome in shard.outcomes)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return shard if intact and shard.key == key else None


def _read_note(note: Mapping[str, Any]) -> Shard:
    return Shard(
        key=note["key"],
        sha256=note["sha256"],
        bytes=note["bytes"],
        ids=tuple(note["ids"]),
        sample_sha256=tuple(note["sample_sha256"]),
        outcomes=tuple(ClipOutcome(**outcome) for outcome in note["outcomes"]),
    )


def assemble_shard(
    spec: TaskSpec[Input, Result], context: BuildContext, group: Sequence[ClipTask[Input]]
) -> Shard:
    """Put the shard of a group together from its finished clips, which are removed.

    Args:
        spec: How clips are made.
        context: What all shards of the run are made with.
        group: The clips, sorted by id. One that is not finished, because another run took it from
            the store, is made.

    Raises:
        StroiError: If the disk fails.
    """
    key = context.key(spec, group)
    clips = {task.id: _outcome_and_arrays(spec, context, task) for task in group}
    outcomes = sorted(clip.outcome for clip in clips.values())
    made = {name: clip.arrays for name, clip in clips.items() if clip.outcome.done}
    ids = tuple(made)
    encoded = assemble_clips(spec.format, ids, list(made.values())) if made else Encoded((), ())
    sha256 = encoded.sha256 if made else ""
    if made:
        write_atomic(shard_path(context.store, spec.kind, key), encoded.pieces)
    shard = Shard(key, sha256, encoded.size, ids, encoded.sample_sha256, tuple(outcomes))
    # Plain JSON values, as they are read back: the seal is over those.
    note = json.loads(json.dumps(asdict(shard)))
    sealed = json.dumps({"seal": digest(note), "shard": note}, sort_keys=True)
    write_atomic(sidecar_path(context.store, spec.kind, key), sealed.encode())
    remove_clips(spec, context.store, group)
    return shard


def _outcome_and_arrays(
    spec: TaskSpec[Input, Result], context: BuildContext, task: ClipTask[Input]
) -> FinishedClip:
    crashed = context.crashed.get(task.id)
    return FinishedClip(crashed, {}) if crashed else find_or_make_clip(spec, context.store, task)
