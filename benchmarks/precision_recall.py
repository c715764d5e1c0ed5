"""Precision and recall of 20,000 against 20,000 images with 512 features, against torch-fidelity's batched mode.

    python benchmarks/precision_recall.py

Each side runs in a process of its own, on one thread, in turns, with the same made-up features: near a plane of 64
dimensions, as a network's are. Times are of the CPU, without imports; memory is the process's largest (resident,
imports and features included). Theirs is `calculate_precision_recall_part` in batches of 2,000: its default of 10,000
is slower and takes three times the memory. Ours measures density and coverage in the same pass, and its values are
those of distances in float64, where theirs are float32's. The values must be equal: the program fails otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import torch
from denoiser import peak
from measure import Row, median_ratio, memory, program, seconds
from threadpoolctl import threadpool_limits

NEIGHBOURS, BATCH, PLANE = 3, 2000, 64


@dataclass(frozen=True)
class Size:
    images: int
    features: int
    rounds: int


USUAL, QUICK = Size(20_000, 512, 3), Size(5_000, 512, 2)


def draw(size: Size) -> tuple[np.ndarray, np.ndarray]:
    """(real, fake) features, float32; the fakes spread a little less."""
    basis = np.random.default_rng(0).standard_normal((PLANE, size.features), dtype=np.float32)
    out = []
    for seed, scale in ((1, 1.0), (2, 0.9)):
        rng = np.random.default_rng(seed)
        features = scale * rng.standard_normal((size.images, PLANE), dtype=np.float32) @ basis
        features += 0.5 * rng.standard_normal(features.shape, dtype=np.float32)
        out.append(features)
    return out[0], out[1]


def ours(real: np.ndarray, fake: np.ndarray) -> tuple[float, float]:
    """(precision, recall), as `fidelity` computes them."""
    from synthgap.metrics.neighbours import NO_GROUP, count_hits, squared_radii

    none = np.zeros(len(real), dtype=int)
    radii = squared_radii(real, NEIGHBOURS, none, [NO_GROUP]), squared_radii(fake, NEIGHBOURS, none, [NO_GROUP])
    of_real, of_fake = count_hits(real, fake, radii, (none, none), [NO_GROUP])
    return float((of_fake.closed > 0).mean()), float((of_real.closed > 0).mean())


def theirs(real: np.ndarray, fake: np.ndarray) -> tuple[float, float]:
    """(precision, recall); it takes the fakes first."""
    from torch_fidelity.metric_prc import calculate_precision_recall_part

    return calculate_precision_recall_part(*map(torch.from_numpy, (fake, real)), NEIGHBOURS, BATCH)


WORKS = {"ours": ours, "baseline": theirs}


def alone(side: str, size: Size) -> dict[str, float]:
    """What one side takes and finds; called in a process of its own."""
    torch.set_num_threads(1)
    tiny = draw(Size(100, size.features, 1))
    real, fake = draw(size)
    with threadpool_limits(1):
        WORKS[side](*tiny)  # loads what it needs
        found: list[tuple[float, float]] = []
        took = seconds(lambda: found.append(WORKS[side](real, fake)))
    return {"seconds": took, "mib": memory(), "precision": found[0][0], "recall": found[0][1]}


def in_a_process(side: str, size: Size) -> dict[str, float]:
    command = [sys.executable, __file__, "--side", side, "--images", str(size.images), "--features", str(size.features)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def measure(size: Size, device: str = "cpu") -> list[Row]:
    del device  # the features lie in the CPU's memory, on either side
    torch.set_num_threads(1)
    found: dict[str, list[dict[str, float]]] = {side: [] for side in WORKS}
    for _ in range(size.rounds):
        for side in WORKS:
            found[side].append(in_a_process(side, size))
    counts = {side: _counts(values[0], size) for side, values in found.items()}
    if counts["ours"] != counts["baseline"]:
        raise RuntimeError(f"of {size.images}, fakes and reals inside are {counts}; they should be equal")
    times, sizes = ({side: [v[what] for v in values] for side, values in found.items()} for what in ("seconds", "mib"))
    mine, other = (statistics.median(times[side]) for side in WORKS)
    products = 3 * 2 * size.images**2 * size.features / peak(torch.float32)
    name = f"precision and recall, {size.images:,} × {size.images:,} × {size.features}"
    inside, outside = (n / size.images for n in counts["ours"])
    return [
        Row(
            name,
            mine,
            "s",
            other,
            median_ratio(times["baseline"], times["ours"]),
            least=2.0,
            ceiling=f"{products:.3g} s for three products at the unit's rate; both find {inside:.4f} and {outside:.4f}",
        ),
        Row(
            "its memory",
            statistics.median(sizes["ours"]),
            "MiB",
            statistics.median(sizes["baseline"]),
            median_ratio(sizes["ours"], sizes["baseline"]),
            most=1.0,
        ),
    ]


def _counts(values: dict[str, float], size: Size) -> tuple[int, int]:
    """(fakes inside, reals inside): the shares come rounded to float32 from one side."""
    return round(values["precision"] * size.images), round(values["recall"] * size.images)


def main() -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--side", choices=WORKS)
    parser.add_argument("--images", type=int)
    parser.add_argument("--features", type=int)
    options, others = parser.parse_known_args()
    if options.side is None:
        program(__doc__, measure, (USUAL, QUICK), others)
    else:
        print(json.dumps(alone(options.side, Size(options.images, options.features, 1))))


if __name__ == "__main__":
    main()
