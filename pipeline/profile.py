"""Every knob of the pipeline: one frozen group per stage, read from ``profiles/<dataset>.yaml``.

The defaults are the paper's choices, or the most faithful reading where it is silent
(docs/method.md tells which is which). A key that is not here is an error.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    model_serializer,
    model_validator,
)

from stroi.pipeline.name_pattern import parse_pattern

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]
Resolution = Annotated[str, Field(pattern=r"^(-1|[1-9]\d{0,3})x(-1|[1-9]\d{0,3})$")]


def _size_is(value: object) -> str:
    return "native" if value == "native" else "px"


MosaicSize = Annotated[
    # Told apart first, so that a wrong value is one mistake and not one for each kind.
    Annotated[Annotated[int, Field(ge=40, le=2048, multiple_of=5)], Tag("px")]
    | Annotated[Literal["native"], Tag("native")],
    Discriminator(_size_is),
]


class Group(BaseModel):
    """A group of params: frozen, exactly typed, without unknown keys."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True
    )


class SampleParams(Group):
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


class IndexParams(Group):
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
            parse_pattern(self.pattern)
        return self


class OpenPoseParams(Group):
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
    """Sizes of the picture that are looked at."""
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


class OpenPoseJsonParams(Group):
    """OpenPose's JSON files (source ``openpose-json``)."""

    model: Literal["BODY_25", "BODY_25B", "COCO"] = "BODY_25"
    """The network that wrote them; the files do not tell it."""


class OnnxParams(Group):
    """The user's own network (source ``onnx``)."""

    model: str | None = None
    """An RTMO or RTMPose network as MMDeploy exports it, a local .onnx file."""
    joints: Literal["coco17", "halpe26"] = "coco17"
    """The joints that it was trained on."""


class SkeletonParams(Group):
    """Pose estimation and tracking (stage ``skeletons``)."""

    source: Literal["auto", "movenet", "openpose", "openpose-json", "onnx", "kinect"] = "auto"
    """Where skeletons come from; ``auto`` takes OpenPose if it is there, else MoveNet."""
    frames: Literal["all", "sampled"] = "all"
    """Frames that an estimator looks at: ``sampled`` are those that the mosaics need and some
    between, for data sets whose graph network sees a sensor's joints."""
    side: Annotated[int, Field(ge=64, le=1024, multiple_of=32)] = 256
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
    """Clips per file on average, at most twice as many; a changed clip redoes its file."""
    max_quarantined: Share = 0.05
    """Largest share of clips that may be quarantined before the stage fails."""

    @model_validator(mode="after")
    def _only_who_looks_may_look_at_less(self) -> SkeletonParams:
        if self.frames == "sampled" and self.source in ("openpose-json", "kinect"):
            raise ValueError(f"frames: sampled spares an estimator's work; {self.source} has none")
        return self


class JointParams(Group):
    """The joints that a sensor saw, for the graph network (stage ``joints``)."""

    format: Literal["ntu", "nucla", "pku"] = "ntu"
    """How its files are written: .skeleton texts of NTU RGB+D, the JSON of N-UCLA, or PKU-MMD's
    lines of numbers."""
    clips_per_shard: Positive = 256
    """Clips per file on average, at most twice as many."""
    max_quarantined: Share = 0.05
    """Largest share of clips that may be quarantined before the stage fails."""


