"""Command ``init --skeletons``: skeletons alone, with videos, with a camera, and what is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from own_people import CAMERA, LAYOUT, person, pixels, write_data_set

from stroi.pipeline.cli import run
from stroi.pipeline.index.table import read_index
from stroi.pipeline.params.load import check_project, load_profile
from stroi.stages.tools.init import crop_size

PARAMS = "rendered: []\ndatasets: []\nsensors: []\npools: {}\nruns: {}\nshow: mine-fold1\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "profiles").mkdir(parents=True)
    (root / "params.yaml").write_text(PARAMS)
    (root / "dvc.yaml").write_text("stages: {}\n")
    return root


def init(project: Path, *arguments: object) -> int:
    return run(["init", "mine", *map(str, arguments), "--root", str(project)])


def index(project: Path) -> int:
    return run(["index", "mine", "--root", str(project), "--jobs", "1"])


def test_skeletons_alone_lead_to_the_graph_network(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_data_set(tmp_path / "own", 30)
    assert init(project, "--skeletons", folder, "--pattern", "{subject}_{*}") == 0
    output = capsys.readouterr().out
    assert "30 clips of 3 classes" in output
    assert "next: `dvc repro gcn-report@mine-fold1`, the graph network alone" in output
    profile = load_profile(project, "mine")
    assert profile.skeletons.own.joints.joints == tuple(LAYOUT["joints"])
    assert (profile.skeletons3d.format, profile.index.adapter) == ("own", "table")
    assert profile.splits["fold1"].by == "subject"
    plan = check_project(project)
    assert (plan.datasets, plan.sensors) == (("mine",), ("mine",))
    assert plan.runs["mine-fold1"].input == "skeletons3d"
    assert index(project) == 0
    samples = read_index(project / "data" / "mine" / "index").samples
    assert (samples[0].id, samples[0].skeleton, samples[0].video, samples[0].subject) == (
        "bow_p0_02", "bow/p0_02.npz", "", "p0",
    )  # fmt: skip
    # The same again, with and without its options, changes nothing.
    before = {path: path.read_bytes() for path in project.rglob("*.*") if path.is_file()}
    assert init(project, "--skeletons", folder, "--pattern", "{subject}_{*}") == 0
    assert init(project) == 0
    after = {path: path.read_bytes() for path in project.rglob("*.*") if path.is_file()}
    assert {path: data for path, data in after.items() if path in before} == before


def test_with_videos_and_a_camera_no_estimator_is_needed(
    project: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crop_size, "_movenet", None)
    folder = write_data_set(tmp_path / "own", 12, videos=True)
    assert init(project, "--skeletons", folder) == 0
    output = capsys.readouterr().out
    torsos = [
        np.linalg.norm(places[:, [1, 4]].mean(1) - places[:, [7, 10]].mean(1), axis=1)
        for number in range(12)
        for places in [pixels(person(("raise", "kick", "bow")[number % 3], number))]
    ]
    length = float(np.median(np.concatenate(torsos)))
    expected = f"half of {length:.0f} px, the median of {12 * 24} torsos of the skeletons of 12"
    assert expected in output
    assert "next: `dvc repro`" in output
    profile = load_profile(project, "mine")
    assert profile.skeletons.source == "own"
    assert profile.mosaics.cell == 2 * round(length / 4)
    assert profile.skeletons.own.cameras["any"].focal == (300.0, 300.0)
    assert index(project) == 0
    assert read_index(project / "data" / "mine" / "index").samples[0].video == "bow/p0_02.avi"


def test_skeletons_and_videos_in_two_folders(project: Path, tmp_path: Path) -> None:
    folder = write_data_set(tmp_path / "set" / "all", 12, videos=True)
    for place in sorted(folder.glob("*/*.avi")):
        other = tmp_path / "set" / "videos" / place.parent.name
        other.mkdir(parents=True, exist_ok=True)
        place.rename(other / place.name)
    moved = tmp_path / "joints.yaml"
    (folder / "layout.yaml").rename(moved)
    videos = tmp_path / "set" / "videos"
    command = ("--skeletons", folder, "--videos", videos, "--layout", moved)
    assert init(project, *command) == 0
    raw = project / "data" / "mine" / "raw"
    assert (raw / "videos" / "bow" / "p0_02.avi").readlink() == videos / "bow" / "p0_02.avi"
    assert (raw / "all" / "bow" / "p0_02.npz").is_symlink()
    assert index(project) == 0


def test_a_table_names_skeletons_and_cameras(project: Path, tmp_path: Path) -> None:
    folder = write_data_set(tmp_path / "own", 12, videos=True)
    (folder / "camera.yaml").write_text(json.dumps({"front": CAMERA, "side": CAMERA}))
    rows = ["sample_id,label,subject,camera,video,skeleton"]
    for number, file in enumerate(sorted(folder.glob("*/*.npz"))):
        place = file.relative_to(folder)
        camera = "front" if number % 2 else "side"
        rows.append(
            f"c{number},{file.parent.name},{file.name[:2]},{camera},"
            f"{place.with_suffix('.avi')},{place}"
        )
    (folder / "table.csv").write_text("\n".join(rows))
    assert init(project, "--skeletons", folder) == 0
    profile = load_profile(project, "mine")
    assert profile.skeletons.source == "own"
    assert set(profile.skeletons.own.cameras) == {"front", "side"}
    assert index(project) == 0
    assert read_index(project / "data" / "mine" / "index").samples[1].camera == "front"


def test_videos_without_a_camera_are_left_to_an_estimator(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_data_set(tmp_path / "own", 6, videos=True)
    (folder / "camera.yaml").unlink()
    (folder / "bow" / "p0_02.avi").unlink()
    shutil.copy(folder / "kick" / "p0_01.avi", folder / "kick" / "extra.avi")
    assert init(project, "--skeletons", folder) == 0
    output = capsys.readouterr().out
    assert "1 of 6 clips have no video, first 'bow/p0_02.npz'" in output
    assert "left out: 1 videos without a skeleton, first 'kick/extra.avi'" in output
    assert "the mosaics show people as movenet finds them" in output
    assert load_profile(project, "mine").skeletons.source == "movenet"


def test_a_file_with_three_people_sets_their_number(project: Path, tmp_path: Path) -> None:
    folder = write_data_set(tmp_path / "own", 6)
    places = [[-1, 0, 0], [0, 0, 0], [1, 0, 0]]
    crowd = np.stack([person("bow", 2) + place for place in places], axis=1)
    np.savez(folder / "bow" / "p0_02", position=crowd)
    assert init(project, "--skeletons", folder) == 0
    assert load_profile(project, "mine").skeletons.people == 3


def test_files_that_cannot_be_read_are_named(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_data_set(tmp_path / "own", 12)
    (folder / "bow" / "p0_02.npz").write_bytes(b"no skeleton")
    assert init(project, "--skeletons", folder) == 0
    assert (
        "will be quarantined: bow_p0_02: SKEL_FORMAT: 'p0_02.npz': is no .npz file"
        in capsys.readouterr().out
    )


REFUSED = {
    "no layout": (
        ("--skeletons", "<bare>"), 2,
        "INIT_LAYOUT: the joints are not named; give --layout with kinect_v1, kinect_v2, body25_3d,"
        " coco17_3d, mocap35, or with a YAML file of joints, bones and centre; ",
    ),
    "unknown layout": (
        ("--skeletons", "<bare>", "--layout", "kinect"), 2,
        "INIT_LAYOUT: there is no layout 'kinect'; give --layout with kinect_v1,",
    ),
    "another layout": (
        ("--skeletons", "<bare>", "--layout", "kinect_v2"), 3,
        "INIT_SKELETONS: none of 6 skeletons can be read, first bow_p0_02: SKEL_COUNT:"
        " 'p0_02.npz': position has 13 joints, kinect_v2 has 25",
    ),
    "no tree": (
        ("--skeletons", "<own>", "--layout", "<loose>"), 2,
        "PARAMS: 1 mistake in the params, the first at <loose>:1: file: bones: they are no tree:"
        " none leads from 'top' to 'LAn'; nothing was run",
    ),
    "no hand": (
        ("--skeletons", "<own>", "--layout", "<handless>"), 2,
        "ROWS_LAYOUT: row left_hand shows left_wrist, and the skeletons (stick13) have no such"
        " joint to weigh it by; name the joint that stands for it in body25 of their layout, or",
    ),
    "no camera": (
        ("--skeletons", "<own>", "--camera", "<lens>"), 2,
        "PARAMS: 1 mistake in the params, the first at <lens>:1: file: distortion has 1",
    ),
    "nothing there": (
        ("--skeletons", "<empty>", "--layout", "kinect_v2"), 3,
        "DATASET_EMPTY: <empty> holds no skeleton (.npz, .csv) in a class's folder; make a folder",
    ),
    "no skeletons named": (
        ("--videos", "<own>", "--layout", "kinect_v2"), 2,
        "INIT_OPTIONS: --layout goes with --skeletons; name the folder of the skeletons, or leave",
    ),
    "a known data set": (
        ("--skeletons", "<own>", "--labels", "nucla"), 2,
        "INIT_OPTIONS: --skeletons goes with --labels folders or table, not with nucla; leave one",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_leaves_no_trace(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    names = {f"<{name}>": tmp_path / name for name in ("own", "bare", "empty", "loose", "lens")}
    names["<handless>"] = tmp_path / "handless"
    write_data_set(names["<own>"], 6)
    (write_data_set(names["<bare>"], 6) / "layout.yaml").unlink()
    names["<empty>"].mkdir()
    names["<loose>"].write_text(json.dumps(LAYOUT | {"bones": LAYOUT["bones"][:-1]}))
    body25 = {joint: own for joint, own in LAYOUT["body25"].items() if joint != "left_wrist"}
    names["<handless>"].write_text(json.dumps(LAYOUT | {"body25": body25}))
    names["<lens>"].write_text(json.dumps(CAMERA | {"distortion": [0.1]}))
    arguments, status, message = REFUSED[case]
    assert init(project, *(names.get(word, word) for word in arguments)) == status
    last = capsys.readouterr().err.splitlines()[-1]
    for word, path in names.items():
        message = message.replace(word, str(path))
    assert last.startswith(f"error: {message}")
    assert (project / "params.yaml").read_text() == PARAMS
    assert not (project / "data").exists()
