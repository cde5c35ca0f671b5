"""What the graph networks reach on the real skeletons of Northwestern-UCLA.

    python benchmarks/nucla_gcn.py FOLDER NAME             the reported figures
    python benchmarks/nucla_gcn.py FOLDER NAME --choose    how settings are compared

FOLDER holds the 1,484 files all_sqe/*.json (docs/nucla.md), NAME is one of `SETTINGS`. The
protocol is the paper's: views 1 and 2 train, view 3 tests. `--choose` never opens a file of view
3: it trains on view 1 and judges by view 2. Without it a network is trained to its last epoch,
and only then scores view 3, once. With --sound it does not see the training clips of which
nucla_labels.py shows that their label is wrong, those that the split `SOUND` of the profile leaves
out. Several streams are summed as they are, and with the motions weighed by `Setting.motion`;
`--choose` tries every one of `MOTIONS`. Finished and half-finished trainings are kept under --state
and go on from there; results are written after every training.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch

from stroi.cache.scores import Scores
from stroi.cache.skeletons3d import JointClip
from stroi.pipeline.datasets.nucla import CLASSES
from stroi.pipeline.params.load import load_profile
from stroi.stages.sensors.nucla import read_joints
from stroi.trainer.config import GcnConfig, Precision, Schedule, Settings, SkeletonAugment, Stream
from stroi.trainer.data.epoch_order import label_array
from stroi.trainer.metrics.accuracy import accuracy
from stroi.trainer.metrics.ensemble import sum_streams
from stroi.trainer.run.progress import EpochRecord
from stroi.trainer.run.run_options import RunOptions
from stroi.trainer.score_gcn import score_gcn
from stroi.trainer.train_gcn import train_gcn

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
SOUND = "v12-3-sound"
STREAMS: tuple[Stream, ...] = ("joint", "bone", "joint_motion", "bone_motion")
MOTIONS = (0.125, 0.25, 0.5, 2 / 3, 1.0)
"""Factors of the motion streams that are tried; 2 / 3 is what the code of CTR-GCN sums with."""
NAMES = tuple(sorted(CLASSES.values()))


@dataclass(frozen=True)
class Setting:
    """A network and how it is trained; both see the same, the smaller one for longer.

    Attributes:
        config: The network.
        schedule: Its training.
        motion: What the logits of the two motion streams are multiplied by in the sum of all.
        draws: Changed copies that a clip is scored in beside the score as it is, 0 for none.
    """

    config: GcnConfig
    schedule: Schedule
    motion: float = 1.0
    draws: int = 0


@dataclass
class Part:
    """Clips of some views, and the class number of each."""

    clips: dict[str, JointClip]
    labels: dict[str, int]


_SEEN = GcnConfig(
    frames=32, centre="frame", channels=(32, 32, 64, 64, 128), strides=(1, 1, 2, 1, 2),
    normalisation="stgcn", dropout=0.2, smoothing=0.1,
    augment=SkeletonAugment(rotate=60, tilt=10, scale=0.2, time_crop=0.7, time_jitter=1.0),
)  # fmt: skip
_SCHEDULE = Schedule(
    epochs=50, batch_size=16, lr=0.1, decay="cosine", warmup=5, nesterov=True, weight_decay=5e-4,
    ema=0.995,
)  # fmt: skip
SETTINGS: dict[str, Setting] = {
    "stgcn": Setting(_SEEN, _SCHEDULE),
    "ctrgcn": Setting(
        _SEEN.replace(
            model="ctrgcn", size="clip", channels=(48, 48, 96, 96, 192), temporal_kernel=5,
            dropout=0.0,
            augment=SkeletonAugment(rotate=60, tilt=20, scale=0.2, time_crop=0.5, time_warp=1.0),
        ),
        _SCHEDULE.replace(epochs=80),
        motion=2 / 3,
        draws=16,
    ),
}  # fmt: skip
_WIDE = SETTINGS["ctrgcn"]
SETTINGS["ctrgcn-half"] = replace(_WIDE, config=_WIDE.config.replace(channels=(24, 24, 48, 48, 96)))
SETTINGS["ctrgcn-short"] = replace(
    _WIDE, config=_WIDE.config.replace(frames=16, channels=(32, 32, 64, 64, 128))
)
SETTINGS["ctrgcn-whole"] = replace(
    _WIDE, config=_WIDE.config.replace(augment=_WIDE.config.augment.replace(time_crop=1.0))
)

_WHOLE = SETTINGS["ctrgcn-whole"]
SETTINGS["ctrgcn-flip"] = replace(
    _WHOLE, config=_WHOLE.config.replace(augment=_WHOLE.config.augment.replace(flip=0.5))
)


def views(folder: Path, wanted: set[str]) -> Part:
    """The clips of the views `wanted`, such as ``v01``; no other file is opened."""
    paths = sorted(path for path in folder.glob("*.json") if path.stem[-3:] in wanted)
    clips = {path.stem: read_joints(path) for path in paths}
    return Part(clips, {name: NAMES.index(CLASSES[name[:3]]) for name in clips})


def sound(part: Part) -> Part:
    """Training clips without those whose label is wrong."""
    wrong = set(load_profile(HERE.parent, "nucla").splits[SOUND].leave_out)
    return some(part, [name for name in part.clips if name not in wrong])


def some(part: Part, names: Sequence[str]) -> Part:
    """Some clips of a part."""
    return Part(
        {name: part.clips[name] for name in names}, {name: part.labels[name] for name in names}
    )


def trained(
    setting: Setting, stream: Stream, train: Part, test: Part, seed: int, state: Path, held: Part
) -> tuple[Scores, Scores, float]:
    """Scores of `test` by a network that saw `train`, also in copies, and its seconds."""
    config = setting.config.replace(stream=stream)
    seconds = 0.0

    def tell(record: EpochRecord) -> None:
        nonlocal seconds
        seconds += record.seconds
        if record.epoch % 10 == 9 or record.epoch == setting.schedule.epochs - 1:
            shown = record.validation_accuracy
            print(
                f"  {stream}, seed {seed}, epoch {record.epoch + 1}: loss {record.loss:.3f}, "
                f"training {record.accuracy:.1%}, {seconds:.0f} s"
                + ("" if shown is None else f", validation {shown:.1%}"),
                flush=True,
            )

    model = train_gcn(
        train.clips | held.clips, train.labels, NAMES, config=config, schedule=setting.schedule,
        run=RunOptions(seed, "cpu", checkpoints=state, on_epoch=tell), validation=held.labels,
    )  # fmt: skip
    plain = score_gcn(model, test.clips, tuple(test.labels))
    if not setting.draws:
        return plain, plain, seconds
    return plain, score_gcn(model, test.clips, plain.ids, tta_copies=setting.draws), seconds


def right(scores: Scores, part: Part) -> float:
    """Share of the clips that are classified correctly, in %."""
    return 100 * accuracy(scores.logits, label_array(part.labels, scores.ids, NAMES))


def spread(values: list[float]) -> dict[str, object]:
    """Median and extremes of a figure over the seeds."""
    shown = [round(value, 2) for value in values]
    return {"median": round(median(values), 2), "spread": [min(shown), max(shown)], "seeds": shown}


def summary(
    found: dict[tuple[str, int], Scores], test: Part, motions: Sequence[float]
) -> dict[str, object]:
    """Accuracy by stream, and of the sums of streams that the same seeds have."""
    seeds = sorted({seed for _, seed in found})
    result: dict[str, object] = {}
    for stream in STREAMS:
        values = [right(found[stream, seed], test) for seed in seeds if (stream, seed) in found]
        if values:
            result[stream] = spread(values)
    for name, weights in sums(motions).items():
        whole = [seed for seed in seeds if all((stream, seed) in found for stream in weights)]
        totals = [
            sum_streams([found[stream, seed] for stream in weights], (*weights.values(),))
            for seed in whole
        ]
        if totals:
            result[name] = spread([right(total, test) for total in totals])
    return result


def sums(motions: Sequence[float]) -> dict[str, dict[Stream, float]]:
    """The sums of streams that are reported, by name: what each stream's logits count."""
    joint, bone, *moving = STREAMS
    still: dict[Stream, float] = {joint: 1.0, bone: 1.0}
    found = {"joint + bone": still}
    for factor in motions:
        name = "all streams" if factor == 1 else f"all streams, motions x {factor:.3g}"
        found[name] = still | dict.fromkeys(moving, factor)
    return found


