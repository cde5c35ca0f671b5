"""YAML is read as DVC reads it; what is refused is refused with its line."""

from __future__ import annotations

import math
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.serialize import load_yaml, modify_yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stroi.cache.errors import ParamsError
from stroi.pipeline.params.load import load_profile, load_project, parse
from stroi.pipeline.params.profile import Profile, Run
from stroi.pipeline.params.project_edit import add_to_params
from stroi.pipeline.params.yaml import MAX_BYTES, printable, read_yaml


def read(folder: Path, text: str | bytes) -> Any:
    path = folder / "x.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_yaml(path)


def test_every_value_has_its_line_and_its_text(tmp_path: Path) -> None:
    text = "a: 012\nb:\n  - no\n  - ~\n\nc: {d: 1.0e-3,\n  größe: '1'}\n"
    document = read(tmp_path, text)
    assert document.value == {"a": 12, "b": ["no", None], "c": {"d": 0.001, "größe": "1"}}
    assert document.lines[("b", "1")] == 4
    assert document.lines[("c", "größe")] == 7
    assert document.texts[("a",)] == "012"
    assert document.texts[("c", "d")] == "1.0e-3"


SCALARS = """
    1e-5 1e5 1E5 1e+5 12e03 -2E+05 1.e5 .5 5. -.5 +3 1.0e-3 1e 0. -0 00 1e999 .inf -.inf .nan .NaN
    yes no on off y Yes NO true True TRUE tRUE false ~ null Null NULL nil
    012 08 0o12 0o8 0x1F 0b11 1_000 1_000.5 1_e5 ._5 0_ 1:30 1:30.5 2001-1-1 12-13 1.2.3 1,5
    'a' "b\\u00e9" é -x a:b a#b !!str&3 !!int&3 !!float&3 !!bool&yes = <<
"""


def same(ours: Any, theirs: Any) -> bool:
    both_nan = isinstance(ours, float) and isinstance(theirs, float) and ours != ours
    return type(ours) is type(theirs) and (ours == theirs or (both_nan and theirs != theirs))


def check_as_dvc(folder: Path, text: str | bytes) -> None:
    """What is read is what DVC reads; more may be refused."""
    try:
        value = read(folder, text).value
    except ParamsError:
        return
    theirs = load_yaml(str(folder / "x.yaml"))
    assert value.keys() == theirs.keys()
    assert all(same(value[key], theirs[key]) for key in value), (text, value, theirs)


@pytest.mark.filterwarnings("ignore::ruamel.yaml.error.MantissaNoDotYAML1_1Warning")
@pytest.mark.parametrize("scalar", SCALARS.split())
@pytest.mark.parametrize("head", ["", "\ufeff", "%YAML 1.1\n---\n"])
def test_scalars_are_those_of_dvc(tmp_path: Path, scalar: str, head: str) -> None:
    check_as_dvc(tmp_path, f"{head}a: {scalar.replace('&', ' ')}\n")


READ = {
    "1e-5": 1e-5, "1e5": 1e5, "-2E+05": -2e5, "yes": "yes", "No": "No", "on": "on", "TRUE": True,
    "012": 12, "0o12": 10, "0x1F": 31, "1_000": 1000, "1:30": "1:30", "2001-1-1": "2001-1-1",
    "~": None, ".inf": math.inf,
}  # fmt: skip


@pytest.mark.parametrize("scalar", READ)
def test_scalars_are_read(tmp_path: Path, scalar: str) -> None:
    text = f"a: {scalar}\n"
    assert same(read(tmp_path, text).value["a"], READ[scalar])
    check_as_dvc(tmp_path, text)


@settings(deadline=None)
@given(
    st.from_regex(r"[-+]?[0-9_]{0,4}(\.[0-9_]{0,3})?([eE][-+]?[0-9]{0,2})?", fullmatch=True)
    | st.from_regex(r"0[xob]?[0-9a-fA-F_]{1,4}|[0-9]{1,2}(:[0-9]{1,2}){1,2}", fullmatch=True)
    | st.from_regex(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}", fullmatch=True)
    | st.from_regex(r"[yYnNtTfFoO~.][a-zA-Z]{0,4}", fullmatch=True)
    | st.text("0123456789abxo:-_.+eE'\"&*!|>%@#, []{}\r\n\t", max_size=8)
)
@example("\r\nb: 1\rc: 2\r\n\td")
def test_drawn_scalars_are_those_of_dvc(
    tmp_path_factory: pytest.TempPathFactory, scalar: str
) -> None:
    check_as_dvc(tmp_path_factory.getbasetemp(), f"a: {scalar}\n".encode())


