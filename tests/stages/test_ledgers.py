"""A run over 12 good and 12 bad videos: every one is accounted for in every stage."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from handmade_videos import jpeg, mux, write
from numbered import write_video
from numpy.typing import NDArray
from passing import passing

from stroi.pipeline.index.ledger import Ledger, read_ledger
from stroi.pipeline.index.table import read_index
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import IndexParams, MosaicParams, SkeletonParams
from stroi.stages.index import build_index
from stroi.stages.mosaics import build_mosaics
from stroi.stages.skeletons import build_skeletons

Picture = NDArray[np.uint8]
FRAMES = 12
H264 = {"bf": "3", "sc_threshold": "0"}


@pytest.fixture(scope="module")
def people() -> list[Picture]:
    """Two people, still apart."""
    pictures = passing(0).pictures()
    return [next(pictures) for _ in range(FRAMES)]


def folder(path: Path, pictures: list[Picture], name: str) -> Path:
    path.mkdir()
    for number, picture in enumerate(pictures):
        assert cv2.imwrite(str(path / name.format(number=number)), picture)
    return path


def coded(codec: str, steps: tuple[int, ...] = (1,)) -> Callable[[Path, list[Picture]], object]:
    options = {"mpeg4": {"bf": "2", "qscale": "3"}, "mjpeg": {"qscale": "3"}}.get(codec, H264)
    return lambda path, people: write_video(
        path, codec, people, options=options, gop=1000, steps=steps
    )


def headed(declared: int) -> Callable[[Path, list[Picture]], object]:
    return lambda path, people: path.write_bytes(
        mux([jpeg(picture) for picture in people], declared, size=(320, 240))
    )


def xvid(path: Path, people: list[Picture]) -> None:
    # OpenCV's encoder takes a percent sign for a pattern.
    write(path.with_name("plain.avi"), "XVID", people).rename(path)


GOOD: dict[str, Callable[[Path, list[Picture]], object]] = {
    "mjpg.avi": lambda path, people: write(path, "MJPG", people),
    "mjpg.mkv": coded("mjpeg"),
    "b-frames.avi": coded("mpeg4"),
    "b-frames.mp4": coded("mpeg4"),
    "long-gop.mp4": coded("libx264"),
    "long-gop.mkv": coded("libx264"),
    "long-gop.avi": coded("libx264"),
    "uneven-times.mp4": coded("libx264", (1, 5, 2)),
    "lying header.avi": headed(100_000),
    "größe 25 %.avi": xvid,
    "nucla": lambda path, people: folder(path, people, "frame_{number}_tc_7{number}_rgb.jpg"),
    "images": lambda path, people: folder(path, people, "{number:05d}.png"),
}  # fmt: skip


def cut(path: Path, people: list[Picture]) -> None:
    coded("mpeg4")(path, people)
    os.truncate(path, path.stat().st_size // 2)


def damaged(path: Path, people: list[Picture]) -> None:
    pictures = [jpeg(picture) for picture in people * 2]
    pictures[10:14] = [bytes(2000)] * 4
    path.write_bytes(mux(pictures, len(pictures), size=(320, 240)))


def one_missing(path: Path, people: list[Picture]) -> None:
    (folder(path, people, "{number}.png") / "5.png").unlink()


def one_cut(path: Path, people: list[Picture]) -> None:
    os.truncate(folder(path, people, "{number}.png") / "5.png", 1000)


def two_sizes(path: Path, people: list[Picture]) -> None:
    folder(path, [*people[:6], *(picture[:200] for picture in people[6:])], "{number}.png")


def nobody(path: Path, people: list[Picture]) -> None:
    write(path, "MJPG", [np.full_like(people[0], 90)] * FRAMES)


BAD: dict[str, tuple[Callable[[Path, list[Picture]], object], str]] = {
    "gone.avi": (lambda path, people: None, "VIDEO_MISSING"),
    "fifo.avi": (lambda path, people: os.mkfifo(path), "VIDEO_MISSING"),
    "empty.avi": (lambda path, people: path.touch(), "VIDEO_EMPTY"),
    "playlist.avi": (
        lambda path, people: path.write_text("ffconcat version 1.0\nfile mjpg.avi\n"),
        "VIDEO_MAGIC",
    ),
    "cut.mp4": (cut, "VIDEO_OPEN"),
    "cut.mkv": (cut, "VIDEO_FRAMES"),
    "damaged.avi": (damaged, "VIDEO_FRAMES"),
    "cut.ts": (cut, "VIDEO_FRAMES"),
    "number missing": (one_missing, "VIDEO_FRAMES"),
    "image cut": (one_cut, "VIDEO_FRAMES"),
    "two sizes": (two_sizes, "VIDEO_SIZE"),
    "nobody.avi": (nobody, "NO_PERSON"),
}
UNEVEN = "; variable frame rate (33 to 167 ms from frame to frame)"
BY_NUMBER = f"{UNEVEN}, sampled by frame number"
AT_THE_INDEX = {"gone.avi", "fifo.avi", "number missing"}
FORETOLD = {
    "empty.avi", "playlist.avi", "cut.mp4", "cut.mkv", "cut.ts", "image cut", "two sizes",
}  # fmt: skip
IDS = {name: f"clip{number:02d}" for number, name in enumerate((*GOOD, *BAD))}


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory, people: list[Picture]) -> list[Ledger]:
    """The ledgers of index, skeletons and mosaics, as they were written."""
    root = tmp_path_factory.mktemp("data")
    raw = root / "raw"
    raw.mkdir()
    for name, make in (GOOD | {name: make for name, (make, _) in BAD.items()}).items():
        make(raw / name, people)
    rows = "".join(f"{IDS[name]},{name},any,s,c\n" for name in IDS)
    (raw / "table.csv").write_text(f"sample_id,video,label,subject,camera\n{rows}")
    out = [root / name for name in ("index", "skeletons", "mosaics")]
    build_index(raw, out[0], IndexParams(max_quarantined=1), Workers(), root / "store")
    index = read_index(out[0])
    build_skeletons(
        raw, index, out[1], SkeletonParams(source="movenet", max_quarantined=1),
        Workers(), root / "store",
    )  # fmt: skip
    build_mosaics(
        raw, index, out[1], out[2], MosaicParams(cell=32, size=160, max_quarantined=1),
        Workers(), root / "store",
    )  # fmt: skip
    return [read_ledger(folder) for folder in out]


def test_every_clip_is_in_one_place(ledgers: list[Ledger]) -> None:
    index, skeletons, mosaics = ledgers
    assert index.summary() == "24 clips = 21 done + 3 quarantined"
    assert skeletons.summary() == "21 clips = 12 done + 9 quarantined"
    assert mosaics.summary() == "12 clips = 12 done + 0 quarantined"
    assert {one.id for one in index.outcomes} == set(IDS.values())
    assert {one.id for one in skeletons.outcomes} == set(index.done)
    assert {one.id for one in mosaics.outcomes} == set(skeletons.done)


def test_good_ones_come_through_and_it_is_said_what_was_done(ledgers: list[Ledger]) -> None:
    assert set(ledgers[2].done) == {IDS[name] for name in GOOD}
    for one in ledgers[1].outcomes:
        if one.done:
            assert one.detail.startswith(
                f"movenet; 2 of at most 2 people in {FRAMES} frames, seen in "
            )
            assert one.detail.endswith((" missing joints interpolated", UNEVEN))
            assert one.detail.endswith(UNEVEN) == (one.id == IDS["uneven-times.mp4"])
    for one in ledgers[2].outcomes:
        assert one.detail.startswith("2 people in 5 of the frames 2 to 10; ")
        assert one.detail.endswith((" of 50 cells missing", BY_NUMBER))
        assert one.detail.endswith(BY_NUMBER) == (one.id == IDS["uneven-times.mp4"])


def test_the_index_names_the_videos_that_later_stages_refuse(ledgers: list[Ledger]) -> None:
    told = {one.id: one.detail for one in ledgers[0].outcomes if one.done}
    later = {one.id: one.code for one in ledgers[1].quarantined}
    assert {name for name in IDS if told.get(IDS[name])} == FORETOLD
    for name in FORETOLD:
        code = later[IDS[name]]
        assert told[IDS[name]].startswith(f"its video cannot be used: {code}: '{name}")


def test_bad_ones_have_a_code_a_sentence_and_a_remedy(ledgers: list[Ledger]) -> None:
    lost = {one.id: one for ledger in ledgers for one in ledger.quarantined}
    assert {name: lost[IDS[name]].code for name in BAD} == {
        name: code for name, (_, code) in BAD.items()
    }
    assert {one.id for one in ledgers[0].quarantined} == {IDS[name] for name in AT_THE_INDEX}
    for one in lost.values():
        problem, _, remedy = one.detail.rpartition("; ")
        assert min(len(problem), len(remedy)) > 15
        assert one.detail.isascii()
        assert one.detail.isprintable()
