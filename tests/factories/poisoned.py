"""Small data sets in every adapter's layout, clean and with garbage in their test half.

Poison is whatever a test sample could bring along: other bytes in its video, other or unreadable
joints, other labels, other boundaries. Files of training samples are the same to the byte.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ntu_people import person, skeleton_text
from nucla_files import joints, write_skeleton

from stroi.pipeline.params.profile import Split


@dataclass(frozen=True)
class Case:
    """One adapter.

    Attributes:
        write: Writes the data set below a folder; the flag says whether its test half is poisoned.
        split: What trains.
        sensor: Format of its joints, or empty if it has none.
    """

    write: Callable[[Path, bool], None]
    split: Split
    sensor: str = ""


def _seed(name: str, poison: bool) -> int:
    return int.from_bytes(hashlib.sha256(f"{name} {poison}".encode()).digest()[:4], "big")


def _video(path: Path, poison: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(np.random.default_rng(_seed(path.stem, poison)).bytes(64))


def _swapped(label: int, poison: bool) -> int:
    return 1 - label if poison else label


def _table(raw: Path, poison: bool) -> None:
    rows = ["sample_id,video,label,subject,camera"]
    for subject in (1, 2, 3):
        for label in (0, 1):
            bad = poison and subject == 3
            name = f"s{subject}_{label}"
            _video(raw / f"{name}.avi", bad)
            rows.append(f"{name},{name}.avi,{('wave', 'kick')[_swapped(label, bad)]},{subject},c1")
    (raw / "table.csv").write_text("".join(f"{row}\n" for row in rows))


def _folders(raw: Path, poison: bool) -> None:
    for part, count in (("train", 2), ("test", 1)):
        bad = poison and part == "test"
        for label in (0, 1):
            for number in range(count):
                folder = raw / part / ("wave", "kick")[_swapped(label, bad)]
                _video(folder / f"{part}{label}{number}.avi", bad)


def _ut_interaction(raw: Path, poison: bool) -> None:
    for sequence in (1, 2, 3):
        bad = poison and sequence == 3
        for label in (0, 1):
            _video(raw / f"{2 * sequence + label}_{sequence}_{_swapped(label, bad)}.avi", bad)


def _ntu(raw: Path, poison: bool) -> None:
    for performer in (1, 2, 3):
        bad = poison and performer == 3
        for label in (0, 1):
            name = f"S001C001P{performer:03d}R001A{_swapped(label, bad) + 1:03d}"
            _video(raw / f"{name}_rgb.avi", bad)
            moves = person(6, at=0.1 * label, wave=5.0 if bad else 0.3, seed=_seed(name, bad))
            text = skeleton_text(6, {7: (range(6), moves)})
            # One of the poisoned files cannot even be read.
            (raw / f"{name}.skeleton").write_bytes(text[:-90] if bad and label else text)


def _nucla(raw: Path, poison: bool) -> None:
    for view, subject in ((1, 1), (2, 2), (3, 1)):
        bad = poison and view == 3
        for label in (0, 1):
            action = f"a{_swapped(label, bad) + 1:02d}"
            _video(raw / "videos" / action / f"v{view:02d}_s{subject:02d}_e00.avi", bad)
            name = f"{action}_s{subject:02d}_e00_v{view:02d}"
            write_skeleton(raw / "all_sqe", name, skeletons=joints(4, _seed(name, bad)).tolist())
            if bad and label:
                (raw / "all_sqe" / f"{name}.json").write_text('{"skeletons": [[[1e999')


def _pku_mmd(raw: Path, poison: bool) -> None:
    for folder in ("Train_Label_PKU_final", "PKU_Skeleton_Renew", "Split"):
        (raw / folder).mkdir()
    names = ("0002-L", "0003-L", "0004-L")
    for name in names:
        bad = poison and name == names[-1]
        _video(raw / "RGB_VIDEO" / f"{name}.avi", bad)
        _video(raw / "PKU_Skeleton_Renew" / f"{name}.txt", bad)
        rows = [(_swapped(0, bad) + 1, 3, 20 + bad), (_swapped(1, bad) + 1, 30, 44 - bad)]
        text = "".join(f"{label},{start},{end},2\n" for label, start, end in rows)
        (raw / "Train_Label_PKU_final" / f"{name}.txt").write_text(text)
    (raw / "Split" / "cross-subject.txt").write_text(
        f"Training videos:\n{names[0]}, {names[1]}\nValidataion videos:\n{names[2]}\n"
    )


def _smarthome(raw: Path, poison: bool) -> None:
    for subject in ("p03", "p04", "p02"):
        bad = poison and subject == "p02"
        for label in (0, 1):
            activity = ("Walk", "Readbook")[_swapped(label, bad)]
            _video(raw / "mp4" / f"{activity}_{subject}_r00_v0{label}_c03.mp4", bad)


def _smarthome_untrimmed(raw: Path, poison: bool) -> None:
    for subject in ("P03", "P04", "P02"):
        bad = poison and subject == "P02"
        name = f"{subject}T01C06"
        _video(raw / "Videos_mp4" / f"{name}.mp4", bad)
        folder = raw / "Annotation" / subject
        folder.mkdir(parents=True)
        events = ("Walk", "Read")[::-1] if bad else ("Walk", "Read")
        rows = [f"{event},{10 * at + 1},{10 * at + 9 - bad}\n" for at, event in enumerate(events)]
        (folder / f"{name}.csv").write_text("event,start_frame,end_frame\n" + "".join(rows))


CASES: dict[str, Case] = {
    "folders": Case(_folders, Split(by="split", train=("train",))),
    "ntu60": Case(_ntu, Split(by="subject", test=("P003",)), "ntu"),
    "nucla": Case(_nucla, Split(by="camera", test=("v3",)), "nucla"),
    "pku-mmd": Case(_pku_mmd, Split(by="split", train=("train",), test=("test",))),
    "smarthome-untrimmed": Case(_smarthome_untrimmed, Split(by="subject", test=("P02",))),
    "table": Case(_table, Split(by="subject", test=("3",))),
    "toyota-smarthome": Case(_smarthome, Split(by="subject", test=("p02",))),
    "ut-interaction": Case(_ut_interaction, Split(by="subject", test=("3",))),
}
"""By the adapter's name; two classes, two training clips of each, one test clip of each."""

SAME = {"demo": "table", "ntu120": "ntu60", "toyota-smarthome-cv": "toyota-smarthome"}
"""Adapters that are another one with other lists or one more check."""
