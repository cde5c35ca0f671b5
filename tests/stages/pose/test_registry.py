"""What ``auto`` takes, and why."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_openpose import fake_build
from tiny_onnx import tiny_rtmpose

from stroi.cache.errors import ParamsError, RefusedInput, StroiError
from stroi.cache.files.digests import digest
from stroi.stages.pose.estimators.movenet import MODEL_SHA256
from stroi.stages.pose.registry import Settings, choose, load, record


@pytest.fixture(autouse=True)
def _no_build_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENPOSE_ROOT", raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)


def test_auto_takes_openpose_if_it_is_whole(tmp_path: Path) -> None:
    choice = choose("auto", Settings(openpose_root=fake_build(tmp_path, "master")))
    assert (choice.source, choice.why) == ("openpose", "auto: OpenPose is here")
    assert "its module loads and its network" in choice.told


def test_auto_takes_the_embedded_one_otherwise(tmp_path: Path) -> None:
    choice = choose("auto", Settings())
    assert (choice.source, choice.why) == ("movenet", "auto: OPENPOSE_MISSING")
    assert "no Python module of OpenPose is found)" in choice.told
    root = fake_build(tmp_path, "master")
    next(root.rglob("*.caffemodel")).write_bytes(b"cut off")
    choice = choose("auto", Settings(openpose_root=root))
    assert (choice.source, choice.why) == ("movenet", "auto: OPENPOSE_MODEL")
    assert "has 7 bytes" in choice.told


def test_reason_that_is_kept_names_no_place(tmp_path: Path) -> None:
    reasons = set()
    for name in ("one", "other"):
        reasons.add(choose("auto", Settings(openpose_root=tmp_path / name)).why)
    assert reasons == {"auto: OPENPOSE_MISSING"}


def test_wrong_settings_are_not_passed_over(tmp_path: Path) -> None:
    root = fake_build(tmp_path, "master")
    wrong = Settings(openpose_root=root, openpose_options=(("net_resolution", "big"),))
    with pytest.raises(ParamsError, match="net_resolution is 'big'"):
        choose("auto", wrong)


def test_named_one_is_taken_or_fails() -> None:
    assert choose("openpose", Settings()).why == "named"
    with pytest.raises(StroiError, match="OPENPOSE_MISSING"):
        load("openpose", Settings())


def test_onnx_needs_its_file(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"ESTIMATOR_MODEL: skeletons\.onnx\.model is not set"):
        load("onnx", Settings())
    with pytest.raises(RefusedInput, match="MODEL_MISSING"):
        load("onnx", Settings(onnx_model=tmp_path / "absent.onnx"))
    (tmp_path / "network.onnx").write_bytes(tiny_rtmpose(48, 64))
    found = record(load("onnx", Settings(onnx_model=tmp_path / "network.onnx", input_size=192)))
    assert (found["estimator"], found["finder"]["input_size"]) == ("rtmpose", 192)


def test_unknown_estimator_is_refused() -> None:
    with pytest.raises(ParamsError, match="called 'blazepose'; use auto, movenet, openpose, onnx"):
        choose("blazepose", Settings())
    with pytest.raises(ParamsError, match="called 'auto'; use movenet, openpose, onnx"):
        load("auto", Settings())


def test_record_tells_estimators_apart() -> None:
    small, large = (record(load("movenet", Settings(input_size=side))) for side in (192, 256))
    assert (small["estimator"], small["model"]) == ("movenet", MODEL_SHA256)
    assert digest(dict(small)) != digest(dict(large))
