"""The whole pipeline by `dvc repro`, on rendered videos with the real estimator."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from projects import dvc, new_repository

from stroi.cache.verify import verify
from stroi.pipeline.index.ledger import read_ledger

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = new_repository(tmp_path_factory.mktemp("repro") / "project")
    done = dvc(folder, "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_cache_is_complete_and_untouched(project: Path) -> None:
    folders = [project / "data" / "demo" / name for name in ("skeletons", "mosaics")]
    run = project / "runs" / "demo-xsub"
    folders.append(run / "weights" / "seed-0")
    folders += [
        run / name / "seed-0" / "scores"
        for name in ("gcn", "resnet-plain", "resnet-fixed", "resnet-end-to-end")
    ]
    assert {str(folder): verify(folder) for folder in folders} == {str(f): [] for f in folders}


def test_counts_of_the_ledgers_add_up(project: Path) -> None:
    for name in ("index", "skeletons", "mosaics"):
        ledger = read_ledger(project / "data" / "demo" / name)
        assert ledger.summary() == "24 clips = 24 done + 0 quarantined"


def test_seven_rows_as_table_json_csv_and_metrics(project: Path) -> None:
    run = project / "runs" / "demo-xsub"
    table = json.loads((run / "ensemble" / "table.json").read_text())
    assert [row["method"]["number"] for row in table["rows"]] == [1, 2, 3, 4, 5, 6, 7]
    assert (table["test_clips"], round(table["chance"], 2)) == (12, 8.33)
    with (run / "ensemble" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    shown = json.loads(dvc(project, "metrics", "show", "--json").stdout)
    (metrics,) = shown[""]["data"].values()
    for row, entry in zip(rows, table["rows"], strict=True):
        assert float(row["accuracy"]) == pytest.approx(entry["accuracy"], abs=0.01)
        assert metrics["data"][f"row{row['number']}"] == pytest.approx(entry["accuracy"], abs=0.01)


def test_report_stands_alone(project: Path) -> None:
    page = (project / "runs" / "demo-xsub" / "report.html").read_text()
    assert page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>")
    assert "data:image/" in page
    assert 'src="http' not in page
    assert "cup or phone" in page


def test_second_repro_does_nothing(project: Path) -> None:
    done = dvc(project, "repro")
    assert done.returncode == 0
    assert "Data and pipelines are up to date." in done.stdout
    assert "Running stage" not in done.stdout


def test_cleared_outs_come_back_without_work(project: Path) -> None:
    """A stage runs again: the store answers, the bytes are the same, no other stage runs."""
    before = (project / "data" / "demo" / "mosaics" / "mosaics-00000.h5").read_bytes()
    kept = {path.name: path.stat().st_mtime_ns for path in (project / ".stroi").rglob("*.npz")}
    done = dvc(project, "repro", "--force", "--single-item", "mosaics@demo")
    assert done.returncode == 0, done.stderr
    assert "Running stage 'mosaics@demo'" in done.stdout
    assert "Running stage" not in dvc(project, "repro").stdout
    assert (project / "data" / "demo" / "mosaics" / "mosaics-00000.h5").read_bytes() == before
    assert {p.name: p.stat().st_mtime_ns for p in (project / ".stroi").rglob("*.npz")} == kept


def test_wrong_params_stop_repro_with_the_whole_story(project: Path) -> None:
    profile = project / "profiles" / "demo.yaml"
    good = profile.read_text()
    profile.write_text(good.replace("cell: 48", "cell: wide"))
    done = dvc(project, "repro", "mosaics@demo")
    profile.write_text(good)
    assert done.returncode != 0
    assert "mosaics.cell: Input should be a valid integer, got 'wide'" in done.stderr


def test_plots_are_declared_on_files_that_exist(project: Path) -> None:
    done = dvc(project, "plots", "show", "--json")
    assert done.returncode == 0, done.stderr
    assert "confusion of row 7" in done.stdout
