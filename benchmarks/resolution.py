"""What do larger images of the generator cost, and what are they worth?

    python benchmarks/resolution.py [--dataset folder:textures] [--sizes 16 32] [--seeds 3] [--workers 2]
                                    [--results results/resolution]

For each size the generators of the preset `quick` (its networks for that size) learn and draw the user's images, and
linear heads on frozen features judge: the real images at their own size, the same brought to the generator's size and
enlarged again, as many synthetic ones alone, and the best of the preset's mixes beside the real ones, best on
validation images. Printed are accuracies on test images with 95% intervals (test images; other draws of training
images), the Fréchet distance between the drawn images and the validation images in the same features, and the
core-seconds of training one generator and of drawing as many images.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from synthgap import Study, fidelity
from synthgap.base.words import between
from synthgap.design.values import REAL, SYNTHETIC_ONLY, arm_words
from synthgap.exhibits.answer import REDUCED_REAL, answer_cells, mixes, scored

NETWORK = "efficientnet-lite0"


def distance(study: Study) -> float:
    """Mean over seeds of the Fréchet distance between the images that a generator draws and the validation images."""
    arms, get = study.main, study.store.get
    validation, drawn = get(arms.data["validation"]), [get(arms.samples(s, 100)) for s in study.seeds]
    options = {"extractor": NETWORK, "intervals": False, "floor": False}
    return float(np.mean([fidelity(validation, one, **options).frechet for one in drawn]))


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--dataset", default="folder:textures")
    asked.add_argument("--sizes", type=int, nargs="+", default=[16, 32])
    asked.add_argument("--seeds", type=int, default=3)
    asked.add_argument("--workers", type=int, default=2)
    asked.add_argument("--results", type=Path, default=Path("results/resolution"))
    given = asked.parse_args()
    print("| pixels | real, own size (%) | real, this size | synthetic alone | best mix | Fréchet | core-s |")
    print("|---|---|---|---|---|---|---|")
    for size in given.sizes:
        study = Study(
            given.dataset,
            "quick",
            given.results,
            given.seeds,
            image_size=size,
            judge="features",
            device="cpu",
            workers=given.workers,
        )
        several, chosen = study.lab.value(scored), study.lab.value(mixes)
        means = chosen.groupby(["arm", "multiple"]).value.mean()
        best = max(answer_cells(study.design)["beside"], key=lambda cell: means[str(cell[0]), cell[1]])
        levels = [several.level("accuracy", cell).in_points for cell in (REAL, REDUCED_REAL, (SYNTHETIC_ONLY, 1), best)]
        told = " | ".join(f"{one.mean:.1f} ({between(one)})" for one in levels)
        arms = study.main
        made = [[arms.generator(seed), arms.samples(seed, 100)] for seed in study.seeds]
        took = np.mean([[study.store.provenance(one)["seconds"] for one in several] for several in made], axis=0)
        costs = " + ".join(f"{one:,.0f}" for one in took)
        name = f"{arm_words(best[0])} ×{best[1]:g}"
        print(f"| {size} | {told}, {name} | {distance(study):.1f} | {costs} |", flush=True)


if __name__ == "__main__":
    main()
