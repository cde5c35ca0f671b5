"""Stage ``sample``: render the demo data set, with its known joints."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import click

from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.locks import lock
from stroi.cache.skeletons import Clip, assemble_skeletons
from stroi.pipeline.completion import complete_dataset
from stroi.pipeline.datasets.table import REQUIRED
from stroi.pipeline.index.csv import csv_bytes
from stroi.pipeline.options import as_stage, with_workers
from stroi.pipeline.parallel.executor import Tick, Workers, parallel_map_unordered
from stroi.pipeline.params.load import load_profile
from stroi.pipeline.params.profile import SampleParams
from stroi.pipeline.workspace import Workspace
from stroi.stages.demo.clips import DemoClip, plan_demo
from stroi.stages.demo.render import render_clip

STAGE_PARAMS = ("sample",)
VERSION = 1
"""Raise it when the same input would give other bytes."""
JOINTS = "joints.h5"
"""The known joints, as a skeleton shard in the folder of the table."""

_CHUNK = 8


def render_demo(raw: Path, params: SampleParams, workers: Workers, store: Path) -> int:
    """Render the data set into `raw`: ``videos/``, ``table.csv`` and the known joints.

    Returns:
        Number of clips.
    """
    clips = plan_demo(**params.model_dump())
    (raw / "videos").mkdir(parents=True, exist_ok=True)
    chunks = [clips[at : at + _CHUNK] for at in range(0, len(clips), _CHUNK)]
    rendered = parallel_map_unordered(
        partial(_render_all, raw),
        chunks,
        workers=workers,
        total=len(clips),
        label="sample",
        scratch=store,
    )
    joints = {sample_id: clip for chunk in rendered for sample_id, clip in chunk.items()}
    ids = sorted(joints)
    known = assemble_skeletons(ids, [joints[sample_id] for sample_id in ids])
    write_atomic(raw / JOINTS, known.pieces)
    rows = (
        (clip.sample_id, _video(clip), clip.label, clip.subject, clip.camera)
        for clip in sorted(clips, key=lambda clip: clip.sample_id)
    )
    write_atomic(raw / "table.csv", csv_bytes(REQUIRED, rows))
    return len(clips)


def _video(clip: DemoClip) -> str:
    return f"videos/{clip.sample_id}.avi"


def _render_all(raw: Path, clips: Sequence[DemoClip], tick: Tick) -> dict[str, Clip]:
    joints = {}
    for clip in clips:
        joints[clip.sample_id] = render_clip(clip, raw / _video(clip))
        tick()
    return joints


@click.command(help="Render the demo as data set DATASET: data/DATASET/raw.")
@click.argument("dataset", default="demo", shell_complete=complete_dataset)
@as_stage
@with_workers
def command(workspace: Workspace, dataset: str, workers: Workers) -> None:
    """Render the demo data set."""
    params = load_profile(workspace.root, dataset, workspace.settings).sample
    with lock(workspace.lock("sample", dataset)):
        count = render_demo(workspace.raw(dataset), params, workers, workspace.store)
    click.echo(f"sample {dataset}: {count} clips rendered")
