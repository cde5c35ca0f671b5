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
from small_caches import make_clip, make_joints, make_mosaics

from stroi.cache.errors import RefusedInput
from stroi.cache.files.atomic import write_atomic
from stroi.cache.mosaics import (
    Mosaics,
    assemble_mosaics,
    decode_mosaics,
    encode_mosaics,
    sample_digests,
)
from stroi.cache.skeletons import (
    assemble_skeletons,
    clip_digests,
    decode_skeletons,
    encode_skeletons,
)
from stroi.cache.skeletons3d import assemble_joints, decode_joints, encode_joints, joint_digests

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
    data = encode_mosaics(made)
    assert b"".join(encoded.pieces) == data
    assert encoded.size == len(data)
    assert encoded.sha256 == hashlib.sha256(data).hexdigest()
    assert encoded.sample_sha256 == sample_digests(made)
    write_atomic(tmp_path / "shard.h5", encoded.pieces)
    assert (tmp_path / "shard.h5").read_bytes() == data
    np.testing.assert_array_equal(decode_mosaics(tmp_path / "shard.h5").mosaic, made.mosaic)


def test_ragged_samples_follow_one_another(tmp_path: Path) -> None:
    clips = {"a": make_clip(3, seed=1), "b": make_clip(5, seed=2)}
    encoded = assemble_skeletons(list(clips), list(clips.values()))
    assert encoded.sample_sha256 == clip_digests(list(clips.values()))
    (tmp_path / "s.h5").write_bytes(encode_skeletons(list(clips), list(clips.values())))
    for name, clip in decode_skeletons(tmp_path / "s.h5").items():
        np.testing.assert_array_equal(clip.keypoints, clips[name].keypoints)
    joints = {"a": make_joints(3, seed=1), "b": make_joints(5, seed=2)}
    digests = assemble_joints(list(joints), list(joints.values())).sample_sha256
    assert digests == joint_digests(list(joints.values()))
    (tmp_path / "j.h5").write_bytes(encode_joints(list(joints), list(joints.values())))
    for name, found in decode_joints(tmp_path / "j.h5").items():
        np.testing.assert_array_equal(found.state, joints[name].state)


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
