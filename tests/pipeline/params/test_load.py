"""Params: every mistake is reported at once, with its place, and nothing becomes shell code."""

from __future__ import annotations

from pathlib import Path

import pytest

from stroi.cache.errors import ParamsError
from stroi.pipeline.params.load import check_name, check_project, load_profile, load_run
from stroi.pipeline.params.profile import Profile

ROOT = Path(__file__).resolve().parents[3]


def _project(folder: Path, profile: str, params: str | None = None) -> Path:
    (folder / "profiles").mkdir(exist_ok=True)
    (folder / "profiles" / "x.yaml").write_text(profile)
    (folder / "params.yaml").write_text(DEFAULT if params is None else params)
    return folder


DEFAULT = "datasets: [x]\nruns:\n  r: {dataset: x, split: s, input: skeletons}\n"
GOOD = "splits:\n  s: {by: subject, test: ['1']}\n"


def test_defaults_are_the_papers() -> None:
    profile = Profile()
    assert (profile.mosaics.cell, profile.mosaics.columns, profile.mosaics.size) == (96, 5, 225)
    schedule = profile.resnet.schedule
    assert (schedule.lr, schedule.milestones, schedule.epochs) == (0.1, (45, 55), 65)
    assert schedule.batch_size == 64
    assert profile.gcn.alpha == 0.001


@pytest.mark.parametrize(
    ("text", "size"), [("native", "native"), ("'native'", "native"), ("480", 480)]
)
def test_mosaics_have_a_size_in_px_or_their_own(tmp_path: Path, text: str, size: int | str) -> None:
    profile = load_profile(_project(tmp_path, f"mosaics: {{size: {text}}}\n"), "x")
    assert profile.mosaics.size == size
    assert profile.mosaics.model_dump()["size"] == size


def test_all_mistakes_are_reported_together(tmp_path: Path) -> None:
    root = _project(
        tmp_path,
        "mosaics:\n  cel: 48\n  size: many\n  columns: 0\n"
        "resnet:\n  schedule:\n    lr: 1 e-3\nseeds: [no]\n",
    )
    with pytest.raises(ParamsError) as caught:
        load_profile(root, "x")
    where = root / "profiles" / "x.yaml"
    assert caught.value.exit_status == 2
    assert "5 mistakes in the params, the first at" in str(caught.value)
    report = "\n".join(caught.value.details)
    assert f"{where}:2: mosaics.cel: unknown key; did you mean mosaics.cell?" in report
    assert f"{where}:3: mosaics.size: Input should be a valid integer, got 'many'" in report
    assert (
        f"{where}:4: mosaics.columns: Input should be greater than or equal to 1, got 0" in report
    )
    assert "lr: Input should be a valid number, got '1 e-3'" in report
    assert "seeds.0: Input should be a valid integer, got 'no'" in report


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("gcn: {channels: [8]}\n", "1 channels, 10 strides: one each per block"),
        ("gcn: {temporal_kernel: 4}\n", "a temporal_kernel of 4 frames has no middle"),
        ("skeletons: {subjects: 3}\n", "subjects is 3: set people to 3 or more"),
        ("skeletons: {people: 5}\n", "should be less than or equal to 4"),
        ("splits: {s: {by: subject}}\n", "name the values of train, of test, or of both"),
        ("splits: {s: {by: camera, train: ['1'], test: ['1']}}\n", "on both sides: 1"),
        ("splits: {s: {by: id, fold: [6, 5]}}\n", "there is no fold 6 of 5: they count from 1"),
        ("splits: {s: {by: id, fold: [0, 5]}}\n", "should be greater than or equal to 1"),
        ("splits: {s: {by: id, fold: [1, 1]}}\n", "should be greater than or equal to 2"),
        ("splits: {s: {by: id, fold: [1, 5], test: ['a']}}\n", "name either values or a fold"),
        (
            "splits: {s: {by: id, fold: [1, 5], validation: {by: id}}}\n",
            "name either the values that validate, or a fold",
        ),
        (
            "splits: {s: {by: id, fold: [1, 5], validation: {by: id, fold: [3, 2]}}}\n",
            "there is no fold 3 of 2: they count from 1",
        ),
        (
            "splits: {s: {by: label, train: ['1']}}\n",
            "Input should be 'subject', 'camera', 'group', 'split' or 'id'",
        ),
    ],
)
def test_values_that_contradict_each_other(tmp_path: Path, profile: str, expected: str) -> None:
    with pytest.raises(ParamsError) as caught:
        load_profile(_project(tmp_path, profile), "x")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("seeds: [0]\nseeds: [1]\n", ":2: key 'seeds' stands twice"),
        ("1: 1\n", "key '1' is not text"),
        ("a: &a [1]\nb: *a\n", "aliases are not allowed"),
        ("a: !!python/object/apply:os.system ['true']\n", "could not determine a constructor"),
        ("a: [1\n", "expected ',' or ']'"),
    ],
)
def test_yaml_that_is_refused(tmp_path: Path, profile: str, expected: str) -> None:
    with pytest.raises(ParamsError) as caught:
        load_profile(_project(tmp_path, profile), "x")
    assert expected in str(caught.value)


