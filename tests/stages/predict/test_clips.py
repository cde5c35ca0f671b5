"""Who counts in a clip, and whether the crops fit them."""

from __future__ import annotations

import numpy as np
import pytest
from small_inputs import clip

from stroi.cache.skeletons import Clip
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.mosaic.cut import cut_mosaic
from stroi.stages.predict.clips import CutMosaics, scale_note, scored_mosaic, subjects


def _person(height: float, seen: int = 10) -> Clip:
    keypoints = np.zeros((10, 2, 25, 3), np.float32)
    keypoints[:seen, 0, :, :2] = np.linspace(10, 10 + height, 25)[:, None]
    keypoints[:seen, 0, :, 2] = 1
    return Clip(keypoints, 1, 2000, 2000, 25.0)


def test_a_subject_is_where_the_joints_are() -> None:
    [one] = subjects(_person(200, seen=4))
    assert one.name == "the person"
    assert one.box == pytest.approx((10, 10, 210, 210))
    assert one.seen == pytest.approx(0.4)
    left, right = subjects(clip(1, persons=2))
    assert (left.name, right.name) == ("left", "right")
    assert left.box[0] < right.box[0]


def test_crops_of_another_scale_are_told() -> None:
    params = MosaicParams(cell=48)
    assert scale_note(_person(240), params) == ""
    assert scale_note(_person(1000), params) == (
        "crops of 48 px for people of 1000 px: scale the video until they are as large as in the"
        " clips that the run was trained on"
    )
    assert "for people of 60 px" in scale_note(_person(60), params)
    assert scale_note(_person(1000), MosaicParams(rows="full_body")) == ""  # type: ignore[arg-type]


def test_mosaics_in_memory_are_read_as_those_of_a_cache() -> None:
    params = MosaicParams(columns=2, candidates=5, size=40, cell=16)
    frames = {at: np.full((2000, 2000, 3), 40 * at + 40, np.uint8) for at in range(5)}
    cut = cut_mosaic(frames, _person(200), np.arange(5, dtype=np.int32), params)
    mosaics = CutMosaics({"b": cut, "a": cut}, params)
    assert mosaics.shape == cut.mosaic.shape
    assert mosaics.scored.tolist() == [1, 3]
    out = np.zeros((2, 40, 16, 3), np.uint8)
    mosaics.batch(["a", "b"], out, columns=np.array([[1, 3], [0, 4]]))
    np.testing.assert_array_equal(out[0], scored_mosaic(cut, params))
    assert np.unique(out[0]).tolist() == [80, 160]
    assert np.unique(out[1]).tolist() == [40, 200]
    assert mosaics.valid(["a"]).shape == (1, 2, 5, 5)
    assert mosaics.person_count(["b", "a"]).tolist() == [1, 1]
