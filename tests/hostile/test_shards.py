"""A stranger's shard reads no other file, runs no code, writes nothing, costs little."""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path

import h5py
import heaps
import pytest
import shards
from measured import Measured, run_measured
from refusals import (
    CLI,
    Case,
    assert_refused,
    assert_verify_refuses,
    environment,
    forget_readings,
    readings,
)
from shard_cases import BEHIND_FILTERS, CASES, DEFLATE, FOREIGN
from shards import GIB, Place, Spoil, edited, filtered

from stroi.cache.files.digests import sha256_bytes
from stroi.cache.manifest import FileEntry, Manifest
from stroi.cache.verify import find_problems

OPEN = """
import json, sys
from stroi.cache.errors import RefusedInput
from stroi.cache.mosaics import MosaicCache
for folder in sys.argv[1:]:
    for verify in (True, False):
        try:
            cache = MosaicCache(folder, verify=verify)
            found = ["", str(cache.batch(cache.ids).shape)]
        except RefusedInput as error:
            found = [error.code, error.message]
        print(json.dumps(found), flush=True)
"""


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Place]:
    """All cases, built."""
    root = tmp_path_factory.mktemp("hostile")
    return {
        case.name: shards.build(root / f"{number}", case.spoil, match=case.match)
        for number, case in enumerate(CASES)
    }


@pytest.fixture(scope="module")
def opened(places: dict[str, Place]) -> dict[str, list[list[str]]]:
    """How opening each is refused, verified and not: code and message, by one process."""
    folders = [str(place.folder) for place in places.values()]
    done = run_measured(
        [sys.executable, "-c", OPEN, *folders],
        env=environment(places["plugin filter"]),
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.peak_bytes < 150_000_000
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(places, map(list, zip(found[::2], found[1::2], strict=True)), strict=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_verify_refuses_it_and_leaves_no_trace(case: Case, places: dict[str, Place]) -> None:
    assert_verify_refuses(places[case.name], case.code, case.says)


@pytest.mark.parametrize("case", BEHIND_FILTERS, ids=lambda case: case.name)
def test_names_behind_filters_harm_nobody(case: Case, tmp_path: Path) -> None:
    place = shards.build(tmp_path, case.spoil)
    assert_verify_refuses(place, case.code, case.says, peak=300_000_000)


def test_reading_unchecked_loads_no_plugin_either(tmp_path: Path) -> None:
    place = shards.build(tmp_path, heaps.names_behind_a_plugin)
    arguments = [sys.executable, "-c", OPEN, str(place.folder)]
    done = run_measured(arguments, env=environment(place), timeout=10)
    assert [json.loads(line)[0] for line in done.stdout.splitlines()] == ["H5_DAMAGED"] * 2


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_opening_refuses_it(case: Case, opened: dict[str, list[list[str]]]) -> None:
    verified, unverified = opened[case.name]
    assert verified[0] == case.code
    assert case.says.partition(";")[0] in verified[1]
    assert bool(unverified[0]) == case.match, unverified


def test_the_untouched_cache_is_taken(tmp_path: Path) -> None:
    place = shards.build(tmp_path, lambda _: None)
    controls = (shards.rewritten(libver="latest"), heaps.deflated_names)
    copies = [shards.build(tmp_path / f"{at}", spoil) for at, spoil in enumerate(controls)]
    arguments = [str(each.folder) for each in (place, *copies)]
    done = run_measured([sys.executable, "-c", CLI, "cache", "verify", *arguments])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("complete and untouched") == 3
    opened = run_measured([sys.executable, "-c", OPEN, *arguments])
    assert opened.stdout == '["", "(5, 20, 12, 3)"]\n' * 6, opened.stderr


def test_a_crash_of_the_checker_is_a_refusal(tmp_path: Path) -> None:
    place = shards.build(tmp_path, lambda _: None)
    done = run_measured(
        [sys.executable, "-c", CLI, "cache", "verify", str(place.folder)],
        env={**os.environ, "STROI_FAULT": "before_check:1:kill"},
    )
    assert_refused(done, place, "READER_CRASHED", "its reader crashed (SIGKILL)")


@pytest.mark.nightly
def test_what_would_be_noticed(tmp_path: Path) -> None:
    """The traps snap: a reader that trusts a shard reads the canary, or waits for the plugin."""
    naive = "import h5py, sys; print(h5py.File(sys.argv[1])['mosaic'][()])"

    def run(spoil: Spoil, name: str) -> tuple[Measured, Place]:
        place = shards.build(tmp_path / name, spoil)
        forget_readings(place)
        arguments = [sys.executable, "-c", naive, str(place.shard)]
        return run_measured(arguments, env=environment(place), timeout=3), place

    done, place = run(edited(shards.external_storage), "storage")
    assert str(ord(shards.CANARY[0])) in done.stdout
    if not os.statvfs(place.root).f_flag & os.ST_NOATIME:
        assert readings(place) == ["canary.txt"]
    done, place = run(edited(shards.virtual), "virtual")
    assert done.returncode == 0
    done, place = run(filtered(FOREIGN, chunk=b"x"), "plugin")
    assert done.returncode == -9
    done, place = run(heaps.names_behind_a_plugin, "names")
    assert done.returncode == -9
    done, place = run(filtered(DEFLATE, chunk=shards.bomb(GIB // 2)), "bomb")
    assert done.peak_bytes > 400_000_000


@pytest.mark.parametrize("changes", [30, pytest.param(300, marks=pytest.mark.nightly)])
def test_damaged_headers_get_an_answer_each(tmp_path: Path, changes: int) -> None:
    """Changes of headers that no checksum guards, each under a manifest that agrees."""
    place = shards.build(tmp_path, shards.rewritten(libver="earliest"))
    good = place.shard.read_bytes()
    with h5py.File(place.shard) as file:
        arrays = [range(at, at + each.id.get_storage_size()) for each in file.values()
                  if (at := each.id.get_offset())]  # fmt: skip
    headers = [at for at in range(len(good)) if not any(at in array for array in arrays)]
    rng, codes = random.Random(4), set()
    for _ in range(changes):
        data = bytearray(good)
        for at in rng.choices(headers, k=rng.choice((1, 1, 4))):
            data[at] = rng.choice((data[at] ^ 1 << rng.randrange(8), 0, 255))
        place.shard.write_bytes(data)
        entry = FileEntry(place.shard.name, len(data), sha256_bytes(data), shards.IDS)
        manifest = Manifest("mosaics", {}, {}, (entry,))
        problems = list(find_problems(place.folder, manifest, received=True))
        codes.add(problems[0].code)  # FILE_EXTRA, the other shard, if it is good
        assert all(problem.message.isprintable() for problem in problems)
    assert {"FILE_EXTRA", "H5_DAMAGED"} <= codes
    assert changes < 300 or {"SCHEMA", "H5_SUPERBLOCK"} <= codes
