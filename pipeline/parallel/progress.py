"""Progress of long work: a bar on a terminal, plain lines otherwise."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from tqdm import tqdm

_EVERY = 15.0  # seconds between plain lines


class Progress(Protocol):
    """Receives the progress of long work."""

    def update(self, count: int, note: str = "") -> None:
        """`count` more units are finished; `note` is printed after the rate."""


class _Bar:
    def __init__(self, bar: tqdm[Any]) -> None:
        self.bar = bar

    def update(self, count: int, note: str = "") -> None:
        self.bar.set_postfix_str(note, refresh=False)
        self.bar.update(count)


class _Lines:
    def __init__(self, total: int, label: str, unit: str) -> None:
        self.total, self.label, self.unit = total, label, unit
        self.count, self.note = 0, ""
        self.start = self.last = time.monotonic()

    def update(self, count: int, note: str = "") -> None:
        self.count += count
        self.note = note
        now = time.monotonic()
        if now - self.last >= _EVERY and self.count:
            self.last = now
            rate = self.count / (now - self.start)
            left = (self.total - self.count) / rate
            text = f"{self.count}/{self.total} {self.unit}, {rate:.1f}/s, {left:.0f} s left"
            self.print(f"{text}, {note}" if note else text)

    def print(self, text: str) -> None:
        announce(self.label, text)


def announce(label: str, text: str) -> None:
    """Print a line about an unexpected event to stderr."""
    sys.stderr.write(f"{label}: {text}\n")
    sys.stderr.flush()


@contextmanager
def progress(total: int, *, label: str, unit: str = "clips") -> Iterator[Progress]:
    """A progress display on stderr for `total` units of work.

    Args:
        total: How much there is to do.
        label: What is being done, usually the stage's name.
        unit: Plural noun of one piece.
    """
    if sys.stderr.isatty():
        with tqdm(total=total, desc=label, unit=f" {unit}", dynamic_ncols=True) as bar:
            yield _Bar(bar)
        return
    lines = _Lines(total, label, unit)
    yield lines
    spent = time.monotonic() - lines.start
    text = f"{lines.count}/{total} {unit} in {spent:.1f} s"
    lines.print(f"{text}, {lines.note}" if lines.note else text)
