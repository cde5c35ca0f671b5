"""What params.yaml lists: the data sets, runs and pools that ``dvc repro`` builds."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stroi.pipeline.params.base import ParamsModel

Input = Literal["skeletons", "skeletons3d"]


class Run(ParamsModel):
    """One entry of ``runs`` in params.yaml: a data set and one of its splits."""

    dataset: str
    """Its name; profiles/NAME.yaml has its params."""
    split: str
    """One of the `splits` of that profile."""
    input: Input
    """Input of the graph network: estimated skeletons, or 3D skeletons of a sensor."""


class Pool(ParamsModel):
    """One entry of ``pools`` in params.yaml: runs whose test clips are taken as one test."""

    dataset: str
    """The data set of all its runs."""
    runs: Annotated[tuple[str, ...], Field(min_length=2)]
    """Runs of the data set that test other clips each, such as all its folds."""


class ProjectParams(ParamsModel):
    """What ``dvc repro`` builds: the content of params.yaml."""

    stroi: str = ""
    """Version of the stroi that the project is of; ``stroi upgrade`` writes it."""
    rendered: tuple[str, ...] = ()
    """Data sets that stage ``sample`` renders."""
    datasets: tuple[str, ...]
    """Data sets to index, estimate and cut; each needs data/NAME/raw and profiles/NAME.yaml."""
    sensors: tuple[str, ...] = ()
    """Data sets with 3D skeletons of a sensor, for stage ``skeletons3d``."""
    runs: dict[str, Run]
    """Trainings by their names: a data set under one of its splits."""
    pools: dict[str, Pool] = Field(default_factory=dict)
    """Tables of several runs together."""
    show: str = ""
    """The run that ``dvc plots show`` draws."""

    @model_validator(mode="after")
    def _pools_are_of_runs(self) -> ProjectParams:
        for name, pool in self.pools.items():
            if name in self.runs:
                raise ValueError(f"pools.{name}: a run has this name: take another one")
            if len(set(pool.runs)) < len(pool.runs):
                raise ValueError(f"pools.{name}.runs: name each run once")
            for run in pool.runs:
                if run not in self.runs:
                    raise ValueError(f"pools.{name}.runs: there is no run {run!a}")
                if self.runs[run].dataset != pool.dataset:
                    raise ValueError(f"pools.{name}.runs: {run} is not of {pool.dataset}")
        return self
