"""A file is put together from what its samples hold, without a copy of it."""

from __future__ import annotations

import hashlib
import subprocess
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from assembled import assemble_mosaics
from small_caches import (
    make_clip,
    make_joints,
    make_mosaics,
    read_mosaics,
    write_joints,
    write_skeletons,
)

from stroi.cache.errors import RefusedInput
from stroi.cache.files.atomic import write_atomic
from stroi.cache.mosaics import (
    Mosaics,
)
from stroi.cache.skeletons import (
    SkeletonCache,
    assemble_skeletons,
)
from stroi.cache.skeletons3d import JointCache

Child = Callable[..., "subprocess.CompletedProcess[str]"]


def one_by_one(mosaics: Mosaics) -> list[Mosaics]:
    fields = ("mosaic", "person_count", "frame_index", "box", "confidence", "valid")
    return [
        Mosaics(ids=(name,), **{field: getattr(mosaics, field)[row : row + 1] for field in fields})
        for row, name in enumerate(mosaics.ids)
    ]


def test_samples_one_by_one_make_the_file_of_all_at_once(tmp_path: Path) -> None:
    made = make_mosaics(("a", "b", "c"))
    encoded = assemble_mosaics(one_by_one(made))
    encoded = assemble_mosaics([made])
    assert b"".join(encoded.pieces) == encoded.data
    assert encoded.size == len(encoded.data)
    assert encoded.sha256 == hashlib.sha256(encoded.data).hexdigest()
    assert encoded.sample_sha256 == encoded.sample_sha256
    write_atomic(tmp_path / "shard.h5", encoded.pieces)
    assert (tmp_path / "shard.h5").read_bytes() == encoded.data
    np.testing.assert_array_equal(read_mosaics(tmp_path / "shard.h5").mosaic, made.mosaic)


def test_ragged_samples_follow_one_another(tmp_path: Path) -> None:
    clips = {"a": make_clip(3, seed=1), "b": make_clip(5, seed=2)}
    cache = SkeletonCache(write_skeletons(tmp_path / "s", clips))
    for name, clip in clips.items():
        np.testing.assert_array_equal(cache[name].keypoints, clip.keypoints)
    joints = {"a": make_joints(3, seed=1), "b": make_joints(5, seed=2)}
    sensed = JointCache(write_joints(tmp_path / "j", joints))
    for name, joint_clip in joints.items():
        np.testing.assert_array_equal(sensed[name].state, joint_clip.state)


def test_a_file_costs_no_memory_beside_its_samples(tmp_path: Path) -> None:
    """64 MB of pixels and key points are checked, digested, assembled and written."""
    parts = one_by_one(make_mosaics(tuple(f"c{number:02d}" for number in range(64)), cell=150))
    clips = [make_clip(2000, seed=number) for number in range(4)]
    held = sum(part.mosaic.nbytes for part in parts)
    assert held > 64_000_000
    tracemalloc.start()
    try:
        write_atomic(tmp_path / "mosaics.h5", assemble_mosaics(parts).pieces)
        write_atomic(tmp_path / "skeletons.h5", assemble_skeletons("abcd", clips).pieces)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (tmp_path / "mosaics.h5").stat().st_size > held
    assert peak < 8_000_000


def test_what_no_reader_takes_is_not_written() -> None:
    """The pixels are pages that nobody touches: 2.2 GB of them take no memory."""
    small = make_mosaics(("a", "b"))
    pixels = np.zeros((2, 5 * 4800, 3 * 5120, 3), np.uint8)
    with pytest.raises(RefusedInput, match=r"^FILE_SIZE: new mosaics file: its samples take 2211"):
        assemble_mosaics([replace(small, mosaic=pixels)])


def test_samples_that_do_not_go_together_are_refused() -> None:
    first, second = one_by_one(make_mosaics(("a", "b")))
    with pytest.raises(RefusedInput, match=r"^ID_ORDER"):
        assemble_mosaics([second, first])
    with pytest.raises(RefusedInput, match=r"^ID_DUPLICATE"):
        assemble_mosaics([first, first])
    with pytest.raises(RefusedInput, match=r"^H5_LENGTHS: .*mosaic of a sample is \(40, 24, 3\)"):
        assemble_mosaics([first, make_mosaics(("b",), cell=8)])
    with pytest.raises(RefusedInput, match=r"^H5_EMPTY"):
        assemble_mosaics([])
