"""Adding to params.yaml without touching a byte of what is there: comments and order stay."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, SequenceNode

from stroi.cache.errors import ParamsError
from stroi.cache.files import write_atomic
from stroi.pipeline.params import load_plan
from stroi.pipeline.profile import Plan, Run


def add_to_params(root: Path, dataset: str, runs: Mapping[str, Run], *, sensor: bool) -> Plan:
    """Add a data set and its runs to the params.yaml of a project; what is there already stays.

    Args:
        root: The project.
        dataset: Name of the data set.
        runs: Runs to add by name. A run that is there is left as it is.
        sensor: Whether the data set has joints of a sensor.

    Returns:
        The plan with them.

    Raises:
        ParamsError: As `load_plan`; ``PARAMS_EDIT`` if the file is written in a way that cannot be
            added to, with the lines to add by hand. The file is untouched then.
    """
    path = root / "params.yaml"
    plan = load_plan(root)
    text = path.read_bytes().decode("utf-8")
    lists = {"datasets": plan.datasets} | ({"sensors": plan.sensors} if sensor else {})
    new = {name: run for name, run in runs.items() if name not in plan.runs}
    keys = [key for key, there in lists.items() if dataset not in there]
    wanted = {
        **plan.model_dump(),
        **{key: tuple(dict.fromkeys((*there, dataset))) for key, there in lists.items()},
        "runs": {**plan.model_dump()["runs"], **{k: run.model_dump() for k, run in new.items()}},
    }
    changed = _changed(text, keys, dataset, new)
    if changed is None or _read(changed) != wanted:
        raise _by_hand(path, dataset, new)
    if changed != text:
        write_atomic(path, changed.encode())
    return Plan.model_validate(wanted)


def _changed(text: str, keys: Iterable[str], dataset: str, runs: Mapping[str, Run]) -> str | None:
    """`text` with the data set in the lists `keys`, and the runs; None if it fell apart."""
    try:
        for key in keys:
            text = _append(text, key, f"- {_plain(dataset)}\n", _plain(dataset))
        for name, run in runs.items():
            entry = {key: _plain(value) for key, value in run.model_dump().items()}
            lines = "".join(f"  {key}: {value}\n" for key, value in entry.items())
            inline = ", ".join(f"{key}: {value}" for key, value in entry.items())
            flow = f"{_plain(name)}: {{{inline}}}"
            text = _append(text, "runs", f"{_plain(name)}:\n{lines}", flow)
    except yaml.YAMLError:
        return None
    return text


def _read(text: str) -> dict[str, Any] | None:
    try:
        return Plan.model_validate_json(json.dumps(yaml.safe_load(text))).model_dump()
    except (yaml.YAMLError, ValueError, TypeError):
        return None


def _plain(text: str) -> str:
    """`text` as a YAML scalar that is read as text."""
    return text if yaml.safe_load(text) == text else json.dumps(text)


def _append(text: str, key: str, block: str, flow: str) -> str:
    """`text` with one more entry in the collection under a top-level key."""
    value = _value(text, key)
    if value is None:
        return f"{text.rstrip()}\n\n{key}:\n{_indented(block, 2)}"
    last = value.value[-1] if value.value else None
    end = _end(value)
    if value.flow_style:
        joined = f", {flow}" if last else flow
        at = end if last else value.end_mark.index - 1
        return f"{text[:at]}{joined}{text[at:]}"
    return _below(text, end, _indented(block, value.start_mark.column))


def _value(text: str, key: str) -> CollectionNode | None:
    document = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(document, MappingNode):
        return None
    return next((value for name, value in document.value if name.value == key), None)


def _end(node: Node) -> int:
    """Where the last thing inside a node ends; a block's own end is that of what follows it."""
    if isinstance(node, (SequenceNode, MappingNode)) and node.value:
        last = node.value[-1]
        inner = last[1] if isinstance(last, tuple) else last
        return inner.end_mark.index if getattr(inner, "flow_style", False) else _end(inner)
    return int(node.end_mark.index)


def _below(text: str, at: int, lines: str) -> str:
    """`text` with `lines` below the line of the character at `at`."""
    end = text.find("\n", at)
    if end < 0:
        return f"{text}\n{lines}"
    return f"{text[: end + 1]}{lines}{text[end + 1 :]}"


def _indented(lines: str, columns: int) -> str:
    return "".join(f"{' ' * columns}{line}" for line in lines.splitlines(keepends=True))


def _by_hand(path: Path, dataset: str, runs: Mapping[str, Run]) -> ParamsError:
    told = "; ".join(
        f"runs: {{{name}: {{dataset: {run.dataset}, split: {run.split}, input: {run.input}}}}}"
        for name, run in runs.items()
    )
    return ParamsError(
        "PARAMS_EDIT",
        f"{path} is written in a way that cannot be added to",
        remedy=f"add by hand: {dataset} to datasets{'; ' if told else ''}{told}",
    )
