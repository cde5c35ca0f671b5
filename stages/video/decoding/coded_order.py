"""What the coded pictures of a video say of themselves: order, references, where to begin.

Only what the standards prove is used, not what a container says: its marks of key frames and its
time stamps can be wrong. H.264 (ITU-T H.264, 7.3 and 8.2.1): a picture says whether others refer
to it (``nal_ref_idc``), whether it is an IDR picture, before which nothing is referred to, and its
place in the order of output. MPEG-4 Part 2 without B-frames and Motion JPEG come out as they lie.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_SLICE, _IDR, _SPS = 1, 5, 7
_PARAMETERS = (_SPS, 8)
_PLAIN = frozenset((_SLICE, _IDR, 6, 7, 8, 9, 10, 11, 12))
"""Kinds of NAL units of a plain stream: slices, parameter sets, remarks, delimiters, filling."""
_HIGH = frozenset((100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135))
_START = re.compile(b"\0\0\1")
_VOP = b"\0\0\1\xb6"
_HEAD = 64
"""Bytes of a slice in which the fields lie that are read."""
PLACEHOLDER = 16
"""Largest MPEG-4 packet, in bytes, that may stand for a frame which is coded with another one."""


@dataclass(frozen=True)
class Coded:
    """A coded picture.

    Attributes:
        begins: Whether nothing from here on refers to anything before.
        referred: Whether other pictures may refer to it.
        frame: Number of the frame that it becomes, in the order of output.
    """

    begins: bool
    referred: bool
    frame: int


def read_coded(
    codec: str, extradata: bytes, packets: Sequence[bytes], *, depth: int
) -> list[Coded] | None:
    """What the pictures of a video say, in the order in which they lie; None if that is not proven.

    Args:
        codec: FFmpeg's name of it.
        extradata: The stream's header.
        packets: The coded pictures, each one frame.
        depth: Pictures that the decoder waits for before it gives the first of them.
    """
    if codec == "mjpeg":
        return [Coded(True, False, number) for number in range(len(packets))]
    read = {"mpeg4": _read_mpeg4, "h264": _read_h264}.get(codec)
    try:
        pictures = read(extradata, packets) if read else None
    except (IndexError, ValueError):
        return None
    # A decoder that waits for fewer pictures than it has to gives them in another order.
    if not pictures or not pictures[0].begins or _reordering(pictures) > depth:
        return None
    return pictures


def _reordering(pictures: Sequence[Coded]) -> int:
    """How many pictures lie before one that comes out before them, at most."""
    most, before = 0, list[int]()
    for picture in pictures:
        before = [] if picture.begins else before
        most = max(most, sum(frame > picture.frame for frame in before))
        before = [*before[-15:], picture.frame]
    return most


def _read_mpeg4(extradata: bytes, packets: Sequence[bytes]) -> list[Coded] | None:
    pictures, headers = [], {_header(extradata)} - {b""}
    for number, data in enumerate(packets):
        at = data.find(_VOP)
        if at < 0 or len(data) <= PLACEHOLDER:
            return None
        kind = data[at + 4] >> 6  # I, P, B, S
        if kind == 2:
            return None
        headers |= {_header(data[:at])} - {b""}
        pictures.append(Coded(kind == 0, True, number))
    return pictures if len(headers) <= 1 else None


def _header(data: bytes) -> bytes:
    """The header of the sequence in `data`; empty if there is none."""
    at = re.search(b"\0\0\1[\x20-\x2f]", data)
    end = _START.search(data, at.end()) if at else None
    return data[at.start() : end.start() if end else len(data)] if at else b""


def _read_h264(extradata: bytes, packets: Sequence[bytes]) -> list[Coded] | None:
    size, sets = _h264_header(extradata)
    repeated: set[tuple[bytes, ...]] = set()
    pictures: list[_Picture] = []
    reader: _SliceReader | None = None
    for data in packets:
        units = [unit for unit in _units(data, size) if unit]
        kinds = [unit[0] & 31 for unit in units]
        own = tuple(unit for unit, kind in zip(units, kinds, strict=True) if kind in _PARAMETERS)
        slices = [unit for unit, kind in zip(units, kinds, strict=True) if kind in (_SLICE, _IDR)]
        idr = _IDR in kinds
        if not slices or not _PLAIN.issuperset(kinds) or (own and not idr):
            return None
        if own:
            repeated.add(own)
        if reader is None:
            reader = _SliceReader.of([unit for unit in (*sets, *own) if unit[0] & 31 == _SPS])
        if reader is None or len(repeated) > 1:
            return None
        referred = any(unit[0] >> 5 & 3 for unit in slices)
        pictures.append(_Picture(idr, referred, reader.order(slices[0], referred)))
    return _in_order(pictures)


def _in_order(pictures: Sequence[_Picture]) -> list[Coded] | None:
    """The pictures, if no number of the order is missing or given twice from one IDR to the next.

    A picture may set the order back; then numbers would come twice.
    """
    found: list[Coded] = []
    starts = [place for place, one in enumerate(pictures) if one.idr]
    if not starts or starts[0]:
        return None
    for start, stop in itertools.pairwise([*starts, len(pictures)]):
        orders = sorted(one.order for one in pictures[start:stop])
        steps = {after - before for before, after in itertools.pairwise(orders)}
        if len(steps) > 1 or not steps <= {1, 2}:
            return None
        number = {order: frame for frame, order in enumerate(orders, start)}
        found += [Coded(one.idr, one.referred, number[one.order]) for one in pictures[start:stop]]
    return found


@dataclass(frozen=True)
class _Picture:
    idr: bool
    referred: bool
    order: int


class _SliceReader:
    """Reads the order of output from the heads of slices (pic_order_cnt_type 0 or 2)."""

    def __init__(self, number_bits: int, order_bits: int) -> None:
        self._number_bits, self._order_bits = number_bits, order_bits
        self._high = self._low = self._count = 0

    @classmethod
    def of(cls, sets: Sequence[bytes]) -> _SliceReader | None:
        """A reader for streams with one such parameter set, of frames rather than fields."""
        if len(set(sets)) != 1:
            return None
        bits = _Bits(sets[0])
        profile = bits.read(8)
        bits.read(16)
        bits.number()
        if profile in _HIGH:
            chroma = bits.number()
            bits.number(), bits.number(), bits.read(1)
            # Colour planes of their own, or matrices: rare, and further to read.
            if chroma > 2 or bits.read(1):
                return None
        number_bits = bits.number() + 4
        kind = bits.number()
        if kind == 1:
            return None
        order_bits = bits.number() + 4 if kind == 0 else 0
        bits.number(), bits.read(1), bits.number(), bits.number()
        frames_only = bits.read(1)
        return cls(number_bits, order_bits) if frames_only else None

    def order(self, unit: bytes, referred: bool) -> int:
        """Place of a slice's picture in the order of output, in steps of 1 or 2 from an IDR on."""
        bits = _Bits(unit[:_HEAD])
        bits.number(), bits.number(), bits.number(), bits.read(self._number_bits)
        if unit[0] & 31 == _IDR:
            bits.number()
            self._high = self._low = self._count = 0
        if not self._order_bits:
            self._count += 1
            return self._count
        # 8.2.1.1: the low bits are written, the high ones follow from the last referred picture.
        low, limit = bits.read(self._order_bits), 1 << self._order_bits
        high = self._high
        if low < self._low and self._low - low >= limit // 2:
            high += limit
        elif low > self._low and low - self._low > limit // 2:
            high -= limit
        if referred:
            self._high, self._low = high, low
        return high + low


