"""``stroi cache export`` and ``import`` as two strangers run them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from projects import new_project
from small_project import IDS, flip, project_with_mosaics, without_pairs

from stroi.cache.manifest import file_entry, read_manifest, write_manifest
from stroi.pipeline.cli import run
from stroi.pipeline.index.table import read_index, write_index

Output = Callable[[], tuple[str, str]]


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Output:
    """What was printed since the last call: stdout and stderr."""

    def read() -> tuple[str, str]:
        return capsys.readouterr()

    return read


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with an index and a cache of random mosaics in two shards."""
    return project_with_mosaics(tmp_path / "sender")


@pytest.fixture
def cache(project: Path) -> Path:
    """The project's cache of mosaics."""
    return project / "data" / "demo" / "mosaics"


def test_a_damaged_cache_is_not_exported(cache: Path, tmp_path: Path, output: Output) -> None:
    flip(cache / "mosaics-00001.h5")
    assert run(["cache", "export", str(cache), str(tmp_path / "x.tar")]) == 3
    assert output()[1].splitlines()[-1].startswith("error: DIGEST: ")
    assert not (tmp_path / "x.tar").exists()


def test_an_export_without_a_licence_warns(cache: Path, tmp_path: Path, output: Output) -> None:
    assert run(["cache", "export", str(cache), str(tmp_path / "a")]) == 0
    assert "warning: no licence: others" in output()[1]
    assert run(["cache", "export", str(cache), str(tmp_path / "b"), "--licence", "CC0-1.0"]) == 0
    assert "warning" not in output()[1]
    assert "| licence | CC0-1.0 |" in (tmp_path / "b" / "README.md").read_text()


def test_labels_go_out_on_request_only(project: Path, cache: Path, tmp_path: Path) -> None:
    index = project / "data" / "demo" / "index"
    assert run(["cache", "export", str(cache), str(tmp_path / "bare")]) == 0
    sent = b"".join(path.read_bytes() for path in (tmp_path / "bare").iterdir())
    assert b"alpha" not in sent
    assert run(["cache", "export", str(cache), str(tmp_path / "full"), "--index", str(index)]) == 0
    assert (tmp_path / "full" / "samples.csv").read_bytes() == (index / "samples.csv").read_bytes()
    assert b"/home/ann" not in sent


def test_an_index_of_more_is_cut_to_the_cache(project: Path, cache: Path, tmp_path: Path) -> None:
    folder = project / "data" / "demo" / "index"
    index = read_index(folder)
    more = replace(index.samples[0], id="zz", label="a class of no sample")
    write_index(folder, [*index.samples, more])
    assert run(["cache", "export", str(cache), str(tmp_path / "x"), "--index", str(folder)]) == 0
    sent = read_index(tmp_path / "x")
    assert tuple(sample.id for sample in sent.samples) == IDS
    # The numbers of the classes are those of the whole data set.
    assert sent.classes == ("a class of no sample", "alpha", "beta")


@pytest.mark.parametrize("video", ["/home/ann/v.avi", "../v.avi", "a\\b.avi"])
def test_an_index_that_names_places_is_not_exported(
    project: Path, cache: Path, tmp_path: Path, output: Output, video: str
) -> None:
    folder = project / "data" / "demo" / "index"
    table = folder / "samples.csv"
    first = read_index(folder).samples[0].video
    table.write_text(table.read_text().replace(f",{first},", f",{video},", 1))
    assert run(["cache", "export", str(cache), str(tmp_path / "x"), "--index", str(folder)]) == 3
    assert "error: " in output()[1].splitlines()[-1]
    assert not (tmp_path / "x").exists()


def exported(project: Path, target: Path) -> Path:
    folder = project / "data" / "demo"
    arguments = ["--index", str(folder / "index"), "--licence", "CC0-1.0", "--title", "Demo"]
    assert run(["cache", "export", str(folder / "mosaics"), str(target), *arguments]) == 0
    return target


