"""The index: one row per clip of a data set, the only place where labels live."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from stroi.cache.errors import RefusedInput
from stroi.cache.files import write_atomic
from stroi.cache.ids import check_ids


@dataclass(frozen=True, order=True)
class Sample:
    """One clip of a data set.

    Attributes:
        id: Sample id, unique also without regard to case.
        video: Path of the video, relative to the data set's root.
        label: Class name.
        subject: Who performs; empty if unknown.
        camera: Which view; empty if unknown.
        split: The data set's own split, such as ``train``; empty if it has none.
        skeleton: Path of a ready skeleton, relative to the root; empty if none.
        bytes: Size of the video.
        sha256: Digest of the video, hexadecimal.
    """

    id: str
    video: str
    label: str
    subject: str
    camera: str
    split: str
    skeleton: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Index:
    """The clips of a data set, sorted by id, and its class names in label order."""

    samples: tuple[Sample, ...]
    classes: tuple[str, ...]

    def labels(self, ids: Iterable[str]) -> dict[str, int]:
        """Label (position in `classes`) of each of `ids`.

        Raises:
            RefusedInput: If an id is not in the index.
        """
        known = {sample.id: sample.label for sample in self.samples}
        number = {name: at for at, name in enumerate(self.classes)}
        try:
            return {sample_id: number[known[sample_id]] for sample_id in ids}
        except KeyError as missing:
            raise RefusedInput(
                "ID_UNKNOWN",
                f"sample {missing.args[0]!a} is not in the index",
                remedy="run `dvc repro` so that all stages see the same index",
            ) from None


_COLUMNS = tuple(field.name for field in fields(Sample))


def write_index(folder: Path, samples: Iterable[Sample]) -> None:
    """Write ``samples.csv`` and ``classes.txt``; classes are the sorted label names."""
    rows = sorted(samples)
    write_atomic(folder / "samples.csv", csv_bytes(_COLUMNS, (astuple(row) for row in rows)))
    classes = sorted({row.label for row in rows})
    write_atomic(folder / "classes.txt", "".join(f"{name}\n" for name in classes).encode())


def read_index(folder: Path) -> Index:
    """Read what `write_index` wrote.

    Raises:
        RefusedInput: If a file is missing or malformed, ids are double or not valid, or a
            label has no class.
    """
    path = folder / "samples.csv"
    rows = read_csv(path, required=_COLUMNS)
    samples = tuple(_sample(path, line, row) for line, row in rows)
    check_ids([sample.id for sample in samples])
    classes = tuple((folder / "classes.txt").read_text(encoding="utf-8").split("\n")[:-1])
    strangers = sorted({sample.label for sample in samples} - set(classes))
    if strangers:
        raise RefusedInput(
            "LABEL_RANGE",
            f"{path}: label {strangers[0]!a} is not in classes.txt",
            remedy="run `dvc repro` to rebuild the index",
        )
    return Index(tuple(sorted(samples)), classes)


def _sample(path: Path, line: int, row: Mapping[str, str]) -> Sample:
    size = row["bytes"]
    if not (size.isascii() and size.isdigit() and len(size) <= 18):
        raise RefusedInput(
            "CSV_VALUE", f"{path}:{line}: bytes {size!a} is no size", remedy="rebuild the index"
        )
    text = {name: row[name] for name in _COLUMNS if name != "bytes"}
    return Sample(bytes=int(size), **text)


def csv_bytes(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> bytes:
    """A CSV file, UTF-8, with line feeds on every platform."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue().encode()


def read_csv(path: Path, *, required: Iterable[str]) -> list[tuple[int, dict[str, str]]]:
    """Rows of a CSV file with their line numbers (from 1).

    Raises:
        RefusedInput: If the file is missing, not UTF-8, lacks a column or has a ragged row.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise RefusedInput(
            "CSV_MISSING", f"{path} does not exist", remedy="run the stage that writes it"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RefusedInput("CSV_TEXT", f"{path}: {error}", remedy="save it as UTF-8") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="", restval=None)
    header = reader.fieldnames or []
    lacking = [name for name in required if name not in header]
    if lacking:
        raise RefusedInput(
            "CSV_COLUMNS",
            f"{path}: no column {', '.join(lacking)}",
            remedy=f"the first line must name the columns; it has: {', '.join(header) or 'none'}",
        )
    rows = []
    for row in reader:
        if "" in row or None in row.values():
            raise RefusedInput(
                "CSV_ROW",
                f"{path}:{reader.line_num}: not {len(header)} fields",
                remedy="quote fields that contain commas",
            )
        rows.append((reader.line_num, row))
    return rows
