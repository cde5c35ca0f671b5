"""How far the embedded estimator agrees with real OpenPose output, in torso lengths.

`pose_agreement.py FOLDER`: the folder holds videos `clips/NAME.mp4` and, for some of them, what
OpenPose wrote about every frame in `openpose_json/NAME` (model BODY_25B unless --json-model).
Writes benchmarks/results/pose_agreement.json and .md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from make_repro import ROOT
from numpy.typing import NDArray

from stroi.cache.layouts import BODY_25
from stroi.cache.rois import row_joints
from stroi.stages.pose.estimators.movenet import MODEL_SHA256, MoveNet
from stroi.stages.pose.readers.openpose_folder import read_folder
from stroi.stages.pose.readers.openpose_json import JsonModel
from stroi.stages.pose.tracking.oks import oks
from stroi.stages.pose.tracking.person_selection import main_persons
from stroi.stages.pose.tracking.tracking import track
from stroi.stages.video.reader import read_frames

SIDES = (256, 384)
LIMITS = (0.1, 0.2)
SURE = 0.3
"""Joints of which OpenPose is less certain are not asked for."""

_HEAD, *_HANDS_AND_FEET = (joint for (joint,) in row_joints())
GROUPS: dict[str, tuple[int, ...]] = {
    "head": (_HEAD,),
    "wrists": tuple(_HANDS_AND_FEET[:2]),
    "ankles": tuple(_HANDS_AND_FEET[2:]),
    "all 19": tuple(range(19)),
}
"""Joints by what the table calls them; 19 are those that both models have."""
NECK, HIP = BODY_25.index("neck"), BODY_25.index("mid_hip")


@dataclass(frozen=True)
class Agreement:
    """Distances over the S frames in which OpenPose saw the subject's torso, in torso lengths.

    Attributes:
        asked: (S, 19) bool, joints that OpenPose is sure of.
        apart: (S, 19) torso lengths, inf where the estimator found no such joint.
        found: Share of frames in which the estimator found the subject at all.
        torso: Median torso in px.
    """

    asked: NDArray[np.bool_]
    apart: NDArray[np.float64]
    found: float
    torso: float

    def row(self, joints: Sequence[int]) -> dict[str, float | list[float]]:
        """PCK of some joints in %: a missing one counts as wrong, and among those found."""
        asked = self.asked[:, list(joints)]
        apart = self.apart[:, list(joints)][asked]
        found = apart[np.isfinite(apart)]
        return {
            "joints": int(asked.sum()),
            "missing_percent": round(100 * (1 - len(found) / len(apart)), 1),
            "pck": [round(100 * float((apart <= limit).mean()), 1) for limit in LIMITS],
            "pck_of_found": [round(100 * float((found <= limit).mean()), 1) for limit in LIMITS],
            "median": round(float(np.median(found)), 3),
        }


def sequences(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Every video with OpenPose's files: (video, folder of JSON)."""
    for files in sorted((folder / "openpose_json").iterdir()):
        video = folder / "clips" / f"{files.name}.mp4"
        if video.is_file():
            yield video, files


def nearest(person: NDArray[np.float32], found: NDArray[np.float32]) -> NDArray[np.float32]:
    """The estimator's person (25, 3) that is most like OpenPose's; zeros if none is."""
    alike = oks(person[None], found)[0]
    if not len(alike) or alike.max() == 0:
        return np.zeros_like(person)
    return found[int(alike.argmax())]


def compare(video: Path, files: Path, model: JsonModel, side: int) -> Agreement:
    """Run the estimator over a video and hold it against the main subject of OpenPose's files."""
    estimator = MoveNet(input_size=side)
    frames = read_frames(video)
    estimates = [estimator(frame) for frame in frames]
    info = frames.info
    people = read_folder(files, info.frames, model=model)
    subject = main_persons(track(people, fps=info.fps), subjects=1, fill_gap=0)[0][:, 0]
    whole = (subject[:, [NECK, HIP], 2] >= SURE).all(axis=1)
    subject = subject[whole]
    partners = np.stack(
        [nearest(person, estimates[time])
         for person, time in zip(subject, np.flatnonzero(whole), strict=True)]
    )  # fmt: skip
    torso = np.linalg.norm(subject[:, NECK, :2] - subject[:, HIP, :2], axis=1)
    apart = np.linalg.norm(subject[:, :19, :2] - partners[:, :19, :2], axis=2) / torso[:, None]
    return Agreement(
        asked=subject[:, :19, 2] >= SURE,
        apart=np.where(partners[:, :19, 2] > 0, apart, np.inf),
        found=float((partners[..., 2] > 0).any(axis=1).mean()),
        torso=float(np.median(torso)),
    )


def table(results: dict[str, dict[str, Any]]) -> str:
    """The results as a table in Markdown."""
    lines = [
        "| sequence (frames, torso) | side | joints | missing "
        "| PCK@0.1 / 0.2 | of those found | median |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, sides in results.items():
        for side, one in sides.items():
            for group in GROUPS:
                row = one[group]
                pck, found = (
                    " / ".join(f"{share:.0f}" for share in row[key])
                    for key in ("pck", "pck_of_found")
                )
                lines.append(
                    f"| {name} ({one['frames']}, {one['torso_px']:.0f} px) | {side} | {group} | "
                    f"{row['missing_percent']:.0f} % | {pck} | {found} | {row['median']:.3f} |"
                )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json-model", default="BODY_25B", choices=["BODY_25", "BODY_25B", "COCO"])
    options = parser.parse_args()
    results: dict[str, dict[str, Any]] = {}
    for video, files in sequences(options.folder):
        results[video.stem] = {}
        for side in SIDES:
            one = compare(video, files, options.json_model, side)
            results[video.stem][str(side)] = {
                "frames": len(one.asked),
                "torso_px": round(one.torso, 1),
                "subject_found_percent": round(100 * one.found, 1),
            } | {group: one.row(joints) for group, joints in GROUPS.items()}
    record = {
        "pck_at_torso_lengths": LIMITS,
        "reference": f"OpenPose {options.json_model}, joints of confidence {SURE} and more",
        "estimator": {"movenet": MODEL_SHA256},
        "versions": {
            name: metadata.version(name) for name in ("onnxruntime", "opencv-python-headless")
        },
        "sequences": results,
    }
    folder = ROOT / "benchmarks" / "results"
    (folder / "pose_agreement.json").write_text(json.dumps(record, indent=1) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
