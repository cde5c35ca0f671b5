"""A trained run: its networks, its scores, its metrics."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.files.opening import read_no_link
from stroi.cache.scores import Scores, read_scores
from stroi.cache.storage.strict_json import JsonNode, parse_json
from stroi.cache.weights import Weights, read_weights
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.params.load import load_run as load_params
from stroi.pipeline.workspace import Workspace
from stroi.stages.training.outputs import checkpoint, scores_folder, seed_folder

if TYPE_CHECKING:
    from stroi.trainer.models.graph_net import GraphNet
    from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet

Branch = Literal["gcn", "resnet-plain", "resnet-fixed", "resnet-end-to-end"]
"""A trained network of a run, by the name of its stage."""

_METRICS_BYTES = 1 << 20


@dataclass(frozen=True)
class Run:
    """A run that was trained: what `load_run` returns.

    Every method reads its file when it is called, and verifies it.

    Attributes:
        root: Folder of the project that it belongs to.
        params: Its name, its data set, split and input, and the profile that it was trained with.
    """

    root: Path
    params: RunParams

    @property
    def name(self) -> str:
        """Its name in params.yaml."""
        return self.params.name

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds, each with networks of its own."""
        return tuple(self.params.profile.seeds)

    @property
    def networks(self) -> tuple[Branch, ...]:
        """The branches that were trained."""
        return tuple(
            branch for branch in get_args(Branch) if self._file(branch, self.seeds[0]).is_file()
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the logits.

        Raises:
            RefusedInput: ``RUN_UNTRAINED`` if no branch was trained.
        """
        if not self.networks:
            raise self._untrained("a network")
        return self.scores(self.networks[0]).classes

    @property
    def metrics(self) -> dict[str, float]:
        """The table in short: ``row1`` to ``row7`` and ``chance`` in percent, ``test_clips``.

        Raises:
            RefusedInput: ``METRICS`` before stage ``ensemble`` has run.
        """
        path = self._workspace.run(self.name, "metrics.json")
        document = parse_json(
            read_no_link(path, "METRICS", _METRICS_BYTES, remedy="run `stroi ensemble` first"),
            str(path),
        )
        return JsonNode({"metrics": document}, str(path)).mapping("metrics")

    def scores(self, branch: Branch, *, seed: int | None = None, name: str = "test") -> Scores:
        """Logits of a branch.

        Args:
            branch: The branch.
            seed: One of `seeds`; the first if None.
            name: ``test`` or ``validation``.

        Raises:
            ParamsError: ``RUN_SEED``.
            RefusedInput: ``RUN_UNTRAINED``; ``SCORES_NAME``; if the file is damaged.
        """
        folder = scores_folder(self._workspace.run(self.name, branch), self._seed(seed))
        if not folder.is_dir():
            raise self._untrained(branch)
        return read_scores(folder, name)

    def weights(self, *, seed: int | None = None) -> Weights:
        """Joint weights and row weights that the graph network of a seed gave every clip.

        Args:
            seed: One of `seeds`; the first if None.

        Raises:
            ParamsError: ``RUN_SEED``.
            RefusedInput: ``RUN_UNTRAINED``; if the file is damaged.
        """
        folder = seed_folder(self._workspace.run(self.name, "weights"), self._seed(seed))
        if not folder.is_dir():
            raise self._untrained("weights")
        return read_weights(folder)

    def graph_network(self, *, seed: int | None = None, stream: str = "") -> GraphNet:
        """The graph network, on the CPU in evaluation mode.

        Args:
            seed: One of `seeds`; the first if None.
            stream: One of the further streams of ``gcn.streams``; the first if empty.

        Raises:
            ParamsError: ``RUN_SEED``.
            RefusedInput: ``RUN_UNTRAINED``; if the file is damaged.
        """
        from stroi.trainer.network_files.network_file import load_gcn

        return load_gcn(self._trained("gcn", self._seed(seed), stream))

    def rgb_network(self, branch: Branch, *, seed: int | None = None) -> WeightedMosaicNet:
        """The image network of a branch, on the CPU in evaluation mode.

        Args:
            branch: Any but ``gcn``.
            seed: One of `seeds`; the first if None.

        Raises:
            ParamsError: ``RUN_SEED``.
            RefusedInput: ``RUN_UNTRAINED``; ``PTH_META`` of ``gcn``; if the file is damaged.
        """
        from stroi.trainer.network_files.network_file import load_resnet

        return load_resnet(self._trained(branch, self._seed(seed)))

    @property
    def _workspace(self) -> Workspace:
        return Workspace(self.root)

    def _file(self, branch: Branch, seed: int, stream: str = "") -> Path:
        return checkpoint(self._workspace.run(self.name, branch), seed, stream)

    def _trained(self, branch: Branch, seed: int, stream: str = "") -> Path:
        path = self._file(branch, seed, stream)
        if not path.is_file():
            raise self._untrained(f"{branch} {stream}".strip())
        return path

    def _seed(self, seed: int | None) -> int:
        if seed is None:
            return self.seeds[0]
        if seed not in self.seeds:
            raise ParamsError(
                "RUN_SEED",
                f"run {self.name} has no seed {seed}",
                remedy=f"its seeds are: {', '.join(map(str, self.seeds))}",
            )
        return seed

    def _untrained(self, what: str) -> RefusedInput:
        return RefusedInput(
            "RUN_UNTRAINED",
            f"run {self.name} in {self.root} has no {what}",
            remedy="run `dvc repro`, or `dvc pull` if others trained it",
        )


def load_run(source: Path | str) -> Run:
    """Open a trained run.

    Args:
        source: Folder of the run in its project, such as ``runs/demo-xsub``.

    Raises:
        RefusedInput: ``RUN_OPEN`` if there is no run.
        ParamsError: Listing every mistake in the params of its project.
    """
    folder = Path(source).absolute()
    root = folder.parents[1] if len(folder.parents) > 1 else folder
    if folder.parent.name != "runs" or not (root / "params.yaml").is_file():
        raise RefusedInput(
            "RUN_OPEN",
            f"{source} is no run: it does not lie in the folder runs/ of a project",
            remedy="name a folder such as PROJECT/runs/RUN",
        )
    return Run(root, load_params(root, folder.name))
