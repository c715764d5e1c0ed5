"""How often 95% and 99% intervals hold the difference of two accuracies on *all* images of the kind, simulated.

    python benchmarks/crossed_coverage.py --trials 1000

Two classifiers answer the same test images in every seed; seeds, images and both together add to whether an image is
told rightly (a probit model, whose true accuracies are known). Compared are the interval over seeds alone and
`synthgap.stats.crossed`.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
from scipy import stats

from synthgap.stats.crossed import crossed
from synthgap.stats.intervals import estimate_mean

SHIFTS = (1.5, 1.2)  # the two classifiers', in standard deviations of the images' difficulty
CASES = {  # standard deviations by seed, by image (and classifier), by both
    "no seed effect": (0.0, 0.4, 0.4),
    "small seed effect": (0.03, 0.4, 0.4),
    "seed effect": (0.1, 0.4, 0.4),
    "large seed effect": (0.3, 0.4, 0.4),
    "images agree": (0.05, 0.05, 1.0),
}


def answers(rng: np.random.Generator, seeds: int, images: int, parts: tuple[float, float, float]) -> np.ndarray:
    """first − second classifier right, seeds × images."""
    of_seed, of_image, of_both = parts
    hard = rng.normal(size=images)
    right = [
        hard
        + shift
        + of_seed * rng.normal(size=(seeds, 1))
        + of_image * rng.normal(size=images)
        + of_both * rng.normal(size=(seeds, images))
        > 0
        for shift in SHIFTS
    ]
    return right[0].astype(float) - right[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    rng = np.random.default_rng(0)
    print("seeds  images  case               seeds alone 95%   crossed 95%   crossed 99%")
    for seeds in (3, 5, 10):
        for images in (100, 1000):
            for name, parts in CASES.items():
                spread = math.sqrt(1 + sum(p**2 for p in parts))
                true = stats.norm.cdf(SHIFTS[0] / spread) - stats.norm.cdf(SHIFTS[1] / spread)
                hits = np.zeros(3)
                for _ in range(trials):
                    values = answers(rng, seeds, images, parts)
                    both, alone = crossed(values), estimate_mean(values.mean(axis=1))
                    halves = (alone.half_width, both.half_width(), both.half_width(0.99))
                    hits += [abs(both.mean - true) <= half for half in halves]
                a, b, c = hits / trials
                print(f"{seeds:5d}  {images:6d}  {name:18s} {a:15.3f} {b:13.3f} {c:13.3f}", flush=True)


if __name__ == "__main__":
    main()
