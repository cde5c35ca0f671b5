"""A project with an index and a small cache of mosaics, made without a single video."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from assembled import assemble_mosaics
from projects import new_project

from stroi.cache.files.atomic import write_atomic
from stroi.cache.manifest import Manifest, file_entry, write_manifest
from stroi.cache.mosaics import Mosaics
from stroi.pipeline.index.ledger import ClipOutcome, write_ledger
from stroi.pipeline.index.table import Sample, write_index
from stroi.pipeline.params.cache_params import NOT_CONTENT
from stroi.pipeline.params.load import load_profile

IDS = tuple(f"{act}_s{who:02d}_c{view}" for act in "ab" for who in (1, 2) for view in range(4))
HEX = "0123456789abcdef"


def video_of(name: str) -> str:
    return (HEX[IDS.index(name)] * 64)[:64]


def without_pairs(root: Path) -> Path:
    """The project, its profile without pairs of classes that this index does not have."""
    profile = root / "profiles" / "demo.yaml"
    profile.write_text(profile.read_text().partition("ensemble:")[0])
    return root


def project_with_mosaics(folder: Path) -> Path:
    """A project with an index and a cache of random mosaics in two shards, without videos."""
    root = without_pairs(new_project(folder))
    samples = [
        Sample(
            name,
            f"videos/{name}.avi",
            "alpha" if name[0] == "a" else "beta",
            name[2:5],
            name[6:],
            bytes=100,
            sha256=video_of(name),
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
        encoded = assemble_mosaics([mosaics])
        write_atomic(folder / f"mosaics-{number:05d}.h5", encoded.data)
        entry = file_entry(f"mosaics-{number:05d}.h5", encoded.data, part, encoded.sample_sha256)
        made_from = {"video": tuple(video_of(name) for name in part)}
        entries.append(replace(entry, inputs=made_from))
    outcomes = [ClipOutcome(name) for name in IDS]
    write_ledger(folder, [*outcomes, ClipOutcome("c_s01_c0", "VIDEO_OPEN", "/home/ann/c.avi: no")])
    entries.insert(0, file_entry("ledger.csv", (folder / "ledger.csv").read_bytes()))
    params = load_profile(root, "demo").mosaics.model_dump(mode="json", exclude=NOT_CONTENT)
    producer = {"stage_version": 1, "skeletons": {"estimator": "movenet", "model": "ab" * 32}}
    write_manifest(
        folder, Manifest("mosaics", params, producer, tuple(entries), {"ledger": "ledger.csv"})
    )
    return root


def flip(path: Path, at: int = -1) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
