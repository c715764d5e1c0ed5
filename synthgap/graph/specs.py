"""The kinds of specifications: each one fully describes one artifact, and nests the specifications it is made from."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ..classifier.resnet import ResNetConfig
from ..classifier.train import ClassifierTraining
from .images import (
    Bootstrap,
    Data,
    Finished,
    Guided,
    Images,
    LoadDiffusion,
    Reconstruct,
    SampleGan,
    Selected,
    Snapshot,
    Subset,
    Synthesize,
    TrainDiffusion,
    TrainGan,
)
from .settings import Device, Frozen, LikelihoodSettings
from .specification import Spec


class Trim(Spec):
    """The `count` images of `images` that lie nearest to the means of their classes, as many a class as in `Subset`.

    seen : half a under a classifier of half b, and half b under one of half a: each half is ranked by features that
        were not trained on it.
    """

    kind: Literal["trim"] = "trim"
    code: ClassVar[tuple[str, ...]] = (
        "synthgap.data.splits",
        "synthgap.metrics.projection",
        "synthgap.graph.compute:trim",
    )

    images: Data
    seen: tuple[Predict, Predict]
    count: int = Field(gt=0)


class Seeded(BaseModel):
    """What the classifier of one seed is trained on: real images, synthetic ones (all of them together), or both."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    real: Annotated[Data | Subset | Trim, Field(discriminator="kind")] | None
    synthetic: tuple[Images, ...] = ()
    seed: int = Field(ge=0)


class TrainClassifier(Spec):
    """A block: the classifiers of one seed or several, trained as one network.

    Nothing passes between its members, but rounding depends on who they are, so that all of them are in the key.
    """

    kind: Literal["train-classifier"] = "train-classifier"
    code: ClassVar[tuple[str, ...]] = ("synthgap.classifier.train", "synthgap.graph.compute:classify")

    members: tuple[Seeded, ...] = Field(min_length=1)
    epoch_images: int = Field(gt=0)  # the real set's size, in every arm that is not epoch-matched
    network: ResNetConfig
    training: ClassifierTraining
    device: Device = "cpu"


class OneClassifier(Spec):
    """The classifier at one place of a block. It is read from the block's artifact and has none of its own."""

    kind: Literal["classifier"] = "classifier"

    block: TrainClassifier
    place: int = Field(ge=0)

    @property
    def stored(self) -> TrainClassifier:
        return self.block

    def taken_from(self, value: list[Any]) -> Any:
        return value[self.place]

    @property
    def own(self) -> Seeded:
        """What it is trained on itself."""
        return self.block.members[self.place]

    @property
    def network(self) -> ResNetConfig:
        return self.block.network

    @property
    def device(self) -> Device:
        return self.block.device


class Predict(Spec):
    """Features and logits of `images` under a classifier."""

    kind: Literal["predict"] = "predict"
    code: ClassVar[tuple[str, ...]] = ("synthgap.classifier.evaluate", "synthgap.graph.compute:predict")

    classifier: OneClassifier
    images: Images

    @property
    def device(self) -> Device:
        """Where the classifier was trained."""
        return self.classifier.device


class Attend(Spec):
    """GradCAM maps of `images` under a classifier, each for its own label."""

    kind: Literal["attend"] = "attend"
    code: ClassVar[tuple[str, ...]] = ("synthgap.metrics.gradcam", "synthgap.graph.compute:attend")

    classifier: OneClassifier
    images: Images

    @property
    def device(self) -> Device:
        """Where the classifier was trained."""
        return self.classifier.device


class MeasureFidelity(Spec):
    """Fréchet distance, KID, precision/recall and density/coverage of `fake` against `real`, in one feature space."""

    kind: Literal["fidelity"] = "fidelity"
    code: ClassVar[tuple[str, ...]] = ("synthgap.metrics.fidelity", "synthgap.graph.compute:measure_fidelity")

    real: Predict
    fake: Predict


class MeasureDetection(Spec):
    """How well a detector tells `fake` from `real`, image i of the one paired with image i of the other.

    device : of a detector that is a network; the logistic regression knows no other than the CPU.
    """

    kind: Literal["detection"] = "detection"
    code: ClassVar[tuple[str, ...]] = ("synthgap.metrics.detection", "synthgap.graph.compute:measure_detection")

    real: Images
    fake: Images
    domain: Literal["pixel", "dct"]
    detector: Literal["logistic", "cnn", "resnet18"]
    seed: int = Field(ge=0)
    device: Device = "cpu"


