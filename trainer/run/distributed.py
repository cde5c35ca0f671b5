"""Training by several processes, one per group of cores, as `torchrun` starts them.

Every process holds the whole network and the whole training set. Of each batch it sees its own
part, and the gradients are averaged by the number of clips, so that a step is that of the whole
batch in one process, but for two things: a batch normalisation normalises by the part that its
process sees, unless it is synchronised (`stroi.trainer.run.batch_norm`), and dropout draws other
numbers. The running statistics of the former are averaged after every step: the network is the
same everywhere at any time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from stroi.cache.errors import ParamsError, StroiError
from stroi.cache.files.digests import digest
from stroi.trainer.runtime import pick_device


@dataclass(frozen=True)
class World:
    """The processes that train one network; by default this one alone.

    Attributes:
        rank: Number of this process, from 0.
        size: How many there are.
        local: Number of this process on its machine, from 0: its GPU.
    """

    rank: int = 0
    size: int = 1
    local: int = 0

    @property
    def is_leader(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def shard_slice(self, count: int) -> slice:
        """The part of `count` clips that this process sees.

        Parts follow one another and differ by one clip at most. A process for which there is
        none sees the first clip, which then does not count: see `shard_share`.
        """
        part = slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)
        return part if part.stop > part.start else slice(0, 1)

    def shard_share(self, count: int) -> float:
        """Share of `count` clips that this process sees, 0 to 1."""
        return (count * (self.rank + 1) // self.size - count * self.rank // self.size) / count

    def seed_epoch(self, seed: int, epoch: int) -> None:
        """Seed what augmentation and dropout of an epoch draw, in every process otherwise."""
        own = () if self.is_leader else (self.rank,)
        drawn = np.random.default_rng((seed, epoch, 1, *own)).integers(2**62)
        torch.manual_seed(int(drawn))

    def device(self, name: str) -> str:
        """The device called `name` as this process uses it: each has a GPU of its own.

        Raises:
            ParamsError: ``DEVICE`` if the machine has fewer GPUs than processes.
        """
        several = self.size > 1 and (name == "cuda" or (name == "auto" and _has_gpu()))
        return str(pick_device(f"cuda:{self.local}")) if several else name

    def broadcast(self, values: Tensor) -> Tensor:
        """What the first process gives, on the CPU; the others' values give type and shape."""
        if self.size > 1:
            values = values.clone()
            distributed.broadcast(values, 0)
        return values

    def broadcast_flag(self, flag: bool) -> bool:
        """Whether the first process says so."""
        return bool(self.broadcast(torch.tensor([int(flag)])).item())

    def all_gather(self, values: Tensor) -> Tensor:
        """(processes, ...) what each of them gives, on the CPU."""
        if self.size == 1:
            return values[None]
        found = [torch.empty_like(values) for _ in range(self.size)]
        distributed.all_gather(found, values)
        return torch.stack(found)

    def on_leader(self, validate: Callable[[], tuple[float, float]]) -> tuple[float, float]:
        """What `validate` finds in the first process; it is asked there alone."""
        found = validate() if self.is_leader else (0.0, 0.0)
        loss, share = self.broadcast(torch.tensor(found, dtype=torch.float64)).tolist()
        return loss, share

    def require_equal(self, code: str, what: str, value: object, remedy: str) -> None:
        """Make sure that all processes begin alike, before they wait for one another.

        Args:
            code: Of the error.
            what: What a process that has another value does.
            value: JSON value.
            remedy: What to do about it.

        Raises:
            StroiError: In every process.
        """
        own = torch.frombuffer(bytearray.fromhex(digest(value)), dtype=torch.uint8)
        found = self.all_gather(own)
        others = (found != found[0]).any(1).nonzero().flatten().tolist()
        if others:
            raise StroiError(code, f"process {others[0]} {what} than process 0", remedy=remedy)

    def check_run(self, key: str) -> None:
        """Make sure that all processes train the same.

        Args:
            key: Digest of everything the result depends on.

        Raises:
            StroiError: ``TEAM_RUN``, in every process.
        """
        self.require_equal(
            "TEAM_RUN",
            "trains on other data or by other settings",
            key,
            "give all machines the same params, folders, threads, devices and versions of torch "
            "and stroi; name the precision if it is auto",
        )

    def wrap_ddp(self, model: nn.Module) -> nn.Module:
        """`model` as this process calls it in training: gradients are averaged as they come."""
        if self.size == 1:
            return model
        return DistributedDataParallel(model)

    def apart(self, trained: nn.Module) -> AbstractContextManager[None]:
        """Let gradients of a `wrap_ddp` network pile up in this process during a block."""
        if isinstance(trained, DistributedDataParallel):
            return trained.no_sync()
        return nullcontext()

    def average_gradients(self, model: nn.Module) -> None:
        """Average gradients that piled up `apart`, if no backward pass follows that does it."""
        if self.size == 1:
            return
        found = [value.grad for value in model.parameters() if value.grad is not None]
        sent = torch.cat([grad.flatten() for grad in found])
        distributed.all_reduce(sent)
        sizes = [grad.numel() for grad in found]
        for grad, mean in zip(found, torch.split(sent / self.size, sizes), strict=True):
            grad.copy_(mean.view_as(grad))

    def reduce_loss(
        self, model: nn.Module, loss: Tensor, hits: Tensor, count: int, *, measured: bool = True
    ) -> tuple[Tensor, Tensor]:
        """The loss and hits of a whole batch out of those of this process's part.

        Running statistics of `model` are averaged over clips on the way if they are `measured` by
        parts.

        Args:
            model: The network, after its forward pass.
            loss: Scalar, mean over this part.
            hits: Right answers in this part.
            count: Clips of the whole batch, over all processes.
            measured: Whether every process measured them on its own part.

        Returns:
            The mean loss over the batch, whose gradient in this process is such that the average
            over all processes is the whole batch's; and the right answers in the batch.
        """
        if self.size == 1:
            return loss, hits
        weight = self.shard_share(count)
        buffers = model.named_buffers() if measured else ()
        running = [value for name, value in buffers if ".running_" in name]
        sums = torch.stack([loss.detach() * weight, (hits if weight else 0 * hits).to(loss.dtype)])
        sent = torch.cat([sums, *(value.flatten() * weight for value in running)])
        distributed.all_reduce(sent)
        parts = torch.split(sent[2:], [value.numel() for value in running])
        for value, mean in zip(running, parts, strict=True):
            # Past autograd, which would see a change before the backward pass: that does not
            # read what training only accumulates.
            value.data.copy_(mean.view_as(value))
        own = loss * (weight * self.size)
        # In this order nothing is rounded: all processes tell the same loss, to the bit.
        return (own - own.detach()) + sent[0], sent[1].round().long()


