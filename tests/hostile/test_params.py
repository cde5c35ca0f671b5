"""Params of a stranger run no code, take no time, and every mistake is told with its place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from received import assert_refused, stroi

KIB = 1024
PLAN = "datasets: [x]\nruns:\n  r: {dataset: x, split: s, input: skeletons}\n"
PROFILE = "splits:\n  s: {by: subject, test: ['1']}\n"


def project(folder: Path, profile: str | bytes = PROFILE, plan: str | bytes = PLAN) -> Path:
    (folder / "profiles").mkdir()
    for path, text in (("profiles/x.yaml", profile), ("params.yaml", plan)):
        (folder / path).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def laughs() -> str:
    """Nine lists of nine aliases each: three billion words."""
    lines = ["a0: &a0 [ha]"]
    for depth in range(1, 10):
        lines.append(f"a{depth}: &a{depth} [{', '.join([f'*a{depth - 1}'] * 9)}]")
    return "\n".join(lines)


YAML: dict[str, tuple[str | bytes, str, str]] = {
    "Python object": (
        "a: !!python/object/apply:os.system ['touch trace']",
        ":1: ", "could not determine a constructor for the tag 'tag:yaml.org,2002:python/object",
    ),
    "Python name": ("a: !!python/name:os.system", ":1: ", "/name:os.system'; mend the YAML"),
    "alias bomb": (laughs(), ":2: ", "aliases are not allowed"),
    "merge": ("a: &a {x: 1}\nb:\n  <<: *a", ":3: ", "aliases are not allowed"),
    "key twice": (PROFILE + "gcn: {}\ngcn: {}\n", ":4: ", "key 'gcn' stands twice"),
    "date": ("seeds: [2024-01-02]", ":1: ", "2024-01-02 is a date: put it in quotes if it is text"),
    "5000 digits": ("seeds: [" + "9" * 5000 + "]", ":1: ", "is no int"),
    "5000 hexadecimal digits": ("seeds: [0x" + "9" * 5000 + "]", ":1: ", "is too large a number"),
    "2*10^5 lists": ("a: " + "[" * 120 * KIB, ":1: ", "nested deeper than 32 levels"),
    "2*10^5 mappings": ("a: " + "{" * 120 * KIB, ":1: ", "nested deeper than 32 levels"),
    "blocks": ("- " * 60 * KIB, ":1: ", "nested deeper than 32 levels"),
    "NUL": ("seeds: [0]\n\0", ":2: ", r"the character '\x00' is not allowed"),
    "escape sequence": ("\x1b[31m: 1", ":1: ", r"the character '\x1b' is not allowed"),
    "hidden escape": ('"\\e[31m": 1', ":1: ", r"'\x1b[31m' holds characters that cannot be print"),
    "right to left": ("'\u202e': 1", ":1: ", r"'\u202e' holds characters that cannot be printed"),
    "two documents": (PROFILE + "---\n" + PROFILE, ":3: ", "but found another document"),
    "not YAML": ("a: [1, {b: ]", ":1: ", "expected"),
}  # fmt: skip


@pytest.mark.parametrize("case", YAML)
def test_yaml(tmp_path: Path, case: str) -> None:
    text, line, says = YAML[case]
    root = project(tmp_path, text)
    names = f"{root}/profiles/x.yaml{line}"
    assert_refused(["check"], root, "PARAMS_YAML", says, names=names, status=2)


UNREADABLE: dict[str, tuple[str | bytes, str]] = {
    "not UTF-8": (b"a: 1\nb: \xff", "x.yaml:2: no UTF-8 text; save it as UTF-8"),
    "200 kB": (b"#" * 200_000, "x.yaml: 200000 bytes, at most 131072 are read"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_no_text(tmp_path: Path, case: str) -> None:
    text, says = UNREADABLE[case]
    root = project(tmp_path, text)
    assert_refused(["check"], root, "PARAMS_UNREADABLE", says, names=str(root), status=2)


MISTAKES: dict[str, tuple[str, str, str]] = {
    "unknown key": ("mosaics:\n  cel: 48", ":2: ", "mosaics.cel: unknown key; did you mean mosai"),
    "no for a number": (
        "seeds:\n  - no", ":2: ", "seeds.0: Input should be a valid integer, got 'no'",
    ),
    "no for a truth": (
        "gcn: {schedule: {nesterov: no}}", ":1: ",
        "gcn.schedule.nesterov: Input should be a valid boolean, got 'no'; write true or false",
    ),
    "infinity": ("gcn: {alpha: .inf}", ":1: ", "gcn.alpha: Input should be a finite number, got i"),
    "NaN": ("resnet: {flip: .nan}", ":1: ", "resnet.flip: Input should be a finite number, got na"),
    "number for a text": (
        "splits:\n  s:\n    by: subject\n    test: [1]", ":4: ",
        "splits.s.test.0: Input should be a valid string, got 1; put it in quotes: '1'",
    ),
    "nothing": ("gcn: {alpha: }", ":1: ", "got None; give a value or remove the key"),
    "a list": ("[]", ":1: ", "file: Input should be an object, got []"),
    "a long text": ("x" * 120 * KIB, ":1: ", "file: Input should be an object, got 'xxxxxxxxx"),
    "not a word of ASCII": ("größe: 1", ":1: ", r"gr\xf6\xdfe: unknown key"),
    "20,000 numbers": ("seeds: [" + "x," * 20_000 + "x]", ":1: ", "20001 mistakes in the params"),
    "10,000 keys": ("".join(f"k{i}: 1\n" for i in range(10_000)), ":1: ", "10000 mistakes in the"),
    "a key of 1000 letters": ("k" * 1000 + ": 1", ":1: ", "k...: unknown key"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(tmp_path: Path, case: str) -> None:
    text, line, says = MISTAKES[case]
    root = project(tmp_path, text)
    names = f"{root}/profiles/x.yaml{line}"
    assert_refused(["check"], root, "PARAMS", says, names=names, status=2)


def test_long_reports_are_cut(tmp_path: Path) -> None:
    root = project(tmp_path, "".join(f"k{i}: 1\n" for i in range(10_000)))
    lines = stroi(["check"], root).stderr.splitlines()
    assert len(lines) == 52
    assert lines[-2] == "and 9950 more mistakes"


NAMES = ["x; touch trace", "$(touch trace)", "../x", "-rf", "a b", "x\ntouch trace", "ü", ""]


@pytest.mark.parametrize("name", NAMES)
def test_names_never_reach_a_shell(tmp_path: Path, name: str) -> None:
    plan = f"datasets: [{name!a}]\nruns: {{}}\n".replace("\\xfc", "ü").replace("\\n", " ")
    root = project(tmp_path, plan=plan)
    if name == "-rf":
        # A good name, but no such profile.
        assert_refused(["check"], root, "PARAMS_MISSING", "-rf.yaml", names=str(root), status=2)
    else:
        says = "cannot name a data set or a run; use letters, digits, '_' and '-' only"
        assert_refused(["check"], root, "PARAMS_NAME", says, names="", status=2)
    assert not (root / "trace").exists()


SPECIAL: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "fifo": (os.mkfifo, "PARAMS_UNREADABLE", "not a regular file"),
    "folder": (Path.mkdir, "PARAMS_UNREADABLE", "not a regular file"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "PARAMS_UNREADABLE", "not a regular fil"),
    "absent": (lambda path: None, "PARAMS_MISSING", "does not exist"),
}


@pytest.mark.parametrize("case", SPECIAL)
@pytest.mark.parametrize("name", ["params.yaml", "profiles/x.yaml"])
def test_what_is_no_plain_file_does_not_hang(tmp_path: Path, case: str, name: str) -> None:
    make, code, says = SPECIAL[case]
    root = project(tmp_path)
    (root / name).unlink()
    make(root / name)
    assert_refused(["check"], root, code, says, names=str(root / name), status=2)


def test_good_params_pass(tmp_path: Path) -> None:
    done = stroi(["check"], project(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
