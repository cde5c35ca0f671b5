"""Every param is on its page, with its meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator

from param_pages import all_keys, params_page
from pydantic import BaseModel

from stroi.pipeline.params.profile import Profile

ROW = re.compile(r"^\| `([\w.]+)` \| (.*?) \| (.*?) \| (.*) \|$", re.M)


def _leaves(group: BaseModel, prefix: str = "") -> Iterator[str]:
    for name in type(group).model_fields:
        value = getattr(group, name)
        if isinstance(value, BaseModel):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def test_every_key_of_a_profile_has_its_row() -> None:
    rows = {match[1] for match in ROW.finditer(params_page())}
    assert sorted(set(_leaves(Profile())) - rows) == []
    assert sorted(set(all_keys()) - rows) == []


def test_every_row_has_values_and_a_meaning() -> None:
    bare = [match[1] for match in ROW.finditer(params_page()) if not (match[3] and match[4])]
    assert bare == []


def test_groups_below_lists_and_names_have_a_section() -> None:
    page = params_page()
    for name in set(re.findall(r"\]\(#(\w+)\)", page)):
        assert f"{{#{name}}}" in page
    assert {"split", "run", "validation", "layoutparams", "cameraparams"} <= set(
        re.findall(r"\{#([\w-]+)\}", page)
    )


def test_default_range_and_choices_are_those_of_the_model() -> None:
    rows = {match[1]: match for match in ROW.finditer(params_page())}
    assert rows["mosaics.cell"][2] == "`96`"
    assert rows["mosaics.cell"][3] == "whole number from 8 to 1024 in steps of 2"
    assert rows["resnet.model"][3].startswith("`resnet18`, `resnet34`")
    assert rows["resnet.schedule.lr"][3] == "number above 0"
    assert rows["mosaics.size"][3] == "whole number from 40 to 2048 or `native`"
