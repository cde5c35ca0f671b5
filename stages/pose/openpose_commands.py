"""The shell script by which an OpenPose elsewhere writes what ``openpose-json`` reads.

For those whose OpenPose was built for another Python, or is on another machine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from shlex import quote

from stroi.pipeline.datasets.reading.tree import JSON_FOLDER
from stroi.pipeline.index.table import Sample
from stroi.pipeline.params.profile import SkeletonParams

_HEAD = """#!/bin/sh
# OpenPose's JSON files of every clip of {dataset}; run it again, and it goes on where it was.
# Made by `stroi skeletons {dataset} --print-openpose-commands`.
set -eu
raw={raw}
root="${{OPENPOSE_ROOT:?name the folder of OpenPose}}"
openpose="${{OPENPOSE:-$root/build/examples/openpose/openpose.bin}}"
# clip FOLDER INPUT...: into a folder of another name first, so that one that is there is whole
clip() {{
  out="$raw/$1"; shift
  if [ -d "$out" ]; then return; fi
  rm -rf "$out.part"; mkdir -p "$out.part"
  "$openpose" "$@" --write_json "$out.part" {flags} --model_folder "$root/models/" < /dev/null
  mv "$out.part" "$out"
}}"""


def openpose_commands(
    dataset: str, raw: Path, samples: Iterable[Sample], params: SkeletonParams
) -> Iterator[str]:
    """The lines of the script.

    Args:
        dataset: Name of the data set.
        raw: Its folder.
        samples: Its clips; those without a video are left out.
        params: Of stage ``skeletons``: ``openpose_json.model`` and the flags in ``openpose``.
    """
    flags = params.openpose.model_dump(
        include={
            "net_resolution", "scale_number", "scale_gap", "number_people_max",
            "maximize_positives",
        }
    )  # fmt: skip
    flags |= {"model_pose": params.openpose_json.model, "keypoint_scale": 0}
    flags |= {"render_pose": 0, "display": 0}
    told = " ".join(f"--{name} {quote(str(value))}" for name, value in flags.items())
    yield _HEAD.format(dataset=dataset, raw=quote(str(raw.resolve())), flags=told)
    for sample in samples:
        if sample.video:
            yield f"clip {_place(sample)} {_input(raw, sample)}"


def _place(sample: Sample) -> str:
    return quote(sample.skeleton or f"{JSON_FOLDER}/{sample.id}")


def _input(raw: Path, sample: Sample) -> str:
    kind = "image_dir" if (raw / sample.video).is_dir() else "video"
    part = [f"--frame_first {sample.start}"] if sample.start else []
    if sample.stop:
        part.append(f"--frame_last {sample.stop - 1}")
    return " ".join([f'--{kind} "$raw"/{quote(sample.video)}', *part])
