"""Commands of the stages and tools that import torch, apart from them: no help text loads it."""

from __future__ import annotations

from pathlib import Path

import click

from stroi.pipeline.completion import complete_run
from stroi.pipeline.options import as_stage, in_project, with_tensorboard, with_threads
from stroi.pipeline.params.load import load_run
from stroi.pipeline.workspace import Workspace
from stroi.trainer.config import Mode


@click.command(help="Train the graph network of RUN into runs/RUN/gcn, once per seed.")
@click.argument("run", shell_complete=complete_run)
@as_stage
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda", "auto"]),
    default="cpu",
    show_default=True,
    help="Device that it trains on; auto takes a GPU if there is one.",
)
@with_tensorboard
@with_threads
def gcn(
    workspace: Workspace, run: str, device: str, tensorboard: Path | None, threads: int
) -> None:
    """Train the graph network of one run."""
    from stroi.stages.gcn import run_gcn

    run_gcn(workspace, run, device, tensorboard, threads)


@click.command(help="Dump the joint weights of RUN's graph network into runs/RUN/weights.")
@click.argument("run", shell_complete=complete_run)
@as_stage
@with_threads
def weights(workspace: Workspace, run: str, threads: int) -> None:
    """Dump the joint weights of one run."""
    from stroi.stages.weights import run_weights

    run_weights(workspace, run, threads)


@click.command(
    help="Train the ResNet of RUN into runs/RUN/resnet-MODE, once per seed. MODE: plain mosaics "
    "(row 2), weights with the graph network fixed (row 4) or trained end to end (row 3)."
)
@click.argument("run", shell_complete=complete_run)
@click.argument("mode", type=click.Choice(["plain", "fixed", "end-to-end"]))
@as_stage
@with_tensorboard
@with_threads
def resnet(
    workspace: Workspace, run: str, mode: Mode, tensorboard: Path | None, threads: int
) -> None:
    """Train the ResNet of one run in one mode."""
    from stroi.stages.resnet import run_resnet

    run_resnet(workspace, run, mode, tensorboard, threads)


@click.command(
    help="Write the network of RUN that was trained in MODE (default: fixed) as an ONNX file that"
    " needs no stroi, and a .json file that names its inputs, outputs and classes. It takes uint8"
    " mosaics; in fixed mode row weights too, in end-to-end mode and with --with-gcn skeletons."
    " docs/export.md has an example."
)
@click.argument("run", shell_complete=complete_run)
@click.argument("mode", type=click.Choice(["plain", "fixed", "end-to-end"]), default="fixed")
@in_project
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the two files.",
)
@click.option("--seed", type=int, help="Seed of the network; the first of the run by default.")
@click.option(
    "--with-gcn",
    is_flag=True,
    help="Fixed mode: include the graph network that gives the weights.",
)
def export(
    workspace: Workspace,
    run: str,
    mode: Mode,
    out: Path,
    seed: int | None,
    with_gcn: bool,
) -> None:
    """Export one network of a run."""
    from stroi.stages.tools.export import export_run

    params = load_run(workspace.root, run)
    path = export_run(
        workspace,
        params,
        mode,
        out,
        seed=params.profile.seeds[0] if seed is None else seed,
        with_gcn=with_gcn,
    )
    click.echo(f"export {run}: {path}, {path.stat().st_size} bytes, equal to the network on noise")