def test_line_ends_and_a_byte_order_mark_mean_nothing(tmp_path: Path) -> None:
    for text in (b"a: 1\nb: [x,\n y]\n", b"\xef\xbb\xbfa: 1\r\nb: [x,\r\n y]\r\n"):
        document = read(tmp_path, text)
        assert document.value == {"a": 1, "b": ["x", "y"]} == load_yaml(str(tmp_path / "x.yaml"))
        assert document.lines[("b", "1")] == 3


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_file_is_an_empty_mapping(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).value == {}


NAMES = st.text(st.characters(codec="ascii", categories=("Lu", "Ll", "Nd")), min_size=1)
VALUES = st.recursive(
    st.integers(-(10**17), 10**17)
    | st.floats(allow_nan=False)
    | st.booleans()
    | st.none()
    | st.dates().map(date.isoformat)
    | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=3))
def test_what_dvc_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, value: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / "x.yaml"
    path.unlink(missing_ok=True)
    with modify_yaml(str(path)) as content:
        content.update(value)
    assert read_yaml(path).value == value


@pytest.mark.parametrize("rate", [1e-5, 2e-05, 1e-10, 0.1, 1e16])
def test_a_param_that_dvc_changed_is_read(tmp_path: Path, root: Path, rate: float) -> None:
    """By ``dvc exp run -S profiles/demo.yaml:gcn.schedule.lr=...``."""
    path = tmp_path / "profiles" / "demo.yaml"
    path.parent.mkdir()
    path.write_bytes((root / "profiles" / "demo.yaml").read_bytes())
    before = load_profile(tmp_path, "demo")
    with modify_yaml(str(path)) as content:
        content["gcn"]["schedule"]["lr"] = rate
    after = load_profile(tmp_path, "demo")
    assert after.gcn.schedule.lr == rate
    assert after.resnet == before.resnet


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "date": ("a: 1\nb: {c: 2024-01-02}\n", ":2: 2024-01-02 is a date: put it in quotes if it is"),
    "time": ("a: [1, 2024-01-02T03:04:05Z]", ":1: 2024-01-02T03:04:05Z is a date"),
    "5000 digits": ("a: " + "9" * 5000, ":1: '9999999999999999999999999999999999999999' is no int"),
    "5000 hex digits": ("a: 0x" + "9" * 5000, ":1: 0x999999999999999999999999999"),
    "key of a number": ("1: a", ":1: key '1' is not text"),
    "key of a boolean": ("True: a", ":1: key 'True' is not text"),
    "merge key": ("a: &a {b: 1}\n<<: {c: 1}", ":2: key '<<' is not text"),
    "key of a list": ("? [1]\n: 2", ":1: key "),
    "key twice": ("a: 1\nb: {c: 1, c: 2}", ":2: key 'c' stands twice"),
    "key of a date": ("2024-01-02: a", ":1: key '2024-01-02' is not text"),
    "alias": ("a: &a [1]\nb: *a", ":2: aliases are not allowed"),
    "alias of nothing": ("b: *a", ":1: aliases are not allowed"),
    "Python object": (
        "a: !!python/object/apply:os.system ['true']", "could not determine a constructor",
    ),
    "binary data": ("a: !!binary aGVsbG8=", "for the tag 'tag:yaml.org,2002:binary'"),
    "set": ("a: !!set {b}", "for the tag 'tag:yaml.org,2002:set'"),
    "own tag": ("a: !mine 1", "for the tag '!mine'"),
    "forced number": ("a: !!int x", "'x' is no int"),
    "forced boolean": ("a: !!bool x", "'x' is no bool"),
    "forced text": ("a: !!str [1]", "for the tag 'tag:yaml.org,2002:str'"),
    "value sign": ("a: =", "for the tag 'tag:yaml.org,2002:value'"),
    "two documents": ("a: 1\n---\nb: 2", ":2: but found another document"),
    "unfinished": ("a: [1\n", ":2: expected ',' or ']'"),
    "NUL": ("a: 1\nb: \0", r":2: the character '\x00' is not allowed"),
    "escape sequence": ("a: \x1b[31m", r":1: the character '\x1b' is not allowed"),
    "written escape": (r'a: "\e[31m"', r"'\x1b[31m' holds characters that cannot be printed"),
    "right to left": ("a: '\u202ex'", r"'\u202ex' holds characters that cannot be printed"),
    "half a character": (r'a: "\ud800"', "holds characters that cannot be printed"),
    "no character": (r'a: "\U00110000"', "arg not in range"),
    "far from a character": (r'a: "\UFFFFFFFF"', "too large to convert"),
    "newline in a key": ('"a\\nb": 1', r"'a\nb' holds characters that cannot be printed"),
    "not UTF-8": (b"a: 1\nb: \xff", ":2: no UTF-8 text; save it as UTF-8"),
    "UTF-16": ("a: 1".encode("utf-16"), ":1: no UTF-8 text"),
    "nested lists": ("a: " + "[" * 100_000, ":1: nested deeper than 32 levels"),
    "nested blocks": ("- " * 30_000, ":1: nested deeper than 32 levels"),
    "large": (b"#" * (MAX_BYTES + 1), "131073 bytes, at most 131072 are read"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_surprises_are_refused_with_their_line(tmp_path: Path, case: str) -> None:
    text, expected = REFUSED[case]
    with pytest.raises(ParamsError) as caught:
        read(tmp_path, text)
    assert expected in str(caught.value)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert caught.value.remedy


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    for name, code in (("pipe.yaml", "UNREADABLE"), (".", "UNREADABLE"), ("absent", "MISSING")):
        with pytest.raises(ParamsError, match=f"PARAMS_{code}"):
            read_yaml(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seeds: [no]", "seeds.0: Input should be a valid integer, got 'no'"),
        ("splits: {s: {by: subject, test: [1]}}", "splits.s.test.0: Input should be a valid strin"),
        ("splits: {s: {by: subject, test: [012]}}", "got 12; put it in quotes: '012'"),
        ("gcn: {schedule: {nesterov: yes}}", "valid boolean, got 'yes'; write true or false"),
        ("gcn: {alpha: .inf}", "gcn.alpha: Input should be a finite number, got inf"),
        ("gcn: {alpha: 1e999}", "gcn.alpha: Input should be a finite number, got inf"),
        ("resnet: {flip: .nan}", "resnet.flip: Input should be a finite number, got nan"),
        ("gcn: {alpha: }", "got None; give a value or remove the key"),
        ("weights:", "weights: Input should be an object, got None; write {}"),
        ("seeds:", "seeds: Input should be a valid array, got None; write []"),
        ("gcn: {alpha: ü}", r"got '\xfc'"),
        ("ümlaut: 1", r"\xfcmlaut: unknown key"),
        ("seeds: 'x" + "x" * 500 + "'", "x..."),
    ],
)
def test_every_mistake_says_what_to_write(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    params, problems = parse(Profile, tmp_path / "x.yaml")
    assert params is None
    assert any(expected in problem for problem in problems)
    assert all(problem.isascii() and problem.isprintable() for problem in problems)
    assert all(len(problem) < 500 + len(str(tmp_path)) for problem in problems)


def test_long_lists_of_mistakes_are_cut(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "x.yaml").write_text("".join(f"k{i}: 1\n" for i in range(75)))
    with pytest.raises(ParamsError, match="75 mistakes in the params, the first at") as caught:
        load_profile(tmp_path, "x")
    assert len(caught.value.details) == 51
    assert caught.value.details[-1] == "and 25 more mistakes"


def test_printable_is_one_short_line() -> None:
    assert printable("plain 'text'") == "plain 'text'"
    assert printable("a\x1bb\nü\u202e") == r"a\x1bb\n\xfc\u202e"
    assert printable("x" * 100, 10) == "x" * 10 + "..."


RUN = Run(dataset="mine", split="fold1", input="skeletons")
TAIL = "\n# the end\nshow: one\n"
FORMS = {
    "blocks": "datasets:\n  - one # the first\n\n# runs follow\nruns:\n"
    "  one-x: # so\n    dataset: one\n    split: x # a split\n    input: skeletons\n",
    "no indent": "datasets:\n- one\nruns:\n"
    "  one-x:\n    {dataset: one, split: x, input: skeletons3d}\n",
    "flow": "datasets: [one, two] # all\n"
    "runs:\n  one-x: {dataset: one, split: x, input: skeletons3d}\n",
    "all flow": "datasets: [one,]\nruns: {one-x: {dataset: one, split: x, input: skeletons3d}}\n",
    "empty flow": "datasets: []\nruns: {}\n",
    "comment inside": "datasets:\n  - one\n  # - two is not ready\nruns: {} # none yet\n",
    "sensors": "datasets: [one]\nsensors: [one]\nruns: {}\n",
}


def _plan(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "params.yaml").write_bytes(text.encode())
    return folder


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("tail", ["", TAIL])
@pytest.mark.parametrize("sensor", [False, True])
def test_additions_are_all_that_changes(tmp_path: Path, form: str, tail: str, sensor: bool) -> None:
    text = FORMS[form] + tail
    root = _plan(tmp_path, text)
    before = load_project(root)
    after = add_to_params(root, "mine", {"mine-fold1": RUN}, sensor=sensor)
    assert after == load_project(root)
    assert after.datasets == (*before.datasets, "mine")
    assert after.runs == {**before.runs, "mine-fold1": RUN}
    assert after.sensors == ((*before.sensors, "mine") if sensor else before.sensors)
    # Every comment is there, and stands above the same line as before.
    kept = (root / "params.yaml").read_text()
    assert [line.split("#")[1:] for line in kept.splitlines() if "#" in line] == [
        line.split("#")[1:] for line in text.splitlines() if "#" in line
    ]
    assert ("# runs follow\nruns:" in kept) == (form == "blocks")
    assert ("  # - two is not ready\nruns:    # none yet\n" in kept) == (form == "comment inside")
    assert (TAIL in kept) == bool(tail)


def test_the_shipped_file_keeps_every_line(tmp_path: Path, root: Path) -> None:
    text = (root / "params.yaml").read_text()
    project = _plan(tmp_path, text)
    add_to_params(project, "mine", {"mine-fold1": RUN}, sensor=False)
    lines = iter((project / "params.yaml").read_text().splitlines())
    assert all(line in lines for line in text.splitlines())


def test_windows_files_are_read_and_changed(tmp_path: Path) -> None:
    """With a byte order mark and CRLF, as an editor on Windows saves them."""
    root = _plan(tmp_path, "\ufeff" + (FORMS["blocks"] + TAIL).replace("\n", "\r\n"))
    after = add_to_params(root, "1e5", {"1e5-fold1": RUN}, sensor=True)
    assert (after.datasets, after.sensors) == (("one", "1e5"), ("1e5",))
    theirs = load_yaml(str(root / "params.yaml"))
    assert theirs["datasets"] == ["one", "1e5"]
    assert list(theirs["runs"]) == ["one-x", "1e5-fold1"]
    data = (root / "params.yaml").read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n")


def test_adding_twice_changes_nothing(tmp_path: Path) -> None:
    root = _plan(tmp_path, FORMS["blocks"] + TAIL)
    add_to_params(root, "mine", {"mine-fold1": RUN}, sensor=True)
    once = (root / "params.yaml").read_bytes()
    add_to_params(root, "mine", {"mine-fold1": RUN}, sensor=True)
    assert (root / "params.yaml").read_bytes() == once


def test_a_run_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    root = _plan(tmp_path, FORMS["flow"])
    plan = add_to_params(root, "one", {"one-x": RUN}, sensor=False)
    assert plan.runs["one-x"].dataset == "one"


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,8}", fullmatch=True))
@pytest.mark.parametrize("form", ["blocks", "all flow"])
def test_names_that_yaml_would_read_otherwise(
    tmp_path_factory: pytest.TempPathFactory, form: str, name: str
) -> None:
    root = _plan(tmp_path_factory.mktemp("plan"), FORMS[form])
    run = Run(dataset=name, split="x", input="skeletons")
    assert add_to_params(root, name, {f"{name}-x": run}, sensor=False).datasets[-1] == name
    assert name in load_project(root).datasets


@pytest.mark.parametrize("name", ["no", "1e3", "null", "007", "2024-01-02", "1_000"])
def test_odd_names_stay_text(tmp_path: Path, name: str) -> None:
    root = _plan(tmp_path, FORMS["blocks"])
    add_to_params(root, name, {}, sensor=False)
    assert load_project(root).datasets == ("one", name)
    assert load_yaml(str(root / "params.yaml"))["datasets"] == ["one", name]
