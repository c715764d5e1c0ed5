"""The experiment as a graph: which specifications stand behind every table and figure, for one data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from ..classifier.policies import Policy
from ..classifier.train import ClassifierTraining
from ..diffusion.schedule import REVERSE_STEPS, ReverseStep, level_of
from ..graph.specs import (
    Bootstrap,
    Data,
    Images,
    LoadDiffusion,
    MeasureFidelity,
    OneClassifier,
    Predict,
    Reconstruct,
    SampleGan,
    Seeded,
    Subset,
    Synthesize,
    TrainClassifier,
    TrainDiffusion,
    TrainGan,
    Trim,
)
from ..metrics.fidelity import NEIGHBOURS
from .preset import Preset, changed
from .remedies import WEAKER
from .sizes import classifier_network, gan_networks, generator_network
from .values import (
    BOOTSTRAP,
    EPOCH_MATCHED,
    FLOOR,
    GAN,
    GAN_ONLY,
    GIVEN,
    GIVEN_ONLY,
    REAL_ONLY,
    SYNTHETIC_ONLY,
    Arm,
    ArmCell,
)
from .variants import VARIANTS

Sets = tuple[Data | Subset | Trim | None, tuple[Images, ...]]  # real images and synthetic ones
DEFAULT = "default"  # among the variants of the sensitivity study
PAPER, CROSSFIT = "paper's protocol", "cross-fitted"  # protocols: which real classifier judges what


def multiples_within(several: tuple[int, ...], most: float) -> tuple[float, ...]:
    """Those of several multiples that are no larger than `most`; `most` itself where none is."""
    return tuple(k for k in several if k <= most) or (round(most, 3),)


@dataclass(frozen=True)
class Arms:
    """Specifications of one data set's cells. Seed s owns generator s, its samples and classifier s.

    data : {"train", "validation", "test", "probe", "floor", "other", "grid"}. Generators and classifiers see "train"
        alone. "probe" is the part of test that Figure 8 reconstructs, "floor" one of train's size and "other" one of
        half its size that Figure 6 compares with, "grid" the training images that Figures 4 and 5 show. "given", where
        there is one, is a synthetic set from elsewhere: it belongs to no seed.
    mirrored : may every classifier see its images mirrored left to right, whatever its policy?
    model : a generator that was trained elsewhere. It is every seed's: seed s owns its samples and classifier s alone.

    Arms are named as `design.values.Arm` says.

    Two protocols stand side by side. PAPER: the classifier trained on all of train looks at images made from train.
    CROSSFIT: the classifier trained on half A of train looks at images made from half B, which it has not seen.
    """

    name: str
    data: dict[str, Data]
    preset: Preset
    seeds: tuple[int, ...]
    device: str = "cpu"
    mirrored: bool = False
    model: LoadDiffusion | None = None

    def sigma(self, t_re: int) -> float:
        """σ of a reverse step, as the solver reads it (`Solver.levels`), for images of this size, or for the model."""
        solver = self.preset.generator.solver
        if self.model is not None:
            own = self.model.config
            return level_of(t_re, solver.levels, own.sigma_min, own.sigma_max, own.rho, own.vp)
        _, height, width = self.data["train"].shape
        return solver.sigma(t_re, height, width)

    def generator(self, seed: int) -> TrainDiffusion | LoadDiffusion:
        """The diffusion model of one seed."""
        if self.model is not None:
            return self.model
        choice, train = self.preset.generator, self.data["train"]
        network = generator_network(choice, train.shape, train.classes)
        shares = sorted({*self.preset.checkpoints, WEAKER})
        snapshots = tuple(round(share * choice.training.images) for share in shares)
        return TrainDiffusion(
            data=train,
            network=network,
            training=choice.training,
            snapshots=snapshots,
            seed=seed,
            device=self.device,
        )

    def rival(self, seed: int) -> TrainGan:
        """The GAN of one seed."""
        choice, train = self.preset.gan, self.data["train"]
        generator, discriminator = gan_networks(choice, train.shape, train.classes)
        return TrainGan(
            data=train,
            generator=generator,
            discriminator=discriminator,
            training=choice.training,
            seed=seed,
            device=self.device,
        )

    @property
    def rivals(self) -> tuple[int, ...]:
        """What stands beside the reverse steps: GAN, where the preset has one."""
        return (GAN,) if self.preset.gan else ()

    def samples(
        self, seed: int, t_re: ReverseStep, copy_index: int = 0, split: str = "train"
    ) -> Data | Synthesize | Reconstruct | SampleGan:
        """Images at one reverse step: 0 is the data itself, 100 a fully synthetic set of the same size, GAN a GAN's."""
        data = self.data[split]
        if t_re == 0:
            return data
        common = {"data": data, "copy_index": copy_index, "seed": seed, "device": self.device}
        if t_re == GAN:
            return SampleGan(model=self.rival(seed), **common)
        common |= {"model": self.generator(seed), "solver": self.preset.generator.solver}
        return Synthesize(**common) if t_re == REVERSE_STEPS else Reconstruct(t_re=t_re, **common)

    def block(self, seed: int) -> tuple[int, ...]:
        """The seeds whose classifiers are trained together with that of `seed`, in order; a foreign one is alone.

        Bounds don't move with the number of seeds: block b holds those from b·K to b·K + K − 1, K as of the preset.
        """
        size = self.preset.classifier.block
        together = sorted(s for s in self.seeds if s // size == seed // size)
        return tuple(together) if seed in together else (seed,)

    def trained(
        self,
        seed: int,
        sets: Callable[[int], Sets],
        training: ClassifierTraining | None = None,
        epoch_images: int | None = None,
    ) -> OneClassifier:
        """The classifier of `seed`, each seed of its block being trained on what `sets` says of it.

        training, epoch_images : where they are not the preset's recipe and the real set's size.
        """
        train, choice, together = self.data["train"], self.preset.classifier, self.block(seed)
        named = {s: dict(zip(("real", "synthetic"), sets(s), strict=True)) for s in together}
        block = TrainClassifier(
            members=tuple(Seeded(**named[s], seed=s) for s in together),
            epoch_images=epoch_images or train.count,
            network=classifier_network(choice, train.shape, train.classes),
            training=training or choice.training,
            device=self.device,
        )
        return OneClassifier(block=block, place=together.index(seed))

    def copies(self, seed: int, t_re: ReverseStep, multiple: int) -> tuple[Images, ...]:
        """`multiple` sets of one seed at `t_re`."""
        return tuple(self.samples(seed, t_re, copy) for copy in range(multiple))

    def classifier(self, seed: int, t_re: ReverseStep, multiple: int = 1) -> OneClassifier:
        """A classifier trained on `multiple` sets at `t_re` alone; at 0 on the real set."""
        if t_re == 0:
            return self.on_real(seed, lambda _: self.data["train"])
        return self.trained(seed, lambda s: (None, self.copies(s, t_re, multiple)))

    def on_real(self, seed: int, part: Callable[[int], Data | Subset | Trim]) -> OneClassifier:
        """A classifier trained on real images alone, each seed's on its `part` of them, at the whole set's steps."""
        return self.trained(seed, lambda s: (part(s), ()))

    def arm(self, arm: Arm, multiple: float, seed: int) -> OneClassifier:
        """The classifier of one arm, with ×`multiple` images beside or in place of the real ones."""
        arm, train = Arm(arm), self.data["train"]
        epoch_images = int(multiple) * train.count if arm.base == EPOCH_MATCHED else None
        return self.trained(seed, lambda s: self._sets(arm, multiple, s), self._recipe(arm.policy), epoch_images)

    def _sets(self, arm: Arm, multiple: float, seed: int) -> Sets:
        train = self.data["train"]
        if arm.mixed:
            return train, self.copies(seed, arm.t_re, int(multiple))
        if arm.base == GIVEN:
            return train, (self.given(multiple, seed),)
        if arm.base == REAL_ONLY:
            return train, ()
        if arm.base == GIVEN_ONLY:
            return None, (self.given(multiple, seed),)
        if arm.base == BOOTSTRAP:
            return None, tuple(Bootstrap(images=train, copy_index=i, seed=seed) for i in range(int(multiple)))
        source = {GAN_ONLY: GAN, SYNTHETIC_ONLY: REVERSE_STEPS, EPOCH_MATCHED: REVERSE_STEPS}[arm.base]
        return None, self.copies(seed, source, int(multiple))

    def given(self, multiple: float, seed: int) -> Data | Subset:
        """×`multiple` of the user's synthetic images: all of them where they are just so many, or else a draw."""
        everything, count = self.data["given"], round(multiple * self.data["train"].count)
        return everything if count >= everything.count else Subset(images=everything, count=count, seed=seed)

    def given_multiples(self) -> tuple[float, ...]:
        """The preset's multiples that the user's synthetic images suffice for; their own where they don't for any."""
        if "given" not in self.data:
            return ()
        return multiples_within(self.preset.replication, self.data["given"].count / self.data["train"].count)

    def _recipe(self, policy: Policy) -> ClassifierTraining:
        return self.preset.classifier.training.model_copy(update={"policy": policy})

    def test(self, classifier: OneClassifier) -> Predict:
        """The classifier on the test split."""
        return Predict(classifier=classifier, images=self.data["test"])

    def seen_by_real(self, seed: int, images: Images) -> Predict:
        """Any images through the classifier that seed `seed` trained on the real set."""
        return Predict(classifier=self.classifier(seed, 0), images=images)

    def tested(self, listed: list[ArmCell]) -> dict[tuple[Arm, float, int], Predict]:
        """(arm, multiple, seed) → test predictions."""
        return {(arm, k, s): self.test(self.arm(arm, k, s)) for s in self.seeds for arm, k in listed}

    def listed(self) -> list[ArmCell]:
        """Every arm that the preset lists with its multiples, in the order of Table 3."""
        preset = self.preset
        several: dict[Arm, tuple[float, ...]] = {
            REAL_ONLY: (0,),
            SYNTHETIC_ONLY: preset.replication,
            GAN_ONLY: preset.gan.replication if preset.gan else (),
            EPOCH_MATCHED: preset.epoch_matched,
            BOOTSTRAP: preset.bootstrap,
            **preset.augmentation,
        }
        for policy in preset.policies:
            several[Arm(policy)] = (0,)
            several |= {arm.under(policy): multiples for arm, multiples in preset.combined.items()}
        given = self.given_multiples()
        several |= {GIVEN_ONLY: given, GIVEN: given} if given else {}
        return [(arm, k) for arm, multiples in several.items() for k in multiples]

    def share(self, share: float) -> int:
        """So many training images, one of each class at least."""
        train = self.data["train"]
        return max(train.classes, round(share * train.count))

    def varied(self, name: str) -> Arms:
        """These arms with one choice changed (see `VARIANTS`)."""
        if name == DEFAULT:
            return self
        variant, preset = VARIANTS[name], self.preset
        if variant.concerns == "solver":
            solver = variant.change(preset.generator.solver)
            update = {"generator": changed(preset.generator, {"solver": solver})}
        else:
            update = {"classifier": changed(preset.classifier, variant.change(preset.classifier))}
        return replace(self, preset=preset.model_copy(update=update))

    def drawn(self, count: int, seed: int) -> Subset:
        """So many training images, drawn class by class by the seed."""
        return Subset(images=self.data["train"], count=count, seed=seed)

    def central(self, count: int, seed: int) -> Trim:
        """So many training images, those nearest to the means of their classes for the seed's classifiers."""
        return Trim(images=self.data["train"], seen=self.halves_seen(seed), count=count)

    def crossfit(self, seed: int, half: Literal["a", "b"] = "a") -> OneClassifier:
        """The classifier trained on one half of train, by the same recipe."""
        train = self.data["train"]
        return self.trained(seed, lambda _: (Subset(images=train, half=half), ()), epoch_images=-(-train.count // 2))

    def halves_seen(self, seed: int) -> tuple[Predict, Predict]:
        """Half A of train as half B's classifier sees it, and half B as half A's does."""
        first, second = (Subset(images=self.data["train"], half=half) for half in "ab")
        return (
            Predict(classifier=self.crossfit(seed, "b"), images=first),
            Predict(classifier=self.crossfit(seed, "a"), images=second),
        )

    def judged(self, protocol: str, seed: int, t_re: ReverseStep) -> Predict:
        """The set at `t_re` as the protocol's classifier sees it: all of train's, or half B's (FLOOR: other images)."""
        if protocol == PAPER:
            images = self.data["floor"] if t_re == FLOOR else self.samples(seed, t_re)
            return self.seen_by_real(seed, images)
        images = self.data["other"] if t_re == FLOOR else Subset(images=self.samples(seed, t_re), half="b")
        return Predict(classifier=self.crossfit(seed), images=images)

    def protocols(self) -> tuple[str, ...]:
        """The protocols that there are images enough for; small folders have too few held-out ones for CROSSFIT."""
        halves = min(self.data["train"].count // 2, self.data["other"].count)
        return (PAPER, CROSSFIT) if halves > NEIGHBOURS + 1 else (PAPER,)

    def fidelity(self, protocol: str, seed: int, t_re: ReverseStep) -> MeasureFidelity:
        """The set at `t_re` against the training set itself, or (CROSSFIT) against other real images."""
        real = self.judged(protocol, seed, 0 if protocol == PAPER else FLOOR)
        return MeasureFidelity(real=real, fake=self.judged(protocol, seed, t_re))
