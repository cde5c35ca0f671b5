"""What is available on this machine: one check per part, each yields findings."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from stroi.cache.errors import ParamsError, StroiError
from stroi.trainer.config import IMAGENET_PACKAGE
from stroi.trainer.plugins import GROUPS, Plugin, all_installed, find, is_built_in, package

State = Literal["ok", "missing", "note"]

LIBRARIES = (
    "stroi", "numpy", "h5py", "opencv-python-headless", "av", "onnxruntime", "scipy", "torch",
    "joblib", "dask", "dvc", "safetensors", "pydantic", "click",
    IMAGENET_PACKAGE,
)  # fmt: skip
EXTRAS = {"dask": "'stroi[dask]'", IMAGENET_PACKAGE: "'stroi[imagenet]'"}
"""What to install for libraries that only some settings need."""

OTHER_OPENCV = ("opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless")
"""Packages that overwrite files of opencv-python-headless."""

CPU_FEATURES = ("avx2", "avx512f", "asimd")
"""Flags of /proc/cpuinfo that decide how fast networks run."""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        topic: Section of the report, such as ``pose``.
        name: What was checked.
        state: Whether it is available; a note is neither good nor bad.
        detail: Version, size, or what is wrong.
        remedy: What to do if it is missing; empty otherwise.
    """

    topic: str
    name: str
    state: State
    detail: str
    remedy: str = ""


EnvironmentCheck = Callable[[], Iterable[Finding]]
"""Checks one part of the machine; may raise."""


def run_check(topic: str, name: str, check: EnvironmentCheck) -> list[Finding]:
    """Findings of one check; one that fails becomes a finding itself."""
    try:
        return list(check())
    except Exception as error:  # a broken library may raise anything when it is imported
        return [Finding(topic, name, "missing", f"{type(error).__name__}: {error}")]


def processors() -> Iterable[Finding]:
    """CPU, its features, memory."""
    from stroi.trainer.runtime import BF16_FLAGS, bf16_features, cpu_flags

    text = _read("/proc/cpuinfo")
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    features = [name for name in (*CPU_FEATURES, *BF16_FLAGS) if name in cpu_flags(text)]
    cores = f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} cores may be used"
    name = model[1].strip() if model else platform.machine()
    yield Finding("machine", "cpu", "note", f"{name}; {cores}")
    yield Finding("machine", "cpu features", "note", ", ".join(features) or "none")
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
        gpu = torch.cuda.get_device_properties(number)
        size = f"{gpu.total_memory / 2**30:.0f} GiB"
        yield Finding("machine", f"gpu {number}", "ok", f"{gpu.name}, {size}")


def libraries() -> Iterable[Finding]:
    """Versions of Python and of the libraries that affect results."""
    yield Finding("versions", "python", "ok", f"{platform.python_version()}, {platform.platform()}")
    for name in LIBRARIES:
        installed = _version(name)
        if installed:
            yield Finding("versions", name, "ok", installed)
        else:
            remedy = f"pip install {EXTRAS.get(name, 'stroi')}"
            yield Finding("versions", name, "missing", "not installed", remedy)
    rivals = [name for name in OTHER_OPENCV if _version(name)]
    if rivals:
        yield Finding(
            "versions",
            "opencv",
            "missing",
            f"{', '.join(rivals)} overwrites files of opencv-python-headless",
            "uninstall all of them and install opencv-python-headless again",
        )


def codecs() -> Iterable[Finding]:
    """Videos and pictures that can be written and read, by trial."""
    import av
    import cv2

    version = ".".join(map(str, av.library_versions["libavcodec"]))
    yield _codec("ffmpeg", True, f"avcodec {version}")
    for tag in ("MJPG", "mp4v"):
        with tempfile.TemporaryDirectory(prefix="stroi-doctor-") as folder:
            frames = _round_trip(Path(folder) / "video.avi", tag, count=5)
        yield _codec(tag, frames == 5, f"{frames} of 5 frames written and read")
    for name in ("jpeg", "webp"):
        written, data = cv2.imencode(f".{name}", np.zeros((16, 16, 3), np.uint8))
        works = written and cv2.imdecode(data, cv2.IMREAD_COLOR) is not None
        yield _codec(name, works, "written and read")


