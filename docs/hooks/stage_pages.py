"""What a stage's page has from the code: command, options, files, params, cost and error codes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import click
from error_pages import sites_by_code
from param_pages import section
from pydantic import BaseModel
from ruamel.yaml import YAML
from source_text import Module, read_modules

from stroi.pipeline.cli import stroi as command_line
from stroi.pipeline.params.profile import Profile

COMMANDS = (
    "sample",
    "index",
    "skeletons",
    "skeletons3d",
    "mosaics",
    "gcn",
    "weights",
    "gcn-report",
    "resnet",
    "ensemble",
    "report",
    "pool",
)
"""The commands of dvc.yaml in its order."""

SHARED = 4
"""Codes that more stages than these can meet belong to none of them."""


def stage_sections(root: Path, command: str) -> str:
    """The generated part of a stage's page in Markdown."""
    stages = _stages(root)[command]
    lines = [
        *_command(command),
        *_files(stages),
        *_params(next(iter(stages.values())), command),
        *_cost(root, command),
        *_errors(root, command),
    ]
    return "\n".join(lines) + "\n"


Stages = Mapping[str, Mapping[str, Any]]
"""Stages of dvc.yaml by their names."""


@cache
def _stages(root: Path) -> dict[str, Stages]:
    """The stages that each command serves: ``resnet`` has three."""
    text = (root / "dvc.yaml").read_text(encoding="utf-8")
    by_command: dict[str, dict[str, Mapping[str, Any]]] = {}
    for name, stage in YAML(typ="safe").load(text)["stages"].items():
        by_command.setdefault(stage["do"]["cmd"].split()[1], {})[name] = stage["do"]
    return dict(by_command)


def _command(name: str) -> Iterator[str]:
    command = command_line.get_command(click.Context(command_line), name)
    assert command is not None
    usage = [param.make_metavar(click.Context(command)) for param in command.params]
    arguments = [
        text
        for text, param in zip(usage, command.params, strict=True)
        if isinstance(param, click.Argument)
    ]
    yield from ("## Command", "", "```sh", f"stroi {name} {' '.join(arguments)}", "```", "")
    yield from ("| option | meaning |", "|---|---|")
    for param in command.params:
        record = param.get_help_record(click.Context(command, show_default=False))
        if isinstance(param, click.Option) and record:
            yield f"| `{record[0]}` | {record[1].replace('|', '/')} |"
    yield ""


def _files(stages: Stages) -> Iterator[str]:
    yield from ("## What it reads and writes", "", "| stage | reads | writes |", "|---|---|---|")
    for name, stage in stages.items():
        reads = [_path(path) for path in stage.get("deps", ())]
        writes = [_path(path) for key in ("outs", "metrics") for path in stage.get(key, ())]
        yield f"| `{name}` | {'<br>'.join(reads) or 'no file'} | {'<br>'.join(writes)} |"
    yield ""


def _path(template: str) -> str:
    words = {"item.dataset": "DATASET", "item.input": "INPUT", "item": "DATASET", "key": "RUN"}
    for name, word in words.items():
        template = template.replace("${" + name + "}", word)
    return f"`{template}`"


def _params(stage: Mapping[str, Any], command: str) -> Iterator[str]:
    """The stage's own section in full, and the names of all that run it again."""
    tracked = [
        name.replace("${item.split}", "SPLIT")
        for entry in stage["params"]
        for file, names in entry.items()
        if file.startswith("profiles/")
        for name in names
    ]
    yield from ("## Params", "", "A change of one of these runs the stage again:", "")
    names = (
        f"[`{name}`](../params.md#{anchor})"
        for name in tracked
        for anchor in [name.partition(".")[0] if _is_group(name) else "profile"]
    )
    yield from (", ".join(names) + ".", "")
    if command in tracked and _is_group(command):
        yield from (line.replace("](#", "](../params.md#") for line in section(command)[2:])
        yield ""


def _is_group(name: str) -> bool:
    return isinstance(Profile.model_fields[name.partition(".")[0]].default, BaseModel)


def _cost(root: Path, command: str) -> Iterator[str]:
    measured = json.loads((root / "benchmarks/results/make_repro.json").read_text("utf-8"))
    stages = {name: s for name, s in measured["seconds_by_stage"].items() if _is_of(name, command)}
    if not stages:
        return
    yield from ("## What it took on the demo", "")
    machine = f"{measured['machine']}, {measured['seconds']:.0f} s for all of `make repro`"
    times = ", ".join(f"{seconds:.1f} s ({name})" for name, seconds in stages.items())
    source = "[make_repro.json](../../benchmarks/results/make_repro.json)"
    yield from (f"{times}. Machine: {machine} ({source}).", "")


def _is_of(measured: str, command: str) -> bool:
    return measured.partition(",")[0].partition(" ")[0] == command


def _errors(root: Path, command: str) -> Iterator[str]:
    own, shared = codes_of(root)[command]
    yield from ("## Error codes", "")
    yield "Codes of the code that this stage uses and few others do:"
    yield from ("", ", ".join(f"[{code}](../errors.md#{code.lower()})" for code in own) + ".", "")
    yield f"It shares {shared} further codes with most stages: those of params, tables and caches."
    yield from ("[Error codes](../errors.md) explains all.", "")


@cache
def codes_of(root: Path) -> dict[str, tuple[list[str], int]]:
    """For each command the codes that it and few others can meet, and how many more it can."""
    modules, sites = read_modules(root), sites_by_code(root)
    met = {}
    for command in COMMANDS:
        files = _imported(modules, f"stages/{command.replace('-', '_')}.py")
        met[command] = [code for code in sites if any(s.module in files for s in sites[code])]
    stages = Counter(code for codes in met.values() for code in codes)
    return {
        command: (
            [code for code in codes if stages[code] <= SHARED],
            sum(stages[code] > SHARED for code in codes),
        )
        for command, codes in met.items()
    }


def _imported(modules: Mapping[str, Module], start: str) -> set[str]:
    """A file and all files of stroi that it imports, directly or not."""
    files: set[str] = set()
    todo = [start]
    while todo:
        file = todo.pop()
        if file in modules and file not in files:
            files.add(file)
            todo += [place for place, _ in modules[file].imports.values()]
    return files
