"""What the graph network costs on a CPU, ours against one that is plainly written down.

`gcn_speed.py` trains both and takes joint weights out of both, on the same samples of NTU's
shape (a fifth with two bodies), in processes of one thread: processor time per sample, medians of
interleaved rounds. The plain network gets its best batch size and allocator setting, found first.
Writes benchmarks/results/gcn_speed.json and .md. About 15 minutes and 12 GB of memory.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Any

import numpy as np
import torch
from make_repro import ROOT, processor
from plain_stgcn import PlainStGcn
from torch import Tensor, nn

from stroi.cache.layouts import KINECT_V2
from stroi.cache.skeletons3d import JointClip
from stroi.trainer.config import GcnConfig
from stroi.trainer.data.skeleton_input import prepare_all, to_length
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.runtime import autocast, deterministic
from stroi.trainer.score_gcn import compute_weights

CLASSES = tuple(f"A{number:03}" for number in range(1, 61))
KEEP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000"}
"""glibc keeps freed memory; ours asks for it by itself."""
LONG, SHORT = 300, 64
NTU_CLIPS, EPOCHS, CORES, SCALING = 40_091, 65, 32, 0.8
GOALS = {"training, default": 20.0, "training, same work": 2.4, "weights": 17.0}


@dataclass(frozen=True)
class Case:
    """One measurement.

    Attributes:
        net: ``plain`` or ``ours``.
        work: ``train`` or ``weights``.
        frames: T.
        bodies: ``two`` (always, as zeros where absent) or ``present`` (those there are).
        batch: Clips of a step.
        precision: ``fp32`` or ``bf16``.
        keep: Whether glibc is told to keep freed memory.
    """

    net: str
    work: str
    frames: int
    bodies: str
    batch: int
    precision: str = "fp32"
    keep: bool = False


OURS = {
    "training, default": Case("ours", "train", SHORT, "present", 64, "bf16"),
    "training, default, fp32": Case("ours", "train", SHORT, "present", 64),
    "training, same work": Case("ours", "train", SHORT, "two", 32, "bf16"),
    "training, same work, fp32": Case("ours", "train", SHORT, "two", 32),
    "weights": Case("ours", "weights", SHORT, "present", 64, "bf16"),
    "weights, fp32": Case("ours", "weights", SHORT, "present", 64),
}
PLAIN = {
    "training, default": ("train", LONG, (2, 4, 8)),
    "training, same work": ("train", SHORT, (4, 16)),
    "weights": ("weights", LONG, (4, 8)),
}


def samples(count: int) -> dict[str, JointClip]:
    """Clips of NTU's shape: 60 to 120 frames at 30 fps, every fifth with two bodies."""
    random, clips = np.random.default_rng(0), {}
    for number in range(count):
        frames = int(random.integers(60, 121))
        persons = 2 if number % 5 == 0 else 1
        steps = random.normal(0, 0.02, (frames, 2, 25, 3)).cumsum(0)
        position = (random.normal(0, 0.3, (1, 2, 25, 3)) + steps).astype(np.float32)
        state = np.full((frames, 2, 25), 2, np.int8)
        position[:, persons:], state[:, persons:] = 0, 0
        clips[f"{number:05}"] = JointClip(position, state, persons, KINECT_V2, 30.0)
    return clips


def plain_input(clips: Mapping[str, JointClip], frames: int) -> Tensor:
    """(N, 2, T, V, 3), clips played again until they are long enough, or resampled."""
    fill = "repeat" if frames == LONG else "stretch"
    seen = [to_length(clip.position, frames, fill) for clip in clips.values()]
    return torch.from_numpy(np.stack(seen)).permute(0, 2, 1, 3, 4).contiguous()


