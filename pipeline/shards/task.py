"""How the clips of a stage are made, and what the result depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from stroi.cache.files.digests import digest
from stroi.cache.storage.schema import SCHEMA, Arrays, FileFormat

Input = TypeVar("Input")
Result = TypeVar("Result")


@dataclass(frozen=True)
class ClipTask(Generic[Input]):
    """One clip to be made.

    Attributes:
        id: Sample id.
        inputs: SHA-256 of everything the result depends on besides params, by what it is of.
        input: What `TaskSpec.make` gets: where the inputs lie; picklable.
        bytes: Size that it will take in a shard; 0 if unknown.
        place: Video and first frame of a clip that is a part of a video: a worker makes such clips
            in that order, so that the video is decoded once.
    """

    id: str
    inputs: Mapping[str, str]
    input: Input
    bytes: int = 0
    place: tuple[str, int] = ("", 0)


@dataclass(frozen=True)
class TaskSpec(Generic[Input, Result]):
    """How the clips of one stage are made.

    Attributes:
        format: What a shard holds.
        version: The stage's `VERSION`; raise it when the same inputs give other bytes.
        params: The params that the result depends on, as JSON values.
        producer: What else it depends on: estimator, library versions.
        make: Input to result; raises `ClipRejected` to quarantine the clip. Picklable.
        fields: Result to the array of each field of `format` but the id, of a shard with this clip
            alone. Picklable.
        detail: Result to the ledger's remark about it. Picklable.
        stated: Further params for the manifest; no result depends on them.
        origin: Further entries of its producer, likewise.
    """

    format: FileFormat
    version: int
    params: Mapping[str, Any]
    producer: Mapping[str, Any]
    make: Callable[[Input], Result]
    fields: Callable[[Result], Arrays]
    detail: Callable[[Result], str]
    stated: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """Kind of the cache, such as ``mosaics``; also the stem of its file names."""
        return self.format.kind

    def key(self, tasks: Sequence[ClipTask[Input]], left_out: Sequence[str] = ()) -> str:
        """Content key of the shard that `tasks` become.

        Args:
            tasks: Its clips.
            left_out: Ids of those that are not even tried.
        """
        made_from = {
            "schema": SCHEMA,
            "kind": self.kind,
            "version": self.version,
            "params": dict(self.params),
            "producer": dict(self.producer),
            "clips": [[task.id, dict(task.inputs)] for task in tasks],
        }
        return digest(made_from | {"left_out": list(left_out)} if left_out else made_from)
