"""The kinds of specifications: each one fully describes one artifact, and nests the specifications it is made from."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Union

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from ..classifier.resnet import ResNetConfig
from ..classifier.train import ClassifierTraining
from ..diffusion.solver import Solver
from ..diffusion.train import DiffusionTraining
from ..diffusion.unet import UNetConfig
from ..gan.discriminator import DiscriminatorConfig
from ..gan.stylegan3 import GeneratorConfig
from ..gan.train import GanTraining
from .settings import Device, LikelihoodSettings, Loading
from .specification import Spec


class Data(Spec):
    """Real images, named by their content: where they were loaded from is not part of the key."""

    kind: Literal["data"] = "data"
    code: ClassVar[tuple[str, ...]] = ("synthgap.data.imageset",)
    not_in_key: ClassVar[tuple[str, ...]] = ("name", "loading")

    fingerprint: str
    name: str
    count: int
    shape: tuple[int, int, int]
    classes: int
    loading: Loading


class TrainDiffusion(Spec):
    """A denoiser trained on `data`; `snapshots` are numbers of images seen after which it is kept, too."""

    kind: Literal["train-diffusion"] = "train-diffusion"
    code: ClassVar[tuple[str, ...]] = ("synthgap.diffusion.train", "synthgap.graph.compute:train_diffusion")

    data: Data
    network: UNetConfig
    training: DiffusionTraining
    snapshots: tuple[int, ...] = ()
    seed: int = Field(ge=0)
    device: Device = "cpu"


class Snapshot(Spec):
    """The denoiser of `run` when it had seen `images` training images, one of its snapshots."""

    kind: Literal["snapshot"] = "snapshot"
    code: ClassVar[tuple[str, ...]] = ("synthgap.graph.compute:snapshot",)

    run: TrainDiffusion
    images: int = Field(gt=0)

    @property
    def network(self) -> UNetConfig:
        return self.run.network


Denoiser = Annotated[TrainDiffusion | Snapshot, Field(discriminator="kind")]


class Synthesize(Spec):
    """Fully synthetic images with the labels of `data`; `copy_index` k is the k-th draw of that size."""

    kind: Literal["synthesize"] = "synthesize"
    code: ClassVar[tuple[str, ...]] = ("synthgap.diffusion.reconstruct", "synthgap.graph.compute:synthesize")

    model: Denoiser
    data: Data
    copy_index: int = Field(0, ge=0)
    solver: Solver
    seed: int = Field(ge=0)
    device: Device = "cpu"


class Reconstruct(Spec):
    """The images of `data`, noised up to `t_re` and denoised; a pair draws t_re for each image."""

    kind: Literal["reconstruct"] = "reconstruct"
    code: ClassVar[tuple[str, ...]] = ("synthgap.diffusion.reconstruct", "synthgap.graph.compute:rebuild")

    model: Denoiser
    data: Data
    t_re: int | tuple[int, int]
    copy_index: int = Field(0, ge=0)
    solver: Solver
    seed: int = Field(ge=0)
    device: Device = "cpu"


class TrainGan(Spec):
    """A StyleGAN3 trained on `data`, the diffusion model's rival."""

    kind: Literal["train-gan"] = "train-gan"
    code: ClassVar[tuple[str, ...]] = ("synthgap.gan.train", "synthgap.graph.compute:train_rival")

    data: Data
    generator: GeneratorConfig
    discriminator: DiscriminatorConfig
    training: GanTraining
    seed: int = Field(ge=0)
    device: Device = "cpu"


class SampleGan(Spec):
    """Images of a GAN with the labels of `data`; `copy_index` k is the k-th draw of that size."""

    kind: Literal["sample-gan"] = "sample-gan"
    code: ClassVar[tuple[str, ...]] = ("synthgap.gan.sample", "synthgap.graph.compute:sample_rival")

    model: TrainGan
    data: Data
    copy_index: int = Field(0, ge=0)
    seed: int = Field(ge=0)
    device: Device = "cpu"


class Bootstrap(Spec):
    """As many images as `images` has, with its labels, each drawn from the images of its class with replacement.

    What a generator would give that had learnt its training set by heart; `copy_index` k is the k-th draw.
    """

    kind: Literal["bootstrap"] = "bootstrap"
    code: ClassVar[tuple[str, ...]] = ("synthgap.data.splits", "synthgap.graph.compute:resample")

    images: Data
    copy_index: int = Field(0, ge=0)
    seed: int = Field(ge=0)


