"""The shelf of one kind in the store: finished shards by content key."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from stroi.cache.errors import ClipRejected, StroiError
from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.digests import digest, sha256_file
from stroi.cache.files.fault_points import fault_point
from stroi.cache.storage.assemble import Encoded
from stroi.pipeline.index.ledger import Outcome
from stroi.pipeline.parallel.executor import Tick
from stroi.pipeline.shards.crashes import marked
from stroi.pipeline.shards.task import Job, Recipe

Source = TypeVar("Source")
Made = TypeVar("Made")


@dataclass(frozen=True)
class Shard:
    """A finished shard in the store; `sha256` is empty when no clip of its group came through."""

    key: str
    sha256: str
    bytes: int
    ids: tuple[str, ...]
    sample_sha256: tuple[str, ...]
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True)
class Bench:
    """What all shards of a run are made with.

    Attributes:
        store: Folder of finished work.
        crashed: Clips that must not be made, by id, with their outcome.
    """

    store: Path
    crashed: Mapping[str, Outcome]

    def key(self, recipe: Recipe[Source, Made], group: Sequence[Job[Source]]) -> str:
        """Content key of the shard of a group."""
        return recipe.key(group, sorted(job.id for job in group if job.id in self.crashed))


def shard_path(store: Path, kind: str, key: str) -> Path:
    """Where the shard of that key lies."""
    return store / kind / f"{key}.h5"


def note_path(store: Path, kind: str, key: str) -> Path:
    """What is known of the shard of that key; written after it."""
    return store / kind / f"{key}.json"


def ready_shard(
    recipe: Recipe[Source, Made], bench: Bench, group: Sequence[Job[Source]], tick: Tick
) -> Shard:
    """The shard of a group of clips: from the store, or made now.

    Args:
        recipe: How clips are made.
        bench: What all shards of the run are made with.
        group: The clips.
        tick: Called once per clip.

    Raises:
        StroiError: If the disk fails.
    """
    key = bench.key(recipe, group)
    found = find_shard(bench.store, recipe.kind, key)
    if found is not None:
        for _ in group:
            tick()
        return found
    return _make_shard(recipe, bench, key, group, tick)


def find_shard(store: Path, kind: str, key: str) -> Shard | None:
    """The finished shard of that key, if it is there and its bytes are what was written."""
    try:
        note = json.loads(note_path(store, kind, key).read_bytes())
        if note["seal"] != digest(note["shard"]):
            return None
        shard = _read_note(note["shard"])
        path = shard_path(store, kind, key)
        intact = not shard.sha256 or sha256_file(path) == shard.sha256
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
        outcomes=tuple(Outcome(**outcome) for outcome in note["outcomes"]),
    )


def _make_shard(
    recipe: Recipe[Source, Made],
    bench: Bench,
    key: str,
    group: Sequence[Job[Source]],
    tick: Tick,
) -> Shard:
    made: dict[str, Made] = {}
    outcomes = []
    for job in group:
        outcomes.append(bench.crashed.get(job.id) or _make_clip(recipe, bench, job, made))
        tick()
    ids = tuple(made)
    encoded = recipe.encode(ids, list(made.values())) if made else Encoded((), ())
    sha256 = encoded.sha256 if made else ""
    if made:
        write_atomic(shard_path(bench.store, recipe.kind, key), encoded.pieces)
    shard = Shard(key, sha256, encoded.size, ids, encoded.sample_sha256, tuple(sorted(outcomes)))
    # Plain JSON values, as they are read back: the seal is over those.
    note = json.loads(json.dumps(asdict(shard)))
    sealed = json.dumps({"seal": digest(note), "shard": note}, sort_keys=True)
    write_atomic(note_path(bench.store, recipe.kind, key), sealed.encode())
    return shard


def _make_clip(
    recipe: Recipe[Source, Made], bench: Bench, job: Job[Source], made: dict[str, Made]
) -> Outcome:
    """Make one clip into `made`; what became of it."""
    try:
        with marked(bench.store, recipe.key([job])):
            made[job.id] = recipe.make(job.source)
        fault_point("after_decode")
    except ClipRejected as rejected:
        return Outcome(job.id, rejected.code, rejected.told)
    except OSError as error:
        raise StroiError(
            "CLIP_READ",
            f"clip {job.id} cannot be made: {error.strerror or error}",
            remedy="check the disk and run again; finished files are kept",
        ) from error
    return Outcome(job.id, detail=recipe.detail(made[job.id]))
