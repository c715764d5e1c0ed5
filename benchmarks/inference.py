"""How often intervals hold, how often a decision is wrong, and how often one is reached, in studies of known truth.

    python benchmarks/inference.py                    # a quick look: 400 studies of each kind
    python benchmarks/inference.py --studies 10000 --write

A simulated study has arms that answer the same test images. Whether an image is told rightly is a probit model: of the
arm's true accuracy, of the seed's generator (which all arms that have one share, some more than others), of the run's
own training, of the image, of image and arm, and of all of these together. The real-only arm is the first; arms without
a generator are what `synthgap.stats.pooling` pools. `--write` puts the tables into book/decisions.md.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from scipy import stats

from synthgap.base.marks import fill
from synthgap.stats.crossed import Crossed, crossed
from synthgap.stats.intervals import holm
from synthgap.stats.pooling import contrast, pooled
from synthgap.stats.verdict import ANSWER, DECIDED, LOOKS, OF_INTEREST, decide

PAGE = Path(__file__).resolve().parents[1] / "book" / "decisions.md"
ARMS, ACCURACY = 6, 0.85
PAIRS = ((ARMS - 1, 0), (ARMS - 2, 1))  # what is asked: in the place of real images, and beside them
BY_IMAGE, BY_ALL = 0.4, 0.4  # standard deviations of the probit model: image and arm; image, arm and seed
RIGHT = {0.0: "about the same"}  # of an effect; else the side that it is on


@dataclass(frozen=True)
class World:
    """A kind of study.

    generator : standard deviation by the seed's generator; 0: there is none. training : by the run's training; unlike :
    that of the most variable arm over that of the least. Both in standard deviations of the images' difficulty.
    """

    name: str
    seeds: int
    images: int
    generator: float = 0.0
    training: float = 0.06
    unlike: float = 1.0


def answers(rng: np.random.Generator, world: World, accuracies: list[float]) -> np.ndarray:
    """Right or wrong: bool, arms × seeds × images. Arms 0 and 1 have no generator."""
    arms, seeds, images = len(accuracies), world.seeds, world.images
    training = world.training * np.geomspace(world.unlike**-0.5, world.unlike**0.5, arms)
    shares = np.array([0.0, 0.0, *np.linspace(0.6, 1.4, arms - 2)]) * world.generator
    total = np.sqrt(1 + shares**2 + training**2 + BY_IMAGE**2 + BY_ALL**2)
    by_seed = shares[:, None] * rng.normal(size=seeds) + training[:, None] * rng.normal(size=(arms, seeds))
    latent = rng.normal(size=images) + BY_IMAGE * rng.normal(size=(arms, 1, images))
    latent = latent + BY_ALL * rng.normal(size=(arms, seeds, images)) + by_seed[:, :, None]
    return latent + (total * stats.norm.ppf(accuracies))[:, None, None] > 0


def against_real(world: World, right: np.ndarray) -> list[Crossed]:
    """Every other arm minus arm 0, by today's inference."""
    if world.generator:
        return [crossed(right[0].astype(float) - r) for r in right[1:]]
    pairs = itertools.combinations(range(len(right)), 2)
    family = pooled({(a, b): crossed(right[a].astype(float) - right[b]) for a, b in pairs})
    return [family[0, arm] for arm in range(1, len(right))]


