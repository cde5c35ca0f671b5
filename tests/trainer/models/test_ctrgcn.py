"""The refined graph network against a plain reading, and what it must not depend on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from small_inputs import CLASSES, IDS, LABELS, QUICK, SMALL_GCN, clips
from torch import Tensor, nn
from trainings import gcn_trained

from stroi.cache.layouts import BODY_25, Layout
from stroi.trainer.config import GcnConfig, Schedule, Stream
from stroi.trainer.metrics.accuracy import accuracy
from stroi.trainer.models.ctrgcn import CtrGraphConv, MultiScaleTemporalConv
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.input_streams import compute_stream
from stroi.trainer.models.joint_attention import joint_weights
from stroi.trainer.network_files.network_file import load_gcn, save_gcn
from stroi.trainer.plugins import GROUPS
from stroi.trainer.run.run_key import model_digest
from stroi.trainer.score_gcn import compute_weights, score_gcn

SMALL = SMALL_GCN.replace(
    model="ctrgcn", channels=(8, 8, 16), strides=(1, 1, 2), topologies=4, dropout=0.0
)


def net_of(config: GcnConfig = SMALL, layout: Layout = BODY_25, seed: int = 0) -> GraphNet:
    """A network whose refinement counts and whose normalisation layers have measured something."""
    torch.manual_seed(seed)
    net = GraphNet(("a", "b", "c"), config, layout)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, CtrGraphConv):
                module.alpha.fill_(0.7)
                module.graph.mul_(torch.empty_like(module.graph).uniform_(0.5, 1.5))
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.5, 2)
    return net


def inputs(count: int = 4, seed: int = 1) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 2, 12, 25, 3, generator=random)
    present = torch.ones(count, 2, dtype=torch.bool)
    present[1::2, 1] = False
    x[~present] = 0
    return x, present


def scaled(layer: nn.Module, y: np.ndarray) -> np.ndarray:
    """Batch normalisation of (C, ...) in evaluation mode."""
    shape = (-1, *[1] * (y.ndim - 1))
    mean, var = layer.running_mean.numpy(), layer.running_var.numpy()
    scale = layer.weight.detach().numpy() / np.sqrt(var + layer.eps)
    shift = layer.bias.detach().numpy() - mean * scale
    return y * scale.reshape(shape) + shift.reshape(shape)


def linear(layer: nn.Module, y: np.ndarray) -> np.ndarray:
    """A 1x1 convolution of (C, ...)."""
    weight = layer.weight.detach().numpy().reshape(layer.weight.shape[0], -1)
    mixed = np.tensordot(weight, y, 1)
    if layer.bias is None:
        return mixed
    return mixed + layer.bias.detach().numpy().reshape(-1, *[1] * (y.ndim - 1))


def graph_part(layer: CtrGraphConv, x: np.ndarray) -> np.ndarray:
    """(C_in, T, V) to (C, T, V), one subset, channel and pair of joints at a time."""
    related = linear(layer.relate, x.mean(1))
    reduced, joints = layer.reduced, x.shape[2]
    channels = layer.value[0].weight.shape[0]
    expand = layer.expand.weight.detach().numpy()[:, :, 0, 0]
    bias = layer.expand.bias.detach().numpy()
    out = np.zeros((channels, *x.shape[1:]))
    for k in range(3):
        p, q = (related[(3 * side + k) * reduced :][:reduced] for side in (0, 1))
        mixed = linear(layer.value[k], x)
        for c in range(channels):
            row = k * layer.topologies + c // (channels // layer.topologies)
            for i in range(joints):
                for j in range(joints):
                    refined = expand[row] @ np.tanh(p[:, j] - q[:, i]) + bias[row]
                    edge = layer.graph[k, i, j].item() + layer.alpha.item() * refined
                    out[c, :, i] += edge * mixed[c, :, j]
    return scaled(layer.bn, out)


def time_part(layer: MultiScaleTemporalConv, x: np.ndarray) -> np.ndarray:
    """(C, T, V) to (C, T', V), branch by branch."""
    reduced, part = scaled(layer.bn_reduce, linear(layer.reduce, x)), layer.width
    near = np.maximum(reduced[: 3 * part], 0)
    frames = range(0, x.shape[1], layer.stride)
    branches = []
    for number, conv in enumerate(layer.dilated):
        weight, bias = conv.weight.detach().numpy()[..., 0], conv.bias.detach().numpy()
        step, reach = number + 1, weight.shape[2] // 2
        own = np.pad(near[number * part : (number + 1) * part], ((0, 0), (2 * reach,) * 2, (0, 0)))
        branches.append(np.stack([
            sum(weight[:, :, k] @ own[:, t + 2 * reach + step * (k - reach)]
                for k in range(weight.shape[2])) + bias[:, None]
            for t in frames
        ], axis=1))  # fmt: skip
    own = near[2 * part :]
    branches.append(np.stack([own[:, max(0, t - 1) : t + 2].max(1) for t in frames], axis=1))
    branches.append(reduced[3 * part :, :: layer.stride])
    return scaled(layer.bn, np.concatenate(branches))


def test_network_against_a_plain_reading() -> None:
    config = SMALL.replace(channels=(8, 16), strides=(1, 2))
    net = net_of(config).eval()
    x, present = inputs(1)
    with torch.no_grad():
        logits, feature = net(x, present)
    bodies = []
    for m in range(2):
        flat = x[0, m].numpy().reshape(12, -1).T
        y = scaled(net.data_bn, flat).reshape(25, 3, 12).transpose(1, 2, 0)
        for number, block in enumerate(net.blocks):
            shortcut = y
            if isinstance(block.shortcut, nn.Sequential):
                shortcut = scaled(block.shortcut[1], linear(block.shortcut[0], y))
            z = time_part(block.temporal, np.maximum(graph_part(block.spatial, y) + shortcut, 0))
            y = np.maximum(z + (shortcut[:, :: block.stride] if number else 0), 0)
        np.testing.assert_allclose(feature[0, m].numpy(), y, atol=2e-4, rtol=1e-4)
        bodies.append(y.mean((1, 2)))
    expected = net.fc.weight.detach().numpy() @ np.mean(bodies, 0) + net.fc.bias.detach().numpy()
    np.testing.assert_allclose(logits[0].numpy(), expected, atol=2e-4, rtol=1e-4)


def test_permuting_the_joints_permutes_their_weights() -> None:
    order = torch.from_numpy(np.random.default_rng(0).permutation(25))
    names = tuple(BODY_25.joints[j] for j in order)
    shuffled = Layout("shuffled", names, BODY_25.bones, BODY_25.centre)
    net, other = net_of(), net_of(layout=shuffled)
    state = net.state_dict()
    for name, value in state.items():
        if name.endswith("spatial.graph"):
            state[name] = value[:, order][:, :, order]
        elif name.startswith("data_bn.") and value.ndim:
            state[name] = value.view(25, 3)[order].flatten()
    other.load_state_dict(state)
    x, present = inputs()
    with torch.no_grad():
        logits, feature = net.eval()(x, present)
        logits_other, feature_other = other.eval()(x[:, :, :, order], present)
    torch.testing.assert_close(logits_other, logits, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        joint_weights(feature_other), joint_weights(feature)[..., order], rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("model", GROUPS["graph_nets"].built_in)
@pytest.mark.parametrize("stream", ["joint", "bone", "joint_motion", "bone_motion"])
def test_every_backbone_sees_its_stream(model: str, stream: Stream) -> None:
    config = SMALL.replace(model=model)
    torch.manual_seed(0)
    plain, other = net_of(config).eval(), net_of(config.replace(stream=stream)).eval()
    other.load_state_dict(plain.state_dict())
    x, present = inputs()
    with torch.no_grad():
        expected, _ = plain(compute_stream(x, BODY_25, stream), present)
        got, _ = other(x, present)
    assert torch.equal(got, expected)


@pytest.mark.parametrize("training", [True, False])
def test_what_stands_at_an_absent_person_changes_no_bit(training: bool) -> None:
    one, two = net_of().train(training), net_of().train(training)
    x, present = inputs()
    rubbish = x.clone()
    rubbish[~present] = 1e6
    logits, feature = one(x, present)
    logits_other, feature_other = two(rubbish, present)
    assert torch.equal(logits, logits_other)
    assert torch.equal(feature, feature_other)
    assert not feature[~present].any()
    assert model_digest(one) == model_digest(two)


def test_batch_mates_change_nothing_in_evaluation() -> None:
    net = net_of().eval()
    x, present = inputs()
    with torch.no_grad():
        together, _ = net(x, present)
        alone = torch.cat([net(x[n : n + 1], present[n : n + 1])[0] for n in range(len(x))])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


def test_feature_is_shaped_for_eq_4() -> None:
    logits, feature = net_of()(*inputs())
    assert logits.shape == (4, 3)
    assert feature.shape == (4, 2, 16, 6, 25)
    assert (feature >= 0).all()


def test_at_first_no_topology_is_refined_and_every_one_gets_a_gradient() -> None:
    torch.manual_seed(0)
    net = GraphNet(CLASSES, SMALL)
    block = net.blocks[0]
    first = block.spatial.topology(torch.randn(2, 3, 12, 25))
    for k in range(3):
        expected = block.spatial.graph[k].T.expand(2, block.spatial.topologies, 25, 25)
        torch.testing.assert_close(first[k], expected)
    net = net_of()
    net(*inputs())[0].square().sum().backward()
    for name, value in net.named_parameters():
        assert value.grad is not None, name


def test_learns_repeats_and_comes_back_from_its_file(tmp_path: Path) -> None:
    schedule = Schedule(epochs=40, batch_size=8, lr=0.1, milestones=(35,))
    net = gcn_trained(clips(), LABELS, CLASSES, config=SMALL, schedule=schedule, seed=0)
    scores = score_gcn(net, clips(), IDS)
    assert accuracy(scores.logits, np.array([LABELS[name] for name in scores.ids])) == 1
    path = tmp_path / "net.safetensors"
    save_gcn(path, net)
    loaded = load_gcn(path)
    assert (loaded.config, loaded.classes) == (net.config, net.classes)
    assert model_digest(loaded) == model_digest(net)
    weights = compute_weights(loaded, clips(), IDS)[0]
    np.testing.assert_allclose(weights.row_weights.mean(2), 1, rtol=1e-5)
    again = [
        model_digest(gcn_trained(clips(), LABELS, CLASSES, config=SMALL, schedule=QUICK, seed=0))
        for _ in range(2)
    ]
    assert again[0] == again[1]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"temporal_kernel": 4}, "a temporal_kernel of 4 frames has no middle"),
        ({"channels": (8, 8, 10)}, "channels of ctrgcn: multiples of 4 and of 4"),
        ({"topologies": 3}, "channels of ctrgcn: multiples of 4 and of 3"),
        ({"strides": (1, 2)}, "3 channels, 2 strides: one each per block"),
    ],
)
def test_what_cannot_be_built_is_refused(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        SMALL.replace(**changes)


def test_as_many_topologies_as_channels_is_the_papers() -> None:
    net = GraphNet(CLASSES, SMALL.replace(topologies=1000))
    assert [block.spatial.topologies for block in net.blocks] == [8, 8, 16]
