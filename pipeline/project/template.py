"""The files of a project, as stroi ships them."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

_FILES = Path(__file__).parent / "files"


def stroi_version() -> str:
    """Version of the stroi that runs, such as ``0.1.0``."""
    return version("stroi")


def shipped(name: str) -> bytes:
    """Content of a file of the template, such as ``dvc.yaml``."""
    return (_FILES / name).read_bytes()


def shipped_profile(name: str) -> Path:
    """The profile that stroi ships for a data set that it knows; it may not exist."""
    return _FILES / "profiles" / f"{name}.yaml"
