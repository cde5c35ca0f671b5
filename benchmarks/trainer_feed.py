"""Does the trainer ever wait for data? The data path alone, and the step that it feeds.

`trainer_feed.py VIDEO_OR_FOLDER...` cuts mosaics out of real videos and reads them in every way,
races the fed training step against one on a resident batch, and an epoch from the cache against
the online ways on rendered clips. `--device cuda` also tries the settings of a GPU. The process
runs on one core; what counts is the processor time of all its threads, so the thread that fetches
ahead is paid for; by the clock on a GPU. Medians of interleaved rounds. Writes
benchmarks/results/trainer_feed.json and .md, and on a GPU benchmarks/gpu.md.
Needs `pip install -e '.[bench]'`; some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from feed_rivals import JpegFolder, jpeg_loader, online
from feed_steps import CLASSES, Trainer, race
from make_repro import ROOT, processor
from natural_mosaics import find_videos, write_caches
from plain_stgcn import PlainStGcn

from stroi.cache.layouts import BODY_25
from stroi.cache.mosaics import MosaicCache
from stroi.stages.demo.clips import plan_demo
from stroi.stages.demo.render import render_clip
from stroi.trainer.config import GcnConfig
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.runtime import deterministic

BATCH, RING = 64, 3
TURN = 1024  # samples in a turn of a fast way
GOALS = {
    "uint8 samples/s": 60_000,
    "fed step / resident step, CPU": 0.98,
}
PACKAGES = ("torch", "numpy", "opencv-python-headless", "pillow")
Turn = Callable[[], int]


def rates(ways: Mapping[str, Turn], rounds: int) -> dict[str, list[float]]:
    """Samples per second of processor time of each way: median, least and most of its turns.

    The ways take turns; the first round warms up and does not count.
    """
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, way in ways.items():
            start = time.process_time()
            done = way()
            if turn:
                found[name].append(done / (time.process_time() - start))
    return {
        name: [float(f"{value:.4g}") for value in (statistics.median(each), min(each), max(each))]
        for name, each in found.items()
    }


def data_path(cache: MosaicCache, scratch: Path, rounds: int) -> dict[str, Any]:
    """Samples per second of every way to a batch, and of the stores that bound them."""
    trainer = Trainer(cache, BATCH, torch.device("cpu"))
    net, halves = trainer.net, trainer.side.row_weights
    if halves is None:
        raise AssertionError("a trainer in fixed mode has weights")
    random = np.random.default_rng(0)
    shape = (RING, BATCH, *cache.shape)
    small = np.zeros(shape, np.uint8)
    # Row weights of one person: both halves alike, as the folder's rival has them.
    halves[:, 1] = halves[:, 0]
    folder = JpegFolder(scratch / "jpg", cache, halves[:, 0].numpy())

    def batches() -> list[np.ndarray]:
        rows = random.integers(0, len(cache), (TURN // BATCH, BATCH))
        return [each.astype(np.int64) for each in rows]

    def uint8() -> int:
        for number, rows in enumerate(batches()):
            cache.batch([cache.ids[row] for row in rows], small[number % RING])
        return TURN

    def floats() -> int:
        for number, rows in enumerate(batches()):
            mosaics = small[number % RING]
            cache.batch([cache.ids[row] for row in rows], mosaics)
            net.network_input(torch.from_numpy(mosaics), halves[rows])
        return TURN

    def jpeg() -> int:
        loader = iter(jpeg_loader(folder, BATCH, seed=int(random.integers(99))))
        return sum(len(next(loader)) for _ in range(2))

    def copy() -> int:
        for number in range(TURN // BATCH):
            small[number % RING] = small[(number + 1) % RING]
        return TURN

    check = np.arange(BATCH)
    wanted = net.network_input(torch.from_numpy(cache.batch(cache.ids[:BATCH])), halves[check])
    difference = (torch.stack([folder[row] for row in range(8)]) - wanted[:8]).abs().mean()
    with deterministic(0, 1):  # with the allocator's settings of a training
        turns = rates(
            {"uint8": uint8, "float": floats, "JPEG folder": jpeg, "copy of uint8 batches": copy},
            rounds,
        )
    found = {name: middle for name, (middle, _, _) in turns.items()}
    return {
        "samples_per_s": found,
        "least_and_most": {name: span for name, (_, *span) in turns.items()},
        "float_times_jpeg_folder": round(found["float"] / found["JPEG folder"], 2),
        "uint8_times_jpeg_folder": round(found["uint8"] / found["JPEG folder"], 2),
        "gb_per_s_stored": {
            name: round(rate * (4 if "float" in name else 1) * int(np.prod(cache.shape)) / 1e9, 2)
            for name, rate in found.items()
        },
        "mean_difference_of_the_jpeg_folder": round(float(difference), 4),
    }


def online_ways(scratch: Path, rounds: int, batch: int) -> dict[str, Any]:
    """An epoch of rendered clips from the cache against cutting and weighing them in the loop."""
    from feed_demo import demo_cache

    plan = plan_demo(seed=0, subjects=2, views=1)[::2][: max(2 * batch, 8)]
    videos = {clip.sample_id: scratch / f"{clip.sample_id}.avi" for clip in plan}
    clips = {clip.sample_id: render_clip(clip, videos[clip.sample_id]) for clip in plan}
    cache = demo_cache(scratch / "demo", videos, clips)
    trainer = Trainer(cache, batch, torch.device("cpu"))
    net = trainer.net
    plain = PlainStGcn(len(CLASSES), GcnConfig(), BODY_25).eval()
    fast = GraphNet(CLASSES, GcnConfig()).eval()
    out = np.zeros((batch, *cache.shape), np.uint8)
    ids = list(cache.ids[:batch])

    def cached() -> int:
        for _ in range(50):
            cache.batch(ids, out)
        return 50 * batch

    def published() -> int:
        return len(online(net, plain, videos, clips, ids))

    def well_written() -> int:
        return len(online(net, fast, videos, clips, ids))

    resident = trainer.resident()

    def step() -> int:
        trainer.train(iter([resident]))
        return batch

    with deterministic(0, 1):  # its setting of the allocator is the rivals' gain as well
        found = rates(
            {"cache": cached, "as published": published, "well written": well_written,
             "step": step},
            rounds,
        )  # fmt: skip
    ms = {name: 1000 / rate for name, (rate, _, _) in found.items()}
    names = ("as published", "well written")
    return {
        "clips": len(clips),
        "ms_per_sample": {name: float(f"{value:.4g}") for name, value in ms.items()},
        "data_path_times": {name: round(ms[name] / ms["cache"], 1) for name in names},
        "whole_epoch_times": {
            name: round((ms[name] + ms["step"]) / (ms["cache"] + ms["step"]), 2) for name in names
        },
    }


def judged(found: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Each goal: what, how much, how much is wanted."""
    path = found["data_path"]
    reached = path["samples_per_s"]["uint8"], found["cpu_step"]["ratio"]
    return [(what, got, GOALS[what]) for what, got in zip(GOALS, reached, strict=True)]


