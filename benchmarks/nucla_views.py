"""How one performance differs between two cameras of Northwestern-UCLA.

    python benchmarks/nucla_views.py FOLDER

FOLDER holds all_sqe/*.json. A performance was seen by all cameras at once, so what differs between
its files of views 1 and 2 is what a network must be indifferent to. Files of view 3 are not opened.
The turn is the one that brings the joints of 32 frames closest (Kabsch, with one scale).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from nucla_gcn import RESULTS, views
from numpy.typing import NDArray

from stroi.cache.skeletons3d import JointClip

FRAMES = 32
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def points(clip: JointClip) -> NDArray[np.float64]:
    """(32, V, 3) joints of evenly spaced frames about their mean, in m."""
    joints = np.asarray(clip.position[:, 0], np.float64)
    shown = joints[np.linspace(0, len(joints) - 1, FRAMES).round().astype(int)]
    return shown - shown.mean((0, 1))


def turn(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float, float]:
    """What brings `first` to `second`, both (32, V, 3).

    Returns:
        Turn about the vertical and tilt of the vertical in degrees, and what is left in m: the
        root of the mean square distance of a joint.
    """
    a, b = first.reshape(-1, 3), second.reshape(-1, 3)
    left, values, right = np.linalg.svd(a.T @ b)
    handed = np.diag([1, 1, np.sign(np.linalg.det(left @ right))])
    rotation = (left @ handed @ right).T
    scale = (values * np.diag(handed)).sum() / (a**2).sum()
    rest = b - scale * a @ rotation.T
    about = np.degrees(np.arctan2(rotation[0, 2], rotation[2, 2]))
    tilt = np.degrees(np.arccos(np.clip(rotation[1, 1], -1, 1)))
    return float(abs(about)), float(tilt), float(np.sqrt((rest**2).sum(1).mean()))


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    one, two = views(folder, {"v01"}).clips, views(folder, {"v02"}).clips
    pairs = [
        (clip, two[name[:-3] + "v02"]) for name, clip in one.items() if name[:-3] + "v02" in two
    ]
    pairs = [pair for pair in pairs if min(len(clip.position) for clip in pair) >= 10]
    turns = np.array([turn(points(a), points(b)) for a, b in pairs])
    measured = {
        "turn about the vertical, degrees": turns[:, 0],
        "tilt, degrees": turns[:, 1],
        "distance of a joint after the turn, m": turns[:, 2],
        "frames of view 2 / frames of view 1": np.array(
            [len(b.position) / len(a.position) for a, b in pairs]
        ),
    }
    found = {
        "performances": len(pairs),
        "quantiles": QUANTILES,
        **{name: np.quantile(x, QUANTILES).round(2).tolist() for name, x in measured.items()},
    }
    text = json.dumps(found, indent=1)
    print(text)
    (RESULTS / "nucla_views.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
