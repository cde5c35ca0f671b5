"""A cache against a project: the params and inputs of each kind, as its stage records them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from projects import new_project

from stroi.cache.files.digests import digest
from stroi.cache.manifest import FileEntry, Manifest
from stroi.pipeline.cache_commands.compare import compare
from stroi.pipeline.index.table import Sample, write_index
from stroi.pipeline.params.cache_params import recorded
from stroi.pipeline.params.load import load_profile
from stroi.pipeline.workspace import Workspace

VIDEO, FILE = "1" * 64, "2" * 64
SAMPLES = [
    Sample("a", "long.avi", "x", stop=9, skeleton="a.skeleton", sha256=VIDEO, skeleton_sha256=FILE),
    Sample("b", "long.avi", "x", start=9, skeleton="folder", sha256=VIDEO),
]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A project whose index has two parts of one video."""
    found = Workspace(new_project(tmp_path / "project"))
    write_index(found.index("demo"), SAMPLES)
    return found


def manifest(workspace: Workspace, kind: str = "skeletons", source: str = "") -> Manifest:
    """Of a cache that was made of sample a alone with the project's params."""
    profile = load_profile(workspace.root, "demo")
    params = (
        recorded(profile.skeletons, source)
        if kind == "skeletons"
        else {"format": profile.skeletons3d.format}
    )
    inputs = {"video": (VIDEO,), "skeleton": (FILE,), "segment": (digest([0, 9]),)}
    entry = FileEntry(f"{kind}-00000.h5", 1, "3" * 64, ("a",), ("4" * 64,), inputs)
    return Manifest(kind, params, {}, (entry,))


def told(workspace: Workspace, made: Manifest) -> tuple[list[str], list[str]]:
    notes, problems = compare(Path("cache"), made, workspace, "demo")
    return notes, [problem.code for problem in problems]


@pytest.mark.parametrize("source", ["movenet", "openpose", "openpose-json", "onnx", "kinect"])
def test_skeletons_record_the_params_of_their_source_alone(
    workspace: Workspace, source: str
) -> None:
    notes, problems = told(workspace, manifest(workspace, source=source))
    assert problems == []
    assert sorted(notes) == [
        "params: those of profiles/demo.yaml",
        "segment: that of this project for 1 sample",
        "skeleton: that of this project for 1 sample",
        "video: that of this project for 1 sample",
    ]


def test_joints_are_compared_too(workspace: Workspace) -> None:
    assert told(workspace, manifest(workspace, "skeletons3d"))[1] == []


def test_other_params_files_and_parts_are_told(workspace: Workspace) -> None:
    made = manifest(workspace)
    other = replace(made, params=made.params | {"subjects": 2, "frames": "sampled"})
    assert told(workspace, other)[1] == ["OTHER_PARAMS"]
    write_index(workspace.index("demo"), [replace(SAMPLES[0], stop=8, skeleton_sha256="5" * 64)])
    assert told(workspace, made)[1] == ["OTHER_INPUT", "OTHER_INPUT"]
