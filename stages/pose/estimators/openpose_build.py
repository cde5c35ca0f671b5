"""A user's own build of OpenPose: its Python module, and the files of its networks."""

from __future__ import annotations

import hashlib
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stroi.cache.errors import RefusedInput, StroiError
from stroi.cache.files.digests import sha256_file
from stroi.cache.layouts import BODY_25, Layout
from stroi.pipeline.params.profile import OpenPoseParams
from stroi.stages.pose.layouts import COCO_18

ROOT_VARIABLE = "OPENPOSE_ROOT"
"""Environment variable that names the folder of the build where no param does."""

DYNAMIC = "net_resolution_dynamic"
"""A flag that releases after 1.7.0 have; older ones end the process if it is given."""


@dataclass(frozen=True)
class Network:
    """The files of a network, below OpenPose's folder of models.

    Attributes:
        prototxt: Its layers; comes with OpenPose's source.
        weights: Its weights, which the user has to find.
        size: Bytes of the weights.
        md5: Their MD5 by OpenPose's ``CMakeLists.txt``.
        layout: The joints that it finds.
    """

    prototxt: str
    weights: str
    size: int
    md5: str
    layout: Layout


NETWORKS = {
    "BODY_25": Network(
        "pose/body_25/pose_deploy.prototxt",
        "pose/body_25/pose_iter_584000.caffemodel",
        104_715_850,
        "78287b57cf85fa89c03f1393d368e5b7",
        BODY_25,
    ),
    "COCO": Network(
        "pose/coco/pose_deploy_linevec.prototxt",
        "pose/coco/pose_iter_440000.caffemodel",
        209_274_056,
        "5156d31f670511fce9b4e28b403f2939",
        COCO_18,
    ),
}

_NAME_IT = (
    f"name the folder of your build by skeletons.openpose.root or {ROOT_VARIABLE} "
    "(docs/pose-sources.md), or take another skeletons.source"
)
_BUILD_IT = (
    f"build it with BUILD_PYTHON for this Python {sys.version_info.major}.{sys.version_info.minor}"
    " (docs/pose-sources.md)"
)
_PLACES = (
    "build/python", "python", ".", "build/python/openpose/Release", "python/openpose/Release",
)  # fmt: skip
"""Folders of a build or an installation that the Python module can be imported from."""
_MARK = "stroi-openpose:"
# OpenCV first, as in the stages: two of them in one process is what breaks builds most often.
_PROBE = f"""
import json, sys, cv2
from {__name__} import import_openpose
module = import_openpose(sys.argv[1:])
dialect = "1.7" if hasattr(module, "VectorDatum") else "1.5"
try:
    gpus = module.get_gpu_number()
except Exception:  # built for the CPU, or no GPU is here
    gpus = 0
print("\\n{_MARK}" + json.dumps([dialect, module.__file__, gpus]))
"""


@dataclass(frozen=True)
class Build:
    """A build of OpenPose that loads.

    Attributes:
        dialect: How it is called, ``1.5`` or ``1.7``.
        module: File of the Python module.
        folders: What has to be on ``sys.path`` to import it.
        models: OpenPose's folder of models.
        gpus: GPUs that it sees; 0 if it runs on the CPU.
    """

    dialect: str
    module: Path
    folders: tuple[str, ...]
    models: Path
    gpus: int

    def has_flag(self, name: str) -> bool:
        """Whether the release knows a flag: one that it does not know ends the process."""
        return name.encode() in self.module.read_bytes()


def find_build(root: Path | None, models: Path | None = None) -> Build:
    """The build below `root`, or else on Python's path.

    Args:
        root: Folder of the build or of the installation.
        models: OpenPose's folder of models; by default it is searched near the module.

    Raises:
        StroiError: ``OPENPOSE_MISSING`` if there is none, ``OPENPOSE_IMPORT`` if it does not
            load, ``OPENPOSE_MODEL`` if no folder of models is near it.
    """
    places = [root / place for place in _PLACES] if root else []
    folders = tuple(
        str(place)
        for place in places
        if (place / "openpose" / "__init__.py").is_file() or any(place.glob("pyopenpose*.[psd]*"))
    )
    if root and not folders:
        problem = f"{root} holds no Python module of OpenPose"
        raise StroiError("OPENPOSE_MISSING", problem, remedy=_BUILD_IT)
    dialect, module, gpus = _probe(folders, f"in {root}" if root else "on the path of Python")
    near = (folder / "models" for folder in (*([root] if root else []), *module.parents))
    for folder in [models] if models else near:
        if (folder / "pose").is_dir():
            return Build(dialect, module, folders, folder, gpus)
    raise StroiError(
        "OPENPOSE_MODEL",
        f"{models} has no folder pose" if models else f"no folder models/pose is above {module}",
        remedy="name OpenPose's folder of models by skeletons.openpose.models: an installation"
        " has none, the source has",
    )


