"""A project of a few short clips, and a way to run its stages hundreds of times.

Runs are forks of one process that has libraries and network loaded: they cost what a stage does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2

from stroi.stages.demo.clips import DemoClip
from stroi.stages.demo.render import render_clip

CLIPS = ("drink", "read", "wave_slow", "lift_slow", "step_slow", "phone")
PAIRS = ("sip", "browse", "wave", "lift", "step", "sip")
PROFILE = """
index: {{adapter: table, max_quarantined: 0.5}}
skeletons: {{source: movenet, input_size: 128, clips_per_shard: {per_shard}, max_quarantined: 0.5}}
mosaics: {{cell: 48, size: {size}, clips_per_shard: {per_shard}, max_quarantined: 0.5}}
"""
PARAMS = """
datasets: [tiny]
runs: {}
"""


def tiny_videos(folder: Path, *, clips: int = 3, frames: int = 6, times: int = 1) -> Path:
    """A data set of the first frames of a few rendered clips: a folder for data/tiny/raw.

    With `times` every video is listed as so many clips.
    """
    (folder / "videos").mkdir(parents=True)
    rows = ["sample_id,video,label,subject,camera"]
    for label, pair in zip(CLIPS[:clips], PAIRS, strict=False):
        clip = DemoClip(f"{label}_s01", label, "s01", "c1", pair, seed=0, frames=(30, 31))
        render_clip(clip, folder / "whole.avi")
        _cut(folder / "whole.avi", folder / "videos" / f"{clip.sample_id}.avi", frames)
        names = [f"{clip.sample_id}_{number}" for number in range(1, times)]
        for name in (clip.sample_id, *names):
            rows.append(f"{name},videos/{clip.sample_id}.avi,{label},s01,c1")
    (folder / "whole.avi").unlink()
    (folder / "table.csv").write_text("".join(f"{row}\n" for row in rows))
    return folder


def _cut(source: Path, target: Path, frames: int) -> None:
    reader = cv2.VideoCapture(str(source))
    size = tuple(int(reader.get(what)) for what in (3, 4))
    writer = cv2.VideoWriter(str(target), cv2.VideoWriter.fourcc(*"MJPG"), 15.0, size)
    for _ in range(frames):
        writer.write(reader.read()[1])
    writer.release()
    reader.release()


def tiny_project(folder: Path, raw: Path, *, size: int = 60, per_shard: int = 2) -> Path:
    """A project whose data set lies in `raw`, by a link."""
    (folder / "profiles").mkdir(parents=True)
    profile = PROFILE.format(size=size, per_shard=per_shard)
    (folder / "profiles" / "tiny.yaml").write_text(profile)
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "data" / "tiny").mkdir(parents=True)
    (folder / "data" / "tiny" / "raw").symlink_to(raw)
    return folder


@dataclass(frozen=True)
class Ended:
    """How a run of `stroi` ended."""

    status: int
    stderr: str

    @property
    def last_line(self) -> str:
        """What the user is told last."""
        return (self.stderr.splitlines() or [""])[-1]


SERVER = """
import contextlib, json, os, sys
import cv2
import stroi.stages.index, stroi.stages.mosaics, stroi.stages.skeletons
from stroi.pipeline.cli import run
from stroi.pipeline.params.profile import MosaicParams, SkeletonParams
from stroi.stages.pose.source import plan_pose_source
cv2.setNumThreads(0)
with contextlib.redirect_stdout(None):
    plan_pose_source(SkeletonParams(source="movenet", input_size=128), MosaicParams())
def start(request):
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.environ.update(request["env"])
        error = os.open(request["stderr"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for fd in (0, 1):
            os.dup2(os.open(os.devnull, os.O_RDWR), fd)
        os.dup2(error, 2)
        status = 70
        try:
            status = run(request["arguments"])
        finally:
            sys.stderr.flush()
            os._exit(status)
    with contextlib.suppress(OSError):
        os.setpgid(child, child)  # here too: the group must exist when the answer is read
    return child

def status_of(child, options=0):
    ended, status = os.waitpid(child, options)
    return os.waitstatus_to_exitcode(status) if ended else None

for line in sys.stdin:
    request = json.loads(line)
    if "poll" in request:
        answer = status_of(request["poll"], os.WNOHANG)
    elif request["wait"]:
        answer = status_of(start(request))
    else:
        answer = start(request)
    print(json.dumps(answer), flush=True)
"""


class Forks:
    """Runs `stroi` in children of one process that has everything imported."""

    def __init__(self, server: subprocess.Popen[str], scratch: Path) -> None:
        self._server, self._stderr = server, scratch / "stderr"

    def stroi(self, *arguments: object, env: Mapping[str, str] | None = None) -> Ended:
        """Run one command; a negative status is the signal that ended it."""
        status = self._ask(self._request(arguments, env, wait=True))
        assert status is not None
        return Ended(status, self._stderr.read_text())

    def stage(self, project: Path, name: str, **env: str) -> Ended:
        """Run one stage of a tiny project in one process."""
        return self.stroi(name, "tiny", "--root", project, "--jobs", 1, env=env)

    def start(self, *arguments: object) -> int:
        """Start one command in a process group of its own; its process id."""
        pid = self._ask(self._request(arguments, None, wait=False))
        assert pid is not None
        return pid

    def poll(self, pid: int) -> int | None:
        """The status of a started command; None while it runs."""
        return self._ask({"poll": pid})

    def _request(
        self, arguments: Sequence[object], env: Mapping[str, str] | None, *, wait: bool
    ) -> dict[str, object]:
        return {
            "arguments": [str(argument) for argument in arguments],
            "env": dict(env or {}),
            "stderr": str(self._stderr),
            "wait": wait,
        }

    def _ask(self, request: Mapping[str, object]) -> int | None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(f"{json.dumps(request)}\n")
        self._server.stdin.flush()
        answer: int | None = json.loads(self._server.stdout.readline())
        return answer


@contextmanager
def fast_folder(otherwise: Path) -> Iterator[Path]:
    """An empty folder in memory, where flushing costs nothing; `otherwise` where there is none."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield otherwise
        return
    with TemporaryDirectory(dir=memory, prefix="stroi-") as folder:
        yield Path(folder)


@contextmanager
def forks(scratch: Path) -> Iterator[Forks]:
    """A server of forks; its own stderr is the test's."""
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    with server:
        try:
            yield Forks(server, scratch)
        finally:
            server.kill()


def stroi_command(*arguments: object) -> Sequence[str]:
    """The command line of a `stroi` of its own."""
    start = "from stroi.pipeline.cli import main; main()"
    return [sys.executable, "-c", start, *(str(argument) for argument in arguments)]
