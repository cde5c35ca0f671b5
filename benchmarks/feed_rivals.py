"""How others bring clips to the network: what `trainer_feed.py` compares the cache with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from plain_stgcn import PlainStGcn
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from stroi.cache.mosaics import MosaicCache
from stroi.cache.skeletons import Clip
from stroi.pipeline.params.profile import MosaicParams
from stroi.stages.mosaic.cut import cut_mosaic
from stroi.stages.video.frame_sampling import sample_frames
from stroi.stages.video.reader import read_selected
from stroi.trainer.data.side_inputs import row_weights_of
from stroi.trainer.data.skeleton_input import prepare_all
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.joint_attention import joint_weights, row_weights
from stroi.trainer.models.weighted_mosaic_net import MEAN, STD, WeightedMosaicNet
from stroi.trainer.score_gcn import compute_weights

QUALITY = 95
COLUMNS, CELL, SIZE = 5, 48, 225
LONG = 300  # frames that the published feeder pads skeletons to


class JpegFolder(Dataset[Tensor]):
    """A folder of JPEG files as torchvision's ImageFolder, ToTensor and Normalize read it.

    torchvision itself is no dependency here: Pillow opens, torch does the same arithmetic.

    Args:
        folder: Where to write the files.
        cache: The mosaics.
        rows: (N, H, W) row weights laid out over each mosaic, or what gives them by number.
    """

    def __init__(self, folder: Path, cache: MosaicCache, rows: NDArray[np.float32]) -> None:
        folder.mkdir()
        self._paths = [folder / f"{name}.jpg" for name in cache.ids]
        for name, path in zip(cache.ids, self._paths, strict=True):
            Image.fromarray(cache[name]).save(path, "JPEG", quality=QUALITY)
        self._mean = torch.tensor(MEAN).view(3, 1, 1)
        self._std = torch.tensor(STD).view(3, 1, 1)
        self._rows = torch.from_numpy(rows)

    def __len__(self) -> int:
        """How many."""
        return len(self._paths)

    def __getitem__(self, row: int) -> Tensor:
        """(3, H, W) float32, normalised and weighted."""
        with self._paths[row].open("rb") as file:
            picture = np.array(Image.open(file).convert("RGB"))
        x = torch.from_numpy(picture).permute(2, 0, 1).contiguous().float().div(255)
        x = x.sub_(self._mean).div_(self._std)
        weights = self._rows[row].repeat_interleave(x.shape[1] // self._rows.shape[1])
        return x * weights[None, :, None]


def jpeg_loader(data: JpegFolder, batch: int, seed: int) -> DataLoader[Tensor]:
    """Shuffled batches in this process: one core is measured."""
    order = torch.Generator().manual_seed(seed)
    return DataLoader(data, batch, shuffle=True, generator=order, drop_last=True)


def cut(video: Path, clip: Clip, *, well: bool) -> NDArray[np.uint8]:
    """A clip's mosaic out of its video: all frames decoded and kept, or those needed."""
    wanted = sample_frames(len(clip.keypoints), COLUMNS)
    if well:
        frames: Mapping[int, NDArray[np.uint8]] = read_selected(video, wanted.tolist())
    else:
        capture, found = cv2.VideoCapture(str(video)), []
        while True:
            there, frame = capture.read()
            if not there:
                break
            found.append(np.asarray(frame, np.uint8))
        capture.release()
        frames = dict(enumerate(found))
    return cut_mosaic(
        frames, clip, wanted, MosaicParams(cell=CELL, size=SIZE, min_confidence=0.1)
    ).mosaic


@torch.no_grad()
def online(
    net: WeightedMosaicNet,
    gcn: PlainStGcn | GraphNet,
    videos: Mapping[str, Path],
    clips: Mapping[str, Clip],
    ids: Sequence[str],
) -> Tensor:
    """(B, 3, H, W) what the network sees, made while it waits: decode, crop, graph network.

    With `PlainStGcn` as published (every frame decoded, 300 frames and two bodies for the graph
    network), with `GraphNet` as well as this project can.
    """
    well = isinstance(gcn, GraphNet)
    mosaics = np.stack([cut(videos[name], clips[name], well=well) for name in ids])
    counts = np.array([clips[name].person_count for name in ids], np.int8)
    if isinstance(gcn, GraphNet):
        order = np.argsort(np.argsort(ids))
        found = row_weights_of(compute_weights(gcn, clips, sorted(ids))[0], sorted(ids))
        rows = torch.from_numpy(found[order])
    else:
        data = prepare_all(clips, ids, frames=LONG)
        order = np.argsort(np.argsort(ids))
        x, present = torch.from_numpy(data.x[order]), torch.from_numpy(data.present[order])
        _, feature = gcn(x)
        rows = row_weights(joint_weights(feature), present)
    return net.network_input(torch.from_numpy(mosaics), rows, person_count=torch.from_numpy(counts))
