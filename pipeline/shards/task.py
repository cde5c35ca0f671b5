"""How the clips of a stage are made, and what the result depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from stroi.cache.files.digests import digest
from stroi.cache.storage.assemble import Encoded
from stroi.cache.storage.schema import SCHEMA

Source = TypeVar("Source")
Made = TypeVar("Made")


@dataclass(frozen=True)
class ClipTask(Generic[Source]):
    """One clip to be made.

    Attributes:
        id: Sample id.
        inputs: SHA-256 of everything the result depends on besides params, by what it is of.
        source: What `TaskSpec.make` needs to find the inputs; picklable.
        bytes: Size that it will take in a shard; 0 if nobody knows.
    """

    id: str
    inputs: Mapping[str, str]
    source: Source
    bytes: int = 0


@dataclass(frozen=True)
class TaskSpec(Generic[Source, Made]):
    """How the clips of one stage are made.

    Attributes:
        kind: Kind of the cache, such as ``mosaics``; also the stem of its file names.
        algorithm: Version of the computation; raise it when the same inputs give other bytes.
        params: The params that the result depends on, as JSON values.
        producer: What else it depends on: estimator, library versions.
        make: Source to result; raises `ClipRejected` to quarantine the clip. Picklable.
        encode: Ids and results to a shard. Picklable.
        detail: Result to the ledger's remark about it. Picklable.
        stated: Params that the manifest tells beside `params`; no result depends on them.
        origin: What it tells beside `producer`, likewise.
    """

    kind: str
    algorithm: int
    params: Mapping[str, Any]
    producer: Mapping[str, Any]
    make: Callable[[Source], Made]
    encode: Callable[[Sequence[str], Sequence[Made]], Encoded]
    detail: Callable[[Made], str]
    stated: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, Any] = field(default_factory=dict)

    def key(self, jobs: Sequence[ClipTask[Source]], left_out: Sequence[str] = ()) -> str:
        """Content key of the shard that `jobs` become.

        Args:
            jobs: Its clips.
            left_out: Ids of those that are not even tried.
        """
        made_from = {
            "schema": SCHEMA,
            "kind": self.kind,
            "algorithm": self.algorithm,
            "params": dict(self.params),
            "producer": dict(self.producer),
            "clips": [[job.id, dict(job.inputs)] for job in jobs],
        }
        return digest(made_from | {"left_out": list(left_out)} if left_out else made_from)
