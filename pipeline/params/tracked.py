"""Keys of params.yaml and of the profiles that dvc.yaml names: DVC stops if one is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from stroi.pipeline.params.profile import Profile, ProjectParams

_OF_DATASETS = ("index", "skeletons", "mosaics")
_OF_RUNS = tuple(name for name in Profile.model_fields if name not in ("skeletons3d", "splits"))


def tracked_sections(project: ProjectParams) -> dict[str, set[str]]:
    """Sections that DVC tracks in the profile of each data set, besides the splits of the runs."""
    sections: dict[str, set[str]] = {}
    for datasets, names in (
        (project.rendered, ("sample",)),
        (project.datasets, _OF_DATASETS),
        (project.sensors, ("skeletons", "skeletons3d")),
        ([run.dataset for run in project.runs.values()], _OF_RUNS),
    ):
        for dataset in datasets:
            sections.setdefault(dataset, set()).update(names)
    return sections


def missing_keys(
    project: ProjectParams, profiles: Mapping[str, Profile], root: Path
) -> Iterator[str]:
    """A line for each key that DVC would miss, at the start or before one of the stages."""
    path = root / "params.yaml"
    for key, empty in (("rendered", "[]"), ("sensors", "[]"), ("pools", "{}")):
        if key not in project.model_fields_set:
            yield f"{path}: {key}: missing, dvc.yaml uses it; add `{key}: {empty}`"
    is_set = "show" in project.model_fields_set
    if not is_set or (project.runs and project.show not in project.runs):
        problem = f"no run {project.show!a}" if project.show else "missing, dvc.yaml uses it"
        known = ", ".join(project.runs) or "none yet"
        yield f"{path}: show: {problem}; name one of the runs: {known}"
    tracked = tracked_sections(project)
    for dataset, profile in profiles.items():
        for name in Profile.model_fields:
            if name in tracked[dataset] and name not in profile.model_fields_set:
                empty = "[0]" if name == "seeds" else "{}"
                yield (
                    f"{root / 'profiles' / dataset}.yaml: {name}: missing, dvc.yaml uses it; "
                    f"add `{name}: {empty}`"
                )
