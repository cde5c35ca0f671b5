"""``stroi doctor``: what is available on this machine, and what to install for the rest."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from stroi.cache.errors import StroiError
from stroi.pipeline.options import in_project, say
from stroi.pipeline.workspace import Workspace
from stroi.stages import machine
from stroi.stages.machine import Finding, Look, look


def pose_sources(root: Path | None, model: Path | None) -> Iterable[Finding]:
    """Every pose source: whether it can be used here, and what to do if not.

    Args:
        root: Folder of a build of OpenPose; None for ``OPENPOSE_ROOT``.
        model: A user's own RTMO or RTMPose network; None if there is none.
    """
    from stroi.stages.pose.choose import Settings, choose, load

    settings = Settings(openpose_root=root, onnx_model=model)
    for name in ("movenet", "openpose", "onnx"):
        try:
            estimator = load(name, settings)
        except StroiError as error:
            yield Finding("pose", name, "missing", f"{error.code}: {error.message}", error.remedy)
        else:
            yield Finding("pose", name, "ok", f"{estimator.name}, model {estimator.digest[:12]}")
    yield Finding("pose", "openpose-json", "ok", "needs folders of OpenPose's --write_json only")
    yield Finding("pose", "kinect", "ok", "needs the .skeleton files of NTU RGB+D only")
    told = choose("auto", settings).told
    yield Finding("pose", "auto", "note", f"would take {told}; the default is movenet")


def tracking(project: Path) -> Iterable[Finding]:
    """Whether DVC can run in the project."""
    here = (project / ".dvc").is_dir()
    yield Finding(
        "store",
        "dvc project",
        "ok" if here else "missing",
        f"{project} is a DVC project" if here else f"{project} has no folder .dvc",
        "" if here else "run `dvc init`, or give --root",
    )


def examine(workspace: Workspace, root: Path | None, model: Path | None) -> list[Finding]:
    """Everything there is to know; never raises because something is missing."""
    looks: list[tuple[str, str, Look]] = [
        ("pose", "pose sources", partial(pose_sources, root, model)),
        ("machine", "cpu", machine.processors),
        ("machine", "gpu", machine.graphics),
        ("codecs", "opencv", machine.codecs),
        ("store", "disk", partial(machine.disk, workspace.store)),
        ("store", "dvc project", partial(tracking, workspace.root)),
        ("versions", "libraries", machine.libraries),
    ]
    return [finding for topic, name, what in looks for finding in look(topic, name, what)]


def table(findings: Iterable[Finding]) -> str:
    """The findings as lines, one topic after the other."""
    rows = list(findings)
    names = max(len(row.name) for row in rows)
    lines = []
    topic = ""
    for row in rows:
        if row.topic != topic:
            lines += [""] * bool(topic) + [row.topic]
            topic = row.topic
        state = {"ok": "yes", "missing": "no", "note": ""}[row.state]
        lines.append(f"  {row.name:{names}}  {state:3}  {row.detail}")
        if row.remedy:
            lines.append(f"  {'':{names}}       -> {row.remedy}")
    return "\n".join(lines)


@click.command(help="Tell what is available on this machine, and what to install for the rest.")
@in_project
@click.option(
    "--openpose-root",
    type=click.Path(path_type=Path),
    help="Folder of your build of OpenPose; else the variable OPENPOSE_ROOT.",
)
@click.option(
    "--onnx-model",
    type=click.Path(path_type=Path),
    help="Your own RTMO or RTMPose network, an ONNX file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(
    workspace: Workspace, openpose_root: Path | None, onnx_model: Path | None, as_json: bool
) -> None:
    """Look at the machine."""
    # Before PyTorch is loaded: its CPU kernels must not spread over a shared machine for a look.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    findings = examine(workspace, openpose_root, onnx_model)
    say(json.dumps([asdict(row) for row in findings], indent=2) if as_json else table(findings))
