"""The commands of the docs: all of them are there, and the tutorial's lead to table and report."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from projects import ROOT, environment

from stroi.pipeline.cli import stroi

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BOX = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```$", re.M | re.S)
PLACEHOLDER = re.compile(r"[A-Z_.]+|\.\.\.")


def _lines(page: Path) -> Iterator[list[str]]:
    """The words after `stroi` of every command line in a page's boxes."""
    for box in BOX.findall(page.read_text(encoding="utf-8")):
        for line in box.replace("\\\n", " ").splitlines():
            words = shlex.split(line.removeprefix("$ "), comments=True)
            for start in (at for at, word in enumerate(words) if word == "stroi"):
                if start == 0 or words[start - 1] in ("--no-python", "&&"):
                    rest = words[start + 1 :]
                    ends = (rest.index(word) for word in ("&&", "|", ">") if word in rest)
                    yield rest[: min(ends, default=len(rest))]


def _problem(words: list[str]) -> str:
    """What the command line of a page has that `stroi` has not."""
    command: click.Command = stroi
    context = click.Context(command)
    while isinstance(command, click.Group) and words:
        name, *words = words
        if PLACEHOLDER.fullmatch(name) or name.startswith("-"):
            return ""
        found = command.get_command(context, name)
        if found is None:
            return f"no command {name}"
        command = found
    known = {option for param in command.params for option in param.opts} | {"--help"}
    unknown = [word for word in words if word.startswith("--") and word not in known]
    return f"no option {', '.join(unknown)}" if unknown else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_of_a_page_are_there(page: Path) -> None:
    problems = [(words, problem) for words in _lines(page) if (problem := _problem(words))]
    assert problems == []


def test_a_wrong_command_or_option_would_be_seen() -> None:
    assert _problem(["joints", "demo"]) == "no command joints"
    assert _problem(["cache", "verify", "x", "--quick"]) == "no option --quick"
    assert sum(1 for page in PAGES for _ in _lines(page)) > 30


@pytest.mark.nightly
@pytest.mark.slow
def test_tutorial_leads_to_table_and_report(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```$", page, re.M | re.S))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=environment() | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "lab" / "runs" / "mine-fold1" / "report.html").stat().st_size > 100_000
    # What the page shows is what the commands print; only the folder is another.
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page, re.M | re.S)
    shown = "".join(text for language, text in blocks if not language).splitlines()
    printed = [line.replace("/home/ann", str(tmp_path)) for line in shown if "videos/" not in line]
    assert len(printed) > 8
    assert [line for line in printed if line not in done.stdout + done.stderr] == []
    assert "row7" in done.stdout
