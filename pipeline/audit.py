"""``stroi cache audit``: is what DVC fetched what its names say, and harmless to check out?

DVC takes read-only objects on trust, never hashes them again, and follows the paths of a folder
list wherever they lead. This looks at the cache alone, between `dvc fetch` and `dvc checkout`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

import click

from stroi.cache.errors import StroiError
from stroi.pipeline.cache_commands.common import example, many, size, with_jobs
from stroi.pipeline.dvc_lists import parse_list
from stroi.pipeline.dvc_objects import audit, check_list_name, objects_in, objects_of, read_list
from stroi.pipeline.dvc_project import Out, Project, open_project
from stroi.pipeline.options import in_project, say
from stroi.pipeline.workspace import Workspace


def fetch(project: Project, outs: Sequence[Out], remote: str | None) -> None:
    """Let DVC fetch `outs`, after their folder lists were read, checked and kept.

    DVC places fetched objects by the names in a list without looking at them, so a list has to be
    checked first; once it is in the cache, DVC uses that one. What the remote does not have, and
    what was imported from another repository, is left alone.

    Raises:
        RefusedInput: As `read_list`.
        StroiError: ``DVC_REMOTE`` if the remote has nothing of `outs`; ``DVC`` if DVC fails.
    """
    there = [out for out in outs if not out.imported and _prepare(project, out, remote)]
    if not there:
        raise StroiError(
            "DVC_REMOTE", "the remote has none of these outs", remedy="ask for `dvc push`"
        )
    options = [f"--remote={remote}"] if remote else []
    places = [str(project.root / out.name) for out in there]
    command = [sys.executable, "-m", "dvc", "fetch", *options, "--", *places]
    if subprocess.run(command, cwd=project.root, check=False).returncode:
        raise StroiError("DVC", "dvc fetch failed", remedy="see above")


def _prepare(project: Project, out: Out, remote: str | None) -> bool:
    """Whether the remote has `out`; its list, if it is a folder, is in the cache and harmless."""
    if not out.is_folder:
        return project.is_in_remote(out, remote)
    if os.path.lexists(out.path):
        read_list(out.path, out.name)
        return True
    data = project.remote_list(out, remote)
    if data is None:
        return False
    where = f"list {out.object} of {out.name} in the remote"
    check_list_name(data, out.object, where)
    parse_list(data, where)
    project.keep_list(out, data)
    return True


@click.command(
    help="Check what DVC fetched, before `dvc checkout` places it: hash anew every object of the "
    "DVC cache that an OUT is made of, and refuse folder lists that lead elsewhere. An OUT is "
    "named as in dvc.yaml; none means all. The workspace is not touched.\n\n"
    + example("stroi cache audit --fetch data/demo/mosaics && dvc checkout data/demo/mosaics")
)
@click.argument("outs", metavar="[OUT]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All objects of the cache, used or not.")
@click.option("--fetch", "fetching", is_flag=True, help="Fetch first, folder lists checked.")
@click.option("--remote", metavar="NAME", help="With --fetch: the remote, if not the default.")
@with_jobs
@in_project
def command(
    workspace: Workspace,
    outs: tuple[str, ...],
    everything: bool,
    fetching: bool,
    remote: str | None,
    jobs: int,
) -> None:
    """Audit the cache of a DVC project."""
    with open_project(workspace.root) as project:
        chosen = project.outs(outs)
        if fetching:
            fetch(project, chosen, remote)
        stores = project.stores
        objects = (
            [entry for store in stores for entry in objects_in(store)]
            if everything
            else list(objects_of(chosen))
        )
    found = audit(objects, jobs=jobs)
    if not found.objects:
        raise StroiError(
            "DVC_EMPTY",
            f"nothing of this is in the cache, {stores[0].folder}",
            remedy="add --fetch, or name what was fetched",
        )
    counts = f"{many(found.objects, 'object')}, {size(found.bytes)}"
    absent = f"; {found.absent} not in the cache" if found.absent else ""
    say(f"{counts}: each is what its name says{absent}")
