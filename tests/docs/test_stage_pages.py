"""One page per stage of dvc.yaml, with what the code knows of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from error_pages import sites_by_code
from ruamel.yaml import YAML
from stage_pages import COMMANDS, codes_of, stage_sections


def test_every_stage_has_its_page(root: Path) -> None:
    stages = YAML(typ="safe").load((root / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    commands = {stage["do"]["cmd"].split()[1] for stage in stages.values()}
    assert set(COMMANDS) == commands
    assert {page.stem for page in (root / "docs" / "stages").glob("*.md")} == commands


@pytest.mark.parametrize("command", COMMANDS)
def test_page_has_command_files_params_and_codes(root: Path, command: str) -> None:
    page = stage_sections(root, command)
    assert f"stroi {command} " in page
    assert "| `--root DIRECTORY` |" in page
    assert re.search(r"^\| `[\w-]+` \| .+ \| `(data|runs)/.+` \|$", page, re.M)
    linked = re.findall(r"\.\./errors\.md#(\w+)", page)
    assert {code.upper() for code in linked} <= sites_by_code(root).keys()


def test_resnet_has_a_line_for_each_mode(root: Path) -> None:
    page = stage_sections(root, "resnet")
    for mode in ("plain", "fixed", "end-to-end"):
        assert f"| `resnet-{mode}` |" in page


def test_codes_are_with_the_stage_that_meets_them(root: Path) -> None:
    own = {command: set(codes) for command, (codes, _) in codes_of(root).items()}
    assert {"NO_PERSON", "OPENPOSE_MISSING"} <= own["skeletons"]
    assert "MOSAIC_BLACK" in own["mosaics"] - own["gcn"]
    assert "LOSS_NOT_FINITE" in own["resnet"] & own["gcn"]
    assert "PARAMS" not in own["mosaics"]
