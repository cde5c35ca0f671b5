"""The crops that an overlay draws are those that the mosaic has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.cache.skeletons import Clip
from stroi.pipeline.params.mosaic import MosaicParams
from stroi.stages.mosaic.cut import cut_mosaic
from stroi.stages.predict.overlay import frame_boxes

WIDTH, HEIGHT, FRAMES = 64, 48, 7
BLANK = np.zeros((HEIGHT, WIDTH, 3), np.uint8)


@pytest.mark.parametrize("missing", ["black", "nearest"])
@settings(derandomize=True, max_examples=20)
@given(seed=st.integers(0, 2**32 - 1), absent=st.sampled_from([0.0, 0.3, 0.9]))
def test_boxes_of_a_frame_are_those_of_its_column(missing: str, seed: int, absent: float) -> None:
    random = np.random.default_rng(seed)
    keypoints = random.uniform(0, 60, (FRAMES, 2, 25, 3)).astype(np.float32)
    keypoints[..., 2] = random.random((FRAMES, 2, 25)) >= absent
    clip = Clip(keypoints, 2, WIDTH, HEIGHT, 25.0)
    params = MosaicParams.model_validate({"cell": 16, "size": "native", "missing": missing})
    every = np.arange(FRAMES, dtype=np.int32)
    cut = cut_mosaic(dict.fromkeys(range(FRAMES), BLANK), clip, every, params)
    for at in range(FRAMES):
        boxes, valid = frame_boxes(BLANK, clip, at, params)
        np.testing.assert_array_equal(boxes, cut.box[:, at])
        np.testing.assert_array_equal(valid, cut.valid[:, at])
