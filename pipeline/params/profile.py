"""All params of a data set: one frozen group per stage, read from ``profiles/<dataset>.yaml``.

The defaults are the paper's choices, or the closest reading where the paper gives none
(docs/method.md lists which). An unknown key is an error.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stroi.cache.errors import ParamsError
from stroi.cache.rois import MAX_PEOPLE, PAPER_PEOPLE, mirrored_rows, row_joints
from stroi.pipeline.params.base import ParamsModel, Positive, Share
from stroi.pipeline.params.mosaic import MosaicParams
from stroi.pipeline.params.name_pattern import compile_pattern
from stroi.pipeline.params.own_skeletons import OwnSkeletonParams
from stroi.pipeline.params.project import Pool, ProjectParams, Run
from stroi.pipeline.params.split_rules import Column, Fold, Split, Validation
from stroi.pipeline.params.training import (
    EnsembleParams,
    GcnParams,
    ResnetParams,
    WeightParams,
)
from stroi.trainer.config import Options
from stroi.trainer.plugins import NameOf, NoParams, options_of

__all__ = [
    "Column",
    "EnsembleParams",
    "Fold",
    "GcnParams",
    "IndexParams",
    "MosaicParams",
    "OnnxParams",
    "OpenPoseJsonParams",
    "OpenPoseParams",
    "OwnSkeletonParams",
    "ParamsModel",
    "Pool",
    "Profile",
    "ProjectParams",
    "ResnetParams",
    "Run",
    "SampleParams",
    "SkeletonParams",
    "Skeletons3dParams",
    "Split",
    "Validation",
    "WeightParams",
]

Resolution = Annotated[str, Field(pattern=r"^(-1|[1-9]\d{0,3})x(-1|[1-9]\d{0,3})$")]


class SampleParams(ParamsModel):
    """The rendered demo data set (stage ``sample``)."""

    seed: int = 0
    """Seed of all randomness in the videos."""
    subjects: Annotated[int, Field(ge=2, le=99)] = 12
    """Number of actors."""
    views: Annotated[int, Field(ge=1, le=9)] = 2
    """Number of cameras."""
    repeats: Positive = 1
    """Clips per class, subject and view."""
    frames: tuple[Annotated[int, Field(ge=30)], Annotated[int, Field(ge=30)]] = (32, 60)
    """Fewest and most frames of a clip."""


class IndexParams(ParamsModel):
    """Listing the clips of a data set (stage ``index``)."""

    adapter: Annotated[str, NameOf("datasets")] = "table"
    """How clips are found: ``table`` reads table.csv, ``demo`` also checks that it is complete,
    ``folders`` takes one folder per class, the others know a data set's own layout."""
    options: Annotated[Options, options_of("datasets", "adapter")] = NoParams()
    """Params of a plug-in's adapter."""
    pattern: str = ""
    """Fields in the names of videos (``folders``), such as ``{subject}_{camera}_{*}``."""
    max_quarantined: Share = 0.05
    """Largest share of listed clips that may be missing before the stage fails."""

    @model_validator(mode="after")
    def _pattern_can_be_read(self) -> IndexParams:
        if self.pattern and self.adapter != "folders":
            raise ValueError("a pattern is for the adapter folders")
        if self.pattern:
            compile_pattern(self.pattern)
        return self


