"""Training and scoring on mosaics of any rows; nothing of one set of rows goes with another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_inputs import CLASSES, IDS, LABELS, QUICK, SMALL_GCN, clips, mosaic_cache
from trainings import gcn_trained, resnet_trained

from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.mosaics import MosaicCache
from stroi.cache.rois import PAPER, Rows, read_rows
from stroi.trainer.config import Mode, ResNetConfig, Schedule
from stroi.trainer.models.graph_net import GraphNet
from stroi.trainer.models.weighted_mosaic_net import WeightedMosaicNet
from stroi.trainer.network_files.network_file import load_resnet, save_resnet
from stroi.trainer.score_gcn import compute_weights
from stroi.trainer.score_resnet import score_resnet

ONCE = Schedule(epochs=1, batch_size=4, lr=0.05)
ROWS = {
    "one": read_rows("full_body"),
    "eight": read_rows(
        ["head", "right_elbow", "left_elbow", {"right_leg": ["right_knee", "right_ankle"]},
         {"left_leg": ["left_knee", "left_ankle"]}, "right_hand", "left_hand", "mid_hip"]
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def gcn() -> GraphNet:
    return gcn_trained(clips(), LABELS, CLASSES, config=SMALL_GCN, schedule=QUICK, seed=0)


def inputs_of(mode: Mode, gcn: GraphNet, rows: Rows) -> dict[str, Any]:
    if mode == "fixed":
        return {"weights": compute_weights(gcn, clips(), IDS, rows=rows)[0]}
    return {"gcn": gcn, "clips": clips()} if mode == "end-to-end" else {}


def train(mode: Mode, mosaics: MosaicCache, inputs: dict[str, Any], **config: Any
          ) -> WeightedMosaicNet:  # fmt: skip
    return resnet_trained(
        mode, mosaics, LABELS, CLASSES, config=ResNetConfig(**config), schedule=ONCE, **inputs
    )


@pytest.mark.parametrize("mode", ["plain", "fixed", "end-to-end"])
@pytest.mark.parametrize("name", ROWS)
def test_any_number_of_rows_is_trained_kept_and_scored(
    name: str, mode: Mode, gcn: GraphNet, tmp_path: Path
) -> None:
    rows = ROWS[name]
    mosaics = mosaic_cache(tmp_path / "mosaics", rows=rows)
    inputs = inputs_of(mode, gcn, rows)
    if mode == "fixed":
        assert inputs["weights"].row_weights.shape == (len(IDS), 2, len(rows))
    net = train(mode, mosaics, inputs, flip=0.5, missing="zero")
    save_resnet(tmp_path / "net", net)
    loaded = load_resnet(tmp_path / "net")
    assert loaded.rows == net.rows == rows
    inputs.pop("gcn", None)
    one, two = (score_resnet(each, mosaics, IDS, **inputs).logits for each in (net, loaded))
    np.testing.assert_array_equal(one, two)
    # The same number of cells, other body parts.
    others = read_rows([{"knee": ["left_knee"]}, *rows[1:]])
    strange = mosaic_cache(tmp_path / "strange", rows=others)
    with pytest.raises(RefusedInput) as caught:
        score_resnet(net, strange, IDS, **inputs)
    assert str(caught.value).startswith(f"ROWS_OTHER: {strange.folder} has the rows knee")
    assert "; the network has " + rows[0].name in str(caught.value)
    assert str(caught.value).endswith(
        "; cut the mosaics with the rows of the network (mosaics.rows), or train anew"
    )


def test_weights_of_other_rows_are_refused_by_name(gcn: GraphNet, tmp_path: Path) -> None:
    mosaics = mosaic_cache(tmp_path / "mosaics")
    weights = inputs_of("fixed", gcn, read_rows("upper_body"))
    with pytest.raises(RefusedInput) as caught:
        train("fixed", mosaics, weights)
    assert str(caught.value) == (
        "ROWS_OTHER: the file of weights has the rows head, right_hand, left_hand, right_elbow,"
        f" left_elbow; {mosaics.folder} has head, right_hand, left_hand, right_foot, left_foot;"
        " run the stages mosaics and weights again, or `dvc repro`"
    )
    assert len(weights["weights"].rows) == len(PAPER)


def test_rows_that_have_no_mirror_are_refused_before_training(tmp_path: Path) -> None:
    mosaics = mosaic_cache(tmp_path / "mosaics", rows=read_rows(["head", "right_hand"]))
    with pytest.raises(ParamsError) as caught:
        train("plain", mosaics, {}, flip=0.5)
    assert str(caught.value) == (
        "ROWS_MIRROR: clips are mirrored, and the rows of mosaics lack the other side of"
        " right_hand; add that side to mosaics.rows, or set resnet.flip to 0"
    )
    assert train("plain", mosaics, {}).rows == mosaics.rows


def test_a_resumed_training_is_of_the_same_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal pixels and numbers, other body parts: another key."""
    keys = []

    class Stop(Exception):
        pass

    def stop(_: object, key: str, *rest: object) -> None:
        keys.append(key)
        raise Stop

    monkeypatch.setattr("stroi.trainer.train_resnet.Checkpointer.create", stop)
    for rows in (PAPER, PAPER, read_rows("upper_body")):
        mosaics = mosaic_cache(tmp_path / f"mosaics{len(keys)}", rows=rows)
        with pytest.raises(Stop):
            train("plain", mosaics, {})
    assert keys[0] == keys[1] != keys[2]
