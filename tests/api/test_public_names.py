"""``import stroi``: the promised names, each documented, and nothing loaded before it is used."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from public_names import PUBLIC, RUN

import stroi


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True)


def test_the_public_names() -> None:
    assert set(stroi.__all__) == PUBLIC
    assert {name for name in dir(stroi.Run) if not name.startswith("_")} | {
        "folder",
        "params",
    } == RUN


@pytest.mark.parametrize("name", sorted(PUBLIC - {"__version__"}))
def test_each_has_a_docstring_and_types(name: str) -> None:
    thing = getattr(stroi, name)
    doc = inspect.getdoc(thing)
    assert doc
    assert len(doc) > 20
    if inspect.isfunction(thing):
        parts = inspect.signature(thing)
        every = [parts.return_annotation, *(each.annotation for each in parts.parameters.values())]
        assert inspect.Parameter.empty not in every
        assert all(f"{each}:" in doc for each in parts.parameters if each != "verify")


@pytest.mark.parametrize("name", sorted(RUN - {"folder", "params"}))
def test_every_part_of_a_run_has_a_docstring(name: str) -> None:
    part = inspect.getattr_static(stroi.Run, name)
    assert inspect.getdoc(part)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'stroi' has no attribute 'open_video'"):
        stroi.open_video  # noqa: B018
    assert set(dir(stroi)) >= PUBLIC


def test_importing_stroi_loads_nothing() -> None:
    done = python(
        "-c",
        "import sys; before = set(sys.modules); import stroi\n"
        "new = {n.split('.')[0] for n in set(sys.modules) - before} - sys.stdlib_module_names\n"
        "print(new)\n"
        "stroi.open_mosaics, stroi.load_run, stroi.Run\n"
        "print({'torch', 'cv2', 'scipy'} & set(sys.modules))",
    )
    assert (done.stdout, done.stderr) == ("{'stroi'}\nset()\n", "")


def test_the_version_is_that_of_the_package(root: Path) -> None:
    [written] = re.findall(r"^version = (\S+)$", (root / "setup.cfg").read_text(), re.MULTILINE)
    assert stroi.__version__ == written


def test_python_m_stroi_is_the_command() -> None:
    assert python("-m", "stroi", "--version").stdout == f"stroi, version {stroi.__version__}\n"
    refused = python("-m", "stroi", "cache", "info", "no-such-folder")
    assert refused.returncode == 2
    assert refused.stderr.startswith("Usage: stroi cache info ")
