"""Every knob of the pipeline: one frozen group per stage, read from ``profiles/<dataset>.yaml``.

The defaults are the paper's choices, or the most faithful reading where it is silent
(docs/method.md tells which is which). A key that is not here is an error.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from stroi.pipeline.params.base import ParamsModel, Positive, Share
from stroi.pipeline.params.name_pattern import compile_pattern
from stroi.pipeline.params.split_rules import Column, Fold, Split, Validation
from stroi.pipeline.params.training import (
    EnsembleParams,
    GcnParams,
    ResnetParams,
    WeightParams,
)

__all__ = [
    "Column",
    "EnsembleParams",
    "Fold",
    "GcnParams",
    "IndexParams",
    "JointParams",
    "MosaicParams",
    "OnnxParams",
    "OpenPoseJsonParams",
    "OpenPoseParams",
    "ParamsModel",
    "Profile",
    "ProjectParams",
    "ResnetParams",
    "Run",
    "SampleParams",
    "SkeletonParams",
    "Split",
    "Validation",
    "WeightParams",
]

Resolution = Annotated[str, Field(pattern=r"^(-1|[1-9]\d{0,3})x(-1|[1-9]\d{0,3})$")]


def _size_is(value: object) -> str:
    return "native" if value == "native" else "px"


MosaicSize = Annotated[
    # Told apart first, so that a wrong value is one mistake and not one for each kind.
    Annotated[Annotated[int, Field(ge=40, le=2048, multiple_of=5)], Tag("px")]
    | Annotated[Literal["native"], Tag("native")],
    Discriminator(_size_is),
]


class SampleParams(ParamsModel):
    """The rendered demo data set (stage ``sample``)."""

    seed: int = 0
    """All randomness of the pictures comes from it."""
    subjects: Annotated[int, Field(ge=2, le=99)] = 12
    """People who act."""
    views: Annotated[int, Field(ge=1, le=9)] = 2
    """Cameras."""
    repeats: Positive = 1
    """Clips per class, subject and view."""
    frames: tuple[Annotated[int, Field(ge=30)], Annotated[int, Field(ge=30)]] = (32, 60)
    """Fewest and most frames of a clip."""


class IndexParams(ParamsModel):
    """Where the clips of a data set are listed (stage ``index``)."""

    adapter: Literal[
        "demo",
        "table",
        "nucla",
        "ntu60",
        "ntu120",
        "folders",
        "ut-interaction",
        "pku-mmd",
        "toyota-smarthome",
        "toyota-smarthome-cv",
        "smarthome-untrimmed",
    ] = "table"
    """How clips are listed: ``table`` reads table.csv; ``demo`` checks it for completeness too;
    ``folders`` takes a folder for each class."""
    pattern: str = ""
    """What the names of videos tell (``folders``), such as ``{subject}_{camera}_{*}``."""
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
    """The user's own OpenPose (source ``openpose``); flags are named and preset as it does."""

    root: str | None = None
    """Folder of the build; else the environment's OPENPOSE_ROOT, or wherever Python finds it."""
    model: Literal["BODY_25", "COCO"] = "BODY_25"
    """COCO knows no feet."""
    net_resolution: Annotated[str, Field(pattern=r"^(-1|[1-9]\d{0,3})x(-1|[1-9]\d{0,3})$")] = (
        "-1x368"
    )
    """Picture that the network sees, px, multiples of 16; -1 keeps the shape of the frame."""
    scale_number: Annotated[int, Field(ge=1, le=8)] = 1
    """Sizes of the picture that are processed."""
    scale_gap: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.25
    """Between them."""
    number_people_max: Annotated[int, Field(ge=-1)] = -1
    """Keep the best so many people; -1 keeps all."""
    maximize_positives: Annotated[int, Field(ge=0, le=1)] = 0
    """1 takes fainter people."""
    num_gpu: Annotated[int, Field(ge=-1)] = -1
    """GPUs to use; -1 for all."""
    num_gpu_start: Annotated[int, Field(ge=0)] = 0
    """The first of them."""

    @model_validator(mode="after")
    def _flags_can_be_used(self) -> OpenPoseParams:
        sides = self.net_resolution.split("x")
        if any(side != "-1" and int(side) % 16 for side in sides):
            raise ValueError(
                f"net_resolution is {self.net_resolution}: use multiples of 16, such as -1x368"
            )
        if self.num_gpu == 0:
            raise ValueError("num_gpu is 0, which switches detection off: use -1 for all")
        return self


class OpenPoseJsonParams(ParamsModel):
    """OpenPose's JSON files (source ``openpose-json``)."""

    model: Literal["BODY_25", "BODY_25B", "COCO"] = "BODY_25"
    """The network that wrote them; the files do not tell it."""


class OnnxParams(ParamsModel):
    """The user's own network (source ``onnx``)."""

    model: str | None = None
    """An RTMO or RTMPose network as MMDeploy exports it, a local .onnx file."""
    layout: Literal["coco17", "halpe26"] = "coco17"
    """The joints that it was trained on."""


