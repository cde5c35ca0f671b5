"""Weights files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_caches import make_weights

from stroi.cache.errors import RefusedInput
from stroi.cache.manifest import read_manifest
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
    assert (manifest.params, manifest.producer) == ({"scale": "clip"}, {"gcn": "0" * 64})
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("one", "two")
    )
    assert one == two
    assert set(one) == {"weights.h5", "manifest.json"}


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
