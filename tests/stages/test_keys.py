"""Every param of a profile is in the keys of the results that depend on it, and in no other key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from fake_openpose import KNOWN_WEIGHTS, WEIGHTS_MD5, fake_build
from key_cases import ALL, CASES, LOOKING, OF_SOURCES, SOURCES, TRAINED, Params
from pydantic import BaseModel
from tiny_onnx import tiny_rtmpose
from trained_project import project
from trained_project import train_gcn as train_and_weigh

from stroi.cache.files.digests import sha256_file
from stroi.pipeline.index.ledger import Ledger
from stroi.pipeline.index.table import read_index
from stroi.pipeline.parallel.executor import Workers
from stroi.pipeline.params.load import RunParams
from stroi.pipeline.params.profile import Profile
from stroi.pipeline.shards.build import ClipTask, TaskSpec
from stroi.pipeline.workspace import Workspace
from stroi.stages import gcn, mosaics, resnet, skeletons
from stroi.stages import skeletons3d as joints
from stroi.stages.pose import registry
from stroi.stages.pose.detect import detections_path
from stroi.stages.pose.estimators import openpose
from stroi.stages.training.configs import Resources
from stroi.stages.training.inputs import open_clips
from stroi.stages.training.outputs import checkpoint, seed_folder
from stroi.stages.training.run_split import split_clips
from stroi.stages.video import clip_input
from stroi.trainer import train_gcn, train_resnet
from stroi.trainer.models.resnet import ResNet
from stroi.trainer.network_files.safetensors_io import write_tensors


def leaves(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Dotted paths of all params."""
    for name, told in model.model_fields.items():
        kind = told.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from leaves(kind, f"{above}{name}.")
        else:
            yield f"{above}{name}"


def test_every_param_is_classified() -> None:
    """A new one needs a line above: which results depend on it?"""
    classified = {*CASES, *(f"skeletons.{name}" for name in OF_SOURCES), "skeletons.source"}
    assert set(leaves(Profile)) == classified


def changed(profile: Profile, params: Params) -> Profile:
    """`profile` with other values."""
    told = profile.model_dump()
    for path, value in params.items():
        *above, name = path.split(".")
        group = told
        for part in above:
            group = group[part]
        group[name] = value
    return Profile.model_validate(told)


class Found(Exception):
    """A key, instead of the work that it is for."""


@dataclass(frozen=True)
class Keys:
    """A trained project, and the keys of everything in it."""

    workspace: Workspace
    run: RunParams
    known: dict[str, dict[str, str]] = field(default_factory=dict)

    def of(self, profile: Profile) -> dict[str, str]:
        """The key of each result under `profile`."""
        name = profile.model_dump_json()
        if name not in self.known:
            self.known[name] = self.caches(profile) | self.trained(profile)
        return self.known[name]

    def caches(self, profile: Profile) -> dict[str, str]:
        """Of what the three cutting stages make."""
        raw, store = self.workspace.raw("d"), self.workspace.store
        index, out = read_index(self.workspace.index("d")), raw / "out"
        found: dict[str, str] = {}

        def noted(
            _: Path, spec: TaskSpec[Any, Any], jobs: list[ClipTask[Any]], **more: object
        ) -> Ledger:
            found[spec.kind] = spec.key(jobs)
            if spec.kind == "skeletons":
                plan = spec.make.keywords["plan"]
                paths = [detections_path(store, job.input, plan) for job in jobs]
                found["detections"] = ",".join(path.name for path in paths)
            return Ledger(())

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(clip_input, "build_shards", noted)
            rest = Workers(), store
            skeletons.build_skeletons(raw, index, out, profile.skeletons, *rest, profile.mosaics)
            own = profile.skeletons.own
            joints.build_skeletons3d(raw, index, out, profile.skeletons3d, *rest, own)
            there = self.workspace.skeletons("d")
            mosaics.build_mosaics(raw, index, there, out, profile.mosaics, *rest)
        return found

    def trained(self, profile: Profile, seed: int = 0, threads: int = 1) -> dict[str, str]:
        """Of the four trainings."""
        run, index = replace(self.run, profile=profile), read_index(self.workspace.index("d"))
        clips, first = open_clips(self.workspace, run), profile.gcn.streams[0]
        split = split_clips(index, run, clips.ids)
        resources = Resources(threads)
        found = {
            "gcn": key_of(
                gcn.train_stream, self.workspace, run, clips, index, split, first, seed, resources
            )
        }
        for mode in ("plain", "fixed", "end-to-end"):
            data = resnet.open_data(self.workspace, run, mode)
            found[mode] = key_of(
                resnet.train_seed, self.workspace, run, data, mode, seed, resources
            )
        return found


