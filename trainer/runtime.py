"""Where and how a computation runs: device, threads, determinism, precision, compilation."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stroi.cache.errors import ParamsError
from stroi.trainer.config import Compile, Precision, WantedPrecision

CPU_INFO = Path("/proc/cpuinfo")
BF16_FLAGS = ("avx512_bf16", "amx_bf16", "bf16")
"""Flags of processors that multiply in bfloat16."""
_FIRST_BF16_GPU = (8, 0)
"""Compute capability from which on an NVIDIA GPU multiplies in bfloat16."""
_COMPILE_MODES = {"kernels": "default", "graphs": "reduce-overhead"}
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def pick_device(name: str) -> torch.device:
    """The device called `name`; one GPU of several becomes the process's current one.

    Without that, what names no GPU (pinned memory, NCCL) would open a context on the first.

    Args:
        name: ``auto`` (a GPU if there is one, else the CPU), ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ParamsError: ``DEVICE`` if there is no such device.
    """
    kind, _, number = name.partition(":")
    count = torch.cuda.device_count()
    if name == "auto":
        return torch.device("cuda" if count else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    if kind != "cuda" or not (number or "0").isdigit() or int(number or 0) >= count:
        raise ParamsError(
            "DEVICE", f"there is no device {name!a}", remedy="use auto, cpu, or cuda on a GPU"
        )
    device = torch.device(name)
    if device.index is not None:
        torch.cuda.set_device(device)
    return device


def pick_precision(wanted: WantedPrecision, device: torch.device) -> Precision:
    """The precision that `wanted` means on a device.

    Args:
        wanted: ``auto`` is ``bf16`` where the device has instructions for it, else ``fp32``;
            without them bfloat16 is emulated, and many times slower than float32.
        device: Where the network runs.
    """
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device) >= _FIRST_BF16_GPU
    else:
        fast = bool(bf16_features())
    return "bf16" if fast else "fp32"


def cpu_flags(text: str | None = None) -> frozenset[str]:
    """Features of the processor, as Linux names them; none where there is no ``/proc/cpuinfo``.

    Args:
        text: Content of ``/proc/cpuinfo``; None reads it.
    """
    if text is None:
        try:
            text = CPU_INFO.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return frozenset()
    flags = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    return frozenset(flags[1].split()) if flags else frozenset()


def bf16_features(text: str | None = None) -> tuple[str, ...]:
    """Flags that make bfloat16 faster than float32 on this processor; empty if it is emulated."""
    flags = cpu_flags(text)
    return tuple(name for name in BF16_FLAGS if name in flags)


@contextmanager
def deterministic(seed: int, threads: int) -> Iterator[None]:
    """Same seed, threads, versions and device: same bits, and float32 that is float32.

    On a GPU torch would run float32 convolutions in TF32, whose products have 10 bits instead of
    23. Everything global is put back afterwards but glibc's settings for large buffers.

    Args:
        seed: Seed of torch's generators.
        threads: Threads of one operation on the CPU; another number gives other last bits.
    """
    # cuBLAS reads it when it is first used; without it its products are not repeatable.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Typed loosely: properties of a module are unknown to type checkers.
    fills: Any = torch.utils.deterministic
    cudnn: Any = torch.backends.cudnn
    was_threads, was_mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    was_filled = fills.fill_uninitialized_memory
    was_tf32, was_matmul = cudnn.allow_tf32, torch.get_float32_matmul_precision()
    _keep_freed_memory()
    with torch.random.fork_rng(devices=list(range(torch.cuda.device_count()))):
        try:
            torch.set_num_threads(threads)
            # As torch.use_deterministic_algorithms, which imports torch's compiler for a second.
            torch.set_deterministic_debug_mode("error")
            fills.fill_uninitialized_memory = False
            cudnn.allow_tf32 = False
            torch.set_float32_matmul_precision("highest")
            torch.manual_seed(seed)
            yield
        finally:
            torch.set_num_threads(was_threads)
            torch.set_deterministic_debug_mode(was_mode)
            fills.fill_uninitialized_memory = was_filled
            cudnn.allow_tf32 = was_tf32
            torch.set_float32_matmul_precision(was_matmul)


def autocast(device: torch.device, precision: Precision) -> AbstractContextManager[object]:
    """Convolutions and matrix products in bfloat16 if `precision` says so."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


def to_device(
    values: Tensor, device: torch.device, stream: torch.cuda.Stream | None = None
) -> Tensor:
    """`values` on the device, without waiting for what a GPU is computing.

    An ordinary copy to a GPU begins only when all work before it is done.

    Args:
        values: On the CPU, or on the device already.
        device: Where to.
        stream: Stream of the GPU that copies while it computes, out of pinned memory that
            stays as it is until the stream is synchronised; None copies in the order of the work.
    """
    if device.type != "cuda" or values.device.type != "cpu":
        return values.to(device)
    if stream is None:
        return values.pin_memory().to(device, non_blocking=True)
    with torch.cuda.stream(stream):
        copied = values.to(device, non_blocking=True)
    computing = torch.cuda.current_stream(device)
    computing.wait_stream(stream)
    # Its memory must not be given away on the copying stream while the network reads it.
    copied.record_stream(computing)
    return copied


def compile_network(network: nn.Module, how: Compile, device: torch.device) -> None:
    """Have a network compiled when it is first used, which takes from seconds to minutes.

    Args:
        network: The network.
        how: ``none`` leaves it as it is.
        device: Where it runs.

    Raises:
        ParamsError: ``COMPILE`` if what compiles for that device is not installed.
    """
    if how == "none":
        return
    compiler = os.environ.get("CXX", "g++")
    missing = ""
    if shutil.which(compiler) is None:
        missing = f"the C++ compiler {compiler!a} (environment variable CXX)"
    elif device.type == "cuda" and find_spec("triton") is None:
        missing = "the package triton"
    if missing:
        raise ParamsError(
            "COMPILE",
            f"resnet.compile: {how} needs {missing}, which is not there",
            remedy="install it, or set resnet.compile: none",
        )
    from torch._inductor import config  # only here: the import takes a second

    config.deterministic = True
    network.compile(mode=_COMPILE_MODES[how])


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """`model` in evaluation mode, put back afterwards."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def _keep_freed_memory() -> None:
    """Let glibc reuse large buffers instead of mapping them anew at every step.

    Faulting fresh pages costs more than the arithmetic at large batches on a CPU.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
