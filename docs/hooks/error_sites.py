"""Every place in the code that makes an error: its code, its message and its remedy."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from source_text import Function, Module, Scope, read_modules, words

CODE = re.compile(r"[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)*")
ARGUMENT = re.compile(r"\{\{(\w+)\}\}")

PASSED_ON = frozenset({"cache/errors.py", "cache/checking/sandbox.py", "pipeline/index/ledger.py"})
"""Files that make errors again that others made first."""


@dataclass(frozen=True)
class ErrorSite:
    """One place that makes an error.

    Attributes:
        code: Its code.
        kind: The class that is raised; ``ClipOutcome`` is a line of a ledger.
        module: The file, relative to the repository.
        message: What it says, a template; empty if the source does not show it.
        remedy: What it advises, likewise.
    """

    code: str
    kind: str
    module: str
    message: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Maker:
    """What makes an error when it is called: a class, or a function around one.

    Attributes:
        kind: The class of the error.
        parameters: Names of its arguments.
        defaults: Template of each argument that may be left out.
        code, message, remedy: Templates; ``{{name}}`` stands for an argument.
        is_method: Whether it is called as an attribute.
    """

    kind: str
    parameters: tuple[str, ...]
    defaults: Mapping[str, str]
    code: str = "{{code}}"
    message: str = "{{message}}"
    remedy: str = "{{remedy}}"
    is_method: bool = False


Makers = dict[tuple[str, str], Maker]
"""By file and name."""

CLASSES: Makers = {
    ("cache/errors.py", "StroiError"): Maker(
        "StroiError", ("code", "message", "remedy"), {"remedy": ""}
    ),
    ("pipeline/index/ledger.py", "ClipOutcome"): Maker(
        "ClipOutcome", ("id", "code", "message"), {"message": "", "remedy": ""}
    ),
}


class UnreadableCode(Exception):
    """An error whose code is not written in the source."""


@cache
def error_sites(root: Path) -> tuple[ErrorSite, ...]:
    """All sites in the order of the files.

    Raises:
        UnreadableCode: If a code is put together, or comes from where this does not look.
    """
    modules = read_modules(root)
    makers = _makers(modules)
    return tuple(site for file in modules.values() for site in _sites(modules, file, makers))


def _makers(modules: Mapping[str, Module]) -> Makers:
    """The error classes, and the functions that make an error with a code of their caller's."""
    makers = dict(CLASSES)
    known = 0
    while len(makers) > known:
        known = len(makers)
        for module in modules.values():
            for name, maker in _new_makers(modules, module, makers):
                makers.setdefault((module.path, name), maker)
    return makers


def _new_makers(
    modules: Mapping[str, Module], module: Module, makers: Makers
) -> Iterator[tuple[str, Maker]]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            for base in filter(None, (_maker(module, base, makers) for base in node.bases)):
                yield node.name, replace(base, kind=node.name)
        elif isinstance(node, Function):
            scope = Scope(modules, module, node)
            for call, maker in _maker_calls(module, node, makers):
                code, message, remedy = _fill(maker, call, scope)
                if (argument := ARGUMENT.fullmatch(code)) and argument[1] in scope.parameters:
                    method = node.args.args[:1] and node.args.args[0].arg == "self"
                    made = (code, message, remedy, bool(method))
                    yield node.name, Maker(maker.kind, scope.parameters, _defaults(scope), *made)


def _defaults(scope: Scope) -> dict[str, str]:
    assert scope.function is not None
    given = scope.function.args
    last = given.args[len(given.args) - len(given.defaults) :]
    pairs = [*zip(last, given.defaults, strict=True)]
    keywords = zip(given.kwonlyargs, given.kw_defaults, strict=True)
    pairs += [(arg, value) for arg, value in keywords if value is not None]
    return {arg.arg: scope.template(value) for arg, value in pairs}


def _maker(module: Module, called: ast.expr, makers: Makers) -> Maker | None:
    if isinstance(called, ast.Name):
        return makers.get(module.imports.get(called.id, (module.path, called.id)))
    if isinstance(called, ast.Attribute):
        named = (maker for (_, name), maker in makers.items() if name == called.attr)
        return next((maker for maker in named if maker.is_method), None)
    return None


