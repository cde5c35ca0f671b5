"""From clips to a folder of shards: fan-out, resume and quarantine, once for every stage.

Workers take clips. Clips are grouped by their ids, and a group whose clips are finished becomes one
shard, whose key is the digest of all it was made from: kind, stage version, params, producer and
each clip's inputs. Finished shards wait in a store outside the stage's out, because DVC deletes
outs before a stage runs; the out gets hard links to them. So a killed run goes on where it stopped,
one changed clip redoes one shard, params that come back find their shards again, and a stale shard
cannot be picked up (docs/resume.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from stroi.cache.files.atomic import (
    check_writable,
    link_or_copy,
    os_errors_as_ours,
    sweep_temporaries,
)
from stroi.cache.files.locks import lock
from stroi.cache.ledger import LEDGER_NAME
from stroi.cache.manifest import FileEntry, Manifest, file_entry, write_manifest
from stroi.pipeline.index.ledger import Ledger, write_ledger
from stroi.pipeline.parallel.executor import WorkerKilled, Workers, parallel_map_unordered
from stroi.pipeline.parallel.progress import announce
from stroi.pipeline.shards.crashes import CRASHED, find_crashed
from stroi.pipeline.shards.finished_clips import CLIPS, make_clips, remove_clips
from stroi.pipeline.shards.sharding import assign_shards, group_by_video
from stroi.pipeline.shards.store import (
    BuildContext,
    Shard,
    assemble_shard,
    find_shard,
    shard_path,
)
from stroi.pipeline.shards.task import ClipTask, TaskSpec

__all__ = ["STORE_LOCK", "ClipTask", "TaskSpec", "build_shards"]

Input = TypeVar("Input")
Result = TypeVar("Result")
Group = Sequence[ClipTask[Input]]

STORE_LOCK = "store.lock"
"""In the store's locks: shared while shards are built, exclusive while they are removed."""
FRUITLESS = 2
"""Times in a row that workers may die without a crashing clip."""


def build_shards(
    out: Path,
    spec: TaskSpec[Input, Result],
    tasks: Sequence[ClipTask[Input]],
    *,
    clips_per_shard: int,
    store: Path,
    workers: Workers,
) -> Ledger:
    """Make every clip and leave a cache in `out`.

    Args:
        out: Folder of the cache. Other files of this kind in it are removed.
        spec: What to make.
        tasks: One per clip, in any order.
        clips_per_shard: Mean size of a group, at most, see `assign_shards`.
        store: Folder of finished work.
        workers: Where to run.

    Returns:
        The ledger, which is also written to `out`.

    Raises:
        StroiError: If the disk fails; ``WORKER_KILLED`` if workers die and no clip crashes them.
        OutputInUse: If the store is being pruned.
    """
    by_id = {task.id: task for task in tasks}
    groups = [
        [by_id[sample_id] for sample_id in group]
        for group in assign_shards({task.id: task.bytes for task in tasks}, clips_per_shard)
    ]
    check_writable(out)
    with lock(store / "locks" / STORE_LOCK, shared=True):
        for kind in (spec.kind, CLIPS, CRASHED):
            check_writable(store / kind)
            sweep_temporaries(store / kind)
        shards = _make_all(spec, groups, store, workers)
        return _publish(out, spec, shards, store, {task.id: task.inputs for task in tasks})


def _make_all(
    spec: TaskSpec[Input, Result],
    groups: Sequence[Group[Input]],
    store: Path,
    workers: Workers,
) -> list[Shard]:
    """Shards of all groups, in their order. Clips that crash a worker are left out."""
    shards: dict[str, Shard] = {}
    tasks = [task for group in groups for task in group]
    context = BuildContext(store, find_crashed(store, spec, tasks))
    fruitless = 0
    while True:
        by_key = {context.key(spec, group): group for group in groups}
        missing = {key: group for key, group in by_key.items() if key not in shards}
        shards |= _find_finished(spec, missing, store, workers)
        missing = {key: group for key, group in missing.items() if key not in shards}
        try:
            for shard in _make_missing(spec, list(missing.values()), context, workers):
                shards[shard.key] = shard
            return [shards[key] for key in by_key]
        except WorkerKilled:
            crashed = find_crashed(store, spec, tasks)
            fruitless = 0 if len(crashed) > len(context.crashed) else fruitless + 1
            if fruitless > FRUITLESS:
                raise
            context = replace(context, crashed=crashed)
            announce(spec.kind, "a worker process was killed; going on")


