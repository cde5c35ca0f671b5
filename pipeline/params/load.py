"""Reading params.yaml and profiles: strict YAML, every mistake reported at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from stroi.cache.errors import ParamsError
from stroi.pipeline.params.profile import Profile, ProjectParams, Run
from stroi.pipeline.params.settings import Setting, apply, param_names
from stroi.pipeline.params.tracked import missing_keys, tracked_sections
from stroi.pipeline.params.yaml import Document, printable, read_yaml

NAME = re.compile(r"[A-Za-z0-9_-]+")
"""What a data set or run may be called: DVC pastes these names unquoted into shell lines."""

_LISTED = 50
_ALIKE = 0.8
"""How like a param's name an unknown key has to be to be taken for a slip, 0 to 1."""

_INSTEAD_OF_NULL = {
    "model_type": "; write {}", "dict_type": "; write {}", "tuple_type": "; write []",
}  # fmt: skip
"""DVC needs the key of an empty group or list, so it cannot be removed."""

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class RunParams:
    """One run with the params of its data set."""

    name: str
    run: Run
    profile: Profile


def parse(
    model: type[Model], path: Path, settings: Sequence[Setting] = ()
) -> tuple[Model | None, list[str]]:
    """Read `path` as `model`, with `settings` in place of what it says.

    Returns:
        The params, or None with one line per mistake: ``file:line: key: what; fix``.

    Raises:
        ParamsError: If the file cannot be read or is not YAML.
    """
    document = read_yaml(path)
    if settings and isinstance(document.value, dict):
        apply(document, settings)
    try:
        return model.model_validate_json(json.dumps(document.value)), []
    except ValidationError as error:
        mistakes = sorted(
            (_line(document, detail), _explain(model, path, document, detail))
            for detail in error.errors()
        )
        # The branches of a union may find the same mistake twice.
        return None, list(dict.fromkeys(text for _, text in mistakes))


def _known(document: Document, detail: ErrorDetails) -> tuple[str, ...]:
    """The longest part of a mistake's key path that stands in the file."""
    at = tuple(str(part) for part in detail["loc"])
    while at and at not in document.lines and at not in document.places:
        at = at[:-1]
    return at


def _line(document: Document, detail: ErrorDetails) -> int:
    at = _known(document, detail)
    return document.lines.get(at, 0 if at in document.places else 1)


def _explain(model: type[BaseModel], path: Path, document: Document, detail: ErrorDetails) -> str:
    at = _known(document, detail)
    where = document.places.get(at) or f"{path}:{_line(document, detail)}"
    if detail["type"] == "missing":
        return f"{where}: {'.'.join(map(str, detail['loc']))}: missing; add it"
    key = printable(".".join(at)) or "file"
    place = where if where == f"--set {key}" else f"{where}: {key}"
    if detail["type"] == "extra_forbidden":
        wanted = where.removeprefix("--set ") if at in document.places else key
        return f"{place}: unknown key; {_meant(model, wanted)}"
    got = detail["input"]
    message = printable(detail["msg"].removeprefix("Value error, "), 300)
    value = "" if isinstance(got, dict) else f", got {printable(repr(got))}"
    return f"{place}: {message}{value}{_hint(got, document.texts.get(at, ''), detail)}"


def _meant(model: type[BaseModel], wanted: str) -> str:
    """What to do about an unknown key: the param or group that it is most like, if it is."""
    params = [name.split(".") for name, _ in param_names(model)]
    names = {".".join(parts[:depth]) for parts in params for depth in range(1, len(parts) + 1)}
    like = get_close_matches(wanted, sorted(names), 1, _ALIKE)
    return f"did you mean {like[0]}?" if like else "remove it or correct its spelling"


def _hint(got: object, written: str, detail: ErrorDetails) -> str:
    """What to write instead, where YAML reads another type than expected."""
    if isinstance(got, (bool, int, float)) and detail["type"] == "string_type":
        return f"; put it in quotes: '{printable(written)}'"
    if isinstance(got, str) and detail["type"] == "bool_type":
        return "; write true or false"
    if got is None:
        return _INSTEAD_OF_NULL.get(detail["type"], "; give a value or remove the key")
    return ""


def _complain(problems: list[str]) -> None:
    if problems:
        noun = "mistake" if len(problems) == 1 else "mistakes"
        raise ParamsError(
            "PARAMS",
            f"{len(problems)} {noun} in the params, the first at {problems[0]}",
            remedy="nothing was run",
            details=_listed(problems) if len(problems) > 1 else (),
        )


