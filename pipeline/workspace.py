"""Where everything lies below the project's root."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stroi.pipeline.params.settings import Setting

COMMAND_VARIABLE = "STROI_COMMAND"
"""Environment variable that the command line sets for itself and its workers, not for programs that
import the modules."""


@dataclass(frozen=True)
class Workspace:
    """Paths of a project.

    Attributes:
        root: Folder that holds dvc.yaml, params.yaml and profiles/.
        settings: Params of this command, in place of those of the profile.
    """

    root: Path
    settings: tuple[Setting, ...] = ()

    def raw(self, dataset: str) -> Path:
        """The data set as its owner ships it: a folder, or a link to one."""
        return self.root / "data" / dataset / "raw"

    def index(self, dataset: str) -> Path:
        """Out of stage ``index``."""
        return self.root / "data" / dataset / "index"

    def skeletons(self, dataset: str) -> Path:
        """Out of stage ``skeletons``."""
        return self.root / "data" / dataset / "skeletons"

    def skeletons3d(self, dataset: str) -> Path:
        """Out of stage ``skeletons3d``."""
        return self.root / "data" / dataset / "skeletons3d"

    def mosaics(self, dataset: str) -> Path:
        """Out of stage ``mosaics``."""
        return self.root / "data" / dataset / "mosaics"

    def run(self, run: str, stage: str) -> Path:
        """Out of one of a run's stages, such as ``gcn`` or ``resnet-fixed``."""
        return self.root / "runs" / run / stage

    def networks(self, run: str) -> Path:
        """Folder of a run; every stage that trains has a folder of networks and scores in it."""
        return self.root / "runs" / run

    def scores(self, dataset: str, run: str) -> Path:
        """Copies of the score folders of a run: all that its table is made of."""
        return self.root / "data" / dataset / "scores" / run

    @property
    def store(self) -> Path:
        """Finished work by content, outside the outs that DVC deletes (docs/resume.md)."""
        return Path(os.environ.get("STROI_STORE") or self.root / ".stroi")

    def lock(self, stage: str, name: str) -> Path:
        """Lock file of one stage's out."""
        return self.store / "locks" / f"{stage}-{name}.lock"
