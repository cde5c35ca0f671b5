"""The data card of a published cache: README.md and a contact sheet to look at, and card.json."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stroi.cache.errors import ParamsError
from stroi.cache.files.opening import read_no_link
from stroi.cache.manifest import stroi_version
from stroi.cache.mosaics import MosaicCache
from stroi.cache.percent import percent
from stroi.cache.pictures.codecs import encode_picture, opencv
from stroi.cache.share.info import Info
from stroi.cache.storage.strict_json import JsonNode, parse_json

CARD_NAME = "card.json"
README_NAME = "README.md"
SHEET_NAME = "contact-sheet.jpg"
INDEX_NAMES = ("classes.txt", "samples.csv")
PUBLISHED = frozenset({CARD_NAME, README_NAME, SHEET_NAME, *INDEX_NAMES})
"""Files that `export` adds to a cache."""

NOT_STATED = "not stated"
_MAX_BYTES = 1 << 20
_MAX_TEXT = 2000
SHEET_MOSAICS = 12
_ACROSS = 4
_SIDE = 225  # px, the longer side of a mosaic on the sheet
_GAP = 4
_QUALITY = 90


@dataclass(frozen=True)
class About:
    """What only the publisher can say about a cache; one line of text each.

    Attributes:
        title: What it is called.
        dataset: Which data set it was made from.
        licence: An SPDX name or a sentence; ``not stated`` if the publisher does not say.
        citation: What to cite.
        contact: Whom to ask.
    """

    title: str = NOT_STATED
    dataset: str = NOT_STATED
    licence: str = NOT_STATED
    citation: str = NOT_STATED
    contact: str = NOT_STATED

    def __post_init__(self) -> None:
        for name, text in asdict(self).items():
            if not text.isprintable() or not 1 <= len(text) <= _MAX_TEXT:
                raise ParamsError(
                    "CARD",
                    f"the {name} {text[:80]!a} is no line of 1 to {_MAX_TEXT} characters",
                    remedy="write it in one line",
                )


def make_card(about: About, info: Info, *, labels: int) -> dict[str, Any]:
    """The card of a cache, as JSON values.

    Args:
        about: What the publisher says.
        info: What the cache says, before it was published.
        labels: Number of classes in the index that goes with it; 0 if none does.
    """
    return {
        **asdict(about),
        "card": "1.0",
        "cache": info.to_dict(),
        "estimator": find_estimator(info.producer),
        "exported_by": stroi_version(),
        "labels": labels,
    }


def read_card(folder: Path) -> dict[str, Any] | None:
    """The card of a published cache; None if it has none.

    Its values are whatever the publisher wrote: print them with `ascii`.

    Raises:
        RefusedInput: If it is no JSON object of at most 1 MiB.
    """
    path = folder / CARD_NAME
    if not path.exists():
        return None
    document = parse_json(read_no_link(path, "CARD", _MAX_BYTES), str(path))
    return JsonNode({"card": document}, str(path)).mapping("card")


def card_bytes(card: Mapping[str, Any]) -> bytes:
    """``card.json``; equal bytes for equal cards.

    Raises:
        ParamsError: ``CARD`` if it is larger than any that is read.
    """
    data = json.dumps(card, sort_keys=True, indent=1, allow_nan=False).encode("ascii") + b"\n"
    if len(data) > _MAX_BYTES:
        raise ParamsError(
            "CARD", f"a card of {len(data)} bytes, at most {_MAX_BYTES} are read",
            remedy="shorten what you say of the cache",
        )  # fmt: skip
    return data


def find_estimator(producer: Mapping[str, Any]) -> dict[str, Any] | None:
    """Name and model digest of the pose estimator, wherever the producer's chain names it."""
    if isinstance(producer.get("estimator"), str):
        return {key: producer.get(key) for key in ("estimator", "model")}
    for value in producer.values():
        estimator = find_estimator(value) if isinstance(value, dict) else None
        if estimator:
            return estimator
    return None


def readme_bytes(card: Mapping[str, Any], info: Info, files: Mapping[str, int]) -> bytes:
    """``README.md``: the card for people.

    Args:
        card: As `make_card` made it.
        info: What the cache says.
        files: Size in bytes of every other file that is published, by name.
    """
    kind = info.kind.removesuffix("_compact")
    form = f", {info.form} form" if info.form else ""
    title = f"A cache of {kind}" if card["title"] == NOT_STATED else card["title"]
    lines = [f"# {title}", "", f"Made by stroi {info.stroi_version}: {kind}{form}.", ""]
    lines += ["| | |", "|---|---|"]
    lines += [f"| {name} | {_cell(text)} |" for name, text in _facts(card, info)]
    lines += ["", "## Params", "", f"SHA-256 of all: `{info.params_digest}`", ""]
    lines += _list(info.params)
    lines += ["", "## Made by", ""]
    lines += _list(info.producer)
    lines += ["", "## Files", "", "| file | bytes |", "|---|---|"]
    lines += [f"| {name} | {size} |" for name, size in sorted(files.items())]
    return "\n".join([*lines, "", _USE.format(origin=info.manifest_sha256)]).encode()


