"""Whatever a stranger's cache says, in any of its files: an answer or a refusal, never a crash."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_caches import reseal, write_every_kind

from stroi.cache.errors import StroiError
from stroi.cache.files.digests import digest, sha256_bytes
from stroi.cache.manifest import file_entry, read_manifest
from stroi.cache.mosaics import MosaicCache
from stroi.cache.scores import read_scores
from stroi.cache.share.card import About
from stroi.cache.share.convert import pack, unpack
from stroi.cache.share.diff import diff
from stroi.cache.share.info import describe, open_cache
from stroi.cache.share.publish import FORMS, export_cache
from stroi.cache.share.receive import Imported, import_cache
from stroi.cache.skeletons import SkeletonCache
from stroi.cache.skeletons3d import JointCache
from stroi.cache.storage.formats import FORMATS
from stroi.cache.storage.hdf5 import decode
from stroi.cache.storage.schema import Array
from stroi.cache.verify import verify
from stroi.cache.weights import read_weights
from stroi.pipeline.cache_commands.compare import _differing
from stroi.pipeline.cache_commands.diff import lines as diff_lines
from stroi.pipeline.cache_commands.info import lines as info_lines
from stroi.pipeline.cache_commands.receive import _print_result
from stroi.pipeline.cache_commands.verify import print_producer
from stroi.pipeline.shards.pose_sources import mixed_sources
from stroi.stages.tools.inspect import inspect_limited

KINDS = sorted(FORMATS)
MANY = settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**99), 10**99)
    | st.integers(-3, 7)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
)
KNOWN = st.sampled_from(
    [*KINDS, "jpeg", "webp", "training", "ledger.csv", "weights.h5", "1.2", "2.0", "2.9", "3.0"]
)
UNSAID: tuple[tuple[str, ...], ...] = (
    ("extra", "packed", "codec"),
    ("extra", "packed"),
    ("extra", "unpacked"),
    ("params", "columns"),
    ("params", "candidates"),
    ("producer", "estimator"),
    ("producer", "model"),
    ("producer", "stage_version"),
)
"""Where something is looked for that our own small caches may not say."""


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good cache of every kind, named by it."""
    root = tmp_path_factory.mktemp("caches")
    write_every_kind(root)
    return root


def copied(caches: Path, kind: str, scratch: Path) -> Path:
    """A copy of a good cache in an otherwise empty folder."""
    shutil.rmtree(scratch)
    return shutil.copytree(caches / kind, scratch / "cache")


