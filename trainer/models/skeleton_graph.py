"""The spatial graph of a skeleton: its partition (eq. 2) and normalised adjacency (eq. 3).

Legend of shapes: K = 3 subsets, V joints.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from stroi.cache.layouts import BODY_25, Layout
from stroi.trainer.config import Normalisation


def hop_distance(layout: Layout, start: int) -> NDArray[np.int64]:
    """Bones on the shortest path from joint `start` to every joint.

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
    queue = [start]
    while queue:
        joint = queue.pop(0)
        for a, b in _directed_edges(layout):
            if a == joint and distance[b] < 0:
                distance[b] = distance[joint] + 1
                queue.append(b)
    if (distance < 0).any():
        raise ValueError(f"layout {layout.name}: {layout.joints[int(distance.argmin())]} is loose")
    return distance


@cache
def parents(layout: Layout) -> tuple[int, ...]:
    """The joint at the inner end of every joint's bone.

    Args:
        layout: Joints, bones and centre, V joints.

    Returns:
        V indices: the neighbour one bone closer to the centre, the first such bone of the
        layout if there are several; the centre is its own.
    """
    distance = hop_distance(layout, layout.index(layout.centre))
    parent = list(range(len(layout.joints)))
    for a, b in reversed(_directed_edges(layout)):
        if distance[a] < distance[b]:
            parent[b] = a
    return tuple(parent)


def partition(layout: Layout = BODY_25) -> NDArray[np.float64]:
    """Adjacency of neighbours at most one hop away, by distance to the body's centre (eq. 2).

    Args:
        layout: Joints, bones and centre, V joints.

    Returns:
        (K, V, V) of 0 and 1; entry [k, i, j] is 1 when j belongs to subset k of vertex i:
        0 the vertex itself, 1 centripetal (closer to the centre), 2 centrifugal (farther). A
        neighbour at the same distance counts with the vertex itself, as in ST-GCN.
    """
    count = len(layout.joints)
    distance = hop_distance(layout, layout.index(layout.centre))
    subsets = np.zeros((3, count, count))
    subsets[0] = np.eye(count)
    for i, j in _directed_edges(layout):
        subset = 0 if distance[j] == distance[i] else 1 if distance[j] < distance[i] else 2
        subsets[subset, i, j] = 1.0
    return subsets


def adjacency(
    layout: Layout = BODY_25, *, alpha: float = 0.001, normalisation: Normalisation = "two_sided"
) -> NDArray[np.float32]:
    """Normalised adjacency of the K subsets, Lambda^-1/2 A Lambda^-1/2 (eq. 3).

    Eq. 3 is written for a symmetric A, but the centripetal and the centrifugal subset are not.
    Its Lambda, the row sums plus alpha, is alpha alone where a row is empty (a leaf has no
    centrifugal neighbour). So ``eq3`` to the letter multiplies whatever comes from a leaf by
    alpha^-1/2 = 31.6, which drowns the rest. ``two_sided`` is the usual extension to such
    matrices: row sums on the left, column sums on the right. It is the same wherever the subset
    is symmetric, and alpha only guards the empty rows, as the paper wants it to.

    Args:
        layout: Joints, bones and centre, V joints.
        alpha: Added to every sum.
        normalisation: ``two_sided``, ``eq3`` or ``stgcn`` (ST-GCN's A D^-1: the mean over a
            vertex and its neighbours, cut into subsets afterwards; no alpha).

    Returns:
        (K, V, V); row i of subset k is what vertex i receives from every vertex.
    """
    subsets = partition(layout)
    rows, columns = subsets.sum(2), subsets.sum(1)  # (K, V) each
    if normalisation == "stgcn":
        return np.asarray(subsets / rows.sum(0)[None, :, None], np.float32)
    left = (rows + alpha) ** -0.5
    right = left if normalisation == "eq3" else (columns + alpha) ** -0.5
    return np.asarray(left[:, :, None] * subsets * right[:, None, :], np.float32)


def _directed_edges(layout: Layout) -> tuple[tuple[int, int], ...]:
    """Every bone in both directions."""
    return (*layout.edges, *((b, a) for a, b in layout.edges))
