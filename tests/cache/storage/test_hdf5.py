"""Files of declared formats: round trips, equal bytes, and what is no such file."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from h5py._objects import phil
from hypothesis import given, settings
from hypothesis import strategies as st
from small_caches import refusal_of_scores, score_arrays

from stroi.cache.errors import RefusedInput
from stroi.cache.ids import ids_to_array
from stroi.cache.storage.formats import FORMATS, SCORES
from stroi.cache.storage.hdf5 import decode, encode, map_arrays, no_plugins
from stroi.cache.storage.schema import Array

Child = Callable[..., "subprocess.CompletedProcess[str]"]


def plugin_path() -> list[bytes]:
    """Where the HDF5 library of this process looks for filters."""
    with phil:
        return [h5py.h5pl.get(place) for place in range(h5py.h5pl.size())]


@pytest.fixture
def own_plugins(tmp_path: Path) -> Iterator[list[bytes]]:
    """The plugin path of a program that has filters of its own."""
    h5py.h5pl.prepend(bytes(tmp_path / "first"))
    h5py.h5pl.append(bytes(tmp_path / "last"))
    yield plugin_path()
    for folder in (b"first", b"last"):
        if (mine := bytes(tmp_path) + b"/" + folder) in plugin_path():
            h5py.h5pl.remove(plugin_path().index(mine))


@pytest.mark.parametrize("kind", sorted(FORMATS))
@settings(max_examples=20, deadline=None, derandomize=True)
@given(data=st.data())
def test_round_trip_and_equal_bytes(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    """Any arrays of any format come back as they were, from equal bytes."""
    fmt = FORMATS[kind]
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    size = {dim: data.draw(st.integers(1, 4)) for dim in "NCKVLP"}
    size |= {"H": size["K"] * 3, "W": size["C"] * 2}
    counts = random.integers(1, 5, size["N"])
    size["F"] = int(counts.sum())
    arrays: dict[str, Array] = {}
    for field in fmt.fields:
        shape = tuple(size[dim] if isinstance(dim, str) else dim for dim in field.dims)
        low = 0 if field.low is None else field.low
        high = size[field.high] if isinstance(field.high, str) else field.high
        values = random.integers(low, 1 + (2 if high is None else high), shape)
        arrays[field.name] = values.astype(field.numpy)
    arrays["sample_id"] = ids_to_array([f"clip{i}" for i in range(size["N"])])
    if fmt.ragged_lengths:
        arrays[fmt.ragged_lengths] = counts.astype(np.int32)
    path = tmp_path_factory.mktemp("round") / "file.h5"
    path.write_bytes(encode(fmt, arrays))
    assert path.read_bytes() == encode(fmt, dict(reversed(arrays.items())))
    found = decode(fmt, path)
    assert list(found) == [field.name for field in fmt.fields]
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_bytes_do_not_depend_on_the_moment(scores_file: Path) -> None:
    time.sleep(1.1)
    assert encode(SCORES, score_arrays()) == scores_file.read_bytes()


def test_plain_h5py_reads_it(scores_file: Path) -> None:
    with h5py.File(scores_file) as file:
        assert dict(file.attrs) == {"kind": b"scores", "schema": b"2.0"}
        assert file["class_name"].asstr()[2] == "zé"
        np.testing.assert_array_equal(file["logits"], score_arrays()["logits"])


def test_mapped_arrays_are_aligned_and_cannot_be_written(scores_file: Path) -> None:
    mapped = map_arrays(SCORES, scores_file)
    for array in mapped.values():
        assert array.flags.aligned
        assert not array.flags.writeable
    scores_file.unlink()
    np.testing.assert_array_equal(mapped["logits"], score_arrays()["logits"])


def test_wrong_arrays_are_not_encoded() -> None:
    with pytest.raises(RefusedInput, match=r"^NONFINITE: new scores file: logits of 'b'"):
        encode(SCORES, {**score_arrays(), "logits": np.full((2, 3), [[0], [np.nan]], np.float32)})


@pytest.mark.parametrize("cut", [0, 50, 1000, -1])
def test_cut_file_is_refused(scores_file: Path, cut: int) -> None:
    scores_file.write_bytes(scores_file.read_bytes()[:cut])
    assert refusal_of_scores(scores_file).startswith(("H5_EOF: FILE", "H5_SUPERBLOCK: FILE is not"))


def test_only_regular_files_are_opened(scores_file: Path) -> None:
    link, fifo = scores_file.with_name("link.h5"), scores_file.with_name("fifo.h5")
    link.symlink_to(scores_file)
    os.mkfifo(fifo)
    assert refusal_of_scores(link).startswith("H5_OPEN: FILE cannot be opened: Too many levels")
    assert refusal_of_scores(fifo).startswith("H5_OPEN: FILE cannot be opened: not a regular file")
    assert refusal_of_scores(scores_file.parent).startswith(
        "H5_OPEN: FILE cannot be opened: not a regular file"
    )
    assert refusal_of_scores(scores_file.with_name("none.h5")).startswith(
        "H5_OPEN: FILE cannot be opened: No such"
    )


def test_garbage_behind_a_good_start_is_refused(scores_file: Path) -> None:
    data = scores_file.read_bytes()
    scores_file.write_bytes(data[:64] + bytes(len(data) - 64))
    assert refusal_of_scores(scores_file).startswith("H5_DAMAGED: FILE: ")


def test_the_plugin_path_is_as_it_was(scores_file: Path, own_plugins: list[bytes]) -> None:
    map_arrays(SCORES, scores_file)
    decode(SCORES, scores_file)
    assert plugin_path() == own_plugins
    with h5py.File(scores_file, "a") as file:
        logits = file.pop("logits")[()]
        file.create_dataset("logits", data=logits, chunks=logits.shape, compression="gzip")
    assert refusal_of_scores(scores_file).startswith("H5_FILTER")
    assert plugin_path() == own_plugins
    data = scores_file.read_bytes()
    scores_file.write_bytes(data[:96] + bytes(len(data) - 96))
    assert refusal_of_scores(scores_file).startswith("H5_DAMAGED")
    assert plugin_path() == own_plugins


def test_the_plugin_path_is_empty_only_in_the_outermost_block(own_plugins: list[bytes]) -> None:
    with no_plugins():
        with pytest.raises(ZeroDivisionError), no_plugins():
            raise ZeroDivisionError(plugin_path())
        assert plugin_path() == []
    assert plugin_path() == own_plugins


def test_no_other_thread_finds_the_plugin_path_empty(
    scores_file: Path, own_plugins: list[bytes]
) -> None:
    found = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            found.add(tuple(plugin_path()))

    def read() -> None:
        for _ in range(200):
            map_arrays(SCORES, scores_file)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        readers = [threading.Thread(target=read) for _ in range(2)]
        looking = threading.Thread(target=look)
        for thread in (looking, *readers):
            thread.start()
        for thread in readers:
            thread.join()
    finally:
        done.set()
        looking.join()
        sys.setswitchinterval(interval)
    assert found == {tuple(own_plugins)}
    assert plugin_path() == own_plugins
