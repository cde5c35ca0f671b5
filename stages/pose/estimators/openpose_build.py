"""Finding a user's own build of OpenPose, without loading it into this process.

OpenPose cannot be installed by pip: its Python module lies in the folder it was built in, loads
only into the Python it was built for, and looks different in every release.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stroi.cache.errors import StroiError

ROOT_VARIABLE = "OPENPOSE_ROOT"
"""Environment variable that names the folder of OpenPose where no param does."""

REMEDY = (
    f"name the folder of your build by skeletons.openpose.root or {ROOT_VARIABLE} "
    "(docs/pose-sources.md), or take another skeletons.source"
)
_MODULES = ("openpose.pyopenpose", "pyopenpose", "openpose.openpose")
_MARK = "stroi-openpose:"
_PROBE = (
    # OpenCV first, as in the stages: two of them in one process is what breaks builds most often.
    "import sys, cv2; from stroi.stages.pose.estimators.openpose_build import report; "
    "report(sys.argv[1:])"
)
_PATIENCE = 120.0
"""Seconds that loading the module may take: CUDA is slow to start on some machines."""


@dataclass(frozen=True)
class Build:
    """A build of OpenPose that loads.

    Attributes:
        dialect: Who can be called how: ``1.4``, ``1.5`` (also 1.6) or ``1.7`` (and later).
        module: File of the Python module.
        folders: What has to stand on ``sys.path`` to import it.
        models: OpenPose's folder of models.
    """

    dialect: str
    module: Path
    folders: tuple[str, ...]
    models: Path


def find_build(root: Path | None = None) -> Build:
    """The build below `root`, or else below ``OPENPOSE_ROOT``, or else on Python's path.

    The module is loaded in a process of its own, so that a broken build cannot end this one.

    Raises:
        StroiError: ``OPENPOSE_MISSING`` if there is none, ``OPENPOSE_IMPORT`` if it does not
            load, ``OPENPOSE_MODEL`` if it lies beside no folder of models.
    """
    named = root or (Path(os.environ[ROOT_VARIABLE]) if os.environ.get(ROOT_VARIABLE) else None)
    top = named.expanduser().resolve() if named else None
    if top and not top.is_dir():
        raise StroiError("OPENPOSE_MISSING", f"{top} is no folder", remedy=REMEDY)
    folders = python_folders(top) if top else ()
    if top and not folders:
        raise StroiError(
            "OPENPOSE_MISSING",
            f"{top} holds no Python module of OpenPose",
            remedy="build it with BUILD_PYTHON switched on (docs/pose-sources.md)",
        )
    found = _probe(folders)
    if "error" in found:
        raise _broken(top, folders, str(found["error"]))
    module = Path(str(found["module"]))
    return Build(str(found["dialect"]), module, folders, _models(top, module))


def python_folders(top: Path) -> tuple[str, ...]:
    """Folders of an OpenPose build or installation that its Python module is imported from."""
    places = [
        top / "build" / "python",
        top / "python",
        top,
        top / "build" / "python" / "openpose" / "Release",
        top / "python" / "openpose" / "Release",
    ]
    return tuple(
        str(place)
        for place in places
        if (place / "openpose" / "__init__.py").is_file() or any(place.glob("pyopenpose*.[psd]*"))
    )


def import_openpose(folders: Sequence[str]) -> tuple[Any, str]:
    """Load the module into this process.

    Args:
        folders: What has to stand on ``sys.path``; it stays there, for modules beside it.

    Returns:
        The module, and its dialect as in `Build`.

    Raises:
        ImportError: If there is none, or it does not load here.
    """
    sys.path[:0] = [folder for folder in folders if folder not in sys.path]
    problems = []
    for name in _MODULES:
        try:
            module = importlib.import_module(name)
        except (ImportError, OSError) as error:
            problems.append(str(error))
            continue
        if hasattr(module, "WrapperPython") and hasattr(module, "Datum"):
            return module, "1.7" if hasattr(module, "VectorDatum") else "1.5"
        if hasattr(module, "OpenPose"):
            return module, "1.4"
        problems.append(f"{name} is no module of OpenPose")
    raise ImportError(_telling(problems))


def report(folders: Sequence[str]) -> None:
    """Load the module and print what was found, for `find_build` to read from another process."""
    found: dict[str, str] = {}
    try:
        module, dialect = import_openpose(folders)
        found = {"dialect": dialect, "module": str(Path(module.__file__).resolve())}
    except ImportError as error:
        found = {"error": str(error)}
    sys.stdout.write(f"\n{_MARK}{json.dumps(found)}\n")


def _telling(problems: Sequence[str]) -> str:
    """The problem that says most: a module that is there and broken comes before one not there."""
    return min(problems, key=lambda problem: problem.startswith("No module named"))


def _probe(folders: Sequence[str]) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _PROBE, *folders],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"it does not load within {_PATIENCE:.0f} s"}
    _, mark, line = done.stdout.rpartition(_MARK)
    if not mark:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        return {"error": f"loading it ended the process: {last[:200]}"}
    found: dict[str, Any] = json.loads(line)
    return found


def _broken(top: Path | None, folders: Sequence[str], error: str) -> StroiError:
    if not folders and error.startswith("No module named"):
        return StroiError(
            "OPENPOSE_MISSING", "no Python module of OpenPose is found", remedy=REMEDY
        )
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    return StroiError(
        "OPENPOSE_IMPORT",
        f"OpenPose {f'in {top}' if top else 'on the path of Python'} does not load: {error}",
        remedy=f"build it with BUILD_PYTHON for this Python {here} (docs/pose-sources.md)",
    )


def _models(top: Path | None, module: Path) -> Path:
    """OpenPose's folder of models: below its root, or beside or above the module."""
    for place in (*([top] if top else []), *module.parents):
        if (place / "models" / "pose").is_dir():
            return place / "models"
    raise StroiError(
        "OPENPOSE_MODEL", f"no folder models/pose lies above {module.parent}", remedy=REMEDY
    )
