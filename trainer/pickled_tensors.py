"""What the pickle in a ``.pth`` file describes, read off without unpickling it.

A pickle is a program. This reads the few instructions that a state dict needs, builds plain
descriptions instead of objects, and refuses every other instruction and name: nothing is
imported, nothing is called.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from typing import Any

from stroi.cache.errors import RefusedInput
from stroi.trainer.tensor_files import refused

MAX_PICKLE = 2**20
"""Longest pickle in bytes; that of a ResNet152's state dict has a tenth of it."""

_DICT = "collections OrderedDict"
_TENSOR = "torch._utils _rebuild_tensor_v2"
_PARAMETER = "torch._utils _rebuild_parameter"
KINDS = {"torch FloatStorage": "F32", "torch LongStorage": "I64", "torch ByteStorage": "U8"}
_CALLED = {_DICT, _TENSOR, _PARAMETER}
_REMEDY = (
    "do not load it; ask for a safetensors file, or, if you trust its maker, save its state dict"
    " with safetensors.torch.save_file(torch.load(FILE, weights_only=True), NEW)"
)


@dataclass(frozen=True)
class Storage:
    """A member ``data/<key>``: element type and number of elements."""

    kind: str
    key: str
    count: int


@dataclass(frozen=True)
class Pickled:
    """A tensor as the pickle describes it."""

    storage: Storage
    offset: int
    shape: object
    strides: object


@dataclass(frozen=True)
class _Name:
    text: str


_MARK = object()


def read_pickle(data: bytes, where: str) -> dict[str, Pickled]:
    """The tensors of a state dict by name.

    Args:
        data: The pickle, protocol 2, at most `MAX_PICKLE` bytes.
        where: The file, for messages.

    Raises:
        RefusedInput: ``PTH_UNPICKLE`` (any other instruction or name, or not the shape of a state
            dict), ``PTH_TENSOR`` (sparse, quantised or of another type) or ``PTH_NAMES`` (a name
            twice).
    """
    if len(data) > MAX_PICKLE:
        raise _bad(where, f"its pickle has {len(data)} bytes, at most {MAX_PICKLE} are read")
    machine = _Reader(where)
    try:
        end = 0
        for operation, argument, position in pickletools.genops(data):
            machine.step(operation.name, argument)
            end = (position or 0) + 1
        found = machine.stack.pop()
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise _bad(where, "its pickle is damaged") from error
    if machine.stack or not isinstance(found, dict) or end != len(data):
        raise _bad(where, "its pickle holds no state dict alone")
    for name, value in found.items():
        if not isinstance(value, Pickled):
            raise _bad(where, f"its entry {name[:80]!a} is no tensor")
    return found


def _bad(where: str, problem: str) -> RefusedInput:
    return refused("PTH_UNPICKLE", where, problem, _REMEDY)


class _Reader:
    """Stack and memo of a pickle that is being read."""

    def __init__(self, where: str) -> None:
        self.stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._where = where

    def step(self, name: str, argument: Any) -> None:
        """Follow one instruction."""
        if name in ("BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1"):
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = self.stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            self.stack.append(self._memo[argument])
        elif name in _TUPLES:
            self.stack[len(self.stack) - _TUPLES[name] :] = [tuple(self._top(_TUPLES[name]))]
        elif name == "TUPLE":
            self.stack.append(tuple(self._to_mark()))
        elif name == "EMPTY_DICT":
            self.stack.append({})
        else:
            self._step_rarely(name, argument)

    def _step_rarely(self, name: str, argument: Any) -> None:
        if name == "GLOBAL":
            self.stack.append(self._named(argument))
        elif name == "BINPERSID":
            self.stack.append(self._storage(self.stack.pop()))
        elif name == "REDUCE":
            arguments, called = self.stack.pop(), self.stack.pop()
            self.stack.append(self._made(called, arguments))
        elif name == "SETITEM":
            value, key = self.stack.pop(), self.stack.pop()
            self._set([key, value])
        elif name == "SETITEMS":
            self._set(self._to_mark())
        elif name == "BUILD":
            self._described(self.stack.pop())
        elif name not in ("PROTO", "STOP") or argument not in (2, None):
            raise _bad(self._where, f"its pickle has the instruction {name}, which no weights need")

    def _top(self, count: int) -> list[Any]:
        if len(self.stack) < count or _MARK in self.stack[-count:]:
            raise IndexError
        return self.stack[-count:]

    def _to_mark(self) -> list[Any]:
        found = []
        while (value := self.stack.pop()) is not _MARK:
            found.append(value)
        return found[::-1]

    def _named(self, text: str) -> _Name:
        if text in _CALLED or text in KINDS:
            return _Name(text)
        module, _, name = text.partition(" ")
        if module == "torch" and name.endswith("Storage"):
            raise refused("PTH_TENSOR", self._where, f"it holds a {name[:40]!a}", _REMEDY)
        if module == "torch._utils" and name.startswith("_rebuild_"):
            problem = f"it holds no plain tensor but one of {name[:60]!a}"
            raise refused("PTH_TENSOR", self._where, problem, _REMEDY)
        raise _bad(self._where, f"its pickle names {text[:80]!a}, which no weights need")

    def _storage(self, value: Any) -> Storage:
        what, kind, key, _, count = value
        good = what == "storage" and isinstance(kind, _Name) and type(count) is int
        if not good or not isinstance(key, str):
            raise ValueError
        return Storage(KINDS[kind.text], key, count)

    def _made(self, called: Any, arguments: Any) -> Any:
        """What a call would give, described."""
        text = called.text if isinstance(called, _Name) else None
        if text == _DICT and arguments == ():
            return {}
        if text == _TENSOR and isinstance(arguments, tuple):
            storage, offset, shape, strides, _, *_ = arguments
            if isinstance(storage, Storage) and type(offset) is int:
                return Pickled(storage, offset, shape, strides)
        if text == _PARAMETER and isinstance(arguments, tuple):
            tensor, _, _ = arguments
            if isinstance(tensor, Pickled):
                return tensor
        raise _bad(self._where, "its pickle calls what no weights need")

    def _set(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise TypeError
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str):
                raise TypeError
            if key in target:
                raise refused("PTH_NAMES", self._where, f"the name {key[:80]!a} is there twice")
            target[key] = value

    def _described(self, state: Any) -> None:
        """Versions of the layers, which `state_dict` hangs on; nothing needs them here."""
        if not (isinstance(self.stack[-1], dict) and isinstance(state, dict)):
            raise TypeError
        if state.keys() - {"_metadata"}:
            raise TypeError


_CONSTANTS = {
    "MARK": _MARK,
    "EMPTY_TUPLE": (),
    "NEWFALSE": False,
    "NEWTRUE": True,
    "NONE": None,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
