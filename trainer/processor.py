"""What this machine's processor can do."""

from __future__ import annotations

import re
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")
BF16 = ("avx512_bf16", "amx_bf16", "bf16")
"""Flags of processors that multiply in bfloat16."""


def cpu_flags(text: str | None = None) -> frozenset[str]:
    """Features of the processor, as Linux names them.

    Args:
        text: What /proc/cpuinfo says; None looks there.

    Returns:
        The flags; none where there is no such file.
    """
    if text is None:
        try:
            text = CPU_INFO.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return frozenset()
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    return frozenset(flags[1].split()) if flags else frozenset()


def bf16_features(text: str | None = None) -> tuple[str, ...]:
    """Those of them that make bfloat16 faster than float32; empty if it is only emulated."""
    known = cpu_flags(text)
    return tuple(name for name in BF16 if name in known)
