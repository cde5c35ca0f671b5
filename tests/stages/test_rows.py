"""The seven rows: joined by id, summed as documented, refused when they do not belong together."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.cache.scores import Scores
from stroi.pipeline.profile import EnsembleParams
from stroi.stages.ensemble import without
from stroi.stages.rows import ROWS, STREAMS, Truth, evaluate, row_scores
from stroi.stages.tables import format_table
from stroi.stages.training.division import check_pairs

CLASSES = ("drink", "phone", "wave")
IDS = tuple(f"clip{number:02d}" for number in range(20))
RNG = np.random.default_rng(4)
LABELS = RNG.integers(0, 3, 20)
TRUTH = Truth(IDS, LABELS, CLASSES)


def _scores(seed: int) -> Scores:
    logits = np.random.default_rng(seed).normal(size=(20, 3)).astype(np.float32)
    return Scores(IDS, logits, CLASSES)


def _streams(seed: int = 0) -> dict[str, Scores]:
    return {name: _scores(10 * seed + number) for number, name in enumerate(STREAMS)}


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    powers = np.exp(logits.astype(np.float64))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def test_rows_are_the_papers() -> None:
    assert [row.number for row in ROWS] == [1, 2, 3, 4, 5, 6, 7]
    assert [row.streams for row in ROWS[4:]] == [
        ("gcn", "resnet-plain"),
        ("gcn", "resnet-joint"),
        ("gcn", "resnet-fixed"),
    ]


@pytest.mark.parametrize("kind", ["logits", "softmax"])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_sum_against_numpy(kind: str, alpha: float) -> None:
    streams = _streams()
    params = EnsembleParams.model_validate_json(f'{{"scores": "{kind}", "alpha": {alpha}}}')
    take = _softmax if kind == "softmax" else lambda logits: logits.astype(np.float64)
    expected = take(streams["gcn"].logits) + alpha * take(streams["resnet-fixed"].logits)
    np.testing.assert_allclose(row_scores(ROWS[6], streams, TRUTH, params), expected, atol=1e-6)


def test_order_of_a_score_file_means_nothing() -> None:
    streams = _streams()
    order = np.random.default_rng(1).permutation(20)
    shuffled = Scores(tuple(IDS[at] for at in order), streams["gcn"].logits[order], CLASSES)
    params = EnsembleParams()
    np.testing.assert_array_equal(
        row_scores(ROWS[6], {**streams, "gcn": shuffled}, TRUTH, params),
        row_scores(ROWS[6], streams, TRUTH, params),
    )


def test_missing_and_extra_clips_are_refused_by_name() -> None:
    streams = _streams()
    short = without(streams["gcn"], {"clip03"})
    with pytest.raises(RefusedInput, match=r"ENSEMBLE_IDS.*clip03"):
        row_scores(ROWS[6], {**streams, "gcn": short}, TRUTH, EnsembleParams())
    with pytest.raises(
        RefusedInput, match="row 1: 1 clips differ from the test part, first clip03"
    ):
        row_scores(ROWS[0], {**streams, "gcn": short}, TRUTH, EnsembleParams())


def test_other_classes_are_refused() -> None:
    streams = _streams()
    odd = Scores(IDS, streams["gcn"].logits, ("drink", "phone", "hug"))
    with pytest.raises(RefusedInput, match="gcn: its classes are not the index's"):
        row_scores(ROWS[0], {**streams, "gcn": odd}, TRUTH, EnsembleParams())


def test_result_against_numpy() -> None:
    seeds = [_streams(0), _streams(1), _streams(2)]
    params = EnsembleParams(pairs={"p": ("drink", "phone")})
    result = evaluate(ROWS[4], seeds, TRUTH, params)
    sums = [each["gcn"].logits + each["resnet-plain"].logits for each in seeds]
    hits = np.array([values.argmax(1) == LABELS for values in sums])
    values = 100 * hits.mean(axis=1)
    np.testing.assert_allclose(result.seeds, values)
    assert result.accuracy == pytest.approx(values.mean())
    assert result.spread == pytest.approx(values.std(ddof=1))
    inside = LABELS < 2
    two_way = [(values[inside, 1] > values[inside, 0]) == LABELS[inside] for values in sums]
    assert result.pairs["p"] == pytest.approx(100 * np.mean(two_way))
    for label in range(3):
        assert result.per_class[label] == pytest.approx(100 * hits[:, label == LABELS].mean())
    assert result.interval[0] < values[0] < result.interval[1]


def test_one_seed_has_no_spread() -> None:
    assert evaluate(ROWS[0], [_streams()], TRUTH, EnsembleParams()).spread is None


def test_printed_table_tells_rows_chance_and_clips() -> None:
    results = [evaluate(row, [_streams(), _streams(1)], TRUTH, EnsembleParams()) for row in ROWS]
    lines = format_table(results, TRUTH).splitlines()
    assert len(lines) == 9
    assert lines[1].startswith(" 1  GCN ")
    assert " +- " in lines[7]
    assert lines[8] == "20 test clips, 3 classes, chance 33.3 %, 2 seeds"


def test_pair_of_an_unknown_class_is_refused() -> None:
    with pytest.raises(RefusedInput, match="no class 'hug'; the classes are: drink, phone, wave"):
        check_pairs(EnsembleParams(pairs={"p": ("drink", "hug")}), CLASSES)
