"""Every error code of the source has its entry on the page, with cause and remedy."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from error_pages import errors_page, read_causes, readable, sites_by_code
from error_sites import CODE, UnreadableCode, error_sites
from source_text import read_modules

from stroi.cache.errors import StroiError
from stroi.cache.ids import check_ids
from stroi.pipeline.cli import run
from stroi.pipeline.params.load import load_run
from stroi.trainer.runtime import pick_device

NOT_CODES = {
    "BODY_25", "BODY_25B", "COCO_17", "CUBLAS_WORKSPACE_CONFIG", "DVC_STAGE", "HDF5_PLUGIN_PATH",
    "HDF5_PLUGIN_PRELOAD", "IMREAD_COLOR_RGB", "LOCAL_RANK", "OMP_NUM_THREADS", "OPENPOSE_ROOT",
    "SAMPLE_ID", "STORE_LOCK", "STROI_COMMAND", "STROI_DEBUG", "STROI_FAULT", "STROI_JOBS",
    "STROI_STORE", "STROI_TENSORBOARD", "STROI_THREADS", "WORLD_SIZE",
    "DETECTION_VERSION", "LD_LIBRARY_PATH", "LONG_MERGER", "MOST_TRACKS", "STROI_DOWNLOADS",
    "XDG_CACHE_HOME", "AWS_PROFILE", "AWS_ENDPOINT_URL", "HF_TOKEN",
}  # fmt: skip
"""Other strings in capitals: variables of the environment, names of layouts and of functions."""


@pytest.fixture(scope="module")
def codes(root: Path) -> dict[str, list[object]]:
    return dict(sites_by_code(root))


def test_no_code_of_the_source_is_missing(root: Path, codes: dict[str, list[object]]) -> None:
    """Also one that the reader of error calls does not find: every word in capitals counts."""
    unknown = {
        f"{path}: {node.value}"
        for path, module in read_modules(root).items()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and "_" in node.value
        and CODE.fullmatch(node.value)
        and node.value not in codes.keys() | NOT_CODES
    }
    assert unknown == set()
    assert len(codes) > 250


def test_every_code_says_what_is_wrong_and_what_to_do(root: Path) -> None:
    """A code that fails here needs a line in docs/hooks/causes.yaml."""
    causes = read_causes()
    unexplained = [
        code
        for code, sites in sites_by_code(root).items()
        if code not in causes
        and not (
            any(readable(site.message) for site in sites)
            and any(readable(site.remedy) for site in sites)
        )
    ]
    assert unexplained == []


def test_no_cause_is_of_a_code_that_is_gone(codes: dict[str, list[object]]) -> None:
    assert sorted(read_causes().keys() - codes.keys()) == []


def test_page_has_an_entry_for_each_code(root: Path, codes: dict[str, list[object]]) -> None:
    page = errors_page(root)
    assert re.findall(r"^### (\w+) \{#(\w+)\}$", page, re.M) == [
        (code, code.lower()) for code in re.findall(r"^### (\w+)", page, re.M)
    ]
    assert sorted(re.findall(r"^### (\w+)", page, re.M)) == sorted(codes)


def _shape(template: str) -> str:
    """A pattern of the messages that a template describes."""
    parts = re.split(r"‹[^›]*›", template)
    return ".*".join(map(re.escape, parts))


def _raised(root: Path, tmp_path: Path) -> list[StroiError]:
    """Real errors: by the class, by functions around it, and with texts put together before."""
    errors = []
    for call in (
        lambda: check_ids(["a b"], where="the list"),
        lambda: load_run(root, "nobody"),
        lambda: load_run(tmp_path, "demo-xsub"),
        lambda: pick_device("tpu"),
    ):
        with pytest.raises(StroiError) as caught:
            call()
        errors.append(caught.value)
    return errors


def test_templates_describe_what_is_raised(root: Path, tmp_path: Path) -> None:
    by_code = sites_by_code(root)
    for error in _raised(root, tmp_path):
        assert any(
            re.fullmatch(_shape(site.message), error.message)
            and re.fullmatch(_shape(site.remedy), error.remedy)
            for site in by_code[error.code]
        ), error


SETUP = "[options]\npackage_dir =\n    stroi.cache = cache\n"
ERRORS = "class StroiError(Exception): ...\n"
USE = "from stroi.cache.errors import StroiError\n"


def _source(folder: Path, text: str) -> Path:
    """A tree with one file that makes errors, its text beginning in line 2."""
    (folder / "setup.cfg").write_text(SETUP)
    (folder / "cache").mkdir()
    (folder / "cache" / "errors.py").write_text(ERRORS)
    (folder / "cache" / "reader.py").write_text(USE + text)
    return folder


def test_code_that_is_put_together_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableCode, match=r"cache/reader\.py:2: write the code out"):
        error_sites(_source(tmp_path, "raise StroiError(f'{kind}_OPEN', 'gone')\n"))


def test_code_message_and_remedy_are_found_through_functions(tmp_path: Path) -> None:
    text = """\
REMEDY = "fetch it again"
def refused(path, problem, code="FILE_READ", remedy=REMEDY):
    return StroiError(code, f"{path.name!a}: {problem}", remedy=remedy)
def read(path, error):
    problem = f"cannot be read ({error.strerror})"
    raise refused(path, problem)
def check(path, text):
    raise refused(path, "is empty", "FILE_EMPTY", remedy="remove it")
"""
    sites = error_sites(_source(tmp_path, text))
    assert [(site.code, site.message, site.remedy) for site in sites] == [
        ("FILE_READ", "‹path›: cannot be read (‹reason›)", "fetch it again"),
        ("FILE_EMPTY", "‹path›: is empty", "remove it"),
    ]


def test_docs_name_codes_that_are_there(root: Path, codes: dict[str, list[object]]) -> None:
    named = {
        f"{page.name}: {word}"
        for page in (root / "README.md", *sorted((root / "docs").rglob("*.md")))
        for word in re.findall(r"`([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)`", page.read_text("utf-8"))
        if word not in codes.keys() | NOT_CODES
    }
    assert named == set()


def test_example_of_the_page_is_what_the_command_prints(
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["check"]) == 2
    printed = capsys.readouterr().err.splitlines()[-1].replace(str(tmp_path), "/home/ann/project")
    assert printed in errors_page(root).splitlines()