def contact_sheet(cache: MosaicCache, count: int = SHEET_MOSAICS) -> bytes:
    """A JPEG of at most `count` mosaics, evenly chosen by id, in the order of their ids.

    Args:
        cache: A cache with at least one sample.
        count: Most mosaics to show, from 1.

    Raises:
        StroiError: ``OPENCV_MISSING``.
    """
    cv2 = opencv()
    height, width, _ = cache.shape
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    tiles = [
        np.asarray(cv2.resize(cache[sample_id], size, interpolation=cv2.INTER_AREA), np.uint8)
        for sample_id in evenly(cache.ids, count)
    ]
    return encode_picture(_grid(tiles), "jpeg", _QUALITY)


def evenly(ids: Sequence[str], count: int) -> list[str]:
    """At most `count` of the ids at even distances, from the first to the last if two or more."""
    if len(ids) <= count:
        return list(ids)
    return [ids[round(place * (len(ids) - 1) / max(1, count - 1))] for place in range(count)]


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf of nested JSON objects as a dotted key and its JSON text."""
    for key, value in sorted(tree.items()):
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", json.dumps(value, sort_keys=True)


def _list(tree: Mapping[str, Any]) -> list[str]:
    return [f"- `{_plain(key)}`: {_cell(text)}" for key, text in flat(tree)]


def _facts(card: Mapping[str, Any], info: Info) -> Iterator[tuple[str, str]]:
    estimator = card["estimator"] or {"estimator": "not recorded", "model": None}
    model = f", model {_plain(estimator['model'])}" if estimator["model"] else ""
    yield "data set", card["dataset"]
    yield "licence", card["licence"]
    yield "cite", card["citation"]
    yield "contact", card["contact"]
    yield "pose estimator", f"{_plain(estimator['estimator'])}{model}"
    yield "samples", f"{info.samples} in {info.shards} files"
    if info.persons:
        yield "persons", ", ".join(f"{n} in {k}" for n, k in info.persons.items())
    if info.height:
        yield "mosaic", info.mosaic
        yield "black cells", f"{percent(100 * info.black_cells, 2)}% (their joints are missing)"
    if info.frames:
        yield "frames", str(info.frames)
    codes = ", ".join(f"{_plain(code)} {count}" for code, count in info.quarantined.items())
    yield "clips left out", f"{sum(info.quarantined.values())}" + (f": {codes}" if codes else "")
    if info.packed:
        yield "packed", ", ".join(f"{_plain(key)} {text}" for key, text in flat(info.packed))
    labels = card["labels"]
    yield "labels", f"yes, {labels} classes: samples.csv, classes.txt" if labels else "none"
    yield "exported by", f"stroi {card['exported_by']}, schema {info.schema}"


def _plain(value: object) -> str:
    """What a manifest says as printable ASCII in one line; it may have been a stranger's."""
    return ascii(str(value))[1:-1]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _grid(tiles: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Tiles (h, w, 3) in rows of four on a white ground."""
    height, width, _ = tiles[0].shape
    across = min(_ACROSS, len(tiles))
    down = -(-len(tiles) // across)
    shape = (down * (height + _GAP) + _GAP, across * (width + _GAP) + _GAP, 3)
    sheet = np.full(shape, 255, np.uint8)
    for place, tile in enumerate(tiles):
        y = _GAP + place // across * (height + _GAP)
        x = _GAP + place % across * (width + _GAP)
        sheet[y : y + height, x : x + width] = tile
    return sheet


_USE = """## Check and use

    stroi cache verify FOLDER
    stroi cache import THIS data/NAME/mosaics

`verify` checks whether every byte is what the manifest says. Whether the manifest is the
publisher's, only its SHA-256 can prove, if the publisher made that known:
`stroi cache import --expect SHA256`. The manifest of the cache that this was exported from has
`{origin}`.

    from stroi.cache.mosaics import MosaicCache
    cache = MosaicCache("FOLDER")  # needs numpy and h5py
"""
