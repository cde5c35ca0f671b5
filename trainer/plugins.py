"""Plug-ins: what installed packages add by entry points, and what is built in by the same form.

A plug-in is a `Plugin` in a module of its package; the package's entry point names it (see
docs/extending.md). Its module is imported when a profile chooses it, and not before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, ValidationInfo
from pydantic import GetJsonSchemaHandler as JsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from stroi.cache.errors import ParamsError

NAME = re.compile(r"[A-Za-z0-9_-]+")
"""What a plug-in may be called."""


class NoParams(BaseModel):
    """The params of a plug-in that has none of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


NO_PARAMS = NoParams()


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """What every plug-in declares.

    Attributes:
        version: Part of the keys of its results: raise it when the same input gives another
            result.
        params: Model of its own params, a `stroi.trainer.config.Settings`; a profile gives them as
            ``options``. Its functions get them as their last argument, if there are any.
        doctor: Its line in `stroi doctor`; raises `StroiError` with a remedy if it cannot be used.
    """

    version: int = 1
    params: type[BaseModel] = NoParams
    doctor: Callable[[], str] = lambda: ""

    def own(self, options: BaseModel) -> tuple[BaseModel, ...]:
        """The last argument of its functions: its own params, if it declares any."""
        return () if self.params is NoParams else (options,)


@dataclass(frozen=True, kw_only=True)
class Network(Plugin):
    """A network, of group ``graph_nets`` or ``rgb_nets``.

    Attributes:
        label: Its name in tables.
        build: Makes it, an ``nn.Module``. Of a graph network: adjacency (K, V, V) and `GcnConfig`
            to a module from bodies (B, 3, T, V) to features (B, D, T'', V), with D the last of
            ``channels``. Of an RGB network: number of classes, `ResNetConfig` and the number of
            feature vectors that its classifier takes, to a `stroi.trainer.models.rgb_net.RgbNet`.
    """

    label: str
    build: Callable[..., Any]


@dataclass(frozen=True)
class Group:
    """One kind of plug-in.

    Attributes:
        section: Section of the profile that chooses one.
        key: The param that does.
        stages: Stages whose results depend on it, as versions.yaml names them.
        built_in: What comes with stroi: name to ``module:object``.
        other_values: Values of the param that are no plug-ins.
    """

    section: str
    key: str
    stages: tuple[str, ...]
    built_in: Mapping[str, str] = field(default_factory=dict)
    other_values: tuple[str, ...] = ()


def _table(module: str, plugins: str) -> dict[str, str]:
    """Entry points of what is built in: ``pku-mmd`` is ``PKU_MMD`` of `module`."""
    return {name: f"{module}:{name.upper().replace('-', '_')}" for name in plugins.split()}


GROUPS: Mapping[str, Group] = {
    "datasets": Group(
        "index",
        "adapter",
        ("index",),
        _table(
            "stroi.pipeline.datasets.registry",
            "demo table nucla ntu60 ntu120 folders ut-interaction pku-mmd toyota-smarthome"
            " toyota-smarthome-cv smarthome-untrimmed",
        ),
    ),
    "pose": Group(
        "skeletons",
        "source",
        ("skeletons",),
        _table("stroi.stages.pose.registry", "movenet openpose onnx"),
        ("auto", "openpose-json", "kinect", "own"),
    ),
    "sensors": Group(
        "skeletons3d",
        "format",
        ("skeletons3d",),
        _table("stroi.stages.sensors.readers", "ntu nucla pku"),
        ("own",),
    ),
    "graph_nets": Group(
        "gcn",
        "model",
        ("gcn", "weights", "resnet"),
        _table("stroi.trainer.networks", "stgcn ctrgcn"),
    ),
    "rgb_nets": Group(
        "resnet",
        "model",
        ("resnet",),
        _table("stroi.trainer.networks", "resnet18 resnet34 resnet50 efficientnet_lite0"),
    ),
    "methods": Group("ensemble", "methods", ("ensemble", "report")),
}
"""By the name of the entry-point group without ``stroi.``."""

Kind = TypeVar("Kind", bound=Plugin)


@cache
def installed(group: str) -> tuple[EntryPoint, ...]:
    """Entry points of other packages, by name; nothing of them is imported."""
    found = entry_points(group=f"stroi.{group}")
    return tuple(sorted(found, key=lambda entry: (entry.name, entry.value)))


def names(group: str) -> tuple[str, ...]:
    """Names that a profile can choose: built in, then those of other packages."""
    own = tuple(GROUPS[group].built_in)
    others = (entry.name for entry in installed(group) if NAME.fullmatch(entry.name))
    return tuple(dict.fromkeys((*own, *others)))