def training(net: nn.Module, logits: Callable[[], Tensor], count: int) -> Callable[[], None]:
    """One step of stochastic gradient descent."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    labels = torch.arange(count) % len(CLASSES)

    def step() -> None:
        loss = nn.functional.cross_entropy(logits().float(), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return step


def work_of(case: Case) -> Callable[[], object]:
    """What is timed: a step over `case.batch` clips, or taking their weights."""
    clips = samples(case.batch)
    config = GcnConfig(frames=case.frames)
    if case.net == "plain":
        x = plain_input(clips, case.frames)
        plain = PlainStGcn(len(CLASSES), config, KINECT_V2)
        if case.work == "train":
            return training(plain, lambda: plain(x)[0], len(x))
        plain.eval()
        return torch.no_grad()(lambda: plain(x)[1].abs().mean((2, 3)))
    ours = GraphNet(CLASSES, config, layout=KINECT_V2)
    if case.work == "weights":
        return lambda: compute_weights(ours, clips, tuple(clips), precision=case.precision)[0]
    data = prepare_all(clips, tuple(clips), frames=case.frames)
    x, present = torch.from_numpy(data.x), torch.from_numpy(data.present)
    if case.bodies == "two":
        present = torch.ones_like(present)

    def logits() -> Tensor:
        with autocast(torch.device("cpu"), case.precision):
            return ours(x, present)[0]

    return training(ours, logits, len(x))


def child(case: Case, turns: int) -> float:
    """Processor time per clip in ms, median of `turns` after a first one."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if case.net == "ours":
        with deterministic(0, 1):
            return timed(work_of(case), case.batch, turns)
    return timed(work_of(case), case.batch, turns)


def timed(work: Callable[[], object], count: int, turns: int) -> float:
    """Milliseconds of processor time per clip, median of `turns` after a first one."""
    work()
    found = []
    for _ in range(turns):
        start = time.process_time()
        work()
        found.append(1000 * (time.process_time() - start) / count)
    return statistics.median(found)


def peak(dtype: torch.dtype, size: int = 2048) -> float:
    """Best GFLOP/s of a square matrix product on one thread."""
    torch.set_num_threads(1)
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    return 2 * size**3 / timed(lambda: a @ b, 1, 7) / 1e6


def measure(case: Case, turns: int) -> float:
    """`child` in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | (KEEP if case.keep else {})
    command = [sys.executable, __file__, "--case", json.dumps(asdict(case)), "--turns", str(turns)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{case}: {done.stderr[-500:]}")
    return float(done.stdout)


def macs(config: GcnConfig, joints: int = 25) -> float:
    """Multiplications of one body's way forward, graph product before the 1x1 convolution."""
    total, before, frames = 0, 3, config.frames
    for number, (width, stride) in enumerate(zip(config.channels, config.strides, strict=True)):
        total += frames * joints * (3 * joints * before + 3 * before * width)
        frames //= stride
        total += frames * joints * config.temporal_kernel * width * width
        if number and (stride != 1 or width != before):
            total += frames * joints * before * width
        before = width
    return float(total)


def best_plain(turns: int) -> tuple[dict[str, Case], dict[str, dict[str, float]]]:
    """The plain network's fastest setting of each kind, and what every setting took."""
    chosen, tried = {}, {}
    for name, (work, frames, batches) in PLAIN.items():
        cases = [
            Case("plain", work, frames, "two", batch, keep=keep)
            for batch in batches
            for keep in (False, True)
        ]
        took = {case: measure(case, turns) for case in cases}
        chosen[name] = min(took, key=lambda case: took[case])
        tried[name] = {
            f"batch {case.batch}{', memory kept' if case.keep else ''}": round(value, 1)
            for case, value in took.items()
        }
    return chosen, tried


def results(rounds: int, turns: int) -> dict[str, Any]:
    """All figures."""
    chosen, tried = best_plain(1)
    cases = {("plain", name): case for name, case in chosen.items()}
    cases |= {("ours", name): case for name, case in OURS.items()}
    took: dict[tuple[str, str], list[float]] = {key: [] for key in cases}
    peaks: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for _ in range(rounds):
        for key, case in cases.items():
            took[key].append(measure(case, turns))
        peaks["fp32"].append(peak(torch.float32))
        peaks["bf16"].append(peak(torch.bfloat16))
    gemm = {name: round(max(found)) for name, found in peaks.items()}
    rows = []
    for (net, name), case in cases.items():
        milliseconds = statistics.median(took[net, name])
        forward = 2 * macs(GcnConfig(frames=case.frames)) * (2 if case.bodies == "two" else 1.2)
        rate = forward * (3 if case.work == "train" else 1) / milliseconds / 1e6
        plain = statistics.median(took["plain", name.removesuffix(", fp32")])
        rows.append({
            "net": net, "what": name, **asdict(case), "ms_per_sample": round(milliseconds, 1),
            "range": [round(min(took[net, name]), 1), round(max(took[net, name]), 1)],
            "gflops": round(rate), "share_of_gemm_peak": round(rate / gemm[case.precision], 2),
            "times_plain": round(plain / milliseconds, 2),
        })  # fmt: skip
    default = next(row for row in rows if row["net"] == "ours" and row["what"] in GOALS)
    hours = NTU_CLIPS * EPOCHS * default["ms_per_sample"] / 3.6e6
    return {
        "rows": rows, "plain_settings_tried": tried, "gemm_gflops": gemm,
        "ntu": {"core_hours": round(hours, 1), "hours": round(hours / CORES / SCALING, 2)},
    }  # fmt: skip


