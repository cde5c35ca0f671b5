"""One clip as the stages see it, and the one way from the clips of a data set to a cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from stroi.cache.files.digests import digest
from stroi.pipeline.index.ledger import Ledger, check_share
from stroi.pipeline.index.table import Sample, segment_inputs
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import MosaicParams, SkeletonParams, Skeletons3dParams
from stroi.pipeline.shards.build import ClipTask, TaskSpec, build_shards
from stroi.stages.video.file_states import KnownFile, read_known
from stroi.stages.video.fingerprint import check_unchanged

Result = TypeVar("Result")


@dataclass(frozen=True)
class ClipInput:
    """The files of one clip; no label.

    Attributes:
        id: Sample id.
        raw: Root of the data set.
        video: The video, relative to `raw`; empty if the clip has none.
        skeleton: The sensor's file or OpenPose's folder, relative to `raw`; empty if there is none.
        digests: SHA-256 of all that the result depends on besides params: ``video``, ``skeleton``,
            ``camera`` and, if any clip of the data set is a part of its video, ``segment``.
        start: First frame of the clip in the video and in the skeleton, from 0.
        stop: Frame after its last; 0 if it lasts to the end.
        camera: Which view; empty if unknown.
        states: State in which ``video`` and ``skeleton`` had these digests; empty if unknown.
    """

    id: str
    raw: Path
    video: str
    skeleton: str
    digests: Mapping[str, str]
    start: int = 0
    stop: int = 0
    camera: str = ""
    states: Mapping[str, str] = field(default_factory=dict)

    @property
    def segment(self) -> tuple[int, int]:
        """Where the clip starts and stops."""
        return self.start, self.stop

    @property
    def place(self) -> tuple[str, int]:
        """The video that it is a part of, and its first frame there."""
        return (self.video, self.start) if self.start or self.stop else ("", 0)

    @property
    def frames(self) -> int:
        """Frames of the clip; 0 if it lasts to the end, which only decoding shows."""
        return max(0, self.stop - self.start)

    def check_unchanged(self, kind: Literal["video", "skeleton"]) -> None:
        """Make sure that its video or its sensor's file has the bytes that the index lists.

        Raises:
            ClipRejected: As `stroi.stages.video.fingerprint.check_unchanged`.
        """
        place = self.video if kind == "video" else self.skeleton
        state = self.states.get(kind, "")
        check_unchanged(self.raw / place, self.digests[kind], kind, state)


def clip_inputs(
    raw: Path, samples: Sequence[Sample], store: Path, *used: Literal["video", "skeleton", "camera"]
) -> list[ClipInput]:
    """The clips of an index.

    Args:
        raw: Root of the data set.
        samples: The clips.
        store: Folder of finished work.
        *used: What the result will depend on: files, and which camera it is.
    """
    segments, known = segment_inputs(samples), read_known(store, raw)
    clips = []
    for sample in samples:
        files = {
            "video": (sample.video, sample.sha256),
            "skeleton": (sample.skeleton, sample.skeleton_sha256),
        }
        digests = {name: sha256 for name, (_, sha256) in files.items()}
        digests["camera"] = digest(sample.camera)
        clips.append(
            ClipInput(
                sample.id,
                raw,
                sample.video,
                sample.skeleton,
                {name: digests[name] for name in used} | segments[sample.id],
                sample.start,
                sample.stop,
                sample.camera,
                {name: _state(known, *files[name]) for name in used if name in files},
            )
        )
    return clips


def _state(known: Mapping[str, KnownFile], place: str, sha256: str) -> str:
    """State in which a file had that digest; empty if it is not known."""
    return known[place].state if place in known and known[place].sha256 == sha256 else ""


def build_cache(
    out: Path,
    spec: TaskSpec[ClipInput, Result],
    clips: Sequence[ClipInput],
    params: SkeletonParams | Skeletons3dParams | MosaicParams,
    *,
    clip_bytes: Callable[[ClipInput], int],
    workers: Workers,
    store: Path,
) -> Ledger:
    """Make something of every clip and leave it in `out`.

    Args:
        out: Folder of the cache.
        spec: What to make of a clip.
        clips: The clips.
        params: The stage's params.
        clip_bytes: Size of a clip's result in a shard; 0 if unknown.
        workers: Where to run.
        store: Folder of finished work.

    Raises:
        StroiError: If more clips than ``max_quarantined`` were quarantined.
    """
    tasks = [ClipTask(clip.id, clip.digests, clip, clip_bytes(clip), clip.place) for clip in clips]
    ledger = build_shards(
        out, spec, tasks, clips_per_shard=params.clips_per_shard, store=store, workers=workers
    )
    check_share(ledger, params.max_quarantined, out)
    return ledger
