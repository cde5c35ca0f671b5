"""Index and data-set tables: rows in any order, errors that name the line."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from stroi.cache.errors import RefusedInput, StroiError
from stroi.pipeline.cli import run
from stroi.pipeline.datasets.registry import adapter
from stroi.pipeline.index.ledger import read_ledger
from stroi.pipeline.index.table import Sample, read_index
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.profile import IndexParams
from stroi.stages.index import build_index
from stroi.stages.video import measure_files

HEADER = "sample_id,video,label,subject,camera\n"


def _dataset(folder: Path, rows: list[str], header: str = HEADER) -> Path:
    (folder / "videos").mkdir(parents=True, exist_ok=True)
    for name in "abc":
        (folder / "videos" / f"{name}.avi").write_bytes(name.encode() * 10)
    (folder / "table.csv").write_text(header + "".join(f"{row}\n" for row in rows))
    return folder


def _build(folder: Path, out: Path, limit: float = 0.0) -> Path:
    build_index(
        folder, out, IndexParams(max_quarantined=limit), Workers(), store=out.parent / "store"
    )
    return out


ROWS = ["a,videos/a.avi,wave,s1,c1", "b,videos/b.avi,drink,s2,c1", "c,videos/c.avi,wave,s2,c2"]


def test_index_holds_every_clip_with_its_digest(tmp_path: Path) -> None:
    index = read_index(_build(_dataset(tmp_path / "raw", ROWS), tmp_path / "index"))
    assert [sample.id for sample in index.samples] == ["a", "b", "c"]
    assert index.classes == ("drink", "wave")
    assert index.labels(["c", "b"]) == {"c": 1, "b": 0}
    assert index.samples[0].bytes == 10


def test_older_index_is_read(tmp_path: Path) -> None:
    """One that came with a cache made before clips could be parts of videos."""
    digest = "0" * 64
    (tmp_path / "classes.txt").write_text("wave\n")
    (tmp_path / "samples.csv").write_text(
        "id,video,label,subject,camera,split,skeleton,bytes,sha256\n"
        f"a,a.avi,wave,s1,c1,train,,10,{digest}\n"
    )
    (sample,) = read_index(tmp_path).samples
    assert sample == Sample(
        "a", "a.avi", "wave", "s1", "c1", split="train", bytes=10, sha256=digest
    )


def test_clips_of_one_video_and_clips_without_one(tmp_path: Path) -> None:
    raw = _dataset(
        tmp_path / "raw",
        ["a,videos/a.avi,wave,s1,c1,room,0,30,", "b,videos/a.avi,wave,s1,c1,room,30,,videos/b.avi"],
        HEADER.strip() + ",group,start,stop,skeleton\n",
    )
    first, second = read_index(_build(raw, tmp_path / "index")).samples
    assert (first.group, first.start, first.stop, first.skeleton_sha256) == ("room", 0, 30, "")
    assert (second.start, second.stop, second.skeleton) == (30, 0, "videos/b.avi")
    assert second.skeleton_sha256 == hashlib.sha256(b"b" * 10).hexdigest()
    (raw / "videos" / "b.avi").unlink()
    lost = read_ledger(_build(raw, tmp_path / "index", limit=0.5)).quarantined
    assert [(one.id, one.code) for one in lost] == [("b", "SKEL_MISSING")]


def test_a_video_of_many_clips_is_hashed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hashed: list[Path] = []
    plain = measure_files.measure_clip
    monkeypatch.setattr(
        measure_files, "measure_clip", lambda path: (hashed.append(path), plain(path))[1]
    )
    rows = [f"a{at},videos/a.avi,wave,s1,c1,{10 * at},{10 * at + 10}" for at in range(100)]
    header = HEADER.strip() + ",start,stop\n"
    raw = _dataset(tmp_path / "raw", [*rows, "b,videos/b.avi,wave,s1,c1,,"], header)
    samples = read_index(_build(raw, tmp_path / "index")).samples
    assert hashed == [raw / "videos" / "a.avi", raw / "videos" / "b.avi"]
    assert len(samples) == 101
    assert {one.sha256 for one in samples[:-1]} == {hashlib.sha256(b"a" * 10).hexdigest()}
    assert samples[-1].sha256 == hashlib.sha256(b"b" * 10).hexdigest()
    assert "share frames" not in capsys.readouterr().out


def test_clips_that_share_frames_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        *("a,videos/a.avi,wave,s1,c1,0,10", "b,videos/a.avi,wave,s1,c1,10,20"),
        *("c,videos/a.avi,wave,s1,c1,19,20", "d,videos/a.avi,wave,s1,c1,30,"),
        *("e,videos/a.avi,wave,s1,c1,900,901", "f,videos/b.avi,wave,s1,c1,0,99"),
    ]
    raw = _dataset(tmp_path / "raw", rows, HEADER.strip() + ",start,stop\n")
    _build(raw, tmp_path / "index")
    assert (
        "4 clips share frames of a video with another clip, such as b;" in capsys.readouterr().out
    )


def test_order_of_rows_changes_no_byte(tmp_path: Path) -> None:
    first = _build(_dataset(tmp_path / "one", ROWS), tmp_path / "index1")
    shuffled = random.Random(3).sample(ROWS, len(ROWS))
    assert shuffled != ROWS
    second = _build(_dataset(tmp_path / "two", shuffled), tmp_path / "index2")
    for name in ("samples.csv", "classes.txt", "ledger.csv"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_missing_video_is_excluded_with_its_reason(tmp_path: Path) -> None:
    raw = _dataset(tmp_path / "raw", [*ROWS, "d,videos/d.avi,wave,s1,c1"])
    ledger = read_ledger(_build(raw, tmp_path / "index", limit=0.5))
    assert [(lost.id, lost.code) for lost in ledger.quarantined] == [("d", "VIDEO_MISSING")]
    assert ledger.summary() == "4 clips = 3 done + 1 quarantined"
    with pytest.raises(StroiError, match=r"1 of 4 clips were quarantined, first d \(VIDEO_MISSING"):
        _build(raw, tmp_path / "index", limit=0.1)


def test_folder_of_frames_is_a_video(tmp_path: Path) -> None:
    rows = ["a,clips/a,wave,s1,c1", "b,clips/b,wave,s1,c1"]
    raw = _dataset(tmp_path / "raw", rows)
    for name, numbers in (("a", (0, 1)), ("b", (0, 2))):
        (raw / "clips" / name).mkdir(parents=True)
        for number in numbers:
            (raw / "clips" / name / f"{number}.png").write_bytes(b"12345")
    out = _build(raw, tmp_path / "index", limit=0.5)
    assert [(sample.id, sample.bytes) for sample in read_index(out).samples] == [("a", 10)]
    lost = read_ledger(out).quarantined
    assert [(one.id, one.code) for one in lost] == [("b", "VIDEO_FRAMES")]
    assert "frame 1 is missing" in lost[0].detail


def test_linked_folder_of_frames_is_refused(tmp_path: Path) -> None:
    raw = _dataset(tmp_path / "raw", ["a,clip,wave,s1,c1"])
    (tmp_path / "elsewhere").mkdir()
    (raw / "clip").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedInput, match=r"LINKED_FOLDER.*clip is a link"):
        _build(raw, tmp_path / "index")


@pytest.mark.parametrize(
    ("rows", "header", "expected"),
    [
        (ROWS, "id,video,label\n", "CSV_COLUMNS.*no column sample_id, subject, camera"),
        (["a,videos/a.avi,wave,s1"], HEADER, r"table.csv:2: not 5 fields"),
        (["a,videos/a.avi,wave,s1,c1,x"], HEADER, r"table.csv:2: not 5 fields"),
        (["a,videos/a.avi,,s1,c1"], HEADER, r"table.csv:2: label is empty"),
        ([], HEADER, "lists no clip; add one row per clip"),
        ([ROWS[0], ROWS[0]], HEADER, r"ID_DUPLICATE.*table.csv:3: .* 'a' is that of line 2"),
        ([ROWS[0], ROWS[0].replace("a,", "A,", 1)], HEADER, "ID_DUPLICATE.*:3: .*'A' is that of"),
        (["../a,videos/a.avi,wave,s1,c1"], HEADER, r"ID_BAD.*table.csv:2: '../a' cannot be a samp"),
        (["=cmd(),videos/a.avi,wave,s1,c1"], HEADER, r"ID_BAD.*'=cmd\(\)' cannot be"),
        (["a,,wave,s1,c1"], HEADER, r"table.csv:2: video is empty"),
        (["a,../a.avi,wave,s1,c1"], HEADER, r"VIDEO_OUTSIDE.*table.csv:2: video '../a.avi'"),
        (["a,videos/../../a.avi,wave,s1,c1"], HEADER, r"VIDEO_OUTSIDE.*table.csv:2"),
        (["a,/etc/passwd,wave,s1,c1"], HEADER, r"VIDEO_OUTSIDE.*'/etc/passwd'"),
        (['a,videos/a.avi,"wa\nve",s1,c1'], HEADER, r"CSV_VALUE.*:3: label 'wa.nve' is no plain"),
        (["a,videos/a.avi,wave,s1,c1,/x"], f"{HEADER[:-1]},skeleton\n", "VIDEO_OUTSIDE.*skeleton"),
    ],
)
def test_table_mistakes_are_refused(
    tmp_path: Path, rows: list[str], header: str, expected: str
) -> None:
    with pytest.raises(RefusedInput, match=expected):
        adapter("table").list_clips(_dataset(tmp_path, rows, header))


def test_missing_data_set_says_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(
        RefusedInput, match=r"is no folder; put the data set, or a link to it, there"
    ):
        _build(tmp_path / "raw", tmp_path / "index")


def test_demo_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RefusedInput, match="3 clips do not fill 8"):
        adapter("demo").list_clips(_dataset(tmp_path, ROWS))


def _damaged(tmp_path: Path, name: str, old: str, new: str) -> Path:
    """An index in one file of which a text was replaced."""
    out = _build(_dataset(tmp_path / "raw", ROWS), tmp_path / "index")
    text = (out / name).read_text()
    assert old in text
    (out / name).write_text(text.replace(old, new, 1))
    return out


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("classes.txt", "wave\n", "", r"LABEL_RANGE.*:2: sample 'a': label 'wave' is not in class"),
        ("classes.txt", "drink\n", "\n", r"LABEL_RANGE.*classes.txt:1: an empty line leaves a gap"),
        ("classes.txt", "wave\n", "wave\ndrink\n", r"classes.txt:3: class 'drink' is that of li"),
        ("classes.txt", "wave\n", "wave", "LABEL_RANGE.*the last line has no end: it was cut"),
        ("classes.txt", "wave\n", "wave \n", r"CSV_VALUE.*classes.txt:2: class 'wave ' is no plai"),
        ("samples.csv", "wave", "-1", r"LABEL_RANGE.*label '-1' is not in classes.txt"),
        ("samples.csv", "a,videos", "b,videos", r"ID_DUPLICATE.*csv:3: .* 'b' is that of line 2"),
        ("samples.csv", "a,videos", "..,videos", r"ID_BAD.*csv:2: '\.\.' cannot be a sample id"),
        ("samples.csv", "videos/a", "../a", r"VIDEO_OUTSIDE.*csv:2: video '\.\./a.avi' is not in"),
        ("samples.csv", "videos/a", "/etc/a", r"VIDEO_OUTSIDE.*csv:2: video '/etc/a.avi' is not i"),
        ("samples.csv", "c1,,,0,0,,", "c1,,,0,0,../x,", "VIDEO_OUTSIDE.*csv:2: skeleton"),
        ("samples.csv", ",10,", ",1e1,", r"CSV_VALUE.*csv:2: bytes '1e1' is no number fr"),
        ("samples.csv", ",10,", ",10,z", r"CSV_VALUE.*csv:2: sha256 'z[0-9a-f]*' is no digest"),
        ("samples.csv", ",0,0,,", ",7,7,,", "CSV_VALUE.*csv:2: no frame from 7 to 7"),
        ("samples.csv", ",0,0,,", ",-1,0,,", "CSV_VALUE.*csv:2: start '-1' is no number from 0"),
        ("samples.csv", "videos/a.avi", "", "CSV_VALUE.*csv:2: neither a video nor a skeleton"),
        ("samples.csv", "s1", "s\x1b1", r"CSV_VALUE.*csv:2: subject 's\\x1b1' is no plain text"),
        ("samples.csv", "sha256", "digest", "CSV_COLUMNS.*no column sha256"),
    ],
)  # fmt: skip
def test_damaged_index_is_refused(
    tmp_path: Path, name: str, old: str, new: str, expected: str
) -> None:
    with pytest.raises(RefusedInput, match=expected) as caught:
        read_index(_damaged(tmp_path, name, old, new))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", ["samples.csv", "classes.txt"])
def test_missing_part_of_an_index_is_named(tmp_path: Path, name: str) -> None:
    out = _build(_dataset(tmp_path / "raw", ROWS), tmp_path / "index")
    (out / name).unlink()
    with pytest.raises(RefusedInput, match=f"CSV_MISSING.*{name} does not exist; run the stage"):
        read_index(out)


def test_label_of_an_unknown_clip_names_it(tmp_path: Path) -> None:
    index = read_index(_build(_dataset(tmp_path / "raw", ROWS), tmp_path / "index"))
    with pytest.raises(RefusedInput, match="sample 'zz' is not in the index"):
        index.labels(["a", "zz"])


@pytest.mark.parametrize("video", ["/videos/a.avi", "../videos/a.avi"])
def test_video_outside_the_data_set_is_refused(tmp_path: Path, video: str) -> None:
    raw = _dataset(tmp_path / "raw", [f"a,{video},wave,s1,c1"])
    with pytest.raises(RefusedInput, match=r"is not inside .*; write it relative to .*: 'videos/a"):
        _build(raw, tmp_path / "index")


@pytest.mark.parametrize("video", ["/other/z.avi", "../other/z.avi"])
def test_nothing_is_advised_for_a_video_that_is_nowhere(tmp_path: Path, video: str) -> None:
    raw = _dataset(tmp_path / "raw", [f"a,{video},wave,s1,c1"])
    with pytest.raises(RefusedInput, match=r"is not inside .*; put the videos, or a link to each"):
        _build(raw, tmp_path / "index")


def test_linked_folder_that_dvc_would_not_follow_is_refused(tmp_path: Path) -> None:
    raw = _dataset(tmp_path / "raw", ["a,linked/a.avi,wave,s1,c1"])
    (raw / "linked").symlink_to(raw / "videos")
    with pytest.raises(RefusedInput, match=r"linked is a link, .*link the files one by one"):
        _build(raw, tmp_path / "index")


PROFILE = """
splits: {some: {by: subject, test: [%s]}, whole: {by: subject, test: [s1]}}
ensemble: {pairs: {two: [wave, drink]}}
"""
PARAMS = """
datasets: [d]
runs:
  good: {dataset: d, split: whole, input: skeletons}
  other: {dataset: d, split: some, input: skeletons}