def goals(found: Mapping[str, Any]) -> Iterator[tuple[str, float, float]]:
    """Each goal: what, the ratio reached, the ratio wanted."""
    for row in found["rows"]:
        if row["net"] == "ours" and row["what"] in GOALS:
            yield row["what"], row["times_plain"], GOALS[row["what"]]


def page(found: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    gemm, ntu = found["gemm_gflops"], found["ntu"]
    lines = ["# The graph network on a CPU", "", f"{found['how']}", ""]
    lines += [f"{found['machine']}; {found['system']}; {found['versions']}; load average"]
    lines += [f"{found['load'][0]} at the start, {found['load'][1]} at the end, on"]
    lines += [
        f"{found['cores']} cores. A matrix product reaches {gemm['fp32']} GFLOP/s in fp32 and"
    ]
    lines += [f"{gemm['bf16']} in bf16 on one core.", ""]
    lines += ["| what | network | T | bodies | batch | precision | ms/sample (range) |"]
    lines[-1] += " GFLOP/s | of the GEMM peak | x plain |"
    lines += ["|---|---|---|---|---|---|---|---|---|---|"]
    for row in found["rows"]:
        cells = [row["what"].removesuffix(", fp32"), row["net"], row["frames"]]
        cells += [row["bodies"], row["batch"], row["precision"]]
        cells += [f"{row['ms_per_sample']} ({row['range'][0]} to {row['range'][1]})"]
        cells += [row["gflops"], f"{row['share_of_gemm_peak']:.0%}", row["times_plain"]]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["", "| goal | found | wanted | |", "|---|---|---|---|"]
    lines += [
        f"| {what}: times the plain network | {ratio} | >= {wanted:g} |"
        f" {'reached' if ratio >= wanted else 'MISSED'} |"
        for what, ratio, wanted in goals(found)
    ]
    lines += ["", f"{NTU_CLIPS:,} clips x {EPOCHS} epochs take {ntu['core_hours']} core hours at"]
    lines += [f"this rate, so {ntu['hours']} h on {CORES} such cores if {SCALING:.0%} of each"]
    lines += ["is used (an assumption; this machine has no more than the cores above).", ""]
    lines += [
        "What the plain network took in ms per sample, by batch size and allocator, once:",
        "",
    ]
    for name, tried in found["plain_settings_tried"].items():
        shown = "; ".join(f"{setting}: {value}" for setting, value in tried.items())
        lines.append(f"- {name}: {shown}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="processes per case")
    parser.add_argument("--turns", type=int, default=1, help="steps timed in each")
    parser.add_argument("--dry", action="store_true", help="print only, write no results")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        sys.stdout.write(str(child(Case(**json.loads(given.case)), given.turns)))
        return
    before = os.getloadavg()[0]
    found = {
        "how": "Samples of NTU's shape, every fifth with two bodies; processor time of one thread"
        f" per sample, medians of {given.rounds} interleaved rounds.",
        "machine": processor(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "cores": os.cpu_count(),
        "versions": f"torch {torch.__version__}, numpy {metadata.version('numpy')}",
        **results(given.rounds, given.turns),
    }
    found["load"] = [round(before, 2), round(os.getloadavg()[0], 2)]
    print(page(found))
    if not given.dry:
        folder = ROOT / "benchmarks" / "results"
        (folder / "gcn_speed.json").write_text(json.dumps(found, indent=1) + "\n")
        (folder / "gcn_speed.md").write_text(page(found))


if __name__ == "__main__":
    main()
