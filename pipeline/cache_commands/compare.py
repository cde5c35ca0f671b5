"""Was a cache made with this project's params, from this project's videos and skeletons?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stroi.cache.errors import RefusedInput
from stroi.cache.manifest import MANIFEST_NAME, Manifest, read_manifest
from stroi.cache.share.card import flat
from stroi.pipeline.cache_commands.common import first_few, many
from stroi.pipeline.index.table import Sample, read_index, segment_digest
from stroi.pipeline.params.cache_params import NOT_CONTENT, OF_SOURCES, recorded, recorded_joints
from stroi.pipeline.params.load import load_profile
from stroi.pipeline.params.profile import Profile
from stroi.pipeline.workspace import Workspace

_GROUPS = {
    "mosaics": ("mosaics",),
    "mosaics_compact": ("mosaics",),
    "weights": ("weights",),
    "scores": ("gcn", "resnet"),
}
"""Kind of cache to the params groups that it may depend on."""


def compare(
    folder: Path, manifest: Manifest, workspace: Workspace, dataset: str
) -> tuple[list[str], list[RefusedInput]]:
    """Compare a verified cache with a project.

    Args:
        folder: The cache.
        manifest: Its manifest.
        workspace: The project.
        dataset: Name of a data set in it.

    Returns:
        Lines to print, and what does not agree.

    Raises:
        ParamsError: If the data set's profile is not valid.
        RefusedInput: If the project's index or skeletons are not in order.
    """
    profile = load_profile(workspace.root, dataset)
    notes: list[str] = []
    problems = _params(folder, manifest, profile, f"profiles/{dataset}.yaml", notes)
    samples = read_index(workspace.index(dataset)).samples
    index = {sample.id: sample.sha256 for sample in samples}
    strangers = sorted(set(manifest.ids) - set(index))
    if strangers:
        problems.append(
            RefusedInput(
                "OTHER_SAMPLES",
                f"{folder}: {many(len(strangers), 'sample')} not in the index of {dataset}:"
                f" {first_few(strangers)}",
                remedy="name the data set that it was made from, or rerun its stage",
            )
        )
    known: dict[str, Mapping[str, str]] = {
        "video": index,
        "segment": {sample.id: segment_digest(sample) for sample in samples},
    }
    skeletons = _skeletons(manifest, workspace.skeletons(dataset), samples)
    if skeletons:
        known["skeleton"] = skeletons
    return notes, problems + _inputs(folder, manifest, known, notes)


def _skeletons(manifest: Manifest, folder: Path, samples: Iterable[Sample]) -> Mapping[str, str]:
    """Digests of this project's skeletons of the kind that the cache was made from, by id."""
    if manifest.kind in ("skeletons", "skeletons3d"):
        # Files that came with the videos; the index digests no folders.
        return {one.id: one.skeleton_sha256 for one in samples if one.skeleton_sha256}
    if not (folder / MANIFEST_NAME).exists():
        return {}
    return read_manifest(folder, "skeletons").content_by_id


def _params(
    folder: Path, manifest: Manifest, profile: Profile, where: str, notes: list[str]
) -> list[RefusedInput]:
    groups = [
        getattr(profile, name).model_dump(mode="json", exclude=NOT_CONTENT)
        for name in _GROUPS.get(manifest.kind, ())
    ]
    if manifest.kind == "skeletons":
        sources = ("", *OF_SOURCES, profile.skeletons.source)
        groups = [recorded(profile.skeletons, source) for source in sources]
    if manifest.kind == "skeletons3d":
        own, people = profile.skeletons.own, profile.skeletons.people
        groups = [recorded_joints(profile.skeletons3d, own, people)]
    if not groups:
        notes.append(f"params: not compared: {where} has none for {manifest.kind}")
        return []
    differing = min((_differing(manifest.params, group) for group in groups), key=len)
    if not differing:
        notes.append(f"params: those of {where}")
        return []
    return [
        RefusedInput(
            "OTHER_PARAMS",
            f"{folder}: {many(len(differing), 'param')} not as in {where}: {first_few(differing)}",
            remedy="rerun the stage, or set the params to the cache's",
        )
    ]


def _differing(made: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    ours, theirs = dict(flat(made)), dict(flat(expected))
    return [
        f"{ascii(key)[1:-1]} is {ours.get(key, 'missing')}, not {theirs.get(key, 'there')}"
        for key in sorted({*ours, *theirs})
        if ours.get(key) != theirs.get(key)
    ]


def _inputs(
    folder: Path, manifest: Manifest, known: Mapping[str, Mapping[str, str]], notes: list[str]
) -> list[RefusedInput]:
    problems = []
    for what, made in _recorded(manifest).items():
        if what not in known:
            notes.append(f"{what}: not compared, this project has none")
            continue
        differing = [
            name for name in sorted(made) if known[what].get(name, made[name]) != made[name]
        ]
        # Samples without a video here are already reported: they are not in the index.
        missing = [name for name in sorted(made) if name not in known[what] and what != "video"]
        if not (differing or missing):
            notes.append(f"{what}: that of this project for {many(len(made), 'sample')}")
        for names, have in ((differing, "another"), (missing, "none")):
            if names:
                problems.append(
                    RefusedInput(
                        "OTHER_INPUT",
                        f"{folder}: of {many(len(names), 'sample')} this project has {have}"
                        f" {what}: {first_few(names)}",
                        remedy="rerun the stage",
                    )
                )
    return problems


def _recorded(manifest: Manifest) -> dict[str, dict[str, str]]:
    """Digest of each sample's input, by what it is of."""
    digests: dict[str, dict[str, str]] = {}
    for entry in manifest.files:
        for what, made in entry.inputs.items():
            digests.setdefault(what, {}).update(zip(entry.ids, made, strict=True))
    return digests
