"""``stroi doctor``: what is available on this machine, and what to install for the rest."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import click
import numpy as np

from stroi.cache.errors import StroiError
from stroi.pipeline.options import in_project, say
from stroi.pipeline.workspace import Workspace
from stroi.trainer.runtime import BF16_FLAGS, bf16_features, cpu_flags

State = Literal["ok", "missing", "note"]

LIBRARIES = (
    "stroi", "numpy", "h5py", "opencv-python-headless", "onnxruntime", "scipy", "torch", "joblib",
    "dask", "dvc", "safetensors", "pydantic", "click",
)  # fmt: skip

_FRAMES = 5

CPU_FEATURES = ("avx2", "avx512f", "asimd", *BF16_FLAGS)
"""Flags of /proc/cpuinfo that decide how fast networks run."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for.

    Attributes:
        topic: What it belongs to, such as ``pose``.
        name: What was looked for.
        state: Whether it is there; a note is neither good nor bad.
        detail: What was found.
        remedy: What to do about it, if it is missing; empty otherwise.
    """

    topic: str
    name: str
    state: State
    detail: str
    remedy: str = ""


EnvironmentCheck = Callable[[], Iterable[Finding]]


def run_check(topic: str, name: str, check: EnvironmentCheck) -> list[Finding]:
    """Findings of one check; one that fails becomes a finding itself."""
    try:
        return list(check())
    except Exception as error:  # whatever a broken library raises when it is only looked at
        return [Finding(topic, name, "missing", f"{type(error).__name__}: {error}")]


def processors() -> Iterable[Finding]:
    """CPU, its features, memory."""
    text = _read("/proc/cpuinfo")
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    features = [name for name in CPU_FEATURES if name in cpu_flags(text)]
    cores = f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} cores may be used"
    name = model[1].strip() if model else platform.machine()
    yield Finding("machine", "cpu", "note", f"{name}; {cores}")
    yield Finding("machine", "cpu features", "note", ", ".join(features) or "none of note")
    bf16 = bf16_features(text)
    yield Finding(
        "machine",
        "bf16",
        "note",
        f"fast ({', '.join(bf16)})" if bf16 else "not on this CPU: precision auto is fp32",
    )
    memory = re.search(r"^MemTotal:\s*(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    if memory:
        yield Finding("machine", "memory", "note", f"{int(memory[1]) / 2**20:.1f} GiB")


def graphics() -> Iterable[Finding]:
    """GPUs that PyTorch sees."""
    import torch

    if not torch.cuda.is_available():
        yield Finding(
            "machine", "gpu", "note", "none that PyTorch sees; only stage resnet would use one"
        )
        return
    for number in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(number)
        size = f"{about.total_memory / 2**30:.0f} GiB"
        yield Finding("machine", f"gpu {number}", "ok", f"{about.name}, {size}")


def libraries() -> Iterable[Finding]:
    """Versions of Python and of everything that shapes results."""
    yield Finding("versions", "python", "ok", f"{platform.python_version()}, {platform.platform()}")
    for name in LIBRARIES:
        try:
            yield Finding("versions", name, "ok", importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            extra = "pip install 'stroi[dask]'" if name == "dask" else "pip install stroi"
            yield Finding("versions", name, "missing", "not installed", extra)
    rivals = [
        name
        for name in ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")
        if _installed(name)
    ]
    if rivals:
        yield Finding(
            "versions",
            "opencv",
            "missing",
            f"{', '.join(rivals)} overwrites files of opencv-python-headless",
            "uninstall all of them and install opencv-python-headless again",
        )


def codecs() -> Iterable[Finding]:
    """Videos and pictures that OpenCV can read, by doing it."""
    import cv2

    build = cv2.getBuildInformation()
    version = re.search(r"avcodec:\s*\S+ \(([^)]+)\)", build)
    there = re.search(r"FFMPEG:\s*YES", build) is not None
    yield _codec("ffmpeg", there, f"avcodec {version[1] if version else 'of unknown version'}")
    for tag in ("MJPG", "mp4v"):
        with tempfile.TemporaryDirectory(prefix="stroi-doctor-") as folder:
            frames = _round_trip(Path(folder) / "video.avi", tag)
        yield _codec(tag, frames == _FRAMES, f"{frames} of {_FRAMES} frames written and read")
    for name in ("jpeg", "webp"):
        good, coded = cv2.imencode(f".{name}", np.zeros((16, 16, 3), np.uint8))
        can = good and cv2.imdecode(coded, cv2.IMREAD_COLOR) is not None
        yield _codec(name, can, "written and read")


def _codec(name: str, can: bool, detail: str) -> Finding:
    remedy = "" if can else "pip install --force-reinstall opencv-python-headless"
    return Finding("codecs", name, "ok" if can else "missing", detail if can else "no", remedy)


def _round_trip(video: Path, tag: str) -> int:
    """Frames that come back of a short video."""
    import cv2

    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*tag), 25, (64, 48))
    for level in range(_FRAMES):
        writer.write(np.full((48, 64, 3), 40 * level, np.uint8))
    writer.release()
    reader = cv2.VideoCapture(str(video))
    frames = 0
    while reader.grab():
        frames += 1
    reader.release()
    return frames


def disk(store: Path) -> Iterable[Finding]:
    """Room and links where finished work is kept."""
    place = next(folder for folder in (store, *store.parents) if folder.is_dir())
    free = shutil.disk_usage(place).free
    yield Finding("store", "folder", "note", str(store))
    yield Finding("store", "free", "note", f"{free / 2**30:.1f} GiB")
    links = _links(place)
    yield Finding(
        "store",
        "hard links",
        "ok" if links else "note",
        "yes: shards take their room once" if links else "no: shards are copied out of the store",
    )


def _links(folder: Path) -> bool:
    with tempfile.TemporaryDirectory(dir=folder, prefix="stroi-doctor-") as name:
        one = Path(name) / "one"
        one.touch()
        try:
            os.link(one, Path(name) / "two")
        except OSError:
            return False
        return True


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def pose_sources(root: Path | None, model: Path | None) -> Iterable[Finding]:
    """Every pose source: whether it can be used here, and what to do if not.

    Args:
        root: Folder of a build of OpenPose; None for ``OPENPOSE_ROOT``.
        model: A user's own RTMO or RTMPose network; None if there is none.
    """
    from stroi.pipeline.params.profile import OnnxParams, OpenPoseParams, SkeletonParams
    from stroi.stages.pose.registry import ESTIMATORS, choose, load

    params = SkeletonParams(
        source="auto",
        openpose=OpenPoseParams(root=str(root) if root else None),
        onnx=OnnxParams(model=str(model) if model else None),
    )
    for name in ESTIMATORS:
        try:
            estimator = load(params.replace(source=name))
        except StroiError as error:
            yield Finding("pose", name, "missing", f"{error.code}: {error.message}", error.remedy)
        else:
            yield Finding("pose", name, "ok", f"{estimator.name}, model {estimator.digest[:12]}")
    yield Finding("pose", "openpose-json", "ok", "needs folders of OpenPose's --write_json only")
    yield Finding("pose", "kinect", "ok", "needs the .skeleton files of NTU RGB+D only")
    message = choose(params).message
    yield Finding("pose", "auto", "note", f"would take {message}; the default is movenet")


def tracking(project: Path) -> Iterable[Finding]:
    """Whether DVC can run in the project."""
    here = (project / ".dvc").is_dir()
    yield Finding(
        "store",
        "dvc project",
        "ok" if here else "missing",
        f"{project} is a DVC project" if here else f"{project} has no folder .dvc",
        "" if here else "run `dvc init`, or give --root",
    )


def examine(workspace: Workspace, root: Path | None, model: Path | None) -> list[Finding]:
    """Everything there is to know; never raises because something is missing."""
    checks: list[tuple[str, str, EnvironmentCheck]] = [
        ("pose", "pose sources", partial(pose_sources, root, model)),
        ("machine", "cpu", processors),
        ("machine", "gpu", graphics),
        ("codecs", "opencv", codecs),
        ("store", "disk", partial(disk, workspace.store)),
        ("store", "dvc project", partial(tracking, workspace.root)),
        ("versions", "libraries", libraries),
    ]
    return [finding for check in checks for finding in run_check(*check)]


def table(findings: Iterable[Finding]) -> str:
    """The findings as lines, one topic after the other."""
    rows = list(findings)
    names = max(len(row.name) for row in rows)
    lines = []
    topic = ""
    for row in rows:
        if row.topic != topic:
            lines += [""] * bool(topic) + [row.topic]
            topic = row.topic
        state = {"ok": "yes", "missing": "no", "note": ""}[row.state]
        lines.append(f"  {row.name:{names}}  {state:3}  {row.detail}")
        if row.remedy:
            lines.append(f"  {'':{names}}       -> {row.remedy}")
    return "\n".join(lines)


@click.command(help="Tell what is available on this machine, and what to install for the rest.")
@in_project
@click.option(
    "--openpose-root",
    type=click.Path(path_type=Path),
    help="Folder of your build of OpenPose; else the variable OPENPOSE_ROOT.",
)
@click.option(
    "--onnx-model",
    type=click.Path(path_type=Path),
    help="Your own RTMO or RTMPose network, an ONNX file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(
    workspace: Workspace, openpose_root: Path | None, onnx_model: Path | None, as_json: bool
) -> None:
    """Look at the machine."""
    # Before PyTorch is loaded: its CPU kernels must not spread over a shared machine for a look.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    findings = examine(workspace, openpose_root, onnx_model)
    say(json.dumps([asdict(row) for row in findings], indent=2) if as_json else table(findings))
