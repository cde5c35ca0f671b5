"""Shell completion: commands without loading them, and the names of the project."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from projects import new_project

from stroi.pipeline.cli import COMMANDS, stroi


def complete(*words: str) -> list[str]:
    """What a shell offers for the last word."""
    *before, incomplete = words
    shell = ShellComplete(stroi, {}, "stroi", "_STROI_COMPLETE")
    return [item.value for item in shell.get_completions(list(before), incomplete)]


@pytest.fixture
def here(tmp_path: Path) -> tuple[str, str]:
    new_project(tmp_path)
    text = (
        "rendered: [demo]\ndatasets: [demo, mine]\nruns:\n"
        "  demo-xsub: {dataset: demo, split: xsub, input: skeletons}\n"
        "  mine-a: {dataset: mine, split: a, input: skeletons}\n"
    )
    (tmp_path / "params.yaml").write_text(text)
    return "--root", str(tmp_path)


def test_commands_and_options() -> None:
    assert complete("") == list(COMMANDS)
    assert complete("skel") == ["skeletons", "skeletons3d"]
    assert complete("cache", "ver") == ["verify"]
    assert complete("--de") == ["--debug"]
    assert complete("resnet", "--th") == ["--threads"]


def test_names_of_the_project(here: tuple[str, str]) -> None:
    for stage in ("sample", "index", "skeletons", "skeletons3d", "mosaics"):
        assert complete(stage, *here, "") == ["demo", "mine"]
    for stage in ("gcn", "weights", "gcn-report", "resnet", "ensemble", "report", "export"):
        assert complete(stage, *here, "") == ["demo-xsub", "mine-a"]
        assert complete(stage, *here, "mi") == ["mine-a"]
    assert complete("resnet", *here, "mine-a", "") == ["plain", "fixed", "end-to-end"]


def test_keys_of_settings(here: tuple[str, str]) -> None:
    keys = complete("gcn", *here, "--set", "gcn.schedule.ep")
    assert keys == ["gcn.schedule.epochs="]


def test_outside_a_project_there_is_nothing_to_complete(tmp_path: Path) -> None:
    assert complete("gcn", "--root", str(tmp_path), "") == []
    (tmp_path / "params.yaml").write_text("runs: [")
    assert complete("gcn", "--root", str(tmp_path), "") == []


def test_a_shell_asks_without_loading_torch(here: tuple[str, str]) -> None:
    script = (
        "import sys, atexit\n"
        "from stroi.pipeline.cli import main\n"
        "atexit.register(lambda: print(*sorted({'torch', 'cv2'} & set(sys.modules))))\n"
        "main()\n"
    )
    words = {"COMP_WORDS": f"stroi gcn {' '.join(here)} ", "COMP_CWORD": "4"}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **words, "_STROI_COMPLETE": "bash_complete"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["plain,demo-xsub", "plain,mine-a"]
