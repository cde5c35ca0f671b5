"""Sharing through DVC as docs/sharing.md says it: two clones, a remote folder, the real DVC.

The receivers have neither videos nor a pose estimator: onnxruntime and OpenCV cannot be imported
where they work.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from dvc.utils.serialize import loads_yaml
from projects import ROOT, dvc, flip_bit, git, new_repository, render, tree

pytestmark = pytest.mark.slow

INDEX, SKELETONS, MOSAICS = (f"data/demo/{name}" for name in ("index", "skeletons", "mosaics"))
WEIGHTS, FIXED = "runs/demo-xsub/weights", "runs/demo-xsub/resnet-fixed"
TRAINING = "resnet-fixed@demo-xsub"
CLASSES = ("drink", "phone", "read", "tablet")


def _set_params(project: Path, datasets: str) -> None:
    (project / "params.yaml").write_text(
        f"rendered: []\ndatasets: {datasets}\nsensors: []\npools: {{}}\n"
        "runs:\n  demo-xsub: {dataset: demo, split: xsub, input: skeletons}\nshow: demo-xsub\n"
    )


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with videos whose results were trained, committed and pushed."""
    project = new_repository(tmp_path_factory.mktemp("sharing") / "sender")
    _set_params(project, "[demo]")
    render(project / "data" / "demo" / "raw", CLASSES)
    done = dvc(project, "repro", TRAINING, STROI_THREADS="1", STROI_JOBS="1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert dvc(project, "remote", "add", "-d", "lab", "../remote").returncode == 0
    git(project, "add", "-A")
    git(project, "commit", "-q", "-m", "Train")
    pushed = dvc(project, "push", INDEX, SKELETONS, MOSAICS, WEIGHTS)
    assert pushed.returncode == 0, pushed.stderr
    return project


class Receiver:
    """A machine without videos and without what an estimator or a decoder needs."""

    def __init__(self, folder: Path, project: Path) -> None:
        self.project = project
        self.blocked = folder / "blocked"
        for name in ("onnxruntime", "cv2"):
            (self.blocked / name).mkdir(parents=True)
            text = f"raise ImportError('no {name} on this machine')\n"
            (self.blocked / name / "__init__.py").write_text(text)

    def dvc(self, *arguments: str) -> CompletedProcess[str]:
        variables = {"PYTHONPATH": str(self.blocked), "STROI_THREADS": "1"}
        return dvc(self.project, *arguments, **variables)

    def did(self, *arguments: str) -> str:
        done = self.dvc(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert not (self.project / "data" / "demo" / "raw").exists()
        return done.stdout

    def set_profile(self, old: str, new: str) -> None:
        profile = self.project / "profiles" / "demo.yaml"
        text = profile.read_text()
        assert text.count(old) == 1
        profile.write_text(text.replace(old, new))


@pytest.fixture
def receiver(sender: Path, tmp_path: Path) -> Iterator[Receiver]:
    """A clone beside the remote; nothing is pulled yet."""
    project = sender.parent / "receiver"
    git(sender.parent, "clone", "-q", str(sender), str(project))
    yield Receiver(tmp_path, project)
    shutil.rmtree(project)


def ran(output: str) -> list[str]:
    """The stages that DVC ran."""
    return re.findall(r"Running stage '(.+?)'", output)


@pytest.mark.nightly
def test_the_senders_params_give_the_senders_numbers(sender: Path, receiver: Receiver) -> None:
    receiver.did("pull", INDEX, MOSAICS, WEIGHTS)
    assert ran(receiver.did("repro", "--single-item", "--force", TRAINING)) == [TRAINING]
    assert tree(receiver.project / FIXED) == tree(sender / FIXED)
    assert git(receiver.project, "status", "--porcelain") == ""


@pytest.mark.nightly
def test_other_training_params_train_and_nothing_else_runs(
    sender: Path, receiver: Receiver
) -> None:
    receiver.set_profile("lr: 0.02", "lr: 0.01")
    assert ran(receiver.did("repro", "--single-item", "--pull", TRAINING)) == [TRAINING]
    for name in (INDEX, MOSAICS, WEIGHTS):
        assert tree(receiver.project / name) == tree(sender / name)
    ours, theirs = tree(receiver.project / FIXED), tree(sender / FIXED)
    assert ours.keys() == theirs.keys()
    assert ours["seed-0/scores/test.h5"] != theirs["seed-0/scores/test.h5"]
    assert not (receiver.project / SKELETONS).exists()
    changed = git(receiver.project, "status", "--porcelain").splitlines()
    assert changed == [" M dvc.lock", " M profiles/demo.yaml"]


@pytest.mark.nightly
def test_a_project_of_ones_own_imports_the_folders(sender: Path, tmp_path: Path) -> None:
    project = new_repository(tmp_path / "own")
    _set_params(project, "[]")
    own = Receiver(tmp_path, project)
    (project / "data" / "demo").mkdir(parents=True)
    for name in (INDEX, SKELETONS, MOSAICS):
        own.did("import", str(sender), name, "-o", name)
        assert tree(project / name) == tree(sender / name)
    git(project, "add", "-A")
    imported = {f"{name}.dvc" for name in (INDEX, SKELETONS, MOSAICS)}
    assert imported <= set(git(project, "ls-files").split())
    assert ran(own.did("repro", "resnet-plain@demo-xsub")) == ["resnet-plain@demo-xsub"]
    # A plain repro cannot touch what was imported: no stage makes it.
    stages = {name.split("@")[0] for name in own.did("stage", "list", "--name-only").split()}
    assert {"gcn", "weights", "report"} <= stages
    assert {"sample", "index", "skeletons", "mosaics"}.isdisjoint(stages)


@pytest.mark.nightly
def test_a_plain_repro_takes_the_index_away_and_checkout_brings_it_back(
    sender: Path, receiver: Receiver
) -> None:
    receiver.did("pull", INDEX, MOSAICS)
    done = receiver.dvc("repro")
    assert done.returncode != 0
    assert "failed to reproduce 'index@demo'" in done.stderr
    assert not (receiver.project / INDEX).exists()
    receiver.did("checkout", INDEX)
    assert tree(receiver.project / INDEX) == tree(sender / INDEX)
    assert tree(receiver.project / MOSAICS) == tree(sender / MOSAICS)


@pytest.mark.nightly
def test_an_empty_folder_of_videos_is_as_bad_but_a_single_item_does_not_look(
    receiver: Receiver,
) -> None:
    receiver.did("pull", INDEX, MOSAICS, WEIGHTS)
    raw = receiver.project / "data" / "demo" / "raw"
    raw.mkdir()
    done = receiver.dvc("repro", "--pull", "--allow-missing", TRAINING)
    assert done.returncode != 0
    assert ran(done.stdout) == ["index@demo"]
    assert "error: CSV_MISSING: " in done.stderr
    assert not (receiver.project / INDEX).exists()
    planned = receiver.dvc("repro", "--dry", "--single-item", "--force", TRAINING)
    assert ran(planned.stdout) == [TRAINING]


def _refuses(receiver: Receiver) -> None:
    """The training refuses the mosaics before its first epoch, and they stay."""
    done = receiver.dvc("repro", "--single-item", "--pull", TRAINING)
    assert done.returncode != 0
    assert ran(done.stdout) == [TRAINING]
    assert "exited with 3" in done.stderr
    (refusal,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert refusal.startswith("error: DIGEST: ")
    assert re.search(r"mosaics-00001\.h5: .*SHA-256", refusal)
    assert re.search(r"(phone|read|tablet|drink)_s0\d_c1", refusal)
    assert "epochs" not in done.stderr
    assert (receiver.project / MOSAICS / "mosaics-00001.h5").exists()


def test_a_flipped_bit_is_refused_before_the_first_epoch(receiver: Receiver) -> None:
    receiver.did("pull", INDEX, MOSAICS, WEIGHTS)
    flip_bit(receiver.project / MOSAICS / "mosaics-00001.h5")
    _refuses(receiver)


def _object_of(project: Path, name: str) -> str:
    """Place of a file's object within a cache, from what DVC says of the file."""
    found = loads_yaml(dvc(project, "ls", ".", name, "--show-hash", "--json").stdout)
    md5 = {entry["path"]: entry["md5"] for entry in found}[Path(name).name]
    return f"files/md5/{md5[:2]}/{md5[2:]}"


@pytest.mark.nightly
def test_a_damaged_remote_is_not_seen_by_dvc_unless_told(sender: Path, receiver: Receiver) -> None:
    damaged = receiver.project.parent / "damaged"
    shutil.copytree(sender.parent / "remote", damaged)
    flip_bit(damaged / _object_of(sender, f"{MOSAICS}/mosaics-00001.h5"))
    receiver.did("remote", "modify", "--local", "lab", "url", str(damaged))
    receiver.did("pull", INDEX, MOSAICS, WEIGHTS)
    _refuses(receiver)
    shutil.rmtree(receiver.project / ".dvc" / "cache")
    shutil.rmtree(receiver.project / MOSAICS)
    receiver.did("remote", "modify", "--local", "lab", "verify", "true")
    assert receiver.dvc("pull", MOSAICS).returncode != 0
    assert not (receiver.project / MOSAICS / "mosaics-00001.h5").exists()


def test_what_the_sender_commits_is_complete_and_says_nothing_of_his_disk(sender: Path) -> None:
    assert git(sender, "status", "--porcelain") == ""
    tracked = set(git(sender, "ls-files").splitlines())
    assert {"dvc.lock", "dvc.yaml", "params.yaml", "profiles/demo.yaml", "versions.yaml"} <= tracked
    assert not [name for name in tracked if name.startswith(("data/", "runs/"))]
    lock = (sender / "dvc.lock").read_text()
    assert "path: /" not in lock
    assert "__pycache__" not in lock


def test_every_stage_depends_on_whole_outs() -> None:
    """A file inside a pulled folder may change without `--allow-missing` noticing (DVC #11099).

    The pages alone name two small files of the skeletons, so that nobody needs the rest for them.
    """
    stages = loads_yaml((ROOT / "dvc.yaml").read_text())["stages"]
    outs = {
        re.sub(r"\$\{.+?\}", "*", out)
        for entry in stages.values()
        for out in entry["do"]["outs"]
        if isinstance(out, str)
    }
    deps = {
        re.sub(r"\$\{.+?\}", "*", dep.replace("${item.input}", what))
        for entry in stages.values()
        for dep in entry["do"].get("deps", ())
        for what in ("skeletons", "skeletons3d")
        if not dep.endswith(("/ledger.csv", "/manifest.json"))
    }
    assert len(deps) >= 8
    # A pool depends on the folder that holds the scores of every run, each of them a whole out.
    assert deps <= outs | {"data/*/scores"}
    assert "data/*/scores/*" in outs
