"""Command ``doctor``: what is available on this machine, and what to install for the rest."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from stroi.pipeline.options import in_project
from stroi.pipeline.workspace import Workspace
from stroi.stages.tools.environment import (
    EnvironmentCheck,
    Finding,
    codecs,
    disk,
    dvc_project,
    graphics,
    libraries,
    plugins,
    pose_sources,
    processors,
    run_check,
)


def check_environment(workspace: Workspace, root: Path | None, model: Path | None) -> list[Finding]:
    """Findings of all checks; a missing part never raises."""
    checks: list[tuple[str, str, EnvironmentCheck]] = [
        ("pose", "pose sources", partial(pose_sources, root, model)),
        ("plug-ins", "installed", plugins),
        ("machine", "cpu", processors),
        ("machine", "gpu", graphics),
        ("codecs", "opencv", codecs),
        ("store", "disk", partial(disk, workspace.store)),
        ("store", "dvc project", partial(dvc_project, workspace.root)),
        ("versions", "libraries", libraries),
    ]
    return [finding for check in checks for finding in run_check(*check)]


def table(findings: Iterable[Finding]) -> str:
    """The findings as lines, topic by topic."""
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


@click.command(help="Report what is available on this machine, and what to install for the rest.")
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
    """Check this machine."""
    # Before PyTorch is loaded: a check must not take all cores of a shared machine.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    findings = check_environment(workspace, openpose_root, onnx_model)
    click.echo(
        json.dumps([asdict(row) for row in findings], indent=2) if as_json else table(findings)
    )
