"""``--set KEY=VALUE``: params of one command, in place of those of the profile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from stroi.cache.errors import ParamsError
from stroi.pipeline.params.yaml import Document, printable, read_yaml_text


@dataclass(frozen=True)
class Setting:
    """A param and its value.

    Attributes:
        key: Its path in the profile, such as ``("resnet", "schedule", "epochs")``.
        document: The value as read from YAML.
        text: The value as it was written.
    """

    key: tuple[str, ...]
    document: Document
    text: str

    @property
    def name(self) -> str:
        """The key with dots, as `param_names` lists it."""
        return ".".join(self.key)


def parse_setting(text: str) -> Setting:
    """Read ``KEY=VALUE``; the value is YAML, as in a profile.

    Raises:
        ParamsError: ``SET`` if it has another form, ``PARAMS_YAML`` if the value is no YAML.
    """
    key, equals, value = text.partition("=")
    parts = tuple(part.strip() for part in key.split("."))
    if not equals or not all(parts):
        raise ParamsError(
            "SET",
            f"--set {printable(text)!r} is no KEY=VALUE",
            remedy="write it as resnet.schedule.epochs=2; `stroi params --names` lists the keys",
        )
    return Setting(parts, read_yaml_text(value, f"--set {printable(key)}"), value)


def apply(document: Document, settings: Sequence[Setting]) -> None:
    """Put settings into a parsed profile; of two with one key the last one counts.

    Raises:
        ParamsError: ``SET_GROUP`` if a key leads through a value that is no group.
    """
    for setting in settings:
        group = document.value
        for depth, part in enumerate(setting.key[:-1], 1):
            if group.get(part) is None:
                group[part] = {}
            group = group[part]
            if not isinstance(group, dict):
                above = ".".join(setting.key[:depth])
                raise ParamsError(
                    "SET_GROUP",
                    f"--set {setting.name}: {above} is {printable(repr(group))}, not a group",
                    remedy=f"set {above} as a whole",
                )
        group[setting.key[-1]] = setting.document.value
        document.replace(setting.key, setting.document, f"--set {setting.name}")


def param_names(model: type[BaseModel], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every key that ``--set`` takes, with dots, and its default as JSON has it."""
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from param_names(kind, f"{above}{name}.")
        else:
            yield f"{above}{name}", field.get_default(call_default_factory=True)
