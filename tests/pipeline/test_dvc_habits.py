"""What DVC's users do: compare commits and experiments, plot, pull, and train by hand.

The real commands in a repository with two commits and one experiment. Its scores are written by the
real writers; DVC runs stage ensemble on them.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import small_run
import trained_project
from projects import dvc, environment, git, new_repository, tree

from stroi.pipeline.params.load import check_project, load_profile

pytestmark = pytest.mark.slow

NAME = "small-xsub"
ENSEMBLE = f"ensemble@{NAME}"
METRICS = f"runs/{NAME}/metrics.json"
SKELETON, RGB = 62.5, 75.0
"""Accuracy of row 7 if the skeleton branch outvotes the other, and the other way round."""

MADE = (
    "gcn", "weights", "resnet-plain", "resnet-fixed", "resnet-end-to-end", "gcn-report", "report",
)  # fmt: skip
"""Stages whose outs the fixture writes; DVC runs the ensemble."""
CHANGED = ["M", "dvc.lock", "M", "profiles/small.yaml"]
"""What git sees of an experiment."""


def did(project: Path, *arguments: str) -> str:
    """What a command of DVC printed; it must succeed and know all metrics."""
    done = dvc(project, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "DVC failed to load some metrics" not in done.stderr
    return done.stdout


def commit(project: Path, message: str) -> None:
    """Commit everything."""
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", message)


def write_params(project: Path, dataset: str, name: str, split: str) -> None:
    """A params.yaml that builds nothing but the run: its data is there."""
    (project / "params.yaml").write_text(
        "rendered: []\ndatasets: []\nsensors: []\npools: {}\n"
        f"runs:\n  {name}: {{dataset: {dataset}, split: {split}, input: skeletons}}\n"
        f"show: {name}\n"
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two commits with results, both pushed, and an experiment with a number as DVC writes it."""
    folder = new_repository(tmp_path_factory.mktemp("habits") / "project")
    git(folder, "config", "user.name", "somebody")
    git(folder, "config", "user.email", "somebody@example.org")
    (folder / "profiles" / "demo.yaml").unlink()
    small_run.write_workspace(folder)
    write_params(folder, "small", NAME, "xsub")
    profile = folder / "profiles" / "small.yaml"
    text = small_run.PROFILE + "sample: {}\nindex: {}\nskeletons: {}\ngcn: {}\nweights: {}\n"
    assert text.count("ensemble:\n") == 1
    for page in ("gcn-report.html", "report.html"):
        (folder / "runs" / NAME / page).write_text("A page.")
    did(folder, "add", *(f"data/small/{name}" for name in ("index", "skeletons", "mosaics")))
    did(folder, "remote", "add", "-d", "lab", str(folder.parent / "remote"))
    for alpha in (0.5, 1.0):
        profile.write_text(text.replace("ensemble:\n", f"ensemble:\n  alpha: {alpha}\n"))
        assert check_project(folder).show == NAME
        did(folder, "commit", "--force", *(f"{stage}@{NAME}" for stage in MADE))
        did(folder, "repro", ENSEMBLE)
        did(folder, "push")
        commit(folder, f"alpha {alpha}")
    change = "profiles/small.yaml:ensemble.alpha=1e-5"
    did(folder, "exp", "run", "-S", change, "-n", "light", ENSEMBLE)
    assert git(folder, "status", "--porcelain").split() == CHANGED
    git(folder, "checkout", "-q", ".")
    did(folder, "checkout")
    return folder


