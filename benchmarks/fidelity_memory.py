"""Memory and time of the fidelity measures at the paper's size: 50,000 against 50,000 images, 2,048 features.

    python benchmarks/fidelity_memory.py [images] [features] [--intervals]

Prints the peak memory beyond the features themselves, which must stay below 2 GB, and the time as a multiple of one
matrix product of the two sets, measured in the same run.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import torch

from synthgap.metrics.fidelity import fidelity_of_features


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="?", type=int, default=50_000)
    parser.add_argument("features", nargs="?", type=int, default=2_048)
    parser.add_argument("--intervals", action="store_true", help="the jackknife, too")
    options = parser.parse_args()

    rng = np.random.default_rng(0)
    basis = rng.standard_normal((64, options.features)).astype(np.float32)

    def draw(scale: float) -> np.ndarray:
        """Features near a plane of 64 dimensions, as a network's are."""
        out = np.empty((options.images, options.features), dtype=np.float32)
        for start in range(0, options.images, 5_000):
            part = out[start : start + 5_000]
            part[:] = scale * rng.standard_normal((len(part), 64), dtype=np.float32) @ basis
            part += 0.5 * rng.standard_normal(part.shape, dtype=np.float32)
        return out

    real, fake = draw(1.0), draw(0.9)
    tile = torch.from_numpy(real[:1000]).double()
    tile @ tile.T
    started = time.perf_counter()
    tile @ tile.T
    product = (time.perf_counter() - started) * (options.images / 1000) ** 2

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    value = fidelity_of_features(real, fake, "made", intervals=options.intervals, floor=False)
    seconds = time.perf_counter() - started
    extra = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    print(f"{options.images:,} × {options.features:,}: {extra:.2f} GiB beyond the features, {seconds:.0f} s")
    print(f"{seconds / product:.1f} times one product of the two sets in float64 ({product:.0f} s)")
    print(value)


if __name__ == "__main__":
    main()
