"""The store: finished shards by kind and content key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from stroi.cache.errors import ClipRejected, StroiError
from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.digests import digest, sha256_file
from stroi.cache.files.fault_points import fault_point
from stroi.cache.storage.assemble import Encoded
from stroi.pipeline.index.ledger import ClipOutcome
from stroi.pipeline.parallel.executor import Tick
from stroi.pipeline.shards.crashes import marked
from stroi.pipeline.shards.task import ClipTask, TaskSpec

CHANGED = "_CHANGED"
"""End of the codes of clips whose file changed since the index was made."""

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


def find_or_make_shard(
    spec: TaskSpec[Input, Result],
    context: BuildContext,
    group: Sequence[ClipTask[Input]],
    tick: Tick,
) -> Shard:
    """The shard of a group of clips: from the store, or made now.

    Args:
        spec: How clips are made.
        context: What all shards of the run are made with.
        group: The clips.
        tick: Called once per clip.

    Raises:
        StroiError: If the disk fails.
    """
    key = context.key(spec, group)
    shard = find_shard(context.store, spec.kind, key)
    if shard is not None:
        for _ in group:
            tick()
        return shard
    return _make_shard(spec, context, key, group, tick)


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


def _make_shard(
    spec: TaskSpec[Input, Result],
    context: BuildContext,
    key: str,
    group: Sequence[ClipTask[Input]],
    tick: Tick,
) -> Shard:
    made: dict[str, Result] = {}
    outcomes = []
    for task in sorted(group, key=attrgetter("place", "id")):
        outcomes.append(context.crashed.get(task.id) or _make_clip(spec, context, task, made))
        tick()
    ids = tuple(task.id for task in group if task.id in made)
    encoded = spec.encode(ids, [made[name] for name in ids]) if made else Encoded((), ())
    sha256 = encoded.sha256 if made else ""
    if made:
        write_atomic(shard_path(context.store, spec.kind, key), encoded.pieces)
    shard = Shard(key, sha256, encoded.size, ids, encoded.sample_sha256, tuple(sorted(outcomes)))
    # Plain JSON values, as they are read back: the seal is over those.
    note = json.loads(json.dumps(asdict(shard)))
    sealed = json.dumps({"seal": digest(note), "shard": note}, sort_keys=True)
    write_atomic(sidecar_path(context.store, spec.kind, key), sealed.encode())
    return shard


def _make_clip(
    spec: TaskSpec[Input, Result],
    context: BuildContext,
    task: ClipTask[Input],
    made: dict[str, Result],
) -> ClipOutcome:
    """Make one clip into `made`; what became of it."""
    try:
        with marked(context.store, spec.key([task])):
            made[task.id] = spec.make(task.input)
        fault_point("after_decode")
    except ClipRejected as rejected:
        return ClipOutcome(task.id, rejected.code, rejected.text)
    except OSError as error:
        raise StroiError(
            "CLIP_READ",
            f"clip {task.id} cannot be made: {error.strerror or error}",
            remedy="check the disk and run again; finished files are kept",
        ) from error
    return ClipOutcome(task.id, detail=spec.detail(made[task.id]))
