"""What nobody uses goes when told to; all else stays."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from stroi.cache.errors import OutputInUse, RefusedInput
from stroi.cache.locks import lock
from stroi.cache.processes import this_process
from stroi.cache.verify import verify
from stroi.pipeline.fanout import Workers
from stroi.pipeline.plans import PLANS
from stroi.pipeline.prune import Also, command, find_unused, remove
from stroi.pipeline.shards import STORE_LOCK, build_shards
from stroi.pipeline.suspects import CRASHED, MARKS

sys.path.insert(0, str(Path(__file__).parent))
import recipes


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with seven texts and one out, built by factor 1."""
    (tmp_path / "texts").mkdir()
    for number in range(7):
        (tmp_path / "texts" / f"clip{number}.txt").write_text(f"text {number}")
    _build(tmp_path)
    return tmp_path


def _build(project: Path, factor: int = 1, name: str = "a") -> Path:
    out = project / "data" / name / "texts"
    build_shards(
        out,
        recipes.recipe(factor),
        recipes.jobs(project / "texts"),
        clips_per_shard=3,
        store=project / ".stroi",
        workers=Workers(),
    )
    return out


def _shelf(project: Path) -> set[str]:
    return {path.name for path in (project / ".stroi" / "texts").iterdir()}


def _run(project: Path, *options: str) -> Result:
    return CliRunner().invoke(command, ["--root", str(project), *options], catch_exceptions=False)


def _dead() -> str:
    """Name of a process of this host that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return f"{process.pid}-{this_process().split('-')[1]}"


def test_what_outs_use_stays(project: Path) -> None:
    before = _shelf(project)
    result = _run(project, "--yes")
    assert result.output == f"{project / '.stroi'}: all is used\n"
    assert _shelf(project) == before


def test_earlier_params_are_named_first_and_removed_when_told(project: Path) -> None:
    first = _shelf(project)
    out = _build(project, factor=2)
    size = sum((project / ".stroi" / "texts" / name).stat().st_size for name in first)
    result = _run(project)
    lines = result.output.splitlines()
    assert lines[0] == f"texts: 6 files, {size / 1e6:.1f} MB"
    assert lines[1].startswith("frees 0.0 MB")
    assert lines[2] == f"would remove 6 files from {project / '.stroi'}; add --yes to do it"
    assert first < _shelf(project)
    assert _run(project, "--yes").output.endswith(f"removed 6 files from {project / '.stroi'}\n")
    assert _shelf(project).isdisjoint(first)
    assert len(_shelf(project)) == 6
    assert verify(out) == []


def test_every_out_of_every_project_with_this_store_counts(project: Path) -> None:
    """Two outs by other params: both are in use until one's data set is gone."""
    _build(project, factor=2, name="b")
    assert find_unused(project / ".stroi") == []
    shutil.rmtree(project / "data" / "b" / "texts")
    assert find_unused(project / ".stroi") == [], "DVC deletes an out before its stage runs"
    shutil.rmtree(project / "data" / "b")
    assert {file.what for file in find_unused(project / ".stroi")} == {"texts", PLANS}
    assert len(remove(project / ".stroi")) == 7
    assert len(_shelf(project)) == 6


def test_store_and_outs_may_move_together(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    moved = tmp_path_factory.mktemp("moved") / "project"
    shutil.move(project, moved)
    assert find_unused(moved / ".stroi") == []


def test_interrupted_run_keeps_what_it_has(project: Path) -> None:
    """The plan is written before the work: a run that is killed has not lost to prune."""
    (project / "texts" / "clip6.txt").write_text("lost")
    with pytest.raises(Exception, match="CLIP_READ"):
        _build(project, factor=3)
    finished = _shelf(project)
    remove(project / ".stroi")
    kept = _shelf(project)
    (project / "texts" / "clip6.txt").write_text("text 6")
    (project / "work.log").unlink()
    _build(project, factor=3)
    assert kept < finished, "factor 1 is gone"
    assert (project / "work.log").read_text().split() == ["clip6"]


def test_removed_bytes_are_counted_by_links(project: Path) -> None:
    """Bytes that an out still has are not freed."""
    big = project / "texts" / "clip6.txt"
    big.write_text("big " * 500_000)
    _build(project)
    kept = project / "kept.h5"
    os.link(project / "data" / "a" / "texts" / "texts-00002.h5", kept)
    _build(project, factor=2)
    shared = next(file for file in find_unused(project / ".stroi") if file.bytes > 1e6)
    assert shared.freed == 0
    assert "4.0 MB have links in outs or DVC's cache and stay there" in _run(project).output
    kept.unlink()
    assert "frees 4.0 MB" in _run(project, "--yes").output


@pytest.mark.parametrize("name", [STORE_LOCK, "mosaics-a.lock", "resnet-plain-a.lock"])
def test_running_stage_is_left_alone(project: Path, name: str) -> None:
    _build(project, factor=2)
    before = _shelf(project)
    (project / ".stroi" / "locks" / name).touch()
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys, time; from pathlib import Path\n"
         "from stroi.cache.locks import lock\n"
         "with lock(Path(sys.argv[1]), shared=True): print('held', flush=True); time.sleep(60)",
         str(project / ".stroi" / "locks" / name)],
        stdout=subprocess.PIPE,
    )  # fmt: skip
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(OutputInUse, match=f"process {holder.pid} on"):
            remove(project / ".stroi")
        holder.kill()
    assert _shelf(project) == before
    assert len(remove(project / ".stroi")) == 6


