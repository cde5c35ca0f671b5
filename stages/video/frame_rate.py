"""Frames per second of a clip, by the times at which its frames are shown."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UNEVEN = 1.5
"""A frame rate varies if a frame is shown so many times longer than the middle one."""


def frame_rate(times: NDArray[np.float64], stated: float) -> tuple[float, str]:
    """Frames per second, and a remark if the rate varies.

    Args:
        times: (T,) s at which the frames are shown; NaN where unknown.
        stated: Frames per second by the header, which holds unless the rate varies.
    """
    gaps = np.diff(times)
    middle = float(np.median(gaps)) if len(gaps) else 0.0
    # Some readers hand out times in the order of decoding: those say nothing.
    if not middle > 0 or gaps.min() <= 0 or not gaps.max() > UNEVEN * middle:
        return stated, ""
    shortest, longest = 1000 * gaps.min(), 1000 * gaps.max()
    return len(gaps) / float(times[-1] - times[0]), (
        f"variable frame rate ({shortest:.0f} to {longest:.0f} ms from frame to frame)"
    )
