"""``stroi cache ...`` as a user runs it: output, exit codes, one last line that tells it all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stroi.cache.digests import sha256_file
from stroi.cache.files import write_atomic
from stroi.cache.manifest import Manifest, file_entry, read_manifest, write_manifest
from stroi.cache.mosaics import Mosaics, encode_mosaics, sample_digests
from stroi.pipeline.cache_commands import COMMANDS
from stroi.pipeline.cli import run
from stroi.pipeline.index import Sample, read_index, write_index
from stroi.pipeline.ledger import Outcome, write_ledger
from stroi.pipeline.params import load_profile
from stroi.pipeline.shards import NOT_CONTENT

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "cache"))
from projects import new_project
from small_caches import make_scores, make_weights

from stroi.cache.scores import write_scores
from stroi.cache.weights import write_weights

IDS = tuple(f"{act}_s{who:02d}_c{view}" for act in "ab" for who in (1, 2) for view in range(4))
HEX = "0123456789abcdef"

Output = Callable[[], tuple[str, str]]


def video_of(name: str) -> str:
    return (HEX[IDS.index(name)] * 64)[:64]


@pytest.fixture
def output(capsys: pytest.CaptureFixture[str]) -> Output:
    """What was printed since the last call: stdout and stderr."""

    def read() -> tuple[str, str]:
        return capsys.readouterr()

    return read


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with an index and a cache of random mosaics in two shards, without videos."""
    root = new_project(tmp_path / "sender")
    samples = [
        Sample(
            name,
            f"videos/{name}.avi",
            "alpha" if name[0] == "a" else "beta",
            name[2:5],
            name[6:],
            "",
            "",
            100,
            video_of(name),
        )
        for name in IDS
    ]
    write_index(root / "data" / "demo" / "index", samples)
    random = np.random.default_rng(0)
    folder = root / "data" / "demo" / "mosaics"
    entries = []
    for number, part in enumerate((IDS[:8], IDS[8:])):
        mosaics = Mosaics(
            ids=part,
            mosaic=random.integers(0, 256, (len(part), 60, 60, 3), np.uint8),
            person_count=np.ones(len(part), np.int8),
            frame_index=np.zeros((len(part), 5), np.int32),
            box=np.zeros((len(part), 2, 5, 5, 4), np.float32),
            confidence=np.ones((len(part), 2, 5, 5), np.float32),
            valid=np.ones((len(part), 2, 5, 5), np.bool_),
        )
        data = encode_mosaics(mosaics)
        write_atomic(folder / f"mosaics-{number:05d}.h5", data)
        entry = file_entry(f"mosaics-{number:05d}.h5", data, part, sample_digests(mosaics))
        made_from = {"video": tuple(video_of(name) for name in part)}
        entries.append(replace(entry, inputs=made_from))
    outcomes = [Outcome(name) for name in IDS]
    write_ledger(folder, [*outcomes, Outcome("c_s01_c0", "VIDEO_OPEN", "/home/ann/c.avi: no")])
    entries.insert(0, file_entry("ledger.csv", (folder / "ledger.csv").read_bytes()))
    params = load_profile(root, "demo").mosaics.model_dump(mode="json", exclude=NOT_CONTENT)
    producer = {"algorithm": 1, "skeletons": {"estimator": "movenet", "model": "ab" * 32}}
    write_manifest(
        folder, Manifest("mosaics", params, producer, tuple(entries), {"ledger": "ledger.csv"})
    )
    return root


@pytest.fixture
def cache(project: Path) -> Path:
    """The project's cache of mosaics."""
    return project / "data" / "demo" / "mosaics"


