"""A receiver of mosaics, weights and scores makes the table and the report of them, as archives."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

from small_run import STREAMS, TEST, lose, write_mosaics

from stroi.cache.manifest import read_manifest, write_manifest
from stroi.pipeline.cli import run as stroi
from stroi.pipeline.params.load import load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.ensemble import build_table


def _at(workspace: Workspace, arguments: list[str]) -> list[str]:
    """Arguments of a command, folders below a project's root."""
    return [text if text.startswith("--") else str(workspace.root / text) for text in arguments]


def _send(sender: Workspace, folder: Path, options: list[str]) -> Path:
    """An archive of one folder of the sender."""
    archive = sender.root / f"{'-'.join(folder.parts)}.tar"
    places = _at(sender, [str(folder), archive.name, *options])
    assert stroi(["cache", "export", *places, "--licence=CC0-1.0"]) == 0
    return archive


def _table(workspace: Workspace) -> object:
    return json.loads((workspace.run("small-xsub", "ensemble") / "table.json").read_text())


def test_archives_are_enough_for_the_table_and_the_report(
    workspace: Workspace, tmp_path: Path
) -> None:
    """A test clip has no mosaic, so it is not in the index that came with them."""
    write_mosaics(workspace.mosaics("small"), TEST[:1])
    lose(workspace, TEST[:1])
    profile = workspace.root / "profiles" / "small.yaml"
    profile.write_text(profile.read_text().replace("seeds: [0, 1]", "seeds: [0]"))
    # `start` names a place of this machine, so such scores are not exported.
    for stage in STREAMS:
        folder = workspace.run("small-xsub", stage) / "seed-0" / "scores"
        manifest = read_manifest(folder)
        write_manifest(folder, replace(manifest, params=manifest.params | {"start": None}))
    build_table(workspace, load_run(workspace.root, "small-xsub"))
    sent = _table(workspace)

    receiver = Workspace(tmp_path / "receiver")
    for name in ("params.yaml", "profiles/small.yaml"):
        (receiver.root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(workspace.root / name, receiver.root / name)
    runs = Path("runs/small-xsub")
    scores = [runs / stage / "seed-0" / "scores" for stage in STREAMS]
    for folder in (Path("data/small/mosaics"), runs / "weights" / "seed-0", *scores):
        labels = ["--index", "data/small/index"] if folder.name == "mosaics" else []
        archive = _send(workspace, folder, labels)
        place = _at(receiver, [str(folder), *labels])
        assert stroi(["cache", "import", str(archive), *place]) == 0
    assert not receiver.skeletons("small").exists()

    assert stroi(["ensemble", "small-xsub", "--root", str(receiver.root)]) == 0
    made = _table(receiver)
    assert isinstance(sent, dict)
    assert isinstance(made, dict)
    split = {"listed": 7, "seen": 7, "left_out": {"skeletons": 0, "mosaics": 0}}
    assert made == sent | {"test_split": split}
    assert stroi(["report", "small-xsub", "--root", str(receiver.root)]) == 0
    page = receiver.run("small-xsub", "report.html").read_text()
    words = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.split("</style>", 1)[1]))
    assert "The ledgers of these stages are not in this project: index, skeletons." in words
    assert f"The curves of these trainings are not in this project: {', '.join(STREAMS)}." in words
    assert "mosaics 16 15 1" in words


def test_pulled_folders_are_enough_too(workspace: Workspace) -> None:
    """Without skeletons, after `dvc pull` of the others: nothing else is missing on the pages."""
    before = _table(workspace)
    shutil.rmtree(workspace.skeletons("small"))
    shutil.rmtree(workspace.run("small-xsub", "ensemble"))
    assert stroi(["ensemble", "small-xsub", "--root", str(workspace.root)]) == 0
    assert _table(workspace) == before
    for stage, page in (("report", "report.html"), ("gcn-report", "gcn-report.html")):
        assert stroi([stage, "small-xsub", "--root", str(workspace.root)]) == 0
        text = workspace.run("small-xsub", page).read_text()
        assert "The ledgers of these stages are not in this project: skeletons." in text
        assert "The curves of these trainings" not in text
