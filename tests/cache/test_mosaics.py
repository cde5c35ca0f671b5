"""Mosaic shards and the cache that reads them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from assembled import assemble_mosaics
from blobs import good, hostile
from hypothesis import given, settings
from hypothesis import strategies as st
from small_caches import (
    make_clip,
    make_mosaics,
    read_mosaics,
    write_cache,
    write_compact,
    write_skeletons,
)

from stroi.cache.errors import RefusedInput
from stroi.cache.files.atomic import write_atomic
from stroi.cache.manifest import Manifest, read_manifest, write_manifest
from stroi.cache.mosaics import (
    MosaicCache,
    Mosaics,
)
from stroi.cache.rois import PAPER, PRESETS, rows_to_json
from stroi.cache.share.convert import pack


def equal(one: Mosaics, other: Mosaics) -> None:
    for name, value in vars(one).items():
        np.testing.assert_array_equal(value, getattr(other, name), strict=name != "ids")


def test_round_trip_stores_nothing_for_black_cells(tmp_path: Path) -> None:
    made = make_mosaics(("a", "b", "c"))
    assert np.isnan(made.box).any()
    (tmp_path / "shard.h5").write_bytes(assemble_mosaics([made]).data)
    found = read_mosaics(tmp_path / "shard.h5")
    equal(found, replace(made, box=np.nan_to_num(made.box, nan=0)))
    assert (tmp_path / "shard.h5").read_bytes() == assemble_mosaics([found]).data
    assert assemble_mosaics([found]).sample_sha256 == assemble_mosaics([made]).sample_sha256


def test_digest_of_a_clip_is_its_own(tmp_path: Path) -> None:
    made = make_mosaics(("a", "b", "c"))
    mosaic = made.mosaic.copy()
    mosaic[1, 0, 0, 0] ^= 1
    changed = assemble_mosaics([replace(made, mosaic=mosaic)]).sample_sha256
    assert [
        a == b for a, b in zip(changed, assemble_mosaics([made]).sample_sha256, strict=True)
    ] == [
        True,
        False,
        True,
    ]
    renamed = replace(made, ids=("x", "y", "z"))
    assert assemble_mosaics([renamed]).sample_sha256 == assemble_mosaics([made]).sample_sha256


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda m: {"ids": ("b", "a", "c")}, "ID_ORDER: new mosaics file: 'a' stands after 'b'"),
        (lambda m: {"ids": ("a", "A", "c")}, "ID_DUPLICATE: sample 1 ('A')"),
        (lambda m: {"ids": ("a", "b")}, "H5_LENGTHS: new mosaics file: person_count has 3 along N"),
        (lambda m: {"box": m.box + np.where(m.valid, np.nan, 0)[..., None]}, "NONFINITE"),
        (lambda m: {"confidence": m.confidence * np.float32(np.nan)}, "NONFINITE"),
        (lambda m: {"confidence": m.confidence - 2}, "RANGE: new mosaics file: confidence of 'a'"),
        (lambda m: {"person_count": m.person_count * 0}, "RANGE: new mosaics file: person_count"),
        (lambda m: {"person_count": m.person_count + np.int8(5)}, "RANGE"),
        (lambda m: {"frame_index": m.frame_index - 100}, "RANGE: new mosaics file: frame_index"),
        (lambda m: {"frame_index": m.frame_index.astype(np.int64)}, "SCHEMA"),
        (lambda m: {"mosaic": m.mosaic.astype(np.float32)}, "SCHEMA: new mosaics file: mosaic is"),
        (lambda m: {"mosaic": m.mosaic[..., :1]}, "SCHEMA: new mosaics file: mosaic is (3, 20, 12"),
        (lambda m: {"mosaic": m.mosaic[:, :-1]}, "SCHEMA: new mosaics file: H = 19 of mosaic"),
        (lambda m: {"mosaic": m.mosaic[:, :, :-1]}, "SCHEMA: new mosaics file: W = 11 of mosaic"),
    ],
    ids=range(14),
)
def test_what_does_not_fit_is_not_written(
    change: Callable[[Mosaics], dict[str, object]], text: str
) -> None:
    made = make_mosaics(("a", "b", "c"))
    changed = {
        name: value.astype(np.float32) if name == "box" else value  # type: ignore[attr-defined]
        for name, value in change(made).items()
    }
    with pytest.raises(RefusedInput) as caught:
        assemble_mosaics([replace(made, **changed)])  # type: ignore[arg-type]
    assert str(caught.value).startswith(text)


def test_batch_is_the_stack_of_single_reads(folder: Path, shards: list[Mosaics]) -> None:
    cache = MosaicCache(folder)
    assert cache.shape == (20, 12, 3)
    assert len(cache) == 7
    assert cache.ids == ("a-1", "a-2", "a-3", "b-1", "b-2", "b-3", "b-4")
    assert "a-1" in cache
    assert "z" not in cache
    assert cache.manifest.params == {"frames": 3}
    truth = {
        sample_id: (shard.mosaic[row], shard.valid[row], shard.person_count[row])
        for shard in shards
        for row, sample_id in enumerate(shard.ids)
    }
    chosen = list(np.random.default_rng(0).choice(cache.ids, 20))
    out = np.full((20, 20, 12, 3), 7, np.uint8)
    batch = cache.batch(chosen, out=out)
    assert batch is out
    np.testing.assert_array_equal(batch, np.stack([cache[name] for name in chosen]))
    np.testing.assert_array_equal(batch, np.stack([truth[name][0] for name in chosen]))
    np.testing.assert_array_equal(
        cache.valid(chosen), np.stack([truth[name][1] for name in chosen]), strict=True
    )
    np.testing.assert_array_equal(
        cache.person_count(chosen), np.stack([truth[name][2] for name in chosen]), strict=True
    )


@settings(max_examples=25, deadline=None, derandomize=True)
@given(counts=st.lists(st.integers(1, 5), min_size=1, max_size=4), data=st.data())
def test_any_split_into_shards_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], data: st.DataObject
) -> None:
    ids = tuple(f"clip{i:02d}" for i in range(sum(counts)))
    whole = make_mosaics(ids, cell=1)
    starts = np.cumsum([0, *counts])
    parts = [
        Mosaics(*(value[start : start + count] for value in vars(whole).values()))
        for start, count in zip(starts, counts, strict=False)
    ]
    cache = MosaicCache(write_cache(tmp_path_factory.mktemp("split"), parts))
    chosen = data.draw(st.lists(st.integers(0, len(ids) - 1), max_size=12))
    batch = cache.batch([ids[i] for i in chosen])
    np.testing.assert_array_equal(batch, whole.mosaic[chosen], strict=True)


def test_a_mosaic_is_a_copy_and_writable(folder: Path) -> None:
    cache = MosaicCache(folder)
    mosaic = cache["a-1"]
    mosaic[:] = 0
    assert cache["a-1"].any()


def test_unknown_id_is_named(folder: Path) -> None:
    cache = MosaicCache(folder)
    reads: list[Callable[[str], object]] = [
        cache.__getitem__,
        lambda name: cache.batch(["a-1", name]),
        lambda name: cache.valid([name]),
        lambda name: cache.person_count([name]),
    ]
    for read in reads:
        with pytest.raises(RefusedInput) as caught:
            read("a-9\n")
        assert str(caught.value) == (
            rf"ID_UNKNOWN: {folder} has no sample 'a-9\n';"
            " it holds 7 samples; see its ledger.csv for rejected ones"
        )


@pytest.mark.parametrize("out", [np.empty((2, 20, 12, 3)), np.empty((1, 20, 12, 3), np.uint8)])
def test_unfit_buffer_is_refused(folder: Path, out: np.ndarray) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=r"want uint8 \(2, 20, 12, 3\)"):
        MosaicCache(folder).batch(["a-1", "a-2"], out=out)


def test_files_are_opened_when_needed_and_again_after_unpickling(folder: Path) -> None:
    cache = MosaicCache(folder, verify=False)
    assert cache._shards == {}
    first = cache["a-1"]
    assert set(cache._shards) == {"mosaics-00000.h5"}
    text = pickle.dumps(cache)
    assert len(text) < 5000
    again = pickle.loads(text)  # noqa: S301
    assert again._shards == {}
    np.testing.assert_array_equal(again["a-1"], first)


def test_damage_is_refused_on_opening_unless_unverified(folder: Path) -> None:
    path = folder / "mosaics-00001.h5"
    data = bytearray(path.read_bytes())
    data[data.index(make_mosaics(("b-1", "b-2", "b-3", "b-4"), seed=2).mosaic[2].tobytes())] ^= 1
    path.write_bytes(data)
    with pytest.raises(RefusedInput) as caught:
        MosaicCache(folder)
    assert str(caught.value) == (
        f"DIGEST: {folder}/mosaics-00001.h5: its SHA-256 is not the manifest's;"
        " damaged: b-3 of 4 samples; fetch or rebuild the file"
    )
    assert len(MosaicCache(folder, verify=False)) == 7


def test_swapped_shards_are_refused_even_unverified(folder: Path) -> None:
    (folder / "mosaics-00000.h5").replace(folder / "x")
    (folder / "mosaics-00001.h5").replace(folder / "mosaics-00000.h5")
    with pytest.raises(RefusedInput, match=r"DIGEST: .*mosaics-00000.h5 holds other samples"):
        MosaicCache(folder, verify=False)["a-1"]


def test_shards_of_other_sizes_are_not_mixed(tmp_path: Path) -> None:
    mixed = [make_mosaics(("a",), cell=4), make_mosaics(("b",), cell=5)]
    folder = write_cache(tmp_path, mixed)
    with pytest.raises(RefusedInput, match=r"SCHEMA: .*made with H = 25, mosaics-00000.h5 with 20"):
        MosaicCache(folder)
    cache = MosaicCache(folder, verify=False)
    with pytest.raises(RefusedInput, match=r"SCHEMA: .*mosaic of a clip is \(25, 15, 3\), other"):
        cache.batch(["a", "b"])


def test_rows_are_those_of_the_manifest(folder: Path) -> None:
    assert MosaicCache(folder).rows == PAPER
    manifest = read_manifest(folder)
    other = PRESETS["upper_body"]
    write_manifest(folder, replace(manifest, params={"rows": rows_to_json(other)}))
    assert MosaicCache(folder).rows == other
    write_manifest(folder, replace(manifest, params={"rows": rows_to_json(other[:2])}))
    cache = MosaicCache(folder, verify=False)
    with pytest.raises(RefusedInput) as caught:
        cache.batch(cache.ids[:1])
    assert str(caught.value) == (
        f"SCHEMA: {folder / 'mosaics-00000.h5'} has 5 rows, its manifest says head, right_hand;"
        " rebuild the mosaics"
    )
    write_manifest(folder, replace(manifest, params={"rows": 5}))
    with pytest.raises(RefusedInput, match=r"^ROWS: .*: its rows: rows are a list of joints"):
        MosaicCache(folder, verify=False)


def test_empty_cache_has_no_shape(tmp_path: Path) -> None:
    cache = MosaicCache(write_cache(tmp_path, []))
    assert len(cache) == 0
    for ask in (
        lambda: cache.shape,
        lambda: cache.columns,
        lambda: cache.scored,
        lambda: cache.batch([]),
        lambda: cache.valid([]),
        lambda: cache.person_count([]),
    ):
        with pytest.raises(RefusedInput, match=r"H5_EMPTY: .* holds no sample"):
            ask()


def test_of_no_clip_there_is_nothing(folder: Path) -> None:
    cache = MosaicCache(folder)
    assert cache.batch([]).shape == (0, 20, 12, 3)
    assert cache.valid([]).shape == (0, 2, 3, 5)
    assert (cache.valid([]).dtype, cache.person_count([]).dtype) == (np.bool_, np.int8)
    assert cache.person_count([]).shape == (0,)


@pytest.mark.parametrize("codec", ["jpeg", "webp"])
def test_compact_form_reads_alike(folder: Path, tmp_path: Path, codec: str) -> None:
    manifest = pack(folder, tmp_path / "compact", codec=codec)
    one, other = MosaicCache(folder), MosaicCache(tmp_path / "compact")
    assert (one.form, other.form) == ("training", "compact")
    assert other.manifest == manifest
    assert other.shape == (20, 12, 3)
    chosen = list(np.random.default_rng(1).choice(one.ids, 12))
    out = np.full((12, 20, 12, 3), 7, np.uint8)
    batch = other.batch(chosen, out=out)
    assert batch is out
    np.testing.assert_array_equal(batch, np.stack([other[name] for name in chosen]))
    distance = np.abs(batch.astype(int) - one.batch(chosen)).mean()
    assert (distance == 0) == (codec == "webp")
    np.testing.assert_array_equal(other.valid(chosen), one.valid(chosen), strict=True)
    again = pickle.loads(pickle.dumps(other))  # noqa: S301
    assert (again.form, again._shards) == ("compact", {})
    np.testing.assert_array_equal(again.batch(chosen), batch)


@pytest.mark.parametrize("name", hostile())
def test_hostile_blob_is_refused_by_file_and_sample(tmp_path: Path, name: str) -> None:
    blob, text = hostile()[name]
    if not blob:
        with pytest.raises(RefusedInput, match=r"RANGE: .*blob_bytes of 'b' is below 1"):
            write_compact(tmp_path, [good()["jpeg"], blob])
        return
    folder = write_compact(tmp_path, [good()["jpeg"], blob, good()["webp"]])
    cache = MosaicCache(folder, verify=False)
    out = np.zeros((1, 20, 12, 3), np.uint8)
    with pytest.raises(RefusedInput) as caught:
        cache.batch(["b"], out=out)
    assert not out.any()
    assert caught.value.code == "IMAGE_HEADER"
    assert caught.value.message.startswith(f"{tmp_path / 'mosaics-00000.h5'}: 'b'")
    assert text in caught.value.message
    assert cache["a"].any()
    assert cache["c"].any()


def test_compact_shards_of_other_sizes_are_not_mixed(tmp_path: Path) -> None:
    target, files = tmp_path / "compact", []
    for number, name in enumerate("ab"):
        origin = write_cache(tmp_path / name, [make_mosaics((name,), cell=4 + number)])
        [entry] = pack(origin, tmp_path / f"compact-{name}").files
        files.append(replace(entry, name=f"mosaics-{number:05d}.h5"))
        write_atomic(
            target / files[-1].name, (tmp_path / f"compact-{name}" / entry.name).read_bytes()
        )
    write_manifest(target, Manifest("mosaics_compact", {}, {}, tuple(files)))
    with pytest.raises(RefusedInput, match=r"SCHEMA: .*made with H = 25, mosaics-00000.h5 with 20"):
        MosaicCache(target)
    cache = MosaicCache(target, verify=False)
    assert cache["a"].shape == (20, 12, 3)
    with pytest.raises(RefusedInput, match=r"SCHEMA: .*mosaic of a clip is \(25, 15, 3\), other"):
        cache.batch(["a", "b"])


def test_compact_shard_that_cannot_be_is_refused(tmp_path: Path) -> None:
    write_compact(tmp_path, [good()["jpeg"]], height=np.array([21], np.int32))
    with pytest.raises(RefusedInput, match=r"SCHEMA: .*mosaics-00000.h5: 21 x 12 px are not 5 x 3"):
        _ = MosaicCache(tmp_path, verify=False).shape


def test_a_folder_of_anything_else_is_not_opened(folder: Path, tmp_path: Path) -> None:
    write_skeletons(tmp_path / "skeletons", {"a": make_clip(3)})
    with pytest.raises(RefusedInput) as caught:
        MosaicCache(tmp_path / "skeletons")
    path = tmp_path / "skeletons" / "manifest.json"
    assert str(caught.value) == (
        f"SCHEMA: {path} describes skeletons, want mosaics or mosaics_compact; check the path"
    )