@pytest.mark.parametrize("name", ["x; touch P", "$(id)", "", "a b", "../x", "x\n", "ü"])
def test_names_that_a_shell_could_read_are_refused(name: str) -> None:
    with pytest.raises(ParamsError, match="use letters, digits, '_' and '-' only"):
        check_name(name)


def test_run_with_its_profile(tmp_path: Path) -> None:
    run = load_run(_project(tmp_path, GOOD), "r")
    assert (run.name, run.run.dataset, run.profile.splits["s"].test) == ("r", "x", ("1",))


def test_unknown_run_dataset_and_split_name_what_there_is(tmp_path: Path) -> None:
    root = _project(tmp_path, GOOD)
    with pytest.raises(ParamsError, match="has no run 'q'; its runs are: r"):
        load_run(root, "q")
    with pytest.raises(ParamsError, match=r"y\.yaml does not exist"):
        load_profile(root, "y")
    _project(tmp_path, GOOD, DEFAULT.replace("split: s", "split: t"))
    with pytest.raises(ParamsError, match="has no split 't'; its splits are: s"):
        load_run(root, "r")


def test_whole_project_is_checked_at_once(tmp_path: Path) -> None:
    root = _project(tmp_path, "gnc: {}\n", DEFAULT)
    with pytest.raises(ParamsError, match="gnc: unknown key"):
        check_project(root)


