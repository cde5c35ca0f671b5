"""Command ``init``: from a folder of videos to a project that `stroi check` finds valid."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from openpose_folders import body, write
from ut_files import write_set

from stroi.cache.layouts import BODY_25
from stroi.pipeline.cli import run
from stroi.pipeline.params.load import check_project, load_profile
from stroi.stages.tools.init import crop_size
from stroi.stages.tools.init.options import LABELS, WRITTEN

PARAMS = """\
# mine
rendered: []
datasets:
  - demo
sensors: []
pools: {}
runs:
  demo-x: {dataset: demo, split: x, input: skeletons}
show: demo-x
"""
DEMO = "splits: {x: {by: subject, test: [a]}}\nseeds: [0]\n" + "".join(
    f"{name}: {{}}\n"
    for name in ("sample", "index", "skeletons", "mosaics", "gcn", "weights", "resnet", "ensemble")
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "profiles").mkdir(parents=True)
    (root / "profiles" / "demo.yaml").write_text(DEMO)
    (root / "params.yaml").write_text(PARAMS)
    (root / "dvc.yaml").write_text("stages: {}\n")
    return root


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight empty videos in two classes; nothing reads them."""
    monkeypatch.setattr(crop_size, "_measure", lambda *_: (240, [60.0]))
    return _videos(tmp_path / "videos")


def _videos(folder: Path) -> Path:
    for label in ("wave", "sit"):
        (folder / label).mkdir(parents=True)
        for name in ("anna_1", "anna_2", "ben_1", "ben_2"):
            (folder / label / f"{name}.avi").write_bytes(f"{label}{name}".encode())
    return folder


def init(project: Path, *arguments: object) -> int:
    return run(["init", *map(str, arguments), "--root", str(project)])