def _has_gpu() -> bool:
    return torch.cuda.device_count() > 0


SINGLE_PROCESS = World()
"""A process that trains by itself."""
COLLECTIVE_TIMEOUT = timedelta(days=1)
"""How long a process waits for another, which may be scoring; torchrun ends all if one fails."""


@contextmanager
def join_world(environment: Mapping[str, str] = os.environ) -> Iterator[World]:
    """Join the processes that torchrun has started, until the end of the block.

    They talk through gloo, and through NCCL about what is on GPUs.

    Args:
        environment: Where torchrun says which process this is.

    Yields:
        The world; this process alone when it was started otherwise.

    Raises:
        ParamsError: ``TORCHRUN`` if what torchrun says makes no sense.
    """
    said = environment.get("RANK", "0"), environment.get("WORLD_SIZE", "1")
    local = environment.get("LOCAL_RANK", "0")
    numbers = all(number.isdigit() for number in (*said, local))
    if not (numbers and int(said[0]) < int(said[1])):
        raise ParamsError(
            "TORCHRUN",
            f"RANK is {said[0]!a} and WORLD_SIZE {said[1]!a} in the environment",
            remedy="start with torchrun, or unset both",
        )
    rank, size = map(int, said)
    if size == 1:
        yield SINGLE_PROCESS
        return
    gpus = _has_gpu() and distributed.is_nccl_available()
    talk = "cpu:gloo,cuda:nccl" if gpus else "gloo"
    distributed.init_process_group(talk, timeout=COLLECTIVE_TIMEOUT, rank=rank, world_size=size)
    try:
        yield World(rank, size, int(local))
    finally:
        distributed.destroy_process_group()
