"""The part of every batch that one of several processes sees."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from stroi.trainer.config import SkeletonAugment
from stroi.trainer.data.epoch_order import Batch, MosaicBatch
from stroi.trainer.data.mosaic_loader import Feed
from stroi.trainer.data.side_inputs import SideInputs
from stroi.trainer.data.skeleton_augment import epoch_draws
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.run.distributed import World
from stroi.trainer.steps import joint_augment


@dataclass(frozen=True)
class PartBatch(Batch):
    """Clips that one step of all processes sees.

    Attributes:
        own: Those of them that this process sees, with their mosaics.
    """

    own: MosaicBatch


def part_batches(
    source: Feed,
    model: WeightedMosaicNet,
    beside: SideInputs,
    world: World,
    *,
    count: int,
    seed: int,
) -> Callable[[int, int], Generator[PartBatch, None, None]]:
    """What `stroi.trainer.loop.fit` asks for batches: this process's part of each.

    Args:
        source: The batches of the whole training set.
        model: The network.
        beside: What goes with the mosaics.
        world: The processes that train together.
        count: N, clips of the training set.
        seed: Seed of the run.
    """
    changed = model.gcn is not None and joint_augment(model.gcn) != SkeletonAugment()

    def own_batches(
        epoch: int, parts: list[NDArray[np.int64]]
    ) -> Generator[MosaicBatch, None, None]:
        batches = source.batches(epoch, parts)
        if not changed or beside.x is None:
            return batches
        frames, joints = beside.x.shape[2:4]
        return _with_draws(
            batches, epoch_draws(count, frames=frames, joints=joints, seed=seed, epoch=epoch)
        )

    def feed(epoch: int, skip: int) -> Generator[PartBatch, None, None]:
        parts = list(source.parts(epoch))[skip:]
        if not parts:
            return
        own = [rows[world.shard_slice(len(rows))] for rows in parts]
        with closing(own_batches(epoch, own)) as batches:
            for rows, batch in zip(parts, batches, strict=True):
                yield PartBatch(rows, batch)

    return feed


def _with_draws(
    batches: Generator[MosaicBatch, None, None], draws: Tensor
) -> Generator[MosaicBatch, None, None]:
    """The same batches, with the rows of (N, ...) `draws` that belong to their clips."""
    with closing(batches):
        for batch in batches:
            yield replace(batch, draws=draws[torch.from_numpy(batch.rows)])
