"""Predictions as a table, as JSON and as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stroi.cache.manifest import stroi_version
from stroi.pipeline.index.csv import csv_bytes
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.predict.answer import Answer, Branch, Model
from stroi.stages.predict.clips import Subject, VideoClip, scale_note

COLUMNS = ("video", "start", "stop", "people", "branch", "rank", "label", "probability")
"""Of the CSV file: a line per part of a video, branch and rank."""


@dataclass(frozen=True)
class PartResult:
    """What is kept of a prediction: no pictures.

    Attributes:
        start: First frame of the part.
        stop: Frame after its last.
        answer: The scores; None if it shows nobody.
        subjects: The people that count.
        most_people: Most people that were detected in one frame.
        remark: What a user should know, or why there is no answer.
        note: A warning; empty if there is none.
    """

    start: int
    stop: int
    answer: Answer | None
    subjects: tuple[Subject, ...] = ()
    most_people: int = 0
    remark: str = ""
    note: str = ""


@dataclass(frozen=True)
class VideoResult:
    """What became of one video.

    Attributes:
        video: The video, as it was named.
        fps: Frames per second; 0 if unknown.
        width: Of the frames, px.
        height: Of the frames, px.
        parts: The whole video, or its windows.
        code: Code of its refusal; empty if it was read.
        problem: Why it was refused, and what to do.
        overlay: The video that was drawn; empty if none.
    """

    video: str
    fps: float = 0.0
    width: int = 0
    height: int = 0
    parts: tuple[PartResult, ...] = ()
    code: str = ""
    problem: str = ""
    overlay: str = ""

    def seconds(self, frame: int) -> float:
        """The time of a frame in s, at a constant rate; 30 frames per second if it is unknown."""
        return frame / (self.fps or 30.0)


def part_result(clip: VideoClip, answer: Answer, params: MosaicParams) -> PartResult:
    """A prediction without its pictures."""
    stop = clip.start + len(clip.skeleton.keypoints)
    return PartResult(
        clip.start, stop, answer, clip.subjects, clip.most_people,
        "; ".join(filter(None, (clip.remark, clip.cut.remark))),
        scale_note(clip.skeleton, params),
    )  # fmt: skip


def people_text(part: PartResult) -> str:
    """Who was tracked, in words."""
    count = "1 person" if len(part.subjects) == 1 else f"{len(part.subjects)} people"
    of = f" of up to {part.most_people}" if part.most_people > len(part.subjects) else ""
    each = ", ".join(
        f"{one.name} at x {one.box[0]:.0f} to {one.box[2]:.0f}, y {one.box[1]:.0f} to"
        f" {one.box[3]:.0f}, seen in {one.seen:.0%}"
        for one in part.subjects
    )
    return f"{count}{of}: {each}"


def table(results: Iterable[VideoResult], classes: Sequence[str], top: int) -> Iterator[str]:
    """Lines: for each video its people and the most probable classes of every branch.

    Of a video in windows, the classes that are the most probable one after another.
    """
    for result in results:
        if result.code:
            yield f"{result.video}: {result.code}: {result.problem}"
        elif len(result.parts) == 1:
            yield from _one_part(result, result.parts[0], classes, top)
        else:
            yield f"{result.video}: {len(result.parts)} windows, {result.fps:.4g} frames/s"
            yield from _track(result, classes)
            notes = [part.note for part in result.parts if part.note]
            yield from (f"  note: {note}" for note in notes[:1])
        if result.overlay:
            yield f"  overlay: {result.overlay}"


def _one_part(
    result: VideoResult, part: PartResult, classes: Sequence[str], top: int
) -> Iterator[str]:
    yield (
        f"{result.video}: {part.stop - part.start} frames of {result.width} x {result.height} px,"
        f" {people_text(part)}"
    )
    if part.note:
        yield f"  note: {part.note}"
    if part.answer is None:
        yield f"  no answer: {part.remark}"
        return
    best = {branch: _top(part.answer, branch, classes, top) for branch in part.answer.scores}
    width = max(len(name) for own in best.values() for name, _ in own)
    yield "  " + "   ".join(f"{branch:<{width + 7}}" for branch in best).rstrip()
    for rank in range(min(top, len(classes))):
        own = (best[branch][rank] for branch in best)
        yield "  " + "   ".join(f"{name:<{width}} {share:6.1%}" for name, share in own)


def _track(result: VideoResult, classes: Sequence[str]) -> Iterator[str]:
    """A line per run of windows with one most probable class."""
    for label, parts in _runs(result.parts, classes):
        start, stop = result.seconds(parts[0].start), result.seconds(parts[-1].stop)
        shares = [
            float(part.answer.probabilities[part.answer.branch].max())
            for part in parts
            if part.answer is not None
        ]
        mean = f"  {sum(shares) / len(shares):.1%}" if shares else ""
        count = f"{len(parts)} window" + "s" * (len(parts) > 1)
        yield f"  {start:8.2f} to {stop:8.2f} s  {label or 'nobody'}{mean}  ({count})"


def _runs(
    parts: Sequence[PartResult], classes: Sequence[str]
) -> Iterator[tuple[str, list[PartResult]]]:
    run: list[PartResult] = []
    for part in parts:
        if run and _label(run[-1], classes) != _label(part, classes):
            yield _label(run[-1], classes), run
            run = []
        run.append(part)
    if run:
        yield _label(run[-1], classes), run


def _label(part: PartResult, classes: Sequence[str]) -> str:
    if part.answer is None:
        return ""
    return _top(part.answer, part.answer.branch, classes, 1)[0][0]


def _top(
    answer: Answer, branch: Branch, classes: Sequence[str], count: int
) -> list[tuple[str, float]]:
    shares = answer.probabilities[branch]
    best = sorted(range(len(classes)), key=lambda at: (-shares[at], at))[:count]
    return [(classes[at], float(shares[at])) for at in best]


def to_json(results: Sequence[VideoResult], model: Model, top: int) -> dict[str, Any]:
    """All results as JSON values; docs/predict.md describes them."""
    return {
        "kind": "stroi predictions",
        "schema": "1.0",
        "stroi_version": stroi_version(),
        "model": model.name,
        "mode": model.mode,
        "checkpoints": dict(model.checkpoints),
        "notes": list(model.notes),
        "classes": list(model.recipe.classes),
        "rows": [row.name for row in model.recipe.mosaics.rows],
        "videos": [_video_json(result, model.recipe.classes, top) for result in results],
    }


def _video_json(result: VideoResult, classes: Sequence[str], top: int) -> dict[str, Any]:
    if result.code:
        return {"video": result.video, "error": {"code": result.code, "text": result.problem}}
    return {
        "video": result.video,
        "fps": result.fps,
        "width": result.width,
        "height": result.height,
        "parts": [_part_json(result, part, classes, top) for part in result.parts],
    }


def _part_json(
    result: VideoResult, part: PartResult, classes: Sequence[str], top: int
) -> dict[str, Any]:
    about: dict[str, Any] = {
        "start": part.start,
        "stop": part.stop,
        "seconds": [result.seconds(part.start), result.seconds(part.stop)],
        "remark": part.remark,
        "note": part.note,
        "subjects": [
            {"name": one.name, "box": [round(side, 1) for side in one.box], "seen": one.seen}
            for one in part.subjects
        ],
        "most_people": part.most_people,
        "branches": {},
        "row_weights": None,
    }
    if part.answer is None:
        return about
    for branch, scores in part.answer.scores.items():
        about["branches"][branch] = {
            "top": [
                {"label": name, "probability": share}
                for name, share in _top(part.answer, branch, classes, top)
            ],
            "scores": scores.tolist(),
            "probabilities": part.answer.probabilities[branch].tolist(),
        }
    if part.answer.row_weights is not None:
        about["row_weights"] = part.answer.row_weights.tolist()
    return about


def to_csv(results: Iterable[VideoResult], classes: Sequence[str], top: int) -> bytes:
    """The most probable classes as CSV; a part without an answer has no lines.

    Raises:
        RefusedInput: ``CSV_SIZE``.
    """
    return csv_bytes(COLUMNS, _lines(results, classes, top))


def _lines(
    results: Iterable[VideoResult], classes: Sequence[str], top: int
) -> Iterator[tuple[object, ...]]:
    for result in results:
        for part in result.parts:
            if part.answer is None:
                continue
            for branch in part.answer.scores:
                for rank, (name, share) in enumerate(_top(part.answer, branch, classes, top), 1):
                    yield (
                        result.video, part.start, part.stop, len(part.subjects), branch, rank,
                        name, f"{share:.6f}",
                    )  # fmt: skip
