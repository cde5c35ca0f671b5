"""What cutting a clip costs, against decoding it: `cut.py FOLDER [--clips 2] [--frames 103]`.

The clips of FOLDER are scaled to 1920 x 1080 and coded in five ways. Each copy is decoded and
nothing else, read and kept as OpenCV's users do it, and cut by the steps of stage `mosaics`. Then
the clips are named as NTU RGB+D names them, with a skeleton file beside each, and the stages from
`index` to `mosaics` run as a user runs them; with `--before DIR` also those of another stroi, whose
clone with its environment (`make install`) DIR is. All is processor time; turns are interleaved and
medians are kept. Writes benchmarks/results/cut.md.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import cv2
import numpy as np
from make_repro import ROOT, processor, python_of
from numpy.typing import NDArray

from stroi.cache.skeletons import Clip
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.mosaic.cut import cut_mosaic
from stroi.stages.video.frame_sampling import mosaic_frames
from stroi.stages.video.reader import read_selected

sys.path.insert(0, str(ROOT / "tests" / "factories"))

from ntu_people import person, skeleton_text
from numbered import write_video

SIZE = (1920, 1080)
H264 = {"preset": "medium", "crf": "23"}
WAYS: dict[str, tuple[str, str, dict[str, str], int]] = {
    "H.264 in MP4": ("mp4", "libx264", H264, 250),
    "H.264 in AVI, one key frame": ("avi", "libx264", H264, 1000),
    "MPEG-4 in AVI": ("avi", "mpeg4", {"qscale": "4", "bf": "0"}, 12),
    "VP9 in WebM": ("webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}, 128),
    "folder of JPEG": ("", "", {}, 1),
}
PARAMS = MosaicParams(cell=96, columns=5, size=225)
STAGES = ("index", "skeletons", "mosaics")
NTU = "nturgb+d_rgb", "nturgb+d_skeletons"


def source_frames(path: Path, count: int) -> list[NDArray[np.uint8]]:
    """The first frames of a clip, scaled; fewer than `count` if it has no more."""
    with av.open(str(path)) as container:
        return [
            np.asarray(cv2.resize(frame.to_ndarray(format="bgr24"), SIZE), np.uint8)
            for frame, _ in zip(container.decode(video=0), range(count), strict=False)
        ]


def write(folder: Path, frames: Sequence[NDArray[np.uint8]]) -> dict[str, Path]:
    """The clip in every way."""
    found = {}
    for way, (ending, codec, options, gop) in WAYS.items():
        if ending:
            path = folder / f"{gop}.{ending}"
            write_video(path, codec, frames, options=options, gop=gop)
        else:
            path = folder / "frames"
            path.mkdir(parents=True)
            for number, frame in enumerate(frames):
                cv2.imwrite(str(path / f"{number:05d}.jpg"), frame)
        found[way] = path
    return found


def decode(path: Path) -> None:
    """Every frame, and nothing of it kept."""
    if path.is_dir():
        for image in sorted(path.iterdir()):
            cv2.imread(str(image))
        return
    with av.open(str(path)) as container:
        container.streams.video[0].thread_count = 1
        for _ in container.decode(video=0):
            pass


def read_and_keep(path: Path) -> None:
    """Every frame in a list, then the wanted ones."""
    if path.is_dir():
        frames = [cv2.imread(str(image)) for image in sorted(path.iterdir())]
    else:
        frames, video = [], cv2.VideoCapture(str(path))
        while (got := video.read())[0]:
            frames.append(got[1])
    for number in mosaic_frames(len(frames), PARAMS):
        _ = frames[number]


def cut(path: Path, count: int) -> None:
    """The mosaic, by the steps of the stage."""
    keypoints = np.zeros((count, 2, 25, 3), np.float32)
    keypoints[:, 0] = 900, 500, 1
    wanted = mosaic_frames(count, PARAMS)
    frames = read_selected(path, wanted.tolist())
    cut_mosaic(frames, Clip(keypoints, 1, *SIZE, 30.0), wanted, PARAMS)


def spent(action: Callable[[], object]) -> float:
    """Milliseconds of the processor."""
    start = time.process_time()
    action()
    return 1e3 * (time.process_time() - start)


def measure(clips: Sequence[dict[str, Path]], frames: int, turns: int) -> dict[str, list[float]]:
    """By way: ms a clip of pure decoding, reading and keeping, cutting."""
    cv2.setNumThreads(1)
    taken: dict[str, list[list[float]]] = {way: [[], [], []] for way in WAYS}
    for _ in range(turns):
        for clip in clips:
            for way, path in clip.items():
                actions = (
                    lambda path=path: decode(path),
                    lambda path=path: read_and_keep(path),
                    lambda path=path: cut(path, frames),
                )
                for action, times in zip(actions, taken[way], strict=True):
                    times.append(spent(action))
    return {way: [statistics.median(one) for one in times] for way, times in taken.items()}


def numbered_avi(video: bytes, number: int) -> bytes:
    """An AVI file with a number in a part that players skip: no two clips may have one content."""
    junk = b"JUNK" + (8).to_bytes(4, "little") + number.to_bytes(8, "little")
    size = int.from_bytes(video[4:8], "little") + len(junk)
    return video[:4] + size.to_bytes(4, "little") + video[8:] + junk


def ntu_project(
    folder: Path, clips: Sequence[Path], frames: int, repeats: int, code: Path = ROOT
) -> Path:
    """A project of clips in the shape of NTU RGB+D 60, with the profile of that stroi."""
    raw = folder / "data" / "ntu60" / "raw"
    for name in NTU:
        (raw / name).mkdir(parents=True)
    (folder / "profiles").mkdir()
    shutil.copy(code / "profiles" / "ntu60.yaml", folder / "profiles")
    shutil.copy(ROOT / "versions.yaml", folder)
    (folder / "params.yaml").write_text(
        "rendered: []\ndatasets: [ntu60]\nsensors: []\nruns: {}\nshow: none\n"
    )
    for number in range(repeats * len(clips)):
        name = f"S001C001P{1 + number // 60:03d}R001A{1 + number % 60:03d}"
        data = clips[number % len(clips)].read_bytes()
        (raw / NTU[0] / f"{name}_rgb.avi").write_bytes(numbered_avi(data, number))
        body = {72057594037944738: (range(frames), person(frames, at=0.0, seed=number))}
        (raw / NTU[1] / f"{name}.skeleton").write_bytes(skeleton_text(frames, body))
    return folder


def run(project: Path, stage: str, code: Path = ROOT) -> float:
    """Seconds of the processor that a stage takes, its start included.

    Args:
        project: The project.
        stage: The stage.
        code: Clone of the stroi that runs it.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    script = "import sys; from stroi.pipeline.cli import main; sys.exit(main())"
    subprocess.run(
        [python_of(code), "-c", script, stage, "ntu60", "--root", str(project), "--jobs", "1"],
        check=True, cwd=project, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--frames", type=int, default=103)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=6, help="copies of a clip, as NTU's")
    parser.add_argument("--before", type=Path, help="clone of another stroi to compare with")
    arguments = parser.parse_args()
    sources = [path for path in sorted(arguments.folder.iterdir()) if path.suffix == ".mp4"]
    with tempfile.TemporaryDirectory() as name:
        folder, clips = Path(name), []
        for source in sources:
            frames = source_frames(source, arguments.frames)
            if len(frames) == arguments.frames and len(clips) < arguments.clips:
                (folder / source.stem).mkdir()
                clips.append(write(folder / source.stem, frames))
            del frames
        if len(clips) < arguments.clips:
            raise SystemExit(f"only {len(clips)} clips of {arguments.frames} frames or more")
        found = measure(clips, arguments.frames, arguments.turns)
        write_page(arguments, found, {})
        ntu = [clip["H.264 in AVI, one key frame"] for clip in clips]
        stages: dict[str, dict[str, float]] = {}
        for label, code in {"this": ROOT, "before": arguments.before}.items():
            if code is not None:
                home = folder / label
                project = ntu_project(home, ntu, arguments.frames, arguments.repeats, code)
                count = arguments.repeats * len(ntu)
                stages[label] = {stage: run(project, stage, code) / count for stage in STAGES}
                write_page(arguments, found, stages)


def write_page(
    arguments: argparse.Namespace,
    found: dict[str, list[float]],
    stages: dict[str, dict[str, float]],
) -> None:
    """Write what is known up to now."""
    lines = [
        "# Cutting against decoding",
        "",
        "This page is for everyone who wants to know what a video costs: it is written by",
        "`benchmarks/cut.py`.",
        "",
        f"- Machine: {processor()}, {len(os.sched_getaffinity(0))} cores; Python"
        f" {platform.python_version()}, PyAV {av.__version__}, OpenCV {cv2.__version__}.",
        f"- {arguments.clips} clips of {arguments.frames} frames of 1920 x 1080 px, five columns;"
        f" medians of {arguments.turns} turns of processor time.",
        f"- Load of other processes: {os.getloadavg()[0]:.1f}.",
        "",
        "| video | pure decode, ms | read and keep, ms | cut, ms | cut / decode |",
        "|---|---|---|---|---|",
        *(
            f"| {way} | {plain:.0f} | {kept:.0f} | {ours:.0f} | {ours / plain:.2f} |"
            for way, (plain, kept, ours) in found.items()
        ),
        "",
        f"{arguments.repeats * arguments.clips} clips as NTU RGB+D has them (H.264 in AVI, a"
        " `.skeleton` beside each), seconds of processor time a clip, the start of the commands"
        " included:",
        "",
        "| | " + " | ".join(STAGES) + " | together |",
        "|---|" + "---|" * (len(STAGES) + 1),
        *(
            f"| {label} | "
            + " | ".join(f"{times[stage]:.2f}" for stage in STAGES)
            + f" | {sum(times.values()):.2f} |"
            for label, times in stages.items()
        ),
    ]
    text = "\n".join(lines) + "\n"
    print(text)
    (ROOT / "benchmarks" / "results" / "cut.md").write_text(text)


if __name__ == "__main__":
    main()
