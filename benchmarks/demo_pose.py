"""How well the estimator finds the rendered figures: PCK@0.1 of figure height, after tracking.

Run after `dvc repro skeletons@demo`; prints a table and writes benchmarks/results/demo_pose.json.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stroi.cache.rois import PAPER, row_joints
from stroi.cache.skeletons import Clip, SkeletonCache, decode_skeletons
from stroi.pipeline.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 0.1  # of the figure's height in px


def figure_height(person: NDArray[np.float32]) -> NDArray[np.float64]:
    """Height in px of one known person (T, 25, 3) per frame, from its highest to lowest joint."""
    shown = person[..., 2] > 0
    top = np.where(shown, person[..., 1], np.inf).min(axis=1)
    bottom = np.where(shown, person[..., 1], -np.inf).max(axis=1)
    return np.asarray(bottom - top, np.float64)


def hits(truth: Clip, found: Clip) -> Iterator[NDArray[np.bool_]]:
    """For each known person (T, K): whether the joint of each mosaic row was found within LIMIT."""
    joints = [joint for (joint,) in row_joints()]
    for number in range(truth.person_count):
        known = truth.keypoints[:, number]
        estimated = found.keypoints[:, number]
        distance = np.linalg.norm(known[:, joints, :2] - estimated[:, joints, :2], axis=2)
        limit = LIMIT * figure_height(known)[:, None]
        yield (distance <= limit) & (estimated[:, joints, 2] > 0)


def _percent(parts: list[NDArray[np.bool_]]) -> float:
    return round(100 * float(np.concatenate(parts).mean()), 2)


def main() -> None:
    """Print and write the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    workspace = Workspace(ROOT)
    known = decode_skeletons(workspace.raw("demo") / "joints.h5")
    cache = SkeletonCache(workspace.skeletons("demo"))
    by_clip = {name: np.concatenate(list(hits(known[name], cache[name]))) for name in cache.ids}
    found = np.concatenate(list(by_clip.values()))
    percent = (100 * found.mean(axis=0)).round(2).tolist()
    views = {name.rsplit("_", 1)[1] for name in by_clip}
    counts = [cache[name].person_count == known[name].person_count for name in cache.ids]
    result = {
        "clips": len(by_clip),
        "right_person_count": sum(counts),
        "person_frames": len(found),
        "pck_at_0.1": dict(zip([row.name for row in PAPER], percent, strict=True)),
        "all_rows": _percent(list(by_clip.values())),
        "by_view": {
            view: _percent([hit for name, hit in by_clip.items() if name.endswith(f"_{view}")])
            for view in sorted(views)
        },
        "estimator": cache.manifest.producer,
        "machine": platform.machine(),
    }
    text = json.dumps(result, indent=1)
    print(text)
    folder = ROOT / "benchmarks" / "results"
    folder.mkdir(exist_ok=True)
    (folder / "demo_pose.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
