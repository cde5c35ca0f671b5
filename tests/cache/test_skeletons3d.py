"""Joint shards: bodies of any layout that has a name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from assembled import assemble_joints
from hypothesis import given, settings
from hypothesis import strategies as st
from small_caches import make_joints, write_joints

from stroi.cache.errors import RefusedInput
from stroi.cache.files.atomic import write_atomic
from stroi.cache.ids import ids_to_array
from stroi.cache.layouts import KINECT_V2, LAYOUTS
from stroi.cache.manifest import Manifest, file_entry, write_manifest
from stroi.cache.own_layouts import layout_json, own_layout
from stroi.cache.skeletons3d import (
    JointCache,
    JointClip,
)
from stroi.cache.storage.formats import JOINTS
from stroi.cache.storage.hdf5 import encode
from stroi.cache.verify import verify

HAND: dict[str, Any] = {
    "name": "hand",
    "joints": ["wrist", "thumb", "index", "ring", "little"],
    "bones": [["wrist", "thumb"], ["wrist", "index"], ["wrist", "ring"], ["ring", "little"]],
    "centre": "wrist",
    "body25": {
        "nose": "wrist", "right_wrist": "thumb", "left_wrist": "index", "right_ankle": "ring",
        "left_ankle": "little",
    },
}  # fmt: skip


def equal(one: JointClip, other: JointClip) -> None:
    assert replace(one, position=other.position, state=other.state) == other
    np.testing.assert_array_equal(one.position, other.position, strict=True)
    np.testing.assert_array_equal(one.state, other.state, strict=True)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    layout=st.sampled_from(list(LAYOUTS)),
)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], layout: str
) -> None:
    clips = {f"c{i}": make_joints(n, seed=i, layout=layout) for i, n in enumerate(lengths)}
    folder = write_joints(tmp_path_factory.mktemp("skeletons3d"), clips)
    cache = JointCache(folder)
    assert cache.ids == tuple(clips)
    assert verify(folder) == []
    for name, clip in clips.items():
        equal(cache[name], clip)


def test_a_state_is_content() -> None:
    clips = [make_joints(3, seed=1), make_joints(4, seed=2)]
    state = clips[1].state.copy()
    state[3, 1, 19] = 1
    before = assemble_joints("ab", clips).sample_sha256
    changed = assemble_joints("ab", [clips[0], replace(clips[1], state=state)]).sample_sha256
    assert changed[0] == before[0]
    assert changed[1] != before[1]


@pytest.mark.parametrize(
    ("clip", "text"),
    [
        (
            make_joints(2, layout="kinect_v2"),
            "H5_LENGTHS: new skeletons3d file: position of a sample is (2, 25, 3), of the first"
            " (2, 20, 3)",
        ),
        (
            replace(make_joints(2), layout=KINECT_V2),
            "SCHEMA: a clip has 20 joints, kinect_v2 has 25",
        ),
        (
            replace(make_joints(2), state=np.full((2, 2, 20), 3, np.uint8)),
            "RANGE: new skeletons3d file: state of 'b' is below 0 or above 2",
        ),
        (
            replace(make_joints(2), person_count=3),
            "RANGE: new skeletons3d file: person_count of 'b'",
        ),
        (
            replace(make_joints(2), position=np.full((2, 2, 20, 3), np.nan, np.float32)),
            "NONFINITE: new skeletons3d file: position of 'b'",
        ),
        (
            replace(make_joints(2), state=np.zeros((2, 2, 19), np.uint8)),
            "SCHEMA: a clip has joints (2, 2, 20, 3) and states (2, 2, 19)",
        ),
    ],
    ids=range(6),
)
def test_what_does_not_fit_is_not_written(clip: JointClip, text: str) -> None:
    with pytest.raises(RefusedInput) as caught:
        assemble_joints(["a", "b"], [make_joints(4), clip])
    assert str(caught.value).startswith(text)


def test_a_file_of_no_clip_is_not_written() -> None:
    with pytest.raises(RefusedInput, match="H5_EMPTY"):
        assemble_joints([], [])


def test_a_received_layout_must_be_known(tmp_path: Path) -> None:
    clip = make_joints(1)
    arrays = {
        "sample_id": ids_to_array(["a"]),
        "frame_count": np.array([1], np.int32),
        "person_count": np.array([1], np.int8),
        "fps": np.array([30.0]),
        "layout": np.array([b"\x1b[2J"], "S16"),
        "position": clip.position,
        "state": clip.state,
    }
    write_atomic(tmp_path / "joints.h5", encode(JOINTS, arrays))
    entry = file_entry("joints.h5", encode(JOINTS, arrays), ["a"])
    write_manifest(tmp_path, Manifest("skeletons3d", {}, {}, (entry,)))
    with pytest.raises(RefusedInput) as caught:
        JointCache(tmp_path)["a"]
    assert "LAYOUT: " in str(caught.value)
    assert "no layout is called '\\x1b[2J'; the layouts are body25, " in str(caught.value)
    assert str(caught.value).isprintable()


def own_cache(folder: Path, recorded: object, name: bytes = b"hand") -> JointCache:
    """A cache of one clip of three joints, with a layout in its manifest."""
    arrays = {
        "sample_id": ids_to_array(["a"]),
        "frame_count": np.array([1], np.int32),
        "person_count": np.array([1], np.int8),
        "fps": np.array([0.0]),
        "layout": np.array([name], "S16"),
        "position": np.ones((1, 2, 5, 3), np.float32),
        "state": np.full((1, 2, 5), 2, np.uint8),
    }
    write_atomic(folder / "joints.h5", encode(JOINTS, arrays))
    entry = file_entry("joints.h5", encode(JOINTS, arrays), ["a"])
    write_manifest(folder, Manifest("skeletons3d", {}, {"layout": recorded}, (entry,)))
    return JointCache(folder)


def test_a_layout_of_one_s_own_comes_with_the_cache(tmp_path: Path) -> None:
    layout = own_layout(**HAND)
    assert own_cache(tmp_path, layout_json(layout))["a"].layout == layout


@pytest.mark.parametrize(
    ("recorded", "text"),
    [
        ({**HAND, "bones": [["wrist", "thumb"]]}, "bones: they are no tree: none leads from"),
        ({**HAND, "name": "paw"}, "5 joints of 'hand' are not those of paw, which has 5"),
        ("kinect_v1", "5 joints of 'hand' are not those of kinect_v1, which has 20"),
        ({"__class__": "os.system"}, "a layout has name, joints, bones, centre, pairs and body25"),
        ([1], "a layout has name, joints, bones, centre, pairs and body25"),
    ],
)
def test_a_recorded_layout_must_be_one_and_fit(tmp_path: Path, recorded: object, text: str) -> None:
    with pytest.raises(RefusedInput, match="LAYOUT") as caught:
        own_cache(tmp_path, recorded)["a"]
    assert text in str(caught.value)
