"""Reading params.yaml and profiles: strict YAML, every mistake reported at once."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stroi.cache.errors import ParamsError
from stroi.pipeline.profile import Plan, Profile, Run

NAME = re.compile(r"[A-Za-z0-9_-]+")
"""What a data set or run may be called: DVC pastes these names unquoted into shell lines."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class RunParams:
    """One run with the params of its data set."""

    name: str
    run: Run
    profile: Profile


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader without aliases, doubled keys or keys that are not text."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.events.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(None, None, "aliases are not allowed", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = key_node.value
            if key_node.tag != "tag:yaml.org,2002:str" or key in seen:
                problem = f"key {key!r} stands twice" if key in seen else f"key {key!r} is not text"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


# Dates stay text: a subject called 2024-01-02 is a name.
_StrictLoader.yaml_implicit_resolvers = {
    first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _read_yaml(path: Path) -> tuple[Any, dict[tuple[str, ...], int]]:
    """The document and the line (from 1) of each key path."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ParamsError(
            "PARAMS_MISSING", f"{path} does not exist", remedy="run from the project's root"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ParamsError("PARAMS_UNREADABLE", f"{path}: {error}", remedy="mend the file") from None
    try:
        loader = _StrictLoader(text)
        node = loader.get_single_node()
        lines: dict[tuple[str, ...], int] = {}
        _note_lines(node, (), lines)
        return (loader.construct_document(node) if node else {}), lines
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        what = getattr(error, "problem", None) or str(error)
        raise ParamsError("PARAMS_YAML", f"{where}: {what}", remedy="mend the YAML") from None


def _note_lines(node: Any, at: tuple[str, ...], lines: dict[tuple[str, ...], int]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*at, str(key.value))
            lines[inner] = key.start_mark.line + 1
            _note_lines(value, inner, lines)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            lines[(*at, str(number))] = item.start_mark.line + 1
            _note_lines(item, (*at, str(number)), lines)


def parse(model: type[Model], path: Path) -> tuple[Model | None, list[str]]:
    """Read `path` as `model`.

    Returns:
        The params, or None with one line per mistake: ``file:line: key: what; fix``.

    Raises:
        ParamsError: If the file cannot be read or is not YAML.
    """
    document, lines = _read_yaml(path)
    try:
        return model.model_validate_json(json.dumps(document)), []
    except ValidationError as error:
        found = sorted(
            (_place(lines, detail), _explain(path, lines, detail)) for detail in error.errors()
        )
        return None, [text for _, text in found]
    except (TypeError, ValueError) as error:
        return None, [f"{path}: {error}"]


def _known(lines: dict[tuple[str, ...], int], detail: ErrorDetails) -> tuple[str, ...]:
    """The longest part of a mistake's key path that stands in the file."""
    at = tuple(str(part) for part in detail["loc"])
    while at and at not in lines:
        at = at[:-1]
    return at


def _place(lines: dict[tuple[str, ...], int], detail: ErrorDetails) -> int:
    return lines.get(_known(lines, detail), 1)


def _explain(path: Path, lines: dict[tuple[str, ...], int], detail: ErrorDetails) -> str:
    where = f"{path}:{_place(lines, detail)}"
    if detail["type"] == "missing":
        return f"{where}: {'.'.join(map(str, detail['loc']))}: missing; add it"
    key = ".".join(_known(lines, detail)) or "file"
    if detail["type"] == "extra_forbidden":
        return f"{where}: {key}: unknown key; remove it or correct its spelling"
    got = detail["input"]
    message = detail["msg"].removeprefix("Value error, ")
    hint = ""
    if isinstance(got, str) and re.fullmatch(r"[-+]?\d+[eE][-+]?\d+", got):
        hint = f"; YAML reads {got} as text, write {float(got)!r}"
    shown = "" if isinstance(got, dict) else f", got {got!r}"
    return f"{where}: {key}: {message}{shown}{hint}"


def _complain(problems: list[str]) -> None:
    if problems:
        noun = "mistake" if len(problems) == 1 else "mistakes"
        raise ParamsError(
            "PARAMS",
            f"{len(problems)} {noun} in the params, the first at {problems[0]}",
            remedy="nothing was run",
            details=tuple(problems) if len(problems) > 1 else (),
        )


def _require(model: type[Model], path: Path) -> Model:
    params, problems = parse(model, path)
    _complain(problems)
    if params is None:
        raise ParamsError("PARAMS", f"{path} could not be read", remedy="mend the file")
    return params


def check_name(name: str) -> str:
    """`name`, if it can stand in a shell line.

    Raises:
        ParamsError: If it has other characters than letters, digits, ``_`` and ``-``.
    """
    if not NAME.fullmatch(name):
        raise ParamsError(
            "PARAMS_NAME",
            f"{name!a} cannot name a data set or a run",
            remedy="use letters, digits, '_' and '-' only",
        )
    return name


def load_profile(root: Path, dataset: str) -> Profile:
    """The params of `dataset`.

    Raises:
        ParamsError: Listing every mistake in its profile.
    """
    path = root / "profiles" / f"{check_name(dataset)}.yaml"
    return _require(Profile, path)


def load_run(root: Path, name: str) -> RunParams:
    """One run of params.yaml with its data set's params.

    Raises:
        ParamsError: Listing every mistake in params.yaml and in the profile, or if there is no
            such run or split.
    """
    check_name(name)
    path = root / "params.yaml"
    plan = _require(Plan, path)
    if name not in plan.runs:
        known = ", ".join(sorted(plan.runs)) or "none"
        raise ParamsError(
            "PARAMS_RUN", f"{path} has no run {name!a}", remedy=f"its runs are: {known}"
        )
    run = plan.runs[name]
    profile = load_profile(root, run.dataset)
    if run.split not in profile.splits:
        known = ", ".join(sorted(profile.splits)) or "none"
        raise ParamsError(
            "PARAMS_SPLIT",
            f"run {name}: profiles/{run.dataset}.yaml has no split {run.split!a}",
            remedy=f"its splits are: {known}",
        )
    return RunParams(name, run, profile)


def check_project(root: Path) -> Plan:
    """Validate params.yaml and every profile it names.

    Raises:
        ParamsError: Listing every mistake of all files together.
    """
    plan = _require(Plan, root / "params.yaml")
    problems: list[str] = []
    profiles: dict[str, Profile] = {}
    used = dict.fromkeys((*plan.datasets, *(run.dataset for run in plan.runs.values())))
    for dataset in used:
        profile, found = parse(Profile, root / "profiles" / f"{check_name(dataset)}.yaml")
        problems += found
        if profile is not None:
            profiles[dataset] = profile
    for name, run in plan.runs.items():
        check_name(name)
        if run.dataset in profiles and run.split not in profiles[run.dataset].splits:
            problems.append(f"{root / 'params.yaml'}: runs.{name}.split: no split {run.split!r}")
    _complain(problems)
    return plan
