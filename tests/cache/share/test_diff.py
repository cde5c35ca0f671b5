"""Which samples differ and by how much, against numbers computed by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_caches import (
    make_clip,
    make_joints,
    make_mosaics,
    make_scores,
    make_weights,
    write_cache,
    write_joints,
    write_skeletons,
)

from stroi.cache import mosaics as mosaics_module
from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.files.atomic import write_atomic
from stroi.cache.layouts import BODY_25_3D
from stroi.cache.manifest import Manifest, file_entry, read_manifest, write_manifest
from stroi.cache.mosaics import Mosaics
from stroi.cache.scores import write_scores
from stroi.cache.share.diff import diff
from stroi.cache.weights import write_weights
from stroi.pipeline.cache_commands.diff import lines


def test_a_cache_equals_itself_and_nothing_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mosaics_module.MosaicCache, "find", None)
    found = diff(folder, folder)
    assert found.same
    assert (found.common, found.changed, found.fields, found.other_files) == (7, (), {}, ())


def test_a_card_does_not_count(tmp_path: Path, shards: list[Mosaics], folder: Path) -> None:
    manifest = read_manifest(folder)
    other = write_cache(tmp_path / "other", shards)
    write_atomic(other / "card.json", b"{}")
    files = (file_entry("card.json", b"{}"), *manifest.files)
    write_manifest(other, replace(manifest, files=files))
    found = diff(folder, other)
    assert found.same
    assert found.other_files == ("card.json",)


def test_pixels_and_flags_are_measured(tmp_path: Path, shards: list[Mosaics], folder: Path) -> None:
    mosaic = shards[0].mosaic.copy()
    mosaic[1, 0, 0] = 10
    mosaic[1, 3, 4] = (200, 0, 7)
    before = mosaic.copy()
    before[1, 0, 0, 2] = 14
    before[1, 3, 4] = (190, 1, 7)
    confidence = shards[0].confidence.copy()
    confidence[2, 0, 0, 0] = 0.25
    raised = confidence.copy()
    raised[2, 0, 0, 0] = 0.75
    a = write_cache(
        tmp_path / "a", [replace(shards[0], mosaic=before, confidence=confidence), shards[1]]
    )
    b = write_cache(
        tmp_path / "b", [replace(shards[0], mosaic=mosaic, confidence=raised), shards[1]]
    )
    done: list[int] = []
    found = diff(a, b, on_sample=done.append)
    assert not found.same
    assert done == [5, 1, 1]
    assert found.changed == ("a-2", "a-3")
    assert list(found.fields) == ["confidence"]
    change = found.fields["confidence"]
    assert (change.samples, change.largest, change.mean) == (1, 0.5, 0.5 / 30)
    pixels = found.pixels
    height, width, _ = mosaic[1].shape
    assert (pixels.samples, pixels.largest, pixels.share) == (1, 10, 2 / (height * width))
    error = (4**2 + 10**2 + 1) / (height * width * 3)
    assert pixels.psnr == [pytest.approx(10 * np.log10(255**2 / error))]
    told = found.to_dict()
    assert told["fields"]["confidence"]["max_abs"] == 0.5
    assert told["pixels"]["psnr_db"]["min"] == pixels.psnr[0]


def test_samples_params_and_producer(tmp_path: Path, shards: list[Mosaics], folder: Path) -> None:
    fewer = write_cache(tmp_path / "fewer", [shards[0], make_mosaics(("b-1", "c-1"), seed=2)])
    manifest = read_manifest(fewer)
    changed = replace(manifest, params={"frames": 3, "cell": {"px": 48}}, producer={"by": "him"})
    write_manifest(fewer, changed)
    found = diff(folder, fewer)
    assert found.only_a == ("b-2", "b-3", "b-4")
    assert found.only_b == ("c-1",)
    assert [vars(one) for one in found.params] == [{"key": "cell.px", "a": "", "b": "48"}]
    assert [vars(one) for one in found.producer] == [{"key": "by", "a": '"test"', "b": '"him"'}]


def test_other_sizes_are_said_not_subtracted(tmp_path: Path, folder: Path) -> None:
    larger = write_cache(tmp_path / "larger", [make_mosaics(("a-1",), seed=1, cell=6)])
    found = diff(folder, larger)
    assert (found.pixels.samples, found.pixels.reshaped, found.pixels.psnr) == (1, 1, [])


def test_skeletons_weights_and_scores(tmp_path: Path) -> None:
    clips = {"a": make_clip(5, seed=1), "b": make_clip(6, seed=2), "c": make_clip(4, seed=3)}
    a = write_skeletons(tmp_path / "a", clips)
    moved = clips["b"].keypoints.copy()
    moved[5, 0, 24, 0] += 2
    others = {**clips, "b": replace(clips["b"], keypoints=moved), "c": make_clip(7, seed=3)}
    found = diff(a, write_skeletons(tmp_path / "b", others))
    assert found.changed == ("b", "c")
    assert found.fields["keypoints"].reshaped == 1
    assert found.fields["keypoints"].largest == pytest.approx(2, abs=1e-4)
    assert found.fields["frame_count"].largest == 3

    weights = make_weights(("a", "b"))
    doubled = replace(weights, row_weights=weights.row_weights * np.float32(2))
    for name, one in (("w", weights), ("v", doubled)):
        write_weights(tmp_path / name, one, params={}, producer={})
    assert list(diff(tmp_path / "w", tmp_path / "v").fields) == ["row"]

    scores = make_scores(("a", "b"))
    renamed = replace(scores, classes=("wave", "drink", "héllo"))
    for name, one in (("s", scores), ("t", renamed)):
        write_scores(tmp_path / name, "test", one, params={}, producer={})
    found = diff(tmp_path / "s", tmp_path / "t")
    assert found.changed == ()
    assert [vars(one) for one in found.params] == [
        {"key": "class_name", "a": "wave, drink water, héllo", "b": "wave, drink, héllo"}
    ]


def test_other_kinds_and_broken_folders_are_refused(tmp_path: Path, folder: Path) -> None:
    skeletons = write_skeletons(tmp_path / "s", {"a": make_clip(5)})
    with pytest.raises(ParamsError, match=r"DIFF_KIND: .* holds mosaics, .* holds skeletons"):
        diff(folder, skeletons)
    with pytest.raises(RefusedInput, match="MANIFEST_MISSING"):
        diff(folder, tmp_path)


def test_kinds_of_a_newer_stroi_are_refused(tmp_path: Path) -> None:
    for name, data in (("a", b"1"), ("b", b"2")):
        write_atomic(tmp_path / name / "x.h5", data)
        entry = file_entry("x.h5", data, ["s"], [data.hex().zfill(64)])
        write_manifest(tmp_path / name, Manifest("flows", {}, {}, (entry,)))
    with pytest.raises(RefusedInput, match=r"SCHEMA: .*/a is of an unknown kind; update stroi"):
        diff(tmp_path / "a", tmp_path / "b")


def test_layouts_differ_without_a_number(tmp_path: Path) -> None:
    one = make_joints(2, layout="kinect_v2")
    a = write_joints(tmp_path / "a", {"clip": one})
    b = write_joints(tmp_path / "b", {"clip": replace(one, layout=BODY_25_3D)})
    found = diff(a, b)
    assert found.changed == ("clip",)
    assert set(found.fields) == {"layout"}
    assert list(lines(found, 1)) == ["1 sample differ: clip", "layout: differs in 1 sample"]
