"""Which labels of Northwestern-UCLA's views 1 and 2 cannot be right.

    python benchmarks/nucla_labels.py FOLDER

FOLDER holds the files all_sqe/*.json (docs/nucla.md); none of view 3 is opened. The cameras saw the
same performances, so a network that learnt one view knows every performance of the other. Where it
calls most clips of one class of a performer by another class, and most of that one by the first,
the two views contradict each other. Which of the two is wrong is asked of networks that never saw
the performer: the view with fewer clips that they call as labelled. One performer's habits may make
a class look like another, but hardly both like each other. Sitting down and standing up need no
network: results have the height of the head in the first and the last frame of what is listed.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nucla_gcn import NAMES, RESULTS, SETTINGS, Part, some, views

from stroi.cache.layouts import KINECT_V1
from stroi.pipeline.datasets.nucla import CLASSES
from stroi.trainer.run.run_options import RunOptions
from stroi.trainer.score_gcn import score_gcn
from stroi.trainer.train_gcn import train_gcn

FOLDS = 5
VIEWS = ("v01", "v02")
HEAD = KINECT_V1.index("head")
Pair = tuple[str, str, str]
"""Subject and two classes."""


def called(train: Part, test: Part, epochs: int, state: Path) -> dict[str, str]:
    """The class that a network of `train` gives every clip of `test`."""
    setting = SETTINGS["ctrgcn-half"]
    model = train_gcn(
        train.clips, train.labels, NAMES, config=setting.config.replace(frames=16),
        schedule=setting.schedule.replace(epochs=epochs),
        run=RunOptions(0, "cpu", checkpoints=state),
    )  # fmt: skip
    scores = score_gcn(model, test.clips, tuple(test.labels), tta_copies=setting.draws)
    found = [NAMES[int(logits.argmax())] for logits in scores.logits]
    return dict(zip(scores.ids, found, strict=True))


def judged(part: Part, folds: Sequence[Sequence[str]], epochs: int, state: Path) -> dict[str, str]:
    """What the clips of every fold are called by a network of all other clips."""
    answers: dict[str, str] = {}
    for number, own in enumerate(folds, 1):
        other = sorted(set(part.clips) - set(own))
        answers |= called(some(part, other), some(part, own), epochs, state)
        print(f"fold {number} of {len(folds)} judged by the others", flush=True)
    return answers


def by_view(names: Iterable[str]) -> list[list[str]]:
    """A fold of the clips of each view."""
    return [[name for name in names if name.endswith(view)] for view in VIEWS]


def by_subjects(names: Iterable[str]) -> list[list[str]]:
    """`FOLDS` folds of clips, each with subjects of its own."""
    subjects = sorted({name[4:7] for name in names})
    return [[name for name in names if name[4:7] in subjects[fold::FOLDS]] for fold in range(FOLDS)]


def contradictions(answers: dict[str, str]) -> list[Pair]:
    """Pairs of classes of which, in one view, most clips of either are called the other."""
    groups: dict[tuple[str, str, str], Counter[str]] = {}
    for name, answer in answers.items():
        groups.setdefault(_group(name), Counter())[answer] += 1
    pairs = set()
    for (view, subject, label), row in sorted(groups.items()):
        other = row.most_common(1)[0][0]
        back = groups.get((view, subject, other), Counter())
        if label < other and 2 * row[other] > row.total() and 2 * back[label] > back.total():
            pairs.add((subject, label, other))
    return sorted(pairs)


def wrong(pair: Pair, others: dict[str, str]) -> tuple[str, dict[str, Any]]:
    """The view that networks of other subjects contradict more, and what they say of both."""
    shares: dict[str, float] = {}
    told: dict[str, Any] = {}
    for view in VIEWS:
        names = of(pair, others, view)
        right = sum(others[name] == CLASSES[name[:3]] for name in names)
        shares[view] = right / len(names)
        counts = Counter(CLASSES[name[:3]] for name in names)
        told[view] = {"clips": counts, "called as labelled": right}
    return min(shares, key=lambda view: shares[view]), told


def of(pair: Pair, names: Iterable[str], view: str) -> list[str]:
    """The clips of a pair of classes in one view, sorted."""
    return sorted(
        name
        for name in names
        if _group(name)[:2] == (view, pair[0]) and CLASSES[name[:3]] in pair[1:]
    )


def _group(name: str) -> tuple[str, str, str]:
    return name[-3:], name[4:7], CLASSES[name[:3]]


def report(part: Part, across: dict[str, str], others: dict[str, str]) -> dict[str, Any]:
    """What stands out, and the clips whose label is wrong."""
    pairs, clips = {}, {}
    for pair in contradictions(across):
        view, told = wrong(pair, others)
        pairs[f"{pair[0]}: {pair[1]}, {pair[2]}"] = {"by other subjects": told, "wrong": view}
        for name in of(pair, part.clips, view):
            height = part.clips[name].position[:, 0, HEAD, 1]
            clips[name] = {
                "label": CLASSES[name[:3]],
                "by other view": across[name],
                "by other subjects": others[name],
                "head, m": [round(float(height[frame]), 2) for frame in (0, -1)],
            }
    return {
        "clips": len(part.clips),
        "as labelled by other view": _right(across),
        "as labelled by other subjects": _right(others),
        "contradictions": pairs,
        "wrong labels": clips,
    }


def _right(answers: dict[str, str]) -> int:
    return sum(answer == CLASSES[name[:3]] for name, answer in answers.items())


def main() -> None:
    """Train seven networks, judge all clips, write what stands out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--state", type=Path, default=Path(".stroi/benchmarks"))
    parser.add_argument("--out", type=Path, default=RESULTS / "nucla_labels.json")
    args = parser.parse_args()
    part = views(args.folder, set(VIEWS))
    across = judged(part, by_view(part.clips), 40, args.state)
    others = judged(part, by_subjects(part.clips), 25, args.state)
    content = report(part, across, others)
    args.out.write_text(json.dumps(content, indent=1) + "\n")
    print(json.dumps(content, indent=1))


if __name__ == "__main__":
    main()
