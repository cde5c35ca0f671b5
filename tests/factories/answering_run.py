"""A run that was trained on six rendered videos, for questions about new ones."""

from __future__ import annotations

from pathlib import Path

from projects import new_project, render, stage

RUN = "demo-xsub"
CLASSES = ("drink", "give_bottle", "phone")
TEST = tuple(f"{label}_s02_c1" for label in CLASSES)
MODES = ("fixed", "plain", "end-to-end")


def trained_run(folder: Path) -> Path:
    """A project with all networks trained for two epochs, one CPU thread throughout."""
    root = new_project(folder)
    render(root / "data" / "demo" / "raw", CLASSES)
    for each in ("index", "skeletons", "mosaics"):
        assert stage(root, each, "demo") == 0
    assert stage(root, "gcn", RUN) == 0
    assert stage(root, "weights", RUN) == 0
    for mode in MODES:
        assert stage(root, "resnet", RUN, mode) == 0
    assert stage(root, "ensemble", RUN) == 0
    return root


def video(root: Path, name: str) -> Path:
    """The video of a clip."""
    return root / "data" / "demo" / "raw" / "videos" / f"{name}.avi"