WHOLE = """\
rendered: []
datasets: [x]
sensors: []
runs:
  r: {dataset: x, split: s, input: skeletons}
pools: {}
show: r
"""
FULL = (
    GOOD
    + "seeds: [0]\n"
    + "".join(
        f"{name}: {{}}\n"
        for name in (
            "sample",
            "index",
            "skeletons",
            "mosaics",
            "gcn",
            "weights",
            "resnet",
            "ensemble",
        )
    )
)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("show: r\n", "", "params.yaml: show: missing, dvc.yaml uses it; name one of the runs: r"),
        ("show: r\n", "show: no-such-run\n", "show: no run 'no-such-run'; name one of the runs: r"),
        ("show: r\n", "show: ''\n", "show: missing, dvc.yaml uses it; name one of the runs: r"),
        ("sensors: []\n", "", "params.yaml: sensors: missing, dvc.yaml uses it; add `sensors: []`"),
        (
            "sensors: []\n",
            "sensors:\n",
            "sensors: Input should be a valid array, got None; write []",
        ),
        ("rendered: []\n", "", "rendered: missing, dvc.yaml uses it; add `rendered: []`"),
        ("rendered: []", "rendered: [y]", "y.yaml does not exist"),
        ("sensors: []", "sensors: ['a b']", "'a b' cannot name a data set or a run"),
        (
            "sensors: []",
            "sensors: [x]",
            "x.yaml: skeletons3d: missing, dvc.yaml uses it; add `skele",
        ),
        ("pools: {}\n", "", "params.yaml: pools: missing, dvc.yaml uses it; add `pools: {}`"),
        ("pools: {}", "pools: {p: {dataset: x, runs: [r]}}", "at least 2 items"),
        ("pools: {}", "pools: {p: {dataset: x, runs: [r, r]}}", "pools.p.runs: name each run once"),
        (
            "pools: {}",
            "pools: {p: {dataset: x, runs: [r, q]}}",
            "pools.p.runs: there is no run 'q'",
        ),
        (
            "pools: {}",
            "  q: {dataset: x, split: s, input: skeletons}\npools: {p: {dataset: y, runs: [r, q]}}",
            "pools.p.runs: r is not of y",
        ),
        (
            "pools: {}",
            "  q: {dataset: x, split: s, input: skeletons}\npools: {r: {dataset: x, runs: [r, q]}}",
            "pools.r: a run has this name: take another one",
        ),
        (
            "pools: {}",
            "  q: {dataset: x, split: s, input: skeletons}\n"
            "pools: {a b: {dataset: x, runs: [r, q]}}",
            "'a b' cannot name a data set or a run",
        ),
        ("runs:\n  r:", "runs:\n  1e5:", ":5: key '1e5' is not text: put it in quotes"),
        ("datasets: [x]", "datasets: [1e5]", "got 100000.0; put it in quotes: '1e5'"),
    ],
)
def test_what_dvc_would_refuse_is_refused(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    root = _project(tmp_path, FULL, WHOLE)
    (root / "dvc.yaml").touch()
    assert check_project(root).show == "r"
    assert old in WHOLE
    (root / "params.yaml").write_text(WHOLE.replace(old, new))
    with pytest.raises(ParamsError) as caught:
        check_project(root)
    assert expected in str(caught.value)


@pytest.mark.parametrize("name", ["seeds", "sample", "mosaics", "weights", "ensemble"])
def test_sections_that_dvc_tracks_are_missed_before_it_runs(tmp_path: Path, name: str) -> None:
    empty = "[0]" if name == "seeds" else "{}"
    text = FULL.replace(f"{name}: {empty}\n", "")
    assert text != FULL
    root = _project(tmp_path, text, WHOLE)
    assert check_project(root).runs  # no DVC here
    (root / "dvc.yaml").touch()
    with pytest.raises(ParamsError, match=rf"x\.yaml: {name}: missing, .* add `{name}: ") as caught:
        check_project(root)
    assert f"add `{name}: {empty}`" in str(caught.value)


SPARSE = GOOD + "skeletons: {source: movenet, frames: sampled}\n"


def test_graph_network_cannot_see_skeletons_of_some_frames(tmp_path: Path) -> None:
    root = _project(tmp_path, SPARSE)
    with pytest.raises(ParamsError) as caught:
        check_project(root)
    assert f"{root / 'params.yaml'}: runs.r.input: its graph network sees the skeletons" in str(
        caught.value
    )
    with pytest.raises(ParamsError, match=r"PARAMS_SPARSE: run r: .*set skeletons.frames to all"):
        load_run(root, "r")
    (root / "params.yaml").write_text(DEFAULT.replace("input: skeletons", "input: skeletons3d"))
    assert check_project(root).runs["r"].input == "skeletons3d"
    assert load_run(root, "r").profile.skeletons.frames == "sampled"


@pytest.mark.parametrize("source", ["openpose-json", "kinect"])
def test_what_is_read_cannot_be_sampled(tmp_path: Path, source: str) -> None:
    text = f"skeletons: {{source: {source}, frames: sampled}}\n"
    with pytest.raises(ParamsError, match=rf"is for estimators; {source} is none"):
        load_profile(_project(tmp_path, text), "x")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (
            "start: imagenet",
            "resnet: start: no package has ImageNet weights of resnet18; set model to"
            " efficientnet_lite0, or start to a file of resnet18",
        ),
        (
            "start: imagenet, model: efficientnet_lite0, start_sha256: '" + 64 * "0" + "'",
            "resnet: start_sha256: it belongs to a file, name that in start or remove it",
        ),
        (
            "frozen_stages: 2",
            "resnet: start: with none, frozen_stages and frozen_batch_norm would keep random"
            " layers; name a start, or set them to 0 and false",
        ),
        ("start: ''", "resnet.start: String should have at least 1 character"),
        ("start: null", "resnet.start: Input should be a valid string, got None; give a value"),
        ("frozen_stages: 10", "resnet.frozen_stages: Input should be less than or equal to 9"),
        ("images: cell", "resnet.images: Input should be 'mosaic' or 'cells', got 'cell'"),
    ],
)
def test_starts_that_cannot_be_had_are_refused(tmp_path: Path, setting: str, expected: str) -> None:
    with pytest.raises(ParamsError) as caught:
        load_profile(_project(tmp_path, f"{GOOD}resnet: {{{setting}}}\n"), "x")
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (
            "start: a.safetensors, streams: [joint, bone]",
            "gcn: start: a file is of one stream; name one stream, or set it to none",
        ),
        (
            "start_sha256: '" + 64 * "0" + "'",
            "gcn: start_sha256: it belongs to a file, name that in start or remove it",
        ),
        ("start: a.safetensors, start_sha256: abc", "gcn.start_sha256: String should match"),
    ],
)
def test_starts_of_a_graph_network_that_cannot_be(
    tmp_path: Path, setting: str, expected: str
) -> None:
    with pytest.raises(ParamsError) as caught:
        load_profile(_project(tmp_path, f"{GOOD}gcn: {{{setting}}}\n"), "x")
    assert expected in str(caught.value)


VALIDATED = "splits:\n  s: {by: subject, test: ['1'], validation: {by: subject, values: ['2']}}\n"


@pytest.mark.parametrize(
    ("name", "setting", "code", "expected"),
    [
        (
            "gcn",
            "keep: best",
            "KEEP_BEST",
            "gcn.schedule.keep is best, and its split has no validation clips; give splits.s of"
            " profiles/x.yaml a validation part, or set gcn.schedule.keep to last",
        ),
        (
            "resnet",
            "patience: 3",
            "PATIENCE",
            "resnet.schedule.patience is set, and its split has no validation clips; give splits.s"
            " of profiles/x.yaml a validation part, or set resnet.schedule.patience to 0",
        ),
    ],
)
def test_what_needs_validation_clips_is_refused_before_anything_runs(
    tmp_path: Path, name: str, setting: str, code: str, expected: str
) -> None:
    schedule = f"{name}: {{schedule: {{{setting}}}}}\n"
    root = _project(tmp_path, GOOD + schedule)
    with pytest.raises(ParamsError) as caught:
        check_project(root)
    assert f"{root / 'params.yaml'}: runs.r.split: {expected}" in str(caught.value)
    with pytest.raises(ParamsError) as caught:
        load_run(root, "r")
    assert str(caught.value) == f"{code}: run r: {expected}"
    assert load_run(_project(tmp_path, VALIDATED + schedule), "r").name == "r"
