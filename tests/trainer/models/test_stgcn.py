"""The graph network against a plain reading, and what it must not depend on."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from small_inputs import SMALL_GCN
from torch.nn import functional

from stroi.cache.layouts import BODY_25, Layout
from stroi.trainer.config import GcnConfig
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.joint_attention import joint_weights, row_weights
from stroi.trainer.models.layers import BlockShape
from stroi.trainer.models.skeleton_graph import adjacency
from stroi.trainer.models.stgcn import StGcnBlock

CLASSES = ("a", "b", "c")


def _net(seed: int = 0, layout: Layout = BODY_25, config: GcnConfig = SMALL_GCN) -> GraphNet:
    torch.manual_seed(seed)
    net = GraphNet(CLASSES, config, layout=layout)
    with torch.no_grad():
        for block in net.blocks:
            block.mask.uniform_(0.5, 1.5)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d):
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.5, 2)
    return net


def _input(count: int = 4, seed: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 2, 12, 25, 3, generator=random)
    present = torch.ones(count, 2, dtype=torch.bool)
    present[1::2, 1] = False
    x[~present] = 0
    return x, present


def _plain(net: GraphNet, body: np.ndarray) -> np.ndarray:
    """Last block's feature (C, T, V) of one body (T, V, 3), evaluation mode, term by term."""

    def norm(layer: torch.nn.Module, y: np.ndarray) -> np.ndarray:
        mean, var = layer.running_mean.numpy(), layer.running_var.numpy()
        scale = layer.weight.detach().numpy() / np.sqrt(var + layer.eps)
        shift = layer.bias.detach().numpy() - mean * scale
        return y * scale[:, None, None] + shift[:, None, None]

    frames, joints, axes = body.shape
    flat = norm(net.data_bn, body.reshape(frames, -1).T[:, :, None])[..., 0]
    y = flat.reshape(joints, axes, frames).transpose(1, 2, 0)
    for number, block in enumerate(net.blocks):
        graph = adjacency(net.layout, alpha=net.config.alpha) * block.mask.detach().numpy()
        kernel = block.spatial.weight.detach().numpy()[:, :, 0, 0].reshape(-1, 3, y.shape[0])
        z = sum(np.einsum("ctv,wv,dc->dtw", y, graph[k], kernel[:, k]) for k in range(3))
        z = np.maximum(norm(block.bn1, z), 0)
        weight = block.temporal.weight.detach().numpy()[..., 0]
        stride = block.temporal.stride[0]
        padded = np.pad(z, ((0, 0), (weight.shape[2] // 2,) * 2, (0, 0)))
        z = np.stack([
            np.einsum("ckv,dck->dv", padded[:, t : t + weight.shape[2]], weight)
            for t in range(0, y.shape[1], stride)
        ], axis=1)  # fmt: skip
        z = norm(block.bn2, z)
        if isinstance(block.shortcut, torch.nn.Identity):
            z = z + y
        elif number:
            conv, bn = block.shortcut
            side = np.einsum("ctv,dc->dtv", y[:, ::stride], conv.weight.detach().numpy()[..., 0, 0])
            z = z + norm(bn, side)
        y = np.maximum(z, 0)
    return y


def test_network_against_a_plain_reading() -> None:
    net = _net().eval()
    x, present = _input()
    with torch.no_grad():
        logits, feature = net(x, present)
    for n in range(len(x)):
        bodies = [_plain(net, x[n, m].numpy()) for m in range(2) if present[n, m]]
        for m, expected in enumerate(bodies):
            np.testing.assert_allclose(feature[n, m].numpy(), expected, atol=2e-4, rtol=1e-4)
        pooled = np.mean([body.mean((1, 2)) for body in bodies], axis=0)
        expected = net.fc.weight.detach().numpy() @ pooled + net.fc.bias.detach().numpy()
        np.testing.assert_allclose(logits[n].numpy(), expected, atol=2e-4, rtol=1e-4)


def _einsum(net: GraphNet, x: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """Logits as the formulas have it, in training mode without dropout.

    (N, C, T, V) throughout; the 1x1 convolution, the graph product, a strided convolution.
    """

    def norm(layer: torch.nn.Module, y: torch.Tensor) -> torch.Tensor:
        return functional.batch_norm(y, None, None, layer.weight, layer.bias, training=True)

    count, joints = len(x[present]), x.shape[3]
    y = x[present].permute(0, 2, 3, 1).reshape(count, joints * 3, -1)
    y = norm(net.data_bn, y).view(count, joints, 3, -1).permute(0, 2, 3, 1)
    for block in net.blocks:
        width = block.temporal.out_channels
        kernel = block.spatial.weight[:, :, 0, 0].view(width, 3, -1).transpose(0, 1)
        z = functional.conv2d(y, kernel.reshape(3 * width, -1)[:, :, None, None])
        z = z.view(count, 3, width, *z.shape[2:])
        z = torch.einsum("nkctv,kwv->nctw", z, block.graph * block.mask)
        z = norm(block.bn1, z).relu()
        stride, reach = block.stride, block.temporal.padding[0]
        z = norm(
            block.bn2, functional.conv2d(z, block.temporal.weight, None, (stride, 1), (reach, 0))
        )
        if isinstance(block.shortcut, torch.nn.Sequential):
            conv, bn = block.shortcut
            y = norm(bn, functional.conv2d(y, conv.weight, None, (stride, 1)))
        y = (z if block.shortcut is None else z + y).relu()
    pooled = torch.zeros(*present.shape, y.shape[1], dtype=y.dtype)
    pooled[present] = y.mean((2, 3))
    return net.fc(pooled.sum(1) / present.sum(1, keepdim=True))


@pytest.mark.parametrize("channels", [(8, 8, 12), (16, 64)])
def test_training_against_einsum_forward_and_backward(channels: tuple[int, ...]) -> None:
    """fp32 against the plain order of operations in float64, with the statistics of the batch."""
    strides = (1, 1, 2)[-len(channels) :]
    config = GcnConfig(frames=12, channels=channels, strides=strides, dropout=0.0)
    net = _net(config=config).train()
    exact = _net(config=config).double().train()
    x, present = _input()
    wanted = torch.linspace(-1, 1, 12).view(4, 3)
    logits, _ = net(x, present)
    (logits * wanted).sum().backward()
    expected = _einsum(exact, x.double(), present)
    (expected * wanted).sum().backward()
    torch.testing.assert_close(logits.double(), expected, rtol=1e-5, atol=1e-5)
    own = dict(net.named_parameters())
    largest = max(float(value.grad.abs().max()) for value in exact.parameters())
    for name, value in exact.named_parameters():
        far = float((own[name].grad - value.grad).abs().max())
        assert far < 1e-5 * largest, name


def test_default_shape_is_stgcn() -> None:
    net = GraphNet(CLASSES, GcnConfig(), layout=BODY_25)
    widths = [block.temporal.out_channels for block in net.blocks]
    assert widths == [64] * 4 + [128] * 3 + [256] * 3
    assert [block.temporal.stride[0] for block in net.blocks] == [1, 1, 1, 1, 2, 1, 1, 2, 1, 1]
    assert net.blocks[0].shortcut is None
    x = torch.zeros(1, 2, 64, 25, 3)
    with torch.no_grad():
        logits, feature = net.eval()(x, torch.tensor([[True, False]]))
    assert logits.shape == (1, 3)
    assert feature.shape == (1, 2, 256, 16, 25)


def test_permuting_the_joints_permutes_their_weights() -> None:
    order = torch.from_numpy(np.random.default_rng(0).permutation(25))
    shuffled = Layout(
        "shuffled",
        tuple(BODY_25.joints[j] for j in order),
        BODY_25.bones,
        BODY_25.centre,
        BODY_25.rows,
    )
    net, other = _net(), _net(layout=shuffled)
    state = net.state_dict()
    for name, value in state.items():
        if name.endswith("mask"):
            state[name] = value[:, order][:, :, order]
        elif name.startswith("data_bn.") and value.ndim:
            state[name] = value.view(25, 3)[order].flatten()
    other.load_state_dict(state)
    x, present = _input()
    with torch.no_grad():
        logits, feature = net.eval()(x, present)
        logits_other, feature_other = other.eval()(x[:, :, :, order], present)
    torch.testing.assert_close(logits_other, logits, rtol=1e-4, atol=1e-5)
    weights, weights_other = joint_weights(feature), joint_weights(feature_other)
    torch.testing.assert_close(weights_other, weights[..., order], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        row_weights(weights_other, present, layout=shuffled),
        row_weights(weights, present),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("training", [True, False])
def test_what_stands_at_an_absent_person_changes_no_bit(training: bool) -> None:
    one, two = _net().train(training), _net().train(training)
    x, present = _input()
    rubbish = x.clone()
    rubbish[~present] = 1e6
    torch.manual_seed(3)
    logits, feature = one(x, present)
    torch.manual_seed(3)
    logits_other, feature_other = two(rubbish, present)
    assert torch.equal(logits, logits_other)
    assert torch.equal(feature, feature_other)
    assert not feature[~present].any()
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name]), name


def test_absent_persons_alone_leave_the_mean_over_persons() -> None:
    net = _net().eval()
    x, present = _input(2)
    with torch.no_grad():
        both, _ = net(x[:1], present[:1])
        first, _ = net(x[:1], torch.tensor([[True, False]]))
        second, _ = net(x[:1], torch.tensor([[False, True]]))
    torch.testing.assert_close(both, (first + second) / 2, rtol=1e-5, atol=1e-6)


def test_batch_mates_change_nothing_in_evaluation() -> None:
    net = _net().eval()
    x, present = _input()
    with torch.no_grad():
        together, _ = net(x, present)
        alone = torch.cat([net(x[n : n + 1], present[n : n + 1])[0] for n in range(len(x))])
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-6)


def test_block_keeps_length_or_halves_it() -> None:
    graph = torch.from_numpy(adjacency(BODY_25))
    for frames, stride, expected in ((12, 1, 12), (12, 2, 6), (7, 2, 4), (1, 2, 1)):
        block = StGcnBlock(BlockShape(3, 8, stride, residual=True), graph, SMALL_GCN)
        assert block(torch.rand(2, 3, frames, 25)).shape == (2, 8, expected, 25)


def test_bf16_stays_close_to_fp32() -> None:
    net = _net().eval()
    x, present = _input()
    with torch.no_grad():
        exact, _ = net(x, present)
        with torch.autocast("cpu", torch.bfloat16):
            rough, feature = net(x, present)
    assert feature.dtype == torch.float32
    torch.testing.assert_close(rough.float(), exact, rtol=0.05, atol=0.05)


@pytest.mark.nightly
def test_narrow_strided_blocks_train_on_several_threads() -> None:
    """Widths at which torch's own strided 1x1 convolution destroys the heap, in a child process."""
    script = (
        "import torch\n"
        "from stroi.trainer.config import GcnConfig\n"
        "from stroi.trainer.models.graph_net import GraphNet\n"
        "torch.set_num_threads(2)\n"
        "for width in (8, 12):\n"
        "    config = GcnConfig(frames=12, channels=(width, width), strides=(1, 2))\n"
        "    net = GraphNet(('a', 'b'), config)\n"
        "    for _ in range(20):\n"
        "        x, present = torch.randn(11, 2, 12, 25, 3), torch.ones(11, 2, dtype=torch.bool)\n"
        "        net(x, present)[0].sum().backward()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
