"""The same mosaics in the layouts that people train from, written and read as they do it."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np
import webdataset
from numpy.typing import NDArray
from PIL import Image

from stroi.cache.mosaics import MosaicCache

BATCH = 64
QUALITY = 95
SHUFFLE = 500  # samples in webdataset's buffer


class Layout(Protocol):
    """A stored data set.

    Attributes:
        size: Its length in bytes.
    """

    size: int

    def read(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """A batch (B, H, W, 3) of the mosaics in these rows."""


class Cache:
    """Either form of a mosaic cache."""

    def __init__(self, folder: Path) -> None:
        self._cache = MosaicCache(folder, verify=False)
        self._out = np.zeros((BATCH, *self._cache.shape), np.uint8)
        self.size = sum(entry.bytes for entry in self._cache.manifest.files)

    def read(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """A batch in a buffer that is made once."""
        ids = [self._cache.ids[row] for row in rows]
        return self._cache.batch(ids, out=self._out[: len(ids)])


class ImageFolder:
    """One file per sample, opened as torchvision's ImageFolder opens it, put into one batch."""

    def __init__(self, folder: Path, ending: str, mosaics: Iterator[NDArray[np.uint8]]) -> None:
        folder.mkdir(parents=True)
        self._paths, self.size, shape = [], 0, ()
        for number, mosaic in enumerate(mosaics):
            path = folder / f"clip{number:05d}.{ending}"
            path.write_bytes(compressed(mosaic, ending))
            self._paths.append(path)
            self.size += path.stat().st_size
            shape = mosaic.shape
        self._out = np.zeros((BATCH, *shape), np.uint8)

    def read(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """A batch in a buffer that is made once."""
        for place, row in enumerate(rows):
            with self._paths[row].open("rb") as file:
                self._out[place] = np.asarray(Image.open(file).convert("RGB"))
        return self._out[: len(rows)]


class WebDataset:
    """One tar of JPEG files, streamed through webdataset's shuffle buffer; its order is its own."""

    def __init__(self, path: Path, mosaics: Iterator[NDArray[np.uint8]]) -> None:
        with tarfile.open(path, "w") as tar:
            for number, mosaic in enumerate(mosaics):
                data = compressed(mosaic, "jpg")
                member = tarfile.TarInfo(f"clip{number:05d}.jpg")
                member.size = len(data)
                tar.addfile(member, BytesIO(data))
        self.size = path.stat().st_size
        dataset = webdataset.WebDataset(str(path), shardshuffle=False).shuffle(SHUFFLE)
        decoded = dataset.decode("rgb8").to_tuple("jpg").batched(BATCH, partial=False)
        self._batches = iter(decoded.repeat())

    def read(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """The next batch, whatever it holds; `rows` say how many samples it must have."""
        [batch] = next(self._batches)
        mosaics = np.asarray(batch)
        if mosaics.shape[0] != len(rows) or mosaics.dtype != np.uint8:
            raise ValueError(f"webdataset gave {mosaics.dtype} {mosaics.shape}")
        return mosaics


class ChunkedHdf5:
    """HDF5 with a chunk per sample, read by fancy indexing, which wants rows in order."""

    def __init__(self, path: Path) -> None:
        self.size = path.stat().st_size
        self._data = h5py.File(path, "r")["mosaic"]
        self._out = np.zeros((BATCH, *self._data.shape[1:]), np.uint8)

    def read(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """A batch in a buffer that is made once, put back into the order asked for."""
        order = np.argsort(rows)
        self._out[order] = self._data[np.asarray(rows)[order]]
        return self._out[: len(rows)]


class ChunkedHdf5ByRow(ChunkedHdf5):
    """The same file, read as its speed is best: one sample after the other."""

    def read(self, rows: Sequence[int]) -> NDArray[np.uint8]:
        """A batch in a buffer that is made once."""
        for place, row in enumerate(rows):
            self._data.read_direct(self._out, np.s_[row], np.s_[place])
        return self._out[: len(rows)]


def write_chunked(path: Path, count: int, mosaics: Iterator[NDArray[np.uint8]]) -> Path:
    """An HDF5 file with one uncompressed chunk per sample."""
    with h5py.File(path, "w") as file:
        for row, mosaic in enumerate(mosaics):
            if row == 0:
                shape = (count, *mosaic.shape)
                data = file.create_dataset("mosaic", shape, np.uint8, chunks=(1, *mosaic.shape))
            data[row] = mosaic
    return path


def compressed(mosaic: NDArray[np.uint8], ending: str) -> bytes:
    """A mosaic as Pillow writes it: JPEG with quality 95 (and 4:2:0), or PNG."""
    data = BytesIO()
    if ending == "jpg":
        Image.fromarray(mosaic).save(data, "JPEG", quality=QUALITY)
    else:
        Image.fromarray(mosaic).save(data, "PNG")
    return data.getvalue()