def _maker_calls(
    module: Module, function: ast.AST, makers: Makers
) -> Iterator[tuple[ast.Call, Maker]]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and (maker := _maker(module, node.func, makers)):
            yield node, maker


def _arguments(maker: Maker, call: ast.Call) -> dict[str, ast.expr]:
    given = dict(zip(maker.parameters, call.args, strict=False))
    return given | {keyword.arg or "": keyword.value for keyword in call.keywords}


def _fill(maker: Maker, call: ast.Call, scope: Scope) -> tuple[str, str, str]:
    """Code, message and remedy of one call."""
    given = {name: scope.template(node) for name, node in _arguments(maker, call).items()}
    given = {**maker.defaults, **given}

    def filled(template: str) -> str:
        return ARGUMENT.sub(lambda match: given.get(match[1], f"‹{words(match[1])}›"), template)

    return filled(maker.code), filled(maker.message), filled(maker.remedy)


def _sites(modules: Mapping[str, Module], module: Module, makers: Makers) -> Iterator[ErrorSite]:
    functions = [node for node in ast.walk(module.tree) if isinstance(node, Function)]
    inner = {id(node): function for function in functions for node in ast.walk(function)}
    for call, maker in _maker_calls(module, module.tree, makers):
        scope = Scope(modules, module, inner.get(id(call)))
        argument = ARGUMENT.fullmatch(maker.code)
        expression = _arguments(maker, call).get(argument[1]) if argument else None
        filled, message, remedy = _fill(maker, call, scope)
        # A maker whose code has a default may be called without one.
        codes = _codes(expression, scope) if expression else filter(CODE.fullmatch, [filled])
        for code in codes:
            yield ErrorSite(code, maker.kind, module.path, _plain(message), _plain(remedy))
    for node in ast.walk(module.tree):
        yield from _loose_sites(node, Scope(modules, module, inner.get(id(node))))


def _plain(template: str) -> str:
    return ARGUMENT.sub(lambda match: f"‹{words(match[1])}›", template)


def _codes(node: ast.expr, scope: Scope) -> Iterator[str]:
    """What a code may be; nothing where another site shows it."""
    match node:
        case ast.Constant(value=""):
            return
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=other):
            yield from _codes(body, scope)
            yield from _codes(other, scope)
        case ast.Subscript(value=ast.Name(id=name)) if isinstance(
            table := scope.module.constants.get(name), ast.Dict
        ):
            for value in table.values:
                yield from _codes(value, scope)
        case ast.Starred() | ast.Attribute(attr="code"):
            return
        case ast.Name(id=name) if name in scope.parameters or _looped_over(name, scope):
            return
        case ast.Name() if CODE.fullmatch(constant := scope.template(node)):
            yield constant
        case _ if scope.module.path not in PASSED_ON:
            where = f"{scope.module.path}:{node.lineno}"
            raise UnreadableCode(f"{where}: write the code out: {ast.unparse(node)}")


def _looped_over(name: str, scope: Scope) -> bool:
    loops = (node for node in ast.walk(scope.function or ast.Pass()) if isinstance(node, ast.For))
    return any(
        isinstance(node, ast.Name) and node.id == name
        for loop in loops
        for node in ast.walk(loop.target)
    )


def _loose_sites(node: ast.AST, scope: Scope) -> Iterator[ErrorSite]:
    """Errors that a function describes for another one to make.

    A reader returns (code, message) of a clip, a check of params yields (code, key, message,
    remedy), and the process that reads a stranger's file writes a JSON object.
    """
    match node:
        case ast.Return(value=ast.Tuple(elts=[ast.Constant(value=str(code)), message])):
            kind, texts = "ClipOutcome", (message, None)
        case ast.Yield(value=ast.Tuple(elts=[ast.Constant(value=str(code)), _, message, remedy])):
            kind, texts = "ParamsError", (message, remedy)
        case ast.Dict(
            keys=[ast.Constant(value="code"), _, _],
            values=[ast.Constant(value=str(code)), message, remedy],
        ):
            kind, texts = "RefusedInput", (message, remedy)
        case _:
            return
    if CODE.fullmatch(code):
        message_text, remedy_text = (_plain(scope.template(text)) for text in texts)
        path = scope.module.path
        yield ErrorSite(code, kind, path, message_text, remedy_text)
