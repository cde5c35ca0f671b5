"""The page of the skeleton branch alone, and pages of runs that see a sensor's joints."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from assembled import assemble_joints
from markupsafe import escape
from small_run import CLASSES, IDS, SEEDS, TEST, label_of, lose, persons_of, publish, weights

from stroi.cache.errors import RefusedInput
from stroi.cache.layouts import BODY_25, KINECT_V1, KINECT_V2, Layout
from stroi.cache.manifest import read_manifest, write_manifest
from stroi.cache.skeletons3d import JointClip
from stroi.cache.weights import Weights, write_weights
from stroi.pipeline.cli import run as stroi
from stroi.pipeline.index.ledger import ClipOutcome, write_ledger
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.workspace import Workspace
from stroi.stages.ensemble import lost_clips
from stroi.stages.gcn_report import build_gcn_report
from stroi.stages.report import build_report

RUN = Path("runs/small-xsub")


def _words(html: str) -> str:
    text = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))


def _joints_run(workspace: Workspace, run: RunParams, layout: Layout = KINECT_V1) -> RunParams:
    """The run as if its graph network had seen a Kinect's joints."""
    folder, joints = workspace.skeletons3d("small"), len(layout.joints)
    clips = [
        JointClip(
            np.random.default_rng(at).normal(0, 1, (4, 2, joints, 3)).astype(np.float32)
            * np.array([1, 0], np.float32)[:, None, None],
            np.repeat(np.array([[2, 0]], np.uint8), 4, axis=0)[:, :, None].repeat(joints, axis=2),
            1, layout, 30.0,
        )
        for at in range(len(IDS))
    ]  # fmt: skip
    lost = ClipOutcome("lost", "SKEL_TEXT", "no number in line 7")
    write_ledger(folder, [lost, *(ClipOutcome(name) for name in IDS)])
    publish(
        folder,
        "skeletons3d",
        assemble_joints(IDS, clips).data,
        assemble_joints(IDS, clips).sample_sha256,
        {"numpy": "2"},
    )
    for seed in SEEDS:
        plain = weights(seed)
        own = Weights(plain.ids, plain.joint_weights[:, :, :joints], plain.row_weights)
        producer = {"checkpoint": "e" * 64, "seed": seed, "layout": layout.name}
        write_weights(workspace.root / RUN / f"weights/seed-{seed}", own, params={},
                      producer=producer)  # fmt: skip
    return replace(run, run=run.run.model_copy(update={"input": "skeletons3d"}))


def test_the_graph_networks_own_page_needs_no_mosaic(workspace: Workspace, run: RunParams) -> None:
    shutil.rmtree(workspace.mosaics("small"))
    for stage in ("resnet-plain", "resnet-end-to-end", "resnet-fixed", "ensemble"):
        shutil.rmtree(workspace.root / RUN / stage)
    html = build_gcn_report(workspace, run).read_text()
    words = _words(html)
    # 3 of 8 test clips are taken for another class, by both seeds.
    assert "Row 1, ST-GCN, recognises 62.5 % of the test clips (mean over 2 seeds" in words
    assert "Row 1 is measured here on 8 clips, all that the split tests." in words
    assert "By seed: 62.5, 62.5 %." in words
    assert "drink wave wave drink 2 of 2 1 of 2" in words
    assert "index 17 17 0 skeletons 17 16 1" in words
    assert "xsub: by subject; train all others; test s3, s4" in words
    assert html.count('class="skeleton"') == 1 + len(CLASSES)
    assert "cells" not in words
    assert not {"mosaics", "resnet", "skeletons3d"} & set(re.findall(r"<h4>([^<]*)</h4>", html))
    # The five rows' weights, class by class.
    found = weights(0)
    give = [IDS.index(name) for name in ("k2_s3", "k2_s4")]
    shown = " ".join(f"{value:.2f}" for value in found.row_weights[give].mean(axis=(0, 1)))
    assert f"give 2 {shown}" in words


def test_a_sensors_joints_are_drawn_and_accounted_for_on_both_pages(
    workspace: Workspace, run: RunParams
) -> None:
    seen = _joints_run(workspace, run)
    for build in (build_report, build_gcn_report):
        html = build(workspace, seen).read_text()
        words = _words(html)
        assert "index 17 17 0 skeletons3d 17 16 1" in words
        assert "skeletons3d lost SKEL_TEXT no number in line 7" in words
        assert html.count('class="skeleton"') == 1 + len(CLASSES)
        assert html.count("<circle") == len(KINECT_V1.joints) * (1 + len(CLASSES))
        assert "data/small/skeletons3d" in words
        assert ("skeletons 17 16 1 mosaics 16 16 0" in words) == (build is build_report)


