"""How fast random batches come out of each layout, and how large it is, on one core.

`cache_read.py VIDEO_OR_FOLDER...` cuts 2,000 mosaics out of real videos, stores them in every
layout in a temporary folder and reads random batches of 64, warm: processor time of one core,
medians of interleaved repeats. Writes benchmarks/results/cache_read.json and .md. Needs
`pip install -e '.[bench]'`, 4 GB of disk and memory, about 20 minutes, and a quiet machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from layouts import (
    BATCH,
    Cache,
    ChunkedHdf5,
    ChunkedHdf5ByRow,
    ImageFolder,
    Layout,
    WebDataset,
    write_chunked,
)
from make_repro import ROOT, processor
from natural_mosaics import find_videos, write_caches
from numpy.typing import NDArray

from stroi.cache.mosaics import MosaicCache
from stroi.cache.share.convert import pack
from stroi.cache.verify import verify

SIZES = (225, 480)
ENOUGH = 0.5  # s of processor time in one turn of one layout
PACKAGES = ("numpy", "h5py", "opencv-python-headless", "pillow", "webdataset")
TRAINING, JPEG, WEBP, FOLDER = "training cache", "compact, JPEG", "compact, WebP", "JPEG 95 folder"
FASTER = {225: {TRAINING: 30, JPEG: 1.4}, 480: {TRAINING: 12, JPEG: 1.4}}
SMALLER = {JPEG: 1 / 8, WEBP: 0.3}
VERIFY = 0.9  # GB/s


def pictures(folder: Path) -> Iterator[NDArray[np.uint8]]:
    """The mosaics of a cache, one by one."""
    cache = MosaicCache(folder, verify=False)
    yield from (cache[name] for name in cache.ids)


def store(folder: Path) -> tuple[dict[str, Layout], dict[str, Any]]:
    """Every layout of the training cache in `folder`, and the PSNR of the JPEG form in dB."""
    jpeg = pack(folder, folder.with_name(f"{folder.name}-jpeg"))
    pack(folder, folder.with_name(f"{folder.name}-webp"), codec="webp")
    beside = folder.with_name(f"{folder.name}-others")
    beside.mkdir()
    chunked = write_chunked(beside / "mosaics.h5", len(jpeg.ids), pictures(folder))
    layouts: dict[str, Layout] = {
        TRAINING: Cache(folder),
        JPEG: Cache(folder.with_name(f"{folder.name}-jpeg")),
        WEBP: Cache(folder.with_name(f"{folder.name}-webp")),
        FOLDER: ImageFolder(beside / "jpg", "jpg", pictures(folder)),
        "PNG folder": ImageFolder(beside / "png", "png", pictures(folder)),
        "webdataset tar, JPEG 95": WebDataset(beside / "mosaics.tar", pictures(folder)),
        "HDF5, chunk per sample, fancy index": ChunkedHdf5(chunked),
        "HDF5, chunk per sample, row by row": ChunkedHdf5ByRow(chunked),
    }
    return layouts, jpeg.extra["packed"]


def turn(layout: Layout, batches: list[list[int]]) -> float:
    """Samples per second of processor time."""
    start = time.process_time()
    for rows in batches:
        layout.read(rows)
    return len(batches) * BATCH / (time.process_time() - start)


def race(layouts: Mapping[str, Layout], count: int, repeats: int) -> dict[str, list[float]]:
    """Samples per second of every layout in every repeat, the layouts taking turns."""
    random = np.random.default_rng(0)
    batches = random.permutation(count)[: count // BATCH * BATCH].reshape(-1, BATCH).tolist()
    # The first pass warms the page cache and says how many batches fill a turn.
    first = {name: turn(layout, batches) for name, layout in layouts.items()}
    take = {name: max(2, round(ENOUGH * rate / BATCH)) for name, rate in first.items()}
    rates: dict[str, list[float]] = {name: [] for name in layouts}
    for repeat in range(repeats):
        for name, layout in layouts.items():
            chosen = [batches[(repeat + place) % len(batches)] for place in range(take[name])]
            rates[name].append(turn(layout, chosen))
    return rates


def verify_rates(folder: Path, repeats: int) -> dict[str, float]:
    """GB/s of `verify`: of processor time in this process, and of time with its child process."""
    size = sum(entry.bytes for entry in MosaicCache(folder, verify=False).manifest.files)
    rates: dict[str, list[float]] = {"processor": [], "confined": []}
    for _ in range(repeats):
        for name, clock in (("processor", time.process_time), ("confined", time.perf_counter)):
            start = clock()
            problems = verify(folder, received=name == "confined")
            rates[name].append(size / 1e9 / (clock() - start))
            if problems:
                raise SystemExit("\n".join(problems))
    return {name: round(statistics.median(found), 2) for name, found in rates.items()}


def measure(folder: Path, count: int, repeats: int) -> dict[str, Any]:
    """All figures of one size."""
    layouts, packed = store(folder)
    verified = verify_rates(folder, repeats)
    rates = race(layouts, count, repeats)
    medians = {name: statistics.median(found) for name, found in rates.items()}
    table = {
        name: {
            "size": round(layout.size / layouts[TRAINING].size, 4),
            "samples_per_s": round(medians[name]),
            "range": [round(min(rates[name])), round(max(rates[name]))],
            "times_jpeg_folder": round(medians[name] / medians[FOLDER], 2),
        }
        for name, layout in layouts.items()
    }
    return {"layouts": table, "packed": packed, "verify_gb_per_s": verified}


def judge(size: int, found: Mapping[str, Any]) -> Iterator[tuple[str, float, str, bool]]:
    """Each goal of a size: what, how much, how much is wanted, whether it is reached."""
    for name, goal in FASTER[size].items():
        ratio = found["layouts"][name]["times_jpeg_folder"]
        yield f"{name}: speed of the JPEG folder times", ratio, f">= {goal}", ratio >= goal
    for name, goal in SMALLER.items():
        share = found["layouts"][name]["size"]
        yield f"{name}: share of the training cache's size", share, f"<= {goal:g}", share <= goal
    rate = found["verify_gb_per_s"]["processor"]
    yield "verify: GB/s", rate, f">= {VERIFY}", rate >= VERIFY


def page(result: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    lines = ["# Reading mosaics", "", f"{result['mosaics']} mosaics, {result['how']}."]
    lines += ["", f"{result['machine']}; {result['system']}; {result['versions']}; load average at"]
    lines += [f"the end {result['load'][0]} on {result['cores']} cores."]
    for size, found in result["sizes"].items():
        lines += ["", f"## {size} x {size} px", "", "| layout | size | samples/s | x JPEG folder |"]
        lines += ["|---|---|---|---|"]
        for name, row in found["layouts"].items():
            cells = name, f"{row['size']:.3f}", f"{row['samples_per_s']:,}"
            lines.append(f"| {' | '.join(cells)} | {row['times_jpeg_folder']} |")
        psnr, rates = found["packed"]["psnr_db"], found["verify_gb_per_s"]
        lines += ["", f"JPEG {found['packed']['quality']}: PSNR {psnr['mean']} dB in the mean,"]
        lines += [f"{psnr['min']} dB at least. `verify`: {rates['processor']} GB/s of processor"]
        lines += [f"time, {rates['confined']} GB/s in its child process by the clock.", ""]
        lines += ["| goal | found | wanted | |", "|---|---|---|---|"]
        lines += [
            f"| {what} | {value} | {wanted} | {'reached' if reached else 'MISSED'} |"
            for what, value, wanted, reached in judge(int(size), found)
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("place", nargs="+", type=Path, help="a video or a folder of videos")
    parser.add_argument("--count", type=int, default=2000, help="mosaics")
    parser.add_argument("--repeats", type=int, default=9, help="turns of each layout")
    parser.add_argument("--dry", action="store_true", help="print only, write no results")
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    videos = find_videos(given.place)
    with tempfile.TemporaryDirectory() as scratch:
        folders = {size: Path(scratch) / str(size) for size in SIZES}
        write_caches(list(folders.values()), videos, given.count, SIZES)
        sizes = {
            str(size): measure(folder, given.count, given.repeats)
            for size, folder in folders.items()
        }
    result = {
        "mosaics": given.count,
        "how": f"cut from {len(videos)} real videos; random batches of {BATCH}, warm; medians of"
        f" {given.repeats} interleaved turns; samples per second of processor time on one core",
        "machine": processor(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "cores": os.cpu_count(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "versions": ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES),
        "sizes": sizes,
    }
    print(page(result))
    if not given.dry:
        results = ROOT / "benchmarks" / "results"
        (results / "cache_read.json").write_text(json.dumps(result, indent=1) + "\n")
        (results / "cache_read.md").write_text(page(result))


if __name__ == "__main__":
    main()
