"""Stage mosaics: candidates, segments, shards, clips without a video."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from grey_videos import PARAMS, built, greys, pictures, sample, standing
from small_caches import read_mosaics, write_skeletons

from stroi.cache.errors import StroiError
from stroi.cache.manifest import read_manifest, write_manifest
from stroi.cache.mosaics import MosaicCache
from stroi.pipeline.index.table import Index
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import MosaicParams
from stroi.pipeline.shards import sharding as grouping
from stroi.pipeline.shards.sharding import assign_shards
from stroi.stages.mosaics import build_mosaics, mosaic_bytes


def test_fewer_candidates_than_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="4 candidates cannot give 5 columns"):
        MosaicParams(candidates=4)


def test_scored_columns_of_candidates_are_the_mosaic_without(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    pictures(raw / "a", 24)
    samples = [sample(raw, "a", "a")]
    (tmp_path / "wide").mkdir()
    (tmp_path / "wide" / "raw").symlink_to(raw)
    _, plain = built(tmp_path, samples, {"a": 24})
    params = PARAMS.model_copy(update={"candidates": 11})
    _, wide = built(tmp_path / "wide", samples, {"a": 24}, params)
    assert greys(plain, "a") == [4, 8, 12, 16, 20]
    assert greys(wide, "a") == [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22]
    one, two = MosaicCache(plain), MosaicCache(wide)
    assert two.manifest.params == {**one.manifest.params, "candidates": 11}
    assert two.scored.tolist() == [1, 3, 5, 7, 9]
    np.testing.assert_array_equal(two.batch(["a"], columns=two.scored[None]), one.batch(["a"]))
    all_of, part_of = (read_mosaics(out / "mosaics-00000.h5") for out in (wide, plain))
    np.testing.assert_array_equal(all_of.frame_index[:, two.scored], part_of.frame_index)
    for name in ("box", "valid", "confidence"):
        got = getattr(all_of, name)[:, :, two.scored]
        np.testing.assert_array_equal(got, getattr(part_of, name))


def test_parts_of_a_video_show_their_own_frames(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    pictures(raw / "long", 25)
    samples = [
        sample(raw, "first", "long", 0, 6),
        sample(raw, "later", "long", 12, 18),
        sample(raw, "rest", "long", 19),
    ]
    ledger, out = built(tmp_path, samples, dict.fromkeys(("first", "later", "rest"), 6))
    assert ledger.summary() == "3 clips = 3 done + 0 quarantined"
    assert [greys(out, name) for name in ("first", "later", "rest")] == [
        [1, 2, 3, 4, 5], [13, 14, 15, 16, 17], [20, 21, 22, 23, 24],
    ]  # fmt: skip
    # The same video, the same skeleton, another part: what was made is not taken for it.
    moved = [replace(samples[0], start=1, stop=7), *samples[1:]]
    _, out = built(tmp_path, moved, dict.fromkeys(("first", "later", "rest"), 6))
    assert greys(out, "first") == [2, 3, 4, 5, 6]


def test_whole_videos_have_no_part_among_their_inputs(tmp_path: Path) -> None:
    pictures(tmp_path / "raw" / "a", 6)
    _, out = built(tmp_path, [sample(tmp_path / "raw", "a", "a")], {"a": 6})
    [entry] = [one for one in MosaicCache(out).manifest.files if one.ids]
    assert sorted(entry.inputs) == ["skeleton", "video"]


@pytest.mark.parametrize(
    "params",
    [PARAMS, MosaicParams(cell=16, size=100, candidates=7, columns=3, max_quarantined=0.5)],
)
def test_bytes_of_a_clip_are_known_before_it_is_cut(tmp_path: Path, params: MosaicParams) -> None:
    raw = tmp_path / "raw"
    pictures(raw / "a", 24)
    names = [f"a{number}" for number in range(8)]
    params = params.model_copy(update={"clips_per_shard": 100})
    _, out = built(
        tmp_path, [sample(raw, name, "a") for name in names], dict.fromkeys(names, 24), params
    )
    taken = sum(entry.bytes for entry in MosaicCache(out).manifest.files if entry.ids)
    assert 8 * mosaic_bytes(params) <= taken < 8 * mosaic_bytes(params) + 20_000


def test_shards_are_cut_by_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As native cells of 17 columns need it: 512 of those clips would be 1.2 GB."""
    size = mosaic_bytes(MosaicParams(size="native", candidates=17))
    sizes = dict.fromkeys((f"clip{number}" for number in range(950)), size)
    assert max(len(group) for group in assign_shards(sizes, 512)) * size <= 256 << 20
    raw = tmp_path / "raw"
    pictures(raw / "a", 6)
    names = [f"a{number:02d}" for number in range(40)]
    monkeypatch.setattr(grouping, "SHARD_BYTES", 4 * mosaic_bytes(PARAMS))
    params = PARAMS.model_copy(update={"clips_per_shard": 512})
    _, out = built(
        tmp_path, [sample(raw, name, "a") for name in names], dict.fromkeys(names, 6), params
    )
    cache = MosaicCache(out)
    counts = [len(entry.ids) for entry in cache.manifest.files if entry.ids]
    assert max(counts) <= 8
    assert len(counts) > 5
    assert cache.ids == tuple(names)


MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.shards.build import ClipTask, TaskSpec, build_shards
from stroi.cache.storage.formats import MOSAICS
from stroi.stages.mosaics import describe, to_fields
from stroi.stages.mosaic.cut import Cut

def make(number):
    frames = np.arange(17, dtype=np.int32)
    cells = (2, 17, 5)
    return Cut(np.full((480, 1632, 3), number, np.uint8), frames, np.zeros((*cells, 4), np.float32),
               np.zeros(cells, np.float32), np.ones(cells, np.bool_), 1)

base = Path(sys.argv[1])
spec = TaskSpec(MOSAICS, 1, {}, {}, make, to_fields, describe)
jobs = [ClipTask(f"c{n:03d}", {"video": "0" * 64}, n) for n in range(int(sys.argv[2]))]
build_shards(base / "out", spec, jobs, clips_per_shard=1 << 40, store=base / "store",
             workers=Workers(1))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def test_a_worker_holds_the_bytes_of_a_shard_once(tmp_path: Path) -> None:
    def peak(clips: int) -> int:
        found = subprocess.run(
            [sys.executable, "-c", MEMORY, str(tmp_path / str(clips)), str(clips)],
            capture_output=True,
            text=True,
            check=True,
        )
        return int(found.stdout.splitlines()[-1])

    assert peak(60) - peak(1) < 1.2 * 60 * 480 * 1632 * 3


def test_a_skeleton_without_a_video_is_quarantined(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    pictures(raw / "a", 6)
    samples = [sample(raw, "a", "a"), sample(raw, "b", "")]
    ledger, out = built(tmp_path, samples, {"a": 6, "b": 6})
    assert ledger.summary() == "2 clips = 1 done + 1 quarantined"
    [lost] = ledger.quarantined
    assert (lost.id, lost.code) == ("b", "VIDEO_NONE")
    assert lost.detail.startswith("a skeleton without a video; add the video")
    assert MosaicCache(out).ids == ("a",)
    with pytest.raises(StroiError, match=r"QUARANTINED: 1 of 2 clips .* first b \(VIDEO_NONE\)"):
        built(tmp_path, samples, {"a": 6, "b": 6}, PARAMS.model_copy(update={"max_quarantined": 0}))


def test_mosaics_of_the_same_skeletons_are_cut_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However they came about: what tells of that is in the manifest, and in no key."""
    raw, there, out = (tmp_path / name for name in ("raw", "skeletons", "mosaics"))
    pictures(raw / "a", 8)
    write_skeletons(there, {"a": standing(8)})
    index = Index((sample(raw, "a", "a"),), ("wave",))

    def cut(**producer: str) -> tuple[bytes, dict[str, str]]:
        write_manifest(there, replace(read_manifest(there), producer=producer))
        build_mosaics(raw, index, there, out, PARAMS, Workers(), tmp_path / "store")
        (shard,) = out.glob("*.h5")
        return shard.read_bytes(), read_manifest(out).producer["skeletons"]

    first, _ = cut(estimator="movenet", chosen="auto: OPENPOSE_MISSING", scipy="1.0")
    monkeypatch.setattr("stroi.stages.mosaics.cut_mosaic", None)
    second, origin = cut(estimator="movenet", chosen="named", scipy="1.1")
    assert second == first
    assert origin == {"estimator": "movenet", "chosen": "named", "scipy": "1.1"}


@pytest.mark.parametrize("jobs", [1, 2])
def test_other_skeletons_are_cut_in_the_same_process(tmp_path: Path, jobs: int) -> None:
    """Processes are kept from one build to the next, and so is what they keep of a folder."""
    raw, there = tmp_path / "raw", tmp_path / "skeletons"
    pictures(raw / "a", 8)
    index = Index((sample(raw, "a", "a"),), ("wave",))
    boxes = []
    for place in (20, 60):
        clip = standing(8)
        clip.keypoints[:, 0, :, 0] = place
        shutil.rmtree(there, ignore_errors=True)
        write_skeletons(there, {"a": clip})
        out = tmp_path / f"mosaics-{place}"
        build_mosaics(raw, index, there, out, PARAMS, Workers(jobs), tmp_path / "store")
        (shard,) = out.glob("*.h5")
        boxes.append(read_mosaics(shard).box[0, 0, 0, 0].tolist())
    assert boxes == [[12, 24, 28, 40], [52, 24, 68, 40]]
