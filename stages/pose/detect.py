"""Everybody in the frames of a clip: found by an estimator, or read from what one wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import digest
from stroi.pipeline.index.table import Sample, segment_inputs
from stroi.pipeline.parallel.executor import Tick, Workers, parallel_map_unordered
from stroi.pipeline.shards.task import ClipTask
from stroi.stages.pose.detections import (
    Detections,
    detect,
    load_detections,
    measure,
    save_detections,
)
from stroi.stages.pose.readers.kinect import sensed, summary
from stroi.stages.pose.readers.openpose_folder import detections_of, folder_digest, gaps
from stroi.stages.pose.sampled import detect_where_needed
from stroi.stages.pose.source import JSON, KINECT, READ, PoseSourcePlan, estimator
from stroi.stages.video.fingerprint import check_unchanged

FRAME_BYTES = 2 * 25 * 3 * 4
"""Bytes of a frame of a skeleton shard: two people of 25 joints."""

DETECTIONS = "detections"
"""Folder of the store: everybody found in a clip, per clip."""
_CHUNK = 64


@dataclass(frozen=True)
class Source:
    """Where a clip's video lies, and where everybody found in it is kept; no label.

    Attributes:
        raw: Root of the data set.
        video: The video, relative to `raw`; empty if there is none.
        sha256: Its digest in the index.
        kept: Where everybody found in it is kept.
        skeleton: What tells of the people, relative to `raw`: OpenPose's folder or the sensor's
            file; empty if there is none, or an estimator looks at the video.
        skeleton_sha256: Its digest.
        start: First frame of the clip in the video.
        stop: Frame after its last; 0 if it lasts to the video's end.
    """

    raw: Path
    video: str
    sha256: str
    kept: Path
    skeleton: str = ""
    skeleton_sha256: str = ""
    start: int = 0
    stop: int = 0

    @property
    def part(self) -> tuple[int, int]:
        """Where the clip starts and stops."""
        return self.start, self.stop


def make_jobs(
    raw: Path, samples: Sequence[Sample], plan: PoseSourcePlan, workers: Workers, store: Path
) -> list[ClipTask[Source]]:
    """One job per clip, its JSON files digested if that is where its people come from."""
    told = [sample.skeleton_sha256 if plan.source == KINECT else "" for sample in samples]
    if plan.source == JSON:
        chunks = [samples[at : at + _CHUNK] for at in range(0, len(samples), _CHUNK)]
        digested = parallel_map_unordered(
            partial(_digest_all, raw),
            chunks,
            workers=workers,
            total=len(samples),
            label="JSON files",
            scratch=store,
        )
        digests = {sample_id: sha256 for chunk in digested for sample_id, sha256 in chunk.items()}
        told = [digests[sample.id] for sample in samples]
    segments = segment_inputs(samples)
    return [
        _job(raw, store, sample, plan, sha256, segments[sample.id])
        for sample, sha256 in zip(samples, told, strict=True)
    ]


def find(source: Source, plan: PoseSourcePlan) -> Detections:
    """Everybody found in every frame; as kept if these bytes were looked at before.

    Raises:
        ClipRejected: ``VIDEO_NONE`` if the clip has no video; if the video, its JSON or its
            sensor's file changed since it was indexed, or cannot be used.
    """
    if not source.video:
        raise ClipRejected(
            "VIDEO_NONE",
            "a skeleton without a video",
            remedy="add the video, or train the graph network alone",
        )
    detections = load_detections(source.kept)
    if detections is None:
        check_unchanged(source.raw / source.video, source.sha256)
        detections = _look(source, plan)
        save_detections(source.kept, detections)
    return detections


def remark(source: Source, plan: PoseSourcePlan, frames: int) -> str:
    """What the ledger should say of where the people of a clip of T frames come from.

    Raises:
        ClipRejected: If what tells of them is gone or has changed.
    """
    if plan.source == JSON:
        folder = json_folder(source.raw, source.skeleton)
        missing, surplus = gaps(folder, frames, *source.part)
        return JSON + _uneven(missing, surplus)
    if plan.source == KINECT:
        file = source.raw / source.skeleton
        bodies, missing, surplus = summary(file, source.skeleton_sha256, frames, *source.part)
        noun = "id" if bodies == 1 else "ids"
        return f"{KINECT}, {bodies} {noun} of bodies" + _uneven(missing, surplus)
    return plan.source


def _uneven(missing: int, surplus: int) -> str:
    told = f", frames without a skeleton: {missing}" if missing else ""
    return told + (f", skeletons beyond the last frame: {surplus}" if surplus else "")


def _look(source: Source, plan: PoseSourcePlan) -> Detections:
    video = source.raw / source.video
    if plan.source == JSON:
        return _read_json(video, source, plan)
    if plan.source == KINECT:
        return _read_sensor(video, source)
    looks_at = estimator(plan.source, plan.settings)
    if plan.columns is not None:
        return detect_where_needed(video, looks_at, plan.columns.of, *source.part)[0]
    return detect(video, looks_at, *source.part)


def _read_json(video: Path, source: Source, plan: PoseSourcePlan) -> Detections:
    folder = json_folder(source.raw, source.skeleton)
    found = detections_of(
        folder, video, model=plan.json_model, start=source.start, stop=source.stop
    )
    if folder_digest(folder, *source.part) != source.skeleton_sha256:
        raise ClipRejected(
            "POSE_CHANGED",
            f"{folder.name!a} changed while it was read",
            remedy="run the same command again when nobody writes there",
        )
    return found


def _read_sensor(video: Path, source: Source) -> Detections:
    if not source.skeleton_sha256:
        raise ClipRejected(
            "SKEL_MISSING",
            f"{source.skeleton!a} is no skeleton file" if source.skeleton else "no skeleton file",
            remedy="put the sensor's file there, or let skeletons.source be an estimator",
        )
    file = source.raw / source.skeleton
    info = measure(video, *source.part)
    return sensed(file, source.skeleton_sha256, info, *source.part)


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


def _digest_all(raw: Path, samples: Sequence[Sample], tick: Tick) -> dict[str, str]:
    found = {}
    for sample in samples:
        try:
            folder = json_folder(raw, _folder_name(sample))
            found[sample.id] = folder_digest(folder, sample.start, sample.stop)
        except ClipRejected as rejected:
            # Told again, and put into the ledger, when the clip is made.
            found[sample.id] = digest([rejected.code])
        tick()
    return found


def _job(
    raw: Path,
    store: Path,
    sample: Sample,
    plan: PoseSourcePlan,
    sha256: str,
    segment: Mapping[str, str],
) -> ClipTask[Source]:
    inputs = {"video": sample.sha256, **segment}
    if plan.source in READ:
        inputs["skeleton"] = sha256
    kept = store / DETECTIONS / f"{digest([inputs, dict(plan.producer)])}.npz"
    skeleton = _folder_name(sample) if plan.source == JSON else sample.skeleton
    source = Source(
        raw,
        sample.video,
        sample.sha256,
        kept,
        skeleton,
        sha256,
        start=sample.start,
        stop=sample.stop,
    )
    # The length of a whole video is not known before it is decoded.
    return ClipTask(sample.id, inputs, source, FRAME_BYTES * max(0, sample.stop - sample.start))


def _folder_name(sample: Sample) -> str:
    """The folder that the table names, or one by the sample's id."""
    return sample.skeleton or f"{JSON}/{sample.id}"