class _Bits:
    """Bits of a NAL unit after its first byte."""

    def __init__(self, unit: bytes) -> None:
        data = unit[1:].replace(b"\0\0\3", b"\0\0")
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def read(self, count: int) -> int:
        """An unsigned number of `count` bits."""
        self._left -= count
        if self._left < 0:
            raise ValueError("a NAL unit ends early")
        return self._value >> self._left & ((1 << count) - 1)

    def number(self) -> int:
        """An unsigned Exp-Golomb number (9.1)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)


def _h264_header(extradata: bytes) -> tuple[int, list[bytes]]:
    """Bytes of the length before each NAL unit, 0 for start codes; the parameter sets."""
    if not extradata or extradata[0] != 1:
        return 0, list(_units(extradata, 0))
    sets, at = [], 6
    for count in (extradata[5] & 31, -1):
        if count < 0:
            count, at = extradata[at], at + 1
        for _ in range(count):
            length = int.from_bytes(extradata[at : at + 2], "big")
            sets.append(extradata[at + 2 : at + 2 + length])
            at += 2 + length
    return (extradata[4] & 3) + 1, sets


def _units(data: bytes, size: int) -> Iterator[bytes]:
    """NAL units of a packet."""
    if not size:
        starts = [match.end() for match in _START.finditer(data)]
        for start, stop in itertools.pairwise([*starts, len(data) + 3]):
            yield data[start : stop - 3].rstrip(b"\0")
        return
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + size], "big")
        if length < 1 or at + size + length > len(data):
            raise ValueError("a NAL unit ends behind its packet")
        yield data[at + size : at + size + length]
        at += size + length
