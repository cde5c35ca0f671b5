"""Publish a cache as one folder or one archive, with a card, and nothing private in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.files.digests import sha256_bytes, sha256_file
from stroi.cache.files.staging import move_into_place, new_file, refuse_existing, staging_folder
from stroi.cache.ledger import LEDGER_NAME, read_rows, withhold_places
from stroi.cache.manifest import (
    MANIFEST_NAME,
    Manifest,
    file_entry,
    read_manifest,
    write_manifest,
)
from stroi.cache.mosaics import MosaicCache
from stroi.cache.pictures.compact_shard import read_packed
from stroi.cache.share.archive import OutgoingFile, check_count, copy_checked, write_archive
from stroi.cache.share.card import (
    CARD_NAME,
    INDEX_NAMES,
    PUBLISHED,
    README_NAME,
    SHEET_NAME,
    About,
    card_bytes,
    contact_sheet,
    make_card,
    readme_bytes,
)
from stroi.cache.share.convert import pack, unpack
from stroi.cache.share.info import MOSAIC_KINDS, Info, describe, form_of
from stroi.cache.storage.schema import SCHEMA

AS_IT_IS = "as-is"
FORMS = (AS_IT_IS, "training", "jpeg", "webp")

_PRIVATE = re.compile(r"(?:^|[\s'\"=:;(,\[])(?:/[^/\s]|~[/\w]|[A-Za-z]:[\\/]|\\\\)|file:")
"""The beginning of an absolute path, wherever it stands in a text."""
_TOP = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Published:
    """What `export_cache` wrote.

    Attributes:
        info: What the published cache says of itself, before the card was added.
        manifest_sha256: SHA-256 of its ``manifest.json``: names it and all its bytes.
        archive_sha256: SHA-256 of the archive; empty for a folder.
        files: Number of files, the manifest among them.
        bytes: Their size.
    """

    info: Info
    manifest_sha256: str
    archive_sha256: str
    files: int
    bytes: int


def export_cache(
    folder: Path,
    target: Path,
    about: About,
    *,
    form: str = AS_IT_IS,
    quality: int | None = None,
    index: Mapping[str, bytes] | None = None,
    sheet: bool = True,
    on_sample: Callable[[int], None] = lambda count: None,
) -> Published:
    """Publish a cache that was verified before.

    Equal caches give equal bytes: nothing of the time, the machine or the user goes in.

    Args:
        folder: The cache. Files whose digest is not the manifest's are refused while they are
            copied.
        target: The new folder, or the new archive if it ends in ``.tar``.
        about: What only the publisher can say.
        form: One of `FORMS`; mosaics are packed or unpacked on the way.
        quality: JPEG quality; None for the default.
        index: Bytes of ``samples.csv`` and ``classes.txt``, for the samples of the cache; None
            publishes no label.
        sheet: Whether mosaics get a contact sheet.
        on_sample: Called with the number of samples done since it was called last.

    Raises:
        ParamsError: ``TARGET_EXISTS``; ``EXPORT_FORM`` if the cache has no such form.
        RefusedInput: ``EXPORT_PRIVATE`` if the manifest names a place on this machine;
            ``MANIFEST`` if that of a compact cache does not say how it was packed;
            ``DIGEST`` or ``SOURCE`` if a file changes meanwhile.
        StroiError: If the disk is full or read-only, or OpenCV is needed and missing.
    """
    refuse_existing(target)
    manifest = read_manifest(folder)
    with staging_folder(target, sum(entry.bytes for entry in manifest.files)) as private:
        counts = {entry.name: len(entry.ids) for entry in manifest.files}
        if _converts(folder, manifest, form):
            folder = _convert(folder, private / "converted", form, quality, on_sample)
            counts = {}

        def on_file(file: OutgoingFile) -> None:
            on_sample(counts.get(file.name, 0))

        info = describe(folder)
        files = _outgoing(folder, info, about, dict(index or {}), sheet, private / "manifest")
        made = private / "made"
        if target.suffix == ".tar":
            top = target.stem if _TOP.fullmatch(target.stem) else info.kind
            write_archive(made, top, files, on_file)
        else:
            write_folder(made, files, on_file)
        archive = sha256_file(made) if made.is_file() else ""
        move_into_place(made, target)
    sizes = [file.size for file in files]
    return Published(info, files[-1].sha256, archive, len(files), sum(sizes))


def write_folder(
    folder: Path, files: Sequence[OutgoingFile], on_file: Callable[[OutgoingFile], None]
) -> None:
    """Write a new folder of new files, calling `on_file` after each.

    Raises:
        ParamsError: ``ARCHIVE_COUNT`` if there are more than will be taken in.
        RefusedInput: ``DIGEST`` or ``SOURCE`` if a file is not what its entry says.
        OSError: If the disk does not take it.
    """
    check_count(len(files))
    folder.mkdir()
    for file in files:
        with new_file(folder / file.name) as fd:
            copy_checked(file, fd)
        on_file(file)


def _converts(folder: Path, manifest: Manifest, form: str) -> bool:
    """Whether the cache has to be packed or unpacked to be of that form."""
    if form == AS_IT_IS:
        return False
    here = form_of(manifest.kind)
    if here == "compact":
        here = read_packed(manifest.extra, str(folder / MANIFEST_NAME))["codec"]
    if not here or form not in FORMS or ("training" not in (form, here) and form != here):
        raise ParamsError(
            "EXPORT_FORM",
            f"{manifest.kind} cannot be exported as {form!a}",
            remedy="only mosaics have forms; unpack a compact cache before it is packed otherwise",
        )
    return form != here


def _convert(
    folder: Path, target: Path, form: str, quality: int | None, on_sample: Callable[[int], None]
) -> Path:
    if form == "training":
        unpack(folder, target, on_sample=on_sample)
    else:
        pack(folder, target, codec=form, quality=quality, on_sample=on_sample)
    return target


def _outgoing(
    folder: Path, info: Info, about: About, index: dict[str, bytes], sheet: bool, scratch: Path
) -> list[OutgoingFile]:
    """Every file of the publication, the manifest last."""
    manifest = read_manifest(folder)
    refuse_private(folder, manifest)
    kept = [entry for entry in manifest.files if entry.name not in (*PUBLISHED, LEDGER_NAME)]
    added = dict(index)
    if rows := read_rows(folder):
        added[LEDGER_NAME] = withhold_places(rows)
    if sheet and manifest.kind in MOSAIC_KINDS and manifest.ids:
        added[SHEET_NAME] = contact_sheet(MosaicCache(folder, verify=False))
    labels = len(index[INDEX_NAMES[0]].splitlines()) if index else 0
    card = make_card(about, info, labels=labels)
    added[CARD_NAME] = card_bytes(card)
    sizes = {entry.name: entry.bytes for entry in kept} | {n: len(d) for n, d in added.items()}
    added[README_NAME] = readme_bytes(card, info, sizes)
    new = [file_entry(name, data) for name, data in added.items()]
    files = tuple(sorted((*kept, *new), key=lambda entry: entry.name))
    seal = _seal(
        replace(manifest, files=files, extra=_extra(manifest, rows), schema=SCHEMA), scratch
    )
    outgoing = [
        OutgoingFile(
            entry.name, entry.bytes, entry.sha256, added.get(entry.name, folder / entry.name)
        )
        for entry in files
    ]
    return [*outgoing, OutgoingFile(MANIFEST_NAME, len(seal), sha256_bytes(seal), seal)]


def _extra(manifest: Manifest, rows: Sequence[object]) -> dict[str, Any]:
    return {**manifest.extra, "card": CARD_NAME} | ({"ledger": LEDGER_NAME} if rows else {})


def _seal(manifest: Manifest, scratch: Path) -> bytes:
    """Bytes of ``manifest.json``."""
    write_manifest(scratch, manifest)
    return (scratch / MANIFEST_NAME).read_bytes()


def refuse_private(folder: Path, manifest: Manifest) -> None:
    """Refuse to publish a cache whose manifest names a place on this machine.

    Raises:
        RefusedInput: ``EXPORT_PRIVATE``, naming the key.
    """
    published = {"params": manifest.params, "producer": manifest.producer, "extra": manifest.extra}
    for key in find_private(published):
        raise RefusedInput(
            "EXPORT_PRIVATE",
            f"{folder}: {key[1:]!a} of its manifest names a place on this machine",
            remedy="make the cache with paths relative to the project, and export that",
        )


def find_private(tree: object, at: str = "") -> Iterator[str]:
    """Keys of nested JSON values whose text, or whose name, holds an absolute path."""
    if isinstance(tree, str) and _PRIVATE.search(tree):
        yield at
    elif isinstance(tree, dict):
        for key, value in sorted(tree.items()):
            yield from [f"{at}.{key}"] if _PRIVATE.search(key) else []
            yield from find_private(value, f"{at}.{key}")
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from find_private(value, f"{at}[{number}]")
