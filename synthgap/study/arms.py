"""The experiment as a graph: which specifications stand behind every table and figure, for one data set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from ..classifier.policies import POLICIES, Policy
from ..classifier.train import ClassifierTraining
from ..diffusion.schedule import REVERSE_STEPS, ReverseStep
from ..metrics.detection import DOMAINS
from ..metrics.fidelity import NEIGHBOURS
from .preset import Preset, changed, parse_t_re
from .sizes import classifier_network, gan_networks, generator_network
from .specs import (
    Attend,
    Bootstrap,
    Data,
    Images,
    MeasureCollapse,
    MeasureDetection,
    MeasureFidelity,
    MeasureLikelihood,
    MeasureMemorization,
    Predict,
    Reconstruct,
    SampleGan,
    Snapshot,
    Spec,
    Subset,
    Synthesize,
    TrainClassifier,
    TrainDiffusion,
    TrainGan,
    Trim,
)
from .variants import VARIANTS

REAL_ONLY, SYNTHETIC_ONLY = "real only", "synthetic only"
EPOCH_MATCHED = "synthetic only, epoch-matched"  # k times as many optimiser steps at ×k
BOOTSTRAP = "real bootstrap"
GAN_ONLY = "StyleGAN3 only"
GIVEN_ONLY, GIVEN = "given only", "given"  # images of the user's own generator, alone and with the real ones
NAIVE, MIX = "100", "50-100"  # the arms that Table 4 repeats
DEFAULT = "default"  # among the variants of the sensitivity study
PAPER, CROSSFIT = "paper's protocol", "cross-fitted"  # protocols: which real classifier judges what
GENERATOR, TRAINED = "generator", "classifier trained on them"  # others who look at images
FLOOR, GAN = -1, -2  # in the place of a reverse step: other real images, samples of the GAN
INSTEAD = {FLOOR: "other real images", GAN: "StyleGAN3"}


@dataclass(frozen=True)
class Arms:
    """Specifications of one data set's cells. Seed s owns generator s, its samples and classifier s.

    data : {"train", "validation", "test", "probe", "floor", "other", "grid"}. Generators and classifiers see "train"
        alone. "probe" is the part of test that Figure 8 reconstructs, "floor" one of train's size and "other" one of
        half its size that Figure 6 compares with, "grid" the training images that Figures 4 and 5 show. "given", where
        there is one, is a synthetic set from elsewhere: it belongs to no seed.

    An arm is named by what it trains on: a reverse step ("50", or "50-100" for a range) stands for real images beside
    synthetic ones from there, "0" for a second real batch in their place; "… + TrivialAugment" for all images of that
    arm under the policy, the policy's name alone for the real images under it.

    Two protocols stand side by side. PAPER: the classifier trained on all of train looks at images made from train.
    CROSSFIT: the classifier trained on half A of train looks at images made from half B, which it has not seen.
    """

    name: str
    data: dict[str, Data]
    preset: Preset
    seeds: tuple[int, ...]
    device: str = "cpu"

    def generator(self, seed: int) -> TrainDiffusion:
        """The diffusion model of one seed."""
        choice, train = self.preset.generator, self.data["train"]
        network = generator_network(choice, train.shape, train.classes)
        snapshots = tuple(round(share * choice.training.images) for share in sorted(self.preset.checkpoints))
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

    def classifier(self, seed: int, t_re: ReverseStep, multiple: int = 1) -> TrainClassifier:
        """A classifier trained on `multiple` sets at `t_re` alone; at 0 on the real set."""
        train, choice = self.data["train"], self.preset.classifier
        copies = range(multiple if t_re != 0 else 0)
        return TrainClassifier(
            real=None if copies else train,
            synthetic=tuple(self.samples(seed, t_re, copy) for copy in copies),
            epoch_images=train.count,
            network=classifier_network(choice, train.shape, train.classes),
            training=choice.training,
            seed=seed,
            device=self.device,
        )

    def arm(self, name: str, multiple: float, seed: int) -> TrainClassifier:
        """The classifier of one arm (see the class), with ×`multiple` images beside or in place of the real ones."""
        base, _, policy = name.partition(" + ")
        if base in POLICIES:
            base, policy = REAL_ONLY, base
        train, plain = self.data["train"], self.classifier(seed, 0)
        fields: dict = {"training": self._recipe(policy or "none")}
        if base == REAL_ONLY:
            pass
        elif base == GAN_ONLY:
            fields |= {"real": None, "synthetic": self.classifier(seed, GAN, int(multiple)).synthetic}
        elif base in (SYNTHETIC_ONLY, EPOCH_MATCHED):
            fields |= {"real": None, "synthetic": self.classifier(seed, REVERSE_STEPS, int(multiple)).synthetic}
            if base == EPOCH_MATCHED:
                fields["epoch_images"] = int(multiple) * train.count
        elif base == BOOTSTRAP:
            draws = [Bootstrap(images=train, copy_index=i, seed=seed) for i in range(int(multiple))]
            fields |= {"real": None, "synthetic": tuple(draws)}
        elif base in (GIVEN_ONLY, GIVEN):
            fields |= {"real": train if base == GIVEN else None, "synthetic": (self.given(multiple, seed),)}
        else:
            sets = [self.samples(seed, parse_t_re(base), copy) for copy in range(int(multiple))]
            fields["synthetic"] = tuple(sets)
        return plain.model_copy(update=fields)

    def given(self, multiple: float, seed: int) -> Data | Subset:
        """×`multiple` of the user's synthetic images: all of them where they are just so many, or else a draw."""
        everything, count = self.data["given"], round(multiple * self.data["train"].count)
        return everything if count >= everything.count else Subset(images=everything, count=count, seed=seed)

    def given_multiples(self) -> tuple[float, ...]:
        """The preset's multiples that the user's synthetic images suffice for; their own where they don't for any."""
        if "given" not in self.data:
            return ()
        most = self.data["given"].count / self.data["train"].count
        return tuple(k for k in self.preset.replication if k <= most) or (round(most, 2),)

    def _recipe(self, policy: Policy) -> ClassifierTraining:
        return self.preset.classifier.training.model_copy(update={"policy": policy})

    def test(self, classifier: TrainClassifier) -> Predict:
        """The classifier on the test split."""
        return Predict(classifier=classifier, images=self.data["test"])

    def seen_by_real(self, seed: int, images: Images) -> Predict:
        """Any images through the classifier that seed `seed` trained on the real set."""
        return Predict(classifier=self.classifier(seed, 0), images=images)

    # one method a result: {cell: specification}

    def table2(self) -> dict[tuple[int, int], Predict]:
        """(t_re, seed) → test predictions of the classifier trained on the set at t_re."""
        return {(t, s): self.test(self.classifier(s, t)) for t in self.preset.table2 for s in self.seeds}

    def table3(self) -> dict[tuple[str, int, int], Predict]:
        """(arm, multiple, seed) → test predictions of every arm that the preset lists (0: real images alone)."""
        return self._tested(self.listed())

    def _tested(self, listed: list[tuple[str, float]]) -> dict[tuple[str, float, int], Predict]:
        return {(arm, k, s): self.test(self.arm(arm, k, s)) for s in self.seeds for arm, k in listed}

    def listed(self) -> list[tuple[str, float]]:
        """(arm, multiple) of every arm that the preset lists, in the order of Table 3."""
        preset = self.preset
        several: dict[str, tuple[float, ...]] = {
            REAL_ONLY: (0,),
            SYNTHETIC_ONLY: preset.replication,
            GAN_ONLY: preset.gan.replication if preset.gan else (),
            EPOCH_MATCHED: preset.epoch_matched,
            BOOTSTRAP: preset.bootstrap,
            **preset.augmentation,
        }
        for policy in preset.policies:
            several[policy] = (0,)
            several |= {f"{arm} + {policy}": multiples for arm, multiples in preset.combined.items()}
        given = self.given_multiples()
        several |= {GIVEN_ONLY: given, GIVEN: given} if given else {}
        return [(arm, k) for arm, multiples in several.items() for k in multiples]

    def table4(self) -> dict[tuple[str, float, int], Predict]:
        """The cells of Table 3 that Table 4 repeats on other data sets; augmentation at its largest multiple."""
        whole = {REAL_ONLY, SYNTHETIC_ONLY, *self.preset.policies}
        largest = {(arm, max(self.preset.augmentation.get(arm, (0,)))) for arm in (NAIVE, MIX)}
        return self._tested([cell for cell in self.listed() if cell[0] in whole or cell in largest])

    def validated(self) -> dict[tuple[str, int, int], Predict]:
        """(arm, multiple, seed) → validation predictions of the arms with synthetic images, to choose among them."""
        return {
            (arm, k, s): Predict(classifier=self.arm(arm, k, s), images=self.data["validation"])
            for s in self.seeds
            for arm, multiples in self.preset.augmentation.items()
            for k in multiples
            if parse_t_re(arm) != 0
        }

    def learning_curve(self) -> dict[tuple[int, int], Predict]:
        """(real images, seed) → test predictions; each seed draws its own subsets, at the whole set's steps."""
        train = self.data["train"]
        cells = {(train.count, s): self.test(self.classifier(s, 0)) for s in self.seeds}
        for share in sorted(self.preset.subsets):
            count = self._share(share)
            for s in self.seeds:
                part = Subset(images=train, count=count, seed=s)
                cells[count, s] = self.test(self.classifier(s, 0).model_copy(update={"real": part}))
        return cells

    def trimming(self) -> dict[tuple[str, int, int], Predict]:
        """("central" or "random", real images, seed) → test predictions of as many of either, at the whole set's steps.

        The central ones are nearest to their class means; the random ones are those of `learning_curve`.
        """
        train, cells = self.data["train"], {}
        for share in sorted(self.preset.trimmed):
            count = self._share(share)
            for s in self.seeds:
                chosen = {
                    "central": Trim(images=train, seen=self.halves_seen(s), count=count),
                    "random": Subset(images=train, count=count, seed=s),
                }
                for name, part in chosen.items():
                    cells[name, count, s] = self.test(self.classifier(s, 0).model_copy(update={"real": part}))
        return cells

    def checkpoints(self) -> dict[tuple[int, int], Predict]:
        """(images that the generator had seen, seed) → test predictions of synthetic only ×1 from it then."""
        cells = {}
        for s in self.seeds:
            run, whole = self.generator(s), self.classifier(s, REVERSE_STEPS)
            for count in run.snapshots:
                images = self.samples(s, REVERSE_STEPS).model_copy(update={"model": Snapshot(run=run, images=count)})
                cells[count, s] = self.test(whole.model_copy(update={"synthetic": (images,)}))
            cells[run.training.images, s] = self.test(whole)
        return cells

    def _share(self, share: float) -> int:
        train = self.data["train"]
        return max(train.classes, round(share * train.count))

    def crossed(self) -> dict[tuple[int, int], Predict]:
        """(generator's seed, classifier's seed) → test predictions of "synthetic only" ×1, every pair of a few seeds.

        The one group in which a classifier may be another seed's than its generator.
        """
        few = self.seeds[: self.preset.crossed]
        return {
            (g, s): self.test(self.arm(SYNTHETIC_ONLY, 1, g).model_copy(update={"seed": s})) for g in few for s in few
        }

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

    def sensitivity(self) -> dict[tuple[str, int, int], Predict]:
        """(variant, t_re, seed) → test predictions of Table 2's cells with one choice changed; t_re = 0 included."""
        choice = self.preset.sensitivity
        return {
            (name, t, s): arms.test(arms.classifier(s, t))
            for name in (DEFAULT, *choice.variants)
            for arms in [self.varied(name)]
            for t in dict.fromkeys((0, *choice.steps))
            for s in self.seeds
        }

    def sensitivity_fidelity(self) -> dict[tuple[str, str, int, int], MeasureFidelity]:
        """(variant, protocol, t_re, seed) → Figure 6's cells under the variants that change the samples."""
        choice = self.preset.sensitivity
        return {
            (name, protocol, t, s): arms.fidelity(protocol, s, t)
            for name in (DEFAULT, *(n for n in choice.variants if VARIANTS[n].concerns == "solver"))
            for arms in [self.varied(name)]
            for protocol in self.protocols()
            for t in choice.steps
            for s in self.seeds
        }

    def figure1(self) -> dict[tuple[str, int, int], Predict]:
        """The cells of Table 3 without augmentation and controls."""
        return self._tested([cell for cell in self.listed() if cell[0] in (REAL_ONLY, SYNTHETIC_ONLY, GAN_ONLY)])

    def features(self, steps: tuple[int, ...]) -> dict[int, Predict]:
        """t_re → features of the training set at t_re, under the first seed's real classifier (Figures 2 and 9)."""
        seed = self.seeds[0]
        return {t: self.seen_by_real(seed, self.samples(seed, t)) for t in steps}

    def grid(self, steps: tuple[int, ...]) -> dict[int, Images]:
        """t_re → a few training images at t_re, first seed (Figures 4 and 5); GAN: a GAN's of their classes."""
        return {t: self.samples(self.seeds[0], t, split="grid") for t in steps}

    def crossfit(self, seed: int, half: Literal["a", "b"] = "a") -> TrainClassifier:
        """The classifier trained on one half of train, by the same recipe."""
        part = Subset(images=self.data["train"], half=half)
        whole = self.classifier(seed, 0)
        return whole.model_copy(update={"real": part, "epoch_images": -(-self.data["train"].count // 2)})

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

    def table4_fidelity(self) -> dict[tuple[str, int, int], MeasureFidelity]:
        """(protocol, t_re, seed) → fidelity of the fully synthetic set and, cross-fitted at t_re = 0, of real ones."""
        return {
            (protocol, t, s): self.fidelity(protocol, s, t)
            for protocol, t in ((PAPER, REVERSE_STEPS), (CROSSFIT, 0), (CROSSFIT, REVERSE_STEPS))
            if protocol in self.protocols()
            for s in self.seeds
        }

    def figure6(self) -> dict[tuple[str, int, int], MeasureFidelity]:
        """(protocol, t_re, seed) → fidelity of the set at t_re.

        PAPER compares with the training set itself; at FLOOR other real images take the place of the fake ones.
        CROSSFIT compares with other real images, so that at t_re = 0 it is its own floor. At GAN stand a GAN's samples.
        """
        return {
            (protocol, t, s): self.fidelity(protocol, s, t)
            for s in self.seeds
            for protocol, steps in ((PAPER, (*self.preset.curves, FLOOR)), (CROSSFIT, self.preset.curves))
            for t in (*steps, *self.rivals)
        }

    def figure8(self) -> dict[tuple[str, str, int, int], Predict]:
        """(protocol, split, t_re, seed) → predictions of the protocol's classifier on that split at t_re.

        PAPER: the classifier of all of train on train and on test. CROSSFIT: that of half A on half B (which the
        generator has seen) and on test (which neither has). A GAN's samples (GAN) are made from no image; they stand
        under "train", whose labels they have.
        """
        cells = {}
        for s in self.seeds:
            for t in self.preset.curves:
                test = self.samples(s, t, split="probe")
                cells[PAPER, "train", t, s] = self.judged(PAPER, s, t)
                cells[PAPER, "test", t, s] = self.seen_by_real(s, test)
                cells[CROSSFIT, "train", t, s] = self.judged(CROSSFIT, s, t)
                cells[CROSSFIT, "test", t, s] = Predict(classifier=self.crossfit(s), images=test)
            cells |= {(p, "train", t, s): self.judged(p, s, t) for p in (PAPER, CROSSFIT) for t in self.rivals}
        return cells

    def concentration(self) -> dict[tuple[str, int, int], Predict]:
        """(protocol, t_re, seed) → features of the set at t_re and, at FLOOR, of other real images."""
        steps = (*self.preset.table2, FLOOR, *self.rivals)
        return {(p, t, s): self.judged(p, s, t) for p in (PAPER, CROSSFIT) for t in steps for s in self.seeds}

    def table1(self) -> dict[tuple[str, str, int, int], MeasureDetection]:
        """(domain, detector, t_re, seed) → detection of the training set at t_re against the training set.

        The preset's first detector judges every step, the others the fully synthetic set only, as the paper does.
        """
        return {
            (domain, detector, t, s): MeasureDetection(
                real=self.data["train"], fake=self.samples(s, t), domain=domain, detector=detector, seed=s
            )
            for number, detector in enumerate(self.preset.detectors)
            for domain in DOMAINS
            for t in (*(self.preset.table2 if number == 0 else (REVERSE_STEPS,)), *self.rivals)
            for s in self.seeds
        }

    def figure7(self) -> dict[tuple[int, int], Attend]:
        """(t_re, seed) → GradCAM maps of test images under the classifier trained on the set at t_re."""
        images = Subset(images=self.data["test"], count=min(self.preset.attention_images, self.data["test"].count))
        return {
            (t, s): Attend(classifier=self.classifier(s, t), images=images)
            for t in (*self.preset.table2, *self.rivals)
            for s in self.seeds
        }

    def likelihood(self) -> dict[tuple[float, str, int, int], MeasureLikelihood]:
        """(σ, split, t_re, seed) → log-likelihood, under the seed's generator, of a few images of a split at t_re."""
        choice = self.preset.likelihood
        return {
            (sigma, split, t, s): MeasureLikelihood(
                model=self.generator(s),
                images=Subset(images=self.samples(s, t, split=part), count=min(choice.images, self.data[part].count)),
                settings=choice.settings,
                sigma=sigma,
                seed=s,
                device=self.device,
            )
            for sigma in choice.sigmas
            for split, part in (("train", "train"), ("test", "probe"))
            for t in self.preset.table2
            for s in self.seeds
        }

    def memorization(self) -> dict[tuple[int, int], MeasureMemorization]:
        """(t_re, seed) → copying of the training images by the set at t_re."""
        return {
            (t, s): MeasureMemorization(train=self.data["train"], test=self.data["test"], fake=self.samples(s, t))
            for t in (*self.preset.table2, *self.rivals)
            for s in self.seeds
        }

    def collapse(self) -> dict[tuple[int], MeasureCollapse]:
        """(seed,) → signs of collapse of the GAN; none where the preset has none."""
        return {(s,): MeasureCollapse(fake=self.samples(s, t)) for t in self.rivals for s in self.seeds}

    def results(self) -> list[dict[tuple, Spec]]:
        """Every group of cells that the chapters read of the main data set, but for the pictures."""
        groups = (self.figure1, self.table1, self.table2, self.figure6, self.figure7, self.figure8)
        more = (self.concentration, self.likelihood, self.memorization, self.sensitivity, self.sensitivity_fidelity)
        return [group() for group in (*groups, *more, self.trimming, self.checkpoints, self.collapse)]

    def augmentation(self) -> list[dict[tuple, Spec]]:
        """Every group of cells that they read of the data set of Table 3, but for `crossed`."""
        return [group() for group in (self.table3, self.validated, self.learning_curve)]