class OpenPoseParams(ParamsModel):
    """The user's own OpenPose (source ``openpose``), with its flags and their defaults."""

    root: str | None = None
    """Folder of the build; by default the variable OPENPOSE_ROOT, or Python's module path."""
    models: str | None = None
    """OpenPose's folder of models; by default ``models`` in or above the folder of the module."""
    weights_md5: Annotated[str, Field(pattern=r"^([0-9a-f]{32})?$")] = ""
    """MD5 of weights of your own; empty takes only those that OpenPose's authors trained."""
    model: Literal["BODY_25", "COCO"] = "BODY_25"
    """Joints of the network; COCO has no feet."""
    net_resolution: Annotated[str, Field(pattern=r"^(-1|[1-9]\d{0,3})x(-1|[1-9]\d{0,3})$")] = (
        "-1x368"
    )
    """Input of the network, width x height in px, multiples of 16; -1 keeps the frame's shape."""
    scale_number: Annotated[int, Field(ge=1, le=8)] = 1
    """Number of image scales that are averaged."""
    scale_gap: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.25
    """Step between them: the i-th scale is 1 - i times it."""
    number_people_max: Annotated[int, Field(ge=-1)] = -1
    """Most people kept, the most confident first; -1 keeps all."""
    maximize_positives: Annotated[int, Field(ge=0, le=1)] = 0
    """1 accepts less confident detections."""
    num_gpu: Annotated[int, Field(ge=-1)] = 1
    """GPUs to use; -1 for all. Each loads the network, and frames are given to them one by one:
    more than one takes memory and no less time."""
    num_gpu_start: Annotated[int, Field(ge=0)] = 0
    """Number of the first GPU."""

    @model_validator(mode="after")
    def _flags_can_be_used(self) -> OpenPoseParams:
        sides = self.net_resolution.split("x")
        if any(side != "-1" and int(side) % 16 for side in sides):
            raise ValueError(
                f"net_resolution is {self.net_resolution}: use multiples of 16, such as -1x368"
            )
        if self.net_resolution == "-1x-1":
            raise ValueError("net_resolution is -1x-1: give one side, such as -1x368")
        if (self.scale_number - 1) * self.scale_gap >= 1:
            raise ValueError(
                f"scale {self.scale_number} of {self.scale_number} with a scale_gap of"
                f" {self.scale_gap:g} is not above 0: use fewer scales or a smaller gap"
            )
        if self.num_gpu == 0:
            raise ValueError("num_gpu is 0, which switches detection off: use 1, or -1 for all")
        return self


class OpenPoseJsonParams(ParamsModel):
    """OpenPose's JSON files (source ``openpose-json``)."""

    model: Literal["BODY_25", "BODY_25B", "COCO"] = "BODY_25"
    """The network that wrote them; the files do not name it."""
    compare_frames: Annotated[int, Field(ge=0, le=100)] = 3
    """Frames of each clip in which MoveNet checks that the files are of this video, in its size;
    three times as many where it finds others. 0 for none."""


class OnnxParams(ParamsModel):
    """The user's own network (source ``onnx``)."""

    model: str | None = None
    """An RTMO or RTMPose network as MMDeploy exports it, a local .onnx file."""
    layout: Literal["coco17", "halpe26"] = "coco17"
    """The joints that it was trained on."""


class SkeletonParams(ParamsModel):
    """Pose estimation and tracking (stage ``skeletons``)."""

    source: Annotated[str, NameOf("pose")] = "movenet"
    """Pose source. ``auto`` takes OpenPose if it is installed, else MoveNet: another machine may
    then give other skeletons. ``own`` takes the places of your own skeletons in the picture."""
    options: Annotated[Options, options_of("pose", "source")] = NoParams()
    """Params of a plug-in's pose source."""
    frames: Literal["all", "sampled"] = "all"
    """Frames in which people are estimated: ``sampled`` are those of the mosaics and some between,
    for data sets whose graph network sees 3D skeletons of a sensor."""
    input_size: Annotated[int, Field(ge=64, le=1024, multiple_of=32)] = 256
    """Larger side of MoveNet's input in px."""
    openpose: OpenPoseParams = OpenPoseParams()
    openpose_json: OpenPoseJsonParams = OpenPoseJsonParams()
    onnx: OnnxParams = OnnxParams()
    own: OwnSkeletonParams = OwnSkeletonParams()
    people: Annotated[int, Field(ge=1, le=MAX_PEOPLE)] = PAPER_PEOPLE
    """P, most people kept per clip, those of a sensor too. A cell of the mosaic is divided among
    those of its clip."""
    subjects: Literal["auto", 1, 2, 3, 4] = "auto"
    """People kept per clip, at most `people`; ``auto`` decides by the two rules below, never by
    label."""
    min_presence: Share = 0.5
    """Share of frames in which a person beside the first must be detected (``auto``)."""
    min_relative_size: Share = 0.5
    """Least size of such a person relative to the first (``auto``)."""
    fill_gap: Annotated[int, Field(ge=0)] = 3
    """Longest gap in frames over which a missing joint is interpolated."""
    clips_per_shard: Positive = 64
    """Mean number of clips per file, at most twice as many, and fewer where a file would pass
    128 MiB; a changed clip rewrites its file."""
    max_quarantined: Share = 0.05
    """Largest share of clips that may be quarantined before the stage fails."""

    @model_validator(mode="after")
    def _settings_go_together(self) -> SkeletonParams:
        if self.frames == "sampled" and self.source in ("openpose-json", "kinect", "own"):
            raise ValueError(f"frames: sampled is for estimators; {self.source} is none")
        if self.subjects != "auto" and self.subjects > self.people:
            raise ValueError(f"subjects is {self.subjects}: set people to {self.subjects} or more")
        return self