def coverage(world: World, studies: int, accuracies: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Share of studies whose 95% interval holds the true difference, by arm; and the same over seeds alone."""
    rng = np.random.default_rng([studies, world.seeds, world.images])
    true, held = accuracies[0] - np.array(accuracies[1:]), np.zeros((2, len(accuracies) - 1))
    for _ in range(studies):
        right = answers(rng, world, accuracies)
        for i, d in enumerate(against_real(world, right)):
            by_seed = (right[0].astype(float) - right[i + 1]).mean(axis=1)
            half = stats.t.ppf(0.975, world.seeds - 1) * by_seed.std(ddof=1) / math.sqrt(world.seeds)
            held[:, i] += abs(d.mean - true[i]) <= d.half_width(), abs(d.mean - true[i]) <= half
    return held[0] / studies, held[1] / studies


def first_edition(differences: list[Crossed]) -> list[str]:
    """The rule of the first edition: Student's t of a comparison's own seeds, Holm's correction."""
    own = [replace(d, noise_part=0.0) for d in differences]
    words = []
    for d, p in zip(own, holm([d.p for d in own]), strict=True):
        low, high = d.interval(1 - ANSWER.alpha)
        side = ("better" if d.mean > 0 else "worse") if p < ANSWER.alpha else "open"
        words.append("about the same" if low > -OF_INTEREST and high < OF_INTEREST else side)
    return words


def today(differences: list[Crossed]) -> list[str]:
    """The present rule; "open" where nothing is decided."""
    return [v.word if v.standing == DECIDED else "open" for v in decide(differences)]


@dataclass(frozen=True)
class Counts:
    """Of so many simulated answers of two questions: answers with a wrong word, and questions decided."""

    studies: int
    wrong: int
    decided: int

    @property
    def bound(self) -> float:
        """Upper end of the 95% interval of the share of wrong answers (Clopper and Pearson)."""
        return float(stats.beta.ppf(0.975, self.wrong + 1, self.studies - self.wrong))


def asked(world: World, effect: float) -> tuple[list[float], str, Sequence[int]]:
    """Of two questions with the same true effect: the arms' accuracies, the right word, the arms that are alike."""
    accuracies = [ACCURACY, ACCURACY, *[ACCURACY + effect] * (ARMS - 2)]
    truth = RIGHT.get(effect, "better" if effect > 0 else "worse")
    return accuracies, truth, () if world.generator else range(ARMS)


def decisions(world: World, effect: float, studies: int) -> tuple[Counts, Counts]:
    """Answers to two questions of the same true effect: by today's rule, and by the first edition's."""
    rng = np.random.default_rng([round(1000 * effect), studies, world.seeds, world.images])
    accuracies, truth, alike = asked(world, effect)
    counts = np.zeros((2, 2), dtype=int)
    for _ in range(studies):
        right = answers(rng, world, accuracies)
        new = today([contrast(right.__getitem__, *pair, alike) for pair in PAIRS])
        old = first_edition([crossed(right[a].astype(float) - right[b]) for a, b in PAIRS])
        for row, words in zip(counts, (new, old), strict=True):
            row += any(w not in ("open", truth) for w in words), sum(w != "open" for w in words)
    return tuple(Counts(studies, *row.tolist()) for row in counts)


WORLDS = [
    World(name, seeds, images, generator, unlike=unlike)
    for name, generator, unlike in (("none", 0.0, 2.0), ("one a seed", 0.12, 2.0))
    for seeds in (3, 6, 12)
    for images in (200, 1000, 4000)
]


def coverage_table(studies: int) -> str:
    """Markdown: the arm with the worst coverage, of today's intervals and of those over seeds alone."""
    lines = [
        "| generator | seeds | test images | studies | worst arm (%) | all arms (%) | seeds alone, worst (%) |",
        "|---|---|---|---|---|---|---|",
    ]
    for world in WORLDS:
        count = studies if world.images == 200 else min(studies, 2000)
        accuracies = [ACCURACY, ACCURACY, *np.linspace(ACCURACY - 0.04, ACCURACY + 0.04, ARMS - 2)]
        held, alone = coverage(world, count, accuracies)
        lines.append(
            f"| {world.name} | {world.seeds} | {world.images:,} | {count:,} | {100 * held.min():.1f} | "
            f"{100 * held.mean():.1f} | {100 * alone.min():.1f} |"
        )
        print(lines[-1], flush=True)
    return "\n".join(lines)


def decision_table(studies: int) -> str:
    """Markdown: wrong answers and decided questions, today and by the first edition's rule."""
    lines = [
        "| generator | seeds | true effect (points) | answers | wrong answers (%) | bound (%) | "
        "decided questions (%) | first edition: wrong (%) | bound (%) | decided (%) |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for world in (w for w in WORLDS if w.images == 1000):
        for effect in (0.0, 0.02, 0.04, 0.08):
            count = studies if effect == 0 else max(200, studies // 10)
            cells = [
                f"{100 * c.wrong / count:.2f} | {100 * c.bound:.2f} | {50 * c.decided / count:.0f}"
                for c in decisions(world, effect, count)
            ]
            lines.append(f"| {world.name} | {world.seeds} | {100 * effect:g} | {count:,} | {cells[0]} | {cells[1]} |")
            print(lines[-1], flush=True)
    return "\n".join(lines)


@dataclass
class Grown:
    """Of simulated answers that seeds were added to: answers with a wrong word, differences whose interval missed the
    true one at some look, questions decided at each look or before, and seeds that were used."""

    studies: int = 0
    wrong: int = 0
    missed: int = 0
    decided: np.ndarray = field(default_factory=lambda: np.zeros(len(LOOKS), dtype=int))
    seeds: int = 0


def grown(world: World, effect: float, studies: int) -> Grown:
    """Answers to two questions of the same true effect, looked at with 3, 6, 12 and 24 seeds until both are decided."""
    rng = np.random.default_rng([round(1000 * effect), studies, LOOKS[-1], world.images])
    accuracies, truth, alike = asked(world, effect)
    out = Grown(studies)
    for _ in range(studies):
        right = answers(rng, replace(world, seeds=LOOKS[-1]), accuracies)
        words, held, used = ["open", "open"], [True, True], 0
        for look, count in enumerate(LOOKS):
            if "open" in words:
                used = count
            differences = [contrast(right[:, :count].__getitem__, *pair, alike) for pair in PAIRS]
            verdicts = decide(differences, growing=True)
            inside = [abs(v.difference.mean - effect) <= v.difference.half_width() for v in verdicts]
            held = [before and now for before, now in zip(held, inside, strict=True)]
            fresh = [v.word if v.standing == DECIDED else "open" for v in verdicts]
            words = [old if old != "open" else new for old, new in zip(words, fresh, strict=True)]
            out.decided[look] += sum(w != "open" for w in words)
        out.wrong += any(w not in ("open", truth) for w in words)
        out.missed += 2 - sum(held)
        out.seeds += used
    return out


def growth_table(studies: int) -> str:
    """Markdown: answers of studies that seeds were added to."""
    looked = " | ".join(f"decided with {n} (%)" for n in LOOKS)
    lines = [
        f"| generator | true effect (points) | answers | wrong answers (%) | bound (%) | {looked} | seeds, mean | "
        "intervals hold at all looks (%) |",
        "|---|---|---|---|---|" + "---|" * len(LOOKS) + "---|---|",
    ]
    for world in (w for w in WORLDS if w.images == 1000 and w.seeds == 3):
        for effect in (0.0, 0.02, 0.04, 0.08):
            count = studies if effect == 0 else max(100, studies // 10)
            g = grown(world, effect, count)
            decided = " | ".join(f"{50 * n / count:.0f}" for n in g.decided)
            wrong = f"{100 * g.wrong / count:.2f} | {100 * Counts(count, g.wrong, 0).bound:.2f}"
            rest = f"{decided} | {g.seeds / count:.1f} | {100 - 50 * g.missed / count:.1f}"
            lines.append(f"| {world.name} | {100 * effect:g} | {count:,} | {wrong} | {rest} |")
            print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=400, help="simulated studies of each kind")
    parser.add_argument("--write", action="store_true", help="put the tables into book/decisions.md")
    parser.add_argument("--only", nargs="*", help="tables to make: growth, decisions, coverage (default: all)")
    options = parser.parse_args()
    made = {"growth": growth_table, "decisions": decision_table, "coverage": coverage_table}
    for name in options.only or made:
        table = made[name](options.studies)
        if options.write:
            fill(PAGE, name, table)


if __name__ == "__main__":
    main()
