"""Command fuse: any score folders summed by id, and what does not belong together refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stroi.cache.manifest import read_manifest
from stroi.cache.scores import Scores, read_scores, write_scores
from stroi.pipeline.cli import run as stroi
from stroi.pipeline.index.table import Sample, write_index
from stroi.trainer.metrics.ensemble import softmax

IDS = ("a", "b", "c", "d")
CLASSES = ("drink", "wave")
LOGITS = np.random.default_rng(2).normal(0, 3, (3, 4, 2)).astype(np.float32)


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Score folders of three networks."""
    for number, logits in enumerate(LOGITS):
        scores = Scores(IDS, logits, CLASSES)
        write_scores(tmp_path / f"s{number}", "test", scores, params={}, producer={"n": number})
    return [tmp_path / f"s{number}" for number in range(3)]


def _fuse(folders: list[Path], *options: str) -> tuple[int, Path]:
    out = folders[0].parent / "out"
    return stroi(["fuse", *map(str, folders), *options, "--out", str(out)]), out


def test_any_number_of_streams_is_summed(folders: list[Path]) -> None:
    status, out = _fuse(folders, "--weights", "1,0.5,0")
    assert status == 0
    found = read_scores(out, "test")
    assert (found.ids, found.classes) == (IDS, CLASSES)
    np.testing.assert_allclose(found.logits, LOGITS[0] + 0.5 * LOGITS[1], atol=1e-6)
    made = read_manifest(out)
    assert made.params == {"kind": "logits", "weights": [1.0, 0.5, 0.0]}
    assert len(made.producer["fused"]) == 3
    assert _fuse(folders[:1])[0] == 0
    np.testing.assert_array_equal(read_scores(out, "test").logits, LOGITS[0])


def test_probabilities_are_averaged_and_can_be_fused_again(folders: list[Path]) -> None:
    status, out = _fuse(folders, "--kind", "softmax", "--weights", "2,1,1")
    assert status == 0
    mean = sum(w * softmax(logits) for w, logits in zip((2, 1, 1), LOGITS, strict=True)) / 4
    np.testing.assert_allclose(softmax(read_scores(out, "test").logits), mean, rtol=1e-5)


def test_index_tells_the_accuracies(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = LOGITS[0].argmax(1)
    labels[0] = 1 - labels[0]
    samples = [
        Sample(name, f"{name}.avi", CLASSES[label], "s1", "c1", bytes=1, sha256=f"{at:064x}")
        for at, (name, label) in enumerate(zip(IDS, labels, strict=True))
    ]
    write_index(tmp_path / "index", samples)
    status, _ = _fuse(folders, "--weights", "1,0,0", "--index", str(tmp_path / "index"))
    assert status == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith(f"{folders[0]}: 75.0 % (95 % interval 30.1 - 95.4)")
    assert "4 clips, 3 score files summed: 75.0 %" in lines[3]


def test_other_ids_and_classes_are_refused_by_name(
    folders: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    less = Scores(IDS[:3], LOGITS[2][:3], CLASSES)
    write_scores(folders[2], "test", less, params={}, producer={})
    status, out = _fuse(folders)
    assert status == 3
    assert not out.exists()
    error = capsys.readouterr().err
    assert "ENSEMBLE_IDS" in error
    assert f"{folders[2]}: 1 ids are missing, the first is 'd'" in error
    other = Scores(IDS, LOGITS[2], ("drink", "hug"))
    write_scores(folders[2], "test", other, params={}, producer={})
    assert _fuse(folders)[0] == 3
    message = f"ENSEMBLE_CLASSES: 1 classes of {folders[0]} are not in {folders[2]}, first 'wave'"
    assert message in capsys.readouterr().err


def test_classes_may_stand_in_any_order(folders: list[Path]) -> None:
    turned = Scores(IDS, LOGITS[1][:, ::-1].copy(), CLASSES[::-1])
    write_scores(folders[1], "test", turned, params={}, producer={"n": 1})
    status, out = _fuse(folders)
    assert status == 0
    np.testing.assert_allclose(read_scores(out, "test").logits, LOGITS.sum(axis=0), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--weights", "1,2"), "2 weights for 3 score folders"),
        (("--weights", "1,two,3"), "no numbers with commas between"),
        (("--weights", "1,-1,1"), "not negative"),
        (("--weights", "0,0,0"), "not all 0"),
        (("--weights", "1,nan,1"), "finite"),
    ],
)
def test_wrong_weights_are_wrong_usage(
    folders: list[Path], options: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _fuse(folders, *options)[0] == 2
    assert message in capsys.readouterr().err


def test_no_folder_is_overwritten_by_the_sum_it_is_part_of(
    folders: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = (folders[0] / "test.h5").read_bytes()
    assert stroi(["fuse", *map(str, folders), "--out", str(folders[0])]) == 2
    assert "among the folders to sum" in capsys.readouterr().err
    assert (folders[0] / "test.h5").read_bytes() == before


def test_a_part_that_was_not_scored_is_named(
    folders: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert _fuse(folders, "--name", "validation")[0] == 3
    assert "SCORES_NAME" in capsys.readouterr().err