"""
WITH_TWO_OF_EACH = [*ROWS, "d,videos/d.avi,drink,s1,c1"]


def _index(project: Path, test: str, last: bytes) -> int:
    """The command in a project of four clips, `last` the bytes of the last one."""
    raw = _dataset(project / "data" / "d" / "raw", WITH_TWO_OF_EACH)
    (raw / "videos" / "d.avi").write_bytes(last)
    (project / "profiles").mkdir(exist_ok=True)
    (project / "profiles" / "d.yaml").write_text(PROFILE % test)
    (project / "params.yaml").write_text(PARAMS)
    return run(["index", "d", "--root", str(project), "--jobs", "1"])


def test_a_split_that_cannot_divide_the_clips_ends_the_run_here(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And before a single file is digested, if their names show it."""
    assert _index(tmp_path, "s2", b"d") == 0
    (tmp_path / "data" / "d" / "index" / "samples.csv").unlink()
    capsys.readouterr()
    assert _index(tmp_path, "s3", b"d") == 2
    said = capsys.readouterr().err
    assert "SPLIT_VALUE: run other: no clip has subject 's3'; the index has: s1, s2" in said
    assert not (tmp_path / "data" / "d" / "index" / "samples.csv").exists()
    assert _index(tmp_path, "s2", b"b" * 10) == 3
    said = capsys.readouterr().err
    assert "SPLIT_LEAK: run good: b (training) and d (test) are the same video" in said
