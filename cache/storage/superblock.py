"""The first bytes of an HDF5 file, read by ourselves before the library sees the file."""

from __future__ import annotations

from stroi.cache.errors import refuse

SIGNATURE = b"\x89HDF\r\n\x1a\n"
HEADER_BYTES = 96

_UNDEFINED = 0xFFFF_FFFF_FFFF_FFFF


def check_superblock(header: bytes, size: int, where: str) -> None:
    """Refuse a file that is cut, extended, still open for writing, or oddly laid out.

    The superblock's versions 0, 2 and 3 with 8-byte addresses are accepted.

    Args:
        header: The file's first `HEADER_BYTES` bytes, or fewer if it has fewer.
        size: The file's size in bytes.
        where: The file, for messages.

    Raises:
        RefusedInput: ``H5_EOF``, ``H5_NOT_CLOSED`` or ``H5_SUPERBLOCK``.
    """
    if len(header) < HEADER_BYTES and SIGNATURE.startswith(header[:8]):
        raise refuse("H5_EOF", f"{where} is cut after {size} bytes")
    if not header.startswith(SIGNATURE):
        raise refuse("H5_SUPERBLOCK", f"{where} is not an HDF5 file")
    version = header[8]
    if version == 0:
        widths, flags = header[13:15], 0
        base, _, eof, extra = _addresses(header, 24)
    elif version in (2, 3):
        widths, flags = header[9:11], header[11]
        base, extra, eof, _ = _addresses(header, 12)
    else:
        raise refuse("H5_SUPERBLOCK", f"{where}: superblock version {version} is not ours")
    if flags:
        raise refuse("H5_NOT_CLOSED", f"{where} was left open by its writer")
    if widths != b"\x08\x08" or base != 0 or extra != _UNDEFINED:
        raise refuse("H5_SUPERBLOCK", f"{where} has a user block, a driver block or odd addresses")
    if eof != size:
        raise refuse("H5_EOF", f"{where} has {size} bytes, its header says {eof}")


def _addresses(header: bytes, start: int) -> tuple[int, int, int, int]:
    a, b, c, d = (int.from_bytes(header[i : i + 8], "little") for i in range(start, start + 32, 8))
    return a, b, c, d
