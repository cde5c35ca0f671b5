"""A trained run: its networks, its scores, its metrics."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.files.digests import sha256_file
from stroi.cache.files.opening import read_no_link
from stroi.cache.scores import Scores, read_scores
from stroi.cache.share.receive import refuse_unexpected
from stroi.cache.share.urls import as_path
from stroi.cache.storage.strict_json import JsonNode, parse_json
from stroi.cache.weights import Weights, read_weights
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.params.load import load_run as load_params
from stroi.stages.shelf.contents import BRANCHES, CARD_NAME, Branch, read_card
from stroi.stages.training.outputs import checkpoint, scores_folder, seed_folder
from stroi.trainer.config import Mode

if TYPE_CHECKING:
    from stroi.stages.predict.answer import Prediction
    from stroi.stages.predict.run import TrainedRun
    from stroi.trainer.models.graph_net import GraphNet
    from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet

_METRICS_BYTES = 1 << 20


@dataclass(frozen=True)
class Run:
    """A run that was trained: what `load_run` returns.

    Every method reads its file when it is called, and verifies it.

    Attributes:
        folder: Its folder.
        params: Its name, its data set, split and input, and the profile that it was trained with.
    """

    folder: Path
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
        return tuple(branch for branch in BRANCHES if self._file(branch, self.seeds[0]).is_file())

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
        path = self.folder / "metrics.json"
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
        folder = scores_folder(self.folder / branch, self._seed(seed))
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
        folder = seed_folder(self.folder / "weights", self._seed(seed))
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

    def predict(
        self,
        video: Path | str,
        *,
        mode: Mode | None = None,
        seed: int | None = None,
        start: int = 0,
        stop: int = 0,
        threads: int = 1,
    ) -> Prediction:
        """What the run says about a new video, as `stroi predict` does.

        Args:
            video: A video file, or a folder of numbered images.
            mode: Mode of the RGB branch: ``fixed``, ``end-to-end`` or ``plain``; by default the
                first of these that was trained.
            seed: One of `seeds`; the first if None.
            start: First frame.
            stop: Frame after the last; 0 for the whole rest.
            threads: CPU threads of the networks; the same number gives the same bits.

        Returns:
            Its `label`, its `top(5)` with probabilities, and in `answer` and `clip` all scores,
            weights, people and the mosaic.

        Raises:
            ParamsError: If the run's input cannot be made of a video, such as that of a sensor.
            RefusedInput: If a network is missing or damaged.
            ClipRejected: If the video cannot be used, or shows nobody.
        """
        from stroi.stages.predict.run import predict_video

        networks = _networks(self.folder, mode, seed, threads, _states(self.folder))
        return predict_video(networks, Path(video), start=start, stop=stop)

    def _file(self, branch: Branch, seed: int, stream: str = "") -> Path:
        return checkpoint(self.folder / branch, seed, stream)

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
            f"run {self.name} in {self.folder} has no {what}",
            remedy="run `dvc repro`, or `dvc pull` if others trained it",
        )


def load_run(source: Path | str, *, expect: str = "") -> Run:
    """Open a trained run.

    Args:
        source: Folder of the run in its project, such as ``runs/demo-xsub``; a folder that
            `stroi run import` placed; or the URL of an archive that `stroi run export` wrote,
            which is fetched once and kept as `stroi.open_mosaics` does.
        expect: SHA-256 that the ``run.json`` of an exported run must have; empty takes any.

    Raises:
        RefusedInput: ``RUN_OPEN`` if there is no run; ``EXPECT``; as `stroi.open_mosaics` and
            `stroi run import` for what lies at a URL.
        ParamsError: Listing every mistake in its params.
    """
    path = as_path(source)
    folder = _download(str(source), expect) if path is None else path.absolute()
    card = folder / CARD_NAME
    if card.is_file():
        refuse_unexpected(source, sha256_file(card) if expect else "", expect)
        return Run(folder, load_params(folder, read_card(card).run))
    root = folder.parents[1] if len(folder.parents) > 1 else folder
    if folder.parent.name != "runs" or not (root / "params.yaml").is_file():
        raise RefusedInput(
            "RUN_OPEN",
            f"{source} is no run: no folder in runs/ of a project, and none with a {CARD_NAME}",
            remedy="name a folder such as PROJECT/runs/RUN, or `stroi run import` the archive",
        )
    return Run(folder, load_params(root, folder.name))


def _download(url: str, expect: str) -> Path:
    from stroi.cache.share.remote import cached
    from stroi.pipeline.cache_commands.common import counting_bytes
    from stroi.stages.shelf.receive import import_run

    def take(local: Path, target: Path) -> None:
        import_run(local, target, expect=expect)

    return cached(url, take, counting_bytes("download"))


States = tuple[tuple[str, int, int], ...]
"""Name, time of the last change and size of files."""


def _states(folder: Path) -> States:
    """Those of a run's networks: a run that is trained again is read again."""
    files = sorted(folder.rglob("*.safetensors"))
    found = [(path, path.stat()) for path in files]
    return tuple((str(path), state.st_mtime_ns, state.st_size) for path, state in found)


@lru_cache(maxsize=2)
def _networks(
    folder: Path, mode: Mode | None, seed: int | None, threads: int, _states: States
) -> TrainedRun:
    """The networks of a run, which cost more to read than a short video."""
    from stroi.stages.predict.run import open_run

    return open_run(folder, mode=mode, seed=seed, threads=threads)
