"""The child process of `stroi.cache.checking.sandbox` that checks files: limits and loop."""

from __future__ import annotations

import json
import resource
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path

from stroi.cache.checking.check_shard import check
from stroi.cache.checking.sandbox import Answer, Request
from stroi.cache.ledger import MAX_TABLE_BYTES

ALLOWANCE = 192 << 20
"""Bytes of memory that a check may take beside the mapped file."""

_CPU_SECONDS = 3
_BYTES_PER_CPU_SECOND = 1 << 25
_BYTES_PER_ID = 1 << 10
_IDS_PER_CPU_SECOND = 50_000
_MAX_OPEN_FILES = 16
_REMEDY = "do not use the file; fetch it again from someone you trust"


def serve() -> None:
    """Answer requests from standard input until it ends."""
    # Ctrl-C reaches the whole group; the parent decides what becomes of its child.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    used = _limit_for_good()
    for line in sys.stdin.buffer:
        request = Request(**json.loads(line))
        _limit_for(used, min(request.bytes, MAX_TABLE_BYTES), request.ids.count("\n"))
        try:
            answer = check(request)
        except MemoryError:
            text = f"checking it needed more than {ALLOWANCE // 1_000_000} MB"
            answer = Answer("CHECKER_MEMORY", f"{request.where}: {text}", _REMEDY)
        sys.stdout.write(json.dumps(asdict(answer)) + "\n")
        sys.stdout.flush()


def _limit_for_good() -> int:
    """Forbid to write files and core dumps.

    Returns:
        Bytes of address space in use; 0 where the system does not tell.
    """
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)
    sizes = Path("/proc/self/statm")
    return int(sizes.read_text().split()[0]) * resource.getpagesize() if sizes.exists() else 0


def _limit_for(used: int, size: int, ids: int) -> None:
    """Limit processor time and address space to what `size` bytes and so many ids can need."""
    spent = int(time.process_time()) + 1
    seconds = size // _BYTES_PER_CPU_SECOND + ids // _IDS_PER_CPU_SECOND
    _limit(resource.RLIMIT_CPU, spent + _CPU_SECONDS + seconds)
    if used:
        _limit(resource.RLIMIT_AS, used + size + ids * _BYTES_PER_ID + ALLOWANCE)


def _limit(what: int, value: int) -> None:
    hard = resource.getrlimit(what)[1]
    soft = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (soft, hard))
