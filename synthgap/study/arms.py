"""The experiment as a graph: which specifications stand behind every table and figure, for one data set."""

from __future__ import annotations

from dataclasses import dataclass

from ..diffusion.schedule import REVERSE_STEPS, ReverseStep
from .preset import Preset, parse_t_re
from .sizes import classifier_network, generator_network
from .specs import Data, MeasureFidelity, Predict, Reconstruct, Synthesize, TrainClassifier, TrainDiffusion

REAL_ONLY, SYNTHETIC_ONLY = "real only", "synthetic only"


@dataclass(frozen=True)
class Arms:
    """Specifications of one data set's cells. Seed s owns generator s, its samples and classifier s.

    data : {"train", "validation", "test", "probe", "floor", "grid"}. Generators and classifiers see "train" alone.
        "probe" is the part of test that Figure 8 reconstructs, "floor" one of train's size that Figure 6 compares
        with train, "grid" the training images that Figures 4 and 5 show.
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

    def figure6(self) -> dict[tuple[int, int], MeasureFidelity]:
        """(t_re, seed) → fidelity of the training set at t_re to the training set, in the real classifier's features.

        (−1, seed) is the floor: other real images, from test, in the place of the fake ones.
        """
        cells = {}
        for s in self.seeds:
            real = self.seen_by_real(s, self.data["train"])
            for t in self.preset.curves:
                cells[t, s] = MeasureFidelity(real=real, fake=self.seen_by_real(s, self.samples(s, t)))
            cells[-1, s] = MeasureFidelity(real=real, fake=self.seen_by_real(s, self.data["floor"]))
        return cells

    def figure8(self) -> dict[tuple[str, int, int], Predict]:
        """(split, t_re, seed) → predictions of the real classifier on that split reconstructed at t_re."""
        return {
            (split, t, s): self.seen_by_real(s, self.samples(s, t, split=part))
            for split, part in (("train", "train"), ("test", "probe"))
            for t in self.preset.curves
            for s in self.seeds
        }
