"""The errors of stroi: what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


class StroiError(Exception):
    """A failure that the user can understand and mend.

    Printed as one line, ``code: message; remedy``; the process ends with `exit_status`.

    Args:
        code: Upper-case name of the failure, stable across releases, such as ``VIDEO_OPEN``.
        message: What is wrong and in which file, without a final full stop.
        remedy: What the user should do, as an imperative without a final full stop.
        details: Lines to print before the error, one per single mistake.
    """

    exit_status = 1

    def __init__(
        self, code: str, message: str, *, remedy: str = "", details: tuple[str, ...] = ()
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.remedy = remedy
        self.details = details

    def __reduce__(self) -> tuple[object, ...]:
        # Worker processes send their errors back pickled; keyword-only arguments need help.
        return _rebuild, (type(self), self.code, self.message, self.remedy, self.details)

    @property
    def text(self) -> str:
        """What is wrong, and what to do about it."""
        return self.message + (f"; {self.remedy}" if self.remedy else "")

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


class ParamsError(StroiError):
    """A profile, a params file or a command line that cannot be right."""

    exit_status = 2


class RefusedInput(StroiError):
    """A file that is damaged, hostile, or not what it has to be."""

    exit_status = 3


class OutputInUse(StroiError):
    """Another process is writing the same output."""

    exit_status = 4


class ClipRejected(StroiError):
    """One clip that cannot be used: it is quarantined and the run goes on."""


def refuse(code: str, message: str, remedy: str = "fetch or rebuild the file") -> RefusedInput:
    """The refusal of a file, for the caller to raise."""
    return RefusedInput(code, message, remedy=remedy)


def raise_first(problems: Sequence[RefusedInput]) -> None:
    """Raise the first of `problems`, the others as its details; nothing if there are none.

    Raises:
        RefusedInput: With the code, message and remedy of the first.
    """
    if problems:
        first, *others = problems
        more = f" (and {len(others)} more)" if others else ""
        raise RefusedInput(
            first.code,
            first.message + more,
            remedy=first.remedy,
            details=tuple(map(str, others)),
        )


@contextmanager
def refusals_naming(copy: Path, source: Path | str) -> Iterator[None]:
    """Give refusals within the block the name of `source` instead of that of its copy."""
    try:
        yield
    except RefusedInput as error:
        raise renamed(error, copy, source) from error


def renamed(error: RefusedInput, copy: Path, source: Path | str) -> RefusedInput:
    """The same refusal with the name of `source` instead of that of its copy."""
    message, *details = (
        text.replace(str(copy), str(source)) for text in (error.message, *error.details)
    )
    return RefusedInput(error.code, message, remedy=error.remedy, details=tuple(details))


def _rebuild(
    cls: type[StroiError], code: str, message: str, remedy: str, details: tuple[str, ...]
) -> StroiError:
    return cls(code, message, remedy=remedy, details=details)
