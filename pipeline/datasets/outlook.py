"""What will end or weaken the runs of a project, as far as it shows before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from stroi.cache.errors import StroiError
from stroi.pipeline.datasets.reading.files import MEND_MISSING, missing_notes
from stroi.pipeline.datasets.registry import list_clips
from stroi.pipeline.index.cautions import share_caution, split_cautions
from stroi.pipeline.index.splits import check_parts, divide
from stroi.pipeline.index.table import Index, Sample, read_index
from stroi.pipeline.params.load import load_profile, load_run
from stroi.pipeline.params.profile import ProjectParams
from stroi.pipeline.workspace import Workspace


def project_notes(workspace: Workspace, project: ProjectParams) -> Iterator[str]:
    """Sentences about the data sets and runs of a project.

    The files of a data set are checked or, if these are not here, its index.

    Raises:
        StroiError: If a data set cannot be listed, or a run's split cannot divide it.
    """
    for dataset in project.datasets:
        if dataset in project.rendered:  # stage sample writes it anew where it has to
            continue
        names = [name for name, run in project.runs.items() if run.dataset == dataset]
        try:
            samples = _samples(workspace, dataset)
            if not samples:
                continue
            yield from _missing(workspace, dataset, samples)
        except StroiError as error:
            raise _of(f"data set {dataset}", error) from None
        for name in names:
            try:
                yield from (f"run {name}: {one}" for one in _run_notes(workspace, name, samples))
            except StroiError as error:
                raise _of(f"run {name}", error) from None


def _samples(workspace: Workspace, dataset: str) -> list[Sample]:
    """The clips of a data set; none if neither its files nor its index are here."""
    raw, index = workspace.raw(dataset), workspace.index(dataset)
    if raw.is_dir():
        listing = list_clips(raw, load_profile(workspace.root, dataset).index)
        return [Sample(**asdict(clip)) for clip in listing.clips]
    if (index / "samples.csv").exists():
        return list(read_index(index).samples)
    return []


def _missing(workspace: Workspace, dataset: str, samples: list[Sample]) -> Iterator[str]:
    raw = workspace.raw(dataset)
    if not raw.is_dir():
        return
    notes, missing = missing_notes(raw, samples)
    yield from notes
    limit = load_profile(workspace.root, dataset).index.max_quarantined
    caution = share_caution(
        missing, len(samples), limit, stage="index", dataset=dataset, mend=MEND_MISSING
    )
    if caution:
        yield caution


def _run_notes(workspace: Workspace, name: str, samples: list[Sample]) -> Iterator[str]:
    run = load_run(workspace.root, name)
    rule = run.profile.splits[run.run.split]
    parts = divide(samples, rule, usable=[sample.id for sample in samples])
    classes = sorted({sample.label for sample in samples})
    check_parts(Index(tuple(samples), tuple(classes)), parts, rule)
    yield from split_cautions(samples, parts, rule)


def _of(what: str, error: StroiError) -> StroiError:
    return type(error)(
        error.code, f"{what}: {error.message}", remedy=error.remedy, details=error.details
    )
