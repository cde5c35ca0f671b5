"""Mean weights against a plain loop over persons and clips."""

from __future__ import annotations

import numpy as np
import pytest
from small_run import CLASSES, IDS, TEST, label_of, persons_of, weights

from stroi.cache.weights import Weights
from stroi.stages.report_page.attention import mean_weights

ACTUAL = np.array([CLASSES.index(label_of(name)) for name in TEST], np.int64)


def test_mean_weights_count_every_clip_once_and_absent_persons_never() -> None:
    given_weights = weights(0)
    overall, *by_class = mean_weights(TEST, ACTUAL, CLASSES, given_weights)
    assert (overall.name, overall.clips) == ("all test clips", len(TEST))
    assert [each.name for each in by_class] == list(CLASSES)
    for each in (overall, *by_class):
        own = [name for name in TEST if each.name in ("all test clips", label_of(name))]
        rows, joints = [], []
        for name in own:
            at, people = IDS.index(name), range(persons_of(name))
            rows.append(np.mean([given_weights.row_weights[at, p] for p in people], axis=0))
            joints.append(
                np.mean(
                    [
                        given_weights.joint_weights[at, p]
                        / given_weights.joint_weights[at, p].mean()
                        for p in people
                    ],
                    axis=0,
                )
            )
        assert each.rows == pytest.approx(np.mean(rows, axis=0), rel=1e-5)
        assert each.joints == pytest.approx(np.mean(joints, axis=0), rel=1e-5)
        assert np.mean(each.joints) == pytest.approx(1.0)


def test_class_without_test_clips_has_no_mean() -> None:
    means = mean_weights(TEST, ACTUAL, (*CLASSES, "never seen"), weights(0))
    assert [each.name for each in means[1:]] == list(CLASSES)


def test_dead_network_has_weight_zero_everywhere() -> None:
    dead = Weights(
        IDS, np.zeros((len(IDS), 2, 25), np.float32), np.ones((len(IDS), 2, 5), np.float32)
    )
    overall = mean_weights(TEST, ACTUAL, CLASSES, dead)[0]
    assert overall.joints == (0.0,) * 25
    assert overall.rows == (1.0,) * 5