def test_one_command_makes_a_data_set(
    project: Path, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(project, "mine", "--videos", videos, "--labels", "folders") == 0
    output = capsys.readouterr().out.splitlines()
    assert output[0] == f"{videos}: 8 clips of 2 classes"
    assert (
        output[-1]
        == "next: `dvc repro report@mine-fold1`; `dvc repro` alone runs all of params.yaml"
    )
    plan = check_project(project)
    assert plan.datasets == ("demo", "mine")
    assert plan.runs["mine-fold1"].dataset == "mine"
    assert (project / "data" / "mine" / "raw").readlink() == videos
    profile = load_profile(project, "mine")
    assert (profile.splits["fold1"].by, profile.skeletons.source) == ("id", "movenet")
    assert (project / "params.yaml").read_text().startswith("# mine\n")


def test_the_same_again_keeps_what_the_user_changed(project: Path, videos: Path) -> None:
    command = ("mine", "--videos", videos, "--pattern", "{subject}_{*}", "--split", "subject")
    assert init(project, *command) == 0
    profile = project / "profiles" / "mine.yaml"
    assert load_profile(project, "mine").splits["fold2"].by == "subject"
    profile.write_text(profile.read_text().replace("cell: 30", "cell: 44"))
    before = profile.read_bytes(), (project / "params.yaml").read_bytes()
    assert init(project, *command) == 0
    assert init(project, "mine") == 0
    assert (profile.read_bytes(), (project / "params.yaml").read_bytes()) == before
    assert init(project, *command, "--force") == 0
    assert load_profile(project, "mine").mosaics.cell == 30


def test_options_reach_the_profile(project: Path, videos: Path) -> None:
    options = ("--people", "1", "--source", "movenet", "--split", "id", "--folds", "2")
    assert init(project, "mine", "--videos", videos, *options) == 0
    profile = load_profile(project, "mine")
    assert (profile.skeletons.subjects, profile.skeletons.source) == (1, "movenet")
    assert list(profile.splits) == ["fold1", "fold2"]


@pytest.mark.parametrize("inside", [True, False])
def test_a_table_of_one_s_own(project: Path, videos: Path, tmp_path: Path, inside: bool) -> None:
    table = (videos if inside else tmp_path) / "table.csv"
    rows = ["sample_id,video,label,subject,camera"]
    for number, file in enumerate(sorted(videos.rglob("*.avi"))):
        name = file.relative_to(videos).as_posix()
        rows.append(f"c{number},{name},{file.parent.name},{file.name.split('_')[0]},")
    table.write_text("\n".join(rows))
    where = () if inside else ("--table", table)
    assert init(project, "mine", "--videos", videos, *where) == 0
    profile = load_profile(project, "mine")
    assert profile.index.adapter == "table"
    assert profile.splits["fold1"].by == "subject"
    raw = project / "data" / "mine" / "raw"
    assert raw.is_symlink() == inside
    assert (raw / "wave" / "anna_1.avi").read_bytes() == b"waveanna_1"
    assert run(["index", "mine", "--root", str(project), "--jobs", "1"]) == 0


def test_a_known_data_set_takes_its_shipped_profile(
    project: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = root / "profiles" / "ut-interaction.yaml"
    folder = write_set(tmp_path / "set1", 1)
    known = ("--videos", folder, "--labels", "ut-interaction")
    assert init(project, "ut-interaction", *known) == 0
    copy = "profiles/ut-interaction.yaml: a copy of profiles/ut-interaction.yaml, as stroi ships it"
    assert f"{copy}\n" in capsys.readouterr().out
    assert init(project, "again", *known, "--split", "fold9") == 0
    copy = "profiles/again.yaml: a copy of profiles/ut-interaction.yaml"
    assert f"{copy}\n" in capsys.readouterr().out
    assert set(check_project(project).runs) == {"demo-x", "ut-interaction-seq9-10", "again-fold9"}
    assert (project / "profiles" / "again.yaml").read_bytes() == shipped.read_bytes()


@pytest.mark.parametrize(
    ("sets", "split", "fold"),
    [((1,), "seq9-10", 3), ((2,), "seq19-20", 13), ((1, 2), "seq9-10", 13)],
)
def test_the_run_has_a_split_that_suits_what_is_there(
    project: Path, tmp_path: Path, sets: tuple[int, ...], split: str, fold: int
) -> None:
    for number in sets:
        folder = write_set(tmp_path / "videos", number)
    known = ("ut-interaction", "--videos", folder, "--labels", "ut-interaction")
    assert init(project, *known) == 0
    assert init(project, *known, "--split", f"fold{fold}") == 0
    runs = {f"ut-interaction-{name}" for name in (split, f"fold{fold}")}
    assert set(check_project(project).runs) == {"demo-x", *runs}
    assert run(["index", "ut-interaction", "--root", str(project), "--jobs", "1"]) == 0


def test_a_split_of_clips_that_are_not_there_is_refused_before_anything_is_written(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_set(tmp_path / "set2", 2)
    known = ("ut-interaction", "--videos", folder, "--labels", "ut-interaction")
    assert init(project, *known, "--split", "fold3") == 2
    assert "SPLIT_VALUE: no clip has subject '1'; the index has: 11, 12" in capsys.readouterr().err
    assert (project / "params.yaml").read_text() == PARAMS
    assert not (project / "data").exists()


@pytest.mark.parametrize("labels", LABELS)
def test_all_labels_have_a_profile(root: Path, labels: str) -> None:
    assert labels in WRITTEN or load_profile(root, labels).index.adapter == labels


def test_a_sensor_s_data_set_becomes_one(project: Path, root: Path, tmp_path: Path) -> None:
    shipped = root / "profiles" / "nucla.yaml"
    (project / "profiles" / "nucla.yaml").write_bytes(shipped.read_bytes())
    folder = tmp_path / "nucla"
    for view in (1, 2, 3):
        sample = folder / "multiview_action" / f"view_{view}" / "a01_s01_e00"
        sample.mkdir(parents=True)
        (sample / "frame_1_tc_1_rgb.jpg").write_bytes(b"")
    assert init(project, "nucla", "--videos", folder, "--labels", "nucla") == 0
    plan = check_project(project)
    assert plan.sensors == ("nucla",)
    (name,) = set(plan.runs) - {"demo-x"}
    assert plan.runs[name].input == "skeletons3d"


REFUSED = {
    "no videos found": (
        ("mine", "--videos", "<empty>"),
        3,
        "DATASET_EMPTY: <empty> holds no video in a class's folder (it is empty); put videos "
        "(.avi, .mkv, .mov, .mp4, .m4v, .webm, .mpg, .mpeg,",
    ),
    "one class": (
        ("mine", "--videos", "<one>"),
        3,
        "INIT_CLASSES: there is only one class, 'wave'; put the videos of",
    ),
    "no split": (
        ("mine", "--videos", "<videos>", "--split", "subject"),
        2,
        "INIT_SPLIT: a split by",
    ),
    "no pattern": (
        ("mine", "--videos", "<videos>", "--pattern", "{who}"),
        2,
        "INIT_PATTERN: '{who}' is no pattern: no field {who}: there are {subject}",
    ),
    "pattern with a table": (
        ("mine", "--videos", "<videos>", "--labels", "table", "--pattern", "{subject}"),
        2,
        "INIT_OPTIONS: --pattern goes with --labels folders, not with table; leave one of them",
    ),
    "no table": (
        ("mine", "--videos", "<videos>", "--labels", "table"),
        3,
        "CSV_MISSING: <videos>/tab",
    ),
    "no poses": (
        ("mine", "--videos", "<videos>", "--source", "openpose-json"),
        2,
        "INIT_SOURCE: no clip has JSON files of OpenPose, first: sit_anna_1: 'openpose-json/sit_a",
    ),
    "another kind": (
        ("demo", "--videos", "<videos>"),
        2,
        "INIT_PROFILE: profiles/demo.yaml exists for table, not for folders; take another name",
    ),
    "bad name": (("my set", "--videos", "<videos>"), 2, "PARAMS_NAME: 'my set' cannot name"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_leaves_no_trace(
    project: Path, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "one" / "wave").mkdir(parents=True)
    (tmp_path / "one" / "wave" / "a.avi").write_bytes(b"")
    names = {"<empty>": tmp_path / "empty", "<one>": tmp_path / "one", "<videos>": videos}
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    arguments, status, message = REFUSED[case]
    assert init(project, *(names.get(word, word) for word in arguments)) == status
    last = capsys.readouterr().err.splitlines()[-1]
    for word, path in (*names.items(), ("<project>", project)):
        message = message.replace(word, str(path))
    assert last.startswith(f"error: {message}")
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before
    assert not (project / "data").exists()


def test_a_table_whose_videos_are_elsewhere(
    project: Path, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("sample_id,video,label,subject,camera\na,other/a.avi,x,,\n")
    assert init(project, "mine", "--videos", videos, "--table", table) == 3
    assert "INIT_TABLE: no video of" in capsys.readouterr().err


def test_a_project_that_cannot_be_written(
    project: Path, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "data").write_bytes(b"a file, where a folder has to be")
    assert init(project, "mine", "--videos", videos) == 1
    assert "WRITE_FAILED" in capsys.readouterr().err
    assert (project / "params.yaml").read_text() == PARAMS
    assert not (project / "profiles" / "mine.yaml").exists()


def test_outside_a_project(
    tmp_path: Path, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "nowhere").mkdir()
    assert init(tmp_path / "nowhere", "mine", "--videos", videos) == 2
    output = capsys.readouterr().err
    assert (
        "has no dvc.yaml and no params.yaml: it is no stroi project; make one by `stroi new DIR`"
        in output
    )


def test_without_a_terminal_the_videos_have_to_be_named(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(project, "mine") == 2
    assert "no folder of videos: give --videos DIR, or put them into" in capsys.readouterr().err


def test_on_a_terminal_it_asks(project: Path, tmp_path: Path) -> None:
    folder = _videos(tmp_path / "videos")
    answers = (folder, "folders", "{subject", "{subject}_{*}", "auto", "1", "movenet")
    script = (
        "import sys; from stroi.pipeline.cli import run\n"
        "from stroi.stages.tools.init import crop_size\n"
        "crop_size._measure = lambda *_: (240, [60.0])\n"
        "sys.exit(run(['init', 'mine', '--root', sys.argv[1]]))"
    )
    ours, theirs = pty.openpty()
    try:
        os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
        command = [sys.executable, "-c", script, str(project)]
        done = subprocess.run(
            command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True
        )
        shown = os.read(ours, 65536).decode()
    finally:
        os.close(theirs)
        os.close(ours)
    assert done.returncode == 0, done.stderr + shown
    assert "a brace without its other half" in shown + done.stderr
    profile = load_profile(project, "mine")
    assert profile.index.pattern == "{subject}_{*}"
    assert profile.splits["fold1"].by == "subject"
    assert (profile.skeletons.subjects, profile.skeletons.source) == (1, "movenet")


def json_table(videos: Path, folder: str = "") -> Path:
    """A table of the eight videos, and JSON files of OpenPose in the default folders."""
    rows = ["sample_id,video,label,subject,camera,skeleton"]
    for place in sorted(videos.rglob("*.avi")):
        name = f"{place.parent.name}_{place.stem}"
        rows.append(f"{name},{place.relative_to(videos)},{place.parent.name},,,{folder}")
        write(videos / "openpose-json" / name, {0: [], 1: []})
    table = videos.parent / "t.csv"
    table.write_text("\n".join(rows) + "\n")
    return table


def test_json_in_the_default_folders_needs_no_column(
    project: Path, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = json_table(videos)
    (videos / "openpose-json" / "wave_ben_2" / "clip_000000000000_keypoints.json").unlink()
    (videos / "openpose-json" / "wave_ben_2" / "clip_000000000001_keypoints.json").unlink()
    command = ("mine", "--videos", videos, "--table", table, "--source", "openpose-json")
    assert init(project, *command) == 0
    assert load_profile(project, "mine").skeletons.source == "openpose-json"
    linked = project / "data" / "mine" / "raw" / "openpose-json"
    assert len(list(linked.glob("*/*_keypoints.json"))) == 14
    assert not any(folder.is_symlink() for folder in linked.iterdir())
    assert (
        "will be quarantined: wave_ben_2: 'openpose-json/wave_ben_2': 'wave_ben_2': holds no"
        in (capsys.readouterr().out)
    )


def test_json_in_the_default_folders_of_class_folders(project: Path, videos: Path) -> None:
    json_table(videos)
    command = ("mine", "--videos", videos, "--labels", "folders", "--source", "openpose-json")
    assert init(project, *command) == 0
    assert load_profile(project, "mine").skeletons.source == "openpose-json"


def test_the_crop_is_measured_in_the_json_files_of_all_clips(
    project: Path, videos: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crop_size, "_movenet", None)
    monkeypatch.setattr(crop_size, "_measure", lambda *_: (240, []))
    table = json_table(videos)
    for number, folder in enumerate(sorted((videos / "openpose-json").iterdir())):
        scale = np.array([1 + number / 10, 1 + number / 10, 1])
        people = [body(BODY_25, 0, 0) * scale + np.array([300, 200, 0])]
        write(folder, dict.fromkeys(range(12), people))
    command = ("mine", "--videos", videos, "--table", table, "--source", "openpose-json")
    assert init(project, *command) == 0
    # Eight torsos of 50 to 85 px, in five frames each.
    text = "crops of 34 px: half of 68 px, the median of 40 torsos of the skeletons of 8 clips"
    assert text in capsys.readouterr().out
    assert load_profile(project, "mine").mosaics.cell == 34


def test_linked_json_folder_is_refused_at_once(
    project: Path, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    json_table(videos)
    moved = (videos / "openpose-json").rename(videos.parent / "elsewhere")
    (videos / "openpose-json").symlink_to(moved)
    (videos / "table.csv").write_text((videos.parent / "t.csv").read_text())
    command = ("mine", "--videos", videos, "--labels", "table", "--source", "openpose-json")
    assert init(project, *command) == 3
    assert f"LINKED_FOLDER: {videos / 'openpose-json'} is a link" in capsys.readouterr().err
    assert not (project / "data").exists()
