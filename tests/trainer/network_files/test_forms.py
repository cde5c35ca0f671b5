"""Training reads every form and size of a mosaic cache alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from assembled import assemble_mosaics
from small_inputs import CLASSES, IDS, LABELS, clip
from trainings import resnet_trained

from stroi.cache.files.atomic import write_atomic
from stroi.cache.manifest import Manifest, file_entry, write_manifest
from stroi.cache.mosaics import MosaicCache, Mosaics
from stroi.cache.share.convert import pack
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.mosaic.cut import cut_mosaic
from stroi.trainer.config import ResNetConfig, Schedule
from stroi.trainer.data.mosaic_batches import EpochPlan, stream_batches
from stroi.trainer.data.mosaic_loader import cell_grid
from stroi.trainer.models.cell_grid import CellGrid
from stroi.trainer.run.run_key import model_digest
from stroi.trainer.score_resnet import score_resnet

CELL = 14
INDEX = np.array([2, 5, 8], np.int32)
SHORT = Schedule(epochs=2, batch_size=4, lr=0.05, milestones=(1,))


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of mosaics that keep the size in which their cells were cut."""
    folder = tmp_path_factory.mktemp("native")
    random = np.random.default_rng(3)
    cuts = []
    for number in range(len(IDS)):
        shown = clip(number, persons=1 + number % 2)
        size = (shown.height, shown.width, 3)
        frames = {time: random.integers(0, 256, size, np.uint8) for time in INDEX.tolist()}
        cuts.append(
            cut_mosaic(
                frames, shown, INDEX, MosaicParams(cell=CELL, size="native", min_confidence=0.3)
            )
        )
    mosaics = Mosaics(
        ids=IDS,
        person_count=np.array([cut.person_count for cut in cuts], np.int8),
        **{
            name: np.stack([getattr(cut, name) for cut in cuts])
            for name in ("mosaic", "frame_index", "box", "confidence", "valid")
        },
    )
    encoded = assemble_mosaics([mosaics])
    write_atomic(folder / "mosaics-00000.h5", encoded.data)
    entry = file_entry("mosaics-00000.h5", encoded.data, IDS, encoded.sample_sha256)
    params = {"columns": 3, "cell": CELL, "size": "native"}
    write_manifest(folder, Manifest("mosaics", params, {}, (entry,)))
    return folder


def test_native_mosaics_are_divided_as_they_were_cut(native: Path) -> None:
    cache = MosaicCache(native)
    assert cache.shape == (5 * CELL, 3 * CELL, 3)
    assert cell_grid(cache) == CellGrid(5, 3, CELL, CELL)


@pytest.mark.parametrize("codec", ["webp", "jpeg"])
def test_training_reads_the_compact_form(native: Path, tmp_path: Path, codec: str) -> None:
    pack(native, tmp_path / "compact", codec=codec)
    digests, scores = [], []
    for folder in (native, tmp_path / "compact"):
        cache = MosaicCache(folder)
        plan = EpochPlan([np.arange(len(IDS))], [len(IDS)])
        [batch] = stream_batches(cache, IDS, plan, torch.device("cpu"))
        assert batch.mosaics.shape == (len(IDS), 5 * CELL, 3 * CELL, 3)
        settings = {"config": ResNetConfig(), "schedule": SHORT, "seed": 0, "device": "cpu"}
        net = resnet_trained("plain", cache, LABELS, CLASSES, **settings)
        digests.append(model_digest(net))
        scores.append(score_resnet(net, cache, IDS).logits)
    assert (digests[0] == digests[1]) == (codec == "webp")
    assert np.isfinite(scores).all()
    assert np.array_equal(*scores) == (codec == "webp")
