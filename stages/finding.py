"""Everybody in the frames of a clip: found by an estimator, or read from what one wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stroi.cache.digests import digest
from stroi.cache.errors import ClipRejected
from stroi.pipeline.fanout import Tick, Workers, fan_out
from stroi.pipeline.index import Sample
from stroi.pipeline.recipe import Job
from stroi.stages.plan import JSON, Plan, estimator
from stroi.stages.pose.detections import Detections, detect, load_detections, save_detections
from stroi.stages.pose.openpose_folder import detections_of, folder_digest
from stroi.stages.source import check_unchanged

DETECTIONS = "detections"
"""Folder of the store: everybody found in a clip, per clip."""
_CHUNK = 64


@dataclass(frozen=True)
class Source:
    """Where a clip's video lies, and where everybody found in it is kept; no label.

    Attributes:
        raw: Root of the data set.
        video: The video, relative to `raw`.
        sha256: Its digest in the index.
        kept: Where everybody found in it is kept.
        folder: Its JSON files, relative to `raw`; empty if an estimator looks at the video.
        folder_sha256: Their digest.
    """

    raw: Path
    video: str
    sha256: str
    kept: Path
    folder: str = ""
    folder_sha256: str = ""


def make_jobs(
    raw: Path, samples: Sequence[Sample], plan: Plan, workers: Workers, store: Path
) -> list[Job[Source]]:
    """One job per clip, its JSON files digested if that is where its people come from."""
    if plan.source != JSON:
        return [_job(raw, store, sample, plan) for sample in samples]
    chunks = [samples[at : at + _CHUNK] for at in range(0, len(samples), _CHUNK)]
    digested = fan_out(
        partial(_digest_all, raw),
        chunks,
        workers=workers,
        total=len(samples),
        label="JSON files",
        scratch=store,
    )
    found = [sha256 for chunk in digested for sha256 in chunk]
    return [
        _job(raw, store, sample, plan, sha256)
        for sample, sha256 in zip(samples, found, strict=True)
    ]


def find(source: Source, plan: Plan) -> Detections:
    """Everybody found in every frame; as kept if these bytes were looked at before.

    Raises:
        ClipRejected: If the video or its JSON changed since it was indexed, or cannot be used.
    """
    detections = load_detections(source.kept)
    if detections is None:
        video = source.raw / source.video
        check_unchanged(video, source.sha256)
        if source.folder:
            detections = _read(json_folder(source.raw, source.folder), video, source, plan)
        else:
            detections = detect(video, estimator(plan.source, plan.settings))
        save_detections(source.kept, detections)
    return detections


def _read(folder: Path, video: Path, source: Source, plan: Plan) -> Detections:
    found = detections_of(folder, video, model=plan.json_model)
    if folder_digest(folder) != source.folder_sha256:
        raise ClipRejected(
            "POSE_CHANGED",
            f"{folder.name!a} changed while it was read",
            remedy="run the same command again when nobody writes there",
        )
    return found


def json_folder(raw: Path, name: str) -> Path:
    """The folder of a clip's JSON files in the data set at `raw`.

    Raises:
        ClipRejected: ``POSE_FOLDER`` if it is not inside `raw`, or behind a link, where DVC would
            not notice a change.
    """
    inside = Path(name)
    outside = inside.is_absolute() or ".." in inside.parts
    links = [
        part for part in (inside, *inside.parents) if part != Path() and (raw / part).is_symlink()
    ]
    if outside or links:
        problem = "is behind a link" if links else "is not inside the data set's folder"
        raise ClipRejected(
            "POSE_FOLDER",
            f"{str(inside)!a} {problem}",
            remedy="put the folder itself there",
        )
    return raw / inside


def _digest_all(raw: Path, samples: Sequence[Sample], tick: Tick) -> list[str]:
    found = []
    for sample in samples:
        try:
            found.append(folder_digest(json_folder(raw, _folder_name(sample))))
        except ClipRejected as rejected:
            # Told again, and put into the ledger, when the clip is made.
            found.append(digest([rejected.code]))
        tick()
    return found


def _job(raw: Path, store: Path, sample: Sample, plan: Plan, json_sha256: str = "") -> Job[Source]:
    inputs = {"video": sample.sha256} | ({"skeleton": json_sha256} if json_sha256 else {})
    kept = f"{DETECTIONS}/{digest([inputs, dict(plan.producer)])}.npz"
    folder = _folder_name(sample) if json_sha256 else ""
    source = Source(raw, sample.video, sample.sha256, store / kept, folder, json_sha256)
    return Job(sample.id, inputs, source, kept)


def _folder_name(sample: Sample) -> str:
    """The folder that the table names, or one by the sample's id."""
    return sample.skeleton or f"{JSON}/{sample.id}"
