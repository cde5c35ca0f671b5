"""The page of params: every key of params.yaml and of a profile, from their models."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from stroi.pipeline.params.profile import Profile, ProjectParams

HEAD = """# Params

`params.yaml` names data sets and runs. `profiles/NAME.yaml` has the settings of data set NAME. Both
are checked as a whole before anything runs; an unknown key is a mistake. This page is made from the
code that checks them. `stroi params` prints the keys of a profile with their defaults.

Defaults are the paper's choices, or the closest reading where the paper gives none
([method.md](method.md) lists which). Settings can be changed for one run by `dvc exp run -S`
([first-day.md](first-day.md#try-another-setting)).
"""
COLUMNS = "| key | default | values | meaning |\n|---|---|---|---|"
_WHERE = {"params": "params.yaml", "profile": "profiles/NAME.yaml"}


def params_page() -> str:
    """The page in Markdown."""
    lines = [HEAD, "## params.yaml {#params-yaml}", "", *_table(ProjectParams, "")]
    lines += ["", "## profiles/NAME.yaml {#profile}", "", *_table(Profile, "")]
    for name, field in Profile.model_fields.items():
        if _group(field):
            lines += ["", *section(name)]
    lines += ["", "## Further groups {#groups}", ""]
    lines += ["Keys whose values are groups of their own. KEY is a name that you choose.", ""]
    for model in _inner_models(ProjectParams, Profile):
        lines += [f"### {model.__name__} {{#{model.__name__.lower()}}}", "", _summary(model), ""]
        lines += [*_table(model, ""), ""]
    return "\n".join(lines) + "\n"


def section(name: str) -> list[str]:
    """One group of the profile as lines of Markdown."""
    model = _group(Profile.model_fields[name])
    if model is None:
        return [*_table(Profile, "", only=name)]
    return [f"## {name} {{#{name}}}", "", _summary(model), "", *_table(model, f"{name}.")]


def all_keys() -> list[str]:
    """Every key that the page must have, those of groups below lists and names by their model."""
    keys = [*_keys(ProjectParams, ""), *_keys(Profile, "")]
    for model in _inner_models(ProjectParams, Profile):
        keys += _keys(model, "")
    return keys


def _keys(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        group = _group(field)
        if group:
            yield from _keys(group, f"{prefix}{name}.")
        else:
            yield prefix + name


def _group(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a field that is a group of keys itself; a plug-in's options are of any model."""
    kind = field.annotation
    is_group = isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not BaseModel
    return kind if is_group else None


def _inner_models(*models: type[BaseModel]) -> list[type[BaseModel]]:
    """Models below lists, dicts and unions, each once."""
    inner: list[type[BaseModel]] = []
    todo = list(models)
    while todo:
        for field in todo.pop(0).model_fields.values():
            group = _group(field)
            if group:
                todo.append(group)
                continue
            for model in _models_in(field.annotation):
                if model not in inner:
                    inner.append(model)
                    todo.append(model)
    return inner


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from [annotation] * (annotation is not BaseModel)
    for part in get_args(annotation):
        yield from _models_in(part)


def _table(model: type[BaseModel], prefix: str, only: str = "") -> list[str]:
    rows = [row for row in _rows(model, prefix) if not only or row.startswith(f"| `{only}` ")]
    return [COLUMNS, *rows] if rows else []


def _rows(model: type[BaseModel], prefix: str) -> Iterator[str]:
    schema = model.model_json_schema()
    for name, field in model.model_fields.items():
        group = _group(field)
        if group and prefix:
            yield from _rows(group, f"{prefix}{name}.")
        elif not group:
            values = _values(schema["properties"][name], schema.get("$defs", {}))
            cells = (f"`{prefix}{name}`", _default(field), values, _meaning(field))
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        value = value.model_dump()
    return f"`{json.dumps(value, default=list)}`"


def _meaning(field: FieldInfo) -> str:
    text = " ".join((field.description or "").split())
    return re.sub(r"``(.+?)``", r"`\1`", text)


def _summary(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").strip().split("\n\n")[0].split()).replace("``", "`")


def _values(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """What a value may be, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return "those of the plug-in" if name == "BaseModel" else f"[{name}](#{name.lower()})"
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(_values(part, defs) for part in schema[union])
    match schema.get("type"):
        case "integer" | "number" as kind:
            return _number({"integer": "whole number", "number": "number"}[kind], schema)
        case "array":
            return _list(schema, defs)
        case "object":
            inner = schema.get("additionalProperties", {})
            return f"KEY: {_values(inner, defs) or 'text'}"
        case "boolean":
            return "`true`, `false`"
        case "null":
            return "null"
        case "string":
            return "text"
    return "see the meaning"


def _number(kind: str, schema: Mapping[str, Any]) -> str:
    limits = [
        f"{word} {schema[key]:g}"
        for key, word in (
            ("exclusiveMinimum", "above"),
            ("minimum", "from"),
            ("exclusiveMaximum", "below"),
            ("maximum", "to"),
        )
        if key in schema
    ]
    if "multipleOf" in schema:
        limits.append(f"in steps of {schema['multipleOf']}")
    return " ".join([kind, *limits])


def _list(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    if "prefixItems" in schema:
        parts = [_values(part, defs) for part in schema["prefixItems"]]
        same = len(set(parts)) == 1
        return f"list of {len(parts)}: {parts[0] if same else ', '.join(parts)}"
    return f"list of {_values(schema.get('items', {}), defs)}"
