"""The spatial graph of a skeleton, cut into three subsets and normalised (section III.C, eq. 3)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stroi.cache.layouts import BODY_25, Layout
from stroi.trainer.config import Normalisation


def hops(layout: Layout, start: int) -> NDArray[np.int64]:
    """Bones on the shortest way from joint `start` to every joint.

    Args:
        layout: Joints and bones, V joints.
        start: Index of the first joint.

    Returns:
        (V,) hop counts.

    Raises:
        ValueError: If some joint hangs on no bone path to `start`.
    """
    distance = np.full(len(layout.joints), -1, np.int64)
    distance[start] = 0
    front = [start]
    while front:
        joint = front.pop(0)
        for a, b in (*layout.edges, *((b, a) for a, b in layout.edges)):
            if a == joint and distance[b] < 0:
                distance[b] = distance[joint] + 1
                front.append(b)
    if (distance < 0).any():
        raise ValueError(f"layout {layout.name}: {layout.joints[int(distance.argmin())]} is loose")
    return distance


def subsets(layout: Layout = BODY_25) -> NDArray[np.float64]:
    """Adjacency of neighbours at most one hop away, by distance to the body's centre.

    Args:
        layout: Joints, bones and centre, V joints.

    Returns:
        (3, V, V) of 0 and 1; entry [k, i, j] is 1 when j belongs to subset k of vertex i:
        0 the vertex itself, 1 centripetal (closer to the centre), 2 centrifugal (farther). A
        neighbour at the same distance counts with the vertex itself, as in ST-GCN.
    """
    count = len(layout.joints)
    far = hops(layout, layout.index(layout.centre))
    parts = np.zeros((3, count, count))
    parts[0] = np.eye(count)
    for a, b in layout.edges:
        for i, j in ((a, b), (b, a)):
            parts[0 if far[i] == far[j] else 1 if far[j] < far[i] else 2, i, j] = 1.0
    return parts


def adjacency(
    layout: Layout = BODY_25, *, alpha: float = 0.001, normalisation: Normalisation = "two_sided"
) -> NDArray[np.float32]:
    """Normalised adjacency of the three subsets, Lambda^-1/2 A Lambda^-1/2 (eq. 3).

    Eq. 3 is written for a symmetric A, but the centripetal and the centrifugal subset are not.
    Its Lambda, the row sums plus alpha, is alpha alone where a row is empty (a leaf has no
    centrifugal neighbour), so ``eq3`` to the letter multiplies whatever comes from a leaf by
    alpha^-1/2 = 31.6, which drowns the rest. ``two_sided`` is the usual extension to such
    matrices: row sums on the left, column sums on the right. It is the same wherever the subset
    is symmetric, and alpha only guards the empty rows, as the paper wants it to.

    Args:
        layout: Joints, bones and centre, V joints.
        alpha: Added to every sum.
        normalisation: ``two_sided``, ``eq3`` or ``stgcn`` (ST-GCN's A D^-1: the mean over a
            vertex and its neighbours, cut into subsets afterwards; no alpha).

    Returns:
        (3, V, V); row i of subset k says what vertex i receives from every vertex.
    """
    parts = subsets(layout)
    rows, columns = parts.sum(2), parts.sum(1)
    if normalisation == "stgcn":
        return np.asarray(parts / rows.sum(0)[None, :, None], np.float32)
    left = (rows + alpha) ** -0.5
    right = left if normalisation == "eq3" else (columns + alpha) ** -0.5
    return np.asarray(left[:, :, None] * parts * right[:, None, :], np.float32)
