"""What is recorded of a training: progress, learning curve, times, TensorBoard's logs.

The learning curve belongs to the stage's out and has the same bytes every time. Times and
TensorBoard's logs differ from run to run and lie elsewhere.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stroi.cache.errors import ParamsError
from stroi.cache.files.atomic import write_atomic
from stroi.cache.percent import percent
from stroi.pipeline.index.csv import csv_bytes
from stroi.pipeline.parallel.progress import progress
from stroi.trainer.run.progress import EpochRecord

CURVE = ("epoch", "loss", "accuracy", "lr", "validation_loss", "validation_accuracy")
"""Columns of ``curve.csv``."""
TIMES = ("epoch", "seconds", "clips_per_second", "wait", "gpu")
"""Columns of the file of times; `wait` and `gpu` are shares of the time, 0 to 1."""
SCALARS = {
    "loss/training": "loss",
    "loss/validation": "validation_loss",
    "accuracy/training": "accuracy",
    "accuracy/validation": "validation_accuracy",
    "learning rate": "lr",
    "speed/clips per second": "samples_per_second",
    "speed/share of time without batches": "data_wait",
    "speed/share of time the GPU works": "gpu_utilisation",
}
"""TensorBoard's curves, and the fields of `EpochRecord` that they plot."""


@dataclass(frozen=True)
class LogFolders:
    """Where the trainings of a stage are logged.

    Attributes:
        times: Folder for ``NAME.csv`` with the time of every epoch; None for none.
        tensorboard: Folder for TensorBoard's logs, one subfolder per training; None for none.
    """

    times: Path | None = None
    tensorboard: Path | None = None


NO_LOGS = LogFolders()


@contextmanager
def log_epochs(
    records: list[EpochRecord], epochs: int, label: str, name: str, folders: LogFolders
) -> Iterator[Callable[[EpochRecord], None]]:
    """Display and log one training; yields the callback for every finished epoch.

    Args:
        records: Collects every epoch's record.
        epochs: Number of epochs.
        label: Name of the training in the progress display.
        name: Name of the training as a file.
        folders: Where the training is logged.

    Raises:
        ParamsError: ``TENSORBOARD`` if TensorBoard's logs are requested and it is not installed.
    """
    tensorboard = folders.tensorboard
    with (
        nullcontext() if tensorboard is None else closing(_writer(tensorboard / name)) as writer,
        progress(epochs, label=label, unit="epochs") as bar,
    ):

        def on_epoch(record: EpochRecord) -> None:
            records.append(record)
            if folders.times is not None:
                write_atomic(folders.times / f"{name}.csv", _times(records))
            if writer is not None:
                _add_scalars(writer, record)
            bar.update(1, _summary(record))

        yield on_epoch


def write_curve(folder: Path, records: Sequence[EpochRecord], stream: str = "") -> None:
    """Write ``curve.csv``, or ``curve-STREAM.csv`` of a further stream.

    Times are left out: they differ from run to run. What was not measured is ``nan``: plots leave
    it out, while DVC warns of a missing column.
    """
    rows = ([_number(getattr(record, name)) for name in CURVE] for record in records)
    name = f"curve-{stream}.csv" if stream else "curve.csv"
    write_atomic(folder / name, csv_bytes(CURVE, rows))


def _number(value: float | None) -> str:
    return "nan" if value is None else f"{value:.6g}"


def _summary(record: EpochRecord) -> str:
    validation, gpu = record.validation_accuracy, record.gpu_utilisation
    return (
        f"loss {record.loss:.3f}, training accuracy {percent(100 * record.accuracy)}%, "
        + (f"validation accuracy {percent(100 * validation)}%, " if validation is not None else "")
        + f"{record.samples_per_second:.0f} clips/s, "
        + f"{record.data_wait:.1%} of the time without data"
        + (f", GPU at {gpu:.0%}" if gpu is not None else "")
    )


def _times(records: Sequence[EpochRecord]) -> bytes:
    rows = (
        (
            str(record.epoch),
            f"{record.seconds:.3f}",
            f"{record.samples_per_second:.1f}",
            f"{record.data_wait:.4f}",
            "nan" if record.gpu_utilisation is None else f"{record.gpu_utilisation:.2f}",
        )
        for record in records
    )
    return csv_bytes(TIMES, rows)


def _writer(folder: Path) -> Any:
    try:
        module = importlib.import_module("torch.utils.tensorboard")
    except ImportError:
        raise ParamsError(
            "TENSORBOARD",
            "--tensorboard needs the package tensorboard, which is not installed",
            remedy="pip install 'stroi[log]', or leave the option out",
        ) from None
    # A resumed training logs its earlier epochs again: they replace the old ones.
    return module.SummaryWriter(str(folder), purge_step=0)


def _add_scalars(writer: Any, record: EpochRecord) -> None:
    for name, field in SCALARS.items():
        value = getattr(record, field)
        if value is not None:
            writer.add_scalar(name, value, record.epoch)
    writer.flush()
