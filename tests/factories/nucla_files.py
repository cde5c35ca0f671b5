"""Made-up files in the layout of Northwestern-UCLA; none is of the data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

LABELS = dict(
    zip(
        ("a01", "a02", "a03", "a04", "a05", "a06", "a08", "a09", "a11", "a12"),
        range(1, 11),
        strict=True,
    )
)
"""Label inside the JSON by the code in the name, written down a second time."""


def joints(frames: int, seed: int = 0) -> NDArray[np.float64]:
    """(frames, 20, 3) m, as many digits as the files have."""
    random = np.random.default_rng(seed)
    return np.asarray(random.normal((0, 0.2, 3), 0.3, (frames, 20, 3)).round(6))


def write_skeleton(folder: Path, name: str, frames: int = 3, **changed: Any) -> Path:
    """One sample's JSON; keys of `changed` replace what it says."""
    content = {
        "file_name": name,
        "skeletons": joints(frames).tolist(),
        "label": LABELS.get(name[:3], 1),
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(content | changed))
    return path


def picture_name(number: int) -> str:
    """Name of a colour picture."""
    return f"frame_{number}_tc_{2349 + 37 * number}_rgb.jpg"