def places(node: object, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Path of every value of a document, the document's own first."""
    yield at
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from places(value, (*at, key))


def put(document: Any, place: tuple[Any, ...], value: object) -> object:
    """The document with another value there; objects on the way are made."""
    if not place:
        return value
    node = document
    for key in place[:-1]:
        if isinstance(node, dict) and not isinstance(node.get(key), dict | list):
            node[key] = {}
        node = node[key]
    node[place[-1]] = value
    return document


def seal(document: object, *, digests: bool) -> bytes:
    """A manifest's bytes as somebody writes them who knows how it is done."""

    def render(value: object) -> bytes:
        return json.dumps(value, sort_keys=True, indent=1).encode() + b"\n"

    if not isinstance(document, dict):
        return render(document)
    if digests:
        document["params_digest"] = digest(document.get("params"))
    return render({**document, "digest": sha256_bytes(render({**document, "digest": "0" * 64}))})


def info(folder: Path) -> None:
    found = describe(folder)
    json.dumps(found.to_dict(), allow_nan=False)
    assert all("".join(line).isprintable() for line in info_lines(found))


def told(folder: Path) -> None:
    manifest = read_manifest(folder)
    print_producer(folder, manifest, click.echo)
    mixed_sources(folder, manifest.producer)
    _differing(manifest.params, {"columns": 3})


def compare(a: Path, b: Path) -> None:
    found = diff(a, b)
    json.dumps(found.to_dict(), allow_nan=False)
    assert all(line.isprintable() for line in diff_lines(found, 3))


def read(folder: Path) -> None:
    """Everything of a cache that nobody has verified."""
    kind = read_manifest(folder).kind
    cache = JointCache(folder, verify=False) if kind == "skeletons3d" else open_cache(folder, kind)
    asked: list[Callable[[], object]] = [partial(cache.find, name) for name in cache.ids]
    if isinstance(cache, MosaicCache | SkeletonCache | JointCache):
        asked += [partial(cache.__getitem__, name) for name in cache.ids]
    if isinstance(cache, MosaicCache):
        asked += [lambda: cache.shape, lambda: cache.scored, lambda: cache.valid(cache.ids)]
        asked += [lambda: cache.person_count(cache.ids), lambda: cache.batch(cache.ids)]
    answered(asked)


def take(folder: Path, target: Path, *, unpacked: bool) -> None:
    done: Imported = import_cache(folder, target, unpacked=unpacked)
    _print_result(target, None, done)


def answered(asked: list[Callable[[], object]]) -> None:
    """Ask everything; what is neither answered nor refused fails the test."""
    for ask in asked:
        with suppress(StroiError):
            ask()


def ask_everything(folder: Path, good: Path, scratch: Path) -> None:
    """All that a user may do with a received folder."""
    answered(
        [
            partial(verify, folder),
            partial(info, folder),
            partial(told, folder),
            partial(compare, folder, good),
            partial(compare, good, folder),
            partial(read, folder),
            partial(read_weights, folder),
            partial(read_scores, folder, "test"),
            partial(take, folder, scratch / "taken", unpacked=False),
            partial(take, folder, scratch / "plain", unpacked=True),
            partial(pack, folder, scratch / "packed"),
            partial(unpack, folder, scratch / "unpacked"),
            *(partial(export_cache, folder, scratch / f, About(), form=f) for f in FORMS),
        ]
    )


@MANY
@given(data=st.data())
def test_a_manifest_may_say_anything(caches: Path, tmp_path: Path, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(KINDS))
    folder = copied(caches, kind, tmp_path)
    document: Any = json.loads((folder / "manifest.json").read_text())
    del document["digest"]
    for _ in range(data.draw(st.integers(1, 2))):
        place = data.draw(st.sampled_from([*places(document), *UNSAID]))
        # What was put first may leave no such place.
        with suppress(TypeError, AttributeError, IndexError, KeyError):
            document = put(document, place, data.draw(JSON | KNOWN))
    sealed = seal(document, digests=data.draw(st.booleans()))
    (folder / "manifest.json").write_bytes(sealed)
    ask_everything(folder, caches / kind, tmp_path)


@MANY
@given(data=st.data(), name=st.sampled_from(["card.json", "ledger.csv", "samples.csv"]))
def test_a_file_beside_the_shards_may_say_anything(
    caches: Path, tmp_path: Path, data: st.DataObject, name: str
) -> None:
    folder = copied(caches, "mosaics", tmp_path)
    cards = st.dictionaries(st.sampled_from(["title", "licence", "contact"]) | TEXT, JSON) | JSON
    rows = st.lists(st.lists(st.sampled_from(["a-1", "done", "", '"']) | TEXT, max_size=5))
    ledger = "id,status,code,detail\n" + "\n".join(map(",".join, data.draw(rows)))
    said = data.draw(
        st.binary(max_size=20)
        | cards.map(lambda card: json.dumps(card).encode())
        | st.just(ledger.encode("utf-8", "surrogatepass"))
    )
    (folder / name).write_bytes(said)
    made = read_manifest(folder)
    kept = {entry.name: entry for entry in made.files} | {name: file_entry(name, said)}
    files = tuple(kept[each] for each in sorted(kept))
    reseal(folder, lambda manifest: replace(manifest, files=files))
    ask_everything(folder, caches / "mosaics", tmp_path)


def resealed(folder: Path, name: str) -> None:
    """Write the manifest anew for a shard whose bytes were changed."""
    made = file_entry(name, (folder / name).read_bytes())

    def change(entry: Any) -> Any:
        return replace(entry, bytes=made.bytes, sha256=made.sha256) if entry.name == name else entry

    reseal(folder, lambda manifest: replace(manifest, files=tuple(map(change, manifest.files))))


@MANY
@given(data=st.data(), kind=st.sampled_from(KINDS))
def test_a_shard_may_hold_anything(
    caches: Path, tmp_path: Path, data: st.DataObject, kind: str
) -> None:
    folder = copied(caches, kind, tmp_path)
    path = min(folder.glob("*.h5"))
    with h5py.File(path, "r+") as file:
        array = file[data.draw(st.sampled_from(sorted(file)))]
        values: Array = array[()]
        said = data.draw(st.binary(min_size=1, max_size=16))
        start = data.draw(st.integers(0, values.nbytes - 1))
        raw = bytearray(values.tobytes())
        raw[start : start + len(said)] = said
        array[...] = np.frombuffer(raw[: values.nbytes], values.dtype).reshape(values.shape)
    resealed(folder, path.name)
    ask_everything(folder, caches / kind, tmp_path)
    answered([partial(inspect_limited, path, "BODY_25")])


@MANY
@given(data=st.data(), kind=st.sampled_from(KINDS), name=st.sampled_from(["kind", "schema", "x"]))
def test_an_attribute_may_be_anything(
    caches: Path, tmp_path: Path, data: st.DataObject, kind: str, name: str
) -> None:
    folder = copied(caches, kind, tmp_path)
    path = min(folder.glob("*.h5"))
    texts = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=80)
    value: Any = data.draw(
        st.integers(-(2**63), 2**63 - 1)
        | st.floats()
        | st.booleans()
        | texts
        | texts.filter(bool).map(lambda text: np.bytes_(text.encode()))
        | st.lists(st.integers(0, 9), min_size=1, max_size=3)
        | st.sampled_from([h5py.Empty("f4"), h5py.Empty("S3"), np.bytes_(b"2.9"), b"9.0", 1j])
    )
    with h5py.File(path, "r+") as file:
        if data.draw(st.booleans()):
            file.attrs[name] = value
        else:
            file[data.draw(st.sampled_from(sorted(file)))].attrs[name] = value
    resealed(folder, path.name)
    ask_everything(folder, caches / kind, tmp_path)
    answered([partial(decode, FORMATS[kind], path), partial(inspect_limited, path, "BODY_25")])


@pytest.mark.parametrize("name", ["ledger.csv", "README.md"])
def test_samples_lie_in_shards_alone(folder: Path, name: str) -> None:
    data = b"id,status,code,detail\na,done,,\n" if name == "ledger.csv" else b"# a"
    (folder / name).write_bytes(data)
    for path in folder.glob("*.h5"):
        path.unlink()
    reseal(folder, lambda made: replace(made, files=(file_entry(name, data, ["a"]),)))
    assert verify(folder) == [
        f"SCHEMA: {folder}/{name} cannot hold samples, only .h5 files can; rebuild it"
    ]
