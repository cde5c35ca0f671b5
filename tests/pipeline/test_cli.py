"""The command line as a user runs it: help, exit codes, one last line that tells it all."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dvc.utils.serialize import loads_yaml

from stroi.pipeline.cli import COMMANDS, OPEN_FILES, run
from stroi.pipeline.params.profile import Profile


def _stroi(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from stroi.pipeline.cli import main; main()", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
    )


def test_more_files_may_be_open_than_usual() -> None:
    """The usual 1,024 are too few for a large run; no more is asked for than the system allows."""
    script = (
        "import resource; from stroi.pipeline.cli import raise_open_files; raise_open_files();"
        "print(*resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    for limits, told in (("-S -n 256", None), ("-n 300", "300 300")):
        found = subprocess.run(
            ["bash", "-c", f'ulimit {limits} && exec "$@"', "bash", sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        assert found == (told or f"{wanted} {hard}")


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)
    assert "Exit codes: 0 done" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    assert "Usage: stroi " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["mosaics"], "Missing argument 'DATASET'"),
        (["mosaics", "x", "--jobs", "0"], "0 is not in the range x>=1"),
        (["resnet", "r", "warped"], "'warped' is not one of"),
    ],
)
def test_wrong_usage_exits_2(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    assert expected in capsys.readouterr().err


def test_wrong_params_are_all_told_and_exit_2(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "x.yaml").write_text(
        "mosaics:\n  cel: 1\n  size: big\ngcn: {alpha: -1.0}\n"
    )
    done = _stroi("mosaics", "x", cwd=tmp_path)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert len(lines) == 4
    assert lines[0].endswith(":2: mosaics.cel: unknown key; did you mean mosaics.cell?")
    assert lines[1].endswith(":3: mosaics.size: Input should be a valid integer, got 'big'")
    assert ":4: gcn.alpha: Input should be greater than 0, got -1.0" in lines[2]
    assert lines[3].startswith("error: PARAMS: 3 mistakes in the params, the first at ")
    assert "Traceback" not in done.stderr


def test_missing_data_set_exits_3_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "x.yaml").write_text("{}")
    done = _stroi("index", "x", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        f"error: DATASET_MISSING: {tmp_path}/data/x/raw is no folder; "
        "put the data set, or a link to it, there; if you received mosaics without videos, "
        "run `dvc repro --single-item --pull resnet-fixed@RUN` (docs/sharing.md)"
    ]


def test_output_in_use_exits_4(tmp_path: Path) -> None:
    from stroi.cache.files.locks import lock

    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "x.yaml").write_text("{}")
    with lock(tmp_path / ".stroi" / "locks" / "index-x.lock"):
        done = _stroi("index", "x", cwd=tmp_path)
    assert done.returncode == 4
    assert f"is in use by process {os.getpid()} on" in done.stderr


def test_printed_params_are_a_valid_profile(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["params"]) == 0
    text = capsys.readouterr().out
    assert Profile.model_validate_json(json.dumps(loads_yaml(text))) == Profile()
    assert "# L, frames per mosaic." in text
    assert 'sampling: "interior" # one of: interior, centre, paper' in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_exits_130_and_says_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    script = (
        "import time\n"
        "import stroi.pipeline.cli as cli\n"
        "import stroi.pipeline.project_commands as commands\n"
        "def wait():\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(30)\n"
        "commands.describe_profile = wait\n"
        "cli.main(['params'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert errors.splitlines()[-1] == (
        "error: interrupted; run the same command again: it goes on where it stopped"
    )


def test_defects_are_one_line_unless_debugged() -> None:
    script = (
        "import stroi.pipeline.cli as cli\n"
        "import stroi.pipeline.project_commands as commands\n"
        "def fail(): raise RuntimeError('boom')\n"
        "commands.describe_profile = fail\n"
        "import sys; cli.main([*sys.argv[1:], 'params'])\n"
    )
    quiet = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert quiet.returncode == 1
    assert quiet.stderr.startswith("error: INTERNAL: RuntimeError: boom; this is a defect")
    loud = subprocess.run([sys.executable, "-c", script, "--debug"], capture_output=True, text=True)
    assert "Traceback" in loud.stderr
