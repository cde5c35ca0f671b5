"""Reading what stage ``ensemble`` wrote: the seven rows, per-class figures, predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stroi.cache.errors import RefusedInput
from stroi.cache.ids import check_ids
from stroi.pipeline.index.csv import iterate_csv
from stroi.pipeline.index.table import read_csv

NUMBERS = (1, 2, 3, 4, 5, 6, 7)
"""Of the rows of the paper's Tables I and II."""

REMEDY = "run `stroi ensemble` again, or `dvc repro`"

Percent = Annotated[float, Field(ge=0.0, le=100.0)]
Points = Annotated[float, Field(ge=-100.0, le=100.0)]
Clips = Annotated[int, Field(ge=0)]
RowNumber = Annotated[int, Field(ge=1, le=7)]


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, allow_inf_nan=False)


class RowName(_Read):
    """What a row is: number, method and what happens to each branch."""

    number: int
    method: str
    skeleton: str
    rgb: str


class TableRow(_Read):
    """One of the seven rows; accuracies in percent, means over `seeds`."""

    row: RowName
    accuracy: Percent
    spread: Annotated[float, Field(ge=0.0)] | None
    interval: tuple[Percent, Percent]
    seeds: Annotated[tuple[Percent, ...], Field(min_length=1)]
    pairs: dict[str, Percent | None]
    per_class: tuple[Percent | None, ...]
    alphas: tuple[Annotated[float, Field(ge=0.0)], ...] = ()


class SeedTest(_Read):
    """McNemar's test of two rows with one seed: clips that only the second, or the first, has."""

    gained: Annotated[int, Field(ge=0)]
    lost: Annotated[int, Field(ge=0)]
    p: Annotated[float, Field(ge=0.0, le=1.0)]


class Compared(_Read):
    """Two rows on the same clips; `gain` and its `interval` in points."""

    first: RowNumber
    second: RowNumber
    gain: Points
    interval: tuple[Points, Points] | None
    seeds: Annotated[tuple[SeedTest, ...], Field(min_length=1)]
    median_p: Annotated[float, Field(ge=0.0, le=1.0)]


class Gain(_Read):
    """What the weights add on one class, in points."""

    gain: Points | None
    interval: tuple[Points, Points] | None


class PairOf(_Read):
    """Two classes that are told apart on their own, and what is wrong with the figure."""

    classes: tuple[str, str]
    test_clips: tuple[Clips, Clips]
    note: str


class TestPart(_Read):
    """The split's test clips: all, those that the graph network saw, and what stages lost."""

    listed: Clips
    seen: Clips
    left_out: dict[str, Clips]


class Table(_Read):
    """``table.json``: the seven rows and what they were measured on; `chance` in percent.

    Tables of an earlier stroi have no test part, comparisons and gains; their intervals are those
    of the first seed.
    """

    test_clips: Annotated[int, Field(ge=1)]
    classes: tuple[str, ...]
    chance: Percent
    rows: tuple[TableRow, ...]
    test_part: TestPart | None = None
    pairs: dict[str, PairOf] = Field(default_factory=dict)
    interval: Literal["wilson", "bootstrap"] = "wilson"
    comparisons: tuple[Compared, ...] = ()
    gains: tuple[Gain, ...] | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Table:
        if tuple(each.row.number for each in self.rows) != NUMBERS:
            raise ValueError("the rows are not 1 to 7")
        if any(len(each.per_class) != len(self.classes) for each in self.rows):
            raise ValueError("a row has not one accuracy per class")
        if self.gains is not None and len(self.gains) != len(self.classes):
            raise ValueError("there is not one gain per class")
        return self

    def row(self, number: int) -> TableRow:
        """The row that the paper numbers `number`, from 1."""
        return self.rows[number - 1]


@dataclass(frozen=True)
class Predictions:
    """What each row says about each test clip, with the first seed.

    Attributes:
        ids: Test clips, sorted, N.
        actual: (N,) int64 labels.
        predicted: (N,) int64 predicted labels by the row's number.
    """

    ids: tuple[str, ...]
    actual: NDArray[np.int64]
    predicted: Mapping[int, NDArray[np.int64]]


def read_table(folder: Path) -> Table:
    """Read ``table.json``.

    Raises:
        RefusedInput: If it is missing or not what stage ``ensemble`` writes.
    """
    path = folder / "table.json"
    try:
        return Table.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise RefusedInput("TABLE_MISSING", f"{path} does not exist", remedy=REMEDY) from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "file"
        raise RefusedInput("TABLE", f"{path}: {place}: {first['msg']}", remedy=REMEDY) from None


def read_class_sizes(folder: Path, classes: tuple[str, ...]) -> tuple[int, ...]:
    """Number of test clips of each class, from ``per_class.csv``.

    Raises:
        RefusedInput: If it is missing, malformed or of other classes.
    """
    path = folder / "per_class.csv"
    rows = read_csv(path, required=("class", "test_clips"))
    if tuple(row["class"] for _, row in rows) != classes:
        raise _stale(path, "its classes are not those of table.json")
    for line, row in rows:
        if not (row["test_clips"].isascii() and row["test_clips"].isdigit()):
            raise _stale(path, f"line {line}: {row['test_clips']!a} is no number of clips")
    return tuple(int(row["test_clips"]) for _, row in rows)


def read_predictions(folder: Path, table: Table) -> Predictions:
    """Read ``predictions.csv``.

    Raises:
        RefusedInput: If it is missing, malformed or does not belong to `table`.
    """
    path = folder / "predictions.csv"
    columns = ["actual", *(f"row{number}" for number in NUMBERS)]
    number = {name: at for at, name in enumerate(table.classes)}
    rows = []
    for line, row in iterate_csv(path, required=("id", *columns)):
        for column in columns:
            if row[column] not in number:
                raise _stale(path, f"line {line}: {row[column]!a} is no class of table.json")
        rows.append((row["id"], [number[row[column]] for column in columns]))
    rows.sort()
    if len(rows) != table.test_clips:
        raise _stale(path, f"{len(rows)} clips, table.json has {table.test_clips}")
    ids = tuple(name for name, _ in rows)
    check_ids(ids)
    actual, *predicted = np.array([labels for _, labels in rows], np.int64).T
    return Predictions(ids, actual, dict(zip(NUMBERS, predicted, strict=True)))


def _stale(path: Path, problem: str) -> RefusedInput:
    return RefusedInput("TABLE", f"{path}: {problem}", remedy=REMEDY)
