"""The rules of the house: length of files, what help loads, packaging."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PACKAGES = ("api", "cache", "pipeline", "stages", "trainer")


def test_only_the_command_line_names_the_stages(root: Path) -> None:
    naming = {
        str(path.relative_to(root))
        for path in sorted((root / "pipeline").rglob("*.py"))
        if "stroi.stages" in path.read_text(encoding="utf-8")
    }
    assert naming == {"pipeline/cli.py", "pipeline/versions.py"}


def test_no_file_is_too_long(root: Path) -> None:
    long = [
        f"{path.relative_to(root)}: {lines}"
        for package in (*PACKAGES, "tests", "benchmarks")
        for path in sorted((root / package).rglob("*.py"))
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    ]
    assert long == []


def test_help_loads_no_heavy_module() -> None:
    script = (
        "import sys\n"
        "from stroi.pipeline.cli import run\n"
        "assert run(['--help']) == 0\n"
        "heavy = {'torch', 'cv2', 'h5py', 'scipy', 'onnxruntime', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "bare = {'cache', 'pipeline', 'stages', 'trainer'} & set(sys.modules)\n"
        "assert not bare, bare\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_help_of_no_command_loads_torch() -> None:
    """All commands and subcommands in one process: what one loads stays, and is named."""
    script = (
        "import sys\n"
        "import click\n"
        "from stroi.pipeline.cli import run, stroi\n"
        "def walk(group, path):\n"
        "    for name in group.list_commands(None):\n"
        "        command = group.get_command(None, name)\n"
        "        assert run([*path, name, '--help']) == 0\n"
        "        assert 'torch' not in sys.modules, ' '.join([*path, name])\n"
        "        if isinstance(command, click.Group):\n"
        "            walk(command, [*path, name])\n"
        "walk(stroi, [])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Usage: stroi ") > 25


@pytest.mark.nightly
@pytest.mark.slow
def test_wheel_holds_stroi_alone_and_everything_of_it(root: Path, tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir"]
    done = subprocess.run([*pip, str(tmp_path), "."], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("stroi-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name.split("/")[0] for name in names} <= {
        "stroi",
        *(n.split("/")[0] for n in names if ".dist-info/" in n),
    }
    sources = {
        f"stroi/{path.relative_to(root)}".replace("stroi/api/", "stroi/")
        for package in PACKAGES
        for path in (root / package).rglob("*")
        if path.suffix in {".py", ".onnx", ".html"}
    }
    assert sources <= names, sorted(sources - names)