def is_built_in(group: str, name: str) -> bool:
    """Whether it comes with stroi."""
    return name in GROUPS[group].built_in or name in GROUPS[group].other_values


def find(group: str, name: str, kind: type[Kind]) -> Kind:
    """The plug-in of that name.

    Raises:
        ParamsError: ``PLUGIN_MISSING`` if no package has it, ``PLUGIN_TWICE`` if several have, or
            ``PLUGIN_BROKEN`` if it cannot be imported or is something else.
    """
    plugin, where = _load(group, name), f"stroi.{group}: {name}"
    if not isinstance(plugin, kind):
        raise ParamsError(
            "PLUGIN_BROKEN",
            f"{where}: a {type(plugin).__name__}, not a {kind.__name__}",
            remedy=f"update or remove {_distribution(group, name)}",
        )
    return plugin


@cache
def _load(group: str, name: str) -> object:
    if name in GROUPS[group].built_in:
        return EntryPoint(name, GROUPS[group].built_in[name], f"stroi.{group}").load()
    try:
        return find_entry(group, name).load()
    except ParamsError:
        raise
    except Exception as error:  # a module may raise anything when it is imported
        raise ParamsError(
            "PLUGIN_BROKEN",
            f"stroi.{group}: {name} cannot be imported ({type(error).__name__}: {error})",
            remedy=f"update or remove {_distribution(group, name)}",
        ) from error


def find_entry(group: str, name: str) -> EntryPoint:
    """The one entry point of that name in another package.

    Raises:
        ParamsError: ``PLUGIN_MISSING``, ``PLUGIN_TWICE``.
    """
    found = [entry for entry in installed(group) if entry.name == name]
    if not found:
        raise ParamsError(
            "PLUGIN_MISSING",
            f"no installed package has the plug-in {name!a} of stroi.{group}",
            remedy="install the package that has it (docs/extending.md)",
        )
    if len(found) > 1:
        packages = " and ".join(sorted({package(entry) for entry in found}))
        raise ParamsError(
            "PLUGIN_TWICE",
            f"{packages} have a plug-in {name!a} of stroi.{group} each",
            remedy="uninstall one of them",
        )
    return found[0]


def package(entry: EntryPoint) -> str:
    """The package of an entry point and its version: ``stroi-lab 0.3``."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else "an unknown package"


def _distribution(group: str, name: str) -> str:
    return "stroi" if is_built_in(group, name) else package(find_entry(group, name))


def versioned(group: str, name: str) -> dict[str, str]:
    """What keys contain of a plug-in: its name and version; nothing of what is built in."""
    if is_built_in(group, name):
        return {}
    return {"plugin": f"{name} {find(group, name, Plugin).version}"}


def origin(group: str, name: str) -> dict[str, str]:
    """What manifests record of a plug-in: its version and package; nothing of what is built in."""
    if is_built_in(group, name):
        return {}
    return versioned(group, name) | {"plugin_package": package(find_entry(group, name))}


@dataclass(frozen=True)
class NameOf:
    """Pydantic's check that a text is a name of the group, or another value of its param."""

    group: str

    def allowed(self) -> tuple[str, ...]:
        """All values."""
        return (*GROUPS[self.group].other_values, *names(self.group))

    def check(self, name: str) -> str:
        """Refuse other names."""
        if not is_built_in(self.group, name) and name not in self.allowed():
            raise PydanticCustomError(
                "plugin",
                "Input should be one of {allowed}, or a plug-in whose package is installed",
                {"allowed": ", ".join(self.allowed())},
            )
        return name

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: JsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(schema) | {"enum": list(self.allowed())}


def options_of(group: str, chosen: str) -> BeforeValidator:
    """Pydantic's reading of a plug-in's own params, by the model that it declares.

    Args:
        group: Its group.
        chosen: Field of the same model, declared before, that names the plug-in.
    """

    def read(value: object, info: ValidationInfo) -> BaseModel:
        if chosen not in info.data:  # the name itself is a mistake, and reported
            return NO_PARAMS
        name = info.data[chosen]
        params = NoParams if is_built_in(group, name) else find(group, name, Plugin).params
        if isinstance(value, BaseModel):  # of the plug-in that was chosen before, or a default
            return value if type(value) is params else params.model_validate({})
        return params.model_validate_json(json.dumps(value))

    return BeforeValidator(read)


def all_installed() -> Iterator[tuple[str, EntryPoint]]:
    """Every entry point of other packages, with its group."""
    for group in GROUPS:
        for entry in installed(group):
            yield group, entry