def flip(path: Path, at: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def changed(cache: Path, **fields: object) -> None:
    write_manifest(cache, replace(read_manifest(cache), **fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself_with_an_example(name: str, output: Output) -> None:
    assert run(["cache", name, "--help"]) == 0
    text, _ = output()
    assert text.startswith("Usage: stroi cache ")
    assert f"  stroi cache {name} " in text


def test_help_lists_all_and_loads_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from stroi.pipeline.cli import run\n"
        "assert run(['cache', '--help']) == 0\n"
        "heavy = {'torch', 'cv2', 'h5py', 'scipy', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


def test_verifying_loads_neither_torch_nor_opencv(cache: Path) -> None:
    script = (
        "import sys\n"
        "from stroi.pipeline.cli import run\n"
        "assert run(['cache', 'verify', sys.argv[1]]) == 0\n"
        "heavy = {'torch', 'cv2', 'scipy', 'onnxruntime'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(cache)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_verify_answers_for_every_file_and_says_what_made_it(cache: Path, output: Output) -> None:
    assert run(["cache", "verify", str(cache), "--jobs", "2"]) == 0
    lines, errors = output()
    assert f"{cache}/mosaics-00000.h5: ok, 8 samples, 99.7 kB\n" in lines
    assert f"{cache}/ledger.csv: ok, " in lines
    assert "with algorithm 1\n" in lines
    assert f"  params {read_manifest(cache).params_digest}\n" in lines
    assert "    cell: 48\n" in lines
    assert '    skeletons.estimator: "movenet"\n' in lines
    assert "  inputs: video of every sample\n" in lines
    assert lines.endswith(": complete and untouched\n")
    assert "error" not in errors


def test_verify_names_what_was_touched_and_exits_3(cache: Path, output: Output) -> None:
    flip(cache / "mosaics-00000.h5")
    (cache / "note.txt").write_text("x")
    assert run(["cache", "verify", str(cache)]) == 3
    lines, errors = output()
    assert "mosaics-00001.h5: ok" in lines
    assert lines.splitlines()[-1].endswith(": 2 problems")
    last = errors.splitlines()[-1]
    assert last.startswith(f"error: DIGEST: {cache}/mosaics-00000.h5: ")
    assert "damaged: a_s02_c3 of 8 samples (and 1 more)" in last
    assert any(line.startswith("FILE_EXTRA: ") for line in errors.splitlines())


def test_verify_checks_all_folders_before_it_ends(
    cache: Path, tmp_path: Path, output: Output
) -> None:
    shutil.copytree(cache, tmp_path / "bad")
    flip(tmp_path / "bad" / "ledger.csv")
    assert run(["cache", "verify", str(tmp_path / "bad"), str(cache)]) == 3
    lines, errors = output()
    assert lines.splitlines()[-1].endswith(": complete and untouched")
    assert errors.splitlines()[-1].startswith("error: DIGEST: ")


def test_verify_takes_every_kind(tmp_path: Path, output: Output) -> None:
    write_weights(tmp_path / "w", make_weights(("a", "b")), params={}, producer={"seed": 0})
    write_scores(tmp_path / "s", "test", make_scores(("a", "b")), params={}, producer={})
    assert run(["cache", "verify", str(tmp_path / "w"), str(tmp_path / "s")]) == 0
    assert output()[0].count("complete and untouched") == 2


def test_verify_escapes_what_a_stranger_wrote(cache: Path, output: Output) -> None:
    evil = {"\x1b[2Jkey": "\x1b]0;title\x07", **{f"k{n}": "x" * 9999 for n in range(500)}}
    changed(cache, params=evil, producer=evil)
    for command in ("verify", "info"):
        assert run(["cache", command, str(cache)]) == 0
        lines, _ = output()
        assert "\x1b" not in lines
        assert "\\x1b[2Jkey" in lines
        assert len(lines) < 100_000


def test_verify_compares_with_the_project(project: Path, cache: Path, output: Output) -> None:
    arguments = ["cache", "verify", str(cache), "--dataset", "demo", "--root", str(project)]
    assert run(arguments) == 0
    lines, _ = output()
    assert "  params: those of profiles/demo.yaml\n" in lines
    assert "  video: that of this project for 16 samples\n" in lines


def test_verify_says_which_samples_are_of_other_videos(
    project: Path, cache: Path, output: Output
) -> None:
    index = read_index(project / "data" / "demo" / "index")
    samples = [
        replace(sample, sha256="e" * 64) if sample.camera == "c0" else sample
        for sample in index.samples
        if sample.id != IDS[1]
    ]
    write_index(project / "data" / "demo" / "index", samples)
    profile = project / "profiles" / "demo.yaml"
    profile.write_text(profile.read_text().replace("cell: 48", "cell: 96"))
    arguments = ["cache", "verify", str(cache), "--dataset", "demo", "--root", str(project)]
    assert run(arguments) == 3
    lines, errors = output()
    assert "mosaics-00001.h5: ok" in lines
    *details, last = [line for line in errors.splitlines() if "verify: " not in line]
    assert last.startswith(f"error: OTHER_PARAMS: {cache}: 1 param not as in profiles/demo.yaml:")
    assert "cell is 48, not 96 (and 2 more); rerun the stage" in last
    assert details[0].startswith(f"OTHER_SAMPLES: {cache}: 1 sample not in the index of demo: ")
    assert details[1].startswith(
        f"OTHER_INPUT: {cache}: of 4 samples this project has another video: a_s01_c0, a_s02_c0,"
    )


def test_info_tells_people_and_scripts(cache: Path, output: Output) -> None:
    assert run(["cache", "info", str(cache)]) == 0
    text, _ = output()
    assert "mosaics, training form\n" in text
    assert "16 in 2 shards\n" in text
    assert "1: 'VIDEO_OPEN' 1\n" in text
    assert run(["cache", "info", str(cache), "--json"]) == 0
    found = json.loads(output()[0])
    assert (found["samples"], found["quarantined"]) == (16, {"VIDEO_OPEN": 1})
    assert found["manifest_sha256"] == sha256_file(cache / "manifest.json")


def test_diff_of_equals_exits_0_and_of_others_1(
    cache: Path, tmp_path: Path, output: Output
) -> None:
    assert run(["cache", "pack", str(cache), str(tmp_path / "w"), "--codec", "webp"]) == 0
    assert "webp: nothing is lost\n" in output()[0]
    assert run(["cache", "diff", str(cache), str(tmp_path / "w")]) == 0
    assert "are the same: 16 samples\n" in output()[0]
    assert run(["cache", "pack", str(cache), str(tmp_path / "j"), "--quality", "70"]) == 0
    assert " dB on average, " in output()[0]
    assert run(["cache", "diff", str(cache), str(tmp_path / "j"), "--limit", "2"]) == 1
    lines, errors = output()
    assert lines.startswith("16 samples differ: a_s01_c0, a_s01_c1 and 14 more\npixels: differ in")
    assert errors.splitlines()[-1].startswith("error: DIFFERENT: ")
    assert run(["cache", "diff", str(cache), str(tmp_path / "j"), "--json"]) == 1
    assert json.loads(output()[0])["pixels"]["samples"] == 16


def test_unpack_gives_back_what_was_packed(cache: Path, tmp_path: Path) -> None:
    assert run(["cache", "pack", str(cache), str(tmp_path / "w"), "--codec", "webp"]) == 0
    assert run(["cache", "unpack", str(tmp_path / "w"), str(tmp_path / "back")]) == 0
    for path in cache.iterdir():
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()


def test_wrong_usage_exits_2(cache: Path, tmp_path: Path, output: Output) -> None:
    (tmp_path / "there").mkdir()
    for arguments, expected in (
        (["verify"], "Missing argument 'FOLDER...'"),
        (["info", str(tmp_path / "none")], "does not exist"),
        (["pack", str(cache), str(tmp_path / "x"), "--codec", "png"], "'png' is not one of"),
        (["export", str(cache), str(tmp_path / "there")], "TARGET_EXISTS"),
        (["import", str(cache), str(tmp_path / "there")], "TARGET_EXISTS"),
        (["import", str(cache), str(tmp_path / "x"), "--expect", "abc"], "64 hexadecimal digits"),
        (["export", str(cache), str(tmp_path / "x"), "--title", "a\nb"], "CARD: the title"),
    ):
        assert run(["cache", *arguments]) == 2
        assert expected in output()[1]
    assert {path.name for path in tmp_path.iterdir()} == {"sender", "there"}


def test_a_damaged_cache_is_not_exported(cache: Path, tmp_path: Path, output: Output) -> None:
    flip(cache / "mosaics-00001.h5")
    assert run(["cache", "export", str(cache), str(tmp_path / "x.tar")]) == 3
    assert output()[1].splitlines()[-1].startswith("error: DIGEST: ")
    assert not (tmp_path / "x.tar").exists()


def test_an_export_without_a_licence_warns(cache: Path, tmp_path: Path, output: Output) -> None:
    assert run(["cache", "export", str(cache), str(tmp_path / "a")]) == 0
    assert "warning: no licence is stated" in output()[1]
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
    samples = read_index(folder).samples
    write_index(folder, [replace(samples[0], video=video), *samples[1:]])
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
    receiver = new_project(tmp_path / "receiver")
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
