"""Take in a run that another packed: copied first, checked there, placed last."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

from stroi.cache.checking.sandbox import run_limited
from stroi.cache.errors import RefusedInput, raise_first, refusals_naming
from stroi.cache.files.digests import sha256_file
from stroi.cache.files.staging import move_into_place, new_file, refuse_existing, staging_folder
from stroi.cache.manifest import MANIFEST_NAME, read_manifest
from stroi.cache.share.archive import ReceivedFiles, open_received
from stroi.cache.share.receive import refuse_unexpected
from stroi.cache.storage.strict_json import parse_json
from stroi.cache.verify import find_problems
from stroi.pipeline.params.load import RunParams, load_run
from stroi.stages.predict.recipe import RECIPE_NAME, read_recipe
from stroi.stages.shelf.contents import (
    CARD_NAME,
    MAX_CARD_BYTES,
    MAX_NETWORK_BYTES,
    MAX_TEXT_BYTES,
    PARAMS_NAME,
    Branch,
    RunCard,
    place_of,
    read_card,
    refuse_file,
)
from stroi.stages.training.outputs import checkpoint, scores_folder, seed_folder

_MEMORY = 2**31
_SECONDS = 60
_BYTES_PER_SECOND = 10_000_000


def import_run(
    source: Path,
    target: Path,
    *,
    expect: str = "",
    on_bytes: Callable[[int], None] = lambda count: None,
) -> RunCard:
    """Check a packed run and place it as the folder `target`, whole or not at all.

    Every network is read and built in a child process with limits on memory and time.

    Args:
        source: The archive, or a folder of its files.
        target: The new folder.
        expect: SHA-256 that ``run.json`` must have; empty takes any.
        on_bytes: Called with the bytes of each file that was copied.

    Raises:
        ParamsError: ``TARGET_EXISTS``; if its params are not valid.
        RefusedInput: ``RUN_CARD``, ``RUN_FILE``, ``EXPECT``, ``DIGEST``, ``ARCHIVE_*``; the refusal
            of a network, of scores or of weights.
        StroiError: If the disk is full or read-only.
    """
    refuse_existing(target)
    with (
        open_received(source) as received,
        staging_folder(target, received.size) as private,
        refusals_naming(private / "run", source),
    ):
        folder = private / "run"
        folder.mkdir()
        card = _take_card(received, folder, expect)
        _take_files(received, card, folder, on_bytes)
        check_run(folder, card)
        move_into_place(folder, target)
    return card


def _take_card(received: ReceivedFiles, folder: Path, expect: str) -> RunCard:
    for name in received.entries:
        if place_of(name) is None:
            raise refuse_file(received.where, name, "does not belong in a packed run")
    entry = received.entries.get(CARD_NAME)
    if entry is None or entry.size > MAX_CARD_BYTES:
        raise refuse_file(received.where, CARD_NAME, "is missing or too large")
    with new_file(folder / CARD_NAME) as out:
        refuse_unexpected(received.where, received.copy(entry, out), expect)
    return read_card(folder / CARD_NAME)


def _take_files(
    received: ReceivedFiles, card: RunCard, folder: Path, on_bytes: Callable[[int], None]
) -> None:
    """Copy what the card lists, each file to its place, as long as and with the digest it says."""
    listed = {file.name: file for file in card.files}
    others = received.entries.keys() - {CARD_NAME}
    for name in sorted((listed.keys() ^ others) | ({PARAMS_NAME, RECIPE_NAME} - others)):
        there = "is not in run.json" if name in others else "is in run.json and not there"
        raise refuse_file(received.where, name, there)
    if received.size > shutil.disk_usage(folder).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    for name, file in listed.items():
        entry, place = received.entries[name], place_of(name, card)
        network = name.endswith((".safetensors", ".h5"))
        limit = MAX_NETWORK_BYTES if network else MAX_TEXT_BYTES
        if place is None or entry.size != file.bytes or entry.size > limit:
            raise refuse_file(received.where, name, f"has {entry.size} bytes, not {file.bytes}")
        path = folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path) as out:
            digest = received.copy(entry, out)
        if digest != file.sha256:
            raise RefusedInput(
                "DIGEST",
                f"{received.where}: the SHA-256 of {name} is not that of run.json",
                remedy="fetch it again, or ask the sender",
            )
        on_bytes(entry.size)


def check_run(folder: Path, card: RunCard) -> RunParams:
    """Check that the files of a run are whole, belong together and can be used.

    Raises:
        ParamsError: If its params are not valid.
        RefusedInput: ``RUN_CARD`` if it is not the run that its card describes; the refusal of a
            network, of scores or of weights.
    """
    run = load_run(folder, card.run)
    if (run.run.dataset, run.profile.seeds) != (card.dataset, card.seeds):
        raise refuse_file(folder, CARD_NAME, "describes another run than params.yaml")
    path = folder / RECIPE_NAME
    recipe = read_recipe(parse_json(path.read_bytes(), str(path)), str(path))
    if (recipe.run, recipe.classes, recipe.seeds) != (card.run, card.classes, card.seeds):
        raise refuse_file(folder, RECIPE_NAME, "is of another run than run.json")
    for seed in card.seeds:
        for branch in card.branches:
            check_branch(folder, card, branch, seed)
        weights = seed_folder(folder / "weights", seed)
        if (weights / MANIFEST_NAME).is_file():
            _check_cache(weights, "weights")
    return run


def check_branch(folder: Path, card: RunCard, branch: Branch, seed: int) -> None:
    """Check the networks and the scores of one branch and seed.

    Raises:
        RefusedInput: As `check_run`.
    """
    scores = scores_folder(folder / branch, seed)
    _check_cache(scores, "scores")
    made_by = read_manifest(scores).producer
    first = checkpoint(folder / branch, seed)
    if not first.is_file() or made_by.get("checkpoint") != sha256_file(first):
        raise refuse_file(folder, f"{branch}, seed {seed},", "has scores of another network")
    import_module("torch")  # before the fork: its libraries alone exceed the limit
    import_module("stroi.trainer.network_files.network_file")
    for path in sorted(first.parent.glob("checkpoint*.safetensors")):
        classes = run_limited(
            partial(_classes, path, branch),
            str(path),
            memory=_MEMORY,
            seconds=_SECONDS + path.stat().st_size // _BYTES_PER_SECOND,
        )
        if tuple(classes) != card.classes:
            raise refuse_file(folder, path.name, "has other classes than run.json")


def _classes(path: Path, branch: Branch) -> list[str]:
    """Read and build a network, and say its classes."""
    from stroi.trainer.network_files.network_file import load_gcn, load_resnet

    return list((load_gcn if branch == "gcn" else load_resnet)(path).classes)


def _check_cache(folder: Path, kind: str) -> None:
    raise_first(list(find_problems(folder, read_manifest(folder, kind), received=True)))
