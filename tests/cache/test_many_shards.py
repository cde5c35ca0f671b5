"""Caches of more shards than a process may open files, and of several threads at a time."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from assembled import assemble_joints
from small_caches import make_clip, make_joints, make_mosaics, write_cache

from stroi.cache import mosaics as mosaics_module
from stroi.cache.files.atomic import write_atomic
from stroi.cache.manifest import Manifest, file_entry, write_manifest
from stroi.cache.mosaics import MosaicCache
from stroi.cache.shards import ShardedCache
from stroi.cache.skeletons import SkeletonCache, assemble_skeletons
from stroi.cache.skeletons3d import JointCache

COUNT = 320
IDS = tuple(f"c{number:03d}" for number in range(COUNT))

READ = """
import resource, sys
from pathlib import Path
from stroi.cache.skeletons3d import JointCache
from stroi.cache.mosaics import MosaicCache
from stroi.cache.skeletons import SkeletonCache
assert resource.getrlimit(resource.RLIMIT_NOFILE) == (256, 256)
base = Path(sys.argv[1])
kinds = {"mosaics": MosaicCache, "skeletons": SkeletonCache, "skeletons3d": JointCache}
caches = {name: kind(base / name, verify=False) for name, kind in kinds.items()}
for name, cache in caches.items():
    for sample_id in cache.ids:
        cache[sample_id]
    print(name, len(cache))
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three caches of 320 shards of one clip each."""
    folder = tmp_path_factory.mktemp("many")
    write_cache(folder / "mosaics", [make_mosaics((name,), seed=n) for n, name in enumerate(IDS)])
    skeletons, joints = [], []
    for number, name in enumerate(IDS):
        clip, sensed = make_clip(2, seed=number), make_joints(2, seed=number)
        for kind, entries, encoded in (
            ("skeletons", skeletons, assemble_skeletons([name], [clip])),
            ("skeletons3d", joints, assemble_joints([name], [sensed])),
        ):
            file = f"{kind}-{number:05d}.h5"
            write_atomic(folder / kind / file, encoded.data)
            entries.append(file_entry(file, encoded.data, [name], encoded.sample_sha256))
    write_manifest(folder / "skeletons", Manifest("skeletons", {}, {}, tuple(skeletons)))
    write_manifest(folder / "skeletons3d", Manifest("skeletons3d", {}, {}, tuple(joints)))
    return folder


def limited(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that may open 256 files, and cannot raise that."""
    return subprocess.run(
        ["bash", "-c", 'ulimit -n 256 && exec "$@"', "bash", sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.nightly
def test_all_kinds_are_read_with_few_open_files(base: Path) -> None:
    found = limited("-c", READ, str(base))
    assert found.stdout == f"mosaics {COUNT}\nskeletons {COUNT}\nskeletons3d {COUNT}\n", (
        found.stderr
    )


@pytest.mark.nightly
@pytest.mark.parametrize(
    "kind",
    [
        "mosaics",
        *(pytest.param(kind, marks=pytest.mark.nightly) for kind in ("skeletons", "skeletons3d")),
    ],
)
def test_info_and_verify_work_with_few_open_files(base: Path, kind: str) -> None:
    run = "import sys; from stroi.pipeline.cli import main; main()"
    told = limited("-c", run, "cache", "info", str(base / kind))
    assert told.returncode == 0, told.stderr
    checked = limited("-c", run, "cache", "verify", str(base / kind))
    assert checked.returncode == 0, checked.stderr


def test_no_file_stays_open(base: Path) -> None:
    cache = MosaicCache(base / "mosaics", verify=False)
    before = len(list(Path("/dev/fd").iterdir()))
    views = [cache.pixels(name) for name in cache.ids]
    assert len(list(Path("/dev/fd").iterdir())) == before
    del cache
    # A view keeps its own mapping, and no other's.
    assert int(views[7].sum()) == int(make_mosaics((IDS[7],), seed=7).mosaic.sum())
    with pytest.raises(ValueError, match="read-only"):
        views[7][0] = 1


def test_mappings_end_with_the_cache(base: Path) -> None:
    def mapped() -> int:
        return Path("/proc/self/maps").read_text().count(f"{base}/")

    cache = MosaicCache(base / "mosaics", verify=False)
    cache.batch(cache.ids)
    assert mapped() == COUNT
    del cache
    assert mapped() == 0


def test_opening_takes_as_long_for_the_last_shard_as_for_the_first(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = 0
    size = mosaics_module._size

    def counted(shard: dict[str, np.ndarray]) -> tuple[int, int]:  # type: ignore[type-arg]
        nonlocal measured
        measured += 1
        return size(shard)

    monkeypatch.setattr(mosaics_module, "_size", counted)
    cache = MosaicCache(base / "mosaics", verify=False)
    cache.valid(cache.ids)
    assert measured <= 2 * COUNT


@pytest.mark.parametrize("kind", [MosaicCache, SkeletonCache, JointCache])
def test_threads_share_a_cache(base: Path, kind: type[ShardedCache]) -> None:
    """Eight threads open all shards at once, in orders of their own."""
    folder = base / {MosaicCache: "mosaics", SkeletonCache: "skeletons"}.get(kind, "skeletons3d")
    failed: list[BaseException] = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        cache = kind(folder, verify=False)
        start = threading.Barrier(8)

        def read(seed: int) -> None:
            try:
                start.wait()
                for at in np.random.default_rng(seed).permutation(COUNT).tolist():
                    shard, row = cache.find(IDS[at])
                    assert shard["sample_id"][row] == IDS[at].encode()
                    if isinstance(cache, MosaicCache):
                        assert cache.columns == 3
                        np.testing.assert_array_equal(
                            cache[IDS[at]], make_mosaics((IDS[at],), seed=at).mosaic[0]
                        )
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=read, args=(seed,)) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert failed == []
