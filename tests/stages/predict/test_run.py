"""A run and a new video: the same bits as through the stages."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from answering_run import CLASSES, RUN, TEST, video

import stroi
from stroi.cache.errors import ParamsError, RefusedInput
from stroi.cache.mosaics import MosaicCache
from stroi.cache.scores import read_scores
from stroi.cache.skeletons import SkeletonCache
from stroi.pipeline.params.load import load_run
from stroi.pipeline.workspace import Workspace
from stroi.stages.ensemble import predict_run
from stroi.stages.predict.command import ModelPlace, open_model
from stroi.stages.predict.recipe import run_recipe, write_recipe
from stroi.stages.predict.run import open_run, predict_video
from stroi.stages.training.outputs import TEST as TEST_SCORES
from stroi.stages.training.outputs import checkpoint, scores_folder
from stroi.trained_run import _networks, _states
from stroi.trainer.config import Mode

ROWS = {"plain": 5, "end-to-end": 6, "fixed": 7}


@pytest.mark.parametrize(
    "mode", ["fixed", "end-to-end", pytest.param("plain", marks=pytest.mark.nightly)]
)
def test_a_test_clip_gets_the_bits_of_the_stages(project: Path, mode: Mode) -> None:
    workspace = Workspace(project)
    # Without the store, which has what the stages detected in these videos.
    run = replace(open_run(RUN, root=project, mode=mode), store=None)
    mosaics = MosaicCache(workspace.mosaics("demo"))
    skeletons = SkeletonCache(workspace.skeletons("demo"))
    table = predict_run(workspace, load_run(project, RUN))
    scores = {
        branch: read_scores(scores_folder(workspace.run(RUN, stage), 0), TEST_SCORES)
        for branch, stage in (("skeleton", "gcn"), ("rgb", f"resnet-{mode}"))
    }
    for name in TEST:
        got = predict_video(run, video(project, name))
        assert got.clip.id == name
        np.testing.assert_array_equal(got.clip.cut.mosaic, mosaics[name])
        np.testing.assert_array_equal(got.clip.skeleton.keypoints, skeletons[name].keypoints)
        for branch, own in scores.items():
            wanted = own.logits[own.ids.index(name)]
            np.testing.assert_array_equal(got.answer.scores[branch], wanted)
        total = table.scores[ROWS[mode]][0][table.truth.ids.index(name)]
        np.testing.assert_array_equal(got.answer.scores["ensemble"], total)
        assert got.label == CLASSES[total.argmax()]


def test_probabilities_sum_to_one_and_come_best_first(project: Path) -> None:
    got = predict_video(open_run(RUN, root=project), video(project, TEST[0]))
    for branch in ("skeleton", "rgb", "ensemble"):
        top = got.top(5, branch)
        assert sorted(name for name, _ in top) == sorted(CLASSES)
        assert sum(share for _, share in top) == pytest.approx(1)
        assert [share for _, share in top] == sorted((share for _, share in top), reverse=True)


def test_two_people_are_named_from_left_to_right(project: Path) -> None:
    got = predict_video(open_run(RUN, root=project), video(project, "give_bottle_s02_c1"))
    left, right = got.clip.subjects
    assert (left.name, right.name) == ("left", "right")
    assert left.box[0] < right.box[0]
    assert left.seen > 0.5
    assert got.clip.most_people >= 2
    [alone] = predict_video(open_run(RUN, root=project), video(project, TEST[0])).clip.subjects
    assert alone.name == "the person"


def test_a_folder_with_a_recipe_needs_no_project(project: Path, tmp_path: Path) -> None:
    inside = open_run(RUN, root=project)
    shutil.copytree(project / "runs" / RUN, tmp_path / "run")
    write_recipe(tmp_path / "run", run_recipe(Workspace(project), load_run(project, RUN)))
    outside = open_run(tmp_path / "run", root=tmp_path)
    assert outside.store is None
    assert outside.recipe.to_json() == inside.recipe.to_json()
    one, other = (
        predict_video(run, video(project, TEST[1])).answer.scores["ensemble"]
        for run in (inside, outside)
    )
    np.testing.assert_array_equal(one, other)
    assert open_run(project / "runs" / RUN, root=tmp_path).checkpoints == inside.checkpoints


def test_the_recipe_says_how_to_cut(project: Path) -> None:
    recipe = run_recipe(Workspace(project), load_run(project, RUN)).to_json()
    assert recipe["classes"] == list(CLASSES)
    assert recipe["clips"]["train"] == dict.fromkeys(CLASSES, 1)
    assert recipe["clips"]["test"] == dict.fromkeys(CLASSES, 1)
    assert {"cell": 48, "size": 60, "columns": 5, "sampling": "interior"}.items() <= recipe[
        "mosaics"
    ].items()
    assert recipe["mosaics"]["min_confidence"] == 0.2
    assert list(recipe["mosaics"]["rows"][0]) == ["head"]
    assert recipe["estimator"]["estimator"] == "movenet"
    assert len(recipe["estimator"]["model"]) == 64
    assert recipe["skeletons"]["input_size"] == 128
    assert {"subjects", "min_presence", "fill_gap"} <= recipe["skeletons"].keys()
    assert recipe["fusion"]["alphas"]["resnet-fixed"] == [1.0]


def _with(project: Path, tmp_path: Path, **changes: object) -> Path:
    """A copy of the run with a changed recipe."""
    shutil.copytree(project / "runs" / RUN, tmp_path / "run")
    recipe = run_recipe(Workspace(project), load_run(project, RUN)).to_json()
    (tmp_path / "run" / "recipe.json").write_text(json.dumps(recipe | changes))
    return tmp_path / "run"


def test_a_run_on_kinect_skeletons_says_what_it_needs(project: Path, tmp_path: Path) -> None:
    folder = _with(project, tmp_path, skeletons={"source": "kinect"})
    with pytest.raises(ParamsError) as error:
        open_run(folder)
    assert str(error.value) == (
        f"PREDICT_SOURCE: run {RUN} was trained on the skeleton files of a Kinect"
        " (skeletons.source: kinect): a video alone has none; list the new clips with their"
        " skeletons as a data set and run the stages, or train a run whose skeletons.source is an"
        " estimator, such as movenet"
    )


def test_a_graph_network_on_a_sensor_leaves_the_plain_resnet(project: Path, tmp_path: Path) -> None:
    folder = _with(project, tmp_path, input="skeletons3d")
    run = open_run(folder)
    assert (run.mode, run.skeletons) == ("plain", None)
    assert "the skeleton branch sees a sensor's skeletons" in run.notes[0]
    assert list(predict_video(run, video(project, TEST[0])).answer.scores) == ["rgb"]
    with pytest.raises(ParamsError, match="PREDICT_SENSOR: the graph network of run demo-xsub"):
        open_run(folder, mode="fixed")


def test_another_estimator_is_refused(project: Path, tmp_path: Path) -> None:
    made_by = {"estimator": "movenet", "model": "ab" * 32}
    folder = _with(project, tmp_path, estimator=made_by)
    with pytest.raises(ParamsError, match=r"PREDICT_ESTIMATOR: .* the model abababababab"):
        open_run(folder)


def test_an_unknown_run_is_told(project: Path, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=f"PREDICT_RUN: 'other' .*; its runs are: {RUN}"):
        open_run("other", root=project)
    with pytest.raises(ParamsError, match=r"PREDICT_RUN: 'other' .*; name a run of a project with"):
        open_run("other", root=tmp_path)
    with pytest.raises(ParamsError, match=r"PREDICT_SEED: run demo-xsub has no seed 7; .*: 0"):
        open_run(RUN, root=project, seed=7)


def test_networks_that_do_not_belong_together_are_refused(project: Path, tmp_path: Path) -> None:
    folder = _with(project, tmp_path)
    weights = folder / "weights" / "seed-0" / "weights.h5"
    weights.write_bytes(weights.read_bytes() + b"0")
    with pytest.raises(RefusedInput, match=r"NETWORK_STALE: .* do not belong together"):
        open_run(folder)
    (folder / "gcn" / "seed-0" / "checkpoint.safetensors").unlink()
    with pytest.raises(RefusedInput, match=r"NETWORK_MISSING: .*; run stage gcn first, or"):
        open_run(folder)


def test_a_program_gets_the_same_from_import_stroi(project: Path) -> None:
    run = stroi.load_run(project / "runs" / RUN)
    clip = video(project, TEST[1])
    for mode in ("fixed", "plain"):
        got = run.predict(str(clip), mode=mode)
        wanted = predict_video(open_run(RUN, root=project, mode=mode), clip)
        assert got.top() == wanted.top()
        np.testing.assert_array_equal(got.answer.scores["rgb"], wanted.answer.scores["rgb"])
    assert got.label in run.classes


def test_networks_of_another_cut_or_other_classes_are_refused(
    project: Path, tmp_path: Path
) -> None:
    recipe = run_recipe(Workspace(project), load_run(project, RUN)).to_json()
    changes: dict[str, dict[str, object]] = {
        "its mosaics are cut otherwise": {"mosaics": recipe["mosaics"] | {"size": 80}},
        "its index has other classes": {"classes": ["a", "b", "c"]},
    }
    for number, (problem, change) in enumerate(changes.items()):
        folder = _with(project, tmp_path / str(number), **change)
        with pytest.raises(RefusedInput, match=rf"NETWORK_STALE: run {RUN}: {problem}"):
            open_run(folder)


def test_networks_that_a_process_keeps_are_read_again_when_they_changed(project: Path) -> None:
    """As in a notebook, between whose predictions the run is trained again."""
    folder = project / "runs" / RUN

    def opened() -> object:
        return _networks(folder, "plain", None, 1, _states(folder))

    first = opened()
    assert opened() is first
    path = checkpoint(folder / "resnet-plain", 0)
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert opened() is not first


def test_every_command_opens_its_networks(project: Path) -> None:
    one, other = (ModelPlace(RUN, root=project, mode="plain") for _ in range(2))
    assert open_model(one) is open_model(one)
    assert open_model(other) is not open_model(one)
