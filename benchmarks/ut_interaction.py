"""What a run on UT-Interaction shows beside its table: benchmarks/results/ut_interaction.json.

Run after `dvc repro` with the run
`ut-main: {dataset: ut-interaction, split: seq9-10, input: skeletons}`.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

from stroi.cache.skeletons import SkeletonCache
from stroi.pipeline.index.ledger import read_ledger
from stroi.pipeline.index.table import read_index
from stroi.pipeline.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent
DATASET, RUN = "ut-interaction", "ut-main"
ALONE = "point"
"""The one class that shows one person."""


def right_answers(path: Path) -> dict[str, list[int]]:
    """Per row: right answers and clips, of all classes and without `ALONE`."""
    with path.open(newline="", encoding="utf-8") as file:
        clips = list(csv.DictReader(file))
    others = [clip for clip in clips if clip["actual"] != ALONE]
    return {
        row: [
            sum(clip[row] == clip["actual"] for clip in clips),
            len(clips),
            sum(clip[row] == clip["actual"] for clip in others),
            len(others),
        ]
        for row in (f"row{number}" for number in range(1, 8))
    }


def main() -> None:
    """Print and write."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    workspace = Workspace(ROOT)
    skeletons = SkeletonCache(workspace.skeletons(DATASET))
    labels = {sample.id: sample.label for sample in read_index(workspace.index(DATASET)).samples}
    people = {name: skeletons[name].person_count for name in skeletons.ids}
    right = sum(count == (1 if labels[name] == ALONE else 2) for name, count in people.items())
    folders = (workspace.index(DATASET), workspace.skeletons(DATASET), workspace.mosaics(DATASET))
    result = {
        "ledgers": {folder.name: read_ledger(folder).summary() for folder in folders},
        "clips_with_the_person_count_of_their_class": [right, len(people)],
        "right_of_all_and_without_point": right_answers(
            workspace.run(RUN, "ensemble") / "predictions.csv"
        ),
    }
    text = json.dumps(result, indent=1)
    print(text)
    (ROOT / "benchmarks" / "results" / "ut_interaction.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
