"""What users install: the sdist and the wheel are complete, hold nothing else, and work alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from email import message_from_bytes
from email.message import Message
from importlib.metadata import version
from pathlib import Path

import pytest
from dvc.utils.serialize import loads_yaml
from projects import PROFILE

PACKAGES = ("api", "cache", "pipeline", "stages", "trainer")
METADATA = {
    "CHANGELOG.md", "CITATION.cff", "LICENSE", "README.md", "docs/package.md", "pyproject.toml",
    "setup.cfg",
}  # fmt: skip
BUILD = (
    "import sys, setuptools.build_meta as backend\n"
    "print(getattr(backend, f'build_{sys.argv[1]}')(sys.argv[2]))\n"
)


def _build(kind: str, source: Path, out: Path) -> Path:
    """Build a distribution as pip does, with the setuptools that is installed."""
    command = [sys.executable, "-c", BUILD, kind, str(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out / done.stdout.splitlines()[-1]


def _package_files(root: Path) -> dict[str, bytes]:
    """Every file of the packages, by its path in the tree; links as what they lead to."""
    found = {}
    for package in PACKAGES:
        for folder, _, names in os.walk(root / package, followlinks=True):
            for path in (Path(folder) / name for name in names):
                if "__pycache__" not in path.parts:
                    found[str(path.relative_to(root))] = path.read_bytes()
    return found


@pytest.fixture(scope="module")
def built(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist of this tree, and the wheel that is built from the sdist alone."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    source.mkdir()
    ignored = shutil.ignore_patterns("__pycache__")
    for name in (*PACKAGES, "profiles", ".dvc", "docs"):
        shutil.copytree(root / name, source / name, symlinks=True, ignore=ignored)
    (source / "tests").mkdir()
    (source / "tests" / "test_own.py").touch()
    for path in root.iterdir():
        if path.is_file():
            shutil.copy(path, source)
    sdist = _build("sdist", source, folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return sdist, _build("wheel", folder / f"stroi-{version('stroi')}", folder)


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


def test_the_wheel_holds_the_packages_and_nothing_else(
    root: Path, built: tuple[Path, Path]
) -> None:
    with zipfile.ZipFile(built[1]) as archive:
        inside = {
            name.removeprefix("stroi/"): archive.read(name)
            for name in archive.namelist()
            if ".dist-info/" not in name
        }
        info = {name.split("/", 1)[1] for name in archive.namelist() if ".dist-info/" in name}
    expected = {name.removeprefix("api/"): data for name, data in _package_files(root).items()}
    assert set(inside) == set(expected)
    assert inside == expected
    licences = {
        "LICENSE",
        "stages/pose/models/LICENSE.movenet",
        "stages/pose/models/NOTICE.movenet",
    }
    assert {name.removeprefix("licenses/") for name in info if "/" in name} == licences


def test_the_sdist_holds_what_the_wheel_is_built_from(root: Path, built: tuple[Path, Path]) -> None:
    with tarfile.open(built[0]) as archive:
        files = [member for member in archive.getmembers() if not member.isdir()]
    assert all(member.isreg() for member in files), "a link would lead out of the archive"
    inside = {member.name.split("/", 1)[1] for member in files}
    made = {name for name in inside if name.startswith("stroi.egg-info/")}
    assert inside - made - {"PKG-INFO", "MANIFEST.in"} == {*_package_files(root), *METADATA}


def test_metadata_say_what_it_is_and_who_made_it(root: Path, built: tuple[Path, Path]) -> None:
    found = _metadata(built[1])
    citation = loads_yaml((root / "CITATION.cff").read_text())
    assert found["Name"] == citation["title"] == "stroi"
    assert found["Version"] == citation["version"] == version("stroi")
    assert found["Author"] == ", ".join(author["name"] for author in citation["authors"])
    assert found["Requires-Python"] == ">=3.11"
    assert "Apache-2.0" in (found["License-Expression"], found["License"])
    assert found["Keywords"]
    urls = dict(url.split(", ") for url in found.get_all("Project-URL"))
    assert urls["Paper"] == "https://arxiv.org/abs/2004.13979"
    assert f"arXiv:{urls['Paper'].rsplit('/', 1)[1]}" in str(citation)
    classifiers = found.get_all("Classifier")
    assert "Operating System :: POSIX :: Linux" in classifiers
    assert "Programming Language :: Python :: 3.11" in classifiers


def test_the_long_description_leads_nowhere_that_only_a_checkout_has(
    built: tuple[Path, Path],
) -> None:
    found = _metadata(built[1])
    assert found["Description-Content-Type"] == "text/markdown"
    text = str(found.get_payload())
    assert "pip install" in text
    links = re.findall(r"\]\(([^)]*)\)", text) + re.findall(r"(?:src|href)=\"([^\"]*)\"", text)
    assert links
    assert [link for link in links if not link.startswith("https://")] == []


@pytest.fixture(scope="module")
def installed(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with the wheel; what stroi needs is that of these tests."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps"]
    done = subprocess.run([*pip, "--no-index", str(built[1])], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (site,) = folder.glob("lib/python*/site-packages")
    others = [path for path in sys.path if Path(path).name == "site-packages"]
    (site / "others.pth").write_text("".join(f"{path}\n" for path in others))
    (folder / "bin" / "dvc").write_text(f'#!/bin/sh\nexec {python} -m dvc "$@"\n')
    (folder / "bin" / "dvc").chmod(0o755)
    return folder


def _in(folder: Path, environment: Path, line: str) -> str:
    """Run a shell line in an activated environment; what it prints."""
    done = subprocess.run(
        ["sh", "-c", f". {environment}/bin/activate && {line}"],
        cwd=folder,
        env={**os.environ, "DVC_NO_ANALYTICS": "1", "STROI_JOBS": "1", "STROI_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_alone_makes_a_project(root: Path, installed: Path, tmp_path: Path) -> None:
    where = _in(tmp_path, installed, "python -c 'import stroi.pipeline as p; print(p.__file__)'")
    assert Path(where.strip()).is_relative_to(installed)
    assert _in(tmp_path, installed, "stroi --version") == f"stroi, version {version('stroi')}\n"
    out = _in(tmp_path, installed, "stroi new --demo x && cd x && stroi check && stroi params")
    assert "data sets: demo; runs: demo-xsub; all params are valid" in out
    assert (tmp_path / "x" / "dvc.yaml").read_bytes() == (root / "dvc.yaml").read_bytes()


@pytest.mark.nightly
def test_the_two_commands_lead_to_the_table(installed: Path, tmp_path: Path) -> None:
    """The demo of 24 clips with tiny networks: only the numbers in the profile are others."""
    _in(tmp_path, installed, "stroi new --demo x")
    small = PROFILE.format(subjects=2, limit=0.0)
    (tmp_path / "x" / "profiles" / "demo.yaml").write_text(small)
    _in(tmp_path / "x", installed, "dvc repro")
    shown = _in(tmp_path / "x", installed, "dvc metrics show")
    assert "row7" in shown
    assert (tmp_path / "x" / "runs" / "demo-xsub" / "report.html").exists()