def row7(project: Path) -> tuple[float, float]:
    """Accuracy of row 7 as `dvc metrics show` prints it, and as the table has it."""
    shown = json.loads(did(project, "metrics", "show", "--json"))
    with (project / "runs" / NAME / "ensemble" / "table.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    return shown[""]["data"][METRICS]["data"]["row7"], float(table[6]["accuracy"])


def change_of_row7(project: Path, *revisions: str) -> dict[str, float]:
    """What `dvc metrics diff` prints."""
    found = json.loads(did(project, "metrics", "diff", *revisions, "--json"))
    change: dict[str, float] = found[METRICS]["row7"]
    return change


@pytest.mark.nightly
def test_commits_and_experiments_are_compared(project: Path) -> None:
    change = {"old": SKELETON, "new": RGB, "diff": RGB - SKELETON}
    assert change_of_row7(project, "HEAD~1", "HEAD") == change
    assert change_of_row7(project, "light", "HEAD") == change
    revisions: list[Any] = []
    for baseline in json.loads(did(project, "exp", "show", "--json")):
        groups = baseline["experiments"] or ()
        revisions += [baseline, *(each for group in groups for each in group["revs"])]
    rows = {
        each["name"] or each["rev"]: each["data"]["metrics"][METRICS]["data"]["row7"]
        for each in revisions
    }
    assert rows == {"workspace": RGB, "master": RGB, "light": SKELETON}


def test_an_experiment_is_applied_with_its_numbers(project: Path) -> None:
    before = tree(project / "runs")
    assert row7(project) == (RGB, RGB)
    did(project, "exp", "apply", "light")
    assert row7(project) == (SKELETON, SKELETON)
    assert git(project, "status", "--porcelain").split() == CHANGED
    assert load_profile(project, "small").ensemble.alpha == 1e-5
    git(project, "checkout", "-q", ".")
    did(project, "checkout")
    assert tree(project / "runs") == before
    assert git(project, "status", "--porcelain") == ""


def test_plots_leave_nothing_for_git(project: Path) -> None:
    assert "dvc_plots/index.html" in did(project, "plots", "show")
    assert git(project, "status", "--porcelain") == ""


def cloned(project: Path, name: str) -> Path:
    """A second clone, before anything is pulled."""
    clone = project.parent / name
    git(project.parent, "clone", "-q", str(project), str(clone))
    return clone


def test_a_second_clone_pulls_numbers_and_has_nothing_to_do(project: Path) -> None:
    clone = cloned(project, "clone")
    did(clone, "pull")
    assert row7(clone) == (RGB, RGB)
    assert change_of_row7(clone, "HEAD~1", "HEAD")["old"] == SKELETON
    status = did(clone, "status")
    assert METRICS not in status
    assert "deleted" not in status


@pytest.mark.nightly
def test_table_and_page_pull_no_cache_that_they_do_not_show(project: Path) -> None:
    clone = cloned(project, "receiver")
    networks = (stage for stage in MADE if "report" not in stage and stage != "weights")
    did(clone, "pull", "data/small/index", *(f"runs/{NAME}/{stage}" for stage in networks))
    did(clone, "repro", "--single-item", "--force", ENSEMBLE)
    assert row7(clone) == (RGB, RGB)
    data = clone / "data" / "small"
    assert {path.name for path in data.iterdir() if path.is_dir()} == {"index"}
    did(clone, "repro", "--single-item", "--pull", f"report@{NAME}")
    pulled = {path.name for path in (data / "skeletons").iterdir()}
    assert pulled == {"ledger.csv", "manifest.json"}
    assert "not in this project" not in (clone / "runs" / NAME / "report.html").read_text()


@pytest.mark.nightly
def test_a_training_of_two_processes_stays_after_the_commit_that_it_names(tmp_path: Path) -> None:
    folder = new_repository(tmp_path / "project")
    (folder / "profiles" / "demo.yaml").unlink()
    trained_project.project(folder)
    write_params(folder, "d", "r", "only")
    did(folder, "repro", "gcn@r")
    checkpoint = folder / "runs/r/gcn/seed-0/checkpoint.safetensors"
    alone = checkpoint.read_bytes()
    commit(folder, "One process")
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*start, "--no-python", "stroi", "gcn", "r", "--threads", "1"],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    both = checkpoint.read_bytes()
    assert both != alone
    (told,) = re.findall(r"^next: `(.*?)`; else `dvc repro` replaces", done.stdout, re.MULTILINE)
    program, *arguments = told.split()
    assert program == "dvc"
    did(folder, *arguments)
    assert "Running stage" not in did(folder, "repro", "gcn@r")
    assert checkpoint.read_bytes() == both
