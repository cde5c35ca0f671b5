"""Hostile pictures in compact caches: refused in one line, cheaply, before anything is made."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from blobs import good, hostile
from measured import Measured, most_seconds, run_measured
from small_caches import make_mosaics, reseal, write_cache, write_compact

from stroi.cache.manifest import Manifest
from stroi.cache.share.convert import pack

MAIN = "from stroi.pipeline.cli import main; main()"
CASES = (
    "playlist", "tiff", "exr", "huge jpeg", "jpeg and zip", "extended webp", "lossy webp",
    "webp cut",
)  # fmt: skip


def refused(folder: Path, *command: object) -> Measured:
    """A command of ``stroi cache`` that must refuse `folder`."""
    done = run_measured([sys.executable, "-c", MAIN, "cache", *map(str, command)])
    assert done.returncode == 3, done.stderr
    assert done.last_error.isprintable()
    assert "Traceback" not in done.stderr
    assert str(folder) in done.last_error
    assert done.peak_bytes < 300_000_000
    assert done.seconds < most_seconds()
    return done


@pytest.mark.parametrize("name", CASES)
def test_hostile_blob_is_refused(tmp_path: Path, name: str) -> None:
    blob, text = hostile()[name]
    folder = write_compact(tmp_path / "compact", [good()["jpeg"], blob])
    target = tmp_path / "back"
    for command in (("verify", folder), ("unpack", folder, target)):
        done = refused(folder, *command)
        assert done.last_error.startswith(
            f"error: IMAGE_HEADER: {folder / 'mosaics-00000.h5'}: 'b'"
        )
        assert text in done.last_error
        assert not target.exists()


def test_picture_bomb_is_refused_by_its_size(tmp_path: Path) -> None:
    """A thousand pictures of 4096 x 4096 px in 100 bytes each would be 50 GB."""
    blobs = [good()["webp"]] * 1000
    many = {
        "height": np.full(1000, 4095, np.int32),
        "width": np.full(1000, 4095, np.int32),
    }
    folder = write_compact(tmp_path / "compact", blobs, **many)
    for command in (("verify", folder), ("unpack", folder, tmp_path / "back")):
        done = refused(folder, *command)
        assert "IMAGE_SIZE" in done.last_error
        assert "1000 pictures of 4095 x 4095 px are more than" in done.last_error


def test_lossless_sample_that_was_changed_is_named(tmp_path: Path) -> None:
    folder = write_cache(tmp_path / "origin", [make_mosaics(("a-1", "a-2"))])
    packed = pack(folder, tmp_path / "compact").extra["packed"]

    def lie(manifest: Manifest) -> Manifest:
        manifest.extra["packed"] = {**packed, "codec": "webp"}
        return manifest

    reseal(tmp_path / "compact", lie)
    done = refused(tmp_path / "compact", "unpack", tmp_path / "compact", tmp_path / "back")
    assert done.last_error == (
        f"error: DIGEST: {tmp_path / 'compact' / 'mosaics-00000.h5'}: 'a-1' is not the sample that"
        " was packed; fetch or rebuild the folder"
    )
    assert list((tmp_path / "back").iterdir()) == []
