"""What a clip costs that is a part of a long video, against one that was cut out of it.

`long_videos.py` encodes a made-up video and its segments (MPEG-4 in AVI), reads the segments out of
the long video, in turn and each from the beginning, and the cut clips, and hashes the video as
often as it has clips. Turns are interleaved, medians of processor time are kept. Writes
benchmarks/results/long_videos.json.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from make_repro import ROOT, processor
from numpy.typing import NDArray

from stroi.cache.files.digests import sha256_file
from stroi.stages.video import fingerprint as source
from stroi.stages.video.decoding.kept_open import close_all
from stroi.stages.video.reader import read_frames


def pictures(frames: int, size: tuple[int, int], seed: int = 0) -> Iterator[NDArray[np.uint8]]:
    """A blurred pattern that moves, with some noise: what a codec finds neither easy nor hard."""
    rng = np.random.default_rng(seed)
    width, height = size
    pattern = cv2.GaussianBlur(rng.integers(0, 256, (height, width, 3), np.uint8), (0, 0), 5)
    noise = rng.integers(0, 6, (8, height, width, 3), np.uint8)
    for number in range(frames):
        yield np.roll(pattern, (number % 97, 2 * number), (0, 1)) + noise[number % 8]


def write(path: Path, frames: Iterator[NDArray[np.uint8]], size: tuple[int, int]) -> Path:
    """Encode a video as MPEG-4 in AVI."""
    code = cv2.VideoWriter.fourcc(*"XVID")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 30.0, size)
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def spent(action: Callable[[], object]) -> float:
    """Seconds of the processor that `action` takes."""
    start = time.process_time()
    action()
    return time.process_time() - start


def read(path: Path, start: int = 0, stop: int = 0) -> None:
    """Every frame of a clip as pixels."""
    for _ in read_frames(path, start, stop):
        pass


def afresh(path: Path, bounds: list[tuple[int, int]]) -> None:
    """Read segments, each from the video's beginning."""
    for start, stop in bounds:
        close_all()
        read(path, start, stop)


def measure(frames: int, clips: int, length: int, size: tuple[int, int], turns: int) -> Any:
    """Medians in ms of the processor."""
    step = frames // clips
    bounds = [(at * step, at * step + length) for at in range(clips)]
    middle = bounds[clips // 2]
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        long = write(folder / "long.avi", pictures(frames, size), size)
        every = list(pictures(length, size))
        cut = [write(folder / f"{at}.avi", iter(every), size) for at in range(clips)]
        sha256 = sha256_file(long)
        time.sleep(source.SETTLED)
        for _ in range(turns):
            close_all()
            for name, action in {
                "long video": lambda: read(long),
                "segment in the middle": lambda: afresh(long, [middle]),
                "cut clip": lambda: read(cut[0]),
                "segments in turn": lambda: [close_all(), *(read(long, *each) for each in bounds)],
                "segments afresh": lambda: afresh(long, bounds),
                "cut clips": lambda: [read(path) for path in cut],
                "hashes": lambda: [sha256_file(long) for _ in bounds],
                "checks": lambda: [source.check_unchanged(long, sha256) for _ in bounds],
            }.items():
                taken.setdefault(name, []).append(1000 * spent(action))
        megabytes = long.stat().st_size / 1e6
    return {
        "video": {"frames": frames, "size": size, "MB": round(megabytes, 1)},
        "clips": {"count": clips, "frames": length, "middle": middle},
        "ms": {name: round(statistics.median(times), 1) for name, times in taken.items()},
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=3000)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--length", type=int, default=100)
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480))
    parser.add_argument("--turns", type=int, default=3)
    args = parser.parse_args()
    before = os.getloadavg()[0]
    found = measure(args.frames, args.clips, args.length, tuple(args.size), args.turns)
    found |= {"turns": args.turns, "load before": round(before, 1), "processor": processor()}
    out = ROOT / "benchmarks" / "results" / "long_videos.json"
    out.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
