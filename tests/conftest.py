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
    "pipeline/test_promises.py",
    "pipeline/test_faults.py",
    "pipeline/test_sharing.py",
    "pipeline/test_ntu_stages.py",
    "pipeline/test_nucla_stages.py",
    "pipeline/test_identity.py",
    "pipeline/test_disk_use.py",
    "pipeline/shards/test_crashes.py",
    "trainer/network_files/test_export_onnx.py",
    "trainer/run/test_killed_training.py",
    "trainer/run/test_resnet_team.py",
    "trainer/test_train_resnet.py",
    "stages/tools/test_export.py",
    "stages/training/test_loggers.py",
    "hostile/test_shards.py",
)
"""Files that take longest, first: a file is one worker's, and the last one should be short."""


ONE_COMMAND_PER_CASE = {
    ("test_shards.py", "test_verify_refuses_it_and_leaves_no_trace"),
    ("test_shards_folders.py", "test_verify_refuses_it_and_leaves_no_trace"),
    ("test_checkpoints.py", "test_networks_are_not_built_for_a_stranger"),
    ("test_checkpoints.py", "test_weights_of_a_stranger"),
    ("test_params.py", "test_yaml"),
    ("test_params.py", "test_mistakes"),
    ("test_params.py", "test_names_never_reach_a_shell"),
    ("test_params.py", "test_what_is_no_plain_file_does_not_hang"),
    ("test_tables.py", "test_tables"),
    ("test_tables.py", "test_received_indices"),
}
"""Tests in hostile/ with a process for each case: every third case by default, all nightly."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, and thin out what starts a process per case."""
    cases: Counter[tuple[str, str]] = Counter()
    for item in items:
        test = item.path.name, getattr(item, "originalname", item.name)
        if test in ONE_COMMAND_PER_CASE:
            if cases[test] % 3:
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
