"""A state dict in torch's own zip format, judged and read without torch and without unpickling.

`torch.load` is never called on it, not even with ``weights_only``: two readers that understand a
crafted zip differently are a hole, and what it would build is a handful of plain arrays.
"""

from __future__ import annotations

import math
import os
import re

from stroi.trainer.pickled_tensors import MAX_PICKLE, Pickled, read_pickle
from stroi.trainer.tensor_files import ITEMS, MAX_FILE, Stored, check_shape, refused, shown_sizes
from stroi.trainer.zip_members import MAGIC, Member, check_crc, read_members

_MEMBER = re.compile(
    r"(?P<folder>[^/\\]{1,200})/"
    r"(?P<name>data\.pkl|data/[0-9]{1,6}|version|byteorder|\.[a-z_]{1,40}|\.data/[a-z_]{1,40})"
)
_RESAVE = (
    "on a machine that trusts it, save it with"
    " safetensors.torch.save_file(torch.load(FILE, weights_only=True), NEW)"
)


def is_pth(head: bytes, size: int) -> bool:
    """Whether a file of `size` bytes that begins with `head`, 8 bytes, is for `read_pth`."""
    return head.startswith(MAGIC) or _is_pickle(head, size)


def _is_pickle(head: bytes, size: int) -> bool:
    # A safetensors file may begin with these two bytes: then its first eight are a length.
    return head[:1] == b"\x80" and head[1:2] <= b"\x05" and int.from_bytes(head, "little") > size


def read_pth(fd: int, size: int, where: str) -> dict[str, Stored]:
    """Every tensor of a ``.pth`` file; values are not judged.

    Args:
        fd: The file, open for reading.
        size: Its size in bytes.
        where: The file, for messages.

    Returns:
        Tensors by name, each dense, contiguous and alone in its storage.

    Raises:
        RefusedInput: ``PTH_LEGACY`` (a pickle without zip), ``PTH_SIZE``, ``PTH_ZIP``,
            ``PTH_COMPRESSED``, ``PTH_DAMAGED``, ``PTH_UNPICKLE``, ``PTH_TENSOR`` or
            ``PTH_NAMES``.
    """
    if size > MAX_FILE:
        raise refused("PTH_SIZE", where, f"{size} bytes, at most {MAX_FILE} are read")
    if _is_pickle(os.pread(fd, 8, 0), size):
        raise refused("PTH_LEGACY", where, "a bare pickle, as torch saved before 1.6", _RESAVE)
    members = _named(read_members(fd, size, where), where)
    tensors = _placed(_pickle(fd, members, where), members, where)
    for name, member in members.items():
        check_crc(fd, member, name, where)
    return tensors


def _pickle(fd: int, members: dict[str, Member], where: str) -> dict[str, Pickled]:
    described = members.get("data.pkl")
    if described is None or described.bytes > MAX_PICKLE:
        raise refused("PTH_UNPICKLE", where, "no data.pkl, or one beyond 1 MiB", _RESAVE)
    check_crc(fd, described, "data.pkl", where)
    order = members.get("byteorder")
    if order is not None and os.pread(fd, 16, order.start)[: order.bytes] != b"little":
        raise refused("PTH_TENSOR", where, "its numbers are not little-endian", _RESAVE)
    return read_pickle(os.pread(fd, described.bytes, described.start), where)


def _named(members: dict[str, Member], where: str) -> dict[str, Member]:
    """Members by their name below the one folder that they share."""
    found, folders = {}, set()
    for path, member in members.items():
        match = _MEMBER.fullmatch(path)
        if match is None:
            problem = f"member {path[:80]!a} belongs in no state dict"
            raise refused("PTH_ZIP", where, problem, _RESAVE)
        folders.add(match["folder"])
        found[match["name"]] = member
    if len(folders) > 1:
        raise refused("PTH_ZIP", where, f"{len(folders)} folders, a state dict has one")
    return found


def _placed(
    pickled: dict[str, Pickled], members: dict[str, Member], where: str
) -> dict[str, Stored]:
    """Each tensor over the whole of a storage that no other tensor uses."""
    found: dict[str, Stored] = {}
    used: set[str] = set()
    for name, tensor in pickled.items():
        shape = check_shape(tensor.shape, name, where)
        storage = tensor.storage
        if not _is_dense(shape, tensor.strides):
            problem = f"{name[:80]!a} has strides {shown_sizes(tensor.strides)} for {shape}"
            raise refused("PTH_TENSOR", where, problem, _RESAVE)
        if tensor.offset != 0 or storage.count != math.prod(shape) or storage.key in used:
            problem = f"{name[:80]!a} shares its storage, or is a part of it"
            raise refused("PTH_TENSOR", where, problem, _RESAVE)
        used.add(storage.key)
        member = members.get(f"data/{storage.key}")
        size = storage.count * ITEMS[storage.kind].itemsize
        if member is None or member.bytes != size:
            problem = f"{name[:80]!a} needs {size} bytes, which the file does not have"
            raise refused("PTH_TENSOR", where, problem)
        found[name] = Stored(storage.kind, shape, member.start)
    return found


def _is_dense(shape: tuple[int, ...], strides: object) -> bool:
    """Whether the elements follow each other; the stride of an axis of length 1 says nothing."""
    if not isinstance(strides, tuple) or len(strides) != len(shape):
        return False
    step = 1
    for length, stride in zip(reversed(shape), reversed(strides), strict=True):
        if type(stride) is not int or (length > 1 and stride != step):
            return False
        step *= length
    return True