def _codec(name: str, works: bool, detail: str) -> Finding:
    if works:
        return Finding("codecs", name, "ok", detail)
    remedy = "pip install --force-reinstall opencv-python-headless av"
    return Finding("codecs", name, "missing", "no", remedy)


def _round_trip(video: Path, tag: str, count: int) -> int:
    """Frames that can be read of a video of `count` frames."""
    import cv2

    from stroi.stages.video.reader import read_frames

    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*tag), 25, (64, 48))
    for level in range(count):
        writer.write(np.full((48, 64, 3), 40 * level, np.uint8))
    writer.release()
    return sum(1 for _ in read_frames(video))


def disk(store: Path) -> Iterable[Finding]:
    """Free space, and hard links, at the shard store."""
    existing = next(folder for folder in (store, *store.parents) if folder.is_dir())
    free = shutil.disk_usage(existing).free
    yield Finding("store", "folder", "note", str(store))
    yield Finding("store", "free", "note", f"{free / 2**30:.1f} GiB")
    links = _can_link(existing)
    yield Finding(
        "store",
        "hard links",
        "ok" if links else "note",
        "yes: a shard takes space once" if links else "no: shards are copied out of the store",
    )


def _can_link(folder: Path) -> bool:
    with tempfile.TemporaryDirectory(dir=folder, prefix="stroi-doctor-") as name:
        one = Path(name) / "one"
        one.touch()
        try:
            os.link(one, Path(name) / "two")
        except OSError:
            return False
        return True


def _version(package: str) -> str:
    """Its version; empty if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def pose_sources(root: Path | None, model: Path | None) -> Iterable[Finding]:
    """Every pose source: whether it can be used, and what to do if not.

    Args:
        root: Folder of a build of OpenPose; None for ``OPENPOSE_ROOT``.
        model: A user's own RTMO or RTMPose network; None if there is none.
    """
    from stroi.pipeline.params.profile import OnnxParams, OpenPoseParams, SkeletonParams
    from stroi.stages.pose.estimators.openpose_build import describe
    from stroi.stages.pose.registry import choose, load, with_full_paths

    params = SkeletonParams(
        source="auto",
        openpose=OpenPoseParams(root=str(root) if root else None),
        onnx=OnnxParams(model=str(model) if model else None),
    )
    for name in GROUPS["pose"].built_in:
        try:
            estimator = load(params.replace(source=name))
        except StroiError as error:
            yield Finding("pose", name, "missing", f"{error.code}: {error.message}", error.remedy)
        else:
            yield Finding("pose", name, "ok", f"{estimator.name}, model {estimator.digest[:12]}")
    with suppress(StroiError):  # said above
        for name, detail, problem in describe(with_full_paths(params).openpose):
            state: State = "missing" if problem else "ok"
            yield Finding("pose", name, state, detail, problem.remedy if problem else "")
    yield Finding("pose", "openpose-json", "ok", "needs folders of OpenPose's --write_json only")
    yield Finding("pose", "kinect", "ok", "needs the .skeleton files of NTU RGB+D only")
    yield Finding("pose", "own", "ok", "needs 3D skeletons with a camera or pixels only")
    message = choose(params).message
    yield Finding("pose", "auto", "note", f"would take {message}; the default is movenet")


def plugins() -> Iterable[Finding]:
    """Installed plug-ins: whether each can be used."""
    for group, entry in all_installed():
        where = f"{group}: {entry.name}"
        try:
            if is_built_in(group, entry.name):
                problem = f"{package(entry)} has a plug-in of the name of a built-in one"
                raise ParamsError("PLUGIN_NAME", problem, remedy="rename it in its package")
            plugin = find(group, entry.name, Plugin)
            more = plugin.doctor()
        except StroiError as error:
            yield Finding(
                "plug-ins", where, "missing", f"{error.code}: {error.message}", error.remedy
            )
        else:
            about = f"{package(entry)}, version {plugin.version}"
            yield Finding("plug-ins", where, "ok", f"{about}; {more}" if more else about)


def dvc_project(project: Path) -> Iterable[Finding]:
    """Whether DVC can run in the project."""
    if (project / ".dvc").is_dir():
        yield Finding("store", "dvc project", "ok", f"{project} is a DVC project")
    else:
        problem = f"{project} has no folder .dvc"
        remedy = "run `dvc init`, or give --root"
        yield Finding("store", "dvc project", "missing", problem, remedy)
