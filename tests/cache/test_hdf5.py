"""Files of declared formats: round trips, equal bytes, and every construct that is refused."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stroi.cache.errors import RefusedInput
from stroi.cache.formats import FORMATS, SCORES
from stroi.cache.hdf5 import decode, encode, map_arrays
from stroi.cache.ids import ids_to_array
from stroi.cache.schema import Array

Child = Callable[..., "subprocess.CompletedProcess[str]"]
Edit = Callable[[h5py.File], object]


def good() -> dict[str, Array]:
    return {
        "sample_id": ids_to_array(["a", "b"]),
        "logits": np.arange(6, dtype=np.float32).reshape(2, 3),
        "class_name": np.array([b"x", b"y", "zé".encode()], "S256"),
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A good file of scores."""
    (tmp_path / "good.h5").write_bytes(encode(SCORES, good()))
    return tmp_path / "good.h5"


def edited(path: Path, edit: Edit) -> Path:
    """A copy of a good file with one thing wrong."""
    target = path.with_name("edited.h5")
    target.write_bytes(path.read_bytes())
    with h5py.File(target, "r+", libver=("v108", "latest")) as file:
        edit(file)
    return target


def refusal(path: Path) -> str:
    with pytest.raises(RefusedInput) as caught:
        decode(SCORES, path)
    assert caught.value.exit_status == 3
    assert str(path) in caught.value.message
    assert str(caught.value).isprintable()
    return str(caught.value).replace(f"{path}", "FILE")


