"""Is a folder complete, untouched and well-formed? Answered from its manifest alone."""

from __future__ import annotations

import stat
from pathlib import Path

from stroi.cache.digests import sha256_file
from stroi.cache.errors import RefusedInput
from stroi.cache.files import is_temporary
from stroi.cache.formats import FORMATS
from stroi.cache.hdf5 import map_arrays
from stroi.cache.ids import ids_from_array
from stroi.cache.manifest import MANIFEST_NAME, FileEntry, Manifest, read_manifest
from stroi.cache.schema import ID_FIELD, Format, check_contents, sample_digests

_LEDGER_UNLISTED = "1.0"
"""The schema whose manifests did not list the ledger."""

_SHOWN = 5


def verify(folder: Path, kind: str | None = None) -> list[str]:
    """Every problem of a folder: manifest, set of files, digests, structure, ids, values.

    Args:
        folder: A folder with a manifest.
        kind: The kind it must be; None takes any.

    Returns:
        One line for each problem, naming the file and, where one is hit, the sample; empty if
        the folder is good.
    """
    try:
        manifest = read_manifest(folder, kind)
    except RefusedInput as error:
        return [str(error)]
    return _problems(folder, manifest)


def require_verified(folder: Path, kind: str) -> Manifest:
    """The manifest of a folder that has no problem.

    Args:
        folder: A folder with a manifest.
        kind: The kind it must be.

    Raises:
        RefusedInput: As `read_manifest`; ``DIGEST`` with the first problem of `verify`.
    """
    manifest = read_manifest(folder, kind)
    problems = _problems(folder, manifest)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise RefusedInput(
            "DIGEST", f"{folder}: {problems[0]}{more}", remedy="fetch or rebuild what is named"
        )
    return manifest


def _problems(folder: Path, manifest: Manifest) -> list[str]:
    listed = {entry.name for entry in manifest.files}
    problems = [
        problem
        for entry in manifest.files
        if (problem := _file_problem(folder / entry.name, entry, manifest.kind))
    ]
    listed.add(MANIFEST_NAME)
    if manifest.schema == _LEDGER_UNLISTED:
        listed.add("ledger.csv")
    for name in sorted(path.name for path in folder.iterdir()):
        if name not in listed:
            what = "left by a killed writer" if is_temporary(name) else "not in the manifest"
            problems.append(f"{name!a}: {what}")
    return problems


def _file_problem(path: Path, entry: FileEntry, kind: str) -> str:
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode):
            return f"{entry.name}: not a regular file"
        if status.st_size != entry.bytes:
            return f"{entry.name}: {status.st_size} bytes, the manifest says {entry.bytes}"
        same = sha256_file(path) == entry.sha256
    except FileNotFoundError:
        return f"{entry.name}: missing"
    except OSError as error:
        return f"{entry.name}: cannot be read: {error.strerror}"
    fmt = FORMATS.get(kind) if path.suffix == ".h5" else None
    if same:
        return _content_problem(path, entry, fmt) if fmt else ""
    found = f"{entry.name}: its SHA-256 is not the manifest's"
    return f"{found}; {_damage(path, entry, fmt)}" if fmt else found


def _content_problem(path: Path, entry: FileEntry, fmt: Format) -> str:
    try:
        arrays = map_arrays(fmt, path)
        check_contents(fmt, arrays, path.name)
    except RefusedInput as error:
        return f"{entry.name}: {error}"
    if ids_from_array(arrays[ID_FIELD.name]) != entry.ids:
        return f"{entry.name}: it holds other samples than the manifest says"
    return ""


def _damage(path: Path, entry: FileEntry, fmt: Format) -> str:
    """Say which samples of a changed file are hit."""
    try:
        arrays = map_arrays(fmt, path)
    except RefusedInput as error:
        return f"no sample can be read: {error}"
    found = ids_from_array(arrays[ID_FIELD.name])
    if len(found) != len(entry.ids):
        return f"it holds {len(found)} samples instead of {len(entry.ids)}"
    digests = sample_digests(fmt, arrays)
    hit = [
        name
        for row, name in enumerate(entry.ids)
        if found[row] != name or digests[row : row + 1] != entry.sample_sha256[row : row + 1]
    ]
    if not hit:
        return "no sample is hit, but the headers or the gaps between the arrays are"
    more = f" and {len(hit) - _SHOWN} more" if len(hit) > _SHOWN else ""
    return f"damaged: {', '.join(hit[:_SHOWN])}{more} of {len(entry.ids)} samples"
