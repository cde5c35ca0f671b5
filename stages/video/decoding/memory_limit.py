"""A limit on the memory of a process: a few kilobytes of video can decode to gigabytes."""

from __future__ import annotations

import os
import resource
from functools import cache
from pathlib import Path

from stroi.pipeline.workspace import COMMAND_VARIABLE

DECODER_BYTES = 3 * 2**30
"""Growth allowed to a process from its first video on: room for 16 coded frames of 8192 x 8192 px
and more, but not for the largest picture that FFmpeg would decode."""


def limit_command() -> None:
    """`limit_memory` in a process of the command line.

    A program that only imports the modules may need its memory for other things than videos.
    """
    if os.environ.get(COMMAND_VARIABLE):
        limit_memory()


@cache
def limit_memory(size: int = DECODER_BYTES) -> None:
    """Let this process grow by at most `size` bytes from now on; once for each size.

    A library that allocates more fails as if there were no memory. Where the system does not
    report the size of a process, nothing is limited. A stricter limit stays.
    Memory that is only reserved, as GPU drivers do, does not count.

    Args:
        size: Bytes of private memory beyond what the process has now.
    """
    try:
        pages = int(Path("/proc/self/statm").read_bytes().split()[5])
    except OSError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bounds = [bound for bound in (soft, hard) if bound != resource.RLIM_INFINITY]
    limit = pages * resource.getpagesize() + size
    resource.setrlimit(resource.RLIMIT_DATA, (min([limit, *bounds]), hard))