def test_nobody_builds_while_it_removes(project: Path) -> None:
    with (
        lock(project / ".stroi" / "locks" / STORE_LOCK),
        pytest.raises(OutputInUse, match=r"store\.lock is in use by"),
    ):
        _build(project)


def test_nothing_behind_a_link_or_of_another_name_goes(project: Path, tmp_path: Path) -> None:
    store = project / ".stroi"
    outside = tmp_path / "outside"
    outside.mkdir()
    key = "0" * 64
    (outside / f"{key}.h5").write_bytes(b"mine")
    (store / "linked").symlink_to(outside)
    (store / "texts" / f"{key}.h5").symlink_to(outside / f"{key}.h5")
    (store / "texts" / "notes.txt").write_text("mine")
    (store / "texts" / f"{key}.h5.bak").write_text("mine")
    (store / f"{key}.h5").write_text("mine")
    before = set(project.rglob("*"))
    assert remove(store) == []
    assert set(project.rglob("*")) == before


def test_what_killed_runs_left_goes(project: Path) -> None:
    store, dead = project / ".stroi", _dead()
    left = [
        store / "texts" / f"{'0' * 64}.h5.tmp-{dead}-00000000",
        store / "training" / f"{'0' * 32}.safetensors.tmp-{dead}-00000000",
        store / MARKS / f"{dead}.1",
    ]
    kept = [store / "texts" / f"x.tmp-{this_process()}-00000000", store / MARKS / this_process()]
    for path in (*left, *kept):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    progress = store / f"progress.tmp-{dead}-00000000"
    progress.mkdir()
    assert _run(project).output.startswith("left by killed runs: 3 files")
    remove(store)
    assert not progress.exists()
    assert [path for path in left if path.exists()] == []
    assert [path for path in kept if not path.exists()] == []


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("--training", f"training/{'0' * 32}.safetensors"),
        ("--crashed", f"{CRASHED}/{'0' * 64}.json"),
    ],
)
def test_trainings_and_crashes_go_only_by_their_option(
    project: Path, option: str, name: str
) -> None:
    path = project / ".stroi" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    assert "all is used" in _run(project, "--yes").output
    assert path.exists()
    assert "removed 1 file " in _run(project, "--yes", option).output
    assert not path.exists()


def test_what_is_kept_per_clip_goes_by_its_option_once_the_shards_are_there(project: Path) -> None:
    store = project / ".stroi"
    (plan,) = (store / PLANS).iterdir()
    document = json.loads(plan.read_text())
    kept = f"detections/{'0' * 64}.npz"
    document["files"].append(kept)
    plan.write_text(json.dumps(document))
    (store / kept).parent.mkdir()
    (store / kept).write_bytes(b"x")
    assert find_unused(store) == []
    note = next(path for path in (store / "texts").iterdir() if path.suffix == ".json")
    text = note.read_text()
    note.unlink()
    assert find_unused(store, Also(detections=True)) == [], "the run is not finished"
    note.write_text(text)
    assert "detections: 1 file, " in _run(project, "--detections").output
    assert (store / kept).exists()
    assert "removed 1 file " in _run(project, "--detections", "--yes").output
    assert not (store / kept).exists()
    assert len(_shelf(project)) == 6


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"out": "x"}', '{"out": "x", "files": 3}'])
def test_plan_that_cannot_be_understood_stops_it(project: Path, text: str) -> None:
    (plan,) = (project / ".stroi" / PLANS).iterdir()
    plan.write_text(text)
    with pytest.raises(RefusedInput, match=r"^PLAN: .* cannot be understood"):
        remove(project / ".stroi")
    assert len(_shelf(project)) == 6


def test_folder_that_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match=r"^STORE: .* does not say what is used"):
        find_unused(tmp_path)


def test_plan_names_out_and_files(project: Path) -> None:
    (plan,) = (project / ".stroi" / PLANS).iterdir()
    document = json.loads(plan.read_text())
    assert document["out"] == "../data/a/texts"
    assert set(document["files"]) == {f"texts/{name}" for name in _shelf(project)}