def _listed(problems: list[str]) -> tuple[str, ...]:
    hidden = len(problems) - _LISTED
    more = (f"and {hidden} more mistakes",) if hidden > 0 else ()
    return (*problems[:_LISTED], *more)


def require(model: type[Model], path: Path, settings: Sequence[Setting] = ()) -> Model:
    """`path` as `model`, with `settings` in place of what it says.

    Raises:
        ParamsError: ``PARAMS``, listing every mistake in it.
    """
    params, problems = parse(model, path, settings)
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


def profile_path(root: Path, dataset: str) -> Path:
    """The profile of `dataset` in the project at `root`; the name is checked."""
    return root / "profiles" / f"{check_name(dataset)}.yaml"


def load_profile(root: Path, dataset: str, settings: Sequence[Setting] = ()) -> Profile:
    """The params of `dataset`, with `settings` in place of what its profile says.

    Raises:
        ParamsError: Listing every mistake in them.
    """
    return require(Profile, profile_path(root, dataset), settings)


def load_project(root: Path) -> ProjectParams:
    """What `dvc repro` builds in the project at `root`.

    Raises:
        ParamsError: Listing every mistake in params.yaml.
    """
    return require(ProjectParams, root / "params.yaml")


def load_run(root: Path, name: str, settings: Sequence[Setting] = ()) -> RunParams:
    """One run of params.yaml with its data set's params, and `settings` in place of some.

    Raises:
        ParamsError: Listing every mistake in params.yaml and in the profile, or if there is no
            such run or split, or people are estimated in some frames only.
    """
    check_name(name)
    path, project = root / "params.yaml", load_project(root)
    if name not in project.runs:
        known = ", ".join(sorted(project.runs)) or "none"
        raise ParamsError(
            "PARAMS_RUN", f"{path} has no run {name!a}", remedy=f"its runs are: {known}"
        )
    run = project.runs[name]
    profile = load_profile(root, run.dataset, settings)
    if run.split not in profile.splits:
        known = ", ".join(sorted(profile.splits)) or "none"
        raise ParamsError(
            "PARAMS_SPLIT",
            f"run {name}: profiles/{run.dataset}.yaml has no split {run.split!a}",
            remedy=f"its splits are: {known}",
        )
    for code, _, problem, remedy in _contradictions(run, profile):
        raise ParamsError(code, f"run {name}: {problem}", remedy=remedy)
    return RunParams(name, run, profile)


def _contradictions(run: Run, profile: Profile) -> Iterator[tuple[str, str, str, str]]:
    """What a run and its profile cannot have together: code, key of the run, problem and remedy."""
    if run.input == "skeletons" and profile.skeletons.frames == "sampled":
        problem = "its graph network sees the skeletons, which skeletons.frames leaves full of gaps"
        yield (
            "PARAMS_SPARSE",
            "input",
            problem,
            ("set skeletons.frames to all in the data set's profile"),
        )
    if profile.splits[run.split].validation is not None:
        return
    give = f"give splits.{run.split} of profiles/{run.dataset}.yaml a validation part"
    for name, schedule in (("gcn", profile.gcn.schedule), ("resnet", profile.resnet.schedule)):
        if schedule.keep == "best":
            problem = f"{name}.schedule.keep is best, and its split has no validation clips"
            yield "KEEP_BEST", "split", problem, f"{give}, or set {name}.schedule.keep to last"
        if schedule.patience:
            problem = f"{name}.schedule.patience is set, and its split has no validation clips"
            yield "PATIENCE", "split", problem, f"{give}, or set {name}.schedule.patience to 0"


def check_project(root: Path) -> ProjectParams:
    """Validate params.yaml and every profile it names, also for what DVC would refuse.

    Raises:
        ParamsError: Listing every mistake of all files together.
    """
    project = load_project(root)
    problems: list[str] = []
    profiles: dict[str, Profile] = {}
    for dataset in tracked_sections(project):
        profile, mistakes = parse(Profile, profile_path(root, dataset))
        problems += mistakes
        if profile is not None:
            profiles[dataset] = profile
    if (root / "dvc.yaml").exists():
        problems += missing_keys(project, profiles, root)
    for name in (*project.runs, *project.pools):
        check_name(name)
    for name, run in project.runs.items():
        if run.dataset not in profiles:
            continue
        where = f"{root / 'params.yaml'}: runs.{name}"
        if run.split not in profiles[run.dataset].splits:
            problems.append(f"{where}.split: no split {run.split!r}")
            continue
        problems += [
            f"{where}.{key}: {problem}; {remedy}"
            for _, key, problem, remedy in _contradictions(run, profiles[run.dataset])
        ]
    _complain(problems)
    return project
