"""Every param of a profile with another value, and which keys change then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

PLAIN, FIXED, JOINT = ({mode} for mode in ("plain", "fixed", "end-to-end"))
RESNETS = PLAIN | FIXED | JOINT
TRAINED = RESNETS | {"gcn"}
NOTHING: set[str] = set()
HAS_GPU = torch.cuda.device_count() > 0

Params = Mapping[str, Any]
"""Params by their dotted paths."""


@dataclass(frozen=True)
class Case:
    """Another value of a param.

    Attributes:
        value: The value.
        keys: What has another key then.
        beside: Other params, before and after.
    """

    value: Any
    keys: set[str]
    beside: Params = field(default_factory=dict)


def schedule(branch: str, keys: set[str]) -> dict[str, list[Case]]:
    """The cases of a schedule."""
    at = f"{branch}.schedule"
    cosine, steady = {f"{at}.decay": "cosine"}, {f"{at}.milestones": ()}
    judged = {"splits.only.validation": {"by": "id", "values": ("clip1",)}}
    cases: dict[str, list[Case]] = {
        "epochs": [Case(2, keys)],
        "batch_size": [Case(3, keys)],
        "lr": [Case(0.02, keys)],
        "decay": [Case("cosine", keys)],
        "milestones": [Case((1,), keys), Case((1,), NOTHING, cosine)],
        "gamma": [Case(0.5, keys), Case(0.5, NOTHING, cosine), Case(0.5, NOTHING, steady)],
        "momentum": [Case(0.8, keys)],
        "nesterov": [Case(True, keys)],
        "weight_decay": [Case(0.001, keys)],
        "decay_all": [Case(False, keys), Case(False, NOTHING, {f"{at}.weight_decay": 0.0})],
        "warmup": [Case(1, keys)],
        "ema": [Case(0.9, keys)],
        "keep": [Case("best", keys, judged)],
        "accumulate": [Case(2, keys)],
        "patience": [Case(2, keys, judged)],
    }
    return {f"{at}.{name}": each for name, each in cases.items()}


OWN: Params = {"skeletons3d.format": "own", "skeletons.own.layout": "kinect_v2"}
OWN_VALUES: Params = {
    "layout": "kinect_v1",
    "unit": "mm",
    "cameras": {"any": {"size": (320, 240), "focal": (300.0, 300.0), "centre": (160.0, 120.0)}},
}

CASES: dict[str, list[Case]] = {
    "seeds": [Case((0, 1), NOTHING)],
    **{
        f"sample.{name}": [Case(value, NOTHING)]
        for name, value in {
            "seed": 1, "subjects": 3, "views": 1, "repeats": 2, "frames": (33, 34),
        }.items()
    },
    "index.adapter": [Case("folders", NOTHING)],
    "index.pattern": [Case("{subject}", NOTHING, {"index.adapter": "folders"})],
    "index.max_quarantined": [Case(0.5, NOTHING)],
    "skeletons3d.format": [Case("nucla", {"skeletons3d"})],
    **{
        f"skeletons.own.{name}": [Case(value, NOTHING), Case(value, {"skeletons3d"}, OWN)]
        for name, value in OWN_VALUES.items()
    },
    "skeletons3d.clips_per_shard": [Case(7, NOTHING)],
    "skeletons3d.max_quarantined": [Case(0.5, NOTHING)],
    **{
        f"mosaics.{name}": [
            Case(value, {"mosaics"}),
            Case(value, {"mosaics", "skeletons", "detections"}, {"skeletons.frames": "sampled"}),
        ]
        for name, value in {"columns": 6, "candidates": 9, "sampling": "centre"}.items()
    },
    **{
        f"mosaics.{name}": [
            Case(value, {"mosaics"}),
            Case(value, {"mosaics"}, {"skeletons.frames": "sampled"}),
        ]
        for name, value in {
            "rows": "upper_body", "cell": 48, "size": 100, "min_confidence": 0.3,
            "border": "edge", "missing": "nearest",
        }.items()
    },
    "mosaics.sample_by": [Case("time", {"mosaics"})],
    "mosaics.clips_per_shard": [Case(7, NOTHING)],
    "mosaics.max_quarantined": [Case(0.5, NOTHING)],
    # One more clip that does not train.
    "splits": [
        Case({"only": {"by": "split", "train": ("a",), "test": ("b",), "leave_out": ("clip1",)}},
             TRAINED),
        Case({"only": {"by": "split", "train": ("a",)}}, NOTHING),
    ],
    "gcn.model": [Case("ctrgcn", {"gcn"})],
    "gcn.streams": [Case(("joint", "bone"), NOTHING), Case(("bone",), {"gcn"})],
    "gcn.stream_weights": [Case((2.0,), NOTHING)],
    "gcn.centre": [Case("frame", {"gcn"}), Case("frame", NOTHING, {"gcn.streams": ("bone",)})],
    # Estimated skeletons lie in the picture; nothing turns there.
    "gcn.align": [Case("body", NOTHING)],
    "gcn.augment.rotate": [Case(9.0, NOTHING)],
    "gcn.topologies": [Case(4, NOTHING), Case(4, {"gcn"}, {"gcn.model": "ctrgcn"})],
    "gcn.alpha": [Case(0.1, {"gcn"}), Case(0.1, NOTHING, {"gcn.normalisation": "stgcn"})],
    "gcn.smoothing": [Case(0.1, {"gcn"}), Case(0.1, NOTHING, {"gcn.loss": "mse"})],
    "gcn.tta_copies": [Case(2, NOTHING, {"gcn.augment.tilt": 5.0})],
    "gcn.channels": [Case((8, 12), {"gcn"})],
    "gcn.precision": [Case("bf16", {"gcn"}, {"gcn.precision": "fp32"})],
    "resnet.precision": [Case("bf16", RESNETS, {"resnet.precision": "fp32"})],
    **{
        f"gcn.{name}": [Case(value, {"gcn"})]
        for name, value in {
            "frames": 10, "fill": "repeat", "size": "clip", "strides": (1, 1), "temporal_kernel": 5,
            "dropout": 0.1, "normalisation": "eq3", "loss": "mse", "augment.tilt": 9.0,
            "augment.scale": 0.1, "augment.shear": 0.1, "augment.time_crop": 0.9,
            "augment.time_jitter": 1.0, "augment.time_warp": 0.5, "augment.flip": 0.5,
            "augment.drop_frames": 0.1, "augment.drop_joints": 0.1,
        }.items()
    },
    **schedule("gcn", {"gcn"}),
    # Fixed mode has the weights from a file, whose content is in its key.
    "weights.formula": [Case("mean", JOINT)],
    "weights.person_pooling": [Case("mean", JOINT)],
    "weights.scale": [Case("clip", JOINT)],
    "weights.precision": [Case("bf16", JOINT), Case("bf16", NOTHING, {"weights.scale": "clip"})],
    "resnet.weight_position": [Case("before", FIXED | JOINT),
                     Case("before", RESNETS, {"resnet.missing": "zero"}),
                     Case("before", NOTHING, {"resnet.images": "cells"})],
    "resnet.images": [Case("cells", RESNETS)],
    "resnet.frozen_stages": [Case(1, RESNETS, {"resnet.start": "<start>"})],
    "resnet.frozen_batch_norm": [Case(True, RESNETS, {"resnet.start": "<start>"})],
    "resnet.backbone_lr": [Case(0.1, RESNETS)],
    "resnet.erase_area": [Case(0.2, NOTHING), Case(0.2, RESNETS, {"resnet.erase": 0.5})],
    "resnet.device": [Case("auto", RESNETS if HAS_GPU else NOTHING)],
    "resnet.window": [Case(8, NOTHING), Case(8, RESNETS, {"resnet.order": "windowed"})],
    "resnet.resident": [Case("never", NOTHING)],
    # Of one process there is no other batch than the whole one.
    "resnet.batch_norm": [Case("local", NOTHING)],
    "gcn.start": [Case("<gcn>", {"gcn"})],
    "gcn.start_sha256": [Case("<gcn's digest>", NOTHING, {"gcn.start": "<gcn>"})],
    "resnet.start": [Case("<start>", RESNETS)],
    "resnet.start_sha256": [Case("<digest>", NOTHING, {"resnet.start": "<start>"})],
    **{
        f"resnet.{name}": [Case(value, RESNETS)]
        for name, value in {
            "model": "resnet34", "dropout": 0.1, "missing": "zero",
            "loss": "mse", "flip": 0.5, "shift": 1, "brightness": 0.1, "contrast": 0.1,
            "saturation": 0.1, "erase": 0.5, "cell": 6, "order": "windowed", "compile": "kernels",
        }.items()
    },
    **schedule("resnet", RESNETS),
    "ensemble.scores": [Case("softmax", NOTHING)],
    "ensemble.alpha": [Case(2.0, NOTHING)],
    "ensemble.pairs": [Case({"both": ("wave", "kick")}, NOTHING)],
    "ensemble.methods": [],  # needs a plug-in: tests/test_extending.py
}  # fmt: skip

SOURCES = ("movenet", "openpose", "openpose-json", "onnx", "kinect", "own")
LOOKING = {"movenet", "openpose", "onnx"}
ALL = set(SOURCES)


@dataclass(frozen=True)
class Sourced:
    """Another value of a param of stage skeletons.

    Attributes:
        value: The value.
        found: Sources of which other people are found then.
        chosen: Those of which other skeletons are made of the same people.
        beside: Other params, before and after.
    """

    value: Any
    found: set[str]
    chosen: set[str]
    beside: Params = field(default_factory=dict)


OF_SOURCES: dict[str, list[Sourced]] = {
    "frames": [Sourced("sampled", LOOKING, NOTHING)],
    "input_size": [Sourced(192, {"movenet", "onnx", "openpose-json"}, NOTHING)],
    "openpose.root": [Sourced("<moved build>", NOTHING, NOTHING)],
    "openpose.models": [Sourced("<models of moved build>", NOTHING, NOTHING)],
    "openpose.weights_md5": [Sourced("<own md5>", NOTHING, NOTHING)],
    "openpose.num_gpu": [Sourced(2, NOTHING, NOTHING)],
    "openpose.num_gpu_start": [Sourced(1, NOTHING, NOTHING)],
    **{
        f"openpose.{name}": [Sourced(value, {"openpose"}, NOTHING)]
        for name, value in {
            "model": "COCO", "net_resolution": "-1x320", "scale_number": 2, "scale_gap": 0.3,
            "number_people_max": 2, "maximize_positives": 1,
        }.items()
    },
    "openpose_json.model": [Sourced("COCO", {"openpose-json"}, NOTHING)],
    "openpose_json.compare_frames": [Sourced(0, {"openpose-json"}, NOTHING)],
    "onnx.model": [Sourced("<moved network>", NOTHING, NOTHING)],
    "onnx.layout": [Sourced("halpe26", {"onnx"}, NOTHING)],
    **{f"own.{name}": [Sourced(value, {"own"}, NOTHING)] for name, value in OWN_VALUES.items()},
    "people": [Sourced(3, {"kinect", "own"}, ALL)],
    "subjects": [Sourced(1, NOTHING, ALL)],
    "min_presence": [Sourced(0.4, NOTHING, ALL), Sourced(0.4, NOTHING, NOTHING, {"subjects": 2})],
    "min_relative_size": [
        Sourced(0.4, NOTHING, ALL), Sourced(0.4, NOTHING, NOTHING, {"subjects": 1}),
    ],
    "fill_gap": [Sourced(2, NOTHING, ALL), Sourced(2, NOTHING, NOTHING, {"frames": "sampled"})],
    "clips_per_shard": [Sourced(7, NOTHING, NOTHING)],
    "max_quarantined": [Sourced(0.5, NOTHING, NOTHING)],
}  # fmt: skip
