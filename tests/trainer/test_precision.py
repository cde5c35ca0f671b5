"""``precision: auto`` is bfloat16 where there are instructions for it, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stroi.trainer import runtime
from stroi.trainer.runtime import bf16_features, cpu_flags, pick_precision

ZEN3 = "processor : 0\nflags\t\t: fpu sse avx avx2 fma\nbugs : none\n"
ZEN4 = "processor : 0\nflags\t\t: fpu avx2 avx512f avx512_bf16 vaes\n"
GRAVITON = "processor : 0\nFeatures\t: fp asimd i8mm bf16\n"
CPU = torch.device("cpu")


def test_flags_are_read_as_linux_writes_them() -> None:
    assert cpu_flags(ZEN3) == {"fpu", "sse", "avx", "avx2", "fma"}
    assert cpu_flags("no such line") == frozenset()


@pytest.mark.parametrize(
    ("text", "found"), [(ZEN3, ()), (ZEN4, ("avx512_bf16",)), (GRAVITON, ("bf16",)), ("", ())]
)
def test_bf16_is_an_instruction_not_a_name(text: str, found: tuple[str, ...]) -> None:
    assert bf16_features(text) == found


def test_no_file_means_no_flags(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(runtime, "CPU_INFO", tmp_path / "absent")
    assert cpu_flags() == frozenset()
    assert pick_precision("auto", CPU) == "fp32"


@pytest.mark.parametrize(("features", "picked"), [((), "fp32"), (("amx_bf16",), "bf16")])
def test_auto_follows_the_processor(
    monkeypatch: pytest.MonkeyPatch, features: tuple[str, ...], picked: str
) -> None:
    monkeypatch.setattr(runtime, "bf16_features", lambda: features)
    assert pick_precision("auto", CPU) == picked


@pytest.mark.parametrize(("capability", "picked"), [((7, 5), "fp32"), ((9, 0), "bf16")])
def test_auto_follows_the_gpu(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], picked: str
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert pick_precision("auto", torch.device("cuda")) == picked


def test_what_is_named_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "bf16_features", lambda: ("avx512_bf16",))
    assert pick_precision("fp32", CPU) == "fp32"
    monkeypatch.setattr(runtime, "bf16_features", lambda: ())
    assert pick_precision("bf16", CPU) == "bf16"
