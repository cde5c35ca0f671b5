"""Stage ensemble on a small run: its files, and a weight that no test clip has a say in."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_run import (
    CLASSES,
    IDS,
    PROFILE,
    SEEDS,
    STREAMS,
    TEST,
    label_of,
    lose,
    network_params,
)

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.scores import Scores, write_scores
from stroi.pipeline.index.table import read_index
from stroi.pipeline.params.load import load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.ensemble import build_table
from stroi.stages.training.run_split import split_clips
from stroi.trainer.metrics.ensemble import ALPHAS

VALIDATION_IDS = tuple(name for name in IDS if name[-2:] == "s2")
VALIDATED = "{by: subject, test: [s3, s4], validation: {by: subject, values: [s2]}}"


def _table(workspace: Workspace) -> dict[str, Any]:
    path = workspace.run("small-xsub", "ensemble") / "table.json"
    table: dict[str, Any] = json.loads(path.read_text())
    return table


def _columns(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _build(workspace: Workspace) -> None:
    build_table(workspace, load_run(workspace.root, "small-xsub"))


def _profile(workspace: Workspace, *, split: str = VALIDATED) -> None:
    text = PROFILE.replace("{by: subject, test: [s3, s4]}", split)
    text = text.replace("ensemble:\n", "ensemble:\n  alpha: validation\n")
    (workspace.root / "profiles" / "small.yaml").write_text(text)


def _write(workspace: Workspace, part: str, ids: tuple[str, ...], rng: np.random.Generator) -> None:
    """Random scores in which the skeleton is often right and the RGB branch loud."""
    for seed in SEEDS:
        for stream in STREAMS:
            loud = 1.0 if stream == "gcn" else 5.0
            logits = rng.normal(0, loud, (len(ids), len(CLASSES))).astype(np.float32)
            if stream == "gcn":
                logits[np.arange(len(ids)), [CLASSES.index(label_of(name)) for name in ids]] += 2
            folder = workspace.run("small-xsub", stream) / f"seed-{seed}" / "scores"
            write_scores(folder, part, Scores(ids, logits, CLASSES),
                         params=network_params(workspace, stream),
                         producer={"checkpoint": f"{seed}c" * 32})  # fmt: skip


def test_tables_hold_intervals_tests_and_gains(workspace: Workspace) -> None:
    table = _table(workspace)
    assert table["interval"] == "bootstrap"
    assert table["alpha"] == 1.0
    two_seven = {(each["first"], each["second"]): each for each in table["comparisons"]}
    # Of 8 test clips row 2 errs on 4 and row 3 on one of them, with both seeds alike.
    weights = two_seven[2, 3]
    assert weights["gain"] == 37.5
    assert weights["seeds"] == [{"gained": 3, "lost": 0, "p": 0.25}] * 2
    assert weights["median_p"] == 0.25
    assert weights["interval"][0] <= 37.5 <= weights["interval"][1]
    folder = workspace.run("small-xsub", "ensemble")
    first = _columns(folder / "comparisons.csv")[0]
    assert (first["first"], first["second"], first["gain"]) == ("2", "3", "37.50")
    assert (first["gained_seed0"], first["lost_seed1"], first["p_seed1"]) == ("3", "0", "0.25")
    drink = _columns(folder / "per_class.csv")[CLASSES.index("drink")]
    assert float(drink["gain"]) == -50.0
    assert float(drink["gain_low"]) <= -50.0 <= float(drink["gain_high"])
    rows = _columns(folder / "table.csv")
    assert [row["alphas"] for row in rows] == [""] * 4 + ["1 1"] * 3
    for row, entry in zip(rows, table["rows"], strict=True):
        assert float(row["low"]) <= float(row["accuracy"]) <= float(row["high"])
        assert [float(row["low"]), float(row["high"])] == pytest.approx(entry["interval"], abs=0.01)


def test_equal_scores_give_equal_bytes(workspace: Workspace) -> None:
    folder = workspace.run("small-xsub", "ensemble")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    _build(workspace)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert set(before) == {
        "table.json", "table.csv", "comparisons.csv", "pairs.csv", "per_class.csv",
        "predictions.csv", "table.md",
    }  # fmt: skip


def test_the_weight_is_chosen_on_validation_clips_whatever_the_test_clips_say(
    workspace: Workspace,
) -> None:
    _profile(workspace)
    _write(workspace, "validation", VALIDATION_IDS, np.random.default_rng(0))
    _build(workspace)
    clean = _table(workspace)
    assert clean["alpha"]["grid"] == list(ALPHAS)
    assert clean["alpha"]["validation_clips"] == len(VALIDATION_IDS)
    for number in ("5", "6", "7"):
        for at, choice in enumerate(clean["alpha"]["methods"][number]):
            assert choice["alpha"] == clean["rows"][int(number) - 1]["alphas"][at]
            reached = dict(zip(ALPHAS, choice["accuracies"], strict=True))
            assert reached[choice["alpha"]] == max(reached.values())
    assert any(alpha < 1 for alpha in clean["rows"][6]["alphas"])
    # Other scores for the test clips, and other labels.
    _write(workspace, "test", TEST, np.random.default_rng(9))
    path = workspace.index("small") / "samples.csv"
    swapped = [
        line.replace(",drink,", ",X,").replace(",wave,", ",drink,").replace(",X,", ",wave,")
        if ",s3," in line or ",s4," in line else line
        for line in path.read_text().splitlines(keepends=True)
    ]  # fmt: skip
    assert "".join(swapped) != path.read_text()
    path.write_text("".join(swapped))
    _build(workspace)
    poisoned = _table(workspace)
    assert poisoned["alpha"] == clean["alpha"]
    assert [row["alphas"] for row in poisoned["rows"]] == [row["alphas"] for row in clean["rows"]]
    assert [row["accuracy"] for row in poisoned["rows"]] != [
        row["accuracy"] for row in clean["rows"]
    ]


def test_a_weight_to_choose_without_clips_to_choose_on_is_refused_before_any_training(
    workspace: Workspace,
) -> None:
    _profile(workspace, split="{by: subject, test: [s3, s4]}")
    run = load_run(workspace.root, "small-xsub")
    with pytest.raises(ParamsError, match=r"ALPHA_VALIDATION: .*split xsub has none; give splits"):
        split_clips(read_index(workspace.index("small")), run, IDS)
    _profile(workspace)
    with pytest.raises(RefusedInput, match=r"SCORES_NAME: .*has no scores named 'validation'"):
        _build(workspace)


def test_validation_scores_of_other_clips_are_refused(workspace: Workspace) -> None:
    _profile(workspace)
    _write(workspace, "validation", VALIDATION_IDS[:-1], np.random.default_rng(0))
    with pytest.raises(RefusedInput, match=f"row 5: 1 clips differ .*{VALIDATION_IDS[-1]}"):
        _build(workspace)


def test_no_clip_left_to_choose_or_to_test_on_is_refused(workspace: Workspace) -> None:
    """The scores are there; what the branches have in common is nothing."""
    _profile(workspace)
    _write(workspace, "validation", VALIDATION_IDS, np.random.default_rng(0))
    lose(workspace, VALIDATION_IDS)
    with pytest.raises(RefusedInput, match=r"PART_LOST: .*4 validation clips .*: 4 by mosaics"):
        _build(workspace)
    lose(workspace, TEST)
    with pytest.raises(RefusedInput, match=r"PART_LOST: .*8 test clips is left, .*: 8 by mosaics"):
        _build(workspace)
