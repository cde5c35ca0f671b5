"""Folder lists of DVC: what is a plain path, and what is refused with which words."""

from __future__ import annotations

import json
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stroi.cache.errors import RefusedInput
from stroi.pipeline.dvc_lists import MAX_LIST_BYTES, ListedFile, parse_list, path_problem

MD5 = "0123456789abcdef" * 2


def _list(*relpaths: object, md5: object = MD5) -> bytes:
    return json.dumps([{"md5": md5, "relpath": relpath} for relpath in relpaths]).encode()


def _refusal(data: bytes) -> RefusedInput:
    with pytest.raises(RefusedInput) as caught:
        parse_list(data, "list X of data")
    assert caught.value.exit_status == 3
    return caught.value


def test_a_list_of_as_many_pictures_as_a_data_set_has() -> None:
    """DVC writes it without a limit."""
    data = json.dumps(
        [{"md5": "0" * 32, "relpath": f"clip{n:05d}/{n:06d}.jpg"} for n in range(200_000)]
    ).encode()
    assert len(parse_list(data, "IT")) == 200_000


def test_a_list_as_dvc_writes_it() -> None:
    names = ["ledger.csv", "manifest.json", "sub/ünïcode name.h5", "sub/.hidden"]
    assert parse_list(_list(*names), "x") == tuple(ListedFile(name, MD5) for name in names)
    assert parse_list(b"[]", "x") == ()


@pytest.mark.parametrize(
    ("relpath", "problem"),
    [
        ("../x", "does not stay inside its folder"),
        ("a/../../x", "does not stay inside its folder"),
        ("/etc/cron.d/x", "does not stay inside its folder"),
        ("", "does not stay inside its folder"),
        (".", "does not stay inside its folder"),
        ("a//b", "does not stay inside its folder"),
        ("a/./b", "does not stay inside its folder"),
        ("a/", "does not stay inside its folder"),
        ("..\\x", "is a path of another system"),
        ("C:x", "is a path of another system"),
        (".git/hooks/post-checkout", "lies in .git or .dvc"),
        ("a/.GIT/config", "lies in .git or .dvc"),
        (".dvc/config", "lies in .git or .dvc"),
        ("a\nb", "holds control, formatting or private characters"),
        ("a\x1b[2Jb", "holds control, formatting or private characters"),
        ("a\u202egnp.exe", "holds control, formatting or private characters"),
        (".g\u200cit/config", "holds control, formatting or private characters"),
        ("a\udc80", "holds control, formatting or private characters"),
        ("a\0b", "holds control, formatting or private characters"),
        ("x" * 256, "is too long"),
        ("/".join("x" * 65), "is too deep"),
        ("/".join(["x" * 200] * 30), "is too long"),
    ],
)
def test_paths_that_do_not_land_plainly_inside(relpath: str, problem: str) -> None:
    assert path_problem(relpath) == problem
    error = _refusal(_list("good", relpath))
    assert error.code == "DVC_PATH"
    assert error.message == f"list X of data: {relpath[:80]!a} {problem}"
    assert error.message.isprintable()
    assert error.remedy.startswith("do not check this out")


@pytest.mark.parametrize(
    ("relpaths", "problem"),
    [
        (["a", "b", "a"], "'a' and 'a' are one file where case does not count"),
        (["data/A", "data/a"], "'data/A' and 'data/a' are one file where case does not count"),
        (["\u00e9", "e\u0301"], r"'\xe9' and 'e\u0301' are one file where case does not count"),
        (["stra\u00dfe", "STRASSE"], r"'stra\xdfe' and 'STRASSE' are one file"),
        (["a", "a/b"], "'a' is a file and 'a/b' lies in it"),
        (["a/b/c/d", "A/B"], "'A/B' is a file and 'a/b/c/d' lies in it"),
    ],
)
def test_files_that_are_one_or_also_folders(relpaths: list[str], problem: str) -> None:
    error = _refusal(_list(*relpaths))
    assert error.code == "DVC_PATH"
    assert problem in error.message


@pytest.mark.parametrize(
    ("md5", "shown"),
    [
        ("../../../../victim", "'../../../../victim'"),
        (MD5.upper(), MD5.upper()),
        (MD5 + ".dir", ".dir"),
        (MD5 + "\n", "\\n"),
        (MD5[:-1], MD5[:-1]),
        (None, "'None'"),
        (7, "'7'"),
        (["x"], "x"),
    ],
)
def test_objects_are_named_by_an_md5_and_nothing_else(md5: object, shown: str) -> None:
    error = _refusal(_list("a", md5=md5))
    assert error.code == "DVC_LIST"
    assert "gives 'a' an md5 that is none" in error.message
    assert shown in error.message
    assert error.message.isprintable()


@pytest.mark.parametrize(
    ("data", "code", "problem"),
    [
        (b"{}", "DVC_LIST", "is not a list of files"),
        (b"[1]", "DVC_LIST", "an entry other than an md5 and a relpath"),
        (b'[{"md5": "x"}]', "DVC_LIST", "an entry other than"),
        (b'[{"md5": "x", "relpath": "a", "isexec": true}]', "DVC_LIST", "an entry other than"),
        (_list(3), "DVC_LIST", "a relpath that is not text"),
        (b"", "JSON", "is not JSON"),
        (b"[NaN]", "JSON", "NaN"),
        (b'[{"md5": "x", "relpath": "a", "relpath": "../b"}]', "JSON_DUPLICATE_KEY", "relpath"),
        (b"[" * 100_000, "JSON_DEPTH", "nests deeper than"),
        (b" " * (MAX_LIST_BYTES + 1), "DVC_LIST", "allowed are"),
    ],
)
def test_lists_that_dvc_did_not_write(data: bytes, code: str, problem: str) -> None:
    error = _refusal(data)
    assert error.code == code
    assert problem in error.message
    assert "list X of data" in error.message


@given(st.text() | st.from_regex(r"([./\\a]|\.git|\.\.){0,8}", fullmatch=True))
def test_a_path_without_a_problem_stays_where_it_belongs(relpath: str) -> None:
    if not path_problem(relpath):
        assert posixpath.normpath(f"/root/out/{relpath}") == f"/root/out/{relpath}"
        assert relpath.isprintable()
        assert ".git" not in relpath.casefold().split("/")


@given(st.lists(st.from_regex(r"[abAB]{1,2}(/[abAB]{1,2}){0,2}", fullmatch=True), max_size=6))
def test_a_list_without_a_problem_can_lie_on_any_disk(relpaths: list[str]) -> None:
    folded = [path.casefold() for path in relpaths]
    apart = len(set(folded)) == len(folded) and not any(
        one.startswith(f"{other}/") for one in folded for other in folded
    )
    if apart:
        assert [file.relpath for file in parse_list(_list(*relpaths), "x")] == relpaths
    else:
        assert _refusal(_list(*relpaths)).code == "DVC_PATH"
