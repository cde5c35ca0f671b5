"""Commands of the stages and tools that import torch, apart from them: no help text loads it."""

from __future__ import annotations

from pathlib import Path

import click

from stroi.cache.errors import ParamsError
from stroi.pipeline.completion import complete_run
from stroi.pipeline.options import (
    as_stage,
    in_project,
    with_tensorboard,
    with_threads,
    with_workers,
)
from stroi.pipeline.parallel.executor import Workers
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


def _seconds(_context: click.Context, _option: click.Parameter, value: str | None) -> float | None:
    """A time such as ``2``, ``2s`` or ``0.5s``, in s."""
    if value is None:
        return None
    try:
        seconds = float(value.removesuffix("s"))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86400:
        raise click.BadParameter(f"{value!r} is no time such as 2s or 0.5s")
    return seconds


@click.command(
    help="Say what happens in new videos, by the networks of a trained RUN: its name in params.yaml"
    " or its folder. VIDEO is a video file, a folder of videos, or a folder of numbered images."
    " Prints the most probable classes of the skeleton branch, the RGB branch and the ensemble."
    " docs/predict.md has examples.",
    options_metavar="[OPTIONS]",
)
@click.argument("arguments", nargs=-1, metavar="[RUN] VIDEO...")
@in_project
@click.option(
    "--model",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of `stroi export` instead of RUN; needs no project and no torch.",
)
@click.option(
    "--mode",
    type=click.Choice(["plain", "fixed", "end-to-end"]),
    help="RGB branch of RUN; by default the first of fixed, end-to-end and plain that is trained.",
)
@click.option("--seed", type=int, help="Seed of RUN's networks; its first by default.")
@click.option(
    "--top", type=click.IntRange(min=1), default=5, show_default=True, help="Classes to print."
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all scores, weights and people as JSON.",
)
@click.option(
    "--csv",
    "csv_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the printed classes as CSV.",
)
@click.option(
    "--overlay",
    type=click.Path(path_type=Path),
    help="Write a video with skeletons, crops, mosaic and label: an .mp4 file, or a folder.",
)
@click.option(
    "--window",
    callback=_seconds,
    metavar="TIME",
    help="Cut long videos into windows of this length, such as 2s.",
)
@click.option(
    "--stride",
    callback=_seconds,
    metavar="TIME",
    help="Time from window to window; by default half a window.",
)
@click.option(
    "--pose-model",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Your own pose network, if the run was made with one.",
)
@with_workers
def predict(
    workspace: Workspace,
    arguments: tuple[str, ...],
    model: Path | None,
    mode: Mode | None,
    seed: int | None,
    top: int,
    json_file: Path | None,
    csv_file: Path | None,
    overlay: Path | None,
    window: float | None,
    stride: float | None,
    pose_model: Path | None,
    workers: Workers,
) -> None:
    """Predict new videos."""
    from stroi.stages.predict.command import ModelPlace, Options, run_predict

    if model is None:
        run, *videos = arguments or ("",)
        place = ModelPlace(run, None, workspace.root, mode, seed, pose_model)
    else:
        videos = list(arguments)
        place = ModelPlace(exported=model.resolve(), pose_model=pose_model)
    if not videos or (model is not None and (mode or seed is not None)):
        raise ParamsError(
            "PREDICT_USAGE",
            "--mode and --seed belong to RUN, not to --model" if videos else "no video is named",
            remedy="use `stroi predict RUN VIDEO...` or `stroi predict --model FILE.onnx VIDEO...`",
        )
    if stride is not None and window is None:
        raise ParamsError(
            "PREDICT_USAGE", "--stride without --window", remedy="give the length of a window, too"
        )
    windows = None if window is None else (window, stride or window / 2)
    run_predict(
        place,
        [Path(video) for video in videos],
        Options(windows, overlay),
        workers,
        top=top,
        json_file=json_file,
        csv_file=csv_file,
    )
