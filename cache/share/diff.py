"""Which samples of two caches differ, and by how much; what is equal by digest is not read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stroi.cache.errors import ParamsError
from stroi.cache.manifest import Manifest, read_manifest
from stroi.cache.mosaics import MosaicCache
from stroi.cache.shards import ShardedCache
from stroi.cache.share.card import flat
from stroi.cache.share.info import MOSAIC_KINDS, open_cache
from stroi.cache.share.measures import FieldChange, PixelChange
from stroi.cache.storage.formats import FORMATS
from stroi.cache.storage.schema import ID_FIELD, Array, FileFormat, ragged_rows

PIXELS = "mosaic"


@dataclass(frozen=True)
class Change:
    """A key of params or producer that differs: JSON text on each side, empty where missing."""

    key: str
    a: str
    b: str


@dataclass(frozen=True)
class Difference:
    """What two caches do not have in common.

    Attributes:
        only_a: Samples that only the first has, sorted.
        only_b: Samples that only the second has, sorted.
        changed: Samples of both whose content differs, sorted.
        common: Number of samples of both.
        params: Params that differ; the classes too, for scores.
        producer: What made them, where it differs.
        fields: How much each field differs, by name.
        pixels: How much the pixels differ.
        other_files: Files that hold no samples and differ, or that only one of the two has. They do
            not count as a difference: a published cache has a card, its source has none.
    """

    only_a: tuple[str, ...]
    only_b: tuple[str, ...]
    changed: tuple[str, ...]
    common: int
    params: tuple[Change, ...]
    producer: tuple[Change, ...]
    fields: Mapping[str, FieldChange]
    pixels: PixelChange
    other_files: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether samples, params and producer are equal."""
        return not (self.only_a or self.only_b or self.changed or self.params or self.producer)

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "same": self.same,
            "common": self.common,
            "only_a": list(self.only_a),
            "only_b": list(self.only_b),
            "changed": list(self.changed),
            "params": [vars(change) for change in self.params],
            "producer": [vars(change) for change in self.producer],
            "fields": {name: change.to_dict() for name, change in self.fields.items()},
            "pixels": self.pixels.to_dict(),
            "other_files": list(self.other_files),
        }


def diff(a: Path, b: Path, *, on_sample: Callable[[int], None] = lambda count: None) -> Difference:
    """Compare two caches of one kind; a training and a compact cache of mosaics are one kind.

    The manifests' digests are believed: verify a cache first if you received it. Memory holds one
    file of each at a time.

    Args:
        a: One cache.
        b: The other.
        on_sample: Called with a number of samples that are done with.

    Raises:
        ParamsError: ``DIFF_KIND`` if they are of two kinds.
        RefusedInput: If a manifest or a shard is not in order.
    """
    ours, theirs = read_manifest(a), read_manifest(b)
    _check_kinds(a, ours.kind, b, theirs.kind)
    common = sorted(set(ours.ids) & set(theirs.ids))
    unequal = _unequal(ours, theirs, common)
    on_sample(len(common) - len(unequal))
    changed, fields, pixels = _measure((a, ours), (b, theirs), unequal, on_sample)
    return Difference(
        only_a=tuple(sorted(set(ours.ids) - set(common))),
        only_b=tuple(sorted(set(theirs.ids) - set(common))),
        changed=tuple(sorted(changed)),
        common=len(common),
        params=_changes(ours.params, theirs.params) + _classes(a, b, ours, theirs),
        producer=_changes(ours.producer, theirs.producer),
        fields={name: change for name, change in fields.items() if change.samples},
        pixels=pixels,
        other_files=_other_files(ours, theirs),
    )


def _check_kinds(a: Path, kind_a: str, b: Path, kind_b: str) -> None:
    if kind_a != kind_b and not {kind_a, kind_b} <= set(MOSAIC_KINDS):
        raise ParamsError(
            "DIFF_KIND", f"{a} holds {kind_a}, {b} holds {kind_b}", remedy="compare caches alike"
        )


def _unequal(ours: Manifest, theirs: Manifest, common: list[str]) -> set[str]:
    """Samples whose digests differ, or say nothing because the forms do."""
    if ours.kind != theirs.kind:
        return set(common)
    a, b = ours.content_by_id, theirs.content_by_id
    return {name for name in common if a[name] != b[name]}


