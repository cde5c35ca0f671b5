"""``stroi cache ...`` as a user runs it: output, exit codes, one last line that tells it all."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from small_caches import make_scores, make_weights
from small_project import IDS, flip, project_with_mosaics

from stroi.cache.files.digests import sha256_file
from stroi.cache.manifest import read_manifest, write_manifest
from stroi.cache.scores import write_scores
from stroi.cache.weights import write_weights
from stroi.pipeline.cache_commands import COMMANDS
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


def changed(cache: Path, **fields: object) -> None:
    write_manifest(cache, replace(read_manifest(cache), **fields))  # type: ignore[arg-type]


# What `prune` does alone is only said; with options it is what its help says of them.
@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"prune"}))
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
    kilobytes = (cache / "mosaics-00000.h5").stat().st_size / 1e3
    assert f"{cache}/mosaics-00000.h5: ok, 8 samples, {kilobytes:.1f} kB\n" in lines
    assert f"{cache}/ledger.csv: ok, " in lines
    assert "with stage version 1\n" in lines
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
