"""``stroi cache export``, ``import`` and ``verify`` with URLs."""

from __future__ import annotations

from pathlib import Path

import pytest
from file_server import serve
from small_caches import make_mosaics, write_cache
from small_project import flip

from stroi.cache.share.diff import diff
from stroi.cache.verify import verify
from stroi.pipeline.cli import run


@pytest.fixture(autouse=True)
def downloads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROI_DOWNLOADS", str(tmp_path / "downloads"))


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return write_cache(tmp_path / "made", [make_mosaics(("a", "b"), seed=1)])


@pytest.mark.parametrize("name", ["demo.tar", "demo"])
def test_there_and_back(
    made: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"memory://{tmp_path.name}/{name}"
    assert run(["cache", "export", str(made), url, "--licence", "CC0-1.0", "--no-sheet"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{url}: 2 samples without labels, 4 files")
    assert "upload: " in said.err
    assert run(["cache", "export", str(made), url]) == 2
    assert "TARGET_EXISTS: " in capsys.readouterr().err
    assert run(["cache", "verify", url]) == 0
    said = capsys.readouterr()
    assert f"{url}/mosaics-00000.h5: ok, 2 samples" in said.out
    assert said.out.endswith(": complete and untouched\n")
    assert "downloads" not in said.out
    assert run(["cache", "import", url, str(tmp_path / "new")]) == 0
    assert verify(tmp_path / "new") == []
    assert diff(made, tmp_path / "new").same


def test_a_server_with_a_flipped_byte(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["cache", "export", str(made), f"file://{tmp_path}/www/demo", "--no-sheet"]) == 0
    flip(tmp_path / "www" / "demo" / "mosaics-00000.h5")
    with serve(tmp_path / "www") as server:
        url = f"{server.url}/demo"
        capsys.readouterr()
        assert run(["cache", "verify", url]) == 3
        problem = f"DIGEST: {url}/mosaics-00000.h5: its SHA-256 is not the manifest's; damaged: b"
        assert problem in capsys.readouterr().err
        assert run(["cache", "import", url, str(tmp_path / "new")]) == 3
        assert problem in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_an_archive_is_verified_where_it_lies(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "demo.tar"
    assert run(["cache", "export", str(made), str(path), "--no-sheet"]) == 0
    assert run(["cache", "verify", str(path)]) == 0
    assert f"{path}: 3 files, 2 samples" in capsys.readouterr().out
    path.write_bytes(b"no archive" * 100)
    assert run(["cache", "verify", str(path)]) == 3
    assert f"ARCHIVE_FORMAT: {path}: file 0 has no tar header" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["import", "verify"])
def test_an_address_without_a_cache(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    target = ["target"] if command == "import" else []
    assert run(["cache", command, "memory://nowhere/x.tar", *target]) == 3
    error = capsys.readouterr().err
    assert "URL_MISSING: memory://nowhere/x.tar: there is no archive" in error
    assert error.endswith("; check the address\n")
