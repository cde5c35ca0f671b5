"""Clips whose mosaic would show nothing are left out with the reason."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest
from grey_videos import HEIGHT, PARAMS, WIDTH, sample, standing
from small_caches import write_skeletons

from stroi.cache.errors import StroiError
from stroi.cache.skeletons import Clip
from stroi.pipeline.index.ledger import read_ledger
from stroi.pipeline.index.table import Index
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.mosaics import build_mosaics
from stroi.stages.video.frame_sampling import sample_candidates


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
