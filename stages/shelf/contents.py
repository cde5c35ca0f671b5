"""What a packed run holds: its files by name, and the card that lists and describes them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field, ValidationError

from stroi.cache.errors import RefusedInput, refuse
from stroi.cache.files.opening import read_no_link
from stroi.cache.storage.strict_json import parse_json
from stroi.trainer.config import Settings

Branch = Literal["gcn", "resnet-plain", "resnet-fixed", "resnet-end-to-end"]
"""A trained network of a run, by the name of its stage."""

BRANCHES: tuple[Branch, ...] = get_args(Branch)

CARD_NAME = "run.json"
README_NAME = "README.md"
PARAMS_NAME = "params.yaml"
PROFILE_NAME = "profile.yaml"
METRICS_NAME = "metrics.json"
_RECIPE_NAME = "recipe.json"  # as stages/predict/recipe.py has it, which loads OpenCV
TABLE_NAME = "ensemble_table.json"

MAX_CARD_BYTES = 1 << 22
MAX_TEXT_BYTES = 1 << 24
"""Largest file of a packed run that is neither a network nor a shard."""
MAX_NETWORK_BYTES = 1 << 32

_FOLDERS = re.compile(
    r"(?:gcn|resnet-plain|resnet-fixed|resnet-end-to-end)_seed-\d{1,10}_"
    r"(?:checkpoint(?:-[a-z_]{1,20})?\.safetensors|scores_(?:manifest\.json|(?:test|validation)\.h5))"
    r"|weights_seed-\d{1,10}_(?:manifest\.json|weights\.h5)"
)
"""Names of files that lie in folders: an underline stands for a slash."""
_PLAIN = {CARD_NAME, README_NAME, PARAMS_NAME, METRICS_NAME, _RECIPE_NAME}

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Line = Annotated[str, Field(min_length=1, max_length=2000)]


class PackedFile(Settings):
    """One file of a packed run."""

    name: Annotated[str, Field(max_length=64)]
    bytes: Annotated[int, Field(ge=0, le=MAX_NETWORK_BYTES)]
    sha256: Sha256


class RunCard(Settings):
    """``run.json``: what a packed run is, and every other file of it."""

    kind: Literal["stroi run"] = "stroi run"
    schema_version: Literal["1.0"] = "1.0"
    stroi_version: Line
    torch_version: Line
    run: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,64}$")]
    """Its name."""
    dataset: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,64}$")]
    """Name of its data set in the project that trained it."""
    split: Line
    branches: Annotated[tuple[Branch, ...], Field(min_length=1)]
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    classes: Annotated[tuple[Line, ...], Field(min_length=1)]
    """Class names, in the order of the logits."""
    metrics: dict[str, float]
    """Accuracies of the rows in per cent, as in metrics.json; empty before stage ensemble."""
    about: dict[str, Line]
    """What the publisher says: title, dataset, licence, citation, contact."""
    files: tuple[PackedFile, ...]


def place_of(name: str, card: RunCard | None = None) -> str | None:
    """Where a file lies below the folder of an imported run; None if it is none of a packed run.

    Args:
        name: Its name in the archive.
        card: The run's card, which names the data set of the profile.
    """
    if name in _PLAIN:
        return name
    if name == PROFILE_NAME:
        return f"profiles/{card.dataset}.yaml" if card else name
    if name == TABLE_NAME:
        return "ensemble/table.json"
    if _FOLDERS.fullmatch(name) is None:
        return None
    # The name of a stream may have an underline of its own.
    return "/".join(name.split("_", 2)) if "scores_" not in name else name.replace("_", "/")


def read_card(path: Path) -> RunCard:
    """Read ``run.json``.

    Raises:
        RefusedInput: ``RUN_CARD`` if it cannot be read or is not the card of a packed run.
    """
    data = read_no_link(path, "RUN_CARD", MAX_CARD_BYTES, remedy="give a run that was exported")
    document = parse_json(data, str(path))
    try:
        return RunCard.model_validate_json(json.dumps(document))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "file"
        raise refuse(
            "RUN_CARD",
            f"{path}: {field[:80]!a}: {first['msg'][:200]!a}",
            "ask the sender for a run that `stroi run export` of this version wrote",
        ) from None


def card_bytes(card: RunCard) -> bytes:
    """``run.json``; equal bytes for equal cards."""
    return f"{card.model_dump_json(indent=1)}\n".encode()


def refuse_file(where: Path, name: str, problem: str) -> RefusedInput:
    """The refusal of a file of a packed run, for the caller to raise."""
    return refuse("RUN_FILE", f"{where}: {name[:80]!a} {problem}", "ask the sender for it again")
