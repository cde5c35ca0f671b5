"""What `trainer_feed.py --device cuda` tries on a GPU, and the page of it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import torch
from feed_steps import Trainer, race

from stroi.cache.mosaics import MosaicCache

GOAL = 0.97


def tries(cache: MosaicCache, *, quick: bool) -> dict[str, Any]:
    """Images per second, fed and resident, of every setting; a setting that fails says why."""
    device = torch.device("cuda")
    sizes = (64,) if quick else (64, 128, 256)
    compiled = ("none",) if quick else ("none", "kernels", "graphs")
    rows = []
    for precision, how, size, hold in itertools.product(
        ("fp32", "bf16"), compiled, sizes, (False, True)
    ):
        row: dict[str, Any] = {
            "precision": precision, "compile": how, "batch": size,
            "mosaics": "held on the GPU" if hold else "streamed",
        }  # fmt: skip
        try:
            trainer = Trainer(
                cache, size, device, precision=precision, compiled=how, hold=hold  # type: ignore[arg-type]
            )  # fmt: skip
            row |= race(trainer, steps=10 if quick else 40, rounds=3 if quick else 7, batch=size)
        except RuntimeError as error:
            row["failed"] = str(error).splitlines()[0][:200]
        rows.append(row)
    return {
        "device": torch.cuda.get_device_name(device),
        "versions": f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}",
        "tries": rows,
    }


def gpu_page(found: Mapping[str, Any], versions: str) -> str:
    """The figures as Markdown, the default setting's share of the best first."""
    done = [row for row in found["tries"] if "failed" not in row]
    best = max(max(row["fed_images_per_s"], row["resident_images_per_s"]) for row in done)
    [default] = [
        row for row in done
        if (row["precision"], row["compile"], row["batch"]) == ("bf16", "none", 64)
        and row["mosaics"] == "streamed"
    ]  # fmt: skip
    lines = ["# The trainer on a GPU", "", f"{found['device']}; {versions}; {found['versions']}."]
    lines += ["ResNet18, 225 px, fixed weights, channels_last; `python benchmarks/trainer_feed.py"]
    lines += ["VIDEOS --device cuda`. By the clock; interleaved rounds.", ""]
    share = default["fed_images_per_s"] / best
    reached = "reached" if default["ratio"] >= GOAL else "MISSED"
    lines += [f"bf16, batch 64, streamed: fed / resident {default['ratio']} (wanted >= {GOAL},"]
    lines += [
        f"{reached}), {default['fed_images_per_s']:,} images/s, {share:.1%} of the best speed"
    ]
    lines += ["speed that any setting reached.", ""]
    lines += ["| precision | compile | batch | mosaics | fed | resident | ratio |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for row in found["tries"]:
        shown = [row[name] for name in ("precision", "compile", "batch", "mosaics")]
        names = ("fed_images_per_s", "resident_images_per_s", "ratio")
        shown += [row.get("failed", ""), "", ""] if "failed" in row else [row[n] for n in names]
        lines.append(f"| {' | '.join(map(str, shown))} |")
    return "\n".join(lines) + "\n"