def _find_finished(
    spec: TaskSpec[Input, Result],
    groups: Mapping[str, Group[Input]],
    store: Path,
    workers: Workers,
) -> dict[str, Shard]:
    """Shards that are in the store, by key: no worker has to start for them."""
    with ThreadPoolExecutor(workers.jobs) as pool:
        found = list(pool.map(partial(find_shard, store, spec.kind), groups))
    shards = {shard.key: shard for shard in found if shard is not None}
    if shards:
        # A run that was killed between a shard and the removal of its clips leaves them.
        remove_clips(spec, store, [task for key in shards for task in groups[key]])
        clips = sum(len(shard.outcomes) for shard in shards.values())
        announce(spec.kind, f"{clips} clips are in the store")
    return shards


def _make_missing(
    spec: TaskSpec[Input, Result],
    groups: Sequence[Group[Input]],
    context: BuildContext,
    workers: Workers,
) -> Iterator[Shard]:
    """Make the clips of all groups; each shard follows as soon as its last clip is finished."""
    wanted = [[task for task in group if task.id not in context.crashed] for group in groups]
    yield from (
        assemble_shard(spec, context, group)
        for group, tasks in zip(groups, wanted, strict=True)
        if not tasks
    )
    number = {task.id: place for place, group in enumerate(wanted) for task in group}
    if not number:
        return
    left = [len(group) for group in wanted]
    made = parallel_map_unordered(
        partial(make_clips, spec, context.store),
        group_by_video([task for group in wanted for task in group], workers.jobs),
        workers=workers,
        total=len(number),
        label=spec.kind,
        scratch=context.store,
    )
    for ids in made:
        for sample_id in ids:
            place = number[sample_id]
            left[place] -= 1
            if not left[place]:
                yield assemble_shard(spec, context, groups[place])


def _publish(
    out: Path,
    spec: TaskSpec[Input, Result],
    shards: Sequence[Shard],
    store: Path,
    inputs: Mapping[str, Mapping[str, str]],
) -> Ledger:
    with os_errors_as_ours(out):
        # Without its manifest a half-updated folder is no cache at all.
        (out / "manifest.json").unlink(missing_ok=True)
        sweep_temporaries(out)
    files = []
    for number, shard in enumerate(shards):
        if shard.sha256:
            name = f"{spec.kind}-{number:05d}.h5"
            link_or_copy(shard_path(store, spec.kind, shard.key), out / name)
            files.append(_entry(name, shard, inputs))
    current = {entry.name for entry in files}
    with os_errors_as_ours(out):
        for stale in out.glob(f"{spec.kind}-*.h5"):
            if stale.name not in current:
                stale.unlink()
    ledger = write_ledger(out, [outcome for shard in shards for outcome in shard.outcomes])
    files.append(file_entry(LEDGER_NAME, (out / LEDGER_NAME).read_bytes()))
    with os_errors_as_ours(out):
        write_manifest(out, _manifest(spec, files, ledger))
    return ledger


def _manifest(
    spec: TaskSpec[Input, Result], files: Sequence[FileEntry], ledger: Ledger
) -> Manifest:
    return Manifest(
        kind=spec.kind,
        params={**spec.stated, **spec.params},
        producer={**spec.origin, **spec.producer, "stage_version": spec.version},
        files=tuple(sorted(files, key=lambda entry: entry.name)),
        extra={
            "clips": len(ledger.outcomes),
            "quarantined": len(ledger.quarantined),
            "ledger": LEDGER_NAME,
        },
    )


def _entry(name: str, shard: Shard, inputs: Mapping[str, Mapping[str, str]]) -> FileEntry:
    names = sorted({what for sample_id in shard.ids for what in inputs[sample_id]})
    made_from = {what: tuple(inputs[sample_id][what] for sample_id in shard.ids) for what in names}
    return FileEntry(name, shard.bytes, shard.sha256, shard.ids, shard.sample_sha256, made_from)
