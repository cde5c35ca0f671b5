"""What the paper reports and sets, to show beside a run (its Tables I and II, section IV.B)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stroi.pipeline.params.load import RunParams
from stroi.pipeline.params.profile import Profile
from stroi.stages.report_page.provenance import flatten


@dataclass(frozen=True)
class Published:
    """A column of figures of the paper.

    Attributes:
        source: Where they are.
        accuracy: In percent, by the number of the row.
    """

    source: str
    accuracy: Mapping[int, float]


def _rows(*values: float) -> dict[int, float]:
    return dict(enumerate(values, 1))


PUBLISHED = {
    ("ntu60", "xsub"): Published("Table I, CS", _rows(81.4, 76.4, 86.8, 82.8, 90.1, 90.2, 91.5)),
    ("ntu60", "xview"): Published("Table I, CV", _rows(88.0, 80.5, 89.3, 87.4, 93.1, 93.5, 95.0)),
    ("nucla", "v12-3"): Published("Table II", _rows(82.9, 77.1, 84.9, 83.2, 90.5, 90.3, 91.6)),
}
"""Figures by adapter and split."""

_SCHEDULE = {
    "schedule.epochs": 65, "schedule.batch_size": 64, "schedule.lr": 0.1,
    "schedule.milestones": (45, 55),
}  # fmt: skip
SETTINGS: Mapping[str, Any] = {
    "skeletons.source": "openpose",
    "mosaics.rows": "head, hands, feet",
    "mosaics.columns": 5,
    "mosaics.size": 225,
    "gcn.model": "stgcn",
    "gcn.streams": ("joint",),
    "gcn.loss": "mse",
    "resnet.model": "resnet18",
    "resnet.images": "mosaic",
    "resnet.loss": "mse",
    "ensemble.alpha": 1.0,
    **{
        f"{branch}.{key}": value for branch in ("gcn", "resnet") for key, value in _SCHEDULE.items()
    },
}
"""Settings that the paper states for all data sets; mosaics.cell is that of the data set."""

CELLS = {"ntu60": 96, "nucla": 48}
"""Side of a crop in px, by adapter."""


@dataclass(frozen=True)
class Difference:
    """A param whose value is not the paper's."""

    key: str
    here: str
    paper: str


def published(run: RunParams) -> Published | None:
    """The paper's figures for the data set and split of `run`; None for any other."""
    return PUBLISHED.get((run.profile.index.adapter, run.run.split))


def differences(run: RunParams) -> tuple[Difference, ...]:
    """Params of `run` that are not the paper's, of those that the paper states."""
    profile = run.profile
    here, default = (_values(each) for each in (profile, Profile()))
    stated = {key: _text(value) for key, value in SETTINGS.items()}
    if profile.index.adapter in CELLS:
        stated["mosaics.cell"] = str(CELLS[profile.index.adapter])
    found = [Difference(key, here[key], paper) for key, paper in stated.items()
             if key != "mosaics.rows" and here[key] != paper]  # fmt: skip
    if here["mosaics.rows"] != default["mosaics.rows"]:
        found.append(Difference("mosaics.rows", here["mosaics.rows"], stated["mosaics.rows"]))
    if run.run.input != "skeletons3d":
        found.append(Difference("input of the run", run.run.input, "3D skeletons of a sensor"))
    return tuple(found)


def _values(profile: Profile) -> dict[str, str]:
    """Every param as text, by its key; groups of rows as one."""
    values = profile.model_dump(mode="json", exclude={"splits"})
    rows = ", ".join(row.title for row in profile.mosaics.rows)
    return dict(flatten(values)) | {"mosaics.rows": rows}


def _text(value: object) -> str:
    return dict(flatten({"value": list(value) if isinstance(value, tuple) else value}))["value"]
