"""Score files: the logits of every sample, and the join of several models' by id.

Legend of shapes: N samples, L classes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.cache.files.atomic import write_atomic
from stroi.cache.ids import ids_from_array, ids_to_array
from stroi.cache.manifest import FileEntry, Manifest, file_entry, read_manifest, write_manifest
from stroi.cache.storage.formats import MAX_CLASS_BYTES, SCORES
from stroi.cache.storage.hdf5 import decode, encode_learnt
from stroi.cache.storage.schema import Array, sample_digests
from stroi.cache.verify import require_verified

_SAME = "score the same split of the same index with every model"
_CLASSES = "name the classes as the index does; their order does not matter"


@dataclass(frozen=True)
class Scores:
    """What one model says about N samples.

    Attributes:
        ids: Sample ids, N; sorted in a file, in any order for `join`.
        logits: (N, L) float32, finite, before the softmax.
        classes: Class names, L, in the order of the columns.
    """

    ids: tuple[str, ...]
    logits: NDArray[np.float32]
    classes: tuple[str, ...]


def write_scores(
    folder: Path, name: str, scores: Scores, *, params: dict[str, Any], producer: dict[str, Any]
) -> None:
    """Write scores as ``<name>.h5`` and bring the folder's manifest up to date.

    A folder may hold several score files of one model, such as one for each split. Files that
    were written with other params or by another producer drop out of the manifest.

    Args:
        folder: Folder of score files; created if need be.
        name: Name of the file without its ending.
        scores: The scores, sorted by id.
        params: The params group they depend on.
        producer: What made them; the checkpoint's digest among it.

    Raises:
        RefusedInput: If ids, shapes, types or values are not as `Scores` says.
        StroiError: If the disk is full or read-only.
    """
    arrays = _to_arrays(scores)
    data = encode_learnt(SCORES, arrays)
    entry = file_entry(f"{name}.h5", data, scores.ids, sample_digests(SCORES, arrays))
    kept = _others(folder, entry.name, params, producer)
    write_atomic(folder / entry.name, data)
    files = tuple(sorted((*kept, entry), key=lambda file: file.name))
    write_manifest(folder, Manifest(SCORES.kind, params, producer, files))


def read_scores(folder: Path, name: str) -> Scores:
    """Read what `write_scores` wrote; digests are checked first.

    Raises:
        RefusedInput: If the folder is incomplete, damaged, or not one of scores; ``SCORES_NAME``
            if it has no file of that name.
    """
    manifest = require_verified(folder, SCORES.kind)
    if f"{name}.h5" not in {entry.name for entry in manifest.files}:
        raise RefusedInput(
            "SCORES_NAME",
            f"{folder} has no scores named {name!a}",
            remedy=f"it has {', '.join(entry.name for entry in manifest.files)}",
        )
    path = folder / f"{name}.h5"
    arrays = decode(SCORES, path)
    classes = [text.decode("utf-8", "replace") for text in arrays["class_name"].tolist()]
    _check_classes(classes, str(path))
    return Scores(ids_from_array(arrays["sample_id"]), arrays["logits"], tuple(classes))


def match_classes(
    scores: Scores, classes: Sequence[str], where: str = "the scores", other: str = "the index"
) -> Scores:
    """The same scores with their columns in the order of `classes`, matched by name.

    Args:
        scores: The scores.
        classes: Names of the same L classes, in any order.
        where: What has the scores, for the message.
        other: What has the classes, for the message.

    Raises:
        RefusedInput: ``ENSEMBLE_CLASSES`` if they are other classes, naming the count and the
            first.
    """
    if tuple(classes) == scores.classes:
        return scores
    column = {name: at for at, name in enumerate(scores.classes)}
    for one, names, another in (
        (other, set(classes) - set(column), where),
        (where, set(column) - set(classes), other),
    ):
        if names:
            raise RefusedInput(
                "ENSEMBLE_CLASSES",
                f"{len(names)} classes of {one} are not in {another}, first {min(names)!a}",
                remedy=_CLASSES,
            )
    logits = scores.logits[:, [column[name] for name in classes]]
    return Scores(scores.ids, logits, tuple(classes))


def join(streams: Sequence[Scores]) -> tuple[tuple[str, ...], list[NDArray[np.float32]]]:
    """Bring the scores of several models into one order of samples and of classes.

    Args:
        streams: One or more score tables, each in any order of samples and of classes.

    Returns:
        The ids, sorted, and the logits (N, L) of each stream in that order, their columns as in
        the first stream.

    Raises:
        RefusedInput: ``ENSEMBLE_IDS`` if an id is missing, extra or double, naming the count
            and the first; ``ENSEMBLE_CLASSES`` if the streams' classes differ;
            ``ENSEMBLE_EMPTY`` without streams.
    """
    if not streams:
        raise RefusedInput("ENSEMBLE_EMPTY", "there are no scores to join")
    first = streams[0]
    for number, stream in enumerate(streams):
        _check_stream(number, stream, first)
    ids = tuple(sorted(first.ids))
    joined = []
    for stream in streams:
        row = {name: position for position, name in enumerate(stream.ids)}
        logits = match_classes(stream, first.classes).logits
        joined.append(logits[[row[name] for name in ids]])
    return ids, joined


def _check_stream(number: int, stream: Scores, first: Scores) -> None:
    if len(stream.ids) != len(stream.logits):
        raise RefusedInput(
            "ENSEMBLE_IDS",
            f"stream {number} has {len(stream.ids)} ids and {len(stream.logits)} rows of logits",
        )
    double = sorted(name for name, count in Counter(stream.ids).items() if count > 1)
    missing = sorted(set(first.ids) - set(stream.ids))
    extra = sorted(set(stream.ids) - set(first.ids))
    for what, names in (("occur twice", double), ("are missing", missing), ("are extra", extra)):
        if names:
            raise RefusedInput(
                "ENSEMBLE_IDS",
                f"stream {number}: {len(names)} ids {what}, the first is {names[0]!a}",
                remedy=_SAME,
            )
    match_classes(stream, first.classes, f"stream {number}", "stream 0")


def _others(
    folder: Path, name: str, params: dict[str, Any], producer: dict[str, Any]
) -> tuple[FileEntry, ...]:
    try:
        manifest = read_manifest(folder, SCORES.kind)
    except RefusedInput:
        return ()
    if manifest.params != params or manifest.producer != producer:
        return ()
    return tuple(entry for entry in manifest.files if entry.name != name)


def _check_classes(classes: Sequence[str], where: str) -> None:
    for name, count in Counter(classes).items():
        if count > 1 or not name.isprintable() or not 1 <= len(name.encode()) <= MAX_CLASS_BYTES:
            raise RefusedInput(
                "CLASS_NAME",
                f"{where}: the class name {name[:MAX_CLASS_BYTES]!a} is empty, longer than"
                f" {MAX_CLASS_BYTES} bytes, not printable, or there twice",
                remedy="give every class a short name of its own",
            )


def _to_arrays(scores: Scores) -> dict[str, Array]:
    _check_classes(scores.classes, "new scores file")
    return {
        "sample_id": ids_to_array(scores.ids),
        "logits": scores.logits,
        "class_name": np.array([name.encode() for name in scores.classes], f"S{MAX_CLASS_BYTES}"),
    }
