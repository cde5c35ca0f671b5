"""Trains the RGB branch as one process of those that torchrun starts; the tests' own program.

Each process leaves losses and network in the folder for results.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import torch
from small_inputs import CLASSES, LABELS, QUICK, SMALL_GCN, clips
from torch import Tensor, nn
from trainings import resnet_trained

from stroi.cache.mosaics import MosaicCache
from stroi.cache.weights import Weights
from stroi.trainer import loop
from stroi.trainer.config import Mode, ResNetConfig, Schedule
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.network_files.safetensors_io import write_tensors
from stroi.trainer.run.distributed import World, join_world
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.score_gcn import compute_weights

CONFIG = ResNetConfig(flip=0.5, shift=1)
SCHEDULE = QUICK.replace(epochs=3, batch_size=5, lr=0.01, milestones=())
"""Batches of 5 and 3 clips: parts of unequal size."""


PROGRAM = Path(__file__)


def torchrun_command(processes: int = 2) -> list[str | Path]:
    """What starts this program in several processes."""
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return [*run, f"--nproc-per-node={processes}", PROGRAM]


def node_command(rank: int, nodes: int, port: int) -> list[str | Path]:
    """What starts this program in one process as node `rank` of `nodes`, as on many machines."""
    run = [sys.executable, "-m", "torch.distributed.run", "--master-addr=127.0.0.1"]
    where = [f"--nnodes={nodes}", f"--node-rank={rank}", f"--master-port={port}"]
    return [*run, *where, "--nproc-per-node=1", PROGRAM]


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def graph_network(dropout: float) -> GraphNet:
    """The network that end-to-end mode starts from; with dropout every process draws its own."""
    torch.manual_seed(1)
    return GraphNet(CLASSES, SMALL_GCN.replace(dropout=dropout))


def _doubled(net: nn.Module, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return inputs[0].to(next(net.parameters()).dtype), inputs[1]


def beside(mode: Mode, double: bool, dropout: float) -> dict[str, object]:
    """What the mode needs beside the mosaics."""
    if mode == "end-to-end":
        net = graph_network(dropout)
        net.register_forward_pre_hook(_doubled)
        return {"gcn": net.double() if double else net, "clips": clips()}
    if mode == "fixed":
        return {"weights": file_weights()}
    return {}


def file_weights() -> Weights:
    """Weights of all clips."""
    return compute_weights(graph_network(0.0), clips(), tuple(LABELS))[0]


def train(one: World, mosaics: Path, mode: Mode, out: Path, changes: dict[str, Any]) -> None:
    """Train; `changes` are of the schedule, or of the call, or say that all is in float64."""
    double = changes.pop("double", False)
    loop.SYNC_EVERY = changes.pop("sync_every", loop.SYNC_EVERY)
    if "checkpoints" in changes:
        changes["checkpoints"] = Path(changes["checkpoints"])
    torch.set_default_dtype(torch.float32)
    inputs = beside(mode, double, changes.pop("dropout", 0.0))
    torch.set_default_dtype(torch.float64 if double else torch.float32)
    of_schedule = {name: changes.pop(name) for name in set(changes) & set(Schedule.model_fields)}
    records: list[EpochRecord] = []
    model = resnet_trained(
        mode, MosaicCache(mosaics), LABELS, CLASSES, **inputs, config=CONFIG,
        schedule=SCHEDULE.replace(**of_schedule), seed=0, device="cpu",
        on_epoch=records.append, world=one, **changes,
    )  # fmt: skip
    losses = [(record.loss, record.accuracy) for record in records]
    out.mkdir(exist_ok=True)
    (out / f"losses-{one.rank}.json").write_text(json.dumps(losses), encoding="utf-8")
    state = {name: value.float() for name, value in model.state_dict().items()}
    write_tensors(out / f"network-{one.rank}.safetensors", state, {})


def main(mosaics: str, jobs: str) -> None:
    """Do all `jobs` in turn: JSON list of mode, folder for results and changes."""
    with join_world() as one:
        for mode, out, changes in json.loads(jobs):
            train(one, Path(mosaics), mode, Path(out), changes)


if __name__ == "__main__":
    main(*sys.argv[1:])
