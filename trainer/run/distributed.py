"""Training by several processes, one per group of cores or per GPU, as `torchrun` starts them.

Every process holds the whole network and the whole training set. Of each batch it sees its own
slice, and the gradients are averaged by the number of clips. So a step is that of the whole batch
in one process but for two things. A batch normalisation normalises by the slice that its process
sees, unless GPUs synchronise it; the running statistics are then averaged after every batch, so the
network is the same everywhere at any time. And dropout draws other numbers in each process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from stroi.cache.errors import ParamsError, StroiError
from stroi.cache.files.digests import digest
from stroi.trainer.config import BatchNorm
from stroi.trainer.data.epoch_order import RandomStream, epoch_rng
from stroi.trainer.runtime import pick_device


@dataclass(frozen=True)
class World:
    """The processes that train one network; by default this one alone.

    Attributes:
        rank: Number of this process, from 0.
        size: How many there are.
        local_rank: Number of this process on its machine, from 0: its GPU.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_leader(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def shard_slice(self, count: int) -> slice:
        """The slice of `count` clips that this process sees.

        Slices follow one another and differ by one clip at most. A process for which there is
        none sees the first clip, which then does not count: see `shard_share`.
        """
        own = slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)
        return own if own.stop > own.start else slice(0, 1)

    def shard_share(self, count: int) -> float:
        """Share of `count` clips that this process sees, 0 to 1."""
        return (count * (self.rank + 1) // self.size - count * self.rank // self.size) / count

    def seed_epoch(self, seed: int, epoch: int) -> None:
        """Seed the dropout of an epoch, in every process otherwise."""
        rng = epoch_rng(seed, epoch, RandomStream.DROPOUT, self.rank)
        torch.manual_seed(int(rng.integers(2**62)))

    def device(self, name: str) -> str:
        """The device called `name` as this process uses it: each has a GPU of its own.

        Raises:
            ParamsError: ``DEVICE`` if the machine has fewer GPUs than processes.
        """
        several = self.size > 1 and (name == "cuda" or (name == "auto" and _has_gpu()))
        return str(pick_device(f"cuda:{self.local_rank}")) if several else name

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
        gathered = [torch.empty_like(values) for _ in range(self.size)]
        distributed.all_gather(gathered, values)
        return torch.stack(gathered)

    def on_leader(self, validate: Callable[[], tuple[float, float]]) -> tuple[float, float]:
        """Loss and accuracy of `validate`, which runs in the first process alone."""
        values = validate() if self.is_leader else (0.0, 0.0)
        loss, accuracy = self.broadcast(torch.tensor(values, dtype=torch.float64)).tolist()
        return loss, accuracy

    def once_per_machine(self, check: Callable[[], None], what: str) -> None:
        """Run `check` in the first process of every machine; the others wait for it.

        Args:
            check: Raises what is wrong.
            what: What a process refuses then.

        Raises:
            StroiError: What `check` raised, in its process; ``TEAM_INPUT`` in the others.
        """
        problem: StroiError | None = None
        if self.local_rank == 0:
            try:
                check()
            except StroiError as error:
                problem = error
        failed = self.all_gather(torch.tensor([int(problem is not None)])).flatten()
        if problem is not None:
            raise problem
        if failed.any():
            rank = int(failed.nonzero()[0])
            raise StroiError(
                "TEAM_INPUT", f"process {rank} refuses {what}", remedy="see its own message"
            )

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
        digests = self.all_gather(own)
        others = (digests != digests[0]).any(1).nonzero().flatten().tolist()
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

    def synchronise_batch_norm(self, model: nn.Module, batch_norm: BatchNorm) -> bool:
        """Let GPUs that train together normalise by the whole batch, if the setting says so.

        torch synchronises GPUs alone; processes on CPUs always normalise by their own slices. In
        an epoch's last batch, a GPU without a clip counts the first one once more.

        Args:
            model: The network, on its device; names and tensors stay as they are.
            batch_norm: The setting.

        Returns:
            Whether every process still measures its own slice.
        """
        on_gpu = next(model.parameters()).device.type == "cuda"
        if self.size == 1 or batch_norm == "local" or not on_gpu:
            return self.size > 1
        nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return False

    def wrap_ddp(self, model: nn.Module) -> nn.Module:
        """`model` as training calls it: gradients are averaged over the processes as they come."""
        return model if self.size == 1 else DistributedDataParallel(model)

    def no_sync(self, network: nn.Module) -> AbstractContextManager[None]:
        """Let gradients of a `wrap_ddp` network add up in this process during a block."""
        if isinstance(network, DistributedDataParallel):
            return network.no_sync()
        return nullcontext()

    def average_gradients(self, model: nn.Module) -> None:
        """Average gradients that added up under `no_sync`, if no backward pass follows."""
        if self.size == 1:
            return
        grads = [value.grad for value in model.parameters() if value.grad is not None]
        flat = torch.cat([grad.flatten() for grad in grads])
        distributed.all_reduce(flat)
        sizes = [grad.numel() for grad in grads]
        for grad, mean in zip(grads, torch.split(flat / self.size, sizes), strict=True):
            grad.copy_(mean.view_as(grad))

    def reduce_loss(
        self,
        model: nn.Module,
        loss: Tensor,
        correct: Tensor,
        size: int,
        *,
        average_running: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Loss and correct predictions of a whole batch out of those of this process's slice.

        Args:
            model: The network, after its forward pass.
            loss: Scalar, mean over this slice.
            correct: Correct predictions in this slice.
            size: Clips of the whole batch, over all processes.
            average_running: Average the running statistics of `model` over clips on the way: every
                process measured its own slice.

        Returns:
            The mean loss over the batch, whose gradient in this process is such that the average
            over all processes is the whole batch's; and the correct predictions in the batch.
        """
        if self.size == 1:
            return loss, correct
        share = self.shard_share(size)
        running = [
            value
            for module in model.modules()
            # Frozen statistics are the same everywhere; an average would round them.
            if average_running and module.training
            for name, value in module.named_buffers(recurse=False)
            if name.startswith("running_")
        ]
        counted = correct if share else 0 * correct
        sums = torch.stack([loss.detach() * share, counted.to(loss.dtype)])
        flat = torch.cat([sums, *(value.flatten() * share for value in running)])
        distributed.all_reduce(flat)
        means = torch.split(flat[2:], [value.numel() for value in running])
        for value, mean in zip(running, means, strict=True):
            # Past autograd, which would see a change before the backward pass: that does not
            # read what training only accumulates.
            value.data.copy_(mean.view_as(value))
        own = loss * (share * self.size)
        # In this order nothing is rounded: all processes have the same loss, to the bit.
        return (own - own.detach()) + flat[0], flat[1].round().long()


def _has_gpu() -> bool:
    return torch.cuda.device_count() > 0


SINGLE_PROCESS = World()
"""A process that trains by itself."""
COLLECTIVE_TIMEOUT = timedelta(days=1)
"""How long a process waits for another, which may be scoring; torchrun ends all if one fails."""


@contextmanager
def join_world(environment: Mapping[str, str] = os.environ) -> Iterator[World]:
    """Join the processes that torchrun has started, until the end of the block.

    They use gloo for tensors on CPUs, and NCCL for tensors on GPUs.

    Args:
        environment: Variables that torchrun sets.

    Yields:
        The world; this process alone when it was started otherwise.

    Raises:
        ParamsError: ``TORCHRUN`` if they make no sense.
    """
    names = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}
    texts = [environment.get(name, default) for name, default in names.items()]
    if not (all(text.isdigit() for text in texts) and int(texts[0]) < int(texts[1])):
        raise ParamsError(
            "TORCHRUN",
            f"RANK is {texts[0]!a} and WORLD_SIZE {texts[1]!a} in the environment",
            remedy="start with torchrun, or unset both",
        )
    rank, size, local_rank = map(int, texts)
    if size == 1:
        yield SINGLE_PROCESS
        return
    gpus = _has_gpu() and distributed.is_nccl_available()
    backend = "cpu:gloo,cuda:nccl" if gpus else "gloo"
    distributed.init_process_group(backend, timeout=COLLECTIVE_TIMEOUT, rank=rank, world_size=size)
    try:
        yield World(rank, size, local_rank)
    finally:
        distributed.destroy_process_group()
