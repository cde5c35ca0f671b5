"""Scores and weights are computed from the very input that the network trained on."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from small_inputs import CLASSES, SMALL_GCN, clip

from stroi.cache.layouts import KINECT_V1
from stroi.cache.skeletons import Clip
from stroi.cache.skeletons3d import JointClip
from stroi.trainer.config import Align, Centre, Size, Stream
from stroi.trainer.data.skeleton_input import prepare_all
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.joint_attention import joint_weights
from stroi.trainer.score_gcn import compute_weights, score_gcn

STREAMS: tuple[Stream, ...] = ("joint", "bone", "joint_motion", "bone_motion")
CENTRES: tuple[Centre, ...] = ("clip", "frame")
SIZES: tuple[Size, ...] = ("measured", "clip")
ALIGNS: tuple[Align, ...] = ("none", "heading", "body")


def _sensor_clip(seed: int, persons: int) -> JointClip:
    """Bodies of different height that walk, in m; some joints unseen."""
    random = np.random.default_rng(seed)
    shape = (14, 2, len(KINECT_V1.joints))
    size = np.array([1.0, 0.6])[None, :, None, None]
    position = size * random.normal(0, 0.5, (*shape, 3)) + random.normal(0, 2, (1, 2, 1, 3))
    position += random.normal(0, 0.02, (*shape, 3)).cumsum(0)
    state = np.where(random.random(shape) < 0.05, 0, 2).astype(np.uint8)
    state[:, persons:] = 0
    position[state == 0] = 0
    return JointClip(position.astype(np.float32), state, persons, KINECT_V1, 30.0)


ESTIMATED: dict[str, Clip | JointClip] = {
    "one": clip(0, persons=1),
    "two": clip(1, persons=2),
    "too": clip(2, persons=2, label=1),
}
SENSED: dict[str, Clip | JointClip] = {
    "one": _sensor_clip(0, 1),
    "two": _sensor_clip(1, 2),
    "too": _sensor_clip(2, 2),
}


@pytest.mark.parametrize(("stream", "centre"), list(product(STREAMS, CENTRES)))
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("align", ALIGNS)
@pytest.mark.parametrize("clips", [ESTIMATED, SENSED], ids=["estimated", "sensor"])
def test_scores_and_weights_are_those_of_the_training_input(
    clips: dict[str, Clip | JointClip], align: Align, size: Size, stream: Stream, centre: Centre
) -> None:
    """One pass of whole clips, as training and export do it, against scoring body by body."""
    config = SMALL_GCN.replace(align=align, size=size, stream=stream, centre=centre)
    data = prepare_all(clips, tuple(clips), **config.preparation)
    torch.manual_seed(1)
    net = GraphNet(CLASSES, config, data.layout).eval()
    with torch.no_grad():
        logits, feature = net(torch.from_numpy(data.x), torch.from_numpy(data.present))
    np.testing.assert_allclose(
        score_gcn(net, clips, tuple(clips)).logits, logits.numpy(), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(
        compute_weights(net, clips, tuple(clips))[0].joint_weights,
        joint_weights(feature).numpy(),
        rtol=1e-4,
        atol=1e-6,
    )


def test_a_clips_height_is_that_of_both_persons() -> None:
    """The stream of a clip is not that of its bodies: what made scores differ before."""
    config = SMALL_GCN.replace(size="clip")
    data = prepare_all(ESTIMATED, ("two",), **config.preparation)
    net = GraphNet(CLASSES, config, data.layout)
    x = torch.from_numpy(data.x)
    together, alone = net.stream(x), net.stream(x[:, :1])
    assert not torch.allclose(together[:, :1], alone, atol=0.01)
