"""What `ctrgcn` gains by 1x1 convolutions that are products of matrices.

    python benchmarks/pointwise.py

Trains the network of nucla_gcn.py on noise of its data's shape, one body per clip, with
`PointwiseConv` as it is and as torch's convolution, in turn in one process of one thread: processor
time per clip, medians of rounds. Writes benchmarks/results/pointwise.json. About a minute.
"""

from __future__ import annotations

import argparse
import json
import statistics
from importlib import metadata

import torch
from gcn_speed import CLASSES, timed, training
from make_repro import processor
from nucla_gcn import RESULTS, SETTINGS
from torch import Tensor, nn

from stroi.cache.layouts import KINECT_V1
from stroi.trainer.config import Precision
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.layers import PointwiseConv
from stroi.trainer.runtime import autocast, deterministic

SETTING = SETTINGS["ctrgcn"]
ROUNDS, STEPS = 9, 4
FORMS = {"products": PointwiseConv.forward, "convolutions": nn.Conv2d.forward}


def measured(precision: Precision) -> dict[str, list[float]]:
    """Milliseconds per clip of both forms, `ROUNDS` each."""
    config, clips = SETTING.config.replace(precision=precision), SETTING.schedule.batch_size
    net = GraphNet(CLASSES, config, layout=KINECT_V1)
    x = torch.randn(clips, 1, config.frames, len(KINECT_V1.joints), 3)
    present = torch.ones(clips, 1, dtype=torch.bool)

    def logits() -> Tensor:
        with autocast(torch.device("cpu"), precision):
            return net(x, present)[0]

    step = training(net, logits, clips)
    found: dict[str, list[float]] = {name: [] for name in FORMS}
    for _ in range(ROUNDS):
        for name, forward in FORMS.items():
            PointwiseConv.forward = forward  # type: ignore[method-assign]
            found[name].append(timed(step, clips, STEPS))
    return found


def main() -> None:
    """Measure, print, write."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    machine = {"cpu": processor(), "torch": metadata.version("torch")}
    result: dict[str, object] = {"machine": machine, "rounds": ROUNDS}
    with deterministic(0, 1):
        for precision in ("fp32", "bf16"):
            rows = measured(precision)
            middle = {name: statistics.median(values) for name, values in rows.items()}
            result[precision] = {
                "ms per clip": {name: round(value, 2) for name, value in middle.items()},
                "least to most": {
                    name: [round(min(values), 2), round(max(values), 2)]
                    for name, values in rows.items()
                },
                "ratio": round(middle["convolutions"] / middle["products"], 2),
            }
    print(json.dumps(result, indent=1))
    (RESULTS / "pointwise.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
