"""Tables and pages: whose rows they are, over which clips, and what an empty cell says."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import result_table
from small_run import CLASSES, SEEDS, STREAMS, TEST, label_of, lose, network_params, write_mosaics

from stroi.cache.errors import RefusedInput
from stroi.cache.manifest import read_manifest, write_manifest
from stroi.pipeline.cli import run as stroi
from stroi.pipeline.params.load import load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.ensemble import build_table
from stroi.stages.gcn_report import build_gcn_report
from stroi.stages.report import build_report


def _table(workspace: Workspace) -> dict[str, Any]:
    path = workspace.run("small-xsub", "ensemble") / "table.json"
    table: dict[str, Any] = json.loads(path.read_text())
    return table


def _columns(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_pair_without_a_test_clip_is_an_empty_cell_with_its_reason(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All test clips of two classes are lost on the way to the mosaics."""
    profile = workspace.root / "profiles" / "small.yaml"
    profile.write_text(
        profile.read_text().replace(
            "pairs:\n", "pairs:\n    gone: [give, wave]\n    half: [drink, give]\n"
        )
    )
    lost = tuple(name for name in TEST if label_of(name) in ("give", "wave"))
    write_mosaics(workspace.mosaics("small"), lost)
    lose(workspace, lost)
    # The command itself, for what it printed was "INTERNAL: ... this is a defect".
    assert stroi(["ensemble", "small-xsub", "--root", str(workspace.root)]) == 0
    reason, part = "no test clip of give or wave", "no test clip of give"
    folder = workspace.run("small-xsub", "ensemble")
    table = _table(workspace)
    assert {name: each["note"] for name, each in table["pairs"].items()} == {
        "gone": reason, "half": part, "hands": "no test clip of wave",
    }  # fmt: skip
    assert table["pairs"]["half"]["test_clips"] == [2, 0]
    assert [row["pairs"]["gone"] for row in table["rows"]] == [None] * 7
    assert all(0 <= row["pairs"]["half"] <= 100 for row in table["rows"])
    gone, half, _ = _columns(folder / "pairs.csv")
    assert [gone[f"row{number}"] for number in range(1, 8)] == [""] * 7
    assert (gone["first_clips"], gone["second_clips"], gone["note"]) == ("0", "0", reason)
    assert (half["row1"], half["row3"], half["note"]) == ("100.00", "100.00", part)
    printed = capsys.readouterr().out
    assert re.search(rf"^gone +- +- +- +- +- +- +-  {reason}$", printed, re.MULTILINE)
    assert re.search(rf"^half +100\.0 .* +{part}$", printed, re.MULTILINE)
    page = build_report(workspace, load_run(workspace.root, "small-xsub")).read_text()
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))
    assert f"gone give / wave {reason} \u2013 \u2013 \u2013 \u2013" in words
    assert f"half drink / give {part} 100.0" in words
    # Classes without test clips, on the same page and in the same tables.
    assert "give 0 \u2013 \u2013 \u2013 \u2013 \u2013" in words
    give = _columns(folder / "per_class.csv")[CLASSES.index("give")]
    assert (give["test_clips"], give["row1"], give["gain"], give["gain_low"]) == ("0", "", "", "")
    monkeypatch.setattr(sys, "argv", ["", "small-xsub", "--root", str(workspace.root)])
    result_table.main()
    assert f"| gone ({reason}) | - | - | - | - | - | - | - |" in capsys.readouterr().out


