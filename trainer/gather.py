"""Whole mosaics copied out of the mapped shards, past the processor's caches.

What is copied here is next read by a GPU, or much later: in a cache it only drives out other data,
and an ordinary store first reads the line that it overwrites. The C library takes the same way, but
only for single copies far larger than a mosaic. It needs numba (``pip install 'stroi[fast]'``);
without it numpy copies, slower.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroi.trainer.windows import Source

_STEP = 32
"""Bytes of one store."""


def gather(source: Source, ids: Sequence[str], out: NDArray[np.uint8]) -> None:
    """Copy the mosaics of `ids`, with all their columns; needs numba.

    Args:
        source: The mosaics.
        ids: B sample ids.
        out: (B, H, W, 3) in C order.

    Raises:
        RefusedInput: As `stroi.cache.mosaics.MosaicCache.pixels`.
        ValueError: If a mosaic has another shape than those of `out`.
    """
    copy, lines = copier(), out.reshape(len(out), -1)
    for place, name in enumerate(ids):
        pixels = source.pixels(name)
        if pixels.shape != out.shape[1:]:
            raise ValueError(f"a mosaic is {pixels.shape}, want {out.shape[1:]}")
        copy(pixels.reshape(-1), lines[place])


@cache
def copier() -> Callable[[NDArray[np.uint8], NDArray[np.uint8]], None]:
    """A copy of bytes by stores past the caches, compiled when first called: about a second."""
    import numba

    store, done = _intrinsics()

    def copy(source: NDArray[np.uint8], target: NDArray[np.uint8]) -> None:
        count = len(source)
        start = min(count, -target.ctypes.data % _STEP)
        stop = start + (count - start) // _STEP * _STEP
        target[:start] = source[:start]
        for at in range(start, stop, _STEP):
            store(source, target, at)
        target[stop:] = source[stop:]
        done()

    compiled: Any = numba.njit(nogil=True)(copy)
    return compiled  # type: ignore[no-any-return]


def _intrinsics() -> tuple[Any, Any]:
    """A store of `_STEP` bytes to an address that they divide, and the wait for all of them."""
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    def store(typing: Any, source: Any, target: Any, at: Any) -> Any:
        def made(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            pointer = ir.VectorType(ir.IntType(8), _STEP).as_pointer()
            arrays = [
                context.make_array(kind)(context, builder, value)
                for kind, value in zip(signature.args[:2], values[:2], strict=True)
            ]
            places = [
                builder.bitcast(builder.gep(each.data, [values[2]]), pointer) for each in arrays
            ]
            written = builder.store(builder.load(places[0], align=1), places[1], align=_STEP)
            one = builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
            written.set_metadata("nontemporal", one)
            return context.get_dummy_value()

        return types.void(source, target, at), made

    def done(typing: Any) -> Any:
        def made(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            # Such stores may become visible late: whoever is told that a batch is there, a thread
            # or a GPU, must find it there.
            builder.fence("seq_cst")
            return context.get_dummy_value()

        return types.void(), made

    return intrinsic(store), intrinsic(done)
