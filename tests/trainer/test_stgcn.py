"""The graph network against a plain reading, and what it must not depend on."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_inputs import SMALL_GCN

from stroi.cache.errors import ParamsError
from stroi.cache.layouts import BODY_25, Layout
from stroi.trainer.config import GcnConfig
from stroi.trainer.graph import adjacency
from stroi.trainer.joint_weights import joint_weights
from stroi.trainer.dropout import Dropout
from stroi.trainer.stgcn import Block, StGcn

CLASSES = ("a", "b", "c")


def _net(seed: int = 0, layout: Layout = BODY_25, config: GcnConfig = SMALL_GCN) -> StGcn:
    torch.manual_seed(seed)
    net = StGcn(CLASSES, config, layout=layout)
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


def _plain(net: StGcn, body: np.ndarray) -> np.ndarray:
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


def test_default_shape_is_stgcn() -> None:
    net = StGcn(CLASSES, GcnConfig(), layout=BODY_25)
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
    torch.testing.assert_close(
        joint_weights(feature_other), joint_weights(feature)[..., order], rtol=1e-4, atol=1e-5
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


def test_dropout_keeps_half_and_the_mean() -> None:
    torch.manual_seed(0)
    dropout = Dropout(0.5)
    got = dropout(torch.ones(1000, 99))
    assert set(got.unique().tolist()) == {0.0, 2.0}
    assert abs(float(got.mean()) - 1) < 0.01
    assert dropout(torch.ones(7)).shape == (7,)


@pytest.mark.parametrize(("p", "kept"), [(0.0, 256), (0.25, 192), (0.9, 26)])
def test_dropout_share(p: float, kept: int) -> None:
    torch.manual_seed(0)
    got = Dropout(p)(torch.ones(200_000))
    assert float((got > 0).float().mean()) == pytest.approx(kept / 256, abs=0.005)
    assert float(got.max()) == pytest.approx(256 / kept)


def test_dropout_masks_the_elements_of_a_channels_last_picture() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, 4, 5).add(1).to(memory_format=torch.channels_last).requires_grad_()
    got = Dropout(0.5)(x)
    (gradient,) = torch.autograd.grad(got.sum(), x)
    np.testing.assert_allclose(got.detach().numpy(), (x * gradient).detach().numpy())
    assert got.is_contiguous(memory_format=torch.channels_last)


def test_dropout_is_off_in_evaluation() -> None:
    x = torch.rand(5, 5)
    assert torch.equal(Dropout(0.5).eval()(x), x)


def test_block_keeps_length_or_halves_it() -> None:
    graph = torch.from_numpy(adjacency(BODY_25))
    for frames, stride, expected in ((12, 1, 12), (12, 2, 6), (7, 2, 4), (1, 2, 1)):
        block = Block(3, 8, stride, shortcut=True, graph=graph, config=SMALL_GCN)
        assert block(torch.rand(2, 3, frames, 25)).shape == (2, 8, expected, 25)


def test_even_temporal_kernel_is_refused() -> None:
    with pytest.raises(
        ParamsError, match="GCN_KERNEL: a temporal kernel of 4 frames has no middle"
    ):
        StGcn(CLASSES, replace(SMALL_GCN, temporal_kernel=4))


def test_bf16_stays_close_to_fp32() -> None:
    net = _net().eval()
    x, present = _input()
    with torch.no_grad():
        exact, _ = net(x, present)
        with torch.autocast("cpu", torch.bfloat16):
            rough, feature = net(x, present)
    assert feature.dtype == torch.float32
    torch.testing.assert_close(rough.float(), exact, rtol=0.05, atol=0.05)


def test_narrow_strided_blocks_train_on_several_threads() -> None:
    """Widths at which torch's own strided 1x1 convolution destroys the heap, in a child process."""
    script = (
        "import torch\n"
        "from stroi.trainer.config import GcnConfig\n"
        "from stroi.trainer.stgcn import StGcn\n"
        "torch.set_num_threads(2)\n"
        "for width in (8, 12):\n"
        "    config = GcnConfig(frames=12, channels=(width, width), strides=(1, 2))\n"
        "    net = StGcn(('a', 'b'), config)\n"
        "    for _ in range(20):\n"
        "        x, present = torch.randn(11, 2, 12, 25, 3), torch.ones(11, 2, dtype=torch.bool)\n"
        "        net(x, present)[0].sum().backward()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
