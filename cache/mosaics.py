"""Mosaic shards: what the mosaics stage writes and the ResNet stage reads.

A folder of them comes in two forms: *training*, plain pixels that are copied out of the mapped
file, and *compact*, one JPEG or lossless WebP picture per clip (`stroi.cache.share.convert`).

Legend of shapes: N clips, B batch, K rows (body parts), C columns (sampled frames), L of them
scored (`stroi.cache.mosaic_columns`), h and w cell height and width in pixels, H = K * h,
W = C * w, P persons that a mosaic shows at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.cache.mosaic_columns import check_columns, scored_columns_of
from stroi.cache.pictures.codecs import decode_picture
from stroi.cache.pictures.compact_shard import blob_at, blob_ends, check_compact, picture_size
from stroi.cache.rois import Rows, recorded_rows
from stroi.cache.shards import ShardedCache
from stroi.cache.storage.formats import MOSAICS, MOSAICS_COMPACT
from stroi.cache.storage.schema import Array

Form = Literal["training", "compact"]

BLOB_ENDS = "blob_end"


@dataclass(frozen=True)
class Mosaics:
    """A mosaic shard in memory: N clips, sorted by id.

    Attributes:
        ids: Sample ids, N.
        mosaic: (N, K*h, C*w, 3) uint8 RGB; row = body part, column = sampled frame (eq. 1).
        person_count: (N,) int8, 1 to P.
        frame_index: (N, C) int32, ordinal of each column's frame out of the decoder, from 0.
        box: (N, P, C, K, 4) float32 x0, y0, x1, y1 in pixels of the frame. Where `valid` is
            False it may hold anything, NaN too, and is stored as 0.
        confidence: (N, P, C, K) float32 from 0, the joint's confidence; of several the highest.
        valid: (N, P, C, K) bool; False is a black cell.
    """

    ids: tuple[str, ...]
    mosaic: NDArray[np.uint8]
    person_count: NDArray[np.int8]
    frame_index: NDArray[np.int32]
    box: NDArray[np.float32]
    confidence: NDArray[np.float32]
    valid: NDArray[np.bool_]


def mosaic_fields(mosaics: Mosaics) -> dict[str, Array]:
    """Array of each field of a shard but the ids, as on disk; pixels are not copied."""
    box, valid = mosaics.box, mosaics.valid
    if valid.dtype == np.bool_ and box.shape[:-1] == valid.shape:
        box = np.where(valid[..., None], box, box.dtype.type(0))
    return {
        "person_count": mosaics.person_count,
        "frame_index": mosaics.frame_index,
        "box": box,
        "confidence": mosaics.confidence,
        "valid": valid.astype(np.uint8) if valid.dtype == np.bool_ else valid,
        "mosaic": mosaics.mosaic,
    }


class MosaicCache(ShardedCache):
    """A folder of mosaic shards of either form, read by sample id.

    A JPEG compact form gives other pixels than the training form it was made from, everything
    else alike. Reading one needs OpenCV, is slower, and copies what it reads.

    Args:
        folder: Folder with ``manifest.json`` and its shards.
        verify: Whether to check every digest now; skip it only for a folder that was checked.

    Attributes:
        rows: What the K rows show, from top to bottom.

    Raises:
        RefusedInput: If the folder is incomplete, damaged, or not one of mosaics.
    """

    KINDS = (MOSAICS.kind, MOSAICS_COMPACT.kind)
    """What the manifest of such a folder may describe."""

    def __init__(self, folder: Path | str, *, verify: bool = True) -> None:
        super().__init__(folder, MOSAICS, MOSAICS_COMPACT, verify=verify)
        self.rows: Rows = recorded_rows(self.manifest.params, str(self.folder))
        self._shapes: dict[str, tuple[int, ...]] = {}

    @property
    def form(self) -> Form:
        """``training`` (plain pixels) or ``compact`` (a blob per clip)."""
        return "training" if self.format == MOSAICS else "compact"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height and width in pixels and 3 colours of every mosaic.

        Raises:
            RefusedInput: ``H5_EMPTY`` if there is no sample.
        """
        return *_size(self._first()), 3

    def __getitem__(self, sample_id: str) -> NDArray[np.uint8]:
        """Mosaic of one clip, (H, W, 3) uint8 RGB, a copy."""
        mosaic: NDArray[np.uint8] = self.batch([sample_id])[0]
        return mosaic

    @property
    def scored(self) -> NDArray[np.int64]:
        """Positions (L,) of the columns that are scored; all C unless there are candidates.

        Raises:
            RefusedInput: ``SCHEMA`` as `scored_columns_of`; ``H5_EMPTY``.
        """
        return scored_columns_of(self.manifest.params, self.columns, str(self.folder))

    @property
    def columns(self) -> int:
        """C, columns of every mosaic, candidates among them.

        Raises:
            RefusedInput: ``H5_EMPTY`` if there is no sample.
        """
        return int(self._first()["valid"].shape[2])

    def batch(
        self,
        ids: Sequence[str],
        out: NDArray[np.uint8] | None = None,
        *,
        columns: NDArray[np.int64] | None = None,
    ) -> NDArray[np.uint8]:
        """Mosaics of `ids` in that order.

        Args:
            ids: B sample ids; one may occur twice.
            out: (B, H, W, 3) uint8 in C order to copy into, such as pinned memory; allocated if
                None.
            columns: (B, L) positions of the columns to read of each, then W = L * w; all C if None.

        Returns:
            (B, H, W, 3) uint8 RGB: `out` if given.

        Raises:
            RefusedInput: ``ID_UNKNOWN``; ``SCHEMA`` if the shards' mosaics differ in size;
                ``IMAGE_HEADER`` or ``IMAGE_DECODE`` for a blob that is not as it should be.
            StroiError: ``OPENCV_MISSING`` if a compact form is read without OpenCV.
            ValueError: If `out` has another shape, type or order, or a column is not there.
        """
        height, width, colours = self.shape
        if columns is not None:
            check_columns(columns, len(ids), self.columns)
            width = width // self.columns * columns.shape[1]
        shape = (len(ids), height, width, colours)
        if out is None:
            out = np.empty(shape, np.uint8)
        if out.shape != shape or out.dtype != np.uint8:
            raise ValueError(f"out is {out.dtype} {out.shape}, want uint8 {shape}")
        if columns is None:
            for place, sample_id in enumerate(ids):
                self._copy(sample_id, out[place])
        else:
            self._copy_columns(ids, out, columns)
        return out

    def pixels(self, sample_id: str, columns: NDArray[np.int64] | None = None) -> NDArray[np.uint8]:
        """Mosaic of one clip without a copy where that can be: not to be written to.

        Args:
            sample_id: The clip.
            columns: (L,) positions of the columns to read; all C, then W = C * w, if None.

        Returns:
            (H, W, 3) uint8 RGB, in C order: the mapped file's own pages if all columns of a
            training form are read.

        Raises:
            RefusedInput: As `batch`.
        """
        shard, row = self.find(sample_id)
        if columns is None and BLOB_ENDS not in shard:
            mapped: NDArray[np.uint8] = shard["mosaic"][row]
            return mapped
        chosen = None if columns is None else columns[None]
        mosaic: NDArray[np.uint8] = self.batch([sample_id], columns=chosen)[0]
        return mosaic

    def _copy(self, sample_id: str, out: NDArray[np.uint8]) -> None:
        """Copy one whole mosaic."""
        shard, row = self.find(sample_id)
        if BLOB_ENDS in shard:
            where = f"{self.folder / self._location[sample_id][0]}: {sample_id!a}"
            decode_picture(blob_at(shard, shard[BLOB_ENDS], row), out, where)
        else:
            out[:] = shard["mosaic"][row]

    def _copy_columns(
        self, ids: Sequence[str], out: NDArray[np.uint8], columns: NDArray[np.int64]
    ) -> None:
        """Copy (B, L) columns of mosaics, and read no others where pixels are plain."""
        if not out.flags.c_contiguous:
            raise ValueError("out is not in C order")
        split = (out.shape[1], -1, out.shape[2] // columns.shape[1] * out.shape[3])
        whole = np.empty(self.shape, np.uint8) if self.form == "compact" else None
        for place, sample_id in enumerate(ids):
            if whole is None:
                shard, row = self.find(sample_id)
                pixels = shard["mosaic"][row]
            else:
                self._copy(sample_id, whole)
                pixels = whole
            # Any mode but "raise" writes to `out` without a copy in between; all are in range.
            np.take(
                pixels.reshape(split), columns[place], axis=1, out=out[place].reshape(split),
                mode="clip",
            )  # fmt: skip

    def valid(self, ids: Sequence[str]) -> NDArray[np.bool_]:
        """Which cells of `ids` show a joint: (B, P, C, K) bool, False is black.

        Raises:
            RefusedInput: ``ID_UNKNOWN``; ``H5_EMPTY`` if there is no sample.
        """
        return self._gather("valid", ids).astype(np.bool_)

    def frames(self, ids: Sequence[str]) -> NDArray[np.int32]:
        """(B, C) ordinals of the frames that the columns of some samples show, from 0.

        Raises:
            RefusedInput: ``ID_UNKNOWN``; ``H5_EMPTY`` if there is no sample.
        """
        return self._gather("frame_index", ids).astype(np.int32)

    def person_count(self, ids: Sequence[str]) -> NDArray[np.int8]:
        """Persons in each of `ids`: (B,) int8, 1 to P.

        Raises:
            RefusedInput: ``ID_UNKNOWN``; ``H5_EMPTY`` if there is no sample.
        """
        return self._gather("person_count", ids).astype(np.int8)

    def _gather(self, field: str, ids: Sequence[str]) -> Array:
        places = [self.find(sample_id) for sample_id in ids]
        if not places:
            return self._first()[field][:0]
        return np.stack([shard[field][row] for shard, row in places])

    def _first(self) -> dict[str, Array]:
        """Arrays of the first sample's shard."""
        if not self.ids:
            raise RefusedInput("H5_EMPTY", f"{self.folder} holds no sample")
        return self.find(self.ids[0])[0]

    def _open(self, name: str) -> dict[str, Array]:
        arrays = super()._open(name)
        if self.form == "compact":
            check_compact(arrays, str(self.folder / name))
            arrays[BLOB_ENDS] = blob_ends(arrays)
        if arrays["valid"].shape[3] != len(self.rows):
            raise RefusedInput(
                "SCHEMA",
                f"{self.folder / name} has {arrays['valid'].shape[3]} rows, its manifest says"
                f" {', '.join(row.name for row in self.rows)}",
                remedy="rebuild the mosaics",
            )
        for field, shape in {
            "mosaic": (*_size(arrays), 3),
            "valid": arrays["valid"].shape[1:],
        }.items():
            other = self._shapes.setdefault(field, shape)
            if shape != other:
                raise RefusedInput(
                    "SCHEMA",
                    f"{self.folder / name}: {field} of a clip is {shape},"
                    f" other shards have {other}",
                    remedy="rebuild the folder with one set of params",
                )
        return arrays


def _size(shard: dict[str, Array]) -> tuple[int, int]:
    """Height and width in px of a shard's mosaics, of either form."""
    if BLOB_ENDS in shard:
        return picture_size(shard)
    height, width = shard["mosaic"].shape[1:3]
    return int(height), int(width)
