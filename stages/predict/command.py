"""Command ``predict``: many videos, one worker per core; a bad one does not end the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import click

from stroi.cache.errors import ClipRejected, ParamsError, StroiError
from stroi.cache.files.atomic import write_atomic
from stroi.pipeline.datasets.folders import VIDEO_ENDINGS
from stroi.pipeline.parallel.executor import Workers, parallel_map_unordered
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.predict.answer import Answer, Model
from stroi.stages.predict.clips import VideoClip, read_clip
from stroi.stages.predict.output import (
    PartResult,
    VideoResult,
    part_result,
    table,
    to_csv,
    to_json,
)
from stroi.stages.predict.overlay import (
    Overlay,
    WindowOverlay,
    overlay_paths,
    video_writer,
    write_overlay,
)
from stroi.stages.predict.windows import Window, read_windows, window_grid
from stroi.trainer.config import Mode

WINDOWS_PER_PASS = 8
"""Windows that are scored together, as many as a forward pass holds."""


@dataclass(frozen=True)
class ModelPlace:
    """Where the networks are; a worker opens them once.

    Attributes:
        run: Name or folder of a run; empty for an exported network.
        exported: An exported network's file; None for a run.
        root: The project.
        mode: Mode of the RGB branch; None for the first that was trained.
        seed: Seed of the networks; None for the first.
        pose_model: The user's own pose network.
        call: Another for each command: a process that is kept opens them anew for the next one.
    """

    run: str = ""
    exported: Path | None = None
    root: Path = Path()
    mode: Mode | None = None
    seed: int | None = None
    pose_model: Path | None = None
    call: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True)
class Options:
    """What is made of each video.

    Attributes:
        windows: Length of a window and time from one to the next in s; None for whole videos.
        overlay: Where overlays go; None for none.
    """

    windows: tuple[float, float] | None = None
    overlay: Path | None = None


@lru_cache(maxsize=1)
def open_model(place: ModelPlace) -> Model:
    """The networks; only a run's need torch.

    Raises:
        StroiError: As `stroi.stages.predict.run.open_run` or
            `stroi.stages.predict.exported.open_exported`.
    """
    if place.exported is not None:
        from stroi.stages.predict.exported import open_exported

        return open_exported(place.exported, pose_model=place.pose_model)
    from stroi.stages.predict.run import open_run

    return open_run(
        place.run,
        root=place.root,
        mode=place.mode,
        seed=place.seed,
        pose_model=place.pose_model,
    )


def predict_videos(
    place: ModelPlace, videos: Sequence[Path], options: Options, workers: Workers
) -> list[VideoResult]:
    """The results of all videos, in their order.

    Raises:
        StroiError: If the networks cannot be used, or a worker was killed.
    """
    open_model(place)  # what is wrong with it is told before any video
    overlays: Sequence[Path | None] = [None] * len(videos)
    if options.overlay is not None:
        overlays = overlay_paths(options.overlay, videos)
    tasks = list(zip(range(len(videos)), videos, overlays, strict=True))
    results: dict[int, VideoResult] = {}
    with TemporaryDirectory(prefix="stroi-predict-") as scratch:
        for at, result in parallel_map_unordered(
            partial(_predict_one, place=place, options=options),
            tasks,
            workers=workers,
            total=sum(_units(video, options) for video in videos),
            label="predict",
            scratch=Path(scratch),
        ):
            results[at] = result
    return [results[at] for at in range(len(tasks))]


def _predict_one(
    task: tuple[int, Path, Path | None],
    tick: Callable[[], None],
    *,
    place: ModelPlace,
    options: Options,
) -> tuple[int, VideoResult]:
    at, video, overlay = task
    try:
        model = open_model(place)
        if options.windows is None:
            result = _whole(model, video, overlay)
            tick()
        else:
            result = _in_windows(model, video, options.windows, overlay, tick)
    except StroiError as error:
        result = VideoResult(str(video), code=error.code, problem=error.text)
        tick()
    return at, result


def _units(video: Path, options: Options) -> int:
    """What the progress display counts of a video: its windows, or 1."""
    if options.windows is None:
        return 1
    try:
        return window_grid(video, *options.windows).count
    except ClipRejected:  # it is told when its turn comes
        return 1


def _whole(model: Model, video: Path, overlay: Path | None) -> VideoResult:
    clip = read_clip(video, model.plan, model.recipe.mosaics, store=model.store)
    [answer] = model.score([clip])
    if overlay is not None:
        write_overlay(overlay, video, model.recipe, clip, answer)
    skeleton = clip.skeleton
    return VideoResult(
        str(video), skeleton.fps, skeleton.width, skeleton.height,
        (part_result(clip, answer, model.recipe.mosaics),), overlay=str(overlay or ""),
    )  # fmt: skip


def _in_windows(
    model: Model,
    video: Path,
    windows: tuple[float, float],
    overlay: Path | None,
    tick: Callable[[], None],
) -> VideoResult:
    grid, recipe = window_grid(video, *windows), model.recipe
    parts: list[PartResult] = []
    with ExitStack() as stack:
        drawer = None
        if overlay is not None:
            writer = stack.enter_context(video_writer(overlay, grid.fps))
            drawer = WindowOverlay(writer, Overlay(recipe, grid.width, grid.height), grid.fps)
        read = read_windows(
            video, grid, model.plan, recipe.mosaics, None if drawer is None else drawer.add
        )
        for window, answer in score_windows(model, read):
            parts.append(_window_result(window, answer, recipe.mosaics))
            tick()
            if drawer is not None:
                drawer.answer(window.clip, answer, grid.middle(window.number)[1])
        if drawer is not None:
            drawer.finish()
    return VideoResult(
        str(video), grid.fps, grid.width, grid.height, tuple(parts), overlay=str(overlay or "")
    )


def score_windows(
    model: Model, windows: Iterator[Window]
) -> Iterator[tuple[Window, Answer | None]]:
    """The answer for each window, in their order; None for one that shows nobody."""
    while group := list(islice(windows, WINDOWS_PER_PASS)):
        clips: list[VideoClip] = [each.clip for each in group if each.clip is not None]
        answers = iter(model.score(clips) if clips else ())
        for window in group:
            yield window, None if window.clip is None else next(answers)


def _window_result(window: Window, answer: Answer | None, params: MosaicParams) -> PartResult:
    if window.clip is None or answer is None:
        why = "" if window.reason is None else window.reason.text
        return PartResult(window.start, window.stop, None, remark=why)
    return part_result(window.clip, answer, params)


def list_videos(paths: Sequence[Path]) -> list[Path]:
    """The videos that paths name: files, folders of frames, and the videos below other folders.

    Raises:
        ParamsError: ``PREDICT_VIDEOS`` if there is none.
    """
    videos: list[Path] = []
    for path in paths:
        if not path.is_dir():
            videos.append(path)
            continue
        inside = sorted(
            each
            for each in path.rglob("*")
            if each.suffix.lower() in VIDEO_ENDINGS and each.is_file()
        )
        # A folder without a video may hold a video's frames: the reader says whether it does.
        videos += inside or [path]
    if not videos:
        raise ParamsError("PREDICT_VIDEOS", "no video is named", remedy="name files or folders")
    return videos


def run_predict(
    place: ModelPlace,
    paths: Sequence[Path],
    options: Options,
    workers: Workers,
    *,
    top: int,
    json_file: Path | None,
    csv_file: Path | None,
) -> None:
    """Predict, print and write.

    Raises:
        StroiError: ``PREDICT_SOME`` if a video could not be predicted; all others were.
    """
    videos = list_videos(paths)
    results = predict_videos(place, videos, options, workers)
    model = open_model(place)
    for note in model.notes:
        click.echo(f"note: {note}", err=True)
    classes = model.recipe.classes
    for line in table(results, classes, top):
        click.echo(line)
    if json_file is not None:
        text = json.dumps(to_json(results, model, top), indent=1, allow_nan=False)
        write_atomic(json_file, f"{text}\n".encode())
    if csv_file is not None:
        write_atomic(csv_file, to_csv(results, classes, top))
    failed = [result for result in results if result.code]
    if failed:
        raise StroiError(
            "PREDICT_SOME",
            f"{len(failed)} of {len(results)} videos could not be predicted, the first is"
            f" {failed[0].video}",
            remedy="mend or leave out the videos that are listed with a code above",
        )