class SkeletonParams(ParamsModel):
    """Pose estimation and tracking (stage ``skeletons``)."""

    source: Literal["auto", "movenet", "openpose", "openpose-json", "onnx", "kinect"] = "movenet"
    """Where skeletons come from. ``auto`` takes OpenPose if it is there, else MoveNet: another
    machine may then give other skeletons."""
    frames: Literal["all", "sampled"] = "all"
    """Frames that an estimator processes: ``sampled`` are those that the mosaics need and some
    between, for data sets whose graph network sees a sensor's joints."""
    input_size: Annotated[int, Field(ge=64, le=1024, multiple_of=32)] = 256
    """Larger side of MoveNet's input in px."""
    openpose: OpenPoseParams = OpenPoseParams()
    openpose_json: OpenPoseJsonParams = OpenPoseJsonParams()
    onnx: OnnxParams = OnnxParams()
    subjects: Literal["auto", 1, 2] = "auto"
    """People kept per clip; ``auto`` decides by evidence, never by label."""
    min_presence: Share = 0.5
    """Share of the clip in which the second person must be seen (``auto``)."""
    min_relative_size: Share = 0.5
    """Size of the second person relative to the first (``auto``)."""
    fill_gap: Annotated[int, Field(ge=0)] = 3
    """Frames over which a missing joint is interpolated; longer gaps stay absent."""
    clips_per_shard: Positive = 64
    """Clips per file on average, at most twice as many, and fewer where they are known to pass
    128 MiB; a changed clip redoes its file."""
    max_quarantined: Share = 0.05
    """Largest share of clips that may be quarantined before the stage fails."""

    @model_validator(mode="after")
    def _only_who_looks_may_look_at_less(self) -> SkeletonParams:
        if self.frames == "sampled" and self.source in ("openpose-json", "kinect"):
            raise ValueError(f"frames: sampled spares an estimator's work; {self.source} has none")
        return self


class JointParams(ParamsModel):
    """The joints that a sensor saw, for the graph network (stage ``joints``)."""

    format: Literal["ntu", "nucla", "pku"] = "ntu"
    """How its files are written: .skeleton texts of NTU RGB+D, the JSON of N-UCLA, or PKU-MMD's
    lines of numbers."""
    clips_per_shard: Positive = 256
    """Clips per file on average, at most twice as many, and fewer where they are known to pass
    128 MiB."""
    max_quarantined: Share = 0.05
    """Largest share of clips that may be quarantined before the stage fails."""


class MosaicParams(ParamsModel):
    """Cutting the K x L mosaics, eq. 1 (stage ``mosaics``)."""

    columns: Annotated[int, Field(ge=1, le=64)] = 5
    """L, frames per mosaic."""
    candidates: Annotated[int, Field(ge=0, le=64)] = 0
    """Frames that are cut, at least `columns`, if training draws its `columns` of them at random
    for every clip and epoch, as the paper does on N-UCLA; 0 for no more than are scored."""
    sampling: Literal["interior", "centre", "paper"] = "interior"
    """Which frames: s, 2s, ..., Ls with s = T // (L + 1); middles of L parts; i T / L."""
    cell: Annotated[int, Field(ge=8, le=1024, multiple_of=2)] = 96
    """Side of a crop in px of the video frame; even, for two people share a cell."""
    size: MosaicSize = 225
    """Height of the stored mosaic in px, a multiple of its 5 rows; cells are square.
    ``native`` keeps the crops as they were cut: 5 times `cell` px."""
    min_confidence: Share = 0.2
    """Joints below it are missing."""
    border: Literal["black", "edge", "reflect"] = "black"
    """What a crop shows outside the frame."""
    missing: Literal["black", "nearest"] = "black"
    """What a missing joint's cell shows: black, or its place in the nearest frame that has it."""
    clips_per_shard: Positive = 512
    """Clips per file on average, at most twice as many, and fewer where they would pass 128 MiB;
    a kill costs one file per worker."""
    max_quarantined: Share = 0.05
    """Largest share of clips that may be quarantined before the stage fails."""

    @model_validator(mode="after")
    def _candidates_hold_the_columns(self) -> MosaicParams:
        if 0 < self.candidates < self.columns:
            raise ValueError(f"{self.candidates} candidates cannot give {self.columns} columns")
        return self


class Profile(ParamsModel):
    """All params of one data set."""

    seeds: tuple[int, ...] = (0,)
    """Every network is trained once per seed."""
    sample: SampleParams = SampleParams()
    index: IndexParams = IndexParams()
    skeletons: SkeletonParams = SkeletonParams()
    joints: JointParams = JointParams()
    mosaics: MosaicParams = MosaicParams()
    splits: dict[str, Split] = Field(default_factory=dict)
    gcn: GcnParams = GcnParams()
    weights: WeightParams = WeightParams()
    resnet: ResnetParams = ResnetParams()
    ensemble: EnsembleParams = EnsembleParams()

    @model_validator(mode="after")
    def _seeds_are_some_and_differ(self) -> Profile:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: name at least one, and each once")
        return self


class Run(ParamsModel):
    """One row of ``runs`` in params.yaml: a data set under one of its splits."""

    dataset: str
    split: str
    input: Literal["skeletons", "joints"]
    """What the graph network sees: estimated skeletons, or a sensor's joints."""


class ProjectParams(ParamsModel):
    """What ``dvc repro`` builds: the content of params.yaml."""

    rendered: tuple[str, ...] = ()
    """Data sets that stage ``sample`` renders."""
    datasets: tuple[str, ...]
    sensors: tuple[str, ...] = ()
    """Data sets with joints of a sensor, for stage ``joints``."""
    runs: dict[str, Run]
    show: str = ""
    """The run that ``dvc plots show`` draws."""