class MeasureLikelihood(Spec):
    """Log-likelihood of `images` under a denoiser, by its probability-flow ODE."""

    kind: Literal["likelihood"] = "likelihood"
    code: ClassVar[tuple[str, ...]] = ("synthgap.metrics.likelihood", "synthgap.graph.compute:measure_likelihood")

    model: Finished
    images: Images
    settings: LikelihoodSettings
    sigma: float = Field(gt=0)
    seed: int = Field(ge=0)
    device: Device = "cpu"


class Extract(Spec):
    """Features of `images`, which are shown as `view` says (see `data.transform.viewed`), under a frozen network.

    weights : where the file of its weights lies, which are named by their content (`network.fingerprint`); None where
    the extractor finds them itself.
    """

    kind: Literal["extract"] = "extract"
    code: ClassVar[tuple[str, ...]] = (
        "synthgap.data.transform",
        "synthgap.metrics.backbones",
        *(
            f"synthgap.metrics.extractors:{name}"
            for name in ("_backbone", "_efficientnet", "_inception", "_pixels", "_rgb")
        ),
        "synthgap.graph.compute:extract",
    )
    not_in_key: ClassVar[tuple[str, ...]] = ("weights",)

    images: Images
    network: Frozen
    view: int = Field(0, ge=0, lt=8)
    weights: str | None = None
    device: Device = "cpu"


class MeasureFrozen(Spec):
    """What `MeasureFidelity` measures, in the features of a frozen network: FID, where that is Inception."""

    kind: Literal["frozen-fidelity"] = "frozen-fidelity"
    code: ClassVar[tuple[str, ...]] = ("synthgap.metrics.fidelity", "synthgap.graph.compute:measure_fidelity")

    real: Extract
    fake: Extract


class FitHead(Spec):
    """Linear heads on frozen features, one and `draws` more, and what they say of `test`; see `classifier.head.Lesson`.

    test : None where all images of `real` are, each asked about with a head that has not seen it, nor any image of its
    group; groups : number of the group of each of `real`, () where there are none. shown : more images that the head
    is asked about.
    """

    kind: Literal["head"] = "head"
    code: ClassVar[tuple[str, ...]] = ("synthgap.classifier.head", "synthgap.graph.compute:fit_heads")

    real: tuple[Extract, ...] = Field(min_length=1)
    synthetic: tuple[Extract, ...] = ()
    beside: bool = True
    count: int | None = Field(None, gt=0)
    drawn: int | None = Field(None, gt=0)
    balanced: bool = False
    validation: Extract
    test: Extract | None
    groups: tuple[int, ...] = ()
    shown: Extract | None = None
    classes: int
    draws: int = Field(ge=2)


class MeasureMemorization(Spec):
    """Whether `fake` lies nearer to the training images than other real images do: in pixels, or in features."""

    kind: Literal["memorization"] = "memorization"
    code: ClassVar[tuple[str, ...]] = ("synthgap.metrics.memorization", "synthgap.graph.compute:measure_memorization")

    train: Data | Extract = Field(discriminator="kind")
    test: Data | Extract = Field(discriminator="kind")
    fake: Images | Extract


class MeasureCollapse(Spec):
    """Whether a GAN has collapsed: its samples against the images that it was trained on."""

    kind: Literal["collapse"] = "collapse"
    code: ClassVar[tuple[str, ...]] = ("synthgap.gan.collapse", "synthgap.graph.compute:measure_collapse")

    fake: SampleGan


KINDS: tuple[type[Spec], ...] = (  # of artifacts
    Data,
    TrainDiffusion,
    Snapshot,
    LoadDiffusion,
    Synthesize,
    Reconstruct,
    TrainGan,
    SampleGan,
    Bootstrap,
    Subset,
    Guided,
    Selected,
    Trim,
    TrainClassifier,
    Predict,
    Attend,
    Extract,
    FitHead,
    MeasureFidelity,
    MeasureDetection,
    MeasureLikelihood,
    MeasureMemorization,
    MeasureCollapse,
    MeasureFrozen,
)
for _kind in (Seeded, OneClassifier, *KINDS):
    _kind.model_rebuild()  # a classifier may be trained on what predictions of another one chose
AnySpec = Annotated[Union[(OneClassifier, *KINDS)], Field(discriminator="kind")]


def parse_spec(text: str) -> Spec:
    """The specification in a `spec.json`."""
    return TypeAdapter(AnySpec).validate_json(text)
