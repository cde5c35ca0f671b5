"""Stage mosaics: candidates, parts of videos, clips without a video, clips of few frames."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numbered import write_video
from numpy.typing import NDArray
from small_caches import read_mosaics, write_skeletons

from stroi.cache.errors import StroiError
from stroi.cache.manifest import read_manifest, write_manifest
from stroi.cache.mosaics import MosaicCache
from stroi.cache.skeletons import Clip
from stroi.pipeline.index.ledger import Ledger, read_ledger
from stroi.pipeline.index.table import Index, Sample
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import MosaicParams
from stroi.pipeline.shards import sharding as grouping
from stroi.pipeline.shards.sharding import assign_shards
from stroi.stages.mosaic.cut import cut_mosaic
from stroi.stages.mosaics import build_mosaics, mosaic_bytes
from stroi.stages.video.fingerprint import measure_clip
from stroi.stages.video.frame_sampling import sample_candidates

WIDTH, HEIGHT = 80, 64
PARAMS = MosaicParams(cell=16, size="native", clips_per_shard=4, max_quarantined=0.5)


def pictures(folder: Path, count: int) -> Path:
    """Frames of one grey each, ten levels apart, as images without loss."""
    folder.mkdir(parents=True)
    for number in range(count):
        picture = np.full((HEIGHT, WIDTH, 3), 10 * number + 5, np.uint8)
        assert cv2.imwrite(str(folder / f"{number + 1:04d}.png"), picture)
    return folder


def standing(frames: int) -> Clip:
    """One person who does not move."""
    keypoints = np.zeros((frames, 2, 25, 3), np.float32)
    keypoints[:, 0] = (WIDTH / 2, HEIGHT / 2, 1)
    return Clip(keypoints, 1, WIDTH, HEIGHT, 25.0)


def sample(raw: Path, name: str, video: str, start: int = 0, stop: int = 0) -> Sample:
    sha256, size = measure_clip(raw / video) if video else ("", 0)
    return Sample(
        name, video, "wave", start=start, stop=stop, skeleton="" if video else "x.json",
        bytes=size, sha256=sha256,
    )  # fmt: skip


def built(
    folder: Path,
    samples: list[Sample],
    frames: dict[str, int],
    params: MosaicParams = PARAMS,
    *,
    raw: Path | None = None,
) -> tuple[Ledger, Path]:
    skeletons = write_skeletons(
        folder / "skeletons", {name: standing(count) for name, count in frames.items()}
    )
    index, out = Index(tuple(samples), ("wave",)), folder / "mosaics"
    store = folder / "store"
    ledger = build_mosaics(raw or folder / "raw", index, skeletons, out, params, Workers(), store)
    return ledger, out


def greys(out: Path, name: str) -> list[int]:
    """Number of the frame that each column shows, by its grey."""
    # (5 * h, C * w, 3) -> (C, 5 * h * w * 3)
    shown = np.moveaxis(MosaicCache(out)[name].reshape(5, 16, -1, 16, 3), 2, 0)
    shown = shown.reshape(len(shown), -1)
    assert (np.ptp(shown, axis=1) <= 4).all()
    return [round((grey - 5) / 10) for grey in shown.mean(axis=1)]


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


def test_a_variable_frame_rate_is_sampled_by_number_or_by_time(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    shown = [np.full((HEIGHT, WIDTH, 3), 10 * number + 5, np.uint8) for number in range(24)]
    # Half of the frames fill the first fifth of the time.
    steps = (1,) * 12 + (4,) * 12
    write_video(raw / "a.mkv", "mjpeg", shown, options={"qscale": "2"}, gop=1, steps=steps)
    clips = [sample(raw, "a", "a.mkv", stop=24), sample(raw, "part", "a.mkv", start=10, stop=24)]
    lengths = {"a": 24, "part": 14}
    ledger, out = built(tmp_path / "number", clips, lengths, raw=raw)
    assert greys(out, "a") == [4, 8, 12, 16, 20]
    assert ledger.outcomes[0].detail.endswith(", sampled by frame number")
    by_time = PARAMS.model_copy(update={"sample_by": "time"})
    ledger, out = built(tmp_path / "time", clips, lengths, by_time, raw=raw)
    # Frame 4 of a constant rate is shown at 4 / 23 of 56 steps: at 9.7; and so on.
    assert greys(out, "a") == [10, 14, 16, 19, 21]
    # From step 10: frames 2, 4, ..., 10 of a constant rate at 7.1, 14.2, ..., 35.4 of 46 steps.
    assert greys(out, "part") == [13, 15, 17, 19, 20]
    assert ledger.outcomes[0].detail.endswith(", sampled by time")


def test_a_video_without_times_is_not_sampled_by_time(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    shown = [np.full((HEIGHT, WIDTH, 3), 10 * number, np.uint8) for number in range(24)]
    # Without the table that moves B-frames, times are those of decoding.
    path = write_video(raw / "a.mp4", "mpeg4", shown, options={"bf": "2"}, gop=12)
    path.write_bytes(path.read_bytes().replace(b"ctts", b"free"))
    by_time = PARAMS.model_copy(update={"sample_by": "time", "max_quarantined": 1})
    with pytest.raises(StroiError, match="VIDEO_TIMES"):
        built(tmp_path, [sample(raw, "a", "a.mp4")], {"a": 24}, by_time)
    (lost,) = read_ledger(tmp_path / "mosaics").quarantined
    assert lost.code == "VIDEO_TIMES"
    assert lost.detail.endswith("or set mosaics.sample_by to frame")


@pytest.mark.parametrize("count", [1, 2, 4, 5, 6])
def test_clips_of_few_frames_repeat_them(tmp_path: Path, count: int) -> None:
    raw = tmp_path / "raw"
    pictures(raw / "a", count)
    params = PARAMS.model_copy(update={"candidates": 11})
    ledger, out = built(tmp_path, [sample(raw, "a", "a")], {"a": count}, params)
    assert len(ledger.done) == 1
    shown = greys(out, "a")
    assert len(shown) == 11
    assert shown == sorted(shown)
    assert set(shown) <= set(range(count))
    if count <= 5:
        assert {shown[place] for place in (1, 3, 5, 7, 9)} == set(range(count))
    assert MosaicCache(out).valid(["a"])[0, 0].all()


@settings(derandomize=True)
@given(
    frames=st.integers(1, 9),
    columns=st.integers(1, 8),
    more=st.sampled_from([0, 1, 12]),
    rule=st.sampled_from(["interior", "centre", "paper"]),
    persons=st.sampled_from([1, 2]),
)
def test_every_column_of_a_short_clip_is_a_real_one(
    frames: int, columns: int, more: int, rule: str, persons: int
) -> None:
    random = np.random.default_rng(frames)
    keypoints = np.zeros((frames, 2, 25, 3), np.float32)
    keypoints[:, :persons] = (WIDTH / 2, HEIGHT / 2, 1)
    clip = Clip(keypoints, persons, WIDTH, HEIGHT, 25.0)
    shown: dict[int, NDArray[np.uint8]] = {
        time: random.integers(1, 256, (HEIGHT, WIDTH, 3), np.uint8) for time in range(frames)
    }
    index = sample_candidates(frames, columns, columns + more if more else 0, rule)
    cut = cut_mosaic(shown, clip, index, MosaicParams(cell=8, size="native", min_confidence=0.2))
    assert cut.mosaic.shape == (40, 8 * (columns + more), 3)
    assert cut.valid[:persons].all()
    alone = {
        time: cut_mosaic(
            shown,
            clip,
            np.array([time], np.int32),
            MosaicParams(cell=8, size="native", min_confidence=0.2),
        ).mosaic
        for time in set(index.tolist())
    }
    for column, time in enumerate(index.tolist()):
        np.testing.assert_array_equal(cut.mosaic[:, 8 * column : 8 * column + 8], alone[time])


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


def mosaic_of(
    folder: Path, clip: Clip, params: MosaicParams = PARAMS, *, grey: int = 90
) -> list[tuple[str, str]]:
    """Code and reason of a clip of grey frames that was left out."""
    (folder / "raw" / "a").mkdir(parents=True)
    for number in range(len(clip.keypoints)):
        picture = np.full((HEIGHT, WIDTH, 3), grey, np.uint8)
        assert cv2.imwrite(str(folder / "raw" / "a" / f"{number:04d}.png"), picture)
    skeletons = write_skeletons(folder / "skeletons", {"a": clip})
    index = Index((sample(folder / "raw", "a", "a"),), ("wave",))
    whole = params.model_copy(update={"max_quarantined": 1.0})
    out, store = folder / "mosaics", folder / "store"
    with suppress(StroiError):
        build_mosaics(folder / "raw", index, skeletons, out, whole, Workers(), store)
    return [(one.code, one.detail) for one in read_ledger(out).quarantined]


def test_min_confidence_that_no_joint_reaches(tmp_path: Path) -> None:
    clip = standing(12)
    clip.keypoints[..., 2] *= 0.87
    params = PARAMS.model_copy(update={"min_confidence": 0.99})
    assert mosaic_of(tmp_path / "a", clip, params) == [
        (
            "MOSAIC_BLACK",
            "not one cell shows anything: the joints that it shows have a confidence of at most"
            " 0.87, and mosaics.min_confidence is 0.99; set mosaics.min_confidence lower: 0.05 to"
            " 0.1 for OpenPose, else 0.2 to 0.3",
        )
    ]
    assert not mosaic_of(tmp_path / "b", clip, PARAMS)


@pytest.mark.parametrize(
    ("place", "grey", "problem"),
    [
        ((WIDTH / 2, HEIGHT / 2, 0), 90, "no head, right hand, left hand, right foot or left foot"),
        ((6 * WIDTH, HEIGHT, 1), 90, "all its joints lie outside the frame; estimate the clip's"),
        ((WIDTH / 2, HEIGHT / 2, 1), 0, "its crops lie in black parts of the video; encode the"),
    ],
)
def test_no_way_to_a_black_mosaic_is_silent(
    tmp_path: Path, place: tuple[float, float, float], grey: int, problem: str
) -> None:
    clip = standing(12)
    clip.keypoints[:, 0] = 0
    clip.keypoints[:, 0, 8] = (40, 30, 1)  # the hips alone are no row of a mosaic
    if place[2]:
        clip.keypoints[:, 0] = place
    ((code, detail),) = mosaic_of(tmp_path, clip, grey=grey)
    assert code == "MOSAIC_BLACK"
    assert detail.startswith(f"not one cell shows anything: {problem}")


def test_one_cell_in_the_scored_columns_is_enough(tmp_path: Path) -> None:
    params = PARAMS.model_copy(update={"candidates": 11})
    shown = sample_candidates(24, 5, 11).tolist()
    clip = standing(24)
    clip.keypoints[..., 2] = 0
    clip.keypoints[shown[0], 0, :, 2] = 1  # a candidate, and not scored
    assert [code for code, _ in mosaic_of(tmp_path / "a", clip, params)] == ["MOSAIC_BLACK"]
    clip.keypoints[shown[1], 0, 0, 2] = 1
    assert not mosaic_of(tmp_path / "b", clip, params)
