"""The source of stroi, parsed and not run, and texts in it as templates.

What is known at run time only stands in a template as ``‹name›``: ``‹path› has ‹size› bytes``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from dataclasses import dataclass
from functools import cache
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A parsed file.

    Attributes:
        path: Relative to the repository.
        tree: Its syntax tree.
        constants: Values of the names that it assigns at its top.
        imports: Name to file and name there, of what it takes from other files of stroi.
    """

    path: str
    tree: ast.Module
    constants: dict[str, ast.expr]
    imports: dict[str, tuple[str, str]]


@cache
def read_modules(root: Path) -> dict[str, Module]:
    """All files of the packages that setup.cfg maps to folders, by their paths."""
    modules = {}
    setup = ConfigParser()
    setup.read(root / "setup.cfg")
    folders = re.findall(r"^stroi\S* = (\S+)$", setup["options"]["package_dir"], re.M)
    for package in folders:
        for path in sorted((root / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            name = path.relative_to(root).as_posix()
            modules[name] = Module(name, tree, dict(_constants(tree)), dict(_imports(root, tree)))
    return modules


def _constants(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, node.value


def _imports(root: Path, tree: ast.Module) -> Iterator[tuple[str, tuple[str, str]]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stroi."):
            path = root.joinpath(*(node.module or "").split(".")[1:])
            file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
            for name in node.names:
                inner = path / f"{name.name}.py"
                place = inner if inner.exists() else file
                yield name.asname or name.name, (place.relative_to(root).as_posix(), name.name)


@dataclass(frozen=True)
class Scope:
    """Where an expression stands: its file, and its function if it is in one."""

    modules: Mapping[str, Module]
    module: Module
    function: Function | None = None

    @property
    def parameters(self) -> tuple[str, ...]:
        """Of the function; without ``self``."""
        if self.function is None:
            return ()
        arguments = self.function.args
        names = [arg.arg for arg in (*arguments.args, *arguments.kwonlyargs)]
        return tuple(name for name in names if name != "self")

    def template(self, node: ast.expr | None, line: int = 0) -> str:
        """Text of an expression; ``{{name}}`` is a parameter of the function."""
        line = line or getattr(node, "lineno", 0)
        match node:
            case None:
                return ""
            case ast.Constant(value=value):
                return "" if value is None else str(value)
            case ast.JoinedStr(values=values):
                return "".join(self.template(value, line) for value in values)
            case ast.FormattedValue(value=value):
                return self.template(value, line)
            case ast.BinOp(left=left, op=ast.Add(), right=right) if not _is_number(right):
                return self.template(left, line) + self.template(right, line)
            case ast.IfExp(body=body, orelse=other):
                either = (self.template(body, line), self.template(other, line))
                return " / ".join(filter(None, either))
            case ast.Name(id=name):
                return self._name(name, line)
        return f"‹{noun(node)}›"

    def _name(self, name: str, line: int) -> str:
        if name in self.parameters:
            return "{{" + name + "}}"
        for node in sorted(self._assignments(name, line), key=lambda node: -node.lineno)[:1]:
            return self.template(node) if _is_text(node) else f"‹{words(name)}›"
        place, original = self.module.imports.get(name, (self.module.path, name))
        module = self.modules.get(place)
        constant = module.constants.get(original) if module else None
        if module and constant is not None and _is_text(constant):
            return Scope(self.modules, module).template(constant)
        return f"‹{words(name)}›"

    def _assignments(self, name: str, line: int) -> Iterator[ast.expr]:
        """Values that the function gives to a name before a line."""
        for node in ast.walk(self.function) if self.function else ():
            if isinstance(node, ast.Assign) and node.lineno < line:
                for target in node.targets:
                    if isinstance(target, ast.Name) and target.id == name:
                        yield node.value


def _is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float)


def _is_text(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=value):
            return isinstance(value, str)
        case ast.JoinedStr():
            return True
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _is_text(left) and _is_text(right)
        case ast.IfExp(body=body, orelse=other):
            return _is_text(body) or _is_text(other)
    return False


_TRANSPARENT = frozenset({"str", "ascii", "repr", "sorted", "printable", "_printable"})
"""Functions whose argument names their result better than they do."""


def words(name: str) -> str:
    """A name of the source as words."""
    return name.strip("_").replace("_", " ").lower()


def noun(node: ast.expr) -> str:
    """A word for a value that is known at run time only: the name that it has in the source."""
    match node:
        case ast.Name(id=name):
            return words(name)
        case ast.Attribute(value=value, attr="name"):
            return noun(value)
        case ast.Attribute(attr="strerror"):
            return "reason"
        case ast.Attribute(attr=name):
            return words(name)
        case ast.Call(func=ast.Name(id="len"), args=[inner, *_]):
            return f"number of {noun(inner)}"
        case ast.Call(func=ast.Name(id=name), args=[inner, *_]) if name in _TRANSPARENT:
            return noun(inner)
        case ast.Call(func=ast.Name(id="map"), args=[_, inner, *_]):
            return noun(inner)
        case ast.Call(func=ast.Attribute(attr="join"), args=[inner, *_]):
            return noun(inner)
        case ast.Call(func=inner) | ast.Subscript(value=inner) | ast.Starred(value=inner):
            return noun(inner)
        case ast.GeneratorExp(elt=inner) | ast.ListComp(elt=inner) | ast.BinOp(left=inner):
            return noun(inner)
    return "value"
