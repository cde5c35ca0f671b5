"""``stroi new``: a folder in which ``stroi init`` and ``dvc repro`` work."""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from stroi.cache.errors import ParamsError, StroiError
from stroi.cache.files.atomic import check_writable, write_atomic
from stroi.pipeline.params.yaml import edit_yaml
from stroi.pipeline.project.template import shipped, shipped_profile, stroi_version
from stroi.pipeline.versions import versions_text

_OF_STROI = ("dvc.yaml", "params.yaml", "versions.yaml", "dvc.lock")
"""What makes a folder a project; none of them is replaced."""


def create_project(folder: Path, *, demo: bool = False, scm: bool = True) -> list[str]:
    """Write a project into a new folder, or into one that has no project yet.

    A README.md, a .dvcignore and a DVC repository that are there stay; a .gitignore gets the lines
    that it lacks. params.yaml is written last: with it the folder is a project.

    Args:
        folder: The project's root.
        demo: Whether it has the rendered demo as its first data set.
        scm: Whether git is used, if it is installed: the repository around the folder, or a new
            one.

    Returns:
        What the user should know, one sentence each.

    Raises:
        ParamsError: ``NEW_EXISTS`` if the folder has a project.
        StroiError: ``NEW_GIT`` or ``NEW_DVC`` if git or DVC fails, or if nothing can be written.
    """
    there = [name for name in _OF_STROI if (folder / name).exists()]
    if there:
        raise ParamsError(
            "NEW_EXISTS",
            f"{folder} is a project already: it has {', '.join(there)}",
            remedy="add data by `stroi init` there, or take another folder",
        )
    check_writable(folder)
    folder.mkdir(parents=True, exist_ok=True)
    notes = list(_init_dvc(folder, scm))
    notes += _ignore(folder)
    if not write_atomic(
        folder / "README.md", shipped("README-demo.md" if demo else "README.md"), replace=False
    ):
        notes.append("README.md: exists, kept")
    (folder / "profiles").mkdir(exist_ok=True)
    if demo:
        write_atomic(folder / "profiles" / "demo.yaml", shipped_profile("demo").read_bytes())
    write_atomic(folder / "dvc.yaml", shipped("dvc.yaml"))
    write_atomic(folder / "versions.yaml", versions_text().encode())
    write_atomic(folder / "params.yaml", shipped("params-demo.yaml" if demo else "params.yaml"))
    with edit_yaml(folder / "params.yaml") as content:
        content["stroi"] = stroi_version()
    return notes


def _init_dvc(folder: Path, scm: bool) -> Iterator[str]:
    """`dvc init` with the settings that stroi needs, and `git init` before it."""
    if (folder / ".dvc").exists():
        yield ".dvc: exists, kept"
        return
    top = _git_root(folder) if scm else None
    if scm and top is None and shutil.which("git") is None:
        yield "git is not installed: DVC works without it, but compares no commits and experiments"
        scm = False
    elif scm and top is None:
        _git(folder, "init", "--quiet")
        top = folder
    _dvc_init(folder, no_scm=not scm, subdir=scm and top != folder.resolve())
    config = shipped("dvc-config").decode()
    if not scm:
        config = config.replace("[core]\n", "[core]\n    no_scm = true\n")
    write_atomic(folder / ".dvc" / "config", config.encode())
    write_atomic(folder / ".dvc" / "plots.html", shipped("plots.html"))
    write_atomic(folder / ".dvcignore", shipped("dvcignore"))


def _dvc_init(folder: Path, *, no_scm: bool, subdir: bool) -> None:
    # Imported here: it takes half a second, and no other command of stroi needs it.
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    logging.getLogger("dvc").setLevel(logging.WARNING)
    try:
        Repo.init(str(folder), no_scm=no_scm, subdir=subdir).close()
    except DvcException as error:
        raise StroiError(
            "NEW_DVC", f"`dvc init` in {folder}: {error}", remedy="mend that, then run this again"
        ) from None


def _git_root(folder: Path) -> Path | None:
    """Root of the git repository around a folder; None if there is none or no git."""
    if shutil.which("git") is None:
        return None
    command = ["git", "rev-parse", "--show-toplevel"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return None if done.returncode else Path(done.stdout.rstrip("\n")).resolve()


def _git(folder: Path, *arguments: str) -> None:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise StroiError(
            "NEW_GIT",
            f"`git {' '.join(arguments)}` in {folder}: {done.stderr.strip()}",
            remedy="mend that, or give --no-scm",
        )


def _ignore(folder: Path) -> Iterator[str]:
    """Write .gitignore, or add the lines that it lacks."""
    path, ours = folder / ".gitignore", shipped("gitignore").decode()
    there = path.read_text("utf-8") if path.exists() else ""
    lacking = [line for line in ours.splitlines() if line not in there.splitlines()]
    if lacking:
        end = "" if there.endswith("\n") or not there else "\n"
        write_atomic(path, f"{there}{end}{chr(10).join(lacking)}\n".encode())
    if there and lacking:
        yield f".gitignore: {len(lacking)} lines added"
