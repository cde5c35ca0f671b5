"""Three actions in one long video become three clips: the very ones that cutting it makes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from handmade_videos import mux

from stroi.cache.mosaics import MosaicCache
from stroi.cache.skeletons import SkeletonCache
from stroi.pipeline.index.ledger import read_ledger
from stroi.pipeline.index.table import Index, read_index
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import IndexParams, MosaicParams, SkeletonParams
from stroi.stages.demo.avi import encode_jpeg
from stroi.stages.demo.clips import plan_demo
from stroi.stages.demo.render import draw_frames
from stroi.stages.index import build_index
from stroi.stages.mosaics import build_mosaics
from stroi.stages.skeletons import build_skeletons

LABELS = ("drink", "give_letter", "step_fast")
FRAMES, PAUSE = 8, 4
STARTS = [PAUSE + number * (FRAMES + PAUSE) for number in range(3)]
HEADER = "sample_id,video,label,subject,camera,start,stop\n"


@dataclass(frozen=True)
class Built:
    """Folders of a data set's stages."""

    root: Path

    @property
    def index(self) -> Index:
        return read_index(self.root / "index")

    @property
    def skeletons(self) -> SkeletonCache:
        return SkeletonCache(self.root / "skeletons")

    @property
    def mosaics(self) -> MosaicCache:
        return MosaicCache(self.root / "mosaics")


def build(root: Path) -> Built:
    raw, store = root / "raw", root / "store"
    build_index(raw, root / "index", IndexParams(), Workers(), store)
    index = read_index(root / "index")
    skeletons = SkeletonParams(source="movenet", max_quarantined=0.5)
    build_skeletons(raw, index, root / "skeletons", skeletons, Workers(), store)
    params = MosaicParams(cell=32, size=160)
    build_mosaics(raw, index, root / "skeletons", root / "mosaics", params, Workers(), store)
    return Built(root)


@pytest.fixture(scope="module")
def actions() -> list[list[bytes]]:
    """Three actions, every frame coded by itself."""
    plan = plan_demo(seed=0, frames=(32, 36))
    clips = [next(one for one in plan if one.label == label) for label in LABELS]
    return [
        [encode_jpeg(frame, 95) for frame in islice(draw_frames(clip), FRAMES)] for clip in clips
    ]


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory, actions: list[list[bytes]]) -> Built:
    """One video with pauses in which nobody is there, and a table that cuts it."""
    root = tmp_path_factory.mktemp("long")
    (root / "raw").mkdir()
    pause = [encode_jpeg(np.full((240, 320, 3), 90, np.uint8), 95)] * PAUSE
    pictures = [*pause]
    for action in actions:
        pictures += [*action, *pause]
    assert len(pictures) == STARTS[2] + FRAMES + PAUSE
    data = mux(pictures, len(pictures), size=(320, 240))
    (root / "raw" / "long.avi").write_bytes(data)
    rows = [
        f"a{number},long.avi,{label},s1,c1,{start},{start + FRAMES}\n"
        for number, (label, start) in enumerate(zip(LABELS, STARTS, strict=True))
    ]
    rows.append(f"late,long.avi,drink,s1,c1,{len(pictures) - 3},{len(pictures) + 9}\n")
    (root / "raw" / "table.csv").write_text(HEADER + "".join(rows))
    return build(root)


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory, actions: list[list[bytes]]) -> Built:
    """The same three actions, each in a video of its own."""
    root = tmp_path_factory.mktemp("cut")
    (root / "raw").mkdir()
    rows = []
    for number, (label, action) in enumerate(zip(LABELS, actions, strict=True)):
        (root / "raw" / f"{number}.avi").write_bytes(mux(action, len(action), size=(320, 240)))
        rows.append(f"a{number},{number}.avi,{label},s1,c1,,\n")
    (root / "raw" / "table.csv").write_text(HEADER + "".join(rows))
    return build(root)


def test_the_index_has_one_digest_and_three_parts(long: Built) -> None:
    samples = long.index.samples[:3]
    assert [(one.start, one.stop) for one in samples] == [
        (start, start + FRAMES) for start in STARTS
    ]
    assert len({one.sha256 for one in long.index.samples}) == 1


def test_skeletons_are_those_of_the_cut_videos(long: Built, cut: Built) -> None:
    for number in range(3):
        found, expected = long.skeletons[f"a{number}"], cut.skeletons[f"a{number}"]
        assert len(found.keypoints) == FRAMES
        assert found.person_count == expected.person_count == (2 if number == 1 else 1)
        np.testing.assert_array_equal(found.keypoints, expected.keypoints)


def test_mosaics_are_those_of_the_cut_videos(long: Built, cut: Built) -> None:
    ids = [f"a{number}" for number in range(3)]
    assert list(long.mosaics.ids) == list(cut.mosaics.ids) == ids
    for name in ids:
        np.testing.assert_array_equal(long.mosaics[name], cut.mosaics[name])
    assert len({long.mosaics[name].tobytes() for name in ids}) == 3


def test_a_part_beyond_the_end_has_its_code(long: Built) -> None:
    (lost,) = read_ledger(long.root / "skeletons").quarantined
    assert (lost.id, lost.code) == ("late", "VIDEO_SEGMENT")
    assert "of which only 40 decode" in lost.detail
