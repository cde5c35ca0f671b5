"""The ``stroi`` command: one subcommand per stage, loaded only when it is called."""

from __future__ import annotations

import os
import resource
import signal
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import NoReturn

import click

from stroi.cache.errors import StroiError
from stroi.pipeline.lazy import LazyGroup, Table
from stroi.pipeline.workspace import COMMAND_VARIABLE

OPEN_FILES = 1 << 16
"""Files that a process may open, at most; no cache needs so many."""

COMMANDS: Table = {
    "new": (
        "stroi.pipeline.project_commands:new",
        "Make a folder a project, --demo with the demo.",
    ),
    "sample": ("stroi.stages.sample:command", "Render the demo data set."),
    "init": (
        "stroi.stages.tools.init.command:command",
        "Make a folder of videos a data set, with a profile.",
    ),
    "index": ("stroi.stages.index:command", "List and digest the clips of a data set."),
    "skeletons": ("stroi.stages.skeletons:command", "Estimate and track skeletons."),
    "skeletons3d": ("stroi.stages.skeletons3d:command", "Read the 3D skeletons of a sensor."),
    "mosaics": ("stroi.stages.mosaics:command", "Cut the K x L mosaics into HDF5 shards."),
    "gcn": ("stroi.stages.commands:gcn", "Train the graph network on the skeletons."),
    "weights": ("stroi.stages.commands:weights", "Dump the graph network's joint weights."),
    "gcn-report": ("stroi.stages.gcn_report:command", "Write the graph network's own page."),
    "resnet": ("stroi.stages.commands:resnet", "Train a ResNet on the mosaics."),
    "ensemble": ("stroi.stages.ensemble:command", "Sum the scores: the seven rows."),
    "pool": ("stroi.stages.pool:command", "Table and page of several runs, such as all folds."),
    "fuse": ("stroi.stages.tools.fuse:command", "Sum any score folders by id."),
    "scores": ("stroi.stages.tools.own_scores:command", "Write another network's scores."),
    "report": ("stroi.stages.report:command", "Write the page that shows it all."),
    "predict": ("stroi.stages.commands:predict", "Say what happens in new videos."),
    "show": ("stroi.stages.tools.show:command", "Write one picture of a clip."),
    "export": ("stroi.stages.commands:export", "Write a trained network as ONNX."),
    "run": ("stroi.stages.shelf.commands:command", "Give away trained runs, and take them in."),
    "check": ("stroi.pipeline.project_commands:check", "Validate params.yaml and all profiles."),
    "params": ("stroi.pipeline.project_commands:params", "Print every param with its default."),
    "upgrade": (
        "stroi.pipeline.project_commands:upgrade",
        "Bring a project up to date with this stroi.",
    ),
    "inspect": (
        "stroi.stages.tools.inspect:command",
        "Check received files and describe them.",
    ),
    "doctor": ("stroi.stages.tools.doctor:command", "Report what is available on this machine."),
    "cache": ("stroi.pipeline.cache_commands:command", "Verify, compare, pack and share caches."),
}


@click.group(
    cls=LazyGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="stroi")
@click.option("--debug", is_flag=True, help="Show the traceback of a failure.")
def stroi(debug: bool) -> None:
    """Action recognition from video and skeletons, stage by stage.

    `dvc repro` runs all stages in order; each is also a command of its own. Exit codes: 0 done,
    1 failed, 2 wrong usage or params, 3 input refused, 4 output in use, 130 interrupted.
    """
    if debug:
        os.environ["STROI_DEBUG"] = "1"


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _print_error(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; the last line on stderr states a failure and its remedy."""
    signal.signal(signal.SIGTERM, _interrupt)
    raise_open_files()
    os.environ[COMMAND_VARIABLE] = "1"
    sys.exit(run(arguments))


def raise_open_files() -> None:
    """Let this process and its children open more files than the usual 1,024, where they may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < target:
        # The system may allow less than its limit.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit status.
    """
    try:
        status = stroi.main(args=arguments, prog_name="stroi", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 2
    except (click.Abort, KeyboardInterrupt):
        _print_error("error: interrupted; run the same command again: it goes on where it stopped")
        return 130
    except StroiError as error:
        _debug()
        for line in error.details:
            _print_error(line)
        _print_error(f"error: {error}")
        return error.exit_status
    except Exception as error:  # the last resort: one line instead of a traceback
        _debug()
        _print_error(
            f"error: INTERNAL: {type(error).__name__}: {error}; "
            "this is a defect: report it with the output of stroi --debug"
        )
        return 1
    return status if isinstance(status, int) else 0


def _debug() -> None:
    if os.environ.get("STROI_DEBUG"):
        traceback.print_exc()
