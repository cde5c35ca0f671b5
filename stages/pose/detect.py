"""Everybody in the frames of a clip: detected by an estimator, or read from files."""

from __future__ import annotations

from pathlib import Path

from stroi.cache.errors import ClipRejected
from stroi.cache.files.digests import digest
from stroi.stages.pose.detections import (
    Detections,
    detect,
    load_detections,
    save_detections,
)
from stroi.stages.pose.readers.kinect import read_kinect, summarise
from stroi.stages.pose.readers.openpose_files import json_folder, pose_digest
from stroi.stages.pose.readers.openpose_folder import read_detections
from stroi.stages.pose.readers.own import read_own_people
from stroi.stages.pose.registry import load
from stroi.stages.pose.sampled import detect_sampled
from stroi.stages.pose.source import IN_ORDER, JSON, KINECT, PoseSourcePlan
from stroi.stages.video.clip_input import ClipInput
from stroi.stages.video.frame_count import count_frames
from stroi.stages.video.frame_sampling import mosaic_frames

DETECTIONS = "detections"
"""Folder of the store: everybody in a clip, per clip."""


def detections_path(store: Path, clip: ClipInput, plan: PoseSourcePlan) -> Path:
    """Where the store keeps everybody in a clip, by content."""
    key = digest([dict(clip.digests), dict(plan.producer)])
    return store / DETECTIONS / f"{key}.npz"


def detect_poses(clip: ClipInput, plan: PoseSourcePlan, store: Path | None) -> Detections:
    """Everybody in every frame; from the store, if there is one and it has seen these bytes.

    Raises:
        ClipRejected: ``VIDEO_NONE`` if the clip has no video; if the video, its JSON or its
            sensor's file changed since it was indexed, or cannot be used.
    """
    if not clip.video:
        raise ClipRejected(
            "VIDEO_NONE",
            "a skeleton without a video",
            remedy="add the video, or train the graph network alone",
        )
    path = detections_path(store, clip, plan) if store else None
    detections = load_detections(path) if path else None
    if detections is None:
        clip.check_unchanged("video")
        detections = _detect(clip, plan)
        if path:
            save_detections(path, detections)
    return detections


def _detect(clip: ClipInput, plan: PoseSourcePlan) -> Detections:
    if plan.source == JSON:
        return _read_json(clip, plan)
    if plan.source in IN_ORDER:
        return _read_sensor(clip, plan)
    video, estimator = clip.raw / clip.video, load(plan.params)
    if (mosaics := plan.needed) is None:
        return detect(video, estimator, *clip.segment)
    return detect_sampled(
        video, estimator, lambda count: mosaic_frames(count, mosaics).tolist(), *clip.segment
    )


def _read_json(clip: ClipInput, plan: PoseSourcePlan) -> Detections:
    params, video = plan.params.openpose_json, clip.raw / clip.video
    movenet = load(plan.params.replace(source="movenet")) if params.compare_frames else None
    refusal: ClipRejected | None = None
    try:
        detections = read_detections(
            json_folder(clip.raw, clip.skeleton),
            video,
            params.model,
            *clip.segment,
            estimator=movenet,
            compared=params.compare_frames,
        )
    except ClipRejected as rejected:
        refusal = rejected
    # What becomes of the clip, a refusal too, has to belong to the files of the index.
    if pose_digest(clip.raw, clip.skeleton, *clip.segment) != clip.digests["skeleton"]:
        raise ClipRejected(
            "POSE_CHANGED",
            f"{clip.skeleton!a} changed since it was indexed",
            remedy="run `dvc repro`, or `stroi index` again, when nothing writes there",
        )
    if refusal:
        raise refusal
    return detections


def _read_sensor(clip: ClipInput, plan: PoseSourcePlan) -> Detections:
    if not clip.digests["skeleton"]:
        raise ClipRejected(
            "SKEL_MISSING",
            f"{clip.skeleton!a} is no skeleton file" if clip.skeleton else "no skeleton file",
            remedy="put the sensor's file there, or let skeletons.source be an estimator",
        )
    # The stage that needs its pixels decodes it.
    info = count_frames(clip.raw / clip.video, *clip.segment)
    file = clip.raw / clip.skeleton
    if plan.source == KINECT:
        digest = clip.digests["skeleton"]
        return read_kinect(file, digest, info, *clip.segment, people=plan.params.people)
    clip.check_unchanged("skeleton")
    found = read_own_people(
        file, plan.params.own, clip.camera, info, *clip.segment, people=plan.params.people
    )
    clip.check_unchanged("skeleton")
    return found


def describe_source(clip: ClipInput, plan: PoseSourcePlan, frames: int) -> str:
    """The ledger's remark of where the people of a clip of T frames come from.

    Raises:
        ClipRejected: If a sensor's file that they come from is gone or has changed.
    """
    if plan.source == KINECT:
        bodies, missing, surplus = summarise(
            clip.raw / clip.skeleton, clip.digests["skeleton"], frames, *clip.segment
        )
        noun = "id" if bodies == 1 else "ids"
        text = f", frames without a skeleton: {missing}" if missing else ""
        text += f", skeletons beyond the last frame: {surplus}" if surplus else ""
        return f"{KINECT}, {bodies} {noun} of bodies{text}"
    return plan.source
