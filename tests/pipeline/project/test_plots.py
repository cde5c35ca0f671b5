"""`dvc plots show` in a project: a page that needs no network, and no empty plot."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from projects import dvc

from stroi.pipeline.project.create import create_project

STAGES = ("gcn", "resnet-plain", "resnet-fixed", "resnet-end-to-end")
CURVE = (
    "epoch,loss,validation_loss,validation_accuracy\n0,2.5,nan,{0}\n1,1.5,nan,{0}\n2,1.25,nan,{0}\n"
)
PREDICTIONS = "sample_id,actual,row7\na,sit,sit\nb,wave,sit\nc,wave,wave\nd,<b>&,wave\n"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with made-up curves: only the graph network has a validation accuracy."""
    folder = tmp_path_factory.mktemp("plots") / "x"
    create_project(folder, demo=True, scm=False)
    run = folder / "runs" / "demo-xsub"
    for stage in STAGES:
        curve = run / stage / "seed-0" / "curve.csv"
        curve.parent.mkdir(parents=True)
        curve.write_text(CURVE.format("0.5" if stage == "gcn" else "nan"))
    (run / "ensemble").mkdir()
    (run / "ensemble" / "predictions.csv").write_text(PREDICTIONS)
    done = dvc(folder, "plots", "show")
    assert done.returncode == 0, done.stderr
    return folder / "dvc_plots" / "index.html"


def test_the_page_asks_for_nothing(page: Path) -> None:
    text = page.read_text()
    assert "vegaEmbed('#validation_accuracy', spec)" in text
    assert re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=", text) == []
    assert not re.search(r"{(scripts|plot_divs|refresh_tag)}", text)


@pytest.mark.nightly
def test_a_browser_draws_it(page: Path, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no chromium and no google-chrome")
    options = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}")
    command = [browser, *options, "--virtual-time-budget=5000", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    figures = dict(
        re.findall(r"<figcaption>([\w ]+).*?</figcaption>(.*?)</figure>", done.stdout, re.S)
    )
    assert set(figures) == {
        "confusion of row 7", "loss", "validation loss", "validation accuracy",
    }  # fmt: skip
    assert figures["loss"].count("<polyline") == len(STAGES)
    assert "resnet-fixed/seed-0/curve.csv (1.25)" in figures["loss"]
    assert figures["validation accuracy"].count("<polyline") == 1
    assert "<svg" not in figures["validation loss"]
    assert "Not measured: the split of this run has no validation clips." in done.stdout
    assert "<title>wave taken for sit: 1</title>" in figures["confusion of row 7"]
    assert "<title>&lt;b&gt;&amp; taken for wave: 1</title>" in figures["confusion of row 7"]