def _measure(
    a: tuple[Path, Manifest],
    b: tuple[Path, Manifest],
    unequal: set[str],
    on_sample: Callable[[int], None],
) -> tuple[list[str], dict[str, FieldChange], PixelChange]:
    """Read the samples whose digests differ: which do, and how much."""
    changed: list[str] = []
    pixels = PixelChange()
    if not unequal:
        return changed, {}, pixels
    kinds = a[1].kind, b[1].kind
    opened = open_cache(a[0], kinds[0]), open_cache(b[0], kinds[1])
    fields = {name: FieldChange() for name in _common_fields(*kinds)}
    for ids in _by_file(a[1], unequal):
        # A copy has opened no file yet; with it go the pages that it has read.
        pair = copy(opened[0]), copy(opened[1])
        for sample_id in ids:
            if _compare(pair, sample_id, fields, pixels):
                changed.append(sample_id)
            on_sample(1)
    return changed, fields, pixels


def _by_file(manifest: Manifest, ids: set[str]) -> Iterator[list[str]]:
    """The samples among `ids`, those of one file at a time."""
    for entry in manifest.files:
        if chosen := [name for name in entry.ids if name in ids]:
            yield chosen


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Change, ...]:
    ours, theirs = dict(flat(a)), dict(flat(b))
    return tuple(
        Change(key, ours.get(key, ""), theirs.get(key, ""))
        for key in sorted({*ours, *theirs})
        if ours.get(key) != theirs.get(key)
    )


def _classes(a: Path, b: Path, ours: Manifest, theirs: Manifest) -> tuple[Change, ...]:
    """The classes of score files, which belong to no sample."""
    if "scores" not in (ours.kind, theirs.kind) or not (ours.ids and theirs.ids):
        return ()
    names = [
        open_cache(folder, "scores").find(manifest.ids[0])[0]["class_name"].tolist()
        for folder, manifest in ((a, ours), (b, theirs))
    ]
    first, second = (b", ".join(one).decode("utf-8", "replace") for one in names)
    return (Change("class_name", first, second),) if names[0] != names[1] else ()


def _other_files(ours: Manifest, theirs: Manifest) -> tuple[str, ...]:
    a, b = (
        {entry.name: entry.sha256 for entry in one.files if not entry.ids} for one in (ours, theirs)
    )
    return tuple(name for name in sorted({*a, *b}) if a.get(name) != b.get(name))


def _common_fields(*kinds: str) -> list[str]:
    """Fields that both kinds have for each sample; the mosaic is compared as pixels."""
    names = [
        {field.name for field in FORMATS[kind].fields if field.dims[0] in ("N", "F")}
        for kind in kinds
    ]
    if set(kinds) <= set(MOSAIC_KINDS):
        names.append({field.name for field in FORMATS["mosaics"].fields} - {PIXELS})
    return sorted(set.intersection(*names) - {ID_FIELD.name})


def _compare(
    pair: tuple[ShardedCache, ShardedCache],
    sample_id: str,
    fields: dict[str, FieldChange],
    pixels: PixelChange,
) -> bool:
    """Add one sample's differences; whether there are any."""
    a, b = (dict(_sample(cache, sample_id, fields)) for cache in pair)
    changed = [fields[name].add(a[name], b[name]) for name in fields]
    if isinstance(pair[0], MosaicCache) and isinstance(pair[1], MosaicCache):
        changed.append(pixels.add(pair[0][sample_id], pair[1][sample_id]))
    return any(changed)


def _sample(
    cache: ShardedCache, sample_id: str, names: Mapping[str, object]
) -> Iterator[tuple[str, Array]]:
    arrays, row = cache.find(sample_id)
    fmt: FileFormat = FORMATS[cache.manifest.kind]
    for one in fmt.fields:
        if one.name not in names:
            continue
        rows = arrays[one.name]
        if one.dims[0] == "F":
            yield one.name, rows[ragged_rows(arrays[fmt.ragged_lengths], row)]
        else:
            yield one.name, np.asarray(rows[row])