def test_all_pages_and_tables_tell_which_clips_they_are_over(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One test clip has a skeleton and no mosaic: row 1 is over 8 clips here and over 7 there."""
    run = load_run(workspace.root, "small-xsub")
    assert _table(workspace)["test_split"] == {
        "listed": 8, "seen": 8, "left_out": {"skeletons": 0, "mosaics": 0},
    }  # fmt: skip
    whole = build_report(workspace, run).read_text()
    assert "the same 8 clips, all that the split tests; so is row 1 on the graph network" in whole
    write_mosaics(workspace.mosaics("small"), TEST[:1])
    lose(workspace, TEST[:1])
    assert stroi(["ensemble", "small-xsub", "--root", str(workspace.root)]) == 0
    line = (
        "of 8 in the split; lost by stages: 1 by mosaics; row 1 on the graph network's own page, "
        "which needs no mosaic: 8 clips"
    )
    assert f"\n{line}\n" in capsys.readouterr().out
    table = _table(workspace)
    assert table["test_clips"] == 7
    assert table["test_split"] == {
        "listed": 8, "seen": 8, "left_out": {"skeletons": 0, "mosaics": 1},
    }  # fmt: skip
    assert table["rows"][0]["accuracy"] == pytest.approx(100 * 4 / 7)
    page = re.sub(r"<[^>]*>", "", build_report(workspace, run).read_text())
    assert (
        "All rows are measured on the same 7 clips, of 8 that the split tests: 1 was lost by stage "
        "mosaics (ledger). The graph network needs no mosaic: row 1 on its own page is measured on "
        "8 clips and may differ from row 1 here."
    ) in page
    own = re.sub(r"<[^>]*>", "", build_gcn_report(workspace, run).read_text())
    assert "recognises 62.5 % of the test clips" in own
    assert (
        "Row 1 is measured here on 8 clips, all that the split tests. The seven rows of the "
        "run\u2019s report are measured on those that have a mosaic too: where some have none, row "
        "1 differs."
    ) in own
    monkeypatch.setattr(sys, "argv", ["", "small-xsub", "--root", str(workspace.root)])
    result_table.main()
    assert f"Test clips: {line}." in capsys.readouterr().out


def test_rows_are_called_by_the_networks_that_ran(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = workspace.root / "profiles" / "small.yaml"
    profile.write_text(
        profile.read_text().replace("resnet: {", "resnet: {model: resnet50, ")
        + "gcn: {model: ctrgcn, streams: [joint, bone_motion], stream_weights: [1.0, 0.5]}\n"
    )
    for seed in SEEDS:
        for stream in STREAMS:
            scores = workspace.run("small-xsub", stream) / f"seed-{seed}" / "scores"
            params = network_params(workspace, stream)
            write_manifest(scores, replace(read_manifest(scores), params=params))
        folder = workspace.run("small-xsub", "gcn") / f"seed-{seed}"
        shutil.copy(folder / "curve.csv", folder / "curve-bone_motion.csv")
    assert stroi(["ensemble", "small-xsub", "--root", str(workspace.root)]) == 0
    names = ["CTR-GCN (joint + bone motion)", "ResNet50", *["ResNet50 + weights"] * 2]
    printed = capsys.readouterr().out
    for number, name in enumerate(names, 1):
        assert f"\n {number}  {name} " in printed
    assert [row["method"]["name"] for row in _table(workspace)["rows"]][:4] == names
    folder = workspace.run("small-xsub", "ensemble")
    assert [row["method"] for row in _columns(folder / "table.csv")][:4] == names
    run = load_run(workspace.root, "small-xsub")
    page, own = build_report(workspace, run).read_text(), build_gcn_report(workspace, run)
    assert f'<th scope="row">{names[0]}</th>' in page
    assert f"Row 4: {names[3]}" in page
    assert f"Most confused by row 1: {names[0]}" in page
    assert f"Row 1, {names[0]}, recognises" in own.read_text()
    monkeypatch.setattr(sys, "argv", ["", "small-xsub", "--root", str(workspace.root)])
    result_table.main()
    assert f"\n| 1 | {names[0]} | train " in capsys.readouterr().out
    for text in (printed, page, own.read_text()):
        assert "ResNet18 " not in text
        assert "ST-GCN" not in text


def test_networks_of_two_kinds_make_no_row(workspace: Workspace) -> None:
    """As after a training that was broken off: one seed is the old network's."""
    folder = workspace.run("small-xsub", "resnet-end-to-end") / "seed-1" / "scores"
    manifest = read_manifest(folder)
    write_manifest(folder, replace(manifest, params={**manifest.params, "model": "resnet34"}))
    with pytest.raises(RefusedInput, match=r"ENSEMBLE_NETWORKS: .*ResNet18, .*of ResNet34"):
        build_table(workspace, load_run(workspace.root, "small-xsub"))
