"""The training step fed by the cache against the same step on one resident batch."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.optim import SGD

from stroi.cache.mosaics import MosaicCache
from stroi.trainer.config import Compile, LoaderConfig, Precision, ResNetConfig
from stroi.trainer.data.mosaic_batches import MosaicBatch
from stroi.trainer.data.mosaic_loader import MosaicLoader, cell_grid
from stroi.trainer.data.side_inputs import SideInputs
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.runtime import compile_network, deterministic
from stroi.trainer.train_resnet import rgb_loss

CLASSES = tuple(f"A{number:03}" for number in range(1, 61))


class Trainer:
    """ResNet18 in fixed mode on a cache, with random labels and weights.

    Args:
        cache: The mosaics.
        batch: Clips per step.
        device: Where it trains.
        precision: Of convolutions and products.
        compiled: What compiles the network.
        resident: Whether the device may keep the mosaics.
    """

    def __init__(
        self,
        cache: MosaicCache,
        batch: int,
        device: torch.device,
        *,
        precision: Precision = "fp32",
        compiled: Compile = "none",
        resident: bool = False,
    ) -> None:
        config = ResNetConfig(precision=precision)
        random = torch.Generator().manual_seed(0)
        count = len(cache.ids)
        self.labels = torch.randint(len(CLASSES), (count,), generator=random)
        self.side = SideInputs(
            torch.full((count,), 2), torch.rand(count, 2, 5, generator=random) + 0.5
        )
        self.net = WeightedMosaicNet(CLASSES, cell_grid(cache, config.cell), config, mode="fixed")
        self.net.to(device).train()
        compile_network(self.net.resnet, compiled, device)
        loader = LoaderConfig(resident="auto" if resident else "never")
        self.loader = MosaicLoader(cache, cache.ids, batch, 0, device, loader)
        self._sgd = SGD(self.net.parameters(), lr=0.01, momentum=0.9)
        self._batch, self._device = batch, device
        self._epochs = itertools.count()

    def resident(self) -> MosaicBatch:
        """One random batch of the form that the loader gives, that stays where it is."""
        with closing(self.fed(1)) as batches:
            [first] = batches
        noise = torch.randint(0, 256, first.mosaics.shape, dtype=torch.uint8)
        return replace(first, mosaics=noise.to(self._device))

    def fed(self, steps: int) -> Iterator[MosaicBatch]:
        """So many whole batches out of the next epochs."""
        left = steps
        while left:
            with closing(self.loader.epoch(next(self._epochs))) as batches:
                for batch in itertools.islice(batches, left):
                    if batch.size == self._batch:
                        left -= 1
                        yield batch

    def train(self, batches: Iterator[MosaicBatch]) -> Tensor:
        """Steps on all of them; gives the last loss."""
        loss = torch.zeros(())
        for batch in batches:
            loss, _ = rgb_loss(self.net, batch, self.side, self.labels)
            self._sgd.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            self._sgd.step()
        return loss.detach()

    def seconds(self, batches: Iterator[MosaicBatch]) -> float:
        """Processor time of all threads for the steps on a CPU, time by the clock on a GPU."""
        clock = time.process_time if self._device.type == "cpu" else time.perf_counter
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        start = clock()
        if not torch.isfinite(self.train(batches)):
            raise SystemExit("the loss is not finite")
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return clock() - start


def race(trainer: Trainer, *, steps: int, rounds: int, batch: int) -> dict[str, float]:
    """Images per second fed and resident, and the median of their ratio over the rounds."""
    with deterministic(0, 1):
        resident = trainer.resident()
        trainer.seconds(itertools.repeat(resident, 2))
        trainer.seconds(trainer.fed(2))
        fed, still = [], []
        for number in range(rounds):
            order = ("fed", "still") if number % 2 else ("still", "fed")
            for which in order:
                if which == "fed":
                    fed.append(trainer.seconds(trainer.fed(steps)))
                else:
                    still.append(trainer.seconds(itertools.repeat(resident, steps)))
    ratio = statistics.median(np.array(still) / np.array(fed))
    images = steps * batch
    return {
        "fed_images_per_s": round(images / statistics.median(fed), 2),
        "resident_images_per_s": round(images / statistics.median(still), 2),
        "ratio": round(float(ratio), 4),
        "ratio_of_medians": round(statistics.median(still) / statistics.median(fed), 4),
        "rounds": rounds,
        "images_per_round": images,
    }
