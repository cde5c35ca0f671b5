"""Two runs, each testing one of the small run's two test subjects, and their pool."""

from __future__ import annotations

from small_run import SEEDS, STREAMS, network_params

from stroi.cache.scores import Scores, read_scores, write_scores
from stroi.pipeline.workspace import Workspace

FOLDS = ("s3", "s4")
POOL = "both"


def add_folds(workspace: Workspace) -> None:
    """Runs ``s3`` and ``s4`` with the scores of the whole run, and pool ``both`` of them."""
    root = workspace.root
    profile = root / "profiles" / "small.yaml"
    folds = "".join(f"  {name}: {{by: subject, test: [{name}]}}\n" for name in FOLDS)
    profile.write_text(profile.read_text().replace("splits:\n", f"splits:\n{folds}"))
    runs = "".join(
        f"  {name}: {{dataset: small, split: {name}, input: skeletons}}\n" for name in FOLDS
    )
    pool = f"pools: {{{POOL}: {{dataset: small, runs: [{', '.join(FOLDS)}]}}}}\n"
    params = root / "params.yaml"
    params.write_text(f"{params.read_text()}{runs}{pool}")
    for name in FOLDS:
        _write_scores(workspace, name)


def _write_scores(workspace: Workspace, subject: str) -> None:
    """Scores of a run that tests one subject's clips."""
    for seed in SEEDS:
        for stream in STREAMS:
            whole = read_scores(
                workspace.run("small-xsub", stream) / f"seed-{seed}" / "scores", "test"
            )
            own = [at for at, name in enumerate(whole.ids) if name.endswith(subject)]
            part = Scores(tuple(whole.ids[at] for at in own), whole.logits[own], whole.classes)
            folder = workspace.run(subject, stream) / f"seed-{seed}" / "scores"
            write_scores(
                folder, "test", part, params=network_params(workspace, stream), producer={}
            )
