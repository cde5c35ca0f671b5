"""Training by several processes, one per group of cores, as `torchrun` starts them.

Every process holds the whole network and the whole training set. Of each batch it sees its own
part, and the gradients are averaged by the number of clips, so that a step is that of the whole
batch in one process, but for two things: a batch normalisation normalises by the part that its
process sees, and dropout draws other numbers. The normalisations' running statistics are averaged
after every step: the network is the same everywhere at any time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from stroi.cache.errors import ParamsError
from stroi.trainer.state import state_path


@dataclass(frozen=True)
class Team:
    """The processes that train one network; by default this one alone.

    Attributes:
        rank: Number of this process, from 0.
        size: How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def part(self, count: int) -> slice:
        """The part of `count` clips that this process sees.

        Parts follow one another and differ by one clip at most. A process for which there is
        none sees the first clip, which then does not count: see `weight`.
        """
        part = slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)
        return part if part.stop > part.start else slice(0, 1)

    def weight(self, count: int) -> float:
        """Share of `count` clips that this process sees, 0 to 1."""
        return (count * (self.rank + 1) // self.size - count * self.rank // self.size) / count

    def reseed(self, seed: int, epoch: int) -> None:
        """Give every process but the first another source of noise than the first has."""
        if not self.leads:
            drawn = np.random.default_rng((seed, epoch, 1, self.rank)).integers(2**62)
            torch.manual_seed(int(drawn))

    def wrapped(self, model: nn.Module) -> nn.Module:
        """`model` as this process calls it in training: gradients are averaged as they come."""
        if self.size == 1:
            return model
        return DistributedDataParallel(model)

    def united(
        self, model: nn.Module, loss: Tensor, hits: Tensor, count: int
    ) -> tuple[Tensor, Tensor]:
        """The loss and hits of a whole batch out of those of this process's part.

        Running statistics of `model` are averaged on the way.

        Args:
            model: The network, after its forward pass.
            loss: Scalar, mean over this part.
            hits: Right answers in this part.
            count: Clips of the whole batch, over all processes.

        Returns:
            The mean loss over the batch, whose gradient in this process is such that the average
            over all processes is the whole batch's; and the right answers in the batch.
        """
        if self.size == 1:
            return loss, hits
        weight = self.weight(count)
        measured = [value for name, value in model.named_buffers() if ".running_" in name]
        sums = torch.stack([loss.detach() * weight, (hits if weight else 0 * hits).to(loss.dtype)])
        sent = torch.cat([sums, *(value.flatten() for value in measured)])
        distributed.all_reduce(sent)
        sizes = [value.numel() for value in measured]
        parts = torch.split(sent[2:] / self.size, sizes)
        for value, mean in zip(measured, parts, strict=True):
            # Past autograd, which would see a change before the backward pass: that does not
            # read what training only accumulates.
            value.data.copy_(mean.view_as(value))
        own = loss * (weight * self.size)
        return own + (sent[0] - own.detach()), sent[1].round().long()

    @contextmanager
    def state(self, folder: Path | None, key: str) -> Iterator[Path | None]:
        """The folder of the run `key`'s state; all but the first process get a copy of their own.

        Args:
            folder: The folder that only the first process writes to, seen by all; None for none.
            key: Digest of everything the result depends on.
        """
        if self.leads or folder is None:
            yield folder
            return
        with TemporaryDirectory(prefix="stroi-") as name:
            own = Path(name)
            if state_path(folder, key).exists():
                shutil.copyfile(state_path(folder, key), state_path(own, key))
            yield own


ALONE = Team()
"""A process that trains by itself."""
PATIENCE = timedelta(days=1)
"""How long a process waits for another, which may be scoring; torchrun ends all if one fails."""


@contextmanager
def team(environment: Mapping[str, str] = os.environ) -> Iterator[Team]:
    """Join the processes that torchrun has started, on processors, until the end of the block.

    Args:
        environment: Where torchrun says which process this is.

    Yields:
        The team; this process alone when it was started otherwise.

    Raises:
        ParamsError: ``TORCHRUN`` if what torchrun says makes no sense.
    """
    said = environment.get("RANK", "0"), environment.get("WORLD_SIZE", "1")
    if not (all(number.isdigit() for number in said) and int(said[0]) < int(said[1])):
        raise ParamsError(
            "TORCHRUN",
            f"RANK is {said[0]!a} and WORLD_SIZE {said[1]!a} in the environment",
            remedy="start with torchrun, or unset both",
        )
    rank, size = map(int, said)
    if size == 1:
        yield ALONE
        return
    distributed.init_process_group("gloo", timeout=PATIENCE, rank=rank, world_size=size)
    try:
        yield Team(rank, size)
    finally:
        distributed.destroy_process_group()
