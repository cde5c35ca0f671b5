"""What a single received file is, in a few lines, once everything in it has been checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from stroi.cache.errors import ClipRejected, RefusedInput, StroiError
from stroi.pipeline.strict_yaml import printable

if TYPE_CHECKING:
    from stroi.stages.pose.openpose_json import JsonModel

MODELS: tuple[JsonModel, ...] = ("BODY_25", "BODY_25B", "COCO")
"""What OpenPose may have run; its files do not say it."""


def look(path: Path, *, json_model: JsonModel = "BODY_25") -> list[str]:
    """Check a file to its last byte and describe it.

    Its name's ending says what it has to be. Modules that read it are loaded only now, so that
    looking at one kind costs nothing for another.

    Args:
        path: The file.
        json_model: Model of an OpenPose file, one of `MODELS`.

    Returns:
        Printable lines: what it is, and its particulars.

    Raises:
        RefusedInput: ``FILE_KIND`` if no reader is for this ending; any refusal of the readers.
    """
    kind = LOOKS.get(path.suffix.lower())
    if kind is None:
        endings = " ".join(sorted(LOOKS))
        raise RefusedInput(
            "FILE_KIND", f"{str(path)!a}: no reader for this ending", remedy=f"known are: {endings}"
        )
    try:
        return [printable(line, 500) for line in kind(path, json_model)]
    except ClipRejected as error:
        # In a run the clip is left out and the run goes on; here there is nothing but this file.
        raise RefusedInput(error.code, error.message, remedy=error.remedy) from error


def _weights(path: Path, _: JsonModel) -> Iterator[str]:
    from stroi.trainer.safetensors_io import read_tensors

    tensors, meta = read_tensors(path, pth=True)
    numbers = sum(tensor.numel() for tensor in tensors.values())
    yield f"weights: {len(tensors)} tensors, {numbers} numbers, all finite"
    if "model" in meta:
        classes = meta.get("classes")
        count = len(classes) if isinstance(classes, list) else "no"
        yield f"a checkpoint of stroi: model {str(meta['model'])[:40]}, {count} classes"
    for name, tensor in list(tensors.items())[:_SHOWN]:
        yield f"  {name[:60]} {str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
    if len(tensors) > _SHOWN:
        yield f"  and {len(tensors) - _SHOWN} more"


def _openpose(path: Path, model: JsonModel) -> Iterator[str]:
    from stroi.stages.pose.openpose_json import read_openpose_json

    people = read_openpose_json(path, model=model)
    yield f"OpenPose frame ({model}): {len(people)} {'person' if len(people) == 1 else 'people'}"
    for number, person in enumerate(people):
        found = person[:, 2] > 0
        yield f"  person {number}: {found.sum()} of 25 joints of BODY_25"


def _skeleton(path: Path, _: JsonModel) -> Iterator[str]:
    from stroi.pipeline.datasets.ntu_skeleton import read_ntu_skeleton

    skeleton = read_ntu_skeleton(path)
    yield f"NTU skeleton: {skeleton.frames} frames, {len(skeleton.bodies)} bodies"
    for body in skeleton.bodies[:_SHOWN]:
        yield f"  body {body.id}: in {len(body.frames)} frames"
    if len(skeleton.bodies) > _SHOWN:
        yield f"  and {len(skeleton.bodies) - _SHOWN} more"


def _video(path: Path, _: JsonModel) -> Iterator[str]:
    from stroi.stages.video import read_frames

    frames = read_frames(path)
    while frames.skip():
        frames.picture()
    info = frames.info
    yield (
        f"video: {info.frames} frames decode of {info.declared} declared, "
        f"{info.width} x {info.height} px, {info.fps:g} frames per second"
    )


def _shard(path: Path, _: JsonModel) -> Iterator[str]:
    from stroi.cache.formats import FORMATS
    from stroi.cache.hdf5 import map_arrays
    from stroi.cache.schema import check_contents

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


WEIGHTS = (".safetensors", ".pth", ".pt")
Look = Callable[[Path, "JsonModel"], Iterator[str]]
_SHOWN = 5
LOOKS: dict[str, Look] = {
    **dict.fromkeys(WEIGHTS, _weights),
    ".json": _openpose,
    ".skeleton": _skeleton,
    ".h5": _shard,
    **dict.fromkeys((".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm"), _video),
}
"""Reader by the ending of a file's name."""
