"""Command ``inspect``: describe a received file after checking all of it, or refuse it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stroi.cache.checking.sandbox import run_limited
from stroi.cache.errors import ClipRejected, RefusedInput, StroiError
from stroi.pipeline.datasets.folders import VIDEO_ENDINGS
from stroi.pipeline.params.yaml import printable

if TYPE_CHECKING:
    from stroi.stages.pose.readers.openpose_json import JsonModel

MODELS: tuple[JsonModel, ...] = ("BODY_25", "BODY_25B", "COCO")
"""Models of OpenPose; its files do not name theirs."""

MEMORY_BYTES = 2**31
VIDEO_BYTES = 2**30
"""Memory of a reader beyond that of this process: a coded frame of 8192 x 4320 px takes 50 MB, and
a decoder keeps up to 16 of them."""

CPU_SECONDS = 10
BYTES_PER_CPU_SECOND = 200_000
"""Limits on CPU time; videos are slowest, and a second of CPU time reads more of them than this."""

WEIGHTS = (".safetensors", ".pth", ".pt")
_LISTED = 5
"""Tensors or bodies that are listed one by one."""


def inspect_limited(path: Path, json_model: JsonModel) -> list[str]:
    """`describe_file` in a child process with limits on time, memory and files.

    Raises:
        RefusedInput: As `describe_file`; ``READER_CRASHED``, ``READER_TIME`` or ``READER_MEMORY``.
    """
    ending = path.suffix.lower()
    if ending in WEIGHTS:
        import_module("torch")  # with a GPU its libraries alone exceed the limit
    size = path.stat().st_size if path.is_file() else 0
    lines: list[str] = run_limited(
        lambda: describe_file(path, json_model=json_model),
        f"{str(path)!a}",
        memory=VIDEO_BYTES if ending in VIDEO_ENDINGS else MEMORY_BYTES,
        seconds=CPU_SECONDS + size // BYTES_PER_CPU_SECOND,
    )
    return lines


def describe_file(path: Path, *, json_model: JsonModel = "BODY_25") -> list[str]:
    """Check a file to its last byte and describe it.

    The ending of its name decides which reader is used. Readers are imported when used, so that
    one kind of file costs nothing for another.

    Args:
        path: The file.
        json_model: Model of an OpenPose file, one of `MODELS`.

    Returns:
        Printable lines: what it is, then its details.

    Raises:
        RefusedInput: ``FILE_KIND`` if no reader is for this ending; any refusal of the readers.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        endings = " ".join(sorted(READERS))
        raise RefusedInput(
            "FILE_KIND", f"{str(path)!a}: no reader for this ending", remedy=f"known are: {endings}"
        )
    try:
        return [printable(line, 500) for line in reader(path, json_model)]
    except ClipRejected as error:
        # A run would go on without the clip; here the file is all there is.
        raise RefusedInput(error.code, error.message, remedy=error.remedy) from error


def _weights(path: Path, _: JsonModel) -> Iterator[str]:
    from stroi.trainer.network_files.safetensors_io import read_tensors

    tensors, meta = read_tensors(path, pth=True)
    numbers = sum(tensor.numel() for tensor in tensors.values())
    yield f"weights: {len(tensors)} tensors, {numbers} numbers, all finite"
    if "kind" in meta:
        classes = meta.get("classes")
        count = len(classes) if isinstance(classes, list) else "no"
        yield f"a checkpoint of stroi: {str(meta['kind'])[:40]}, {count} classes"
    for name, tensor in list(tensors.items())[:_LISTED]:
        yield f"  {name[:60]} {str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
    if len(tensors) > _LISTED:
        yield f"  and {len(tensors) - _LISTED} more"


def _openpose(path: Path, model: JsonModel) -> Iterator[str]:
    from stroi.stages.pose.readers.openpose_json import read_openpose_json

    people = read_openpose_json(path, model=model)
    yield f"OpenPose frame ({model}): {len(people)} {'person' if len(people) == 1 else 'people'}"
    for number, person in enumerate(people):
        detected = int((person[:, 2] > 0).sum())
        yield f"  person {number}: {detected} of 25 joints of BODY_25"


def _skeleton(path: Path, _: JsonModel) -> Iterator[str]:
    from stroi.stages.sensors.ntu_skeleton import read_ntu_skeleton

    skeleton = read_ntu_skeleton(path)
    yield f"NTU skeleton: {skeleton.frames} frames, {len(skeleton.bodies)} bodies"
    for body in skeleton.bodies[:_LISTED]:
        yield f"  body {body.id}: in {len(body.frames)} frames"
    if len(skeleton.bodies) > _LISTED:
        yield f"  and {len(skeleton.bodies) - _LISTED} more"


def _video(path: Path, _: JsonModel) -> Iterator[str]:
    from stroi.stages.video.reader import read_frames

    frames = read_frames(path)
    while frames.skip():
        frames.picture()
    info = frames.info
    yield (
        f"video: {info.frames} frames, {info.width} x {info.height} px, "
        f"{info.fps:g} frames per second"
    )
    if info.remark:
        yield f"  {info.remark}"


def _shard(path: Path, _: JsonModel) -> Iterator[str]:
    from stroi.cache.storage.formats import FORMATS
    from stroi.cache.storage.hdf5 import map_arrays
    from stroi.cache.storage.schema import check_contents

    refusal: StroiError | None = None
    for fmt in FORMATS.values():
        try:
            arrays = map_arrays(fmt, path)
        except RefusedInput as error:
            refusal = error
            if error.message.endswith(f"want {fmt.kind}"):
                continue
            raise
        check_contents(fmt, arrays, str(path))
        samples = len(arrays[fmt.fields[0].name])
        yield f"shard of kind {fmt.kind}: {samples} samples; `stroi cache verify` its folder too"
        for name, array in arrays.items():
            yield f"  {name} {array.dtype} {array.shape}"
        return
    if refusal is not None:
        raise refusal


READERS: dict[str, Callable[[Path, JsonModel], Iterator[str]]] = {
    **dict.fromkeys(WEIGHTS, _weights),
    ".json": _openpose,
    ".skeleton": _skeleton,
    ".h5": _shard,
    **dict.fromkeys(VIDEO_ENDINGS, _video),
}
"""Reader by the ending of the file's name."""


@click.command(
    help="Describe each received FILE after checking all of it: weights (.safetensors, .pth), "
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
    help="The model that OpenPose ran; its files do not name it.",
)
def command(files: tuple[Path, ...], json_model: JsonModel) -> None:
    """Inspect received files, all of them even if one is refused."""
    refusals = []
    for path in files:
        try:
            first, *rest = inspect_limited(path, json_model)
        except RefusedInput as error:
            refusals.append(error)
        else:
            click.echo("\n".join((f"{printable(str(path), 500)}: {first}", *rest)))
    if refusals:
        last = refusals.pop()
        raise RefusedInput(
            last.code, last.message, remedy=last.remedy, details=tuple(map(str, refusals))
        )