def page(found: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    first, last = found["load"]
    lines = ["# Feeding the trainer", "", found["how"], ""]
    lines += [f"{found['machine']}; {found['system']}; {found['versions']};"]
    lines += [f"load average {first} before and {last} after, on {found['cores']} cores.", ""]
    lines += ["| goal | found | wanted | |", "|---|---|---|---|"]
    lines += [
        f"| {what} | {got:,} | >= {wanted:,} | {'reached' if got >= wanted else 'MISSED'} |"
        for what, got, wanted in judged(found)
    ]
    lines += [*_path_lines(found["data_path"]), *_online_lines(found["online"])]
    return "\n".join(lines + _step_lines(found)) + "\n"


def _path_lines(path: Mapping[str, Any]) -> list[str]:
    """The data path alone, beside what memory does in the same rounds."""
    rate, stored = path["samples_per_s"], path["gb_per_s_stored"]
    lines = ["", "## Data path alone", "", "| way | samples/s | least, most | GB/s stored |"]
    lines += ["|---|---|---|---|"]
    lines += [
        f"| {name} | {middle:,.0f} | {least:,.0f}, {most:,.0f} | {stored[name]} |"
        for (name, middle), (least, most) in zip(
            rate.items(), path["least_and_most"].values(), strict=True
        )
    ]
    lines += ["", "`uint8` is `MosaicCache.batch`, what the thread does; `float` is that and the"]
    lines += ["network's own normalising and weighting behind it, which is a part of the step."]
    lines += [f"`float` is {path['float_times_jpeg_folder']} times and"]
    lines += [f"`uint8` {path['uint8_times_jpeg_folder']} times as fast as the JPEG folder."]
    lines += ["`JPEG folder` ends in the same batch as `float` but for what JPEG loses (mean"]
    lines += [f"difference {path['mean_difference_of_the_jpeg_folder']}): Pillow, torch and its"]
    lines += ["DataLoader, written plainly as torchvision does it.", ""]
    share = rate["uint8"] / rate["copy of uint8 batches"]
    said = "memory is the bound" if share >= 0.9 else "not shown to be bound by memory"
    lines += [f"`uint8` stores {share:.2f} times what a plain copy into the same buffers"]
    lines += [f"stores: {said}."]
    return lines


def _online_lines(ways: Mapping[str, Any]) -> list[str]:
    """Against the ways without a cache."""
    each = ", ".join(f"{name} {value}" for name, value in ways["ms_per_sample"].items())
    lines = ["", "## Against cutting and weighing in the loop", ""]
    lines += [f"{ways['clips']} rendered clips; ms of processor time per sample: {each}."]
    lines += ["`as published` keeps every frame decoded and runs a plain ST-GCN on 300 frames of"]
    lines += ["two bodies; `well written` decodes what it needs and runs this project's network;"]
    lines += ["`step` is the training step (ResNet18, float32) that is added to each for an epoch."]
    lines += [
        "",
        "| online way | data path alone, x cache | whole epoch, x cache |",
        "|---|---|---|",
    ]
    return lines + [
        f"| {name} | {ratio:,} | {ways['whole_epoch_times'][name]} |"
        for name, ratio in ways["data_path_times"].items()
    ]


def _step_lines(found: Mapping[str, Any]) -> list[str]:
    """The fed step against the resident one."""
    step = found["cpu_step"]
    share = step["resident_images_per_s"] / found["data_path"]["samples_per_s"]["uint8"]
    return [
        "",
        "## Fed step against resident step on this CPU, float32",
        "",
        f"{step['fed_images_per_s']} images/s fed, {step['resident_images_per_s']} on one resident",
        f"batch of {found['step_batch']}; {step['rounds']} rounds of {step['images_per_round']}"
        f" images each: median ratio {step['ratio']},",
        f"ratio of the medians {step['ratio_of_medians']}. By the data path's own rate its thread",
        f"takes {share:.3%} of a step: a ratio further from 1 than that is the machine's unrest.",
    ]


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """All figures of this machine's processor."""
    rounds = 5 if given.quick else 15
    videos = find_videos(given.place)
    if not videos:
        raise SystemExit(f"no videos in {', '.join(map(str, given.place))}")
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        # A GPU is through a thousand in a moment, and each epoch begins with empty buffers.
        count = 256 if given.quick else 4000 if given.device == "cuda" else 1000
        write_caches([scratch / "cache"], videos[:: 8 if given.quick else 2], count, [225])
        cache = MosaicCache(scratch / "cache", verify=False)
        found: dict[str, Any] = {"data_path": data_path(cache, scratch, rounds)}
        found["online"] = online_ways(scratch, rounds=2 if given.quick else 3, batch=4)
        size = 4 if given.quick else 8
        trainer = Trainer(cache, size, torch.device("cpu"))
        found["cpu_step"] = race(trainer, steps=1, rounds=8 if given.quick else 20, batch=size)
        found["step_batch"] = size
        if given.device == "cuda":
            from feed_gpu import tries

            found["gpu"] = tries(cache, quick=given.quick)
    return {
        "how": f"{count} mosaics of 225 px cut from real videos, warm; random batches of {BATCH};"
        f" medians of {rounds} interleaved rounds; one core, processor time of all threads.",
        "machine": processor(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "cores": os.cpu_count(),
        "load": [round(before, 2), round(os.getloadavg()[0], 2)],
        "versions": ", ".join(f"{each} {metadata.version(each)}" for each in PACKAGES),
        **found,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("place", nargs="+", type=Path, help="a video or a folder of videos")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--quick", action="store_true", help="fewer mosaics and rounds")
    parser.add_argument("--dry", action="store_true", help="print only, write no results")
    given = parser.parse_args()
    if given.device == "cpu":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    found = measured(given)
    print(page(found))
    if given.dry:
        return
    results = ROOT / "benchmarks" / "results"
    (results / "trainer_feed.json").write_text(json.dumps(found, indent=1) + "\n")
    (results / "trainer_feed.md").write_text(page(found))
    if "gpu" in found:
        from feed_gpu import gpu_page

        (ROOT / "benchmarks" / "gpu.md").write_text(gpu_page(found["gpu"], found["versions"]))


if __name__ == "__main__":
    main()
