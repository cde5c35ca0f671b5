"""Stage ``index``: list and digest the clips of a data set; every exclusion has its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from stroi.cache.errors import RefusedInput, StroiError
from stroi.cache.files.locks import lock
from stroi.pipeline.datasets.reading.places import PlaceFinder, check_places
from stroi.pipeline.datasets.registry import list_clips
from stroi.pipeline.datasets.segments import overlap_notes
from stroi.pipeline.index.cautions import split_cautions
from stroi.pipeline.index.checks import empty_notes
from stroi.pipeline.index.ledger import ClipOutcome, Ledger, check_share, write_ledger
from stroi.pipeline.index.table import ClipEntry, Index, Sample, write_index
from stroi.pipeline.options import in_project, with_workers
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.load import RunParams, load_profile, load_project, load_run
from stroi.pipeline.params.profile import IndexParams
from stroi.pipeline.workspace import Workspace
from stroi.stages.pose.readers.pose_digests import digest_poses
from stroi.stages.training.run_split import split_clips
from stroi.stages.video.file_states import KnownFile
from stroi.stages.video.measure_files import Measured, measure_files
from stroi.trainer.plugins import origin

STAGE_PARAMS = ("index",)
VERSION = 3
"""Raise it when the same input would give other bytes."""

_CHUNK = 64

_WHOLE = ("VIDEO_FRAMES", "VIDEO_SIZE")
"""Problems of a video as a whole: a clip that is a part of it may be sound."""


def build_index(
    raw: Path,
    out: Path,
    params: IndexParams,
    workers: Workers,
    store: Path,
    runs: Sequence[RunParams] = (),
) -> Ledger:
    """Write the index of the data set in `raw` to `out`.

    A clip whose video later stages will refuse stays in the index, because a graph network may
    need its sensor's skeleton alone; the ledger and a note say so before people are estimated.

    Args:
        raw: Root of the data set.
        out: Folder of the index.
        params: The stage's params.
        workers: Where to run.
        store: Folder of finished work.
        runs: Runs of the data set, whose splits must divide its clips.

    Raises:
        RefusedInput: If `raw` is missing, its listing is malformed, or a video lies outside it;
            whatever the splits of `runs` refuse.
        ParamsError: Likewise.
        StroiError: If more clips than ``max_quarantined`` have no video.
    """
    if not raw.is_dir():
        raise RefusedInput(
            "DATASET_MISSING",
            f"{raw} is no folder",
            remedy="put the data set, or a link to it, there; if you received mosaics without"
            " videos, run `dvc repro --single-item --pull resnet-fixed@RUN` (docs/sharing.md)",
        )
    listing = list_clips(raw, params)
    if plugin := origin("datasets", params.adapter):
        click.echo("clips listed by plug-in {plugin} of {plugin_package}".format(**plugin))
    for note in listing.notes:
        click.echo(note)
    clips = listing.clips
    check_runs([Sample(**asdict(clip)) for clip in clips], runs)
    videos, skeletons = {clip.video for clip in clips}, {clip.skeleton for clip in clips}
    check_places(raw, [place for place in videos | skeletons if place])
    # The folder of a clip's skeleton holds OpenPose's JSON files.
    folders = {place for place in skeletons if (raw / place).is_dir()}
    places = sorted(place for place in videos | (skeletons - folders) if place)
    files = measure_files(raw, places, videos, workers, store)
    poses = digest_poses(raw, clips, folders, workers, store)
    finder = PlaceFinder(raw)
    rows = [_row(clip, files, poses, folders, finder) for clip in clips]
    samples = [row for row in rows if isinstance(row, Sample)]
    write_index(out, samples)
    problems = _problems(samples, files)
    remarks = {
        sample.id: "; ".join(
            filter(None, (listing.remarks.get(sample.id), problems.get(sample.id)))
        )
        for sample in samples
    }
    outcomes = [
        ClipOutcome(row.id, detail=remarks[row.id]) if isinstance(row, Sample) else row
        for row in rows
    ]
    for note in (*_problem_notes(problems), *overlap_notes(samples), *empty_notes(samples)):
        click.echo(note)
    ledger = write_ledger(out, (*outcomes, *listing.left_out))
    check_share(Ledger(tuple(outcomes)), params.max_quarantined, out)
    for note in check_runs(samples, runs):
        click.echo(note)
    return ledger


def check_runs(samples: Sequence[Sample], runs: Sequence[RunParams]) -> list[str]:
    """Refuse runs whose splits cannot divide the clips: before hours of pose estimation.

    Returns:
        What makes the results of the runs uncertain, one sentence each.

    Raises:
        ParamsError: What `split_clips` refuses, with the run's name.
        RefusedInput: Likewise.
    """
    index = Index(tuple(samples), tuple(sorted({sample.label for sample in samples})))
    ids = [sample.id for sample in samples]
    notes = []
    for run in runs:
        try:
            parts = split_clips(index, run, ids)
        except StroiError as error:
            raise type(error)(
                error.code, f"run {run.name}: {error.message}", remedy=error.remedy
            ) from None
        rule = run.profile.splits[run.run.split]
        notes += [f"run {run.name}: {one}" for one in split_cautions(samples, parts, rule)]
    return notes


def _problems(samples: Sequence[Sample], files: Mapping[str, Measured]) -> dict[str, str]:
    """What stages that read its video will refuse a clip for, by sample id."""
    problems = {}
    for sample in samples:
        video = files.get(sample.video)
        if not isinstance(video, KnownFile) or (sample.stop and video.code in _WHOLE):
            continue
        if video.code:
            problems[sample.id] = f"its video cannot be used: {video.code}: {video.detail}"
    return problems


def _problem_notes(problems: Mapping[str, str]) -> Iterator[str]:
    if problems:
        first = min(problems)
        yield f"clips without a usable video: {len(problems)}, first: {first}: {problems[first]}"


def _row(
    clip: ClipEntry,
    files: Mapping[str, Measured],
    poses: Mapping[str, str],
    folders: set[str],
    finder: PlaceFinder,
) -> Sample | ClipOutcome:
    found = []
    skeleton = "" if clip.skeleton in folders else clip.skeleton
    for place, missing in ((clip.video, "VIDEO_MISSING"), (skeleton, "SKEL_MISSING")):
        one = files[place] if place else KnownFile("", "", 0)
        if one is None:
            problem = f"{place} is neither a file nor a folder"
            meant = finder.suggest(place)
            remedy = (
                f"write {meant}, if this is meant"
                if meant
                else "put it there or leave the sample out"
            )
            return ClipOutcome(clip.id, missing, f"{problem}; {remedy}")
        if isinstance(one, ClipOutcome):
            return ClipOutcome(clip.id, one.code, one.detail)
        found.append(one)
    video, sensor = found
    return Sample(
        **asdict(clip),
        bytes=video.bytes,
        sha256=video.sha256,
        skeleton_sha256=sensor.sha256,
        pose_sha256=poses.get(clip.id, ""),
    )


def _runs(workspace: Workspace, dataset: str) -> list[RunParams]:
    if not (workspace.root / "params.yaml").exists():  # an index alone needs none
        return []
    project = load_project(workspace.root)
    names = [name for name, run in project.runs.items() if run.dataset == dataset]
    return [load_run(workspace.root, name) for name in names]


@click.command(help="List and digest the clips of DATASET: data/DATASET/raw -> data/DATASET/index.")
@click.argument("dataset")
@in_project
@with_workers
def command(workspace: Workspace, dataset: str, workers: Workers) -> None:
    """Build the index of one data set."""
    params = load_profile(workspace.root, dataset).index
    runs = _runs(workspace, dataset)
    with lock(workspace.lock("index", dataset)):
        ledger = build_index(
            workspace.raw(dataset), workspace.index(dataset), params, workers, workspace.store, runs
        )
    click.echo(f"index {dataset}: {ledger.summary()}")
