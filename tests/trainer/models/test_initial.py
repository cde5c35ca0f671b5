"""Convolutions start as in He et al.; a network without memory costs nothing."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn

from stroi.trainer.models.initial import initialise_convolutions


def test_deviation_is_that_of_the_fan_out() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(16, 64, 3), nn.Linear(4, 4))
    before = network[1].weight.clone()
    initialise_convolutions(network)
    drawn = network[0].weight.detach()
    expected = (2 / (64 * 3 * 3)) ** 0.5
    assert abs(float(drawn.std()) - expected) < 0.03 * expected
    assert abs(float(drawn.mean())) < 0.03 * expected
    assert torch.equal(network[1].weight, before)


def test_shapes_alone_load_no_compiler() -> None:
    script = (
        "import sys, torch\nfrom stroi.trainer.models.resnet import ResNet\n"
        "with torch.device('meta'):\n    assert ResNet(9).fc.weight.is_meta\n"
        "assert 'sympy' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
