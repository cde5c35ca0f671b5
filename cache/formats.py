"""The files of stroi, declared: the writer, the reader and the checks follow from these.

Legend: N clips, F frames of all clips one after the other, H and W mosaic height and width in
pixels, K rows (ROI joints), C columns (sampled frames), V joints, L classes. A mosaic shows 2
persons at most; a skeleton file holds 2 bodies of 25 joints (BODY_25) with x, y, confidence.
"""

from __future__ import annotations

from stroi.cache.schema import ID_FIELD, Field, Format

MOSAICS = Format(
    "mosaics",
    (
        ID_FIELD,
        Field("person_count", "|i1", ("N",), low=1, high=2),
        Field("frame_index", "<i4", ("N", "C"), low=0),
        Field("box", "<f4", ("N", 2, "C", "K", 4)),
        Field("confidence", "<f4", ("N", 2, "C", "K"), low=0),
        Field("valid", "|u1", ("N", 2, "C", "K"), low=0, high=1),
        Field("mosaic", "|u1", ("N", "H", "W", 3)),
    ),
    multiples=(("H", "K"), ("W", "C")),
)

SKELETONS = Format(
    "skeletons",
    (
        ID_FIELD,
        Field("frame_count", "<i4", ("N",), low=1),
        Field("person_count", "|i1", ("N",), low=1, high=2),
        Field("width", "<i4", ("N",), low=1),
        Field("height", "<i4", ("N",), low=1),
        Field("fps", "<f8", ("N",), low=0),
        Field("keypoints", "<f4", ("F", 2, 25, 3)),
    ),
    lengths="frame_count",
)

WEIGHTS = Format(
    "weights",
    (
        ID_FIELD,
        Field("joint", "<f4", ("N", 2, "V"), low=0),
        Field("row", "<f4", ("N", 2, "K"), low=0),
    ),
)

SCORES = Format(
    "scores",
    (
        ID_FIELD,
        Field("logits", "<f4", ("N", "L")),
        Field("class_name", "U256", ("L",)),
    ),
)

FORMATS: dict[str, Format] = {fmt.kind: fmt for fmt in (MOSAICS, SKELETONS, WEIGHTS, SCORES)}
"""Format of the ``.h5`` files of each kind of folder."""
