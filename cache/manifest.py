"""The manifest of a folder: what made it, and what every file must be. Written last."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from stroi.cache.errors import RefusedInput, refuse
from stroi.cache.files.atomic import write_atomic
from stroi.cache.files.digests import digest, sha256_bytes
from stroi.cache.files.fault_points import fault_point
from stroi.cache.files.opening import read_no_link
from stroi.cache.ids import check_ids, check_sorted
from stroi.cache.storage.schema import SCHEMA, check_version
from stroi.cache.storage.strict_json import JsonNode, parse_json

MANIFEST_NAME = "manifest.json"
MAX_MANIFEST_BYTES = 1 << 30
"""Largest manifest that is written, and that is read: four million clips have room."""

_HEX = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,31}")
_VERSION = re.compile(r"[0-9A-Za-z.+!-]{1,64}")
_UNSEALED = "0" * 64
_NAME_REMEDY = "use letters, digits, '_', '.' and '-'"
_REMEDY = "fetch the manifest again or rebuild the folder"


@dataclass(frozen=True)
class FileEntry:
    """One file of a folder.

    Attributes:
        name: Its name within the folder.
        bytes: Its size.
        sha256: Digest of its bytes.
        ids: The samples it holds, sorted; empty for a file that holds none.
        sample_sha256: Digest of each sample as `schema.sample_digests`, or empty.
        inputs: What each sample was made from: digests in the order of `ids` by what they are
            of, such as ``video``; empty if that is not known.
    """

    name: str
    bytes: int
    sha256: str
    ids: tuple[str, ...] = ()
    sample_sha256: tuple[str, ...] = ()
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def file_entry(
    name: str, data: bytes, ids: Sequence[str] = (), sample_sha256: Sequence[str] = ()
) -> FileEntry:
    """Entry of a file that holds `data`; the other arguments as in `FileEntry`.

    Raises:
        RefusedInput: ``MANIFEST`` if `name` is not a plain file name.
    """
    if not _is_file_name(name):
        raise refuse("MANIFEST", f"{name!a} is not the name of a file", _NAME_REMEDY)
    return FileEntry(name, len(data), sha256_bytes(data), tuple(ids), tuple(sample_sha256))


def stroi_version() -> str:
    """Version of the installed stroi."""
    return metadata.version("stroi")


@dataclass(frozen=True)
class Manifest:
    """What a folder holds and what made it.

    Attributes:
        kind: ``mosaics``, ``skeletons``, ``weights``, ``scores`` or another lower-case word.
        params: The params group that the folder depends on; JSON values.
        producer: Who made it: estimator and model digest, checkpoint digest, versions.
        files: Its files, sorted by name.
        extra: Anything else worth keeping; JSON values.
        schema: Version of this layout.
        stroi_version: Version of the stroi that wrote it.
    """

    kind: str
    params: dict[str, Any]
    producer: dict[str, Any]
    files: tuple[FileEntry, ...]
    extra: dict[str, Any] = field(default_factory=dict)
    schema: str = SCHEMA
    stroi_version: str = field(default_factory=stroi_version)

    @property
    def params_digest(self) -> str:
        """SHA-256 of the params' canonical JSON."""
        return digest(self.params)

    @property
    def ids(self) -> tuple[str, ...]:
        """Every sample id of the folder, sorted."""
        return tuple(sorted(name for entry in self.files for name in entry.ids))

    @property
    def content_by_id(self) -> dict[str, str]:
        """Digest of every sample's content; its file's digest where the samples have none."""
        return {
            name: entry.sample_sha256[row] if entry.sample_sha256 else entry.sha256
            for entry in self.files
            for row, name in enumerate(entry.ids)
        }

    def to_dict(self) -> dict[str, Any]:
        """The manifest as JSON values."""
        return {
            "schema": self.schema,
            "kind": self.kind,
            "stroi_version": self.stroi_version,
            "params": self.params,
            "params_digest": self.params_digest,
            "producer": self.producer,
            "extra": self.extra,
            "files": [
                {
                    "name": entry.name,
                    "bytes": entry.bytes,
                    "sha256": entry.sha256,
                    "ids": list(entry.ids),
                    "sample_sha256": list(entry.sample_sha256),
                    "inputs": {what: list(made) for what, made in entry.inputs.items()},
                }
                for entry in self.files
            ],
        }

    @classmethod
    def from_dict(cls, document: object, where: str = MANIFEST_NAME) -> Manifest:
        """Read a manifest from JSON values. Keys of a newer minor version are ignored.

        Args:
            document: What the JSON text holds.
            where: The file, for messages.

        Raises:
            RefusedInput: ``SCHEMA`` or ``MANIFEST``, saying which key is wrong and how;
                ``ID_BAD``, ``ID_DUPLICATE`` or ``ID_ORDER``.
        """
        top = JsonNode(document, where)
        schema = top.text("schema")
        check_version(schema, where)
        manifest = cls(
            kind=top.text("kind", _KIND),
            params=top.mapping("params"),
            producer=top.mapping("producer"),
            files=tuple(_entry(node) for node in top.nodes("files")),
            extra=top.mapping("extra"),
            schema=schema,
            stroi_version=top.text("stroi_version", _VERSION),
        )
        _check_consistent(manifest, top.text("params_digest", _HEX), where)
        return manifest


