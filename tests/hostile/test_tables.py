"""Tables and indices of a stranger: ids are names, paths stay inside, labels have classes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from received import CANARY, assert_refused

COLUMNS = "sample_id,video,label,subject,camera"
ROWS = ("a,v/a.avi,wave,s1,c1", "b,v/b.avi,drink,s2,c1")
PEAK = 300_000_000


def project(folder: Path) -> Path:
    (folder / "profiles").mkdir()
    (folder / "profiles" / "demo.yaml").write_text("index: {adapter: table}\n")
    (folder / "data" / "demo" / "raw" / "v").mkdir(parents=True)
    for name in "ab":
        (folder / "data" / "demo" / "raw" / "v" / f"{name}.avi").write_bytes(b"x")
    (folder / "outside.avi").write_text(CANARY)
    return folder


def table(*rows: str, columns: str = COLUMNS) -> bytes:
    return "".join(f"{row}\n" for row in (columns, *rows)).encode()


def with_id(name: str) -> bytes:
    return table(f'"{name}",v/a.avi,wave,s1,c1')


def with_video(path: str) -> bytes:
    return table(ROWS[1], f"a,{path},wave,s1,c1")


def rows(count: int) -> bytes:
    text = "".join(f"x{i},v/a.avi,wave,s1,c1\n" for i in range(count))
    return f"{COLUMNS}\n{text}".encode()


BAD_ID = "cannot be a sample id; use 1 to 64 of A-Z a-z 0-9"
TABLES: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "id upwards": (lambda: with_id("../../x"), "ID_BAD", f":2: '../../x' {BAD_ID}"),
    "absolute id": (lambda: with_id("/tmp/x"), "ID_BAD", f"'/tmp/x' {BAD_ID}"),
    "id with a newline": (lambda: with_id("a\nb"), "ID_BAD", rf":3: 'a\nb' {BAD_ID}"),
    "id with an escape": (lambda: with_id("a\x1b[31m"), "ID_BAD", rf"'a\x1b[31m' {BAD_ID}"),
    "id right to left": (lambda: with_id("a\u202eb"), "ID_BAD", rf"'a\u202eb' {BAD_ID}"),
    "option as id": (lambda: with_id("-rf"), "ID_BAD", f"'-rf' {BAD_ID}"),
    "formula as id": (lambda: with_id("=cmd()"), "ID_BAD", f"'=cmd()' {BAD_ID}"),
    "pattern as id": (lambda: with_id("a%03d"), "ID_BAD", f"'a%03d' {BAD_ID}"),
    "device as id": (lambda: with_id("CON"), "ID_BAD", f"'CON' {BAD_ID}"),
    "id of 300 letters": (lambda: with_id("x" * 300), "ID_BAD", f"{'x' * 70}' {BAD_ID}"),
    "id in two forms": (lambda: with_id("e\u0301"), "ID_BAD", rf"'e\u0301' {BAD_ID}"),
    "id twice": (lambda: table(*ROWS, ROWS[0]), "ID_DUPLICATE", ":4: the sample id 'a' is that"),
    "id twice by case": (
        lambda: table(*ROWS, ROWS[0].replace("a,", "A,", 1)),
        "ID_DUPLICATE", ":4: the sample id 'A' is that of line 2; give every sample an id of its",
    ),
    "video upwards": (
        lambda: with_video("../../../outside.avi"),
        "VIDEO_OUTSIDE", ":3: video '../../../outside.avi' is not inside the data set's folder",
    ),
    "hidden upwards": (
        lambda: with_video("v/../../../../outside.avi"), "VIDEO_OUTSIDE", "is not inside the data",
    ),
    "absolute video": (lambda: with_video("/etc/passwd"), "VIDEO_OUTSIDE", "video '/etc/passwd'"),
    "address": (lambda: with_video("http://[::1]/x\x1b"), "CSV_VALUE", r"'http://[::1]/x\x1b'"),
    "skeleton upwards": (
        lambda: table(ROWS[0] + ",../../x", columns=COLUMNS + ",skeleton"),
        "VIDEO_OUTSIDE", ":2: skeleton '../../x' is not inside",
    ),
    "label of two lines": (
        lambda: table('a,v/a.avi,"wave\ndrink",s1,c1'), "CSV_VALUE", r"label 'wave\ndrink' is no p",
    ),
    "no label": (lambda: table("a,v/a.avi,,s1,c1"), "CSV_VALUE", ":2: label is empty; fill it in"),
    "subject with an escape": (
        lambda: table("a,v/a.avi,wave,\x1b]0;x\x07,c1"), "CSV_VALUE", r"subject '\x1b]0;x\x07' is",
    ),
    "NUL": (lambda: table("a,v/a.avi,wave,\0,c1"), "CSV_VALUE", r":2: subject '\x00' is no"),
    "not UTF-8": (lambda: table() + b"\xff\xfe\n", "CSV_TEXT", "no UTF-8 text"),
    "ragged": (lambda: table("a,v/a.avi,wave"), "CSV_ROW", ":2: not 5 fields; quote fields that"),
    "open quote": (lambda: table('a,"v/a.avi,wave,s1,c1'), "CSV_ROW", "unexpected end of data"),
    "field of 60 MB": (
        lambda: table() + b'a,"' + b"x" * 60_000_000, "CSV_ROW", "field larger than field limit",
    ),
    "field over lines": (
        lambda: table() + b'a,"' + b"x\n" * 100_000, "CSV_ROW", "field larger than field limit",
    ),
    "many rows, then a bad one": (
        lambda: rows(149_999) + b"..,v/a.avi,wave,s1,c1\n", "ID_BAD", ":150001: '..' cannot be a",
    ),
    "column twice": (lambda: table(columns=COLUMNS + ",label"), "CSV_COLUMNS", "two columns are"),
    "no columns": (lambda: b"\x1b[31m\n", "CSV_COLUMNS", r"it has: \x1b[31m"),
    "nothing": (lambda: b"", "CSV_COLUMNS", "it has: none"),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_tables(tmp_path: Path, case: str) -> None:
    make, code, says = TABLES[case]
    root = project(tmp_path)
    path = root / "data" / "demo" / "raw" / "table.csv"
    path.write_bytes(make())
    command = ["index", "demo", "--jobs", "1"]
    assert_refused(command, root, code, says, names=str(path), peak=PEAK)


@pytest.mark.parametrize("kind", ["fifo", "folder", "device"])
def test_what_is_no_plain_file_neither_hangs_nor_grows(tmp_path: Path, kind: str) -> None:
    root = project(tmp_path)
    path = root / "data" / "demo" / "raw" / "table.csv"
    make: dict[str, Callable[[], object]] = {
        "fifo": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "device": lambda: path.symlink_to("/dev/zero"),
    }
    make[kind]()
    says = "cannot be read (not a regular file)"
    assert_refused(["index", "demo", "-j", "1"], root, "CSV_TEXT", says, names=str(path), peak=PEAK)


def test_a_linked_folder_is_refused(tmp_path: Path) -> None:
    root = project(tmp_path)
    raw = root / "data" / "demo" / "raw"
    (raw / "linked").symlink_to(root)
    (raw / "table.csv").write_bytes(with_video("linked/outside.avi"))
    says = "linked is a link"
    assert_refused(["index", "demo", "-j", "1"], root, "LINKED_FOLDER", says, names="", peak=PEAK)


INDEX = "id,video,label,subject,camera,split,skeleton,bytes,sha256"
DIGEST = "0" * 64
GOOD = f"a,v/a.avi,wave,s1,c1,,,1,{DIGEST}"
INDICES: dict[str, tuple[str, str, str, str]] = {
    "label without class": (
        GOOD, "drink\n", "LABEL_RANGE", ":2: sample 'a': label 'wave' is not in classes.txt",
    ),
    "label -1": (GOOD.replace("wave", "-1"), "wave\n", "LABEL_RANGE", "'a': label '-1' is not in"),
    "gap": (GOOD, "wave\n\ndrink\n", "LABEL_RANGE", ":2: an empty line leaves a gap in the class"),
    "video upwards": (
        GOOD.replace("v/a.avi", "../../../outside.avi"), "wave\n",
        "VIDEO_OUTSIDE", ":2: video '../../../outside.avi' is not inside",
    ),
    "id twice": (f"{GOOD}\n{GOOD}", "wave\n", "ID_DUPLICATE", ":3: the sample id 'a' is that of"),
    "id upwards": (GOOD.replace("a,", "../a,", 1), "wave\n", "ID_BAD", f":2: '../a' {BAD_ID}"),
}  # fmt: skip


@pytest.mark.parametrize("case", INDICES)
def test_received_indices(tmp_path: Path, case: str) -> None:
    text, classes, code, says = INDICES[case]
    root = project(tmp_path)
    index = root / "data" / "demo" / "index"
    index.mkdir()
    (index / "samples.csv").write_text(f"{INDEX}\n{text}\n")
    (index / "classes.txt").write_text(classes)
    command = ["mosaics", "demo", "-j", "1"]
    assert_refused(command, root, code, says, names=str(index), peak=PEAK)