def test_import_places_cache_and_labels_and_tells_the_card(
    project: Path, tmp_path: Path, output: Output
) -> None:
    archive = exported(project, tmp_path / "demo.tar")
    told, _ = output()
    [line] = [line for line in told.splitlines() if line.startswith("SHA-256 of its manifest: ")]
    place = tmp_path / "new" / "demo"
    arguments = [str(archive), str(place / "mosaics"), "--index", str(place / "index")]
    expect = line.rpartition(" ")[2]
    for state in ("checked and placed", "already there, and undamaged"):
        assert run(["cache", "import", *arguments, "--expect", expect]) == 0
        text, errors = output()
        assert text.startswith(f"{place}/mosaics: {state}\n")
        assert "  title: 'Demo'\n" in text
        assert "  licence: 'CC0-1.0'\n" in text
        assert f"  SHA-256 of the manifest: {expect}\n" in text
        assert "error" not in errors
    for name in ("samples.csv", "classes.txt"):
        sent = project / "data" / "demo" / "index" / name
        assert (place / "index" / name).read_bytes() == sent.read_bytes()
    assert run(["cache", "verify", str(place / "mosaics")]) == 0


def test_an_index_that_is_there_is_never_replaced(
    project: Path, tmp_path: Path, output: Output
) -> None:
    archive = exported(project, tmp_path / "demo.tar")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "classes.txt").write_text("other\n")
    arguments = [str(archive), str(tmp_path / "new"), "--index", str(tmp_path / "mine")]
    assert run(["cache", "import", *arguments]) == 2
    assert "TARGET_EXISTS" in output()[1]
    assert not (tmp_path / "new").exists()
    assert (tmp_path / "mine" / "classes.txt").read_text() == "other\n"


def repacked(folder: Path, **files: bytes) -> Path:
    """Change files of an exported folder and its manifest with them."""
    manifest = read_manifest(folder)
    entries = {entry.name: entry for entry in manifest.files}
    for name, data in files.items():
        (folder / name).write_bytes(data)
        entries[name] = file_entry(name, data)
    files_now = tuple(entries[name] for name in sorted(entries))
    write_manifest(folder, replace(manifest, files=files_now))
    return folder


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda text: text.replace("alpha", "gamma", 1), "LABEL_RANGE"),
        (lambda text: "\n".join(text.splitlines()[:-1]) + "\n", "INDEX_IDS"),
        (lambda text: text + text.splitlines()[-1].replace("b_s02_c3", "zz") + "\n", "INDEX_IDS"),
        (lambda text: text.replace("videos/a", "/etc/a", 1), ""),
        (lambda text: text.replace("videos/a", "../../a", 1), ""),
        (lambda text: text.replace("id,", "ids,", 1), "CSV_COLUMNS"),
        (lambda text: text.replace("a_s01_c0", "b_s01_c0"), "ID_DUPLICATE"),
    ],
)
def test_labels_that_do_not_belong_are_refused(
    project: Path, tmp_path: Path, output: Output, change: Callable[[str], str], code: str
) -> None:
    folder = exported(project, tmp_path / "demo")
    text = change((folder / "samples.csv").read_text())
    repacked(folder, **{"samples.csv": text.encode()})
    arguments = [str(folder), str(tmp_path / "new"), "--index", str(tmp_path / "index")]
    assert run(["cache", "import", *arguments]) == 3
    last = output()[1].splitlines()[-1]
    assert last.startswith(f"error: {code}")
    assert ".tmp-" not in last
    assert {path.name for path in tmp_path.iterdir()} == {"sender", "demo"}


def test_labels_that_did_not_come_cannot_be_placed(
    cache: Path, tmp_path: Path, output: Output
) -> None:
    arguments = [str(cache), str(tmp_path / "new"), "--index", str(tmp_path / "index")]
    assert run(["cache", "import", *arguments]) == 3
    assert "error: INDEX_MISSING: " in output()[1]
    assert {path.name for path in tmp_path.iterdir()} == {"sender"}
    assert run(["cache", "import", *arguments[:2]]) == 0
    assert "it has no card" in output()[0]


def test_a_stranger_trains_on_an_imported_cache(project: Path, tmp_path: Path) -> None:
    archive = exported(project, tmp_path / "demo.tar")
    receiver = without_pairs(new_project(tmp_path / "receiver"))
    place = receiver / "data" / "demo"
    arguments = [str(archive), str(place / "mosaics"), "--index", str(place / "index")]
    assert run(["cache", "import", *arguments]) == 0
    scores = {}
    for root in (project, receiver):
        train = ["resnet", "demo-xsub", "plain", "--root", str(root), "--threads", "1"]
        assert run(train) == 0
        [found] = (root / "runs" / "demo-xsub" / "resnet-plain").rglob("test.h5")
        scores[root] = found.read_bytes()
        assert run(["cache", "verify", str(found.parent)]) == 0
    assert scores[project] == scores[receiver]
    compare = ["--dataset", "demo", "--root", str(receiver)]
    assert run(["cache", "verify", str(place / "mosaics"), *compare]) == 0
