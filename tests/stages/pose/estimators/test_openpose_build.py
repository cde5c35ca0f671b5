"""Finding a build of OpenPose, and saying what is wrong with it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from fake_openpose import fake_build

from stroi.cache.errors import StroiError
from stroi.stages.pose.estimators.openpose_build import find_build, import_openpose


@pytest.fixture(autouse=True)
def _no_build_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)


def test_build_is_found_without_loading_it_here(tmp_path: Path) -> None:
    assert find_build(fake_build(tmp_path / "old", "1.5")).dialect == "1.5"
    root = fake_build(tmp_path / "new", "master")
    build = find_build(root)
    assert (build.dialect, build.models) == ("1.7", root / "models")
    assert build.module == root / "build" / "python" / "openpose" / "pyopenpose.py"
    assert "openpose" not in sys.modules


def test_installed_module_is_found_on_pythons_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = fake_build(tmp_path, "master")
    monkeypatch.setenv("PYTHONPATH", str(root / "build" / "python"))
    build = find_build(None)
    assert (build.dialect, build.folders, build.models) == ("1.7", (), root / "models")


def test_module_without_a_package_is_found(tmp_path: Path) -> None:
    root = fake_build(tmp_path, "master")
    package = root / "build" / "python" / "openpose"
    shutil.move(package / "pyopenpose.py", root / "build" / "python" / "pyopenpose.py")
    shutil.rmtree(package)
    assert find_build(root).dialect == "1.7"


def test_nothing_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StroiError) as caught:
        find_build(None)
    assert str(caught.value) == (
        "OPENPOSE_MISSING: no Python module of OpenPose is found; name the folder of your build "
        "by skeletons.openpose.root or OPENPOSE_ROOT (docs/pose-sources.md), or take another "
        "skeletons.source"
    )
    with pytest.raises(StroiError, match=r"OPENPOSE_MISSING: .*/absent holds no Python module"):
        find_build(tmp_path / "absent")
    with pytest.raises(StroiError, match=r"holds no Python module.*BUILD_PYTHON for this"):
        find_build(tmp_path)


def test_module_built_for_another_python_says_so(tmp_path: Path) -> None:
    root = fake_build(tmp_path, "master")
    package = root / "build" / "python" / "openpose"
    (package / "pyopenpose.py").rename(package / "pyopenpose.cpython-37m-x86_64-linux-gnu.so")
    with pytest.raises(StroiError) as caught:
        find_build(root)
    assert caught.value.code == "OPENPOSE_IMPORT"
    assert "cannot import name 'pyopenpose'" in caught.value.message
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"build it with BUILD_PYTHON for this Python {here}" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("import os; os.kill(os.getpid(), 11)", "does not load: status -11"),
        ("raise SystemExit('no GPU here')", "does not load: no GPU here"),
        ("raise OSError('libcudart.so.11: cannot open')", "libcudart.so.11: cannot open"),
    ],
)
def test_module_that_crashes_takes_nobody_with_it(tmp_path: Path, text: str, problem: str) -> None:
    root = fake_build(tmp_path, "master")
    (root / "build" / "python" / "openpose" / "pyopenpose.py").write_text(text)
    with pytest.raises(StroiError) as caught:
        find_build(root)
    assert caught.value.code == "OPENPOSE_IMPORT"
    assert problem in caught.value.message


def test_another_package_of_that_name_is_not_taken_for_it(tmp_path: Path) -> None:
    package = tmp_path / "python" / "openpose"
    package.mkdir(parents=True)
    for name in ("__init__", "pyopenpose"):
        (package / f"{name}.py").write_text("VERSION = 1\n")
    with pytest.raises(StroiError, match=r"openpose.pyopenpose is no module of OpenPose"):
        find_build(tmp_path)


def test_models_are_looked_for_above_the_module(tmp_path: Path) -> None:
    root = fake_build(tmp_path / "openpose", "master")
    assert find_build(root / "build" / "python").models == root / "models"
    shutil.rmtree(root / "models")
    with pytest.raises(
        StroiError,
        match=r"no folder models/pose is above .*openpose.models: an",
    ):
        find_build(root)


def test_import_tells_what_is_wrong(tmp_path: Path) -> None:
    before = list(sys.path)
    try:
        with pytest.raises(ImportError, match="No module named 'openpose'"):
            import_openpose([str(tmp_path)])
    finally:
        sys.path[:] = before
