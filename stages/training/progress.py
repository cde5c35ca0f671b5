"""Progress and learning curve of a training, by epochs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from stroi.cache.files.atomic import write_atomic
from stroi.cache.percent import percent
from stroi.pipeline.index.table import csv_bytes
from stroi.pipeline.parallel.progress import progress
from stroi.stages.training.loggers import Logs
from stroi.trainer.config import Schedule
from stroi.trainer.run.progress import EpochRecord

CURVE = ("epoch", "loss", "accuracy", "lr", "validation_loss", "validation_accuracy")
"""Columns of ``curve.csv``."""


@contextmanager
def epochs(
    schedule: Schedule, label: str, records: list[EpochRecord], logs: Logs, name: str
) -> Iterator[Callable[[EpochRecord], None]]:
    """A progress display by epochs; yields the trainer's epoch callback.

    Args:
        schedule: How many epochs there are.
        label: What the display calls the training.
        records: Gets every epoch's record.
        logs: Where the training is logged.
        name: Of the training, in the logs.

    Raises:
        ParamsError: ``TENSORBOARD``.
    """
    with (
        logs.of(name) as log,
        progress(schedule.epochs, label=label, unit="epochs") as bar,
    ):

        def on_epoch(record: EpochRecord) -> None:
            records.append(record)
            log(records)
            bar.update(1, _said(record))

        yield on_epoch


def _said(record: EpochRecord) -> str:
    """An epoch in words."""
    validation, gpu = record.validation_accuracy, record.gpu_utilisation
    return (
        f"loss {record.loss:.3f}, training accuracy {percent(100 * record.accuracy)}%, "
        + (f"validation accuracy {percent(100 * validation)}%, " if validation is not None else "")
        + f"{record.samples_per_second:.0f} clips/s, "
        + f"{record.data_wait:.1%} of the time without data"
        + (f", GPU at {gpu:.0%}" if gpu is not None else "")
    )


def write_curve(folder: Path, records: Sequence[EpochRecord], stream: str = "") -> None:
    """Write ``curve.csv``, or ``curve-STREAM.csv`` of a further stream: what every epoch gave.

    Times stay out: they are never the same twice. What was not measured is ``nan``, which plots
    leave out; DVC warns of a missing column.
    """
    rows = ([_shown(getattr(record, name)) for name in CURVE] for record in records)
    name = f"curve-{stream}.csv" if stream else "curve.csv"
    write_atomic(folder / name, csv_bytes(CURVE, rows))


def _shown(value: float | None) -> str:
    return "nan" if value is None else f"{value:.6g}"
