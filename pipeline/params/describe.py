"""All params with their defaults and meanings, as a profile that could be saved."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import BaseModel

from stroi.cache.errors import ParamsError
from stroi.pipeline.params.profile import Profile
from stroi.trainer.plugins import GROUPS, NoParams, Plugin, all_installed, find, package


def describe_profile() -> str:
    """A commented profile in YAML that holds every key with its default."""
    return "\n".join((*_lines(Profile(), 0), *_plugins())) + "\n"


def _plugins() -> Iterator[str]:
    """Params of the installed plug-ins, as comments: a profile has those of the chosen ones."""
    for group, entry in all_installed():
        chosen = GROUPS[group]
        yield f"\n# {chosen.section}.{chosen.key}: {entry.name} ({package(entry)})"
        try:
            params = find(group, entry.name, Plugin).params
        except ParamsError as error:
            yield f"#   {error}"
            continue
        if params.model_fields:
            yield f"# {chosen.section}.options:"
        yield from (f"#   {line}" for line in _fields(params))


def _fields(params: type[BaseModel]) -> Iterator[str]:
    for name, field in params.model_fields.items():
        yield from (f"# {line}" for line in (field.description or "").splitlines())
        default = field.get_default(call_default_factory=True)
        yield f"{name}:" if field.is_required() else f"{name}: {json.dumps(default, default=list)}"


def _lines(group: BaseModel, depth: int) -> Iterator[str]:
    pad = "  " * depth
    for name, field in type(group).model_fields.items():
        group_below = getattr(group, name)
        if isinstance(group_below, NoParams):
            yield f"{pad}# {field.description}"
            yield f"{pad}{name}: {{}}"
            continue
        if isinstance(group_below, BaseModel):
            yield ("" if depth else "\n") + f"{pad}# {_summary(group_below)}"
            yield f"{pad}{name}:"
            yield from _lines(group_below, depth + 1)
            continue
        # As it is declared: a preset stays a name.
        value = field.get_default(call_default_factory=True)
        if field.description:
            yield from (f"{pad}# {line}" for line in field.description.splitlines())
        yield f"{pad}{name}: {json.dumps(value, default=list)}{_choices(group, name)}"


def _summary(group: BaseModel) -> str:
    return (type(group).__doc__ or "").splitlines()[0]


def _choices(group: BaseModel, name: str) -> str:
    schema = type(group).model_json_schema()["properties"][name]
    allowed = schema.get("enum")
    return f" # one of: {', '.join(map(str, allowed))}" if allowed else ""
