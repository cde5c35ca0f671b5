"""Whether two rendered people who meet keep their identities, through the real estimator.

20 clips in which they cross and 20 in which they meet and turn back; the truth is known. Takes
about two minutes on one core; prints the result and writes benchmarks/results/identities.json.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import metadata
from typing import get_args

from make_repro import ROOT

from stroi.stages.pose.estimators.movenet import MODEL_SHA256, MoveNet
from stroi.stages.pose.tracking.person_selection import main_persons
from stroi.stages.pose.tracking.tracking import track

sys.path.insert(0, str(ROOT / "tests" / "factories"))
from passing import FPS, SIZE, Way, estimated, passing, swaps

CLIPS = 20
NOISY = range(300, 400)
"""Clips whose known joints are made worse than an estimator's; no constant was set on them."""

MERGED = (0.2, 0.36)


def run(way: Way) -> dict[str, object]:
    """Find, track and choose the people of all clips of one kind."""
    estimator = MoveNet()
    frames, alone, swapped, two = 0, 0, [], 0
    for seed in range(CLIPS):
        clip = passing(seed, way)
        found = [estimator(picture) for picture in clip.pictures()]
        keypoints, count = main_persons(track(found, fps=FPS))
        two += count == 2
        frames += len(found)
        alone += sum(len(people) < 2 for people in found)
        if swaps(keypoints.swapaxes(0, 1), clip.joints):
            swapped.append(seed)
    return {
        "clips": CLIPS,
        "clips_without_swap": CLIPS - len(swapped),
        "swapped_seeds": swapped,
        "clips_with_two_subjects": two,
        "frames": frames,
        "frames_with_fewer_than_two_found": alone,
    }


def noisy(way: Way, merged: float) -> int:
    """Clips of `NOISY` with a swap if people nearer than `merged` body heights are found as one."""
    clips = {seed: passing(seed, way) for seed in NOISY}
    return sum(
        swaps(track(estimated(clip, seed, merged=merged), fps=FPS), clip.joints) > 0
        for seed, clip in clips.items()
    )


def main() -> None:
    """Print and write."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    result = {
        "frame": list(SIZE),
        "fps": FPS,
        "ways": {way: run(way) for way in get_args(Way)},
        "noisy_clips": len(NOISY),
        "noisy_clips_with_a_swap": {
            way: {f"merged below {merged} body heights": noisy(way, merged) for merged in MERGED}
            for way in get_args(Way)
        },
        "estimator": {"movenet": MODEL_SHA256},
        "versions": {
            name: metadata.version(name)
            for name in ("numpy", "onnxruntime", "opencv-python-headless", "scipy")
        },
    }
    text = json.dumps(result, indent=1)
    print(text)
    (ROOT / "benchmarks" / "results" / "identities.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
