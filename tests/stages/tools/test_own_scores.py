"""Command scores: files of other networks become score folders, whatever their order."""

from __future__ import annotations

import os
import pickle
import re
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stroi.cache.manifest import read_manifest
from stroi.cache.scores import read_scores
from stroi.cache.verify import verify
from stroi.pipeline.cli import run as stroi
from stroi.pipeline.index.table import Sample, write_index
from stroi.trainer.metrics.ensemble import softmax

IDS = ("S001C001P003R001A001", "S001C001P003R001A002", "S001C001P006R001A003")
CLASSES = ("A001 drink water", "A002 eat meal", "A003 brush teeth")
LOGITS = np.random.default_rng(3).normal(0, 3, (3, 3)).astype(np.float32)
LABELS = LOGITS.argmax(axis=1)
TURNED = (2, 0, 1)
"""Order of the columns in the files."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the index and the class names in the order of the columns."""
    write_index(
        tmp_path / "index",
        [
            Sample(name, f"{name}.avi", CLASSES[label], "s1", "c1", bytes=1, sha256=f"{at:064x}")
            for at, (name, label) in enumerate(zip(IDS, LABELS, strict=True))
        ],
    )
    (tmp_path / "index" / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES[at] for at in TURNED) + "\n")
    (tmp_path / "ids.txt").write_text("\ufeff" + "\r\n".join(reversed(IDS)), encoding="utf-8")
    return tmp_path


def write(folder: Path, file: str, *options: str) -> int:
    """Run the command on a file in `folder`."""
    index, out = folder / "index", folder / "out"
    return stroi(["scores", str(folder / file), "--index", str(index), "--out", str(out), *options])


def dump(folder: Path, content: object, protocol: int = 4) -> None:
    (folder / "scores.pkl").write_bytes(pickle.dumps(content, protocol))


def _rows() -> list[np.ndarray[Any, np.dtype[np.float32]]]:
    """Rows of the clips in reverse, columns as in classes.txt."""
    return [row[list(TURNED)] for row in LOGITS[::-1]]


