"""A trained run, packed and taken in: the same answers, and no file of a stranger's by the way."""

from __future__ import annotations

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import answering_run
import pytest
import trained_project
from small_project import flip
from trained_project import RUN

import stroi
from stroi.cache.errors import ParamsError, RefusedInput, StroiError
from stroi.cache.files.digests import sha256_file
from stroi.cache.share.archive import OutgoingFile, write_archive
from stroi.cache.share.card import About
from stroi.pipeline.cli import run
from stroi.pipeline.params.load import load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.shelf.contents import PackedFile, card_bytes, place_of, read_card
from stroi.stages.shelf.pack import pack_run, without_places
from stroi.stages.shelf.receive import import_run

ABOUT = About(licence="CC-BY-4.0", dataset="rendered")


def pack(project: Path, name: str) -> Path:
    """A run of a project as an archive beside it."""
    target = project.parent / "packed.tar"
    pack_run(Workspace(project), load_run(project, name), target, ABOUT)
    return target


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project without videos, whose gcn and resnet-fixed were trained; only to be read."""
    folder = tmp_path_factory.mktemp("shelf") / "project"
    workspace, run = trained_project.project(folder)
    trained_project.train_gcn(workspace, run)
    trained_project.train_resnet(workspace, run, "fixed")
    return folder


@pytest.fixture(scope="module")
def archive(project: Path) -> Path:
    """Its run as an archive."""
    return pack(project, RUN)


def test_a_run_travels(project: Path, archive: Path, tmp_path: Path) -> None:
    import_run(archive, tmp_path / "shelf" / "mine")
    here, there = stroi.load_run(project / "runs" / RUN), stroi.load_run(tmp_path / "shelf/mine")
    assert there.networks == here.networks == ("gcn", "resnet-fixed")
    assert (there.classes, there.seeds, there.params) == (here.classes, here.seeds, here.params)
    for branch in here.networks:
        for name in ("checkpoint.safetensors", "scores/test.h5"):
            file = Path(branch) / "seed-0" / name
            assert sha256_file(there.folder / file) == sha256_file(here.folder / file)
    assert (there.weights().row_weights == here.weights().row_weights).all()
    assert there.rgb_network("resnet-fixed").classes == here.classes
    assert [path.name for path in (tmp_path / "shelf").iterdir()] == ["mine"]


@pytest.mark.nightly
@pytest.mark.slow
def test_it_answers_about_videos_as_it_did(tmp_path: Path) -> None:
    """All networks; for a test clip, the answer is the one that was scored."""
    project = answering_run.trained_run(tmp_path / "project")
    import_run(pack(project, answering_run.RUN), tmp_path / "mine")
    here = stroi.load_run(project / "runs" / answering_run.RUN)
    there = stroi.load_run(tmp_path / "mine")
    assert there.networks == here.networks
    assert there.metrics == here.metrics
    clip = answering_run.video(project, answering_run.TEST[0])
    mine, theirs = here.predict(clip), there.predict(str(clip))
    assert theirs.top(3) == mine.top(3)
    assert (theirs.clip.cut.mosaic == mine.clip.cut.mosaic).all()
    stored = there.scores("resnet-fixed")
    logits = stored.logits[stored.ids.index(answering_run.TEST[0])]
    assert (theirs.answer.scores["rgb"] == logits).all()


def test_equal_runs_give_equal_archives_without_a_place_of_this_machine(
    project: Path, archive: Path, tmp_path: Path
) -> None:
    pack_run(Workspace(project), load_run(project, RUN), tmp_path / "again.tar", ABOUT)
    assert sha256_file(tmp_path / "again.tar") == sha256_file(archive)
    assert str(project.parent).encode() not in archive.read_bytes()
    with tarfile.open(archive) as tar:
        assert f"{RUN}/resnet-fixed_seed-0_checkpoint.safetensors" in tar.getnames()
        readme = tar.extractfile(f"{RUN}/README.md")
        assert readme is not None
        assert "| licence | CC-BY-4.0 |" in readme.read().decode()


def test_absolute_paths_become_names() -> None:
    tree = {"start": "/home/ann/resnet18.pth", "rows": ["a/b", "/c/d", 3], "none": None}
    assert without_places(tree) == {"start": "resnet18.pth", "rows": ["a/b", "d", 3], "none": None}


def repacked(archive: Path, target: Path, change: Callable[[Path], None]) -> Path:
    """The same run after `change`, with digests that fit: what a stranger could send."""
    folder = target.parent / "files"
    with tarfile.open(archive) as tar:
        tar.extractall(target.parent, filter="data")
    (target.parent / RUN).rename(folder)
    change(folder)
    card = read_card(folder / "run.json")
    files = tuple(
        PackedFile(name=path.name, bytes=path.stat().st_size, sha256=sha256_file(path))
        for path in sorted(folder.iterdir())
        if path.name != "run.json"
    )
    (folder / "run.json").write_bytes(card_bytes(card.replace(files=files)))
    outgoing = [
        OutgoingFile(path.name, path.stat().st_size, sha256_file(path), path)
        for path in sorted(folder.iterdir())
    ]
    write_archive(target, RUN, outgoing)
    return target


def other_network(folder: Path) -> None:
    shutil.copy(
        folder / "gcn_seed-0_checkpoint.safetensors",
        folder / "resnet-fixed_seed-0_checkpoint.safetensors",
    )


def other_run(folder: Path) -> None:
    path = folder / "params.yaml"
    path.write_text(path.read_text().replace(f'"{RUN}"', '"other"'))


def no_recipe(folder: Path) -> None:
    (folder / "recipe.json").unlink()


def damaged_network(folder: Path) -> None:
    path = folder / "gcn_seed-0_checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-4])


def foreign_file(folder: Path) -> None:
    (folder / "payload.py").write_text("print()")


def other_classes(folder: Path) -> None:
    path = folder / "run.json"
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {"classes": ["a", "b", "c"]}))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (other_network, r"RUN_FILE: .*'resnet-fixed, seed 0,' has scores of another network"),
        (other_run, r"PARAMS_RUN: .*params\.yaml has no run"),
        (no_recipe, r"RUN_FILE: .*'recipe\.json' is in run\.json and not there"),
        (damaged_network, r"RUN_FILE: .*'gcn, seed 0,' has scores of another"),
        (foreign_file, r"RUN_FILE: .*'payload\.py' does not belong in a packed run"),
        (other_classes, r"RUN_FILE: .*'recipe\.json' is of another run than run\.json"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_does_not_belong_together_is_refused(
    archive: Path, tmp_path: Path, change: Callable[[Path], None], problem: str
) -> None:
    path = repacked(archive, tmp_path / "x.tar", change)
    with pytest.raises(StroiError, match=problem):
        import_run(path, tmp_path / "shelf")
    assert not (tmp_path / "shelf").exists()


def test_a_flipped_byte_is_refused_by_name(archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    shutil.copy(archive, path)
    weights = archive.read_bytes().index(b"weights_seed-0_weights.h5")
    flip(path, weights + 1000)
    with pytest.raises(RefusedInput, match=rf"DIGEST: {path}: the SHA-256 of weights_seed-0_wei"):
        import_run(path, tmp_path / "shelf")
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "name",
    [
        "../x.py", "gcn_seed-0_x.pkl", "gcn_.._checkpoint.safetensors", "weights_seed-0_test.h5",
        "resnet-other_seed-0_checkpoint.safetensors", "gcn_seed-0_scores_x_manifest.json", "",
    ],
)  # fmt: skip
def test_names_of_no_packed_run(name: str) -> None:
    assert place_of(name) is None


def test_places_of_files() -> None:
    assert place_of("gcn_seed-10_checkpoint-bone_motion.safetensors") == (
        "gcn/seed-10/checkpoint-bone_motion.safetensors"
    )
    assert place_of("resnet-fixed_seed-0_scores_test.h5") == "resnet-fixed/seed-0/scores/test.h5"
    assert place_of("weights_seed-1_manifest.json") == "weights/seed-1/manifest.json"


def test_the_commands(
    project: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("STROI_DOWNLOADS", str(tmp_path / "downloads"))
    url = f"memory://{tmp_path.name}/{RUN}.tar"
    assert run(["run", "export", RUN, url, "--root", str(project)]) == 0
    said = capsys.readouterr()
    assert "warning: no licence" in said.err
    sha256 = said.out.split("SHA-256 of its run.json: ")[1].split()[0]
    assert run(["run", "import", url, str(tmp_path / "mine"), "--expect", sha256]) == 0
    assert f"next: stroi predict {tmp_path / 'mine'} VIDEO" in capsys.readouterr().out
    assert run(["run", "import", url, str(tmp_path / "no"), "--expect", "0" * 64]) == 3
    assert f"EXPECT: {url}: the SHA-256" in capsys.readouterr().err
    assert run(["run", "import", url, str(tmp_path / "mine")]) == 2
    assert "TARGET_EXISTS" in capsys.readouterr().err
    assert stroi.load_run(url, expect=sha256).networks == stroi.load_run(tmp_path / "mine").networks


def test_what_cannot_be_packed(project: Path, tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("*.safetensors", "raw", ".stroi")
    shutil.copytree(project, tmp_path / "copy", ignore=ignored)
    workspace, params = Workspace(tmp_path / "copy"), load_run(tmp_path / "copy", RUN)
    with pytest.raises(RefusedInput, match=r"RUN_UNTRAINED: .*; run `dvc repro` first"):
        pack_run(workspace, params, tmp_path / "x.tar", ABOUT)
    for branch in ("gcn", "resnet-fixed"):
        target = workspace.run(RUN, branch) / "seed-0" / "checkpoint.safetensors"
        target.write_bytes(b"another network")
    with pytest.raises(RefusedInput, match=r"RUN_STALE: .* scores of gcn, seed 0, are another net"):
        pack_run(workspace, params, tmp_path / "x.tar", ABOUT)
    with pytest.raises(ParamsError, match="TARGET_EXISTS"):
        pack_run(workspace, params, tmp_path / "copy", ABOUT)
