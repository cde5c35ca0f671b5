"""What `trainer_feed.py --device cuda` tries on a GPU, and the page of it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from feed_steps import Trainer, race

from stroi.cache.errors import StroiError
from stroi.cache.mosaics import MosaicCache

GOAL = 0.97


def tries(cache: MosaicCache, *, quick: bool) -> dict[str, Any]:
    """Images per second, fed and resident, of every setting; a setting that fails says why."""
    device = torch.device("cuda")
    sizes = (64,) if quick else (64, 128, 256)
    compiled = ("none",) if quick else ("none", "kernels", "graphs")
    rows = []
    for precision, how, size, resident in itertools.product(
        ("fp32", "bf16"), compiled, sizes, (False, True)
    ):
        row: dict[str, Any] = {
            "precision": precision, "compile": how, "batch": size,
            "mosaics": "resident on the GPU" if resident else "streamed",
        }  # fmt: skip
        # Or the compiler gives up on a network after some sizes, and tells nobody.
        torch._dynamo.reset()
        try:
            trainer = Trainer(
                cache, size, device, precision=precision, compiled=how, resident=resident  # type: ignore[arg-type]
            )  # fmt: skip
            row |= race(trainer, steps=10 if quick else 40, rounds=3 if quick else 7, batch=size)
        except (RuntimeError, StroiError) as error:
            row["failed"] = str(error).splitlines()[0][:200]
        rows.append(row)
    return {
        "device": torch.cuda.get_device_name(device),
        "versions": f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}",
        "tries": rows,
    }


def gpu_page(found: Mapping[str, Any], versions: str) -> str:
    """The figures as Markdown, the default setting's share of the best first."""
    lines = ["# The trainer on a GPU", "", f"{found['device']}; {found['versions']}; {versions}."]
    lines += ["ResNet18, 225 px, fixed weights, channels_last; `python benchmarks/trainer_feed.py"]
    lines += ["VIDEOS --device cuda`. By the clock; interleaved rounds; medians. Ratio: fed speed"]
    lines += ["over that on one batch that stays on the GPU.", "", *_default(found["tries"]), ""]
    lines += ["| precision | compile | batch | mosaics | fed, images/s | resident | ratio |"]
    lines += ["|---|---|---|---|---|---|---|"]
    for row in found["tries"]:
        shown = [row[name] for name in ("precision", "compile", "batch", "mosaics")]
        if "failed" in row:
            shown += [row["failed"], "", ""]
        else:
            shown += [f"{row[f'{way}_images_per_s']:,.0f}" for way in ("fed", "resident")]
            shown += [row["ratio"]]
        lines.append(f"| {' | '.join(map(str, shown))} |")
    return "\n".join(lines) + "\n"


def _default(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the goal says of the default setting."""
    done = [row for row in rows if "failed" not in row]
    default = [
        row for row in done
        if (row["precision"], row["compile"], row["batch"]) == ("bf16", "none", 64)
        and row["mosaics"] == "streamed"
    ]  # fmt: skip
    if not default:
        return ["The default setting (bf16, batch 64, streamed) failed: see below."]
    speed, ratio = default[0]["fed_images_per_s"], default[0]["ratio"]
    best = max(max(row["fed_images_per_s"], row["resident_images_per_s"]) for row in done)
    reached = "reached" if ratio >= GOAL else "MISSED"
    return [
        f"bf16, batch 64, streamed: fed / resident {ratio} (wanted >= {GOAL}, {reached}),",
        f"{speed:,.0f} images/s, {speed / best:.1%} of the best speed that any setting reached.",
    ]
