"""The rules of the house: length of files, what help loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PACKAGES = ("api", "cache", "pipeline", "stages", "trainer")


def test_only_the_command_line_names_the_stages(root: Path) -> None:
    naming = {
        str(path.relative_to(root))
        for path in sorted((root / "pipeline").rglob("*.py"))
        if "stroi.stages" in path.read_text(encoding="utf-8")
    }
    assert naming == {"pipeline/cli.py", "pipeline/versions.py"}


def test_no_file_is_too_long(root: Path) -> None:
    most = dict.fromkeys(PACKAGES, 300) | {"tests": 400, "benchmarks": 400}
    long = [
        f"{path.relative_to(root)}: {lines}"
        for folder, limit in most.items()
        for path in sorted((root / folder).rglob("*.py"))
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > limit
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
