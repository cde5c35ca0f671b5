"""A folder of shards as one mapping from sample id to where its arrays lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.cache.ids import ids_from_array
from stroi.cache.manifest import FileEntry, read_manifest
from stroi.cache.storage.hdf5 import map_arrays
from stroi.cache.storage.schema import ID_FIELD, Array, FileFormat, check_contents
from stroi.cache.verify import require_verified


class ShardedCache:
    """What the caches of mosaics and of skeletons have in common.

    Shards are mapped when first needed, also after unpickling in another process; no file stays
    open. Several threads may read one cache.

    Args:
        folder: Folder with a manifest.
        formats: What its shards may be; its manifest says which they are.
        verify: Whether to check every digest now; skip it only for a folder that was checked.

    Attributes:
        folder: The folder.
        manifest: Its manifest.
        format: Format of its shards.
        ids: Every sample id, sorted.

    Raises:
        RefusedInput: As `stroi.cache.verify.require_verified`.
    """

    def __init__(self, folder: Path | str, *formats: FileFormat, verify: bool = True) -> None:
        self.folder = Path(folder)
        by_kind = {each.kind: each for each in formats}
        read = require_verified if verify else read_manifest
        self.manifest = read(self.folder, tuple(by_kind))
        self.format = by_kind[self.manifest.kind]
        self.ids = self.manifest.ids
        self._location = {
            name: (entry.name, row)
            for entry in self.manifest.files
            for row, name in enumerate(entry.ids)
        }
        self._entries = {entry.name: entry for entry in self.manifest.files}
        # No lock, which a fork could leave locked: a dict's `setdefault` is one step.
        self._shards: dict[str, dict[str, Array]] = {}

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def people(self) -> int:
        """P, the most people that a clip of this folder can have.

        Raises:
            RefusedInput: ``H5_EMPTY`` if there is no sample.
        """
        if not self.ids:
            raise RefusedInput("H5_EMPTY", f"{self.folder} holds no sample")
        field = next(field for field in self.format.fields if "P" in field.dims)
        shard, _ = self.find(self.ids[0])
        return int(shard[field.name].shape[field.dims.index("P")])

    def __contains__(self, sample_id: object) -> bool:
        return sample_id in self._location

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_shards": {}}

    def find(self, sample_id: str) -> tuple[dict[str, Array], int]:
        """Arrays of the shard that holds `sample_id`, and its row there.

        Raises:
            RefusedInput: ``ID_UNKNOWN``, or any of reading a shard.
        """
        self._check_known(sample_id)
        name, row = self._location[sample_id]
        shard = self._shards.get(name)
        if shard is None:
            shard = self._shards.setdefault(name, self._open(name))
        return shard, row

    def content(self, ids: Sequence[str]) -> dict[str, str]:
        """Digest of the content of each of `ids`, by id; no shard is opened.

        Raises:
            RefusedInput: ``ID_UNKNOWN``.
        """
        for sample_id in ids:
            self._check_known(sample_id)
        known = self.manifest.content_by_id
        return {sample_id: known[sample_id] for sample_id in ids}

    def storage_order(self, ids: Sequence[str]) -> NDArray[np.int64]:
        """Positions (B,) of `ids` in the order in which the files hold them.

        Raises:
            RefusedInput: ``ID_UNKNOWN``.
        """
        number = {entry.name: place for place, entry in enumerate(self.manifest.files)}
        places = []
        for sample_id in ids:
            self._check_known(sample_id)
            name, row = self._location[sample_id]
            places.append((number[name], row))
        return np.array(sorted(range(len(places)), key=places.__getitem__), np.int64)

    def _check_known(self, sample_id: str) -> None:
        if sample_id not in self._location:
            raise RefusedInput(
                "ID_UNKNOWN",
                f"{self.folder} has no sample {sample_id!a}",
                remedy=f"it holds {len(self.ids)} samples; see its ledger.csv for rejected ones",
            )

    def _open(self, name: str) -> dict[str, Array]:
        return map_shard(self.folder / name, self.format, self._entries[name])


def map_shard(path: Path, fmt: FileFormat, entry: FileEntry) -> dict[str, Array]:
    """Every array of a shard as a view of the mapped file, all checked.

    Raises:
        RefusedInput: As `stroi.cache.storage.hdf5.map_arrays` and
            `stroi.cache.storage.schema.check_contents`;
            ``DIGEST`` if it holds other samples than `entry` says.
    """
    arrays = map_arrays(fmt, path)
    check_contents(fmt, arrays, str(path))
    if ids_from_array(arrays[ID_FIELD.name]) != entry.ids:
        raise RefusedInput(
            "DIGEST",
            f"{path} holds other samples than the manifest says",
            remedy="fetch or rebuild it",
        )
    return arrays
