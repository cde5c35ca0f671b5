"""The profile of a new data set: commented, and complete enough to run as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from stroi.cache.rois import PAPER_PEOPLE
from stroi.pipeline.params.profile import Split

SMALL, MEDIUM = 300, 2000
"""Data sets of at most so many clips get shorter schedules and a smaller graph network."""


@dataclass(frozen=True)
class Facts:
    """The values in a profile.

    Attributes:
        name: Name of the data set.
        adapter: Adapter that lists it.
        pattern: Pattern of the videos' names; empty for none.
        clips: Number of clips.
        classes: Number of classes.
        source: Source of skeletons.
        people: ``auto``, or a number from ``1`` to ``4``.
        most: Most people kept per clip.
        own: Params of skeletons of one's own, YAML lines indented by four; empty for none.
        cell: Side of a crop, px.
        cell_reason: How the side was estimated.
        splits: The splits by name.
    """

    name: str
    adapter: str
    pattern: str
    clips: int
    classes: int
    source: str
    people: str
    cell: int
    cell_reason: str
    splits: Mapping[str, Split]
    own: str = ""
    most: int = PAPER_PEOPLE


def profile_text(facts: Facts) -> str:
    """The profile in YAML."""
    own, sensor = (_OWN, _SKELETONS3D) if facts.own else ("", "")
    parts = (_HEAD, _index(facts), _POSE + own, sensor, _MOSAICS, _splits(facts), _NETWORKS)
    return "\n".join(filter(None, parts)).format(**vars(facts), **_schedules(facts.clips))


_HEAD = """\
# {name}: {clips} clips of {classes} classes, set up by `stroi init`.
# Keys that are left out have the paper's value; `stroi params` prints each with its meaning, and
# `stroi check` validates a change before anything runs.

# Every network is trained once per seed; [0, 1, 2] gives means and standard deviations.
seeds: [0]

sample: {{}}
"""

_POSE = """\
skeletons:
  # movenet is embedded. openpose needs your own build, auto takes it if it is there and movenet
  # elsewhere: other machines then give other skeletons. docs/pose-sources.md has more.
  source: {source}
  # Most people kept per clip, 1 to 4, and how many of them: a number, or auto, by how long and how
  # large the others are seen beside the first.
  people: {most}
  subjects: {people}
  clips_per_shard: 16
"""

_OWN = """\
  # Joints, unit and cameras of your own skeletons (docs/own-skeletons.md).
  own:
{own}
"""

_SKELETONS3D = """\
# The graph network sees your own skeletons.
skeletons3d:
  format: own
"""

_MOSAICS = """\
mosaics:
  # Body parts: paper (head, hands, feet), upper_body, with_elbows_knees, full_body, or a list.
  rows: paper
  # Side of a crop in px of the video: {cell_reason}.
  # The report shows mosaics: a cell should hold a hand and what it holds.
  cell: {cell}
  size: 225
  clips_per_shard: 64
"""

_NETWORKS = """\
# Schedules for {size} clips; more epochs cost time in proportion.
gcn:
  frames: 64
{network}  schedule: {{epochs: {epochs}, batch_size: {batch}, lr: {lr_gcn}, \
milestones: {milestones}, nesterov: true}}

weights: {{}}

resnet:
  # Mirrored pictures: set it to 0 if left and right make a difference between classes.
  flip: 0.5
  shift: 4
  schedule: {{epochs: {epochs}, batch_size: {batch}, lr: {lr_resnet}, milestones: {milestones}}}

ensemble: {{}}
"""


def _index(facts: Facts) -> str:
    lines = ["index:", f"  adapter: {facts.adapter}"]
    if facts.pattern:
        pattern = json.dumps(facts.pattern, ensure_ascii=False)
        lines.append("  # Pattern of the videos' names.")
        lines.append(f"  pattern: {pattern}".replace("{", "{{").replace("}", "}}"))
    return "\n".join(lines) + "\n"


def _splits(facts: Facts) -> str:
    lines = [
        "# A run of params.yaml names one. Clips with the same value of `by` are on the same side."
    ]
    if any(rule.by == "id" for rule in facts.splits.values()):
        lines.append("# The performers are not known: the same people may be on both sides.")
    lines.append("splits:")
    for name, rule in facts.splits.items():
        fields = rule.model_dump(mode="json", exclude_defaults=True)
        inline = json.dumps(fields).replace('"', "")
        lines.append(f"  {name}: {inline}".replace("{", "{{").replace("}", "}}"))
    return "\n".join(lines) + "\n"


_SMALL_NETWORK = "  channels: [32, 32, 64, 64]\n  strides: [1, 2, 1, 2]\n  dropout: 0.05\n"
_SHORT = {"network": _SMALL_NETWORK, "epochs": 40, "milestones": [28, 36]}
_LONG = {"network": "", "epochs": 65, "milestones": [45, 55]}


def _schedules(clips: int) -> dict[str, object]:
    if clips <= SMALL:
        return {"size": "few", "batch": 8, "lr_gcn": 0.05, "lr_resnet": 0.01, **_SHORT}
    if clips <= MEDIUM:
        return {"size": "some", "batch": 16, "lr_gcn": 0.1, "lr_resnet": 0.02, **_SHORT}
    return {"size": "many", "batch": 64, "lr_gcn": 0.1, "lr_resnet": 0.1, **_LONG}
