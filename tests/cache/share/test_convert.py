"""Training caches to compact ones and back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from measured import run_measured
from small_caches import add_sources, make_mosaics, reseal, write_cache

from stroi.cache.errors import OutputInUse, ParamsError, RefusedInput, StroiError
from stroi.cache.files.digests import sha256_file
from stroi.cache.files.staging import exclusive_folder
from stroi.cache.manifest import (
    Manifest,
    read_manifest,
    stroi_version,
)
from stroi.cache.mosaics import MosaicCache, Mosaics
from stroi.cache.pictures.codecs import DEFAULT_QUALITY
from stroi.cache.share.convert import pack, unpack
from stroi.cache.verify import verify

Child = Callable[..., "subprocess.CompletedProcess[str]"]
EXTRA = {"clips": 8, "quarantined": 1, "ledger": "ledger.csv"}


@pytest.fixture
def origin(folder: Path) -> Path:
    """A training cache as the mosaics stage leaves it: with inputs and a ledger."""
    add_sources(folder)
    assert verify(folder) == []
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_lossless_cache_unpacks_to_the_very_bytes(origin: Path, tmp_path: Path) -> None:
    pack(origin, tmp_path / "compact", codec="webp")
    unpack(tmp_path / "compact", tmp_path / "back")
    assert contents(tmp_path / "back") == contents(origin)


@pytest.mark.parametrize(("codec", "quality"), [("webp", None), ("jpeg", None), ("jpeg", 97)])
def test_compact_cache_says_the_same_but_the_pixels(
    origin: Path, tmp_path: Path, codec: str, quality: int | None
) -> None:
    counts: list[int] = []
    target = tmp_path / "compact"
    manifest = pack(origin, target, codec=codec, quality=quality, on_sample=counts.append)
    assert sum(counts) == 7
    assert verify(target) == []
    assert read_manifest(target, "mosaics_compact") == manifest
    assert (target / "ledger.csv").read_bytes() == (origin / "ledger.csv").read_bytes()
    one, other = MosaicCache(origin), MosaicCache(target)
    assert (one.form, other.form) == ("training", "compact")
    assert (one.ids, one.shape) == (other.ids, other.shape)
    for same in ("params", "producer", "stroi_version"):
        assert getattr(other.manifest, same) == getattr(one.manifest, same)
    for old, new in zip(one.manifest.files, other.manifest.files, strict=True):
        assert (old.name, old.ids, old.inputs) == (new.name, new.ids, new.inputs)
    np.testing.assert_array_equal(one.valid(one.ids), other.valid(one.ids))
    np.testing.assert_array_equal(one.person_count(one.ids), other.person_count(one.ids))
    for name in one.ids:
        (mine, row), (theirs, _) = one.find(name), other.find(name)
        for field in ("frame_index", "box", "confidence"):
            np.testing.assert_array_equal(mine[field][row], theirs[field][row])
    equal = np.array_equal(one.batch(one.ids), other.batch(one.ids))
    assert equal == (codec == "webp")


def test_manifest_says_how_it_was_packed(origin: Path, tmp_path: Path) -> None:
    jpeg = pack(origin, tmp_path / "jpeg")
    one, other = MosaicCache(origin), MosaicCache(tmp_path / "jpeg")
    squares = (one.batch(one.ids).astype(np.float64) - other.batch(one.ids)) ** 2
    ratios = 10 * np.log10(255**2 / squares.mean(axis=(1, 2, 3)))
    expected = {
        "codec": "jpeg",
        "quality": DEFAULT_QUALITY,
        "psnr_db": {"mean": round(ratios.mean(), 2), "min": round(ratios.min(), 2)},
        "opencv": cv2.__version__,
        "stroi": stroi_version(),
        "origin_manifest_sha256": sha256_file(origin / "manifest.json"),
    }
    assert jpeg.extra == {**EXTRA, "packed": expected}
    webp = pack(origin, tmp_path / "webp", codec="webp")
    expected.update(codec="webp", quality=None, psnr_db=None)
    assert webp.extra == {**EXTRA, "packed": expected}


def test_lossy_cache_unpacks_to_what_it_shows(origin: Path, tmp_path: Path) -> None:
    packed = pack(origin, tmp_path / "compact", quality=80)
    manifest = unpack(tmp_path / "compact", tmp_path / "back")
    assert verify(tmp_path / "back", "mosaics") == []
    assert manifest.extra == {**EXTRA, "unpacked": packed.extra["packed"]}
    one, other = MosaicCache(tmp_path / "compact"), MosaicCache(tmp_path / "back")
    assert other.form == "training"
    np.testing.assert_array_equal(one.batch(one.ids), other.batch(one.ids))


def test_packing_gives_equal_bytes_and_a_finished_one_is_left_alone(
    origin: Path, tmp_path: Path
) -> None:
    first = pack(origin, tmp_path / "one")
    pack(origin, tmp_path / "two")
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "one").iterdir()}
    counts: list[int] = []
    assert pack(origin, tmp_path / "one", on_sample=counts.append) == first
    assert sum(counts) == 7
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "one").iterdir()}


@pytest.mark.parametrize("name", ["mosaics-00000.h5", "mosaics-00001.h5", "manifest.json"])
def test_what_is_missing_is_made_again(origin: Path, tmp_path: Path, name: str) -> None:
    pack(origin, tmp_path / "compact")
    whole = contents(tmp_path / "compact")
    (tmp_path / "compact" / name).unlink()
    pack(origin, tmp_path / "compact")
    assert contents(tmp_path / "compact") == whole


def test_empty_cache(tmp_path: Path) -> None:
    write_cache(tmp_path / "origin", [])
    manifest = pack(tmp_path / "origin", tmp_path / "compact")
    assert manifest.extra["packed"]["psnr_db"] is None
    assert len(MosaicCache(tmp_path / "compact")) == 0
    unpack(tmp_path / "compact", tmp_path / "back")
    assert verify(tmp_path / "back", "mosaics") == []


def foreign(folder: Path, origin: Path, shards: list[Mosaics]) -> Iterator[tuple[str, str]]:
    """Targets that hold something else, and what is named."""
    folder.mkdir()
    (folder / "thesis.tex").write_text("years of work")
    yield "another file", "thesis.tex"
    shutil.rmtree(folder)
    shutil.copytree(origin, folder)
    yield "the origin itself", "mosaics-00000.h5"
    shutil.rmtree(folder)
    pack(origin, folder, quality=80)
    yield "another quality", "mosaics-00000.h5"
    shutil.rmtree(folder)
    pack(origin, folder, codec="webp")
    (folder / "mosaics-00000.h5").unlink()
    yield "another codec", "mosaics-00001.h5"
    shutil.rmtree(folder)
    pack(origin, folder)
    for name in ("manifest.json", "mosaics-00000.h5"):
        (folder / name).unlink()
    (folder / "ledger.csv").write_bytes(b"other")
    yield "another ledger", "ledger.csv"
    shutil.rmtree(folder)
    pack(origin, folder)
    reseal(folder, lambda manifest: replace(manifest, params={"frames": 4}))
    yield "another manifest", "manifest.json"
    shutil.rmtree(folder)
    others = [replace(shard, frame_index=shard.frame_index + np.int32(1)) for shard in shards]
    pack(write_cache(folder.with_name("others"), others), folder)
    (folder / "manifest.json").unlink()
    yield "another cache", "mosaics-00000.h5"
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "mosaics-00000.h5").symlink_to(origin / "mosaics-00000.h5")
    yield "a link", "mosaics-00000.h5"


def test_what_is_there_is_never_written_over(
    origin: Path, tmp_path: Path, shards: list[Mosaics]
) -> None:
    target = tmp_path / "target"
    for what, name in foreign(target, origin, shards):
        before = contents(target)
        with pytest.raises(ParamsError) as caught:
            pack(origin, target)
        assert str(caught.value) == (
            f"TARGET_EXISTS: {target} holds {name!r}, which this run would not have written;"
            " name another target or remove it"
        ), what
        assert contents(target) == before, what


def test_unpacking_does_not_write_over_anything_either(origin: Path, tmp_path: Path) -> None:
    pack(origin, tmp_path / "compact", codec="webp")
    shutil.copytree(origin, tmp_path / "back")
    unpack(tmp_path / "compact", tmp_path / "back")
    data = bytearray((tmp_path / "back" / "mosaics-00001.h5").read_bytes())
    data[-1] ^= 1
    (tmp_path / "back" / "mosaics-00001.h5").write_bytes(data)
    before = contents(tmp_path / "back")
    with pytest.raises(ParamsError, match=r"TARGET_EXISTS: .* holds 'mosaics-00001.h5'"):
        unpack(tmp_path / "compact", tmp_path / "back")
    assert contents(tmp_path / "back") == before


def test_two_runs_on_one_target(origin: Path, tmp_path: Path) -> None:
    with exclusive_folder(tmp_path / "compact", ()), pytest.raises(OutputInUse) as caught:
        pack(origin, tmp_path / "compact")
    assert caught.value.exit_status == 4
    assert str(caught.value) == (
        f"OUTPUT_IN_USE: {tmp_path / 'compact'} is being filled by another process;"
        " wait for it to end, or name another target"
    )
    pack(origin, tmp_path / "compact")


def test_damaged_source_is_refused_before_anything_is_made(origin: Path, tmp_path: Path) -> None:
    data = bytearray((origin / "mosaics-00001.h5").read_bytes())
    data[-5] ^= 1
    (origin / "mosaics-00001.h5").write_bytes(data)
    with pytest.raises(RefusedInput, match=r"DIGEST: .*mosaics-00001.h5.*b-4"):
        pack(origin, tmp_path / "compact")
    assert not (tmp_path / "compact").exists()


def test_each_way_takes_its_own_form_only(origin: Path, tmp_path: Path) -> None:
    pack(origin, tmp_path / "compact")
    with pytest.raises(RefusedInput, match=r"SCHEMA: .* describes mosaics_compact, want mosaics"):
        pack(tmp_path / "compact", tmp_path / "x")
    with pytest.raises(RefusedInput, match=r"SCHEMA: .* describes mosaics, want mosaics_compact"):
        unpack(origin, tmp_path / "x")
    with pytest.raises(ParamsError, match="CODEC: there is no codec 'bmp'"):
        pack(origin, tmp_path / "x", codec="bmp")
    assert not (tmp_path / "x").exists()


def test_encoder_that_loses_pixels_is_found_out(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = cv2.imencode

    def lossy(ending: str, picture: np.ndarray, options: list[int]) -> object:  # type: ignore[type-arg]
        return write(ending, picture ^ np.uint8(picture[0, 0, 0] == 7), options)

    shard = make_mosaics(("a", "b", "c"))
    shard.mosaic[:, 0, 0, 2] = [1, 7, 2]
    write_cache(tmp_path / "marked", [shard])
    monkeypatch.setattr(cv2, "imencode", lossy)
    with pytest.raises(StroiError) as caught:
        pack(tmp_path / "marked", tmp_path / "compact", codec="webp")
    path = tmp_path / "compact" / "mosaics-00000.h5"
    assert str(caught.value) == (
        f"IMAGE_ENCODE: {path}: the picture of 'b' did not come back equal;"
        " install another opencv-python-headless"
    )
    assert list((tmp_path / "compact").iterdir()) == []


def _without(manifest: Manifest) -> Manifest:
    return replace(manifest, extra={})


def _other_codec(manifest: Manifest) -> Manifest:
    return replace(manifest, extra={"packed": {**manifest.extra["packed"], "codec": "png\n"}})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (_without, "extra: packed is missing"),
        (_other_codec, r"extra: packed: codec is malformed: 'png\n'"),
    ],
)
def test_unpacking_needs_to_know_the_codec(
    origin: Path, tmp_path: Path, change: Callable[[Manifest], Manifest], text: str
) -> None:
    pack(origin, tmp_path / "compact")
    reseal(tmp_path / "compact", change)
    with pytest.raises(RefusedInput) as caught:
        unpack(tmp_path / "compact", tmp_path / "back")
    path = tmp_path / "compact" / "manifest.json"
    assert caught.value.code == "MANIFEST"
    assert caught.value.message == f"{path}: {text}"


def test_lossless_sample_that_is_not_the_packed_one_is_named(origin: Path, tmp_path: Path) -> None:
    """Blobs of a JPEG cache under a manifest that says lossless."""
    jpeg = pack(origin, tmp_path / "compact")
    packed = {**jpeg.extra["packed"], "codec": "webp", "quality": None, "psnr_db": None}
    reseal(tmp_path / "compact", lambda manifest: replace(manifest, extra={"packed": packed}))
    with pytest.raises(RefusedInput) as caught:
        unpack(tmp_path / "compact", tmp_path / "back")
    path = tmp_path / "compact" / "mosaics-00000.h5"
    assert str(caught.value) == (
        f"DIGEST: {path}: 'a-1' is not the sample that was packed; fetch or rebuild the folder"
    )
    assert not list((tmp_path / "back").glob("*.h5"))


def status_under(fault: str, run: Callable[[], object]) -> int:
    """Exit status of a forked process that runs with a fault; the signal, negative, if killed."""
    pid = os.fork()
    if pid == 0:
        os.environ["STROI_FAULT"] = fault
        try:
            run()
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.mark.parametrize("way", [pack, unpack])
@pytest.mark.parametrize(
    "point",
    [
        "before_write", "mid_write", "before_fsync", "before_rename", "after_rename",
        "before_manifest", "after_manifest",
    ],
)  # fmt: skip
def test_killed_run_goes_on_where_it_stopped(
    origin: Path, tmp_path: Path, point: str, way: Callable[[Path, Path], Manifest]
) -> None:
    source, whole, target = origin, tmp_path / "whole", tmp_path / "target"
    if way is unpack:
        pack(origin, tmp_path / "compact", codec="webp")
        source = tmp_path / "compact"
    way(source, whole)
    nth = 1
    while status_under(f"{point}:{nth}:kill", lambda: way(source, target)) == -9:
        finished = contents(target) == contents(whole)
        assert finished or verify(target) != []
        for path in target.glob("*.h5"):
            assert path.read_bytes() == (whole / path.name).read_bytes()
        way(source, target)
        assert contents(target) == contents(whole)
        shutil.rmtree(target)
        nth += 1
    assert contents(target) == contents(whole)
    assert nth == (2 if "manifest" in point else 5)


@pytest.mark.parametrize("action", ["enospc", "eio"])
def test_failing_disk_leaves_nothing_half_written(
    origin: Path, tmp_path: Path, child: Child, action: str
) -> None:
    script = (
        "import sys; from pathlib import Path; from stroi.cache.share.convert import pack\n"
        "pack(Path(sys.argv[1]), Path(sys.argv[2]))\n"
    )
    done = child(script, origin, tmp_path / "compact", STROI_FAULT=f"mid_write:2:{action}")
    assert {"enospc": "DISK_FULL", "eio": "WRITE_FAILED"}[action] in done.stderr.splitlines()[-1]
    assert len(list((tmp_path / "compact").iterdir())) == 1
    pack(origin, tmp_path / "compact")
    assert verify(tmp_path / "compact") == []


@pytest.mark.parametrize("way", ["pack", "unpack"])
def test_memory_does_not_grow_with_the_number_of_shards(tmp_path: Path, way: str) -> None:
    """A shard has 16 MB of pixels."""
    peaks = []
    for count in (1, 5):
        shards = [
            make_mosaics(tuple(f"{number}-{row:03d}" for row in range(100)), cell=60)
            for number in range(count)
        ]
        for shard in shards:
            shard.mosaic[:] = 100
        folder = write_cache(tmp_path / f"origin-{count}", shards)
        source, target = folder, tmp_path / f"target-{count}"
        if way == "unpack":
            source = tmp_path / f"compact-{count}"
            pack(folder, source)
        script = (
            "import sys; from pathlib import Path\n"
            "from stroi.cache.share.convert import pack, unpack\n"
            f"{way}(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        )
        done = run_measured([sys.executable, "-c", script, str(source), str(target)])
        assert done.returncode == 0, done.stderr
        peaks.append(done.peak_bytes)
    assert peaks[1] - peaks[0] < 20_000_000