@pytest.mark.parametrize("layout", [BODY_25, KINECT_V1, KINECT_V2], ids=lambda each: each.name)
def test_every_class_has_its_drawn_weights_and_a_line_of_the_five_rows(
    workspace: Workspace, run: RunParams, layout: Layout
) -> None:
    """Both pages, by reading every circle and cell back, for all the joints there are."""
    seen = run if layout is BODY_25 else _joints_run(workspace, run, layout)
    found = weights(0)
    joint = found.joint_weights[:, :, : len(layout.joints)]
    with np.errstate(invalid="ignore"):
        relative = joint / joint.mean(axis=2, keepdims=True)
    for build in (build_report, build_gcn_report):
        html = build(workspace, seen).read_text()
        figures = re.findall(r'<svg class="skeleton".*?</svg>', html, re.DOTALL)
        table = re.search(r'<table class="heat weights">.*?</table>', html, re.DOTALL)
        assert table is not None
        lines = re.findall(r"<tr>.*?</tr>", table[0])[1:]
        for svg, line, name in zip(figures, lines, ("all test clips", *CLASSES), strict=True):
            own = [IDS.index(clip) for clip in TEST if name in ("all test clips", label_of(clip))]
            people = [persons_of(IDS[at]) for at in own]
            drawn = np.mean(
                [relative[at, :n].mean(axis=0) for at, n in zip(own, people, strict=True)], axis=0
            )
            circles = re.findall(r"<title>([a-z_ ]+) ([0-9.]+)</title>", svg)
            assert [joint for joint, _ in circles] == [
                joint.replace("_", " ") for joint in layout.joints
            ]
            np.testing.assert_allclose([float(text) for _, text in circles], drawn, atol=0.0051)
            assert svg.count('class="roi"') == 5
            cells = [float(text) for text in re.findall(r"<td[^>]*>([0-9.]+)</td>", line)]
            rows = [
                found.row_weights[at, :n].mean(axis=0) for at, n in zip(own, people, strict=True)
            ]
            np.testing.assert_allclose(cells, np.mean(rows, axis=0), atol=0.0051)
            assert escape(name) in line


def test_other_joints_than_the_layouts_are_refused(workspace: Workspace, run: RunParams) -> None:
    folder = workspace.root / RUN / "weights/seed-0"
    for layout, problem in ((KINECT_V1.name, "SCHEMA: .*25 joints, the page draws 20"),
                         ("octopus", "LAYOUT: .*no layout is called 'octopus'")):  # fmt: skip
        made = read_manifest(folder)
        write_manifest(folder, replace(made, producer=dict(made.producer) | {"layout": layout}))
        with pytest.raises(RefusedInput, match=problem):
            build_gcn_report(workspace, run)


def test_a_ledger_that_does_not_follow_the_index_is_refused(
    workspace: Workspace, run: RunParams
) -> None:
    seen = _joints_run(workspace, run)
    write_ledger(workspace.skeletons3d("small"), [ClipOutcome(name) for name in IDS])
    text = r"LEDGER: .*1 clips differ .* run `stroi skeletons3d` again"
    with pytest.raises(RefusedInput, match=text):
        build_report(workspace, seen)


def test_validation_curves_are_told_where_there_are_any(
    workspace: Workspace, run: RunParams
) -> None:
    assert "validation" not in _words(build_gcn_report(workspace, run).read_text())
    (workspace.root / RUN / "gcn/seed-0/curve.csv").write_text(
        "epoch,loss,accuracy,lr,validation_loss,validation_accuracy\n"
        "0,1.5,0.25,0.1,1.75,0.5\n1,0.5,0.75,0.01,nan,0.25\n"
    )
    html = build_gcn_report(workspace, run).read_text()
    assert "dashed on the validation clips, which no network was trained on" in _words(html)
    drawn = re.findall(r'class="curve validation" d="([^"]*)"', html)
    # Loss and accuracy of both seeds: one loss is not known, nor the accuracy of the second seed.
    assert [len(re.findall("[ML]", path)) for path in drawn] == [1, 0, 2, 0]


def test_the_command_writes_the_page(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stroi(["gcn-report", "small-xsub", "--root", str(workspace.root)]) == 0
    assert "small-xsub: " in capsys.readouterr().out
    page = workspace.root / RUN / "gcn-report.html"
    assert page.read_bytes().startswith(b"<!DOCTYPE html>")


def test_what_either_branch_lost_is_known_by_stage(workspace: Workspace, run: RunParams) -> None:
    assert lost_clips(workspace.networks(run.name), run) == {"skeletons": set(), "mosaics": set()}
    lose(workspace, IDS[3:4], ("gcn", "resnet-fixed"))
    lose(workspace, IDS[5:6], ("resnet-plain",))
    lost = lost_clips(workspace.networks(run.name), _joints_run(workspace, run))
    assert list(lost.items()) == [("skeletons3d", {IDS[3]}), ("mosaics", {IDS[3], IDS[5]})]
