"""Eq. 3's adjacency against a second reading of the formula."""

from __future__ import annotations

import numpy as np
import pytest

from stroi.cache.layouts import BODY_25, COCO_17, Layout
from stroi.trainer.models.skeleton_graph import adjacency, hop_distance, partition

CHAIN = Layout("chain", ("a", "b", "c", "d"), (("a", "b"), ("b", "c"), ("c", "d")), "b")


def test_hops_of_a_chain() -> None:
    assert hop_distance(CHAIN, 1).tolist() == [1, 0, 1, 2]
    assert hop_distance(CHAIN, 3).tolist() == [3, 2, 1, 0]


def test_loose_joint_is_named() -> None:
    loose = Layout("odd", ("a", "b", "c"), (("a", "b"),), "a")
    with pytest.raises(ValueError, match="layout odd: c is loose"):
        hop_distance(loose, 0)


def test_subsets_of_a_chain_by_hand() -> None:
    itself, closer, farther = partition(CHAIN)
    assert np.argwhere(itself).tolist() == [[0, 0], [1, 1], [2, 2], [3, 3]]
    assert np.argwhere(closer).tolist() == [[0, 1], [2, 1], [3, 2]]
    assert np.argwhere(farther).tolist() == [[1, 0], [1, 2], [2, 3]]


@pytest.mark.parametrize("layout", [BODY_25, COCO_17])
def test_subsets_hold_every_bone_once_each_way(layout: Layout) -> None:
    parts = partition(layout)
    whole = parts.sum(0)
    assert whole.max() == 1
    assert whole.sum() == len(layout.joints) + 2 * len(layout.bones)
    np.testing.assert_array_equal(whole, whole.T)
    np.testing.assert_array_equal(parts[1], parts[2].T)


def test_equal_distance_counts_with_the_vertex_itself() -> None:
    parts = partition(COCO_17)
    left, right = COCO_17.index("left_hip"), COCO_17.index("right_hip")
    assert parts[0, left, right] == parts[0, right, left] == 1


@pytest.mark.parametrize("alpha", [0.001, 0.5])
def test_eq3_against_loops(alpha: float) -> None:
    parts = partition(BODY_25)
    expected = np.zeros_like(parts)
    for k in range(3):
        lam = np.array([sum(parts[k, i, j] for j in range(25)) + alpha for i in range(25)])
        root = np.linalg.inv(np.sqrt(np.diag(lam)))
        expected[k] = root @ parts[k] @ root
    got = adjacency(BODY_25, alpha=alpha, normalisation="eq3")
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.001, 0.5])
def test_two_sided_eq3_against_loops(alpha: float) -> None:
    parts = partition(BODY_25)
    expected = np.zeros_like(parts)
    for k, i, j in np.argwhere(parts):
        row = sum(parts[k, i, v] for v in range(25)) + alpha
        column = sum(parts[k, v, j] for v in range(25)) + alpha
        expected[k, i, j] = 1 / np.sqrt(row * column)
    np.testing.assert_allclose(adjacency(BODY_25, alpha=alpha), expected, rtol=1e-6)
    assert expected.max() < 1


def test_eq3_to_the_letter_lifts_what_comes_from_a_leaf() -> None:
    wrist, elbow = BODY_25.index("left_wrist"), BODY_25.index("left_elbow")
    literal = adjacency(BODY_25, normalisation="eq3")[2, elbow, wrist]
    assert literal == pytest.approx(1 / np.sqrt(1.001 * 0.001), rel=1e-6)
    assert adjacency(BODY_25)[2, elbow, wrist] == pytest.approx(1 / 1.001)


def test_two_sided_equals_eq3_where_the_subset_is_symmetric() -> None:
    np.testing.assert_array_equal(adjacency(BODY_25, normalisation="eq3")[0], adjacency(BODY_25)[0])


def test_stgcn_normalisation_takes_the_mean_over_the_neighbourhood() -> None:
    graph = adjacency(BODY_25, normalisation="stgcn")
    np.testing.assert_allclose(graph.sum((0, 2)), np.ones(25), rtol=1e-6)
    neck = BODY_25.index("neck")
    assert graph[0, neck, neck] == pytest.approx(1 / 5)
