"""What goes along when a mosaic is shown in the mirror: the bodies, and the weights of its rows.

Legend of shapes: B clips, M persons, T frames, V joints, K rows.
"""

from __future__ import annotations

from torch import Tensor, where

from stroi.cache.layouts import MIRRORED_ROWS, Layout


def mirror_bodies(x: Tensor, present: Tensor, layout: Layout) -> Tensor:
    """Prepared clips seen in a mirror: left and right exchanged, x reversed.

    Two persons change places as well: the first is the one further left in the picture.

    Args:
        x: (B, M, T, V, 3) prepared clips, x to the right about a centre.
        present: (B, M) bool, which persons there are.
        layout: Names of the V joints.

    Returns:
        (B, M, T, V, 3).
    """
    turned = x[..., list(layout.mirrored), :] * x.new_tensor([-1.0, 1.0, 1.0])
    return where(present.all(1)[:, None, None, None, None], turned.flip(1), turned)


def mirror_halves(weights: Tensor) -> Tensor:
    """Row weights of a clip from those of the clip in the mirror, and the other way round.

    Args:
        weights: (B, 2, K) weights of the left and the right half of each cell.

    Returns:
        (B, 2, K).
    """
    return weights.flip(1)[..., list(MIRRORED_ROWS)]