def write_manifest(folder: Path, manifest: Manifest, *, replace: bool = True) -> bool:
    """Write `manifest` into `folder`; every file it names must be there already.

    Args:
        folder: The folder it describes.
        manifest: What it holds.
        replace: Whether it may replace one that is there.

    Returns:
        Whether it was written, as `stroi.cache.files.atomic.write_atomic`.

    Raises:
        RefusedInput: If it would not be read again.
        StroiError: If the disk is full or read-only.
    """
    path = folder / MANIFEST_NAME
    unsealed = _render({**manifest.to_dict(), "digest": _UNSEALED})
    sealed = _render({**manifest.to_dict(), "digest": sha256_bytes(unsealed)})
    if len(sealed) > MAX_MANIFEST_BYTES:
        raise RefusedInput(
            "MANIFEST",
            f"{path} would have {len(sealed)} bytes, allowed are {MAX_MANIFEST_BYTES}",
            remedy="split the data set",
        )
    _parse(sealed.decode("ascii"), str(path))
    fault_point("before_manifest")
    written = write_atomic(path, sealed, replace=replace)
    fault_point("after_manifest")
    return written


def read_manifest(folder: Path, kind: str | Sequence[str] | None = None) -> Manifest:
    """Read the manifest of `folder`; the files that it names are not read.

    Args:
        folder: A folder that stroi wrote.
        kind: The kind it must be, or several that it may be; None takes any.

    Raises:
        RefusedInput: ``MANIFEST_MISSING``, ``MANIFEST``, ``JSON_DUPLICATE_KEY``, ``DIGEST`` if
            it was changed after it was written, ``SCHEMA`` for a newer version or another kind.
    """
    path = folder / MANIFEST_NAME
    manifest = _parse(_read(path), str(path))
    kinds = (kind,) if isinstance(kind, str) else kind
    if kinds is not None and manifest.kind not in kinds:
        problem = f"{path} describes {manifest.kind}, want {' or '.join(kinds)}"
        raise refuse("SCHEMA", problem, "check the path")
    return manifest


def _parse(text: str, where: str) -> Manifest:
    document = parse_json(text, where)
    check_version(JsonNode(document, where).text("schema"), where)
    _check_seal(document, text, where)
    return Manifest.from_dict(document, where)


def _render(document: Mapping[str, Any]) -> bytes:
    text = json.dumps(document, sort_keys=True, indent=1, ensure_ascii=True, allow_nan=False)
    return text.encode("ascii") + b"\n"


def _read(path: Path) -> str:
    if not os.path.lexists(path):
        raise RefusedInput(
            "MANIFEST_MISSING",
            f"{path} is missing: the folder is incomplete or not a cache",
            remedy="finish or repeat the run that writes it, or `dvc pull` the folder",
        )
    data = read_no_link(path, "MANIFEST", MAX_MANIFEST_BYTES, remedy=_REMEDY)
    if not data.isascii():
        raise refuse("MANIFEST", f"{path} is not ASCII text", _REMEDY)
    return data.decode("ascii")


def _check_seal(document: object, text: str, where: str) -> None:
    seal = JsonNode(document, where).text("digest", _HEX)
    unsealed = text.replace(f'"digest": "{seal}"', f'"digest": "{_UNSEALED}"', 1)
    if sha256_bytes(unsealed.encode()) != seal:
        raise refuse("DIGEST", f"{where} was changed after it was written", _REMEDY)


def _check_consistent(manifest: Manifest, params_digest: str, where: str) -> None:
    if params_digest != manifest.params_digest:
        raise refuse("MANIFEST", f"{where}: params_digest is not that of params", _REMEDY)
    names = [entry.name for entry in manifest.files]
    if names != sorted(set(names)) or len({name.casefold() for name in names}) != len(names):
        raise refuse("MANIFEST", f"{where}: the files are not sorted or occur twice", _REMEDY)
    check_ids([name for entry in manifest.files for name in entry.ids], where=where)
    for entry in manifest.files:
        check_sorted(entry.ids, where=f"{where}: {entry.name}")
        _check_lengths(entry, where)


def _check_lengths(entry: FileEntry, where: str) -> None:
    digests = {"sample": entry.sample_sha256, **entry.inputs}
    for what, made in digests.items():
        if made and len(made) != len(entry.ids):
            counts = f"{len(entry.ids)} ids and {len(made)} {what} digests"
            raise refuse("MANIFEST", f"{where}: {entry.name} has {counts}", _REMEDY)


def _is_file_name(name: str) -> bool:
    return (
        _NAME.fullmatch(name) is not None
        and ".." not in name
        and not name.endswith(".")
        and name.casefold() != MANIFEST_NAME
    )


def _entry(node: JsonNode) -> FileEntry:
    name = node.text("name")
    if not _is_file_name(name):
        raise node.wrong("name", "is not the name of a file of this folder")
    return FileEntry(
        name=name,
        bytes=node.count("bytes"),
        sha256=node.text("sha256", _HEX),
        ids=node.texts("ids"),
        sample_sha256=node.texts("sample_sha256", _HEX),
        inputs=_inputs(node),
    )


def _inputs(node: JsonNode) -> dict[str, tuple[str, ...]]:
    inputs = node.mapping("inputs")
    for what in inputs:
        if _KIND.fullmatch(what) is None:
            raise node.wrong("inputs", f"has a malformed key: {what[:80]!a}")
    digests = JsonNode(inputs, f"{node.where}: inputs")
    return {what: digests.texts(what, _HEX) for what in sorted(inputs)}
