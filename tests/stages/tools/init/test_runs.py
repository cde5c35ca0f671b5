"""Every fold as a run: each clip tested once, and no fold missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from stroi.cache.errors import ParamsError
from stroi.pipeline.cli import run
from stroi.pipeline.index.table import Sample
from stroi.pipeline.params.load import check_project
from stroi.pipeline.params.profile import Split
from stroi.stages.tools.init import crop_size
from stroi.stages.tools.init.runs import every_fold

FOLDS = {f"fold{number}": Split(by="subject", fold=(number, 2)) for number in (1, 2)}


def _clips(*rows: str) -> list[Sample]:
    """Clips of rows ``label subject``."""
    found = []
    for number, row in enumerate(rows):
        label, subject = row.split()
        name = f"c{number}"
        found.append(Sample(name, f"{name}.avi", label, subject, sha256=f"{number:064x}"))
    return found


CLIPS = _clips("wave s1", "sit s1", "wave s2", "sit s2", "wave s3", "sit s3")


def test_folds_test_every_clip_once() -> None:
    folds = every_fold(CLIPS, FOLDS)
    assert list(folds) == ["fold1", "fold2"]
    assert sorted(clip for fold in folds.values() for clip in fold.test) == [
        clip.id for clip in CLIPS
    ]


def test_splits_for_other_clips_are_left_out() -> None:
    """A profile may list splits for a larger data set; no clip has their values."""
    named = {who: Split(by="subject", test=(who,)) for who in ("s1", "s2", "s3", "s9")}
    assert list(every_fold(CLIPS, named)) == ["s1", "s2", "s3"]


@pytest.mark.parametrize(
    ("clips", "rules", "expected"),
    [
        # Both people who wave are in fold 1.
        (
            _clips("wave s1", "wave s4", "sit s3", "sit s1", "run s3", "run s1", "sit s2"),
            FOLDS,
            r"fold1 cannot be used: SPLIT_CLASS: ",
        ),
        (
            CLIPS,
            {**FOLDS, "more": Split(by="subject", test=("s1",))},
            r"fold\d and more both test 'c0'",
        ),
        (CLIPS, {"own": Split(by="subject", test=("s1",))}, "the clips have 1 split, no folds"),
    ],
)
def test_what_is_no_set_of_folds_is_refused(
    clips: list[Sample], rules: dict[str, Split], expected: str
) -> None:
    with pytest.raises(ParamsError, match=f"INIT_FOLDS: --all: {expected}") as caught:
        every_fold(clips, rules)
    assert "leave --all out" in str(caught.value)


def test_every_fold_becomes_a_run_and_all_together_a_pool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(crop_size, "_measure", lambda *_: (240, [60.0]))  # the videos are empty
    for label in ("wave", "sit"):
        (tmp_path / "videos" / label).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "videos" / label / f"{number}.avi").write_bytes(f"{label}{number}".encode())
    params = tmp_path / "params.yaml"
    params.write_text(
        "# mine\nrendered: []\ndatasets: []\nsensors: []\nruns: {}\npools: {}\nshow: mine-fold1\n"
    )
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    command = ("init", "mine", "--videos", str(tmp_path / "videos"), "--root", str(tmp_path))
    assert run([*command, "--folds", "4", "--all"]) == 0
    *_, kept, last = capsys.readouterr().out.splitlines()
    assert kept == "params.yaml: data set mine, runs mine-fold1 to mine-fold4, pool mine-folds"
    assert last == "next: `dvc repro pool@mine-folds`; `dvc repro` alone runs all of params.yaml"
    plan = check_project(tmp_path)
    runs = tuple(f"mine-fold{number}" for number in range(1, 5))
    assert plan.pools["mine-folds"].runs == runs
    assert [plan.runs[name].split for name in runs] == ["fold1", "fold2", "fold3", "fold4"]
    before = params.read_bytes()
    assert before.startswith(b"# mine\n")
    assert run([*command, "--folds", "4", "--all"]) == 0
    assert params.read_bytes() == before
    assert "all folds: 4 runs, which test 8 of 8 clips\n" in capsys.readouterr().out
