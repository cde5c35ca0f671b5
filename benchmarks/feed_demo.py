"""A mosaic cache of rendered clips, cut around the joints that are known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from feed_rivals import CELL, COLUMNS, SIZE
from natural_mosaics import write_shard

from stroi.cache.manifest import Manifest, write_manifest
from stroi.cache.mosaics import MosaicCache
from stroi.cache.skeletons import Clip
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.mosaic.cut import cut_mosaic
from stroi.stages.video.frame_sampling import sample_frames
from stroi.stages.video.reader import read_selected


def demo_cache(folder: Path, videos: Mapping[str, Path], clips: Mapping[str, Clip]) -> MosaicCache:
    """Write one shard of all clips."""
    cuts = []
    for name in sorted(clips):
        wanted = sample_frames(len(clips[name].keypoints), COLUMNS)
        frames = read_selected(videos[name], wanted.tolist())
        cut = cut_mosaic(
            frames, clips[name], wanted, MosaicParams(cell=CELL, size=SIZE, min_confidence=0.1)
        )  # fmt: skip
        cuts.append(cut)
    entry = write_shard(folder, 0, tuple(sorted(clips)), cuts)
    params = {"columns": COLUMNS, "cell": CELL, "size": SIZE}
    write_manifest(folder, Manifest("mosaics", params, {}, (entry,)))
    return MosaicCache(folder, verify=False)