FORMS: dict[str, tuple[Callable[[], object], bool]] = {
    "CTR-GCN: dict by number": (
        lambda: {f"test_{at}": row for at, row in enumerate(_rows())}, True,
    ),
    "2s-AGCN: dict by file": (
        lambda: {f"{name}.skeleton": row for name, row in zip(IDS[::-1], _rows(), strict=True)},
        False,
    ),
    "dict by path, ordered": (
        lambda: OrderedDict((f"nturgbd/{n}", r) for n, r in zip(IDS[::-1], _rows(), strict=True)),
        False,
    ),
    "pyskl: list of arrays": (_rows, True),
    "array": (lambda: np.stack(_rows()), True),
    "lists of numbers": (lambda: [row.tolist() for row in _rows()], True),
    "numpy numbers": (lambda: [list(row) for row in _rows()], True),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_files_of_other_networks_are_read(folder: Path, form: str, protocol: int) -> None:
    make, needs_ids = FORMS[form]
    dump(folder, make(), protocol)
    ids = ("--ids", str(folder / "ids.txt")) if needs_ids else ()
    assert write(folder, "scores.pkl", "--classes", str(folder / "classes.txt"), *ids) == 0
    found = read_scores(folder / "out", "test")
    assert (found.ids, found.classes) == (IDS, CLASSES)
    np.testing.assert_array_equal(found.logits, LOGITS)
    assert verify(folder / "out", "scores") == []
    assert read_manifest(folder / "out").params == {"kind": "logits"}


def test_a_table_names_clips_and_classes_itself(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [",".join(("id", *(CLASSES[at] for at in TURNED)))]
    lines += [
        ",".join((name, *(f"{value:.9g}" for value in row)))
        for name, row in zip(IDS[::-1], _rows(), strict=True)
    ]
    (folder / "scores.csv").write_text("\n".join(lines) + "\n")
    assert write(folder, "scores.csv", "--name", "validation") == 0
    np.testing.assert_array_equal(read_scores(folder / "out", "validation").logits, LOGITS)
    assert "out: 3 clips, 100.0 % (95 % interval" in capsys.readouterr().out
    assert write(folder, "scores.csv", "--classes", str(folder / "classes.txt")) == 2


def test_probabilities_become_logits_whose_softmax_they_are(folder: Path) -> None:
    dump(folder, list(softmax(np.stack(_rows()))))
    options = ("--classes", str(folder / "classes.txt"), "--ids", str(folder / "ids.txt"))
    assert write(folder, "scores.pkl", *options, "--kind", "softmax") == 0
    found = read_scores(folder / "out", "test").logits
    np.testing.assert_allclose(softmax(found), softmax(LOGITS), atol=1e-6)


def test_what_was_written_can_be_fused(folder: Path) -> None:
    dump(folder, _rows())
    options = ("--classes", str(folder / "classes.txt"), "--ids", str(folder / "ids.txt"))
    assert write(folder, "scores.pkl", *options) == 0
    out = str(folder / "out")
    assert stroi(["fuse", out, out, "--out", str(folder / "sum")]) == 0
    np.testing.assert_allclose(read_scores(folder / "sum", "test").logits, 2 * LOGITS, rtol=1e-6)


class Runs:
    """A pickle that runs a program where it is read without care."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("touch ran",)


BAD: dict[str, tuple[object, str]] = {
    "code": ({IDS[0]: Runs()}, "SCORES_PICKLE: .*it holds posix.system"),
    "code in an array": (np.array([Runs()], object), "SCORES_PICKLE: .*it holds posix.system"),
    "a path": ([Path("x")], "SCORES_PICKLE: .*it holds pathlib"),
    "one number": (3, "SCORES_FORM: .*no dict, list or array of rows but int"),
    "no names": (_rows(), "SCORES_IDS: .*3 rows and no names; name the clips by --ids FILE"),
    "other names": (
        {f"test_{at}": row for at, row in enumerate(_rows())},
        "ID_UNKNOWN: 3 of 3 names are not in the index, first 'test_0'; name the clips by --ids",
    ),
    "a clip twice": (
        {IDS[0]: LOGITS[0], f"{IDS[0]}.skeleton": LOGITS[1]}, "ID_DUPLICATE: .* has two rows",
    ),
    "a class too few": (
        {IDS[0]: LOGITS[0][:2]}, "SCORES_SHAPE: rows of 2 values, but 3 classes; give one number",
    ),
    "ragged": ({IDS[0]: LOGITS[0], IDS[1]: LOGITS[1][:2]}, "SCORES_SHAPE: rows of no one length"),
    "text": ({IDS[0]: ["a", "b", "c"]}, "SCORES_SHAPE"),
    "probabilities": (
        {IDS[0]: np.array([0.5, 0.25, 0.25])},
        "SCORES_KIND: the rows are class probabilities: .*; give them as --kind softmax",
    ),
    "NaN": ({IDS[0]: np.array([np.nan, 0, 1])}, "NONFINITE"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_is_refused(
    folder: Path, what: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    content, error = BAD[what]
    dump(folder, content)
    assert write(folder, "scores.pkl", "--classes", str(folder / "classes.txt")) == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(error, line), line
    assert not (folder / "out").exists()
    assert not (folder / "ran").exists()


def test_a_damaged_pickle_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = pickle.dumps(_rows())
    for cut in (0, 1, len(data) // 2, len(data) - 1):
        (folder / "scores.pkl").write_bytes(data[:cut])
        assert write(folder, "scores.pkl", "--classes", str(folder / "classes.txt")) == 3
        assert "SCORES_PICKLE" in capsys.readouterr().err


def test_class_names_must_be_the_indexs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dump(folder, dict(zip(IDS[::-1], _rows(), strict=True)))
    names = folder / "classes.txt"
    for text, error in (
        ("\n".join((*CLASSES[:2], "A004 brush hair")), "ENSEMBLE_CLASSES: 1 classes of the index"),
        ("\n".join((*CLASSES[:2], CLASSES[0])), "CLASS_NAME: class 'A001 drink water' is there"),
        ("\n".join(CLASSES[:2]), "SCORES_SHAPE: rows of 3 values, but 2 classes"),
    ):
        names.write_text(text)
        assert write(folder, "scores.pkl", "--classes", str(names)) == 3
        assert error in capsys.readouterr().err
    assert write(folder, "scores.pkl") == 2
    assert "a pickle does not name its classes: give --classes FILE" in capsys.readouterr().err


def _script(root: Path, folder: Path, name: str, *arguments: Path | str) -> list[str]:
    """Run a program of the page about own scores; the lines that it prints."""
    page = (root / "docs" / "own-scores.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (text,) = (block for block in blocks if block.startswith(f'"""{name}: '))
    command = [sys.executable, "-c", text, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_programs_of_the_page_name_the_clips_in_order(root: Path, folder: Path) -> None:
    annotations = [{"frame_dir": name} for name in (IDS[2], "other", IDS[0], IDS[1])]
    content = {"split": {"xsub_val": [IDS[0], IDS[2]]}, "annotations": annotations}
    (folder / "anno.pkl").write_bytes(pickle.dumps(content))
    assert _script(root, folder, "pyskl_ids.py", "anno.pkl", "xsub_val") == [IDS[2], IDS[0]]
    (folder / "statistics").mkdir()
    (folder / "statistics" / "skes_available_name.txt").write_text("\n".join(IDS))
    (folder / "statistics" / "performer.txt").write_text("6\n1\n3\n")
    assert _script(root, folder, "ctrgcn_ids.py") == [IDS[2], IDS[0]]


def test_program_of_the_page_writes_a_score_folder(root: Path, folder: Path) -> None:
    assert _script(root, folder, "write_scores.py", folder / "index", folder / "out") == []
    found = read_scores(folder / "out", "test")
    assert (found.ids, found.classes) == (IDS, CLASSES)
