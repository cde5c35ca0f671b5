"""Times and TensorBoard logs of trainings: beside the outs, whose bytes are the same every time."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from stroi.cache.errors import ParamsError
from stroi.cache.files.atomic import write_atomic
from stroi.pipeline.index.table import csv_bytes
from stroi.trainer.run.progress import EpochRecord

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
"""TensorBoard's curves and the epochs' values that they show."""


@dataclass(frozen=True)
class Logs:
    """Where the trainings of a stage are logged.

    Attributes:
        times: Folder for ``NAME.csv`` with the time of every epoch; None for none.
        tensorboard: Folder for TensorBoard's own logs, one folder for each training; None for
            none.
    """

    times: Path | None = None
    tensorboard: Path | None = None

    @contextmanager
    def of(self, name: str) -> Iterator[Callable[[Sequence[EpochRecord]], None]]:
        """Log one training; yields what is told all epochs so far, after each of them.

        Args:
            name: Of the training, as a file's name.

        Raises:
            ParamsError: ``TENSORBOARD`` if it is asked for and not installed.
        """
        board = None if self.tensorboard is None else _writer(self.tensorboard / name)

        def told(records: Sequence[EpochRecord]) -> None:
            if self.times is not None:
                write_atomic(self.times / f"{name}.csv", _times(records))
            if board is not None:
                _add(board, records[-1])

        try:
            yield told
        finally:
            if board is not None:
                board.close()


UNLOGGED = Logs()
"""Nothing is logged."""


def with_tensorboard(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command ``--tensorboard``, passed on as a path or None."""
    return click.option(
        "--tensorboard",
        type=click.Path(file_okay=False, path_type=Path),
        envvar="STROI_TENSORBOARD",
        help="Folder for TensorBoard's logs; needs pip install 'stroi[log]'.",
    )(function)


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
    # Epochs that an earlier process logged are told again: they replace the old ones.
    return module.SummaryWriter(str(folder), purge_step=0)


def _add(board: Any, record: EpochRecord) -> None:
    for name, field in SCALARS.items():
        value = getattr(record, field)
        if value is not None:
            board.add_scalar(name, value, record.epoch)
    board.flush()
