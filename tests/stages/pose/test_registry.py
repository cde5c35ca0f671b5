"""What ``auto`` takes, and why."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_openpose import KNOWN_WEIGHTS, WEIGHTS_MD5, fake_build
from tiny_onnx import tiny_rtmpose

from stroi.cache.errors import ParamsError, RefusedInput, StroiError
from stroi.cache.files.digests import digest
from stroi.pipeline.params.profile import OnnxParams, OpenPoseParams, SkeletonParams
from stroi.stages.pose.estimators import openpose
from stroi.stages.pose.estimators.movenet import MODEL_SHA256
from stroi.stages.pose.registry import choose, load, record, with_full_paths


@pytest.fixture(autouse=True)
def _no_build_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENPOSE_ROOT", raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)


def auto(root: Path | None = None) -> SkeletonParams:
    """The source ``auto``, with a build of OpenPose."""
    openpose = OpenPoseParams(root=str(root) if root else None)
    return SkeletonParams(source="auto", openpose=openpose)


def test_auto_takes_openpose_with_weights_that_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = auto(fake_build(tmp_path, "master"))
    own = params.replace(openpose=params.openpose.replace(weights_md5=WEIGHTS_MD5))
    for unknown in (params, own):
        choice = choose(unknown)
        assert (choice.source, choice.why) == ("movenet", "auto: OPENPOSE_MODEL")
    monkeypatch.setattr(openpose, "NETWORKS", KNOWN_WEIGHTS)
    choice = choose(params)
    assert (choice.source, choice.why) == ("openpose", "auto: OpenPose is here")
    assert "its module loads and its weights" in choice.message


def test_auto_takes_the_embedded_one_otherwise(tmp_path: Path) -> None:
    choice = choose(auto())
    assert (choice.source, choice.why) == ("movenet", "auto: OPENPOSE_MISSING")
    assert "no Python module of OpenPose is found)" in choice.message
    root = fake_build(tmp_path, "master")
    next(root.rglob("*.caffemodel")).write_bytes(b"cut off")
    choice = choose(auto(root))
    assert (choice.source, choice.why) == ("movenet", "auto: OPENPOSE_MODEL")
    assert "has 7 bytes" in choice.message


def test_reason_that_is_kept_names_no_place(tmp_path: Path) -> None:
    reasons = set()
    for name in ("one", "other"):
        reasons.add(choose(auto(tmp_path / name)).why)
    assert reasons == {"auto: OPENPOSE_MISSING"}


def test_param_comes_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENPOSE_ROOT", str(tmp_path / "old"))
    assert with_full_paths(auto()).openpose.root == str(tmp_path / "old")
    assert with_full_paths(auto(tmp_path / "new")).openpose.root == str(tmp_path / "new")


def test_paths_hold_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    params = with_full_paths(SkeletonParams(onnx=OnnxParams(model="network.onnx")))
    assert params.onnx.model == str(tmp_path / "network.onnx")


def test_named_one_is_taken_or_fails() -> None:
    params = SkeletonParams(source="openpose")
    assert choose(params).why == "named"
    with pytest.raises(StroiError, match="OPENPOSE_MISSING"):
        load(params)


def test_onnx_needs_its_file(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"ESTIMATOR_MODEL: skeletons\.onnx\.model is not set"):
        load(SkeletonParams(source="onnx"))
    with pytest.raises(RefusedInput, match="MODEL_MISSING"):
        load(SkeletonParams(source="onnx", onnx=OnnxParams(model=str(tmp_path / "absent.onnx"))))
    (tmp_path / "network.onnx").write_bytes(tiny_rtmpose(48, 64))
    onnx = OnnxParams(model=str(tmp_path / "network.onnx"))
    found = record(load(SkeletonParams(source="onnx", onnx=onnx, input_size=192)))
    assert (found["estimator"], found["finder"]["input_size"]) == ("rtmpose", 192)


def test_record_tells_estimators_apart() -> None:
    small, large = (
        record(load(SkeletonParams(source="movenet", input_size=size))) for size in (192, 256)
    )
    assert (small["estimator"], small["model"]) == ("movenet", MODEL_SHA256)
    assert digest(dict(small)) != digest(dict(large))
