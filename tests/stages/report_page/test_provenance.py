"""Losses that add up, params as text."""

from __future__ import annotations

import pytest

from stroi.cache.mosaics import MosaicCache
from stroi.pipeline.index.ledger import ClipOutcome, Ledger
from stroi.pipeline.params.profile import Profile, Split, Validation
from stroi.pipeline.workspace import Workspace
from stroi.stages.report_page.provenance import (
    LISTED,
    flatten,
    losses,
    params_sections,
    split_rule,
    without_folders,
)


def test_long_list_of_losses_is_cut_and_counted(workspace: Workspace) -> None:
    outcomes = tuple(ClipOutcome(f"a{at:03d}", "GONE" if at else "") for at in range(LISTED + 51))
    found = losses({"index": Ledger(outcomes)}, MosaicCache(workspace.mosaics("small")))
    (stage,) = found.stages
    assert (stage.total, stage.done, stage.quarantined) == (LISTED + 51, 1, LISTED + 50)
    assert [lost.outcome.id for lost in found.listed] == [f"a{at + 1:03d}" for at in range(LISTED)]
    assert found.more == 50


def test_black_cells_are_counted_by_row(workspace: Workspace) -> None:
    found = losses({}, MosaicCache(workspace.mosaics("small")))
    # 12 clips of one person and 4 of two, 25 cells a person; two heads of one clip are missing.
    assert (found.missing, found.cells) == (2, 500)
    assert found.missing_share == 0.4
    assert found.missing_by_row == {
        "head": 2.0, "right hand": 0.0, "left hand": 0.0, "right foot": 0.0, "left foot": 0.0,
    }  # fmt: skip


def test_values_become_text() -> None:
    values = {
        "flag": True,
        "none": None,
        "path": "/home/someone/nets/start.safetensors",
        "near": "nets/start.safetensors",
        "inner": {"rates": [0.1, 2], "empty": {}, "no": []},
    }
    assert dict(flatten(values)) == {
        "flag": "true",
        "none": "none",
        "path": "start.safetensors",
        "near": "nets/start.safetensors",
        "inner.rates": "0.1, 2",
        "inner.empty": "none",
        "inner.no": "none",
    }


def test_params_that_made_the_cache_win_over_the_profile() -> None:
    groups = {
        group.name: dict(group.entries)
        for group in params_sections(Profile(), {"mosaics": {"size": 50}})
    }
    assert groups["mosaics"]["size"] == "50"
    assert groups["mosaics"]["cell"] == "96"
    assert set(groups) == set(Profile.model_fields) - {"seeds", "splits", "skeletons3d"}


def test_params_of_joints_are_those_that_made_them_or_none() -> None:
    groups = params_sections(Profile(), {"skeletons3d": {"format": "nucla"}})
    assert [dict(each.entries) for each in groups if each.name == "skeletons3d"] == [
        {"format": "nucla"}
    ]


def test_split_is_told_in_words() -> None:
    rule = Split(by="camera", train=("c1", "c2"), test=("c3",))
    assert split_rule("view3", rule) == "view3: by camera; train c1, c2; test c3"


def test_folds_and_validation_are_told_in_words() -> None:
    validation = Validation(by="subject", values=("s1", "s2"))
    rule = Split(by="camera", test=("c3",), validation=validation)
    assert split_rule("x", rule) == (
        "x: by camera; train all others; test c3; of the training clips validate by subject: s1, s2"
    )
    few = Split(by="camera", test=("c3",), leave_out=("a", "b"))
    assert split_rule("x", few) == (
        "x: by camera; train all others; test c3; 2 training clips left out"
    )
    fold = Split(by="id", fold=(2, 5), validation=Validation(by="id", fold=(1, 4)))
    assert split_rule("x", fold) == (
        "x: by id; test fold 2 of 5; train all others; "
        "of the training clips validate by id: fold 1 of 4"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/me/videos/wave/a.avi: no frame decodes", "a.avi: no frame decodes"),
        ("'/data/x/a.avi' and (/data/y/b.avi)", "'a.avi' and (b.avi)"),
        ("videos/wave/a.avi", "videos/wave/a.avi"),
        ("3 and/or 4, 25/2 frames", "3 and/or 4, 25/2 frames"),
        ("https://example.org/a/b", "https://example.org/a/b"),
    ],
)
def test_folders_of_this_machine_are_left_out(text: str, shown: str) -> None:
    assert without_folders(text) == shown
