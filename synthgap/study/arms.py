"""The experiment as a graph: which specifications stand behind every table and figure, for one data set."""

from __future__ import annotations

from dataclasses import dataclass

from ..diffusion.schedule import REVERSE_STEPS, ReverseStep
from ..metrics.detection import DOMAINS
from .preset import Preset, parse_t_re
from .sizes import classifier_network, generator_network
from .specs import (
    Attend,
    Data,
    MeasureDetection,
    MeasureFidelity,
    MeasureLikelihood,
    MeasureMemorization,
    Predict,
    Reconstruct,
    Spec,
    Subset,
    Synthesize,
    TrainClassifier,
    TrainDiffusion,
)

REAL_ONLY, SYNTHETIC_ONLY = "real only", "synthetic only"
PAPER, CROSSFIT = "paper's protocol", "cross-fitted"  # protocols: which real classifier judges what
GENERATOR, TRAINED = "generator", "classifier trained on them"  # others who look at images
FLOOR = -1  # in the place of a reverse step: other real images


@dataclass(frozen=True)
class Arms:
    """Specifications of one data set's cells. Seed s owns generator s, its samples and classifier s.

    data : {"train", "validation", "test", "probe", "floor", "other", "grid"}. Generators and classifiers see "train"
        alone. "probe" is the part of test that Figure 8 reconstructs, "floor" one of train's size and "other" one of
        half its size that Figure 6 compares with, "grid" the training images that Figures 4 and 5 show.

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
        return TrainDiffusion(data=train, network=network, training=choice.training, seed=seed, device=self.device)

    def samples(
        self, seed: int, t_re: ReverseStep, copy_index: int = 0, split: str = "train"
    ) -> Data | Synthesize | Reconstruct:
        """Images at one reverse step: 0 is the data itself, 100 a fully synthetic set of the same size."""
        data = self.data[split]
        if t_re == 0:
            return data
        common = {
            "model": self.generator(seed),
            "data": data,
            "copy_index": copy_index,
            "solver": self.preset.generator.solver,
            "seed": seed,
            "device": self.device,
        }
        return Synthesize(**common) if t_re == REVERSE_STEPS else Reconstruct(t_re=t_re, **common)

    def classifier(self, seed: int, t_re: ReverseStep | None, multiple: int = 1, real: bool = False) -> TrainClassifier:
        """A classifier trained on `multiple` sets at `t_re` (None: no synthetic images), with real ones or without."""
        train, choice = self.data["train"], self.preset.classifier
        if t_re == 0:  # the real set itself
            t_re, real = None, True
        synthetic = [] if t_re is None else [self.samples(seed, t_re, copy) for copy in range(multiple)]
        return TrainClassifier(
            real=train if real else None,
            synthetic=tuple(synthetic),
            epoch_images=train.count,
            network=classifier_network(choice, train.shape, train.classes),
            training=choice.training,
            seed=seed,
            device=self.device,
        )

    def test(self, classifier: TrainClassifier) -> Predict:
        """The classifier on the test split."""
        return Predict(classifier=classifier, images=self.data["test"])

    def seen_by_real(self, seed: int, images: Data | Synthesize | Reconstruct) -> Predict:
        """Any images through the classifier that seed `seed` trained on the real set."""
        return Predict(classifier=self.classifier(seed, 0), images=images)

    # one method a result: {cell: specification}

    def table2(self) -> dict[tuple[int, int], Predict]:
        """(t_re, seed) → test predictions of the classifier trained on the set at t_re."""
        return {(t, s): self.test(self.classifier(s, t)) for t in self.preset.table2 for s in self.seeds}

    def table3(self) -> dict[tuple[str, int, int], Predict]:
        """(arm, multiple, seed) → test predictions; arms are named as in the preset."""
        cells = {(REAL_ONLY, 0, s): self.test(self.classifier(s, 0)) for s in self.seeds}
        for s in self.seeds:
            for k in self.preset.replication:
                cells[SYNTHETIC_ONLY, k, s] = self.test(self.classifier(s, REVERSE_STEPS, k))
            for arm, multiples in self.preset.augmentation.items():
                for k in multiples:
                    cells[arm, k, s] = self.test(self.classifier(s, parse_t_re(arm), k, real=True))
        return cells

    def figure1(self) -> dict[tuple[str, int, int], Predict]:
        """The cells of Table 3 without augmentation."""
        return {c: p for c, p in self.table3().items() if c[0] in (REAL_ONLY, SYNTHETIC_ONLY)}

    def features(self, steps: tuple[int, ...]) -> dict[int, Predict]:
        """t_re → features of the training set at t_re, under the first seed's real classifier (Figures 2 and 9)."""
        seed = self.seeds[0]
        return {t: self.seen_by_real(seed, self.samples(seed, t)) for t in steps}

    def grid(self, steps: tuple[int, ...]) -> dict[int, Data | Synthesize | Reconstruct]:
        """t_re → a few training images at t_re, first seed (Figures 4 and 5)."""
        return {t: self.samples(self.seeds[0], t, split="grid") for t in steps}

    def crossfit(self, seed: int) -> TrainClassifier:
        """The classifier trained on half A of train, by the same recipe."""
        half = Subset(images=self.data["train"], half="a")
        whole = self.classifier(seed, 0)
        return whole.model_copy(update={"real": half, "epoch_images": -(-self.data["train"].count // 2)})

    def judged(self, protocol: str, seed: int, t_re: ReverseStep) -> Predict:
        """The set at `t_re` as the protocol's classifier sees it: all of train's, or half B's (FLOOR: other images)."""
        if protocol == PAPER:
            images = self.data["floor"] if t_re == FLOOR else self.samples(seed, t_re)
            return self.seen_by_real(seed, images)
        images = self.data["other"] if t_re == FLOOR else Subset(images=self.samples(seed, t_re), half="b")
        return Predict(classifier=self.crossfit(seed), images=images)

    def figure6(self) -> dict[tuple[str, int, int], MeasureFidelity]:
        """(protocol, t_re, seed) → fidelity of the set at t_re.

        PAPER compares with the training set itself; at FLOOR other real images take the place of the fake ones.
        CROSSFIT compares with other real images, so that at t_re = 0 it is its own floor.
        """
        cells = {}
        for s in self.seeds:
            for t in (*self.preset.curves, FLOOR):
                real, fake = self.judged(PAPER, s, 0), self.judged(PAPER, s, t)
                cells[PAPER, t, s] = MeasureFidelity(real=real, fake=fake)
            for t in self.preset.curves:
                real, fake = self.judged(CROSSFIT, s, FLOOR), self.judged(CROSSFIT, s, t)
                cells[CROSSFIT, t, s] = MeasureFidelity(real=real, fake=fake)
        return cells

    def figure8(self) -> dict[tuple[str, str, int, int], Predict]:
        """(protocol, split, t_re, seed) → predictions of the protocol's classifier on that split at t_re.

        PAPER: the classifier of all of train on train and on test. CROSSFIT: that of half A on half B (which the
        generator has seen) and on test (which neither has).
        """
        cells = {}
        for s in self.seeds:
            for t in self.preset.curves:
                test = self.samples(s, t, split="probe")
                cells[PAPER, "train", t, s] = self.judged(PAPER, s, t)
                cells[PAPER, "test", t, s] = self.seen_by_real(s, test)
                cells[CROSSFIT, "train", t, s] = self.judged(CROSSFIT, s, t)
                cells[CROSSFIT, "test", t, s] = Predict(classifier=self.crossfit(s), images=test)
        return cells

    def concentration(self) -> dict[tuple[str, int, int], Predict]:
        """(protocol, t_re, seed) → features of the set at t_re and, at FLOOR, of other real images."""
        steps = (*self.preset.table2, FLOOR)
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
            for t in (self.preset.table2 if number == 0 else (REVERSE_STEPS,))
            for s in self.seeds
        }

    def figure7(self) -> dict[tuple[int, int], Attend]:
        """(t_re, seed) → GradCAM maps of test images under the classifier trained on the set at t_re."""
        images = Subset(images=self.data["test"], count=min(self.preset.attention_images, self.data["test"].count))
        return {
            (t, s): Attend(classifier=self.classifier(s, t), images=images)
            for t in self.preset.table2
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
            for t in self.preset.table2
            for s in self.seeds
        }

    def results(self) -> list[dict[tuple, Spec]]:
        """Every group of cells that the chapters read, but for the pictures."""
        groups = (self.table1, self.table2, self.table3, self.figure6, self.figure7, self.figure8)
        return [group() for group in (*groups, self.concentration, self.likelihood, self.memorization)]
