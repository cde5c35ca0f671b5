"""What `stroi init` and `stroi check` say about what will end or weaken a run, and what to do."""

from __future__ import annotations

import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

from stroi.pipeline.cli import run
from stroi.pipeline.params.load import load_profile
from stroi.stages.demo.clips import DemoClip
from stroi.stages.demo.render import render_clip
from stroi.stages.tools.init import crop_size

PARAMS = f"""\
stroi: {version("stroi")}
rendered: []
datasets: [demo]
sensors: []
pools: {{}}
runs:
  demo-xsub: {{dataset: demo, split: xsub, input: skeletons}}
show: demo-xsub
"""
NAMES = ("anna_1", "anna_2", "ben_1", "ben_2")


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Path:
    made = tmp_path / "project"
    (made / "profiles").mkdir(parents=True)
    for name in ("dvc.yaml", "versions.yaml", "profiles/demo.yaml"):
        shutil.copy(root / name, made / name)
    (made / "params.yaml").write_text(PARAMS)
    return made


@pytest.fixture
def videos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Eight files in two classes; nothing reads them."""
    monkeypatch.setattr(crop_size, "_measure", lambda *_: (240, [60.0]))
    for label in ("wave", "sit"):
        (tmp_path / "videos" / label).mkdir(parents=True)
        for name in NAMES:
            (tmp_path / "videos" / label / f"{name}.avi").write_bytes(f"{label}{name}".encode())
    return tmp_path / "videos"


def init(project: Path, *arguments: object) -> int:
    return run(["init", "mine", *map(str, arguments), "--root", str(project)])


def notes(capsys: pytest.CaptureFixture[str]) -> list[str]:
    lines = capsys.readouterr().out.splitlines()
    return [line.removeprefix("note: ") for line in lines if line.startswith("note: ")]


def write_table(videos: Path, *rows: str, columns: str = "") -> Path:
    table = videos / "table.csv"
    table.write_text("\n".join((f"sample_id,video,label,subject,camera{columns}", *rows)))
    return table


def test_few_clips_and_small_classes_are_named(
    project: Path, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(project, "--videos", videos, "--split", "id", "--folds", "4") == 0
    said = notes(capsys)
    assert "only 2 test clips: one clip changes the accuracy by 50.0 points" in said
    assert "2 classes ('sit', 'wave') with fewer than 5 training clips" in said


def test_people_on_both_sides_are_named_where_they_are_known(
    project: Path, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("--videos", videos, "--pattern", "{subject}_{*}", "--split", "id", "--folds", "2")
    assert init(project, *command) == 0
    output = capsys.readouterr().out
    assert "note: 2 of 2 subjects are on both sides, such as 'anna': the split is by id" in output
    assert "the performers are not known" not in output


def test_copies_are_found_before_anything_runs(
    project: Path, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(videos / "wave" / "anna_1.avi", videos / "sit" / "copy_1.avi")
    command = ("--videos", videos, "--pattern", "{subject}_{*}")
    assert init(project, *command) == 0
    said = notes(capsys)
    assert said[0].startswith("1 videos are there under two names (1 in two classes): 'sit/copy_1")
    assert any("cannot be used: SPLIT_LEAK: " in one for one in said)
    run_split = load_profile(project, "mine").splits
    assert set(run_split) == {"fold1", "fold2", "fold3"}


def test_copies_that_no_split_keeps_together_are_refused(
    project: Path, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(videos / "wave" / "anna_1.avi", videos / "sit" / "ben_3.avi")
    assert init(project, "--videos", videos, "--pattern", "{subject}_{*}") == 3
    said = capsys.readouterr().err
    assert "SPLIT_LEAK: " in said
    assert "are the same video; remove one of them from the data set" in said
    assert not (project / "profiles" / "mine.yaml").exists()


def test_a_linked_json_folder_is_refused_here(
    project: Path, videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "json" / "c0").mkdir(parents=True)
    (videos / "poses").symlink_to(tmp_path / "json")
    files = sorted(video.relative_to(videos).as_posix() for video in videos.rglob("*.avi"))
    rows = [
        f"c{number},{file},{file.split('/')[0]},{number % 2},,poses/c0"
        for number, file in enumerate(files)
    ]
    write_table(videos, *rows, columns=",skeleton")
    assert init(project, "--videos", videos, "--source", "openpose-json") == 3
    assert f"LINKED_FOLDER: {videos}/poses is a link, and DVC would not" in capsys.readouterr().err
    assert not (project / "data").exists()


def test_missing_files_and_the_param_that_allows_them_are_named(
    project: Path, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [f"{label}/{name}" for label in ("wave", "sit") for name in NAMES]
    endings = [""] * 2 + [".avi"] * 6
    rows = [
        f"c{number},{place}{ending},{place.split('/')[0]},{place.split('/')[1][:3]},"
        for number, (place, ending) in enumerate(zip(places, endings, strict=True))
    ]
    write_table(videos, *rows)
    assert init(project, "--videos", videos) == 0
    said = notes(capsys)
    assert said[0] == (
        "the files of 2 of 8 clips are missing: 'wave/anna_1' (perhaps 'wave/anna_1.avi'),"
        " 'wave/anna_2' (perhaps 'wave/anna_2.avi')"
    )
    assert said[1].startswith("2 of 8 clips (25 %) will be quarantined, and stage index stops at")
    assert said[1].endswith("or set index.max_quarantined to 0.25 in profiles/mine.yaml")
    check(project)
    assert said[:2] == notes(capsys)[:2]
    assert index(project) == 1
    profile = project / "profiles" / "mine.yaml"
    limit = "  adapter: table\n  max_quarantined: 0.25\n"
    profile.write_text(profile.read_text().replace("  adapter: table\n", limit))
    assert index(project) == 0
    ledger = (project / "data" / "mine" / "index" / "ledger.csv").read_text()
    assert "wave/anna_1 is neither a file nor a folder; write wave/anna_1.avi, if" in ledger


def check(project: Path) -> None:
    assert run(["check", "--root", str(project)]) == 0


def index(project: Path) -> int:
    return run(["index", "mine", "--root", str(project), "--jobs", "1"])


def test_a_table_without_endings_names_the_file_that_is_there(
    project: Path, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(videos, "a,wave/anna_1,wave,,", "b,sit/ben_1,sit,,")
    assert init(project, "--videos", videos) == 3
    assert "; write 'wave/anna_1.avi', and the others likewise" in capsys.readouterr().err


def test_one_bad_video_of_eight_is_foreseen(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "eight"
    for label, pair in {"drink": "sip", "read": "browse"}.items():
        (folder / label).mkdir(parents=True)
        for number in range(1, 5):
            clip = DemoClip(
                f"{label}{number}", label, f"s{number:02d}", "c1", pair, seed=0, frames=(30, 31)
            )
            render_clip(clip, folder / label / f"{number}.avi")
    (folder / "drink" / "1.avi").write_bytes(b"no video")
    assert init(project, "--videos", folder) == 0
    output = capsys.readouterr().out
    assert "will be quarantined: drink/1.avi: VIDEO_MAGIC: " in output
    assert (
        "note: 1 of 8 clips (12 %) will be quarantined, and stage skeletons stops at more than"
        " 5 %: convert them (`ffmpeg -i FILE -c:v libx264 -pix_fmt yuv420p NEW.mp4`), or set"
        " skeletons.max_quarantined to 0.13 in profiles/mine.yaml"
    ) in output


def test_options_that_an_existing_profile_contradicts_are_named(
    project: Path, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(project, "--videos", videos, "--people", "1", "--folds", "2") == 0
    capsys.readouterr()
    given = ("--people", "2", "--folds", "3", "--source", "openpose")
    assert init(project, "--videos", videos, *given) == 0
    said = [one for one in notes(capsys) if "no effect" in one]
    assert said == [
        f"--{option} has no effect, because profiles/mine.yaml is taken as it is: change"
        f" {key} there, or write it anew by --force"
        for option, key in (
            ("people 2", "skeletons.subjects"),
            ("source openpose", "skeletons.source"),
            ("folds 3", "splits"),
        )
    ]
    assert init(project, "--videos", videos, "--people", "1", "--folds", "2") == 0
    assert not [one for one in notes(capsys) if "no effect" in one]


def test_skeletons_alone_lead_to_the_report_that_needs_no_more(
    project: Path, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = (root / "profiles" / "nucla.yaml").read_bytes()
    (project / "profiles" / "nucla.yaml").write_bytes(shipped)
    folder = tmp_path / "all_sqe"
    folder.mkdir()
    for view in (1, 2, 3):
        (folder / f"a01_s01_e00_v0{view}.json").write_text('{"skeletons": []}')
    assert init(project, "--videos", folder, "--labels", "nucla") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == (
        "next: `dvc repro gcn-report@mine-v12-3`, the graph network alone: too few clips have"
        " videos for the other stages, and `dvc repro` alone would stop there"
    )


def test_skeletons_that_no_network_would_see_are_refused(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = "index: {adapter: nucla}\nsplits: {x: {by: camera, test: [v3]}}\n"
    (project / "profiles" / "nucla.yaml").write_text(profile)
    (tmp_path / "all_sqe").mkdir()
    for view in (1, 3):
        (tmp_path / "all_sqe" / f"a01_s01_e00_v0{view}.json").write_text("{}")
    assert init(project, "--videos", tmp_path / "all_sqe", "--labels", "nucla") == 3
    assert "INIT_VIDEOS: no clip has a video, and the profile has no" in capsys.readouterr().err


def test_check_names_a_split_that_cannot_divide_what_is_there(
    project: Path, videos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init(project, "--videos", videos, "--pattern", "{subject}_{*}") == 0
    check(project)
    said = notes(capsys)
    assert "run mine-fold1: only 4 test clips: one clip changes the accuracy by 25.0 points" in said
    shutil.rmtree(videos / "wave")
    (videos / "wave").mkdir()
    (videos / "wave" / "anna_1.avi").write_bytes(b"1")
    assert run(["check", "--root", str(project)]) == 2
    said_last = capsys.readouterr().err
    assert "SPLIT_CLASS: run mine-fold1: 1 classes have test clips and no training" in said_last
