"""The files of stroi, declared: the writer, the reader and the checks follow from these.

Legend: N clips, F frames of all clips one after the other, H and W mosaic height and width in
pixels, K rows (ROI joints), C columns (sampled frames), P the most people of a clip, V joints, L
classes. A mosaic shows P people at most; a skeleton file holds P bodies of 25 joints (BODY_25) with
x, y, confidence, a joint file P bodies of V joints with x, y, z. In a compact file F counts the
bytes of all blobs.
docs/cache-format.md says what each field means.
"""

from __future__ import annotations

from stroi.cache.storage.schema import ID_FIELD, Field, FileFormat

MAX_SIDE = 4096
"""Longest side in px of a picture in a blob."""

MAX_CLASS_BYTES = 256
"""Longest name of a class, in UTF-8."""

MAX_BLOB_BYTES = 2 * 3 * MAX_SIDE**2
"""Longest blob."""

MOSAIC_METADATA = (
    ID_FIELD,
    Field("person_count", "|i1", ("N",), low=1, high="P"),
    Field("frame_index", "<i4", ("N", "C"), low=0),
    Field("box", "<f4", ("N", "P", "C", "K", 4)),
    Field("confidence", "<f4", ("N", "P", "C", "K"), low=0),
    Field("valid", "|u1", ("N", "P", "C", "K"), low=0, high=1),
)
"""What both forms of mosaics hold besides the pixels."""

MOSAICS = FileFormat(
    "mosaics",
    (*MOSAIC_METADATA, Field("mosaic", "|u1", ("N", "H", "W", 3))),
    multiples=(("H", "K"), ("W", "C")),
)

MOSAICS_COMPACT = FileFormat(
    "mosaics_compact",
    (
        *MOSAIC_METADATA,
        Field("height", "<i4", ("N",), low=1, high=MAX_SIDE),
        Field("width", "<i4", ("N",), low=1, high=MAX_SIDE),
        Field("origin_sha256", "S64", ("N",)),
        Field("blob_bytes", "<i4", ("N",), low=1, high=MAX_BLOB_BYTES),
        Field("blob", "|u1", ("F",)),
    ),
    ragged_lengths="blob_bytes",
)

SKELETONS = FileFormat(
    "skeletons",
    (
        ID_FIELD,
        Field("frame_count", "<i4", ("N",), low=1),
        Field("person_count", "|i1", ("N",), low=1, high="P"),
        Field("width", "<i4", ("N",), low=1),
        Field("height", "<i4", ("N",), low=1),
        Field("fps", "<f8", ("N",), low=0),
        Field("keypoints", "<f4", ("F", "P", 25, 3)),
    ),
    ragged_lengths="frame_count",
)

JOINTS = FileFormat(
    "skeletons3d",
    (
        ID_FIELD,
        Field("frame_count", "<i4", ("N",), low=1),
        Field("person_count", "|i1", ("N",), low=1, high="P"),
        Field("fps", "<f8", ("N",), low=0),
        Field("layout", "S16", ("N",)),
        Field("position", "<f4", ("F", "P", "V", 3)),
        Field("state", "|u1", ("F", "P", "V"), low=0, high=2),
    ),
    ragged_lengths="frame_count",
)

WEIGHTS = FileFormat(
    "weights",
    (
        ID_FIELD,
        Field("joint", "<f4", ("N", "P", "V"), low=0),
        Field("row", "<f4", ("N", "P", "K"), low=0),
    ),
)

SCORES = FileFormat(
    "scores",
    (
        ID_FIELD,
        Field("logits", "<f4", ("N", "L")),
        Field("class_name", f"U{MAX_CLASS_BYTES}", ("L",)),
    ),
)

FORMATS: dict[str, FileFormat] = {
    fmt.kind: fmt for fmt in (MOSAICS, MOSAICS_COMPACT, SKELETONS, JOINTS, WEIGHTS, SCORES)
}
"""Format of the ``.h5`` files of each kind of folder."""