def _probe(folders: Sequence[str], where: str) -> tuple[str, Path, int]:
    """Dialect, file and GPUs of the module, loaded in a process of its own that it may crash."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _PROBE, *folders],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=120,  # CUDA is slow to start on some machines
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        problem = f"it takes more than {error.timeout:.0f} s"
    else:
        _, mark, line = done.stdout.rpartition(_MARK)
        if mark:
            dialect, module, gpus = json.loads(line.splitlines()[0])
            return dialect, Path(module).resolve(), gpus
        problem = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1][:200]
    if not folders and problem.startswith("ImportError: No module named"):
        problem = "no Python module of OpenPose is found"
        raise StroiError("OPENPOSE_MISSING", problem, remedy=_NAME_IT)
    problem = f"OpenPose {where} does not load: {problem}"
    raise StroiError("OPENPOSE_IMPORT", problem, remedy=_BUILD_IT)


def import_openpose(folders: Sequence[str]) -> Any:
    """Load the Python module into this process; `folders` stay on ``sys.path`` for the build.

    Raises:
        ImportError: If there is none, or it does not load here.
    """
    sys.path[:0] = [folder for folder in folders if folder not in sys.path]
    problems = []
    for name in ("openpose.pyopenpose", "pyopenpose"):
        try:
            module = importlib.import_module(name)
        except (ImportError, OSError) as error:
            problems.append(str(error))
            continue
        if hasattr(module, "WrapperPython"):
            return module
        problems.append(f"{name} is no module of OpenPose")
    # A module that is there and broken comes before one that is not there.
    raise ImportError(min(problems, key=lambda problem: problem.startswith("No module named")))


@dataclass(frozen=True)
class NetworkFiles:
    """SHA-256 of a network's weights and of its prototxt."""

    weights: str
    prototxt: str


def check_network(models: Path, network: Network, own_md5: str = "") -> NetworkFiles:
    """Check the files of a network: OpenPose runs with weights that are none, and finds nobody.

    Args:
        models: OpenPose's folder of models.
        network: The network.
        own_md5: MD5 of weights that the user means in place of OpenPose's.

    Raises:
        RefusedInput: ``OPENPOSE_MODEL`` if one is missing, or the weights are other ones.
    """
    prototxt, weights = models / network.prototxt, models / network.weights
    if not prototxt.is_file():
        raise RefusedInput(
            "OPENPOSE_MODEL",
            f"{prototxt} is missing",
            remedy="copy it from OpenPose's source, which has it in its folder models",
        )
    size = weights.stat().st_size if weights.is_file() else 0
    if not size or (size != network.size and not own_md5):
        raise RefusedInput(
            "OPENPOSE_MODEL",
            f"{weights} has {size:,} bytes, the network's weights {network.size:,}",
            remedy="put the whole file there (docs/pose-sources.md), or take another source",
        )
    with weights.open("rb") as file:
        md5 = hashlib.file_digest(file, "md5").hexdigest()
    if md5 != (own_md5 or network.md5):
        whose = "skeletons.openpose.weights_md5 names" if own_md5 else "those of OpenPose have"
        raise RefusedInput(
            "OPENPOSE_MODEL",
            f"{weights} has the MD5 {md5}; {whose} {own_md5 or network.md5}",
            remedy="fetch the file again; only for weights that you trained yourself set"
            f" skeletons.openpose.weights_md5: {md5}",
        )
    return NetworkFiles(sha256_file(weights), sha256_file(prototxt))


def describe(params: OpenPoseParams) -> Iterator[tuple[str, str, StroiError | None]]:
    """Name, state and problem of the module, and of each network's files.

    Args:
        params: ``root``, ``models`` and ``weights_md5`` count.

    Raises:
        StroiError: As `find_build`.
    """
    build = find_build(*folders_of(params))
    where = f"{build.gpus} GPUs" if build.gpus else "CPU"
    yield "openpose module", f"{build.module}, dialect {build.dialect}, {where}", None
    for name, network in NETWORKS.items():
        try:
            own = params.weights_md5 if name == params.model else ""
            files = check_network(build.models, network, own)
        except RefusedInput as error:
            yield f"openpose {name}", error.message, error
            continue
        known = "named in the params" if own and own != network.md5 else "known"
        yield (
            f"openpose {name}",
            f"{build.models / network.weights}, MD5 {known}; prototxt {files.prototxt[:12]}",
            None,
        )


def folders_of(params: OpenPoseParams) -> tuple[Path | None, Path | None]:
    """The folders of the build and of the models that the params name."""
    root, models = (Path(one) if one else None for one in (params.root, params.models))
    return root, models