class Subset(Spec):
    """Some of `images`: a half of them, or `count` spread over the classes, or `count` of a half.

    Sets with equal labels give equal positions, so that a subset of reconstructions fits that of their originals.
    With a seed the `count` images are drawn at random, class by class, instead.
    """

    kind: Literal["subset"] = "subset"
    code: ClassVar[tuple[str, ...]] = ("synthgap.data.splits", "synthgap.graph.compute:subset")

    images: Data | Synthesize | Reconstruct | SampleGan = Field(discriminator="kind")
    half: Literal["a", "b"] | None = None
    count: int | None = Field(None, gt=0)
    seed: int | None = Field(None, ge=0)


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


Images = Annotated[Data | Synthesize | Reconstruct | SampleGan | Bootstrap | Subset, Field(discriminator="kind")]


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


class Predict(Spec):
    """Features and logits of `images` under a classifier."""

    kind: Literal["predict"] = "predict"
    code: ClassVar[tuple[str, ...]] = ("synthgap.classifier.evaluate", "synthgap.graph.compute:predict")

    classifier: OneClassifier
    images: Images


class Attend(Spec):
    """GradCAM maps of `images` under a classifier, each for its own label."""

    kind: Literal["attend"] = "attend"
    code: ClassVar[tuple[str, ...]] = ("synthgap.metrics.gradcam", "synthgap.graph.compute:attend")

    classifier: OneClassifier
    images: Images


class MeasureFidelity(Spec):
    """Fréchet distance, KID, precision/recall and density/coverage of `fake` against `real`, in one feature space."""

    kind: Literal["fidelity"] = "fidelity"
    code: ClassVar[tuple[str, ...]] = ("synthgap.metrics.fidelity", "synthgap.graph.compute:measure_fidelity")

    real: Predict
    fake: Predict


class MeasureDetection(Spec):
    """How well a detector tells `fake` from `real`, image i of the one paired with image i of the other."""

    kind: Literal["detection"] = "detection"
    code: ClassVar[tuple[str, ...]] = ("synthgap.metrics.detection", "synthgap.graph.compute:measure_detection")

    real: Images
    fake: Images
    domain: Literal["pixel", "dct"]
    detector: Literal["logistic", "cnn", "resnet18"]
    seed: int = Field(ge=0)


class MeasureLikelihood(Spec):
    """Log-likelihood of `images` under a denoiser, by its probability-flow ODE."""

    kind: Literal["likelihood"] = "likelihood"
    code: ClassVar[tuple[str, ...]] = ("synthgap.metrics.likelihood", "synthgap.graph.compute:measure_likelihood")

    model: TrainDiffusion
    images: Images
    settings: LikelihoodSettings
    sigma: float = Field(gt=0)
    seed: int = Field(ge=0)
    device: Device = "cpu"


class MeasureMemorization(Spec):
    """Whether `fake` lies nearer to the training images than other real images do, in pixels."""

    kind: Literal["memorization"] = "memorization"
    code: ClassVar[tuple[str, ...]] = ("synthgap.metrics.memorization", "synthgap.graph.compute:measure_memorization")

    train: Data
    test: Data
    fake: Images


class MeasureCollapse(Spec):
    """Whether a GAN has collapsed: its samples against the images that it was trained on."""

    kind: Literal["collapse"] = "collapse"
    code: ClassVar[tuple[str, ...]] = ("synthgap.gan.collapse", "synthgap.graph.compute:measure_collapse")

    fake: SampleGan


KINDS: tuple[type[Spec], ...] = (  # of artifacts
    Data,
    TrainDiffusion,
    Snapshot,
    Synthesize,
    Reconstruct,
    TrainGan,
    SampleGan,
    Bootstrap,
    Subset,
    Trim,
    TrainClassifier,
    Predict,
    Attend,
    MeasureFidelity,
    MeasureDetection,
    MeasureLikelihood,
    MeasureMemorization,
    MeasureCollapse,
)
for _kind in (Seeded, OneClassifier, *KINDS):
    _kind.model_rebuild()  # a classifier may be trained on what predictions of another one chose
AnySpec = Annotated[Union[(OneClassifier, *KINDS)], Field(discriminator="kind")]


def parse_spec(text: str) -> Spec:
    """The specification in a `spec.json`."""
    return TypeAdapter(AnySpec).validate_json(text)


def in_order(specs: list[Spec]) -> list[Spec]:
    """All of `specs` and what they are made from, each once, inputs before what uses them."""
    done: dict[str, Spec] = {}

    def visit(spec: Spec) -> None:
        if spec.key not in done:
            for item in spec.inputs:
                visit(item)
            done[spec.key] = spec

    for spec in specs:
        visit(spec.stored)
    return list(done.values())