@pytest.mark.parametrize("kind", sorted(FORMATS))
@settings(max_examples=20, deadline=None, derandomize=True)
@given(data=st.data())
def test_round_trip_and_equal_bytes(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    """Any arrays of any format come back as they were, from equal bytes."""
    fmt = FORMATS[kind]
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    size = {dim: data.draw(st.integers(1, 4)) for dim in "NCKVL"}
    size |= {"H": size["K"] * 3, "W": size["C"] * 2}
    counts = random.integers(1, 5, size["N"])
    size["F"] = int(counts.sum())
    arrays: dict[str, Array] = {}
    for field in fmt.fields:
        shape = tuple(size[dim] if isinstance(dim, str) else dim for dim in field.dims)
        low = 0 if field.low is None else field.low
        values = random.integers(low, 1 + (2 if field.high is None else field.high), shape)
        arrays[field.name] = values.astype(field.numpy)
    arrays["sample_id"] = ids_to_array([f"clip{i}" for i in range(size["N"])])
    if fmt.lengths:
        arrays[fmt.lengths] = counts.astype(np.int32)
    path = tmp_path_factory.mktemp("round") / "file.h5"
    path.write_bytes(encode(fmt, arrays))
    assert path.read_bytes() == encode(fmt, dict(reversed(arrays.items())))
    found = decode(fmt, path)
    assert list(found) == [field.name for field in fmt.fields]
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


def test_bytes_do_not_depend_on_the_moment(path: Path) -> None:
    time.sleep(1.1)
    assert encode(SCORES, good()) == path.read_bytes()


def test_plain_h5py_reads_it(path: Path) -> None:
    with h5py.File(path) as file:
        assert dict(file.attrs) == {"kind": b"scores", "schema": b"1.0"}
        assert file["class_name"].asstr()[2] == "zé"
        np.testing.assert_array_equal(file["logits"], good()["logits"])


def test_mapped_arrays_are_aligned_and_cannot_be_written(path: Path) -> None:
    mapped = map_arrays(SCORES, path)
    for array in mapped.values():
        assert array.flags.aligned
        assert not array.flags.writeable
    path.unlink()
    np.testing.assert_array_equal(mapped["logits"], good()["logits"])


def test_wrong_arrays_are_not_encoded() -> None:
    with pytest.raises(RefusedInput, match=r"^NONFINITE: new scores file: logits of 'b'"):
        encode(SCORES, {**good(), "logits": np.full((2, 3), [[0], [np.nan]], np.float32)})


def replace(name: str, **options: object) -> Edit:
    """Store a data set again, in another way."""

    def edit(file: h5py.File) -> None:
        data = file[name][()]
        del file[name]
        file.create_dataset(name, **({"data": data} | options))

    return edit


def external_storage(file: h5py.File) -> None:
    del file["logits"]
    file.create_dataset("logits", (2, 3), "<f4", external=[("/etc/passwd", 0, 24)])


def virtual(file: h5py.File) -> None:
    del file["logits"]
    layout = h5py.VirtualLayout((2, 3), "<f4")
    layout[:] = h5py.VirtualSource("good.h5", "logits", (2, 3))
    file.create_virtual_dataset("logits", layout)


def hole(file: h5py.File) -> None:
    del file["logits"]
    file.create_dataset("logits", (2, 3), "<f4")


def foreign_filter(file: h5py.File) -> None:
    del file["logits"]
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((1, 3))
    plist.set_filter(32001, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple((2, 3))
    made = h5py.h5d.create(file.id, b"logits", h5py.h5t.IEEE_F32LE, space, plist)
    made.write_direct_chunk((0, 0), bytes(12))


def attribute(name: str, value: object) -> Edit:
    def edit(file: h5py.File) -> None:
        del file.attrs[name]
        file.attrs[name] = value

    return edit


def vlen_ids(file: h5py.File) -> None:
    del file["sample_id"]
    file.create_dataset("sample_id", data=["a", "b"], dtype=h5py.string_dtype("ascii"))


REFUSED: dict[str, tuple[Edit, str]] = {
    "soft link": (
        lambda file: file.update({"more": h5py.SoftLink("/logits")}),
        "H5_LINK: FILE: 'more' is a link; a shard must hold its own bytes",
    ),
    "soft link in place": (
        lambda file: (file.move("logits", "x"), file.update(logits=h5py.SoftLink("/x"))),
        "H5_LINK: FILE: 'logits' is a link",
    ),
    "dangling link": (
        lambda file: file.update({"more": h5py.SoftLink("/nowhere")}),
        "H5_LINK: FILE: 'more' is a link",
    ),
    "external link": (
        lambda file: file.update({"more": h5py.ExternalLink("/etc/passwd", "/x")}),
        "H5_LINK: FILE: 'more' is a link",
    ),
    "second name": (
        lambda file: file.update({"more": file["logits"]}),
        "H5_LINK: FILE: 'logits' has a second name",
    ),
    "external storage": (external_storage, "H5_EXTERNAL_STORAGE: FILE: 'logits' lies in another"),
    "virtual": (virtual, "H5_VIRTUAL: FILE: 'logits' is put together from others"),
    "gzip": (replace("logits", compression="gzip"), "H5_FILTER: FILE: 'logits' has filter 1,"),
    "checksum": (replace("logits", fletcher32=True), "H5_FILTER: FILE: 'logits' has filter 3,"),
    "shuffle": (replace("logits", shuffle=True), "H5_FILTER: FILE: 'logits' has filter 2,"),
    "foreign filter": (foreign_filter, "H5_FILTER: FILE: 'logits' has filter 32001, allowed"),
    "chunks": (replace("logits", chunks=(1, 3)), "H5_LAYOUT: FILE: 'logits' is not contiguous"),
    "hole": (hole, "H5_HOLE: FILE: 'logits' was never written in full"),
    "shape bomb": (
        replace("logits", data=None, shape=(2**37, 2), dtype="<f4"),
        "H5_SHAPE_BOMB: FILE: 'logits' claims 1099511627776 bytes, the whole file has",
    ),
    "element bomb": (
        replace("sample_id", data=None, shape=(2,), dtype="S536870912"),
        "SCHEMA: FILE: 'sample_id' has elements of class 3 and 536870912 bytes, want S64",
    ),
    "long text": (vlen_ids, "SCHEMA: FILE: 'sample_id' has elements of class 3 and"),
    "double": (replace("logits", dtype="<f8"), "SCHEMA: FILE: 'logits' has elements of class 1"),
    "big endian": (replace("logits", dtype=">f4"), "SCHEMA: FILE: 'logits' has elements"),
    "integers": (replace("logits", dtype="<i4"), "SCHEMA: FILE: 'logits' has elements of class 0"),
    "compound": (
        replace("logits", data=np.zeros((2, 3), [("a", "<i2"), ("b", "<i2")])),
        "SCHEMA: FILE: 'logits' has elements of class 6 and 4 bytes",
    ),
    "references": (
        replace("logits", data=None, shape=(2, 3), dtype=h5py.ref_dtype),
        "SCHEMA: FILE: 'logits' has elements of class 7",
    ),
    "nothing": (
        replace("logits", data=h5py.Empty("<f4")),
        "H5_HOLE: FILE: 'logits' was never written in full",
    ),
    "scalar": (replace("logits", data=np.float32(1)), "SCHEMA: FILE: logits is (), want (N, L)"),
    "other lengths": (
        replace("logits", data=np.zeros((5, 3), "<f4")),
        "H5_LENGTHS: FILE: logits has 5 along N, sample_id has 2",
    ),
    "zero length": (
        replace("sample_id", data=np.zeros(0, "S64")),
        "H5_EMPTY: FILE: sample_id holds nothing",
    ),
    "missing": (lambda file: file.pop("logits"), "SCHEMA: FILE: logits is missing"),
    "more": (
        lambda file: file.update({"label": [1]}),
        "SCHEMA: FILE: 'label' does not belong in a scores file",
    ),
    "group": (lambda file: file.create_group("\x1b[2J"), r"SCHEMA: FILE: '\x1b[2J' is not an"),
    "named type": (
        lambda file: file.update({"more": np.dtype("<f4")}),
        "SCHEMA: FILE: 'more' is not an array",
    ),
    "many objects": (
        lambda file: [file.create_group(str(i)) for i in range(70)],
        "SCHEMA: FILE holds more than 64 objects",
    ),
    "attribute": (
        lambda file: file.attrs.update(note=1),
        "SCHEMA: FILE has attributes that do not belong in it",
    ),
    "many attributes": (
        lambda file: [file.attrs.create(str(i), i) for i in range(70)],
        "SCHEMA: FILE has more than 64 attributes",
    ),
    "attribute of an array": (
        lambda file: file["logits"].attrs.update(note=1),
        "SCHEMA: FILE: 'logits' has attributes",
    ),
    "no kind": (lambda file: file.attrs.pop("kind"), "SCHEMA: FILE: attribute kind is missing"),
    "other kind": (
        attribute("kind", np.bytes_("weights")),
        "SCHEMA: FILE is a 'weights' file, want scores; check the path",
    ),
    "number for kind": (attribute("kind", 1), "SCHEMA: FILE: attribute kind is not a short fixed"),
    "long kind": (attribute("kind", np.bytes_("x" * 65)), "SCHEMA: FILE: attribute kind is not"),
    "variable kind": (attribute("kind", "scores"), "SCHEMA: FILE: attribute kind is not a short"),
    "two kinds": (
        attribute("kind", np.array([b"scores", b"scores"])),
        "SCHEMA: FILE: attribute kind is not a short",
    ),
    "newer major": (
        attribute("schema", np.bytes_("2.0")),
        "SCHEMA: FILE: schema 2.0 is newer than 1.0, which this stroi reads; install a newer",
    ),
    "bad id": (
        lambda file: file["sample_id"].write_direct(np.array([b"a", b"b\n"], "S64")),
        r"ID_BAD: FILE: sample 1 has the id 'b\n'",
    ),
    "double id": (
        lambda file: file["sample_id"].write_direct(np.array([b"A", b"a"], "S64")),
        "ID_DUPLICATE: FILE: sample 1 ('a')",
    ),
    "order": (
        lambda file: file["sample_id"].write_direct(np.array([b"b", b"a"], "S64")),
        "ID_ORDER: FILE: 'a' stands after 'b'",
    ),
    "nan": (
        lambda file: file["logits"].write_direct(np.full((2, 3), np.nan, "<f4")),
        "NONFINITE: FILE: logits of 'a' holds NaN or infinity",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_shard_never_holds_is_refused(path: Path, name: str) -> None:
    edit, text = REFUSED[name]
    assert refusal(edited(path, edit)).startswith(text)


@pytest.mark.parametrize("edit", [lambda file: None, lambda file: file["logits"].write_direct(
    np.zeros((2, 3), "<f4"))], ids=["untouched", "other values"])  # fmt: skip
def test_control_edits_are_taken(path: Path, edit: Edit) -> None:
    assert decode(SCORES, edited(path, edit))["logits"].shape == (2, 3)


def test_newer_minor_version_may_hold_more(path: Path) -> None:
    def edit(file: h5py.File) -> None:
        attribute("schema", np.bytes_("1.7"))(file)
        file["colour"] = np.arange(3)
        file.attrs["note"] = 1

    found = decode(SCORES, edited(path, edit))
    assert list(found) == ["sample_id", "logits", "class_name"]

    def hostile(file: h5py.File) -> None:
        attribute("schema", np.bytes_("1.7"))(file)
        file["colour"] = h5py.ExternalLink("/etc/passwd", "/x")

    assert refusal(edited(path, hostile)).startswith("H5_LINK: FILE: 'colour' is a link")


def test_arrays_on_the_same_bytes_are_refused(path: Path) -> None:
    """Point the header of `logits` at the ids, where no checksum guards it (older headers)."""
    target = path.with_name("overlap.h5")
    with h5py.File(target, "w", libver=("earliest", "v108")) as file:
        file.attrs.create("kind", np.bytes_("scores"))
        file.attrs.create("schema", np.bytes_("1.0"))
        for name in ("sample_id", "logits"):
            file[name] = good()[name]
        text = h5py.string_dtype("utf-8", 256)
        file.create_dataset("class_name", data=good()["class_name"].astype(text), dtype=text)
        places = {name: file[name].id.get_offset() for name in ("sample_id", "logits")}
    decode(SCORES, target)
    data = target.read_bytes()
    old, new = (places[name].to_bytes(8, "little") for name in ("logits", "sample_id"))
    assert data.count(old) == 1
    target.write_bytes(data.replace(old, new))
    assert refusal(target).startswith("H5_OVERLAP: FILE: 'logits' and FILE: 'sample_id' share")
    far = (len(data) - 10).to_bytes(8, "little")
    target.write_bytes(data.replace(old, far))
    # Newer libraries notice it themselves, in words of their own.
    assert refusal(target).startswith(("H5_EOF: FILE: 'logits' ends behind", "H5_DAMAGED: FILE"))


@pytest.mark.parametrize("cut", [0, 50, 1000, -1])
def test_cut_file_is_refused(path: Path, cut: int) -> None:
    path.write_bytes(path.read_bytes()[:cut])
    assert refusal(path).startswith("H5_EOF: FILE")


def test_only_regular_files_are_opened(path: Path) -> None:
    link, fifo = path.with_name("link.h5"), path.with_name("fifo.h5")
    link.symlink_to(path)
    os.mkfifo(fifo)
    assert refusal(link).startswith("H5_OPEN: FILE cannot be opened: Too many levels")
    assert refusal(fifo).startswith("H5_OPEN: FILE is not a regular file")
    assert refusal(path.parent).startswith("H5_OPEN: FILE is not a regular file")
    assert refusal(path.with_name("none.h5")).startswith("H5_OPEN: FILE cannot be opened: No such")


def test_garbage_behind_a_good_start_is_refused(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:64] + bytes(len(data) - 64))
    assert refusal(path).startswith("H5_DAMAGED: FILE: ")


def test_bomb_costs_neither_memory_nor_time(path: Path, child: Child) -> None:
    bomb = edited(path, REFUSED["shape bomb"][0])
    done = child(
        "import resource, sys, time\n"
        "from pathlib import Path\n"
        "from stroi.cache.errors import RefusedInput\n"
        "from stroi.cache.formats import SCORES\n"
        "from stroi.cache.hdf5 import decode\n"
        "start = time.perf_counter()\n"
        "try: decode(SCORES, Path(sys.argv[1]))\n"
        "except RefusedInput as error: print(error.code)\n"
        "assert time.perf_counter() - start < 1\n"
        "assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 200_000\n",
        bomb,
    )
    assert (done.stdout, done.stderr) == ("H5_SHAPE_BOMB\n", "")


NAIVE = "import h5py, sys; print(h5py.File(sys.argv[1])['logits'][()])"
CHECKED = """
import sys
from pathlib import Path
from stroi.cache.errors import RefusedInput
from stroi.cache.formats import SCORES
from stroi.cache.hdf5 import decode
try:
    decode(SCORES, Path(sys.argv[1]))
except RefusedInput as error:
    print(error.code)
"""


def test_reading_loads_no_plugin(path: Path, tmp_path: Path) -> None:
    """Who looks for a plugin hangs on a pipe that bears a library's name; h5py alone does."""

    def run(script: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", script, str(foreign)],
            env={**os.environ, "HDF5_PLUGIN_PATH": str(tmp_path / "plugins")},
            capture_output=True,
            text=True,
            timeout=3,
        ).stdout

    foreign = edited(path, foreign_filter)
    (tmp_path / "plugins").mkdir()
    os.mkfifo(tmp_path / "plugins" / "libevil.so")
    assert run(CHECKED) == "H5_FILTER\n"
    with pytest.raises(subprocess.TimeoutExpired):
        run(NAIVE)