def write(path: Path, name: str, setting: Setting, rows: dict[str, object]) -> None:
    """Put one setting's results into the results file."""
    known = json.loads(path.read_text()) if path.exists() else {}
    machine = {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": 1,
        "torch": torch.__version__,
    }
    settings = {
        key: value.model_dump(mode="json") if isinstance(value, Settings) else value
        for key, value in vars(setting).items()
    }
    known[name] = rows | {"machine": machine, "settings": settings}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known, indent=1) + "\n")
    path.with_suffix(".md").write_text(table(known))


def table(known: dict[str, Any]) -> str:
    """All results as Markdown."""
    lines = [
        "# Northwestern-UCLA, real skeletons, right answers in %",
        "",
        "`python benchmarks/nucla_gcn.py`; settings and times: nucla_gcn.json; how they were",
        "chosen: docs/gcn.md. Views 1 and 2 train and view 3 tests (464 clips) unless another",
        "division is named.",
        "",
        "| network | sees | median | least to most | seeds |",
        "|---|---|---|---|---|",
    ]
    for name, rows in known.items():
        for stream, found in rows["accuracy"].items():
            least, most = found["spread"]
            lines.append(
                f"| {name} | {stream} | {found['median']} | {least} to {most} "
                f"| {len(found['seeds'])} |"
            )
    return "\n".join(lines) + "\n"


