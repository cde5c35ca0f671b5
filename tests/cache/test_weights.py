"""Weights files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_caches import make_weights

from stroi.cache.errors import RefusedInput
from stroi.cache.manifest import read_manifest, write_manifest
from stroi.cache.rois import PAPER, PRESETS, rows_to_json
from stroi.cache.weights import read_weights, write_weights


def test_round_trip_and_equal_bytes(tmp_path: Path) -> None:
    made = make_weights(("a", "b"))
    for name in ("one", "two"):
        write_weights(tmp_path / name, made, params={"scale": "clip"}, producer={"gcn": "0" * 64})
    found = read_weights(tmp_path / "one")
    assert found.ids == made.ids
    np.testing.assert_array_equal(found.joint_weights, made.joint_weights, strict=True)
    np.testing.assert_array_equal(found.row_weights, made.row_weights, strict=True)
    manifest = read_manifest(tmp_path / "one", "weights")
    assert manifest.params == {"scale": "clip"}
    assert manifest.producer == {"gcn": "0" * 64, "rows": rows_to_json(PAPER)}
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("one", "two")
    )
    assert one == two
    assert set(one) == {"weights.h5", "manifest.json"}


def test_the_rows_are_recorded_and_must_be_as_many(tmp_path: Path) -> None:
    made = make_weights(("a", "b"))
    other = replace(made, rows=PRESETS["upper_body"])
    write_weights(tmp_path, other, params={}, producer={})
    assert read_weights(tmp_path).rows == PRESETS["upper_body"]
    assert "rows" not in write_without_rows(tmp_path)
    assert read_weights(tmp_path).rows == PAPER
    write_weights(tmp_path, replace(made, rows=PRESETS["full_body"]), params={}, producer={})
    with pytest.raises(RefusedInput) as caught:
        read_weights(tmp_path)
    assert str(caught.value) == (
        f"SCHEMA: {tmp_path}: weights of 5 rows, its manifest says full_body; run stage weights"
        " again, or `dvc repro`"
    )


def write_without_rows(folder: Path) -> dict[str, object]:
    """Leave the rows out of the manifest, as files of earlier versions do; what is left."""
    made = read_manifest(folder)
    producer = {name: value for name, value in made.producer.items() if name != "rows"}
    write_manifest(folder, replace(made, producer=producer))
    return producer


def test_number_of_joints_is_free(tmp_path: Path) -> None:
    made = replace(make_weights(("a",)), joint_weights=np.ones((1, 2, 17), np.float32))
    write_weights(tmp_path, made, params={}, producer={})
    assert read_weights(tmp_path).joint_weights.shape == (1, 2, 17)


@pytest.mark.parametrize("field", ["joint", "row"])
@pytest.mark.parametrize(
    ("value", "code", "remedy"),
    [
        (np.nan, "NONFINITE", "training diverged: lower"),
        (np.inf, "NONFINITE", "training diverged: lower"),
        (-0.5, "RANGE", "rebuild the file"),
    ],
)
def test_bad_weight_is_not_written(
    tmp_path: Path, field: str, value: float, code: str, remedy: str
) -> None:
    made = make_weights(("a", "b"))
    getattr(made, f"{field}_weights")[1, 0, 2] = value
    with pytest.raises(
        RefusedInput, match=f"^{code}: new weights file: {field} of 'b' .*; .*{remedy}"
    ):
        write_weights(tmp_path, made, params={}, producer={})
    assert list(tmp_path.iterdir()) == []


def test_damage_is_refused_and_the_sample_named(tmp_path: Path) -> None:
    made = make_weights(("a", "b"))
    write_weights(tmp_path, made, params={}, producer={})
    data = bytearray((tmp_path / "weights.h5").read_bytes())
    data[data.index(made.joint_weights[1].tobytes()) + 2] ^= 4
    (tmp_path / "weights.h5").write_bytes(data)
    with pytest.raises(RefusedInput, match=r"DIGEST: .*weights.h5: .*damaged: b of 2 samples"):
        read_weights(tmp_path)
