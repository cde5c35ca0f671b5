"""Batch normalisation by the whole batch, of which every process sees a part.

A step of all processes is then that of one process but for the order of sums. torch's own layer of
this kind runs on GPUs alone, and is taken there; the one here runs anywhere. GPUs take it too
for a batch of fewer clips than processes: torch's would count the clip that a process without any
sees.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from stroi.trainer.run.distributed import World


@dataclass
class Whole:
    """What the layers are told of the step.

    Attributes:
        clips: Clips of the batch, over all processes. A process for which there is none sees a
            clip that does not count, see `World.part`.
    """

    clips: int = 0


@contextmanager
def synchronised(model: nn.Module, world: World, whole: Whole) -> Iterator[None]:
    """Let the batch normalisations of `model` measure the whole batch in training.

    Names and tensors of the network stay as they are, and so does its evaluation mode.

    Args:
        model: The network, on its device.
        world: The processes; one alone has the whole batch anyhow.
        whole: What the layers are told before every forward pass.
    """
    if world.size == 1:
        yield
        return
    places = [
        (parent, name, layer)
        for parent in model.modules()
        for name, layer in parent.named_children()
        if isinstance(layer, _BatchNorm)
    ]
    if _on_gpu(model):
        # The new layers hold the tensors of the old ones, which come back at the end: to readers
        # of the network a layer of another class would be another network.
        nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    layers = [each for each in model.modules() if isinstance(each, _BatchNorm)]
    for layer in layers:
        setattr(layer, "forward", partial(_forward, layer, world, whole))  # noqa: B010
    try:
        yield
    finally:
        for layer in layers:
            delattr(layer, "forward")
        for parent, name, layer in places:
            parent.add_module(name, layer.train(parent.training))


def _on_gpu(model: nn.Module) -> bool:
    return next(model.parameters()).device.type == "cuda"


def _forward(layer: _BatchNorm, world: World, whole: Whole, x: Tensor) -> Tensor:
    own = isinstance(layer, nn.SyncBatchNorm) and whole.clips >= world.size
    if own or not layer.training:
        found: Tensor = type(layer).forward(layer, x)
        return found
    counts = world.shard_share(whole.clips) > 0
    mean, variance, count = _measured(x, counts)
    _remember(layer, mean, variance, count)
    deviation = torch.rsqrt(variance + layer.eps)
    normalised: Tensor = _Normalise.apply(  # type: ignore[no-untyped-call]
        x, layer.weight, layer.bias, mean, deviation, count, counts
    )
    return normalised


@torch.no_grad()
def _measured(x: Tensor, counts: bool) -> tuple[Tensor, Tensor, int]:
    """Mean and variance (C,) of x over all processes, and how many values they are of."""
    variance, mean = torch.var_mean(_exact(x), _axes(x), correction=0)
    count = x.numel() // x.shape[1] if counts else 0
    kind = mean.dtype
    own = torch.cat([mean.new_tensor([count]), mean, variance]).double()
    found = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(found, own)
    parts = torch.stack(found)
    share = parts[:, :1] / parts[:, 0].sum()
    means, variances = parts[:, 1:].chunk(2, dim=1)
    mean = (means * share).sum(0)
    variance = ((variances + (means - mean).square()) * share).sum(0)
    return mean.to(kind), variance.to(kind), int(parts[:, 0].sum())


@torch.no_grad()
def _remember(layer: _BatchNorm, mean: Tensor, variance: Tensor, count: int) -> None:
    """Take the batch into the running statistics, as torch does."""
    if layer.running_mean is None or layer.running_var is None:
        return
    if layer.num_batches_tracked is not None:
        layer.num_batches_tracked.add_(1)
    share = layer.momentum if layer.momentum is not None else 0.1
    layer.running_mean.lerp_(mean, share)
    layer.running_var.lerp_(variance * (count / max(1, count - 1)), share)


def _exact(x: Tensor) -> Tensor:
    """Values that are summed: never of reduced precision."""
    return x if x.dtype == torch.float64 else x.float()


def _axes(x: Tensor) -> list[int]:
    return [0, *range(2, x.ndim)]


class _Normalise(torch.autograd.Function):
    """(x - mean) * deviation * weight + bias, with the gradient through mean and deviation."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        deviation: Tensor,
        count: int,
        counts: bool,
    ) -> Tensor:
        ctx.save_for_backward(x, weight, mean, deviation)
        ctx.count, ctx.counts = count, counts
        shape = (1, -1, *(1 for _ in x.shape[2:]))
        factor = weight * deviation
        y = torch.addcmul((bias - mean * factor).view(shape), _exact(x), factor.view(shape))
        return y.to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, deviation = ctx.saved_tensors
        shape = (1, -1, *(1 for _ in x.shape[2:]))
        grad = _exact(grad)
        scaled = (_exact(x) - mean.view(shape)) * deviation.view(shape)
        own = torch.cat([grad.sum(_axes(x)), (grad * scaled).sum(_axes(x))])
        sums = own.clone()
        distributed.all_reduce(sums)
        plain, along = (part.view(shape) / ctx.count for part in sums.chunk(2))
        if ctx.counts:
            grad = grad - plain - scaled * along
        moved = grad * (weight * deviation).view(shape)
        bias_grad, weight_grad = own.chunk(2)
        return moved.to(x.dtype), weight_grad, bias_grad, None, None, None, None