def chosen(name: str, precision: Precision, epochs: int | None) -> Setting:
    """A setting with what the command line changes of it."""
    setting = SETTINGS[name]
    schedule = setting.schedule.replace(epochs=epochs) if epochs else setting.schedule
    config = setting.config.replace(precision=precision)
    return replace(setting, config=config, schedule=schedule)


def main() -> None:
    """Train, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("name", choices=SETTINGS)
    parser.add_argument("--streams", nargs="+", choices=STREAMS, default=["joint"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--epochs", type=int, help="other than the setting's")
    parser.add_argument("--state", type=Path, default=Path(".stroi/benchmarks"))
    parser.add_argument("--choose", action="store_true", help="train on view 1, judge by view 2")
    parser.add_argument("--sound", action="store_true", help="leave out wrong training labels")
    parser.add_argument("--out", type=Path, default=RESULTS / "nucla_gcn.json")
    args = parser.parse_args()
    setting = chosen(args.name, args.precision, args.epochs)
    name = " ".join(
        [args.name]
        + ([args.precision] if args.precision != "fp32" else [])
        + (["view 1 to 2"] if args.choose else [])
        + (["sound labels"] if args.sound else [])
        + ([f"{args.epochs} epochs"] if args.epochs else [])
    )
    train = views(args.folder, {"v01"} if args.choose else {"v01", "v02"})
    if args.sound:
        train = sound(train)
    test = views(args.folder, {"v02"} if args.choose else {"v03"})
    print(f"{name}: {len(train.clips)} clips train, {len(test.clips)} test", flush=True)
    motions = MOTIONS if args.choose else sorted({setting.motion, 1.0})
    found: dict[tuple[str, int], Scores] = {}
    drawn: dict[tuple[str, int], Scores] = {}
    took: dict[str, float] = {}
    started = time.time()
    for stream in args.streams:
        for seed in args.seeds:
            held = test if args.choose else Part({}, {})
            found[stream, seed], drawn[stream, seed], seconds = trained(
                setting, stream, train, test, seed, args.state, held
            )
            took[f"{stream}, seed {seed}"] = round(seconds)
            accuracies = summary(found, test, motions)
            if setting.draws:
                copies = summary(drawn, test, motions)
                accuracies |= {f"{key}, {setting.draws} draws": row for key, row in copies.items()}
            rows = {"accuracy": accuracies, "training seconds": took}
            print(f"{time.time() - started:.0f} s {json.dumps(rows['accuracy'])}", flush=True)
            write(args.out, name, setting, rows)


if __name__ == "__main__":
    main()
