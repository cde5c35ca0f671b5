"""From clips to a folder of shards: fan-out, resume and quarantine, once for every stage.

Clips are grouped by sorted id. A group becomes one shard, whose key is the digest of all it was
made from: kind, algorithm version, params, producer and each clip's inputs. Finished shards wait
in a store outside the stage's out, because DVC deletes outs before a stage runs; the out gets hard
links to them. So a killed run goes on where it stopped, one changed clip redoes one shard, params
that come back find their shards again, and a stale shard cannot be picked up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from stroi.cache.digests import digest, sha256_bytes, sha256_file
from stroi.cache.errors import ClipRejected
from stroi.cache.faults import fault_point
from stroi.cache.files import link_or_copy, sweep_temporaries, write_atomic
from stroi.cache.manifest import FileEntry, Manifest, file_entry, write_manifest
from stroi.cache.schema import SCHEMA
from stroi.pipeline.fanout import Tick, Workers, fan_out
from stroi.pipeline.ledger import FILE as LEDGER
from stroi.pipeline.ledger import Ledger, Outcome, write_ledger

Source = TypeVar("Source")
Made = TypeVar("Made")

NOT_CONTENT = {"clips_per_shard", "max_quarantined"}
"""Params of a stage that say how its clips are grouped and judged, not what they become."""


@dataclass(frozen=True)
class Job(Generic[Source]):
    """One clip to be made.

    Attributes:
        id: Sample id.
        inputs: SHA-256 of everything the result depends on besides params, by what it is of.
        source: What `Recipe.make` needs to find the inputs; picklable.
    """

    id: str
    inputs: Mapping[str, str]
    source: Source


@dataclass(frozen=True)
class Encoded:
    """A shard's bytes and the digest of each sample's content, in the order of its ids."""

    data: bytes
    sample_sha256: tuple[str, ...]


@dataclass(frozen=True)
class Recipe(Generic[Source, Made]):
    """How the clips of one stage are made.

    Attributes:
        kind: Kind of the cache, such as ``mosaics``; also the stem of its file names.
        algorithm: Version of the computation; raise it when the same inputs give other bytes.
        params: The stage's params, as JSON values.
        producer: What else shapes the bytes: estimator, library versions.
        make: Source to result; raises `ClipRejected` to quarantine the clip. Picklable.
        encode: Ids and results to a shard. Picklable.
        detail: Result to the ledger's remark about it. Picklable.
    """

    kind: str
    algorithm: int
    params: Mapping[str, Any]
    producer: Mapping[str, Any]
    make: Callable[[Source], Made]
    encode: Callable[[Sequence[str], Sequence[Made]], Encoded]
    detail: Callable[[Made], str]

    def key(self, jobs: Sequence[Job[Source]]) -> str:
        """Content key of the shard that `jobs` become."""
        return digest(
            {
                "schema": SCHEMA,
                "kind": self.kind,
                "algorithm": self.algorithm,
                "params": dict(self.params),
                "producer": dict(self.producer),
                "clips": [[job.id, dict(job.inputs)] for job in jobs],
            }
        )


@dataclass(frozen=True)
class Shard:
    """A finished shard in the store; `sha256` is empty when no clip of its group came through."""

    key: str
    sha256: str
    bytes: int
    ids: tuple[str, ...]
    sample_sha256: tuple[str, ...]
    outcomes: tuple[Outcome, ...]


def build_shards(
    out: Path,
    recipe: Recipe[Source, Made],
    jobs: Sequence[Job[Source]],
    *,
    clips_per_shard: int,
    store: Path,
    workers: Workers,
) -> Ledger:
    """Make every clip and leave a verified cache in `out`.

    Args:
        out: Folder of the cache. What else lies in it under our file names is removed.
        recipe: What to make.
        jobs: One per clip, in any order.
        clips_per_shard: Size of a group.
        store: Folder of finished work.
        workers: Who makes it.

    Returns:
        The ledger, which is also written to `out`.
    """
    ordered = sorted(jobs, key=lambda job: job.id)
    groups = [
        ordered[start : start + clips_per_shard]
        for start in range(0, len(ordered), clips_per_shard)
    ]
    shelf = store / recipe.kind
    shelf.mkdir(parents=True, exist_ok=True)
    sweep_temporaries(shelf)
    shards = fan_out(
        partial(_ready_shard, recipe, shelf),
        groups,
        workers=workers,
        total=len(ordered),
        label=recipe.kind,
        scratch=store,
    )
    return _publish(out, recipe, shards, shelf, {job.id: job.inputs for job in ordered})


def _ready_shard(
    recipe: Recipe[Source, Made], shelf: Path, group: Sequence[Job[Source]], tick: Tick
) -> Shard:
    key = recipe.key(group)
    found = _find(shelf, key)
    if found is not None:
        for _ in group:
            tick()
        return found
    return _make_shard(recipe, shelf, key, group, tick)


def _make_shard(
    recipe: Recipe[Source, Made],
    shelf: Path,
    key: str,
    group: Sequence[Job[Source]],
    tick: Tick,
) -> Shard:
    made: dict[str, Made] = {}
    outcomes = []
    for job in group:
        try:
            made[job.id] = recipe.make(job.source)
            outcomes.append(Outcome(job.id, detail=recipe.detail(made[job.id])))
        except ClipRejected as rejected:
            outcomes.append(Outcome(job.id, rejected.code, rejected.message))
        fault_point("after_decode")
        tick()
    ids = tuple(made)
    encoded = recipe.encode(ids, list(made.values())) if made else Encoded(b"", ())
    sha256 = ""
    if made:
        sha256 = sha256_bytes(encoded.data)
        write_atomic(shelf / f"{key}.h5", encoded.data)
    shard = Shard(
        key, sha256, len(encoded.data), ids, encoded.sample_sha256, tuple(sorted(outcomes))
    )
    write_atomic(shelf / f"{key}.json", json.dumps(asdict(shard), sort_keys=True).encode())
    return shard


def _find(shelf: Path, key: str) -> Shard | None:
    """The finished shard of that key, if it is there and its bytes are what was written."""
    try:
        note = json.loads((shelf / f"{key}.json").read_bytes())
        shard = Shard(
            key=note["key"],
            sha256=note["sha256"],
            bytes=note["bytes"],
            ids=tuple(note["ids"]),
            sample_sha256=tuple(note["sample_sha256"]),
            outcomes=tuple(Outcome(**outcome) for outcome in note["outcomes"]),
        )
        intact = not shard.sha256 or sha256_file(shelf / f"{key}.h5") == shard.sha256
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return shard if intact and shard.key == key else None


def _publish(
    out: Path,
    recipe: Recipe[Source, Made],
    shards: Sequence[Shard],
    shelf: Path,
    inputs: Mapping[str, Mapping[str, str]],
) -> Ledger:
    out.mkdir(parents=True, exist_ok=True)
    # Without its manifest a half-updated folder is no cache at all.
    (out / "manifest.json").unlink(missing_ok=True)
    sweep_temporaries(out)
    files = []
    for number, shard in enumerate(shards):
        if shard.sha256:
            name = f"{recipe.kind}-{number:05d}.h5"
            link_or_copy(shelf / f"{shard.key}.h5", out / name)
            files.append(_entry(name, shard, inputs))
    wanted = {entry.name for entry in files}
    for stale in out.glob(f"{recipe.kind}-*.h5"):
        if stale.name not in wanted:
            stale.unlink()
    ledger = write_ledger(out, [outcome for shard in shards for outcome in shard.outcomes])
    files.append(file_entry(LEDGER, (out / LEDGER).read_bytes()))
    write_manifest(
        out,
        Manifest(
            kind=recipe.kind,
            params=dict(recipe.params),
            producer={**recipe.producer, "algorithm": recipe.algorithm},
            files=tuple(sorted(files, key=lambda entry: entry.name)),
            extra={
                "clips": len(ledger.outcomes),
                "quarantined": len(ledger.quarantined),
                "ledger": LEDGER,
            },
        ),
    )
    return ledger


def _entry(name: str, shard: Shard, inputs: Mapping[str, Mapping[str, str]]) -> FileEntry:
    names = sorted({what for sample_id in shard.ids for what in inputs[sample_id]})
    made_from = {what: tuple(inputs[sample_id][what] for sample_id in shard.ids) for what in names}
    return FileEntry(name, shard.bytes, shard.sha256, shard.ids, shard.sample_sha256, made_from)
