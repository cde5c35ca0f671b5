"""What DVC knows of a project: its outs, its cache, its remote. Read through DVC's own index.

Only the two texts that a stranger controls are taken from there, an out's place and the name of
its object, and both are checked before anything is done with them.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stroi.cache.errors import ParamsError, RefusedInput, StroiError
from stroi.pipeline.dvc_lists import MAX_LIST_BYTES, path_problem

_NAME = re.compile(r"[0-9a-f]{32}(\.dir)?")


@dataclass(frozen=True)
class Store:
    """One of the two layouts of a DVC cache.

    Attributes:
        folder: Where the objects lie, in subfolders named by their first two digits.
        legacy: Whether it is that of DVC 2, which took line ends out before hashing a text.
    """

    folder: Path
    legacy: bool

    def path(self, name: str) -> Path:
        """Place of the object of that name."""
        return self.folder / name[:2] / name[2:]


@dataclass(frozen=True)
class Out:
    """A file or folder that `dvc checkout` would place.

    Attributes:
        name: Its path relative to the project's root, as dvc.yaml names it.
        object: Name of its object: an MD5, with ``.dir`` behind it for a folder.
        store: Where the object belongs.
        imported: Whether it comes from another repository (`dvc import`).
        handle: DVC's own object.
    """

    name: str
    object: str
    store: Store
    imported: bool
    handle: Any = field(repr=False, compare=False)

    @property
    def is_folder(self) -> bool:
        """Whether its object is a list of files."""
        return self.object.endswith(".dir")

    @property
    def path(self) -> Path:
        """Place of its object in the cache."""
        return self.store.path(self.object)


@dataclass(frozen=True)
class Project:
    """An open project; see `open_project`."""

    root: Path
    handle: Any = field(repr=False)

    @property
    def stores(self) -> tuple[Store, ...]:
        """Both layouts of the project's cache, which may lie elsewhere and be shared."""
        cache = self.handle.cache
        return Store(Path(cache.repo.path), False), Store(Path(cache.legacy.path), True)

    def outs(self, names: Sequence[str] = ()) -> tuple[Out, ...]:
        """Outs with a recorded object, sorted by name.

        Args:
            names: Paths of outs or of folders above them; all if empty.

        Raises:
            RefusedInput: ``DVC_PATH`` or ``DVC_LOCK`` if dvc.lock or a .dvc file names a place
                or an object that it must not.
            ParamsError: ``DVC_OUT`` if there is no out of such a name.
        """
        current, legacy = self.stores
        found = []
        for handle in self.handle.index.outs:
            if not (handle.use_cache and handle.is_in_repo and handle.hash_info):
                continue
            name = Path(handle.fs_path).relative_to(self.root).as_posix()
            object_name = str(handle.hash_info.value)
            _check_out(self.root, name, object_name, cloud=handle.files is not None)
            store = legacy if handle.hash_name == "md5-dos2unix" else current
            imported = bool(handle.stage.is_import or handle.stage.is_repo_import)
            found.append(Out(name, object_name, store, imported, handle))
        return _chosen(sorted(found, key=lambda out: out.name), names)

    def remote_list(self, out: Out, remote: str | None) -> bytes | None:
        """The folder list of an out as a remote holds it, unchecked; None if it has none.

        Args:
            out: An out that is a folder.
            remote: Name of the remote; None for the out's own or the default one.

        Raises:
            RefusedInput: ``DVC_LIST`` if it is larger than any list may be.
        """
        store = self._remote(out, remote)
        try:
            with store.fs.open(store.oid_to_path(out.object), "rb") as file:
                data: bytes = file.read(MAX_LIST_BYTES + 1)
        except FileNotFoundError:
            return None
        if len(data) > MAX_LIST_BYTES:
            raise RefusedInput("DVC_LIST", f"the list of {out.name} is too large")
        return data

    def is_in_remote(self, out: Out, remote: str | None) -> bool:
        """Whether a remote has the object of `out`; arguments as in `remote_list`."""
        return bool(self._remote(out, remote).exists(out.object))

    def keep_list(self, out: Out, data: bytes) -> None:
        """Put a checked folder list into the cache, as DVC would."""
        cache = out.handle.cache
        cache.add_bytes(out.object, data)
        cache.protect(str(out.path))

    def _remote(self, out: Out, remote: str | None) -> Any:
        name = out.handle.remote or remote
        return self.handle.cloud.get_remote_odb(name, "fetch", hash_name=out.handle.hash_name)


@contextmanager
def open_project(root: Path) -> Iterator[Project]:
    """Open the DVC project at `root`; nothing is fetched, run or written in the workspace.

    Raises:
        StroiError: ``DVC`` with what DVC says, here and while the project is in use.
    """
    # Half a second of imports.
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as handle:
            yield Project(Path(handle.root_dir), handle)
    except DvcException as error:
        raise StroiError(
            "DVC", f"{root}: {str(error)[:300]!a}", remedy="see docs/sharing.md"
        ) from error


def _check_out(root: Path, name: str, object_name: str, *, cloud: bool) -> None:
    problem = path_problem(name) or _link_problem(root, name)
    if problem:
        raise RefusedInput(
            "DVC_PATH", f"out {name[:80]!a} {problem}", remedy="check nothing out of this project"
        )
    if cloud or _NAME.fullmatch(object_name) is None:
        raise RefusedInput(
            "DVC_LOCK",
            f"out {name}: its md5 is none: {object_name[:80]!a}",
            remedy="restore dvc.lock or the .dvc file; remotes with versions of their own"
            " are not supported",
        )


def _link_problem(root: Path, name: str) -> str:
    """A link that came with the project would lead what is checked out astray."""
    place = root
    for part in name.split("/"):
        place = place / part
        if place.is_symlink():
            # What lies behind a link of the user's own cannot have come with the project.
            link = f"lies behind the link {place.relative_to(root)}, which came with the project"
            return "" if _is_private(root, place) else link
    return ""


def _is_private(root: Path, place: Path) -> bool:
    """Whether git says that it does not track `place`: then its link is the user's own."""
    command = ["git", "ls-files", "--error-unmatch", "--", str(place)]
    done = subprocess.run(command, cwd=root, capture_output=True, check=False)
    return done.returncode == 1


def _chosen(outs: Sequence[Out], names: Sequence[str]) -> tuple[Out, ...]:
    if not names:
        return tuple(outs)
    chosen = set()
    for name in names:
        wanted = name.rstrip("/")
        below = {out.name for out in outs if f"{out.name}/".startswith(f"{wanted}/")}
        if not below:
            known = ", ".join(out.name for out in outs) or "none"
            raise ParamsError("DVC_OUT", f"no out {name!a}", remedy=f"the outs are: {known}")
        chosen |= below
    return tuple(out for out in outs if out.name in chosen)
