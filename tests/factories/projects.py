"""Small projects for tests: real rendered videos, the real pipeline, tiny networks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

from stroi.pipeline.cli import run
from stroi.stages.demo.clips import plan_demo
from stroi.stages.demo.render import render_clip

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("index", "skeletons", "mosaics")
PROFILE = """
seeds: [0]
sample: {{subjects: {subjects}, views: 1, frames: [30, 31]}}
index: {{adapter: table, max_quarantined: {limit}}}
skeletons: {{input_size: 128, clips_per_shard: 4, max_quarantined: {limit}}}
mosaics: {{cell: 48, size: 60, clips_per_shard: 4, max_quarantined: {limit}}}
splits:
  xsub: {{by: subject, test: [s02]}}
gcn:
  frames: 12
  channels: [8, 8]
  strides: [1, 2]
  schedule: {{epochs: 2, batch_size: 8, lr: 0.05, milestones: [1]}}
weights: {{}}
resnet:
  schedule: {{epochs: 2, batch_size: 8, lr: 0.02, milestones: [1]}}
ensemble: {{pairs: {{cup or phone: [drink, phone]}}}}
"""
PARAMS = """
rendered: [demo]
datasets: [demo]
sensors: []
pools: {}
runs:
  demo-xsub: {dataset: demo, split: xsub, input: skeletons}
show: demo-xsub
"""


def new_project(folder: Path, *, subjects: int = 2, limit: float = 0.0) -> Path:
    """A project without data: params and the profile of the demo."""
    (folder / "profiles").mkdir(parents=True)
    (folder / "profiles" / "demo.yaml").write_text(PROFILE.format(subjects=subjects, limit=limit))
    (folder / "params.yaml").write_text(PARAMS)
    return folder


def new_repository(folder: Path, **options: float) -> Path:
    """A project that `dvc repro` can run in: git, DVC, and no code."""
    new_project(folder, **options)  # type: ignore[arg-type]
    ignored = shutil.ignore_patterns("tmp", "cache", "config.local")
    shutil.copytree(ROOT / ".dvc", folder / ".dvc", ignore=ignored)
    for name in ("dvc.yaml", "versions.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    return folder


def render(raw: Path, classes: Collection[str]) -> None:
    """A few of the demo's clips with their table, as if they were a user's own: two subjects."""
    rows = ["sample_id,video,label,subject,camera"]
    (raw / "videos").mkdir(parents=True)
    for clip in plan_demo(seed=0, subjects=2, views=1, frames=(30, 31)):
        if clip.label in classes:
            video = f"videos/{clip.sample_id}.avi"
            render_clip(clip, raw / video)
            rows.append(f"{clip.sample_id},{video},{clip.label},{clip.subject},{clip.camera}")
    (raw / "table.csv").write_text("".join(f"{row}\n" for row in rows))


def environment() -> dict[str, str]:
    """The environment in which DVC finds this interpreter's `stroi`."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"}


def dvc(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run DVC as a user does, with `variables` added to the environment."""
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=folder,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
    )


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody; what it prints."""
    someone = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.org")
    done = subprocess.run(
        ["git", *someone, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


def flip_bit(path: Path) -> None:
    """Flip a bit of a file, which stays as read-only as it was; its other links keep theirs."""
    data, mode = bytearray(path.read_bytes()), path.stat().st_mode
    data[len(data) // 2] ^= 4
    path.unlink()
    path.write_bytes(data)
    path.chmod(mode)


def stage(project: Path, *arguments: str) -> int:
    """Run one stage in this process; its exit status."""
    one_job = ("--jobs", "1") if arguments[0] in ("sample", "skeletons3d", *STAGES) else ()
    threads = ("--threads", "1") if arguments[0] in ("gcn", "weights", "resnet") else ()
    return run([*arguments, "--root", str(project), *one_job, *threads])


def run_all(
    project: Path, dataset: str = "demo", name: str = "demo-xsub", *, sensor: bool = False
) -> None:
    """Run every stage after ``sample`` in this process, in the order of dvc.yaml."""
    for each in ("index", "skeletons", *(["skeletons3d"] if sensor else []), "mosaics"):
        assert stage(project, each, dataset) == 0
    assert stage(project, "gcn", name) == 0
    assert stage(project, "weights", name) == 0
    for mode in ("plain", "fixed", "end-to-end"):
        assert stage(project, "resnet", name, mode) == 0
    assert stage(project, "ensemble", name) == 0
    assert stage(project, "report", name) == 0


def tree(folder: Path) -> dict[str, bytes]:
    """Bytes of every file below `folder`."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
