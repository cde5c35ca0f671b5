"""Every construct of HDF5 that a shard never holds is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from small_caches import refusal_of_scores, score_arrays

from stroi.cache.storage.formats import SCORES
from stroi.cache.storage.hdf5 import decode

Child = Callable[..., "subprocess.CompletedProcess[str]"]
Edit = Callable[[h5py.File], object]


def edited(path: Path, edit: Edit) -> Path:
    """A copy of a good file with one thing wrong."""
    target = path.with_name("edited.h5")
    target.write_bytes(path.read_bytes())
    with h5py.File(target, "r+", libver=("v108", "latest")) as file:
        edit(file)
    return target


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
        attribute("schema", np.bytes_("3.0")),
        "SCHEMA: FILE: schema 3.0 is newer than 2.0, which this stroi reads; install a newer",
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
def test_what_a_shard_never_holds_is_refused(scores_file: Path, name: str) -> None:
    edit, text = REFUSED[name]
    assert refusal_of_scores(edited(scores_file, edit)).startswith(text)


@pytest.mark.parametrize("edit", [lambda file: None, lambda file: file["logits"].write_direct(
    np.zeros((2, 3), "<f4"))], ids=["untouched", "other values"])  # fmt: skip
def test_control_edits_are_taken(scores_file: Path, edit: Edit) -> None:
    assert decode(SCORES, edited(scores_file, edit))["logits"].shape == (2, 3)


def test_newer_minor_version_may_hold_more(scores_file: Path) -> None:
    def edit(file: h5py.File) -> None:
        attribute("schema", np.bytes_("2.7"))(file)
        file["colour"] = np.arange(3)
        file.attrs["note"] = 1

    found = decode(SCORES, edited(scores_file, edit))
    assert list(found) == ["sample_id", "logits", "class_name"]

    def hostile(file: h5py.File) -> None:
        attribute("schema", np.bytes_("2.7"))(file)
        file["colour"] = h5py.ExternalLink("/etc/passwd", "/x")

    assert refusal_of_scores(edited(scores_file, hostile)).startswith(
        "H5_LINK: FILE: 'colour' is a link"
    )


def test_arrays_on_the_same_bytes_are_refused(scores_file: Path) -> None:
    """Point the header of `logits` at the ids, where no checksum guards it (older headers)."""
    target = scores_file.with_name("overlap.h5")
    with h5py.File(target, "w", libver=("earliest", "v108")) as file:
        file.attrs.create("kind", np.bytes_("scores"))
        file.attrs.create("schema", np.bytes_("2.0"))
        for name in ("sample_id", "logits"):
            file[name] = score_arrays()[name]
        text = h5py.string_dtype("utf-8", 256)
        file.create_dataset(
            "class_name", data=score_arrays()["class_name"].astype(text), dtype=text
        )
        places = {name: file[name].id.get_offset() for name in ("sample_id", "logits")}
    decode(SCORES, target)
    data = target.read_bytes()
    old, new = (places[name].to_bytes(8, "little") for name in ("logits", "sample_id"))
    assert data.count(old) == 1
    target.write_bytes(data.replace(old, new))
    assert refusal_of_scores(target).startswith(
        "H5_OVERLAP: FILE: 'logits' and FILE: 'sample_id' share"
    )
    assert data.count(old + (24).to_bytes(8, "little")) == 1
    target.write_bytes(data.replace(old + (24).to_bytes(8, "little"), old + bytes([12] + [0] * 7)))
    assert refusal_of_scores(target).startswith(
        ("H5_HOLE: FILE: 'logits' was never written", "H5_DAMAGED: FILE")
    )
    far = (len(data) - 10).to_bytes(8, "little")
    target.write_bytes(data.replace(old, far))
    # Newer libraries notice it themselves, in words of their own.
    assert refusal_of_scores(target).startswith(
        ("H5_EOF: FILE: 'logits' ends behind", "H5_DAMAGED: FILE")
    )


def test_bomb_costs_neither_memory_nor_time(scores_file: Path, child: Child) -> None:
    bomb = edited(scores_file, REFUSED["shape bomb"][0])
    done = child(
        "import re, sys, time\n"
        "from pathlib import Path\n"
        "from stroi.cache.errors import RefusedInput\n"
        "from stroi.cache.storage.formats import SCORES\n"
        "from stroi.cache.storage.hdf5 import decode\n"
        "start = time.process_time()\n"
        "try: decode(SCORES, Path(sys.argv[1]))\n"
        "except RefusedInput as error: print(error.code)\n"
        "assert time.process_time() - start < 1\n"
        # Not getrusage: its maximum is inherited from the process that forked this one.
        "status = Path('/proc/self/status').read_text()\n"
        "assert int(re.search(r'VmHWM:\\s+(\\d+)', status)[1]) < 200_000\n",
        bomb,
    )
    assert (done.stdout, done.stderr) == ("H5_SHAPE_BOMB\n", "")


NAIVE = "import h5py, sys; print(h5py.File(sys.argv[1])['logits'][()])"
CHECKED = """
import sys
from pathlib import Path
from stroi.cache.errors import RefusedInput
from stroi.cache.storage.formats import SCORES
from stroi.cache.storage.hdf5 import decode
try:
    decode(SCORES, Path(sys.argv[1]))
except RefusedInput as error:
    print(error.code)
"""


def test_reading_loads_no_plugin(scores_file: Path, tmp_path: Path) -> None:
    """Who looks for a plugin hangs on a pipe that bears a library's name; h5py alone does."""

    def run(script: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", script, str(foreign)],
            env={**os.environ, "HDF5_PLUGIN_PATH": str(tmp_path / "plugins")},
            capture_output=True,
            text=True,
            timeout=3,
        ).stdout

    foreign = edited(scores_file, foreign_filter)
    (tmp_path / "plugins").mkdir()
    os.mkfifo(tmp_path / "plugins" / "libevil.so")
    assert run(CHECKED) == "H5_FILTER\n"
    with pytest.raises(subprocess.TimeoutExpired):
        run(NAIVE)
