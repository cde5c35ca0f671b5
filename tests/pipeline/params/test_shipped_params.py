"""Params that stroi ships, and those that its docs print: each is valid as it stands."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from ut_imagenet import FINE_TUNING, profile_text

from stroi.pipeline.params.load import check_project, load_profile
from stroi.pipeline.params.profile import Profile

ROOT = Path(__file__).resolve().parents[3]
GOOD = "splits:\n  s: {by: subject, test: ['1']}\n"


def _profile(folder: Path, text: str) -> Profile:
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "profiles" / "x.yaml").write_text(text)
    return load_profile(folder, "x")


def test_shipped_params_are_valid(root: Path) -> None:
    assert check_project(root).runs
    for profile in (root / "profiles").glob("*.yaml"):
        assert load_profile(root, profile.stem).splits


def test_no_profile_leaves_the_source_to_the_machine(root: Path) -> None:
    assert Profile().skeletons.source == "movenet"
    for profile in (root / "profiles").glob("*.yaml"):
        assert load_profile(root, profile.stem).skeletons.source != "auto", profile


def test_profiles_in_the_docs_are_valid(root: Path, tmp_path: Path) -> None:
    """Those of docs/nucla.md that tell how its figures were reached, as a user would paste them."""
    shown = re.findall(r"```yaml\n(gcn:\n.*?)```", (root / "docs" / "nucla.md").read_text(), re.S)
    models = [_profile(tmp_path, GOOD + text).gcn.model for text in shown]
    assert models == ["stgcn", "stgcn", "ctrgcn"]


def test_fine_tuning_of_the_docs_is_the_benchmarks(root: Path, tmp_path: Path) -> None:
    text = (root / "docs" / "trainer.md").read_text()
    (shown,) = re.findall(r"```yaml\n(resnet:\n.*?)```", text, re.S)
    assert shown == FINE_TUNING
    params = _profile(tmp_path, GOOD + shown).resnet
    assert (params.model, params.start, params.images) == (
        "efficientnet_lite0",
        "imagenet",
        "mosaic",
    )
    (tmp_path / "profiles" / "x.yaml").write_text(profile_text("cells"))
    assert load_profile(tmp_path, "x").resnet == params.replace(images="cells")


def printed_params() -> Iterator[tuple[str, str]]:
    """Every whole params.yaml of the docs, with its page."""
    for page in sorted((ROOT / "docs").glob("*.md")):
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.S):
            if re.search(r"^datasets:", block, re.M):
                yield page.name, block


@pytest.mark.parametrize(("page", "text"), list(printed_params()))
def test_a_params_file_of_the_docs_is_taken_as_printed(
    tmp_path: Path, page: str, text: str
) -> None:
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    (tmp_path / "params.yaml").write_text(text)
    project = check_project(tmp_path)
    assert project.show in project.runs, page
    named = set(re.findall(r"\$\{(\w+)", (ROOT / "dvc.yaml").read_text())) - {"item", "key"}
    assert named <= project.model_fields_set


def test_the_docs_print_params_files() -> None:
    assert len(list(printed_params())) >= 2
