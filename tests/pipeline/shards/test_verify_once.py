"""A cache is verified once per change, and never taken for sound after one."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from processes import together
from small_caches import make_clip, write_skeletons

from stroi.cache.errors import RefusedInput, StroiError
from stroi.cache.files import digests
from stroi.cache.manifest import Manifest
from stroi.pipeline.shards import verify_once as module
from stroi.pipeline.shards.verify_once import verify_once
from stroi.pipeline.workspace import Workspace
from stroi.stages.training.inputs import require_verified_once
from stroi.trainer.run.distributed import World


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "skeletons").mkdir()
    return write_skeletons(tmp_path / "skeletons", {"a": make_clip(4), "b": make_clip(6)})


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Folders that are verified, as it happens."""
    folders: list[Path] = []
    verify = module.require_verified

    def count(folder: Path, kind: str | Sequence[str], **options: Any) -> Manifest:
        folders.append(folder)
        return verify(folder, kind, **options)

    monkeypatch.setattr(module, "require_verified", count)
    return folders


def again(folder: Path, kind: str = "skeletons") -> None:
    verify_once(folder, kind, folder.parent / "store", jobs=2)


def test_an_unchanged_cache_is_verified_once(
    folder: Path, verified: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "SETTLED", -1.0)
    for _ in range(3):
        again(folder)
    assert verified == [folder]
    with pytest.raises(RefusedInput, match=r"SCHEMA: .* describes skeletons, want mosaics"):
        again(folder, "mosaics")


def test_one_that_has_just_been_written_is_not_remembered(
    folder: Path, verified: list[Path]
) -> None:
    for _ in range(2):
        again(folder)
    assert verified == [folder] * 2


@pytest.mark.parametrize("change", ["byte", "time", "further file", "removed file"])
def test_a_changed_cache_is_verified_again(
    folder: Path, verified: list[Path], monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(digests, "SETTLED", -1.0)
    again(folder)
    time.sleep(0.05)  # the clock of file systems ticks every 4 to 10 ms
    shard = next(folder.glob("*.h5"))
    if change == "byte":
        before = shard.stat()
        with shard.open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"?")
        os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif change == "time":
        shard.touch()
    elif change == "further file":
        (folder / "other.h5").touch()
    else:
        shard.unlink()
    codes = {"byte": "DIGEST", "further file": "FILE_EXTRA", "removed file": "FILE_MISSING"}
    if change == "time":
        again(folder)
    else:
        for _ in range(2):  # what was refused is not remembered as sound
            with pytest.raises(RefusedInput, match=codes[change]):
                again(folder)
    assert len(verified) == (2 if change == "time" else 3)


def test_a_store_that_cannot_be_written_costs_nothing_but_time(
    folder: Path, verified: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "SETTLED", -1.0)
    (folder.parent / "store").write_text("no folder")
    for _ in range(2):
        again(folder)
    assert len(verified) == 2


def _member(world: World, root: Path) -> str:
    seen: list[Path] = []
    verify = module.require_verified
    module.require_verified = lambda folder, kind, **more: (  # type: ignore[assignment]
        seen.append(folder),
        verify(folder, kind, **more),
    )[1]
    try:
        # Both are processes of one machine.
        one = replace(world, local_rank=world.rank)
        require_verified_once(Workspace(root), root / "skeletons", ("skeletons",), 1, one)
    except StroiError as error:
        return f"{len(seen)} {error}"
    return f"{len(seen)}"


def test_the_first_process_verifies_for_all_and_all_end_with_it(folder: Path) -> None:
    assert together(_member, [folder.parent] * 2) == ["1", "0"]
    (folder / "other.h5").touch()
    one, other = together(_member, [folder.parent] * 2)
    assert one.startswith("1 FILE_EXTRA: ")
    assert other == f"0 TEAM_INPUT: process 0 refuses {folder}; see its own message"
