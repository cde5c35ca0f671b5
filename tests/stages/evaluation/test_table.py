"""The seven rows: joined by id, summed as documented, refused when they do not belong together."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from stroi.cache.errors import RefusedInput
from stroi.cache.scores import Scores
from stroi.pipeline.index.table import Index, Sample
from stroi.pipeline.params.profile import EnsembleParams
from stroi.stages.ensemble import without
from stroi.stages.evaluation.ground_truth import GroundTruth, ground_truth
from stroi.stages.evaluation.methods import METHODS, STREAMS, named_methods
from stroi.stages.evaluation.predictions import concatenate_folds, method_scores, predict_rows
from stroi.stages.evaluation.result_files import (
    read_labels,
    read_table,
    write_results,
)
from stroi.stages.evaluation.table import make_table, row_result
from stroi.stages.evaluation.table_text import format_table
from stroi.stages.training.run_split import check_pairs

CLASSES = ("drink", "phone", "wave")
IDS = tuple(f"clip{number:02d}" for number in range(20))
RNG = np.random.default_rng(4)
LABELS = RNG.integers(0, 3, 20)
TRUTH = GroundTruth(IDS, LABELS, CLASSES)
PARAMS = EnsembleParams()


def _scores(seed: int) -> Scores:
    logits = np.random.default_rng(seed).normal(size=(20, 3)).astype(np.float32)
    return Scores(IDS, logits, CLASSES)


def _streams(seed: int = 0) -> dict[str, Scores]:
    return {name: _scores(10 * seed + number) for number, name in enumerate(STREAMS)}


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    powers = np.exp(logits.astype(np.float64))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def test_rows_are_the_papers() -> None:
    assert [method.number for method in METHODS] == [1, 2, 3, 4, 5, 6, 7]
    assert [method.streams for method in METHODS[4:]] == [
        ("gcn", "resnet-plain"),
        ("gcn", "resnet-end-to-end"),
        ("gcn", "resnet-fixed"),
    ]


@pytest.mark.parametrize("kind", ["logits", "softmax"])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_sum_against_numpy(kind: str, alpha: float) -> None:
    streams = _streams()
    params = EnsembleParams.model_validate_json(f'{{"scores": "{kind}", "alpha": {alpha}}}')
    take = _softmax if kind == "softmax" else lambda logits: logits.astype(np.float64)
    expected = take(streams["gcn"].logits) + alpha * take(streams["resnet-fixed"].logits)
    np.testing.assert_allclose(
        method_scores(METHODS[6], streams, TRUTH, params), expected, atol=1e-6
    )


def test_order_of_a_score_file_means_nothing() -> None:
    streams = _streams()
    order = np.random.default_rng(1).permutation(20)
    shuffled = Scores(tuple(IDS[at] for at in order), streams["gcn"].logits[order], CLASSES)
    params = EnsembleParams()
    np.testing.assert_array_equal(
        method_scores(METHODS[6], {**streams, "gcn": shuffled}, TRUTH, params),
        method_scores(METHODS[6], streams, TRUTH, params),
    )


def test_missing_and_extra_clips_are_refused_by_name() -> None:
    streams = _streams()
    short = without(streams["gcn"], {"clip03"})
    with pytest.raises(RefusedInput, match=r"ENSEMBLE_IDS.*clip03"):
        method_scores(METHODS[6], {**streams, "gcn": short}, TRUTH, EnsembleParams())
    with pytest.raises(RefusedInput, match="row 1: 1 clips differ from the split, first clip03"):
        method_scores(METHODS[0], {**streams, "gcn": short}, TRUTH, EnsembleParams())


def test_other_classes_are_refused() -> None:
    streams = _streams()
    odd = Scores(IDS, streams["gcn"].logits, ("drink", "phone", "hug"))
    with pytest.raises(RefusedInput, match="1 classes of the index are not in gcn, first"):
        method_scores(METHODS[0], {**streams, "gcn": odd}, TRUTH, EnsembleParams())


def test_result_against_numpy() -> None:
    seeds = [_streams(0), _streams(1), _streams(2)]
    params = EnsembleParams(pairs={"p": ("drink", "phone")})
    scores = [method_scores(METHODS[4], each, TRUTH, params) for each in seeds]
    result = row_result(METHODS[4], scores, TRUTH, params.pairs)
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
    assert make_table(predict_rows({0: _streams()}, TRUTH, PARAMS), PARAMS).row(1).spread is None


def test_printed_table_tells_rows_chance_and_clips() -> None:
    methods = named_methods("CTR-GCN (joint + bone motion)", "ResNet50")
    predictions = predict_rows({0: _streams(), 1: _streams(1)}, TRUTH, PARAMS, methods=methods)
    lines = format_table(make_table(predictions, PARAMS)).splitlines()
    assert len(lines) == 9
    assert lines[1].startswith(" 1  CTR-GCN (joint + bone motion) train     -  ")
    assert lines[3].startswith(" 3  ResNet50 + weights            train     train  ")
    assert len({line.rindex(" - ") for line in lines[1:8]}) == 1
    assert " +- " in lines[7]
    assert lines[8] == "20 test clips, 3 classes, chance 33.3 %, 2 seeds"


def test_pair_of_an_unknown_class_is_refused() -> None:
    with pytest.raises(RefusedInput, match="no class 'hug'; the classes are: drink, phone, wave"):
        check_pairs(EnsembleParams(pairs={"p": ("drink", "hug")}), CLASSES)


def test_a_class_is_no_pair_with_itself() -> None:
    with pytest.raises(RefusedInput, match=r"ensemble\.pairs\.p: 'wave' twice"):
        check_pairs(EnsembleParams(pairs={"p": ("wave", "wave")}), CLASSES)


def _index() -> Index:
    samples = [
        Sample(name, f"{name}.avi", CLASSES[label], "s1", "c1", bytes=1, sha256=f"{at:064x}")
        for at, (name, label) in enumerate(zip(IDS, LABELS, strict=True))
    ]
    return Index(tuple(samples), CLASSES)


def test_every_lost_clip_counts_for_the_first_stage_that_lost_it() -> None:
    lost = {
        "skeletons3d": {IDS[0], IDS[1]},
        "skeletons": {IDS[1], IDS[2]},
        "mosaics": {IDS[3], "other"},
    }
    truth = ground_truth(_index(), IDS[:10], lost)
    assert truth.ids == IDS[4:10]
    assert truth.labels.tolist() == LABELS[4:10].tolist()
    assert truth.left_out == {"skeletons3d": 2, "skeletons": 1, "mosaics": 1}
    # The graph network saw whatever has joints.
    assert (truth.listed, truth.seen, len(truth.ids)) == (10, 8, 6)
    assert ground_truth(_index(), IDS, {}).seen == 20


@pytest.mark.parametrize("side", ["test", "validation"])
def test_a_part_without_any_clip_left_is_refused(side: str) -> None:
    lost = {"skeletons3d": set(IDS[:2]), "skeletons": set[str](), "mosaics": {IDS[2]}}
    with pytest.raises(
        RefusedInput, match=f"PART_LOST: none of the split's 3 {side} clips is left, lost: 2 by sk"
    ) as caught:
        ground_truth(_index(), IDS[:3], lost, side)
    assert "ledgers" in caught.value.remedy


def test_printed_table_tells_which_clips_it_lacks() -> None:
    for left_out, line in (
        ({"skeletons": 0, "mosaics": 0}, []),
        ({"skeletons": 2, "mosaics": 0}, ["of 22 in the split; lost by stages: 2 by skeletons"]),
        (
            {"skeletons": 2, "mosaics": 1},
            [
                "of 23 in the split; lost by stages: 2 by skeletons, 1 by mosaics; row 1 on the "
                "graph network's own page, which needs no mosaic: 21 clips"
            ],
        ),
    ):
        truth = replace(TRUTH, left_out=left_out)
        table = make_table(predict_rows({0: _streams()}, truth, PARAMS), PARAMS)
        assert format_table(table).splitlines()[9:] == line


def test_other_networks_and_other_stages_are_not_pooled() -> None:
    one = predict_rows({0: _streams()}, TRUTH, PARAMS)
    names = tuple(f"other{number:02d}" for number in range(20))
    streams = {name: Scores(names, each.logits, each.classes) for name, each in _streams(1).items()}
    other = predict_rows({0: streams}, GroundTruth(names, LABELS, CLASSES), PARAMS)
    assert len(concatenate_folds({"one": one, "two": other}).truth.ids) == 40
    deeper = replace(other, methods=named_methods("ST-GCN", "ResNet50"))
    with pytest.raises(RefusedInput, match="POOL_NETWORKS: two has other networks"):
        concatenate_folds({"one": one, "two": deeper})
    sensor = replace(other, truth=replace(other.truth, left_out={"skeletons3d": 1}))
    with pytest.raises(RefusedInput, match="POOL_INPUT: two has other stages"):
        concatenate_folds({"one": one, "two": sensor})


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("classes", [("drink",), CLASSES])
def test_a_table_of_one_clip_has_a_figure_or_nothing_in_every_cell(
    classes: tuple[str, ...], seeds: int, tmp_path: Path
) -> None:
    """One test clip, so that all classes but one have none; and one class alone."""
    truth = GroundTruth(IDS[:1], np.zeros(1, np.int64), classes)
    by_seed = {
        seed: {
            name: Scores(each.ids[:1], each.logits[:1, : len(classes)], classes)
            for name, each in _streams(seed).items()
        }
        for seed in range(seeds)
    }
    pairs = {"p": ("drink", "phone"), "q": ("phone", "wave")} if len(classes) > 1 else {}
    params = EnsembleParams(pairs=pairs)
    predictions = predict_rows(by_seed, truth, params)
    table = make_table(predictions, params)
    write_results(tmp_path, table, predictions.labels())
    text = (tmp_path / "table.json").read_text() + format_table(table)
    text += "".join(path.read_text() for path in tmp_path.glob("*.csv"))
    assert not re.search(r"\b(nan|inf|Infinity)\b", text, re.IGNORECASE)
    assert read_table(tmp_path) == table
    assert read_labels(tmp_path, table).ids == truth.ids
    for result in table.rows:
        assert 0 <= result.interval[0] <= result.accuracy <= result.interval[1] <= 100
        assert result.per_class[1:] == (None,) * (len(classes) - 1)
    if pairs:
        assert {name: pair.note for name, pair in table.pairs.items()} == {
            "p": "no test clip of phone", "q": "no test clip of phone or wave",
        }  # fmt: skip
