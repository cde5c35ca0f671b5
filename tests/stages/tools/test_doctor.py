"""``stroi doctor`` reports what is available, and never fails because something is missing."""

from __future__ import annotations

import builtins
import importlib.metadata
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fake_openpose import KNOWN_WEIGHTS, fake_build
from tiny_onnx import tiny_rtmpose

from stroi.pipeline.workspace import Workspace
from stroi.stages.pose.estimators import openpose, openpose_build
from stroi.stages.tools.doctor import check_environment, command, table
from stroi.stages.tools.environment import Finding, disk, libraries, run_check


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OPENPOSE_ROOT", raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setenv("STROI_STORE", str(tmp_path / "store" / "of mine"))


def named(rows: Iterable[Finding]) -> dict[str, Finding]:
    return {row.name: row for row in rows}


def test_everything_is_checked(tmp_path: Path) -> None:
    rows = check_environment(Workspace(tmp_path), None, None)
    topics = {row.topic for row in rows}
    assert topics == {"pose", "machine", "codecs", "store", "versions"}
    by_name = named(rows)
    assert by_name["movenet"].state == "ok"
    assert by_name["openpose"].detail.startswith("OPENPOSE_MISSING")
    assert "docs/pose-sources.md" in by_name["openpose"].remedy
    assert "set skeletons.onnx.model" in by_name["onnx"].remedy
    assert by_name["auto"].detail.startswith("would take movenet")
    assert by_name["MJPG"].detail == "5 of 5 frames written and read"
    assert by_name["webp"].state == by_name["jpeg"].state == "ok"
    assert by_name["numpy"].detail == importlib.metadata.version("numpy")
    assert by_name["dvc project"].remedy == "run `dvc init`, or give --root"
    assert f"{len(os.sched_getaffinity(0))} of" in by_name["cpu"].detail
    assert by_name["folder"].detail == str(tmp_path / "store" / "of mine")
    assert not (tmp_path / "store").exists()


def test_what_the_user_has_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = tmp_path / "network.onnx"
    network.write_bytes(tiny_rtmpose(48, 64))
    root = fake_build(tmp_path / "openpose", "1.5")
    by_name = named(check_environment(Workspace(tmp_path), root, network))
    assert by_name["openpose"].state == "missing"
    assert "has 21 bytes, the network's weights 104,715,850" in by_name["openpose"].detail
    assert by_name["openpose module"].detail.endswith("pyopenpose.py, dialect 1.5, 1 GPUs")
    assert by_name["openpose COCO"].detail.endswith("pose_deploy_linevec.prototxt is missing")
    for module in (openpose, openpose_build):
        monkeypatch.setattr(module, "NETWORKS", KNOWN_WEIGHTS)
    by_name = named(check_environment(Workspace(tmp_path), root, network))
    assert by_name["openpose"].state == "ok"
    weights = root / "models/pose/body_25/pose_iter_584000.caffemodel"
    assert by_name["openpose BODY_25"].detail.startswith(f"{weights}, MD5 known; prototxt ")
    assert by_name["onnx"].detail.startswith("rtmpose, model ")
    assert by_name["auto"].detail.startswith("would take openpose")


def test_broken_library_is_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = builtins.__import__

    def broken(name: str, *args: Any, **kwargs: Any) -> Any:
        if name in ("torch", "cv2"):
            raise OSError("libcudnn.so.9: cannot open shared object file")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", broken)
    by_name = named(check_environment(Workspace(tmp_path), None, None))
    assert by_name["gpu"].detail == "OSError: libcudnn.so.9: cannot open shared object file"
    assert by_name["opencv"].state == "missing"
    assert by_name["free"].detail.endswith("GiB")


def test_missing_package_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "dask":
            raise importlib.metadata.PackageNotFoundError(name)
        return "9.9" if name == "opencv-python" else real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    by_name = named(libraries())
    assert by_name["dask"].remedy == "pip install 'stroi[dask]'"
    assert "opencv-python overwrites files" in by_name["opencv"].detail


def test_file_system_without_links_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert named(disk(tmp_path))["hard links"].state == "ok"

    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    found = named(disk(tmp_path))["hard links"]
    assert (found.state, found.detail) == ("note", "no: shards are copied out of the store")
    assert list(tmp_path.iterdir()) == []


def test_failing_check_is_one_line() -> None:
    def fail() -> Iterable[Finding]:
        yield Finding("a", "first", "ok", "there")
        raise RuntimeError("no such thing")

    assert run_check("a", "b", fail) == [
        Finding("a", "b", "missing", "RuntimeError: no such thing")
    ]


def test_table_has_a_line_for_each_and_its_remedy() -> None:
    rows = [
        Finding("pose", "movenet", "ok", "there"),
        Finding("pose", "openpose", "missing", "not there", "build it"),
        Finding("store", "free", "note", "1.0 GiB"),
    ]
    assert table(rows).splitlines() == [
        "pose",
        "  movenet   yes  there",
        "  openpose  no   not there",
        "                 -> build it",
        "",
        "store",
        "  free           1.0 GiB",
    ]


def test_json_says_the_same(tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["--root", str(tmp_path), "--json"])
    assert done.exit_code == 0
    rows = json.loads(done.stdout)
    assert {"topic": "pose", "name": "movenet"}.items() <= rows[0].items()
    assert set(rows[0]) == {"topic", "name", "state", "detail", "remedy"}
    shown = CliRunner().invoke(command, ["--root", str(tmp_path)])
    assert shown.exit_code == 0
    assert shown.stdout.startswith("pose\n  movenet ")
