"""Rules for which clips train, validate and test; part of a profile (docs/protocols.md)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stroi.pipeline.params.base import ParamsModel, Positive

Column = Literal["subject", "camera", "group", "split", "id"]
"""Index column that a split divides by."""

Fold = tuple[Positive, Annotated[int, Field(ge=2)]]
"""Number of the fold, from 1, and how many there are."""


def _check_fold(fold: Fold | None) -> None:
    if fold is not None and fold[0] > fold[1]:
        raise ValueError(f"there is no fold {fold[0]} of {fold[1]}: they count from 1")


class Validation(ParamsModel):
    """The training clips of a split that validate: settings are chosen on them."""

    by: Column
    """Index column."""
    values: tuple[str, ...] | None = None
    """Values of that column; their clips validate."""
    fold: Fold | None = None
    """Instead of `values`: [i, k] validates on the i-th of k folds of the training clips."""

    @model_validator(mode="after")
    def _is_one_rule(self) -> Validation:
        if (self.values is None) == (self.fold is None):
            raise ValueError("name either the values that validate, or a fold")
        _check_fold(self.fold)
        return self


class Split(ParamsModel):
    """Which clips train and which test, by the values of one index column."""

    by: Column
    """Index column; ``id`` is for clips of which nothing else is known."""
    train: tuple[str, ...] | None = None
    """Values whose clips train; left out: all values that `test` does not name."""
    test: tuple[str, ...] | None = None
    """Values whose clips test; left out: all values that `train` does not name."""
    fold: Fold | None = None
    """Instead of both: [i, k] tests on the i-th of k folds of the values, about as many clips
    each; with as many folds as values this leaves one out."""
    validation: Validation | None = None
    """Training clips that validate; none when absent."""
    leave_out: tuple[str, ...] = ()
    """Ids of training clips that are not used, such as those with a wrong label."""

    @model_validator(mode="after")
    def _is_one_rule(self) -> Split:
        named = self.train is not None or self.test is not None
        if not named and self.fold is None:
            raise ValueError("name the values of train, of test, or of both, or a fold")
        if named and self.fold is not None:
            raise ValueError("name either values or a fold")
        _check_fold(self.fold)
        both = sorted(set(self.train or ()) & set(self.test or ()))
        if both:
            raise ValueError(f"on both sides: {', '.join(both)}")
        return self
