"""`--set KEY=VALUE` is checked like the profile, and together with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from stroi.cache.errors import ParamsError
from stroi.pipeline.cli import run
from stroi.pipeline.params.load import load_profile, load_run
from stroi.pipeline.params.profile import Profile
from stroi.pipeline.params.settings import param_names, parse_setting

PROFILE = """\
seeds: [0]
resnet:
  schedule: {epochs: 9, lr: 0.5}
splits:
  s: {by: subject, test: ['1']}
"""
PARAMS = "datasets: [x]\nruns:\n  r: {dataset: x, split: s, input: skeletons}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "x.yaml").write_text(PROFILE)
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


def load(root: Path, *texts: str) -> Profile:
    return load_profile(root, "x", tuple(map(parse_setting, texts)))


def test_a_setting_stands_for_what_the_profile_says(root: Path) -> None:
    schedule = load(root).resnet.schedule
    profile = load(root, "resnet.schedule.epochs=2", "gcn.alpha=1e-5", "mosaics.rows=upper_body")
    assert profile.resnet.schedule == schedule.replace(epochs=2)
    assert profile.gcn.alpha == 1e-5
    assert len(profile.mosaics.rows) > 1
    assert load(root, "seeds=[1, 2]").seeds == (1, 2)
    assert load(root, "splits.s.test=['3', \"4\"]").splits["s"].test == ("3", "4")
    assert load(root, "weights={formula: l2_top15}").weights.formula == "l2_top15"
    assert load(root, "seeds=[1]", " seeds = [2]").seeds == (2,)


def test_a_run_has_it_too(root: Path) -> None:
    run_ = load_run(root, "r", (parse_setting("resnet.schedule.epochs=2"),))
    assert run_.profile.resnet.schedule.epochs == 2
    with pytest.raises(ParamsError, match=r"KEEP_BEST: run r: resnet\.schedule\.keep is best"):
        load_run(root, "r", (parse_setting("resnet.schedule.keep=best"),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resnet.schedule.epochs=two", "Input should be a valid integer"),
        ("resnet.schedule.epochs=0", "Input should be greater than or equal to 1, got 0"),
        ("resnet.schedule.epochs=", "Input should be a valid integer, got None; give a value"),
        ("resnet.schedule.epoch=2", "unknown key; did you mean resnet.schedule.epochs?"),
        ("resnt.schedule.epochs=2", "unknown key; did you mean resnet.schedule.epochs?"),
        ("resnet.schedul={epochs: 2}", "unknown key; did you mean resnet.schedule?"),
        ("nothing.like.it=2", "unknown key; remove it or correct its spelling"),
        ("splits.s.test=[9]", "put it in quotes: '9'"),
        ("seeds=[1, one]", "seeds.1: Input should be a valid integer, got 'one'"),
    ],
)
def test_a_mistake_names_the_option(root: Path, text: str, message: str) -> None:
    with pytest.raises(ParamsError) as caught:
        load(root, text)
    assert caught.value.code == "PARAMS"
    report = "\n".join((str(caught.value), *caught.value.details))
    assert f"--set {text.partition('=')[0]}: " in report
    assert message in report


def test_mistakes_of_options_and_of_the_profile_are_told_together(root: Path) -> None:
    path = root / "profiles" / "x.yaml"
    path.write_text(PROFILE.replace("epochs: 9", "epochs: many").replace("lr: 0.5", "lr: much"))
    with pytest.raises(ParamsError) as caught:
        load(root, "resnet.schedule.epochs=2", "mosaics.size=big")
    assert [line.split(": ")[:2] for line in caught.value.details] == [
        ["--set mosaics.size", "Input should be a valid integer, got 'big'"],
        [f"{path}:3", "resnet.schedule.lr"],
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs", "SET: --set 'epochs' is no KEY=VALUE; write it as resnet.schedule.epochs=2;"),
        ("=2", "SET: --set '=2' is no KEY=VALUE"),
        ("a..b=2", "SET: --set 'a..b=2' is no KEY=VALUE"),
        ("seeds=[1", "PARAMS_YAML: --set seeds:1: "),
        ("seeds=*a", "PARAMS_YAML: --set seeds:1: aliases are not allowed"),
        ("a=\x07", "PARAMS_YAML: --set a:1: the character '\\x07' is not allowed"),
    ],
)
def test_what_is_no_setting_is_refused(text: str, message: str) -> None:
    with pytest.raises(ParamsError) as caught:
        parse_setting(text)
    assert str(caught.value).startswith(message)


def test_a_key_leads_through_groups_alone(root: Path) -> None:
    with pytest.raises(ParamsError) as caught:
        load(root, "seeds.first=2")
    assert str(caught.value) == (
        "SET_GROUP: --set seeds.first: seeds is [0], not a group; set seeds as a whole"
    )


def test_every_listed_name_can_be_set_to_its_default(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "profiles" / "x.yaml").write_text("{}\n")
    assert run(["params", "--names"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "resnet.schedule.epochs=65" in lines
    assert lines == [
        f"{name}={json.dumps(value, default=list)}" for name, value in param_names(Profile)
    ]
    assert load(root, *lines) == Profile()


def test_a_stage_refuses_what_it_does_not_read(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = ("--root", str(root), "--jobs", "1")
    assert run(["mosaics", "x", *here, "--set", "gcn.alpha=1"]) == 2
    assert capsys.readouterr().err == (
        "error: SET_STAGE: --set gcn.alpha: stage mosaics does not read gcn; it reads mosaics\n"
    )
    assert run(["mosaics", "x", *here, "--set", "mosaics.cel=1"]) == 2
    assert "did you mean mosaics.cell?" in capsys.readouterr().err
