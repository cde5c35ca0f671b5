"""Every container and codec that FFmpeg writes and OpenCV reads, whole, cut and damaged.

`containers.py` codes a video whose frames show their numbers into each pair, reads it with stroi's
reader, then reads copies cut at 12 places and copies with one flipped bit at 24 places. A copy is
refused, unharmed (all numbers in order) or wrong. Writes benchmarks/results/containers.md.
About two minutes on two cores.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import av
import cv2
import joblib
import numpy as np
from make_repro import ROOT, processor

from stroi.cache.errors import ClipRejected
from stroi.stages.video.reader import read_frames

sys.path.insert(0, str(ROOT / "tests" / "factories"))

from numbered import count_to, number_of, write_video
from numbered_containers import OPTIONS

FRAMES = 40
CODECS = {
    "H.264": "libx264", "HEVC": "libx265", "VP9": "libvpx-vp9", "AV1": "libsvtav1",
    "MPEG-4": "mpeg4", "MPEG-2": "mpeg2video", "MJPEG": "mjpeg",
}  # fmt: skip
CUTS = [*np.linspace(0.05, 0.95, 9), 0.99, 0.995, 0.999]
FLIPS = 24


@dataclass
class Pair:
    """What became of a video and of its damaged copies."""

    muxer: str
    codec: str
    opencv: bool
    whole: str
    cut: Counter[str] = field(default_factory=Counter)
    flipped: Counter[str] = field(default_factory=Counter)


def outcome(path: Path) -> str:
    """``exact``, ``wrong``, or the code of the refusal."""
    try:
        numbers = [number_of(frame) for frame in read_frames(path)]
    except ClipRejected as refused:
        return refused.code
    return "exact" if numbers == list(range(FRAMES)) else "wrong"


def opens_in_opencv(path: Path) -> bool:
    """Whether OpenCV's own reader hands out a frame."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    return bool(capture.isOpened() and capture.read()[0])


def measure(muxer: str, codec: str) -> Pair | None:
    """Write and read one pair; None if the muxer does not take the codec."""
    with tempfile.TemporaryDirectory() as folder:
        # OpenCV goes by the ending of some kinds.
        endings = sorted(av.format.ContainerFormat(muxer, "w").extensions)
        path = Path(folder) / f"clip.{endings[0] if endings else muxer}"
        encoder = CODECS[codec]
        try:
            write_video(
                path, encoder, count_to(FRAMES), options=OPTIONS[encoder], gop=12, container=muxer
            )
        except (av.error.FFmpegError, ValueError, RuntimeError, AttributeError):
            return None
        if not path.is_file() or path.stat().st_size < 1000:
            return None
        pair = Pair(muxer, codec, opens_in_opencv(path), outcome(path))
        if pair.whole != "exact":
            return pair
        data = path.read_bytes()
        for share in CUTS:
            path.write_bytes(data[: int(share * len(data))])
            pair.cut[outcome(path)] += 1
        rng = np.random.default_rng(len(data))
        for place in rng.integers(0, len(data), FLIPS).tolist():
            changed = bytearray(data)
            changed[place] ^= 1 << int(rng.integers(8))
            path.write_bytes(changed)
            pair.flipped[outcome(path)] += 1
        return pair


def muxers() -> list[str]:
    """Names of FFmpeg's muxers that write one file of video."""
    found = []
    for name in sorted(av.formats_available):
        with contextlib.suppress(ValueError):
            made = av.format.ContainerFormat(name, "w")
            if made.is_output and not made.no_file:
                found.append(name)
    return found


def counts(found: Counter[str]) -> str:
    """Refused, unharmed and wrong copies."""
    if not found:
        return ""
    refused = found.total() - found["exact"] - found["wrong"]
    return f"{refused} / {found['exact']} / {found['wrong']}"


def table(pairs: Iterable[Pair]) -> str:
    """The results as a page."""
    pairs = list(pairs)
    read = [pair for pair in pairs if pair.whole == "exact"]
    cut = sum((pair.cut for pair in read), Counter[str]())
    flipped = sum((pair.flipped for pair in read), Counter[str]())
    rows = "\n".join(
        f"| {pair.muxer} | {pair.codec} | {'yes' if pair.opencv else 'no'} | {pair.whole}"
        f" | {counts(pair.cut)} | {counts(pair.flipped)} |"
        for pair in pairs
    )
    return f"""# Containers and codecs

{processor()}, {os.cpu_count()} cores; PyAV {av.__version__}, OpenCV {cv2.__version__}. Made by
`benchmarks/containers.py`: {FRAMES} frames that show their numbers, in every pair of FFmpeg's
muxers and seven codecs that could be written. *exact*: all numbers in order. Copies are counted as
refused / unharmed / wrong.

{len(pairs)} pairs, {len(read)} of them read exactly. {cut.total()} cut copies: {counts(cut)}.
{flipped.total()} copies with one flipped bit: {counts(flipped)}.

| muxer | codec | OpenCV reads it | stroi | cut copies | flipped bit |
|---|---|---|---|---|---|
{rows}
"""


def main() -> None:
    """Measure all pairs and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dry", action="store_true", help="print, and write nothing")
    dry = parser.parse_args().dry
    av.logging.set_level(av.logging.PANIC)
    jobs = [joblib.delayed(measure)(muxer, codec) for muxer in muxers() for codec in CODECS]
    found = joblib.Parallel(n_jobs=os.cpu_count())(jobs)
    page = table(pair for pair in found if pair and (pair.opencv or pair.whole == "exact"))
    print(page)
    if not dry:
        (ROOT / "benchmarks" / "results" / "containers.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