def key_of(train: Callable[..., object], *arguments: object) -> str:
    """The key that a training would begin under."""

    def stop(_: object, key: str, *rest: object) -> None:
        raise Found(key)

    with pytest.MonkeyPatch.context() as patch:
        for trainer in (train_gcn, train_resnet):
            patch.setattr(trainer.Checkpointer, "create", stop)
        # What takes long and is in no key: the seed says what the first weights are.
        patch.setattr(train_resnet, "compile_network", lambda *_: None)
        for name in ("kaiming_normal_", "kaiming_uniform_"):
            patch.setattr(torch.nn.init, name, lambda *_, **__: None)
        # The weights are those of one split; the test wants the keys of other splits too.
        patch.setattr(resnet, "check_same_split", lambda *_: None)
        with pytest.raises(Found) as found:
            train(*arguments)
    return str(found.value)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """Of a project with a trained graph network and its weights."""
    workspace, run = project(tmp_path_factory.mktemp("keys"))
    train_and_weigh(workspace, run)
    return Keys(workspace, run)


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that a ResNet can start from."""
    path = tmp_path_factory.mktemp("start") / "resnet18.safetensors"
    write_tensors(path, dict(ResNet(2, "resnet18").state_dict()), {})
    return path


@pytest.mark.parametrize(
    "path",
    [
        # The two schedules are one class: the graph network's is enough by default.
        pytest.param(
            path, marks=[pytest.mark.nightly] if path.startswith("resnet.schedule") else []
        )
        for path in CASES
    ],
)
def test_a_param_changes_the_keys_of_what_depends_on_it(keys: Keys, start: Path, path: str) -> None:
    gcn = checkpoint(keys.workspace.run(keys.run.name, "gcn"), 0)
    names = {"<start>": str(start), "<digest>": sha256_file(start)}
    names |= {"<gcn>": str(gcn), "<gcn's digest>": sha256_file(gcn)}

    def meant(value: Any) -> Any:
        return names.get(value, value) if isinstance(value, str) else value

    for case in CASES[path]:
        beside = {name: meant(value) for name, value in case.beside.items()}
        before = changed(keys.run.profile, beside)
        after = changed(before, {path: meant(case.value)})
        assert after != before
        one, other = keys.of(before), keys.of(after)
        assert {name for name in one if one[name] != other[name]} == case.keys, case


def test_seed_and_threads_are_in_the_keys_of_trainings(keys: Keys) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resnet, "seed_folder", lambda out, seed: seed_folder(out, 0))
        patch.setattr(resnet, "checkpoint", lambda out, seed: checkpoint(out, 0))
        profile = keys.run.profile
        found = [keys.trained(profile, *told) for told in ((0, 1), (1, 1), (0, 2))]
    for name in TRAINED:
        assert len({each[name] for each in found}) == 3


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Places of what the estimators need, by the names in the cases."""
    folder = tmp_path_factory.mktemp("sources")
    places = {"<own md5>": WEIGHTS_MD5}
    for name in ("build", "moved build"):
        build = fake_build(folder / name, "1.7.0", models=("BODY_25", "COCO"))
        places |= {f"<{name}>": str(build), f"<models of {name}>": str(build / "models")}
    for name in ("network", "moved network"):
        (folder / name).write_bytes(tiny_rtmpose(48, 64))
        places[f"<{name}>"] = str(folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openpose, "NETWORKS", KNOWN_WEIGHTS)
        # A process each time: the builds stay as they are.
        patch.setattr(openpose, "find_build", cache(openpose.find_build))
        yield places
    registry._load.cache_clear()


def found_and_chosen(
    keys: Keys, source: str, params: Params, places: Mapping[str, str]
) -> tuple[str, str]:
    """Keys of the people found and of the skeletons made of them, by a source."""
    told = {
        "openpose.root": "<build>", "onnx.model": "<network>", "own.layout": "kinect_v2",
        "source": source, **params,
    }  # fmt: skip
    told = {f"skeletons.{name}": places.get(str(value), value) for name, value in told.items()}
    found = keys.caches(changed(keys.run.profile, told))
    return found["detections"], found["skeletons"]


@pytest.mark.parametrize("name", OF_SOURCES)
def test_a_param_of_skeletons_changes_what_depends_on_it(
    keys: Keys, sources: dict[str, str], name: str
) -> None:
    for case in OF_SOURCES[name]:
        sparse = "sampled" in (case.value, case.beside.get("frames"))
        for source in sorted(LOOKING if sparse else ALL):
            one, other = (
                found_and_chosen(keys, source, params, sources)
                for params in (case.beside, {**case.beside, name: case.value})
            )
            assert (one[0] != other[0]) == (source in case.found), (source, case)
            assert (one[1] != other[1]) == (source in case.found | case.chosen), (source, case)


def test_a_source_is_known_by_what_it_is_and_not_by_how_it_was_chosen(
    keys: Keys, sources: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [found_and_chosen(keys, source, {}, sources) for source in SOURCES]
    assert len(set(found)) == len({one for one, _ in found}) == len(SOURCES)
    assert found_and_chosen(keys, "auto", {}, sources) == found[1]
    monkeypatch.delenv("OPENPOSE_ROOT", raising=False)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert found_and_chosen(keys, "auto", {"openpose.root": None}, sources) == found[0]


@pytest.mark.parametrize("library", ["scipy", "numpy", "cv2", "torch"])
def test_versions_are_in_the_keys_of_what_they_compute(
    keys: Keys, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    """A new scipy tracks people again; what is cut by the same skeletons stays."""
    wanted = {
        "scipy": {"skeletons"},
        "numpy": {"skeletons", "skeletons3d"} | TRAINED,
        "cv2": {"detections", "skeletons", "mosaics"},
        "torch": TRAINED,
    }
    profile = keys.run.profile
    before = keys.of(profile)
    monkeypatch.setattr(f"{library}.__version__", "0.0.1")
    after = keys.caches(profile) | keys.trained(profile)
    assert {name for name in before if before[name] != after[name]} == wanted[library]
