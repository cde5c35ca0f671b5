"""The plug-ins of docs/extending.md: installed, run by the stages that use them, and removed."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from dvc.utils.serialize import loads_yaml
from lab_package import CHOSEN, MODULES, PROFILE, install, lab_project, stroi, uninstall

from stroi.cache.manifest import read_manifest
from stroi.cache.scores import read_scores
from stroi.cache.skeletons import SkeletonCache
from stroi.cache.skeletons3d import JointCache
from stroi.pipeline.index.csv import read_csv
from stroi.pipeline.index.table import read_index
from stroi.pipeline.params.profile import Profile
from stroi.pipeline.versions import code_versions
from stroi.trainer.network_files.safetensors_io import read_meta
from stroi.trainer.plugins import GROUPS

STAGES = (
    "index lab --jobs 1", "skeletons lab --jobs 1", "skeletons3d lab --jobs 1",
    "mosaics lab --jobs 1", "gcn lab-people --threads 1", "weights lab-people --threads 1",
    *(f"resnet lab-people {mode} --threads 1" for mode in ("plain", "fixed", "end-to-end")),
    "ensemble lab-people", "report lab-people", "gcn-report lab-people",
)  # fmt: skip
PACKAGE = "stroi-lab 0.3"


@dataclass(frozen=True)
class Lab:
    """A project whose every part is a plug-in, run from videos to report."""

    project: Path
    site: Path
    done: CompletedProcess[str]

    def run(self, *commands: str) -> CompletedProcess[str]:
        return stroi(self.project, *commands, site=self.site)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("lab")
    install(folder / "site")
    project = lab_project(folder / "project")
    done = stroi(project, "upgrade", "check", *STAGES, site=folder / "site")
    assert done.returncode == 0, done.stderr
    return Lab(project, folder / "site", done)


@pytest.fixture
def lab(finished: Lab, tmp_path: Path) -> Lab:
    """A copy of it, free to change."""
    shutil.copytree(finished.project, tmp_path / "project")
    shutil.copytree(finished.site, tmp_path / "site")
    return Lab(tmp_path / "project", tmp_path / "site", finished.done)


def test_every_group_has_an_example_of_at_most_60_lines() -> None:
    assert len(MODULES) == len(GROUPS)
    for place, code in MODULES.items():
        lines = len(code.splitlines())
        assert lines <= 60, f"{place}: {lines}"


def test_the_profile_of_the_page_is_what_is_run_here() -> None:
    run = loads_yaml(PROFILE)
    for section, values in loads_yaml(CHOSEN).items():
        assert values.items() <= run[section].items()


def test_the_index_is_the_adapters(finished: Lab) -> None:
    assert f"clips listed by plug-in lab 1 of {PACKAGE}" in finished.done.stdout
    samples = read_index(finished.project / "data/lab/index").samples
    listed = {(each.id, each.label, each.subject, each.skeleton) for each in samples}
    assert ("walk-anna-front", "walk", "anna", "walk-anna-front.npy") in listed
    assert len(listed) == 8


def test_skeletons_are_the_sources_and_name_it(finished: Lab) -> None:
    folder = finished.project / "data/lab/skeletons"
    manifest = read_manifest(folder)
    assert manifest.producer["estimator"] == "silhouette"
    assert manifest.producer["plugin"] == "silhouette 1"
    assert manifest.producer["plugin_package"] == PACKAGE
    assert manifest.producer["options"] == manifest.params["options"] == {"threshold": 100}
    keypoints = SkeletonCache(folder)["walk-anna-front"].keypoints
    # The person walks a px to the right from frame to frame.
    assert keypoints[29, 0, 8, 0] - keypoints[0, 0, 8, 0] == pytest.approx(29, abs=3)


def test_3d_joints_are_the_formats_and_name_it(finished: Lab) -> None:
    folder = finished.project / "data/lab/skeletons3d"
    manifest = read_manifest(folder)
    assert (manifest.producer["plugin"], manifest.producer["plugin_package"]) == (
        "lab-npy 1",
        PACKAGE,
    )
    assert manifest.params["options"] == {"unit": "mm"}
    position = JointCache(folder)["jump-dora-front"].position
    assert 1 <= position[:, 0].min() <= position[:, 0].max() <= 2


@pytest.mark.parametrize(
    ("stage", "plugin", "options"),
    [
        ("gcn", "plain-gcn 1", {"layers": 2}),
        ("resnet-plain", "small-cnn 1", {"width": 8}),
        ("resnet-end-to-end", "small-cnn 1", {"width": 8}),
    ],
)
def test_scores_and_checkpoints_name_their_network(
    finished: Lab, stage: str, plugin: str, options: dict[str, int]
) -> None:
    seed = finished.project / "runs/lab-people" / stage / "seed-0"
    manifest = read_manifest(seed / "scores")
    assert manifest.params["options"] == options
    assert (manifest.producer["plugin"], manifest.producer["plugin_package"]) == (plugin, PACKAGE)
    config = read_meta(seed / "checkpoint.safetensors")["config"]
    assert isinstance(config, dict)
    assert (config["model"], config["options"]) == (plugin.split()[0], options)


def test_the_further_row_is_in_table_metrics_and_page(finished: Lab) -> None:
    run = finished.project / "runs/lab-people"
    table = json.loads((run / "ensemble/table.json").read_bytes())
    names = [row["method"]["name"] for row in table["rows"]]
    assert names[:4] == ["PlainGCN", "SmallCNN", "SmallCNN + weights", "SmallCNN + weights"]
    assert names[7:] == ["Ensemble 1+2+4"]
    pairs = [(each["first"], each["second"]) for each in table["comparisons"]]
    assert pairs[-2:] == [(5, 8), (7, 8)]
    assert table["plugins"] == {"three": {"plugin": "three 1", "plugin_package": PACKAGE}}
    assert json.loads((run / "metrics.json").read_bytes())["row8"] == pytest.approx(
        table["rows"][7]["accuracy"], abs=0.01
    )
    page = (run / "report.html").read_text()
    assert "<h2>The 8 rows</h2>" in page
    assert "Row 8: Ensemble 1+2+4" in page


def test_its_scores_are_the_weighted_sum(finished: Lab) -> None:
    run = finished.project / "runs/lab-people"
    streams = [
        read_scores(run / stage / "seed-0" / "scores", "test")
        for stage in ("gcn", "resnet-plain", "resnet-fixed")
    ]
    total = sum(factor * each.logits for factor, each in zip((1, 0.5, 0.5), streams, strict=True))
    rows = read_csv(run / "ensemble/predictions.csv", required=("id", "row8"))
    predicted = {row["id"]: row["row8"] for _, row in rows}
    classes = streams[0].classes
    expected = {
        name: classes[label]
        for name, label in zip(streams[0].ids, total.argmax(axis=1), strict=True)  # type: ignore[union-attr]
    }
    assert predicted == expected


def test_params_prints_their_params(finished: Lab) -> None:
    printed = finished.run("params").stdout
    assert (
        f"# skeletons.source: silhouette ({PACKAGE})\n"
        "# skeletons.options:\n"
        "#   # Least brightness of the person's pixels.\n"
        "#   threshold: 128\n"
    ) in printed
    assert (
        "one of: auto, openpose-json, kinect, own, movenet, openpose, onnx, silhouette" in printed
    )
    assert Profile.model_validate_json(json.dumps(loads_yaml(printed))) == Profile()


def test_doctor_has_a_line_of_each(finished: Lab) -> None:
    lines = json.loads(finished.run("doctor --json").stdout)
    found = {line["name"]: line for line in lines if line["topic"] == "plug-ins"}
    assert set(found) == {
        "datasets: lab", "pose: silhouette", "sensors: lab-npy", "graph_nets: plain-gcn",
        "rgb_nets: small-cnn", "methods: three",
    }  # fmt: skip
    assert found["pose: silhouette"]["detail"] == f"{PACKAGE}, version 1; needs no network"
    assert {line["state"] for line in found.values()} == {"ok"}


def test_mistakes_in_their_params_are_reported_with_file_and_line(lab: Lab) -> None:
    profile = lab.project / "profiles/lab.yaml"
    text = profile.read_text().replace("threshold: 100", "threshold: 999, colour: red")
    profile.write_text(text.replace("layers: 2", "layers: two"))
    done = lab.run("check")
    assert done.returncode == 2
    assert [line.partition("profiles/")[2] for line in done.stderr.splitlines()[:3]] == [
        "lab.yaml:4: skeletons.options.colour: unknown key; remove it or correct its spelling",
        "lab.yaml:4: skeletons.options.threshold: Input should be less than or equal to 255, "
        "got 999",
        "lab.yaml:11: gcn.options.layers: Input should be a valid integer, got 'two'",
    ]


@pytest.mark.nightly
def test_a_raised_version_is_asked_for_and_makes_new_results(lab: Lab) -> None:
    versions = loads_yaml((lab.project / "versions.yaml").read_text())
    code = code_versions()
    assert versions["skeletons"] == f"{code['skeletons']}, silhouette 1"
    assert versions["resnet"] == f"{code['resnet']}, plain-gcn 1, small-cnn 1"
    assert versions["mosaics"] == code["mosaics"]
    detections = set((lab.project / ".stroi/detections").iterdir())
    assert lab.run("skeletons lab --jobs 1").returncode == 0
    assert set((lab.project / ".stroi/detections").iterdir()) == detections

    module = lab.site / "stroi_lab/silhouette.py"
    module.write_text(module.read_text().replace("PoseSource(", "PoseSource(version=2, "))
    done = lab.run("skeletons lab --jobs 1")
    assert done.returncode == 2
    assert f"({'skeletons'}: {versions['skeletons']} -> {code['skeletons']}, silhouette 2)" in (
        done.stderr
    )
    assert lab.run("upgrade", "skeletons lab --jobs 1").returncode == 0
    assert read_manifest(lab.project / "data/lab/skeletons").producer["plugin"] == "silhouette 2"
    assert len(set((lab.project / ".stroi/detections").iterdir()) - detections) == 8


def test_other_options_train_another_network(lab: Lab) -> None:
    profile = lab.project / "profiles/lab.yaml"
    before = read_manifest(lab.project / "runs/lab-people/gcn/seed-0/scores").producer
    profile.write_text(profile.read_text().replace("layers: 2", "layers: 3"))
    done = lab.run("gcn lab-people --threads 1")
    assert done.returncode == 0, done.stderr
    after = read_manifest(lab.project / "runs/lab-people/gcn/seed-0/scores").producer
    assert before["checkpoint"] != after["checkpoint"]


def test_after_removal_the_profile_is_refused_and_stroi_works(lab: Lab) -> None:
    uninstall(lab.site)
    assert "stroi-lab" not in lab.run("params").stdout
    done = lab.run("check")
    assert done.returncode == 2
    assert (
        "index.adapter: Input should be one of demo, table, nucla, ntu60, ntu120, folders, "
        "ut-interaction, pku-mmd, toyota-smarthome, toyota-smarthome-cv, smarthome-untrimmed, "
        "or a plug-in whose package is installed, got 'lab'"
    ) in done.stderr
    assert len([line for line in done.stderr.splitlines() if "is installed, got" in line]) == 7
    assert "options" not in done.stderr  # nobody knows whether they are mistakes
    assert lab.run("index lab").returncode == 2
    (lab.project / "profiles/lab.yaml").write_text(
        "splits: {people: {by: subject, test: [carl]}}\n"
    )
    shutil.rmtree(lab.project / "data")
    assert lab.run("upgrade", "check").returncode == 0
    assert loads_yaml((lab.project / "versions.yaml").read_text()) == code_versions()


def test_help_imports_no_plugin(tmp_path: Path) -> None:
    install(tmp_path, "loud", {"stroi.datasets": {"loud": "no_such_module:X"}})
    assert stroi(tmp_path, "--help", site=tmp_path).returncode == 0
    done = stroi(tmp_path, "doctor --json", site=tmp_path)
    (line,) = (each for each in json.loads(done.stdout) if each["topic"] == "plug-ins")
    assert line["state"] == "missing"
    assert line["detail"] == (
        "PLUGIN_BROKEN: stroi.datasets: loud cannot be imported "
        "(ModuleNotFoundError: No module named 'no_such_module')"
    )
    assert line["remedy"] == "update or remove loud 0.3"