class MosaicParams(Group):
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
    """Clips per file on average, at most twice as many; a kill costs one file per worker."""
    max_quarantined: Share = 0.05
    """Largest share of clips that may be quarantined before the stage fails."""

    @model_validator(mode="after")
    def _candidates_hold_the_columns(self) -> MosaicParams:
        if 0 < self.candidates < self.columns:
            raise ValueError(f"{self.candidates} candidates cannot give {self.columns} columns")
        return self

    @model_serializer(mode="wrap")
    def _without_unused(self, default: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Mosaics without candidates are those of the time before there were any, keys included.
        told: dict[str, Any] = default(self)
        return told if self.candidates else {k: v for k, v in told.items() if k != "candidates"}


class ScheduleParams(Group):
    """Stochastic gradient descent as in the paper, section IV.B."""

    epochs: Positive = 65
    batch_size: Annotated[int, Field(ge=2)] = 64
    lr: Annotated[float, Field(gt=0.0)] = 0.1
    decay: Literal["steps", "cosine"] = "steps"
    """The rate falls at the milestones, or along half a cosine to 0."""
    milestones: tuple[Positive, ...] = (45, 55)
    """Epochs after which the learning rate is multiplied by `gamma`."""
    gamma: Annotated[float, Field(gt=0.0, le=1.0)] = 0.1
    momentum: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9
    nesterov: bool = False
    weight_decay: Annotated[float, Field(ge=0.0)] = 1e-4
    decay_all: bool = True
    """Weight decay holds for biases and normalisation layers too."""
    warmup: Annotated[int, Field(ge=0)] = 0
    """Epochs of linear warm-up."""
    average: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of the old value in the running average of the network that becomes the result;
    0 for none, 0.999 is usual."""
    keep: Literal["last", "best"] = "last"
    """``best`` on the validation clips of the split, which then must have some."""


Stream = Literal["joint", "bone", "joint_motion", "bone_motion"]


class AugmentParams(Group):
    """Random changes of the graph network's training clips (stage ``gcn``); none by default."""

    rotate: Annotated[float, Field(ge=0.0, le=180.0)] = 0.0
    """Largest turn about the vertical, in degrees; for joints of a sensor only."""
    tilt: Annotated[float, Field(ge=0.0, le=180.0)] = 0.0
    """Largest turn about each horizontal axis, or of estimated skeletons in the picture."""
    scale: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest share by which a clip grows or shrinks."""
    shear: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Largest share of an axis that is added to another."""
    crop: Annotated[float, Field(gt=0.0, le=1.0)] = 1.0
    """Smallest share of a clip that is shown, stretched to the whole length."""
    jitter: Annotated[float, Field(ge=0.0, le=4.0)] = 0.0
    """Reach of the random place in time of each frame, in frames."""
    flip: Share = 0.0
    """Probability that left and right are exchanged."""
    hide_frames: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Probability that a frame is absent."""
    hide_joints: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Probability that a joint is absent."""


class GcnParams(Group):
    """The skeleton branch: an ST-GCN with eq. 3 (stage ``gcn``)."""

    model: Literal["stgcn", "ctrgcn"] = "stgcn"
    """The paper's network, or a stronger one whose graph adapts to the clip."""
    streams: Annotated[tuple[Stream, ...], Field(min_length=1)] = ("joint",)
    """What networks see, one network each; the first one's features give the joint weights."""
    stream_weights: tuple[Annotated[float, Field(ge=0.0)], ...] = ()
    """Factor of each stream's logits in their sum; 1 each when empty."""
    frames: Annotated[int, Field(ge=4)] = 64
    """Frames of a clip that the network sees."""
    fill: Literal["stretch", "repeat", "pad"] = "stretch"
    """How a clip of fewer frames gets them: resampled, played again, or followed by nothing."""
    centre: Literal["clip", "frame"] = "clip"
    """Joints relative to one origin of the clip, or to the body's centre in their frame."""
    align: Literal["none", "heading", "body"] = "none"
    """Turn a sensor's joints so that the body faces one way, or stands upright as well."""
    channels: tuple[Positive, ...] = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
    """Output channels of each block."""
    strides: tuple[Annotated[int, Field(ge=1, le=4)], ...] = (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)
    """Temporal stride of each block."""
    temporal_kernel: Annotated[int, Field(ge=1)] = 9
    """Frames seen by a temporal convolution; odd."""
    topologies: Positive = 8
    """Learnt topologies of a layer of ``ctrgcn``; as many as channels are its paper's."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.5
    alpha: Annotated[float, Field(gt=0.0)] = 0.001
    """Of eq. 3: keeps empty rows of the adjacency invertible."""
    normalisation: Literal["two_sided", "eq3", "stgcn"] = "two_sided"
    """Of the adjacency: eq. 3 with row and column sums, to the letter, or ST-GCN's A D^-1."""
    loss: Literal["cross_entropy", "mse"] = "cross_entropy"
    smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of the cross-entropy's target that is spread over all classes."""
    precision: Literal["fp32", "bf16"] = "fp32"
    augment: AugmentParams = AugmentParams()
    schedule: ScheduleParams = ScheduleParams()

    @model_validator(mode="after")
    def _streams_differ_and_are_weighed(self) -> GcnParams:
        if len(set(self.streams)) < len(self.streams):
            raise ValueError("streams: name each once")
        if self.stream_weights and len(self.stream_weights) != len(self.streams):
            raise ValueError(
                f"{len(self.streams)} streams, {len(self.stream_weights)} stream_weights"
            )
        return self

    @model_validator(mode="after")
    def _blocks_can_be_built(self) -> GcnParams:
        if self.temporal_kernel % 2 == 0:
            raise ValueError(f"a temporal_kernel of {self.temporal_kernel} frames has no middle")
        if len(self.channels) != len(self.strides):
            raise ValueError(
                f"{len(self.channels)} channels, {len(self.strides)} strides: one each per block"
            )
        if self.model == "ctrgcn" and any(
            width % 4 or width % min(self.topologies, width) for width in self.channels
        ):
            raise ValueError(f"channels of ctrgcn: multiples of 4 and of {self.topologies}")
        return self


class WeightParams(Group):
    """Joint weights, eq. 4 (stage ``weights``)."""

    joints: Literal["mean", "l2_top15"] = "mean"
    """A joint's weight: eq. 4, or as the published code (length over channels, 15 top frames)."""
    bodies: Literal["strongest", "mean", "per_half"] = "strongest"
    """Whose weights a clip of two people gets."""
    scale: Literal["clip", "training"] = "clip"
    """A clip's rows: scaled to mean 1, or divided by the training clips' mean over all rows."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the network's convolutions; ``bf16`` is twice as fast and changes the third digit."""


class ResnetParams(Group):
    """The RGB branch: ResNet18 on weighted mosaics, eq. 5 and 6 (stage ``resnet``)."""

    precision: Literal["fp32", "bf16"] = "fp32"
    """``bf16`` is faster on GPUs and on CPUs with bfloat16 instructions."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """``auto`` takes a GPU if there is one."""
    place: Literal["after", "before"] = "after"
    """Weights multiply after or before the colours are normalised."""
    missing: Literal["row", "zero"] = "row"
    """Weight of a missing joint's cell: its row's, or 0 (the mean colour if `place` is after)."""
    loss: Literal["cross_entropy", "mse"] = "cross_entropy"
    """``mse`` is eq. 6 to the letter."""
    flip: Share = 0.0
    """Probability that a training mosaic is mirrored, its rows and weights with it."""
    shift: Annotated[int, Field(ge=0, le=32)] = 0
    """Largest random shift of the picture inside a training mosaic's cells, in px."""
    start: str | None = None
    """A torchvision ResNet18 as a .safetensors or .pth file; from scratch when absent."""
    schedule: ScheduleParams = ScheduleParams()


class EnsembleParams(Group):
    """Summing the two branches' scores (stage ``ensemble``)."""

    scores: Literal["logits", "softmax"] = "logits"
    """What is summed."""
    alpha: Annotated[float, Field(ge=0.0)] = 1.0
    """Weight of the RGB branch; the skeleton branch has 1."""
    pairs: dict[str, tuple[str, str]] = {}
    """Pairs of classes to tell apart on their own, by a name for the pair (as in Fig. 1)."""


Column = Literal["subject", "camera", "group", "split", "id"]
"""What a split goes by: a column of the index."""

Fold = tuple[Positive, Annotated[int, Field(ge=2)]]
"""Number of the fold, from 1, and how many there are."""


def _check_fold(fold: Fold | None) -> None:
    if fold is not None and fold[0] > fold[1]:
        raise ValueError(f"there is no fold {fold[0]} of {fold[1]}: they count from 1")


class Validation(Group):
    """Which of a split's training clips are held out, to choose things by."""

    by: Column
    values: tuple[str, ...] | None = None
    fold: Fold | None = None
    """Instead of `values`: [i, k] holds out the i-th of k folds of the training clips' values."""

    @model_validator(mode="after")
    def _is_one_rule(self) -> Validation:
        if (self.values is None) == (self.fold is None):
            raise ValueError("name either the values to hold out, or a fold")
        _check_fold(self.fold)
        return self


class Split(Group):
    """Which clips train and which test, by the values of one index column."""

    by: Column
    """``id`` is for clips of which nothing else is known."""
    train: tuple[str, ...] | None = None
    test: tuple[str, ...] | None = None
    """Left out: all values that the other side does not name."""
    fold: Fold | None = None
    """Instead of both: [i, k] tests on the i-th of k folds of the values, about as many clips
    each; with as many folds as values this leaves one out."""
    validation: Validation | None = None
    """Training clips that are held out; none when absent."""

    @model_validator(mode="after")
    def _is_one_rule(self) -> Split:
        named = self.train is not None or self.test is not None
        if not named and self.fold is None:
            raise ValueError("name the values of train, of test, or of both, or a fold")
        if named and self.fold is not None:
            raise ValueError("name either values or a fold")
        _check_fold(self.fold)
        both = sorted(set(self.train or ()) & set(self.test or ()))
        if both:
            raise ValueError(f"on both sides: {', '.join(both)}")
        return self


class Profile(Group):
    """All params of one data set."""

    seeds: tuple[int, ...] = (0,)
    """Every network is trained once per seed."""
    sample: SampleParams = SampleParams()
    index: IndexParams = IndexParams()
    skeletons: SkeletonParams = SkeletonParams()
    joints: JointParams = JointParams()
    mosaics: MosaicParams = MosaicParams()
    splits: dict[str, Split] = {}
    gcn: GcnParams = GcnParams()
    weights: WeightParams = WeightParams()
    resnet: ResnetParams = ResnetParams()
    ensemble: EnsembleParams = EnsembleParams()

    @model_validator(mode="after")
    def _seeds_are_some_and_differ(self) -> Profile:
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError("seeds: name at least one, and each once")
        return self


class Run(Group):
    """One row of ``runs`` in params.yaml: a data set under one of its splits."""

    dataset: str
    split: str
    input: Literal["skeletons", "joints"]
    """What the graph network sees: estimated skeletons, or a sensor's joints."""


class Plan(Group):
    """What ``dvc repro`` builds: the content of params.yaml."""

    rendered: tuple[str, ...] = ()
    """Data sets that stage ``sample`` renders."""
    datasets: tuple[str, ...]
    sensors: tuple[str, ...] = ()
    """Data sets with joints of a sensor, for stage ``joints``."""
    runs: dict[str, Run]
    show: str = ""
    """The run that ``dvc plots show`` draws."""