class Skeletons3dParams(ParamsModel):
    """3D skeletons of a sensor, for the graph network (stage ``skeletons3d``)."""

    format: Annotated[str, NameOf("sensors")] = "ntu"
    """File format: .skeleton files of NTU RGB+D, JSON of N-UCLA, text lines of PKU-MMD, or your own
    .npz and .csv files as skeletons.own describes them."""
    options: Annotated[Options, options_of("sensors", "format")] = NoParams()
    """Params of a plug-in's format."""
    clips_per_shard: Positive = 256
    """Mean number of clips per file, at most twice as many, and fewer where a file would pass
    128 MiB."""
    max_quarantined: Share = 0.05
    """Largest share of clips that may be quarantined before the stage fails."""


class Profile(ParamsModel):
    """All params of one data set."""

    seeds: tuple[int, ...] = (0,)
    """Every network is trained once per seed."""
    sample: SampleParams = SampleParams()
    index: IndexParams = IndexParams()
    skeletons: SkeletonParams = SkeletonParams()
    skeletons3d: Skeletons3dParams = Skeletons3dParams()
    mosaics: MosaicParams = MosaicParams()
    splits: dict[str, Split] = Field(default_factory=dict)
    """Which clips train, validate and test, by the name of the split (docs/protocols.md)."""
    gcn: GcnParams = GcnParams()
    weights: WeightParams = WeightParams()
    resnet: ResnetParams = ResnetParams()
    ensemble: EnsembleParams = EnsembleParams()

    @model_validator(mode="after")
    def _seeds_are_some_and_differ(self) -> Profile:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: name at least one, and each once")
        return self

    @model_validator(mode="after")
    def _sampled_by_frame(self) -> Profile:
        if self.skeletons.frames == "sampled" and self.mosaics.sample_by == "time":
            raise ValueError("mosaics.sample_by: time needs skeletons.frames: all")
        return self

    @model_validator(mode="after")
    def _rows_can_be_found(self) -> Profile:
        for row in self.mosaics.rows:
            of_feet = all(joint.endswith(("_toe", "_heel")) for joint in row.joints)
            if of_feet and self.skeletons.source == "movenet":
                raise ValueError(
                    f"mosaics.rows: MoveNet finds no toes and heels, {row.name} would be black:"
                    " take right_foot and left_foot, or another skeletons.source"
                )
        return self

    @model_validator(mode="after")
    def _rows_can_be_mirrored(self) -> Profile:
        if self.resnet.flip > 0:
            try:
                mirrored_rows(self.mosaics.rows)
            except ParamsError as error:
                raise ValueError(error.text) from error
        return self

    @model_validator(mode="after")
    def _own_skeletons_have_a_layout(self) -> Profile:
        if "own" not in (self.skeletons.source, self.skeletons3d.format):
            return self
        if self.skeletons.own.layout is None:
            raise ValueError("skeletons.own.layout: name the joints of your own skeletons")
        try:
            row_joints(self.mosaics.rows, self.skeletons.own.joints)
        except ParamsError as error:
            raise ValueError(error.text) from error
        return self
