"""Command ``show``: all that a project knows of one clip, on one picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ClipRejected, RefusedInput
from stroi.cache.files.atomic import write_atomic
from stroi.cache.mosaics import MosaicCache
from stroi.cache.skeletons import Clip, SkeletonCache
from stroi.cache.weights import read_weights
from stroi.pipeline.index.ledger import read_ledger
from stroi.pipeline.index.table import Index, Sample, read_index
from stroi.pipeline.options import in_project
from stroi.pipeline.params.load import check_name, load_project, load_run
from stroi.pipeline.shards.verify_once import verify_once
from stroi.pipeline.workspace import Workspace
from stroi.stages.ensemble import predict_run
from stroi.stages.evaluation.predictions import RunPredictions
from stroi.stages.predict.drawing import (
    Picture,
    draw_boxes,
    draw_people,
    fit,
    mosaic_panel,
    stack,
    text_panel,
    write,
)
from stroi.stages.training.outputs import seed_folder
from stroi.stages.video.frame_count import count_frames
from stroi.stages.video.frame_sampling import sample_frames
from stroi.stages.video.reader import read_selected
from stroi.trainer.metrics.ensemble import softmax

FRAME_HEIGHT = 240
"""Height of each frame in the picture, px."""
TEXT_WIDTH = 620
"""Width of the text beside the mosaic, px."""
FRAMES = 5
"""Frames that are shown of a clip without a mosaic."""


@dataclass(frozen=True)
class ShownMosaic:
    """A clip's mosaic as it is shown.

    Attributes:
        pixels: (K * h, L * w, 3) uint8 RGB, the scored columns.
        frames: (L,) frames of the clip.
        box: (P, L, K, 4) crops in px of the frame.
        valid: (P, L, K) whether there is one.
        persons: Persons side by side in a cell.
        rows: K names.
    """

    pixels: NDArray[np.uint8]
    frames: NDArray[np.int32]
    box: NDArray[np.float32]
    valid: NDArray[np.bool_]
    persons: int
    rows: tuple[str, ...]


def show_clip(workspace: Workspace, dataset: str, clip: str, run: str | None = None) -> Picture:
    """One clip of a data set: frames with people and crops, mosaic, weights, answers.

    What a stage has not made, or could not make, is left out, with its reason.

    Args:
        workspace: The project.
        dataset: The data set.
        clip: Sample id.
        run: Run whose weights and answers are shown; by default the first of params.yaml on this
            data set that has results.

    Returns:
        (H, W, 3) BGR.

    Raises:
        RefusedInput: ``SHOW_CLIP`` if the index has no such clip; if a cache is damaged.
        ParamsError: If there is no such run.
    """
    index = read_index(workspace.index(check_name(dataset)))
    sample = _sample(index, dataset, clip)
    skeleton = _skeleton(workspace, dataset, clip)
    mosaic = _mosaic(workspace, dataset, clip)
    run = run or _run_with_results(workspace, dataset)
    weights = None if run is None else _weights(workspace, run, clip)
    lines = [
        f"{dataset}: {clip}",
        f"class {sample.label}, subject {sample.subject or '?'}, camera {sample.camera or '?'}",
        *_about(skeleton, mosaic),
        *_reasons(workspace, dataset, clip),
    ]
    if run is not None:
        lines += ["", f"run {run}:", *_answers(workspace, run, sample)]
    else:
        lines += ["", "no run on this data set has results"]
    frames = _frames(workspace.raw(dataset), sample, skeleton, mosaic, weights, lines)
    text = text_panel(lines, TEXT_WIDTH)
    if mosaic is None:
        return stack([*frames, text])
    height = max(text.shape[0], 60 * len(mosaic.rows), mosaic.pixels.shape[0])
    panel = mosaic_panel(mosaic.pixels, mosaic.rows, weights, mosaic.persons, height)
    filler = np.full((height - text.shape[0], TEXT_WIDTH, 3), text[0, 0], np.uint8)
    return stack([*frames, np.hstack([panel, np.vstack([text, filler])])])


def _sample(index: Index, dataset: str, clip: str) -> Sample:
    known = {sample.id: sample for sample in index.samples}
    if clip not in known:
        near = get_close_matches(clip, known, n=3) or list(known)[:3]
        raise RefusedInput(
            "SHOW_CLIP",
            f"data set {dataset} has no clip {clip!a}",
            remedy=f"name a clip of data/{dataset}/index/samples.csv, such as {', '.join(near)}",
        )
    return known[clip]


def _skeleton(workspace: Workspace, dataset: str, clip: str) -> Clip | None:
    folder = workspace.skeletons(dataset)
    if not folder.exists():
        return None
    verify_once(folder, "skeletons", workspace.store)
    cache = SkeletonCache(folder, verify=False)
    return cache[clip] if clip in cache.ids else None


def _mosaic(workspace: Workspace, dataset: str, clip: str) -> ShownMosaic | None:
    folder = workspace.mosaics(dataset)
    if not folder.exists():
        return None
    verify_once(folder, MosaicCache.KINDS, workspace.store)
    cache = MosaicCache(folder, verify=False)
    if clip not in cache.ids:
        return None
    shard, row = cache.find(clip)
    scored = cache.scored
    return ShownMosaic(
        cache.batch([clip], columns=scored[None])[0],
        shard["frame_index"][row][scored],
        shard["box"][row][:, scored],
        shard["valid"][row][:, scored].astype(np.bool_),
        int(shard["person_count"][row]),
        tuple(each.title for each in cache.rows),
    )


def _about(skeleton: Clip | None, mosaic: ShownMosaic | None) -> Iterator[str]:
    if skeleton is not None:
        people = "1 person" if skeleton.person_count == 1 else f"{skeleton.person_count} people"
        yield (
            f"{people}, {len(skeleton.keypoints)} frames of {skeleton.width} x {skeleton.height}"
            f" px, {skeleton.fps:.4g} frames/s"
        )
    if mosaic is not None:
        valid = mosaic.valid[: mosaic.persons]
        yield f"mosaic: {np.count_nonzero(~valid)} of {valid.size} cells without a joint"


def _reasons(workspace: Workspace, dataset: str, clip: str) -> Iterator[str]:
    """Why a stage has no result for the clip."""
    for stage in ("index", "skeletons", "mosaics"):
        folder = {
            "index": workspace.index,
            "skeletons": workspace.skeletons,
            "mosaics": workspace.mosaics,
        }[stage](dataset)
        if not (folder / "ledger.csv").exists():
            yield f"{stage}: not made yet"
            continue
        for outcome in read_ledger(folder).quarantined:
            if outcome.id == clip:
                yield f"{stage}: {outcome.code}"
                yield f"  {outcome.detail}"


def _run_with_results(workspace: Workspace, dataset: str) -> str | None:
    for name, run in load_project(workspace.root).runs.items():
        if run.dataset == dataset and workspace.run(name, "ensemble").exists():
            return name
    return None


def _weights(workspace: Workspace, run: str, clip: str) -> NDArray[np.float32] | None:
    folder = seed_folder(
        workspace.run(run, "weights"), load_run(workspace.root, run).profile.seeds[0]
    )
    if not folder.exists():
        return None
    weights = read_weights(folder)
    if clip not in weights.ids:
        return None
    row: NDArray[np.float32] = weights.row_weights[weights.ids.index(clip)]
    return row


def _answers(workspace: Workspace, run: str, sample: Sample) -> Iterator[str]:
    """What each row of the table answered with the first seed."""
    params = load_run(workspace.root, run)
    if not workspace.run(run, "ensemble").exists():
        yield "  it has no results: run `dvc repro`"
        return
    predictions = predict_run(workspace, params)
    if sample.id not in predictions.truth.ids:
        yield "  no row scored this clip: it is no test clip, or a stage lost it"
        return
    yield from _row_answers(predictions, sample, params.profile.ensemble.scores == "logits")


def _row_answers(predictions: RunPredictions, sample: Sample, logits: bool) -> Iterator[str]:
    at, classes = predictions.truth.ids.index(sample.id), predictions.truth.classes
    for method in predictions.methods:
        scores = predictions.scores[method.number][0][at]
        shares = softmax(scores[None])[0] if logits else scores / scores.sum()
        best = np.argsort(-shares, kind="stable")[:2].tolist()
        mark = "right" if classes[best[0]] == sample.label else "WRONG"
        named = ", ".join(f"{classes[each]} {shares[each]:.0%}" for each in best)
        yield f"  {method.number} {method.name}: {mark}, {named}"


def _frames(
    raw: Path,
    sample: Sample,
    skeleton: Clip | None,
    mosaic: ShownMosaic | None,
    weights: NDArray[np.float32] | None,
    lines: list[str],
) -> list[Picture]:
    """The frames of the mosaic's columns side by side; a line says why there are none."""
    if not sample.video:
        lines.append("a skeleton without a video")
        return []
    video, segment = raw / sample.video, (sample.start, sample.stop)
    try:
        if mosaic is not None:
            wanted = mosaic.frames
        else:
            wanted = sample_frames(count_frames(video, *segment).frames, FRAMES)
        pictures = read_selected(video, wanted.tolist(), *segment)
    except ClipRejected as error:
        lines += [f"video: {error.code}", f"  {error.text}"]
        return []
    shown = []
    for column, at in enumerate(wanted.tolist()):
        frame = pictures[at]
        scale = FRAME_HEIGHT / frame.shape[0]
        small = fit(frame, FRAME_HEIGHT)
        if skeleton is not None and at < len(skeleton.keypoints):
            draw_people(small, skeleton.keypoints[at, : skeleton.person_count], scale)
        if mosaic is not None:
            draw_boxes(small, mosaic.box[:, column], mosaic.valid[:, column], weights, scale)
        write(small, f"frame {at}", (6, 18), 0.45)
        shown.append(small)
    return [np.hstack(shown)]


@click.command(
    help="Write one picture of a clip: frames with skeletons and crops in the colours of their"
    " weights, the mosaic, the weights, and what each row of the table answered. Of a clip that a"
    " stage could not use it says why."
)
@click.argument("dataset")
@click.argument("clip")
@in_project
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The picture, a .png file; by default DATASET-CLIP.png in the current folder.",
)
@click.option("--run", help="The run whose weights and answers are shown.")
def command(
    workspace: Workspace, dataset: str, clip: str, out: Path | None, run: str | None
) -> None:
    """Show one clip."""
    picture = show_clip(workspace, dataset, clip, run)
    path = out or Path(f"{dataset}-{clip}.png")
    done, data = cv2.imencode(".png", picture)
    assert done, "OpenCV writes PNG"
    write_atomic(path, data.tobytes())
    click.echo(f"show {dataset} {clip}: {path}, {picture.shape[1]} x {picture.shape[0]} px")
