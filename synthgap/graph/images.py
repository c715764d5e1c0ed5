"""The kinds of specifications of images, and of the generators that some of them come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ..diffusion.edm import EDMConfig
from ..diffusion.solver import Solver
from ..diffusion.train import DiffusionTraining
from ..diffusion.unet import UNetConfig
from ..gan.discriminator import DiscriminatorConfig
from ..gan.stylegan3 import GeneratorConfig
from ..gan.train import GanTraining
from ..metrics.selection import Rule
from .settings import Device, Loading
from .specification import Spec

if TYPE_CHECKING:
    from .specs import OneClassifier  # which is made of images: specs completes the kinds that name it


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


class LoadDiffusion(Spec):
    """A denoiser that was trained elsewhere, named by the content of its file: where that lies is not part of the key.

    fingerprint : SHA-256 (hex) of the file. config : what the file describes, as it was read.
    """

    kind: Literal["load-diffusion"] = "load-diffusion"
    code: ClassVar[tuple[str, ...]] = ("synthgap.diffusion.edm",)
    not_in_key: ClassVar[tuple[str, ...]] = ("path",)

    fingerprint: str
    path: str
    config: EDMConfig

    @property
    def network(self) -> UNetConfig:
        return self.config.network


Finished = Annotated[TrainDiffusion | LoadDiffusion, Field(discriminator="kind")]
Denoiser = Annotated[TrainDiffusion | Snapshot | LoadDiffusion, Field(discriminator="kind")]


class _Sampled(Spec):
    """Images of a denoiser, with the labels of `data`; `copy_index` k is the k-th draw of that size."""

    model: Denoiser
    data: Data
    copy_index: int = Field(0, ge=0)
    solver: Solver
    seed: int = Field(ge=0)
    device: Device = "cpu"


class Synthesize(_Sampled):
    """Fully synthetic images."""

    kind: Literal["synthesize"] = "synthesize"
    code: ClassVar[tuple[str, ...]] = ("synthgap.diffusion.reconstruct", "synthgap.graph.compute:synthesize")


class Reconstruct(_Sampled):
    """The images of `data`, noised up to `t_re` and denoised; a pair draws t_re for each image."""

    kind: Literal["reconstruct"] = "reconstruct"
    code: ClassVar[tuple[str, ...]] = ("synthgap.diffusion.reconstruct", "synthgap.graph.compute:rebuild")

    t_re: int | tuple[int, int]


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


class Guided(_Sampled):
    """Fully synthetic images whose reverse process is steered; see `diffusion.guidance`.

    method : "weaker", away from the denoiser `weaker`; "untold", away from the model itself not told the class;
        "doubt", towards what `classifier` is unsure of; "apart", away from the other images of the class.
    """

    kind: Literal["guided"] = "guided"
    code: ClassVar[tuple[str, ...]] = (
        "synthgap.diffusion.reconstruct",
        "synthgap.diffusion.guidance",
        "synthgap.graph.remedies:draw_guided",
        "synthgap.graph.remedies:guide_of",
    )

    method: Literal["weaker", "untold", "doubt", "apart"]
    weight: float = Field(allow_inf_nan=False)
    weaker: Denoiser | None = None
    classifier: OneClassifier | None = None


class Selected(Spec):
    """Of several draws of one set what `metrics.selection.kept` keeps, by what `judges` say together."""

    kind: Literal["selected"] = "selected"
    code: ClassVar[tuple[str, ...]] = (
        "synthgap.metrics.selection",
        "synthgap.graph.remedies:select",
    )

    draws: tuple[Annotated[Synthesize | Reconstruct, Field(discriminator="kind")], ...] = Field(min_length=1)
    judges: tuple[OneClassifier, ...] = Field(min_length=1)
    rule: Rule

    @property
    def device(self) -> Device:
        """Where its judges were trained."""
        return self.judges[0].device

    @property
    def data(self) -> Data:
        """The real images whose labels each draw has."""
        return self.draws[0].data


Images = Annotated[
    Data | Synthesize | Reconstruct | SampleGan | Bootstrap | Subset | Guided | Selected, Field(discriminator="kind")
]
