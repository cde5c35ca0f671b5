"""Command ``inspect``: what a received file is, or why it is refused."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from stroi.cache.errors import RefusedInput, StroiError
from stroi.pipeline.options import say
from stroi.pipeline.strict_yaml import printable
from stroi.stages.looking import MODELS, WEIGHTS, look
from stroi.stages.memory import address_space

if TYPE_CHECKING:
    from stroi.stages.pose.openpose_json import JsonModel

ADDRESS_BYTES = 2**31
"""Address space of a look beyond what this process has; libraries take half a gigabyte of it."""

CPU_SECONDS = 10
BYTES_PER_CPU_SECOND = 200_000
"""Processor time of a look: the slowest file is a video, of which a second takes this at most."""

_MAX_ANSWER = 2**20
_UNTRUSTED = "do not use the file; fetch it again from someone you trust"


def look_confined(path: Path, json_model: JsonModel) -> list[str]:
    """`stroi.stages.looking.look` in a child process with limits on time and memory.

    Raises:
        RefusedInput: As `look`; ``READER_CRASHED``, ``READER_TIME`` or ``READER_MEMORY``.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(writer, path, lambda: look(path, json_model=json_model))
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read(_MAX_ANSWER)
    _, status = os.waitpid(child, 0)
    return _understood(path, answer, os.waitstatus_to_exitcode(status))


def _answer(writer: int, path: Path, task: Callable[[], list[str]]) -> NoReturn:
    """In the child: do the task, write what came of it, and end at once."""
    try:
        if path.suffix.lower() in WEIGHTS:
            import_module("torch")  # with a GPU its libraries alone are larger than the limit
        _limit(path)
        found: object = task()
    except StroiError as error:
        found = {"code": error.code, "message": error.message, "remedy": error.remedy}
    except MemoryError:
        found = {"code": "READER_MEMORY", "message": f"{str(path)!a}: it asks for too much memory"}
    except BaseException as error:
        found = {"code": "READER_CRASHED", "message": f"{str(path)!a}: {error!a}"}
    with os.fdopen(writer, "wb") as pipe:
        pipe.write(json.dumps(found).encode()[:_MAX_ANSWER])
    os._exit(0)


def _limit(path: Path) -> None:
    # Ctrl-C reaches the whole group; the parent tells of it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # The HDF5 library's word for: load no plugin. It is read when the library is loaded.
    os.environ |= {"HDF5_PLUGIN_PATH": "", "HDF5_PLUGIN_PRELOAD": "::"}
    seconds = CPU_SECONDS
    if path.is_file():
        seconds += path.stat().st_size // BYTES_PER_CPU_SECOND
    for what, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, address_space() + ADDRESS_BYTES),
    ):
        hard = resource.getrlimit(what)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(what, (bound, hard))


def _understood(path: Path, answer: bytes, status: int) -> list[str]:
    """The lines of a well-formed answer; a hostile file may have taken over who gave it."""
    try:
        found = json.loads(answer)
    except ValueError:
        found = None
    if status == 0 and isinstance(found, list):
        return [printable(str(line), 500) for line in found]
    if status == 0 and isinstance(found, dict):
        code, message, remedy = (str(found.get(key, "")) for key in ("code", "message", "remedy"))
        raise RefusedInput(
            printable(code, 40),
            printable(message, 1000),
            remedy=printable(remedy, 500) or _UNTRUSTED,
        )
    if status == -signal.SIGXCPU:
        raise RefusedInput("READER_TIME", f"{str(path)!a}: it takes too long", remedy=_UNTRUSTED)
    how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    raise RefusedInput(
        "READER_CRASHED", f"{str(path)!a}: its reader crashed ({how})", remedy=_UNTRUSTED
    )


@click.command(
    help="Say what each received FILE is after checking all of it: weights (.safetensors, .pth), "
    "an OpenPose frame (.json), an NTU skeleton (.skeleton), a video or a shard (.h5). Exit "
    "status 3 if one is refused."
)
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "--json-model",
    type=click.Choice(MODELS),
    default="BODY_25",
    show_default=True,
    help="The model that OpenPose ran; its files do not tell.",
)
def command(files: tuple[Path, ...], json_model: JsonModel) -> None:
    """Inspect received files, all of them even if one is refused."""
    refusals = []
    for path in files:
        try:
            first, *rest = look_confined(path, json_model)
        except RefusedInput as error:
            refusals.append(error)
        else:
            say("\n".join((f"{printable(str(path), 500)}: {first}", *rest)))
    if refusals:
        last = refusals.pop()
        raise RefusedInput(
            last.code, last.message, remedy=last.remedy, details=tuple(map(str, refusals))
        )
