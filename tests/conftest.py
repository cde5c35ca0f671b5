"""Shared by all tests."""

from __future__ import annotations

import importlib.util
import os
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest

if importlib.util.find_spec("stroi") is None:
    raise pytest.UsageError("stroi is not installed; run `pip install -e '.[test]'` first")

os.environ.setdefault("DVC_NO_ANALYTICS", "1")
if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    and threading.current_thread() is threading.main_thread()
):
    # A shell without job control starts what runs in the background so, and children inherit it:
    # the tests of an interrupt would wait for what never comes.
    signal.signal(signal.SIGINT, signal.default_int_handler)
ROOT = Path(__file__).resolve().parent.parent
LONG = (
    "pipeline/test_repro.py",
    "pipeline/test_kills.py",
    "stages/test_keys.py",
    "pipeline/test_promises.py",
    "pipeline/test_faults.py",
    "pipeline/test_sharing.py",
    "pipeline/test_dvc_habits.py",
    "pipeline/test_ntu_stages.py",
    "pipeline/test_nucla_stages.py",
    "pipeline/test_identity.py",
    "pipeline/test_disk_use.py",
    "pipeline/shards/test_crashes.py",
    "trainer/network_files/test_export_onnx.py",
    "trainer/run/test_killed_training.py",
    "trainer/run/test_resnet_team.py",
    "trainer/test_train_resnet.py",
    "trainer/test_fine_tuning.py",
    "trainer/models/test_end_to_end_mode.py",
    "pipeline/test_any_rows.py",
    "stages/tools/test_export.py",
    "stages/training/test_loggers.py",
    "hostile/test_shards.py",
)
"""Files that take longest, first: a file is one worker's, and the last one should be short."""


THINNED = {
    ("test_archives.py", "test_hostile_archives"),
    ("test_archives.py", "test_hostile_folders"),
    ("test_any_rows.py", "test_any_number_of_rows_is_trained_kept_and_scored"),
    ("test_blobs.py", "test_hostile_blob_is_refused"),
    ("test_build.py", "test_kill_at_every_point_then_rerun_gives_the_same_bytes"),
    ("test_cache_sharing.py", "test_labels_that_do_not_belong_are_refused"),
    ("test_checkpoints.py", "test_networks_are_not_built_for_a_stranger"),
    ("test_checkpoints.py", "test_weights_of_a_stranger"),
    ("test_checkpoints.py", "test_what_is_no_plain_file_neither_hangs_nor_grows"),
    ("test_containers.py", "test_sound_may_go_on_after_the_picture"),
    ("test_convert.py", "test_killed_run_goes_on_where_it_stopped"),
    ("test_disk_full.py", "test_file_system_that_is_too_small"),
    (
        "test_end_to_end_mode.py",
        "test_gradient_through_either_formula_and_scale_against_finite_differences",
    ),
    (
        "test_end_to_end_mode.py",
        "test_gradient_through_every_image_network_against_finite_differences",
    ),
    ("test_export_onnx.py", "test_scores_are_the_trainers"),
    ("test_faults.py", "test_fault_at_every_passing_of_every_point"),
    ("test_fine_tuning.py", "test_frozen_stages_keep_weights_and_statistics"),
    ("test_fine_tuning.py", "test_resumed_equals_uninterrupted"),
    ("test_flip.py", "test_joint_mode_sees_what_it_would_see_of_the_clip_in_a_mirror"),
    ("test_ntu_protocols.py", "test_splits_have_the_published_sizes"),
    ("test_openpose.py", "test_what_ended_a_thread_is_told"),
    ("test_params.py", "test_mistakes"),
    ("test_params.py", "test_names_never_reach_a_shell"),
    ("test_params.py", "test_what_is_no_plain_file_does_not_hang"),
    ("test_params.py", "test_yaml"),
    ("test_many_shards.py", "test_info_and_verify_work_with_few_open_files"),
    ("test_publish.py", "test_a_killed_export_leaves_no_target_and_is_done_again"),
    ("test_receive.py", "test_whatever_stops_it_the_target_is_whole_or_absent"),
    ("test_run_key.py", "test_resnets"),
    ("test_shards.py", "test_verify_refuses_it_and_leaves_no_trace"),
    ("test_shards_folders.py", "test_verify_refuses_it_and_leaves_no_trace"),
    ("test_skeletons.py", "test_openpose_frames"),
    ("test_skeletons.py", "test_skeleton_texts"),
    ("test_tables.py", "test_received_indices"),
    ("test_tables.py", "test_tables"),
    ("test_team_steps.py", "test_gradients_are_sent_once_a_step"),
    ("test_team_run.py", "test_graph_networks_of_other_inputs_do_not_train_together"),
    ("test_team_run.py", "test_resnets_of_other_inputs_do_not_train_together"),
    ("test_train_resnet.py", "test_resumed_across_a_milestone_equals_uninterrupted"),
    ("test_train_resnet.py", "test_same_seed_same_bits"),
    ("test_verify.py", "test_killed_at_every_point_every_named_file_is_whole"),
    ("test_versions.py", "test_a_raised_version_runs_its_stage_again_and_no_other"),
    ("test_videos.py", "test_videos"),
    ("test_videos.py", "test_what_is_no_video_is_never_parsed"),
}
"""Tests with a process, a kill or a training a case: every sixth by default, all nightly."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, and thin out what is costly for each case."""
    cases: Counter[tuple[str, str]] = Counter()
    for item in items:
        test = item.path.name, getattr(item, "originalname", item.name)
        if test in THINNED:
            if cases[test] % 6:
                item.add_marker(pytest.mark.nightly)
            cases[test] += 1
    place = {ROOT / "tests" / name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: place.get(item.path, len(LONG)))


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real data beside the repository; the test is skipped where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}")
    return folder
