"""Do faster ways draw the same? Networks by the Fréchet distance of their samples, solvers by the exact solution, too.

    OMP_NUM_THREADS=1 python benchmarks/same_samples.py networks --results results
    OMP_NUM_THREADS=1 python benchmarks/same_samples.py solvers --results results

The generators and the classifiers of the study at the preset `quick` (computed where they are absent).

networks : of the first seed, the same noise for all: the plain network of `plain_unet.py`, ours in float32, ours in
bfloat16. Features are the classifier's, the reference is the test images, the interval the jackknife's. About four
minutes.

solvers : the preset's beside Heun's method with 14 steps, which was the preset's before. At each reverse step: network
evaluations, and the distance to the exact solution (the preset's solver with 200 steps), root mean square over 48
training images in units of images in [−1, 1]. Then, over the seeds: the Fréchet distance of fully synthetic images,
and the test accuracy of a classifier that is trained on the set at reverse steps 50 and 100, with the difference that
the solver makes, paired by seed. About ten minutes for three seeds.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
import torch
from plain_unet import plain_forward
from torch import Tensor, nn

from synthgap.base.words import plus_minus
from synthgap.data.imageset import ImageSet
from synthgap.design.arms import Arms
from synthgap.design.preset import changed
from synthgap.diffusion.edm import EDM
from synthgap.diffusion.reconstruct import generate, reconstruct
from synthgap.diffusion.solver import Solver
from synthgap.exhibits.study import Study
from synthgap.metrics.extractors import Extractor, extractor
from synthgap.metrics.features import features
from synthgap.metrics.fidelity import fidelity_of_features
from synthgap.stats.intervals import estimate_mean, paired_difference

STEPS = (100, 90, 80, 70, 60, 50, 40, 30, 20, 10)
BEFORE = Solver(steps=14)
EXACT = 200  # steps


class Plain(nn.Module):
    """The same weights, one operation after the other, in NCHW."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, noise: Tensor, labels: Tensor | None, augment: Tensor | None = None) -> Tensor:
        return plain_forward(self.network, x.contiguous(), noise, labels)


def ways(edm: EDM) -> dict[str, EDM]:
    """Name → the same denoiser, computed in that way."""
    plain = EDM(edm.config).eval()
    plain.model = Plain(edm.model)
    return {"plain, float32": plain, "ours, float32": edm, "ours, bfloat16": edm.in_bfloat16()}


def judge(study: Study, seed: int) -> tuple[Extractor, Tensor]:
    """The features of a seed's classifier of real images, and those of the test images."""
    chosen = extractor("classifier", classifier=study.store.get(study.main.classifier(seed, 0)))
    return chosen, features(study.store.get(study.main.data["test"]), chosen)


def networks(study: Study, samples: int) -> None:
    """Fréchet distance of the samples of each way of computing the network."""
    test, edm = study.store.get(study.main.data["test"]), study.store.get(study.main.generator(study.seeds[0]))
    chosen, wanted = judge(study, study.seeds[0])
    labels, first = np.arange(samples) % len(test.classes), None
    for name, denoiser in ways(edm).items():
        drawn = generate(denoiser, labels, 0, classes=test.classes, solver=study.preset.generator.solver)
        first = drawn if first is None else first
        moved = np.abs(drawn.images.astype(int) - first.images)
        found = fidelity_of_features(wanted, features(drawn, chosen), chosen.name, floor=False)
        low, high = found.intervals["frechet"]
        print(
            f"{name}: Fréchet distance {found.frechet:.4f} ({low:.4f} to {high:.4f}), {len(drawn):,} images", end="; "
        )
        print(f"{(moved > 0).mean():.2%} of pixels differ, by {moved.max()} of 255 at most", flush=True)


def solved(edm: EDM, real: ImageSet, t_re: int, seed: int, solver: Solver) -> np.ndarray:
    """The images before they are rounded."""
    last: dict[int, np.ndarray] = {}
    reconstruct(edm, real, t_re, seed, solver=solver, callback=lambda i, step, sigma, x: last.update({i: x}))
    return np.stack([last[i] for i in range(len(real))])


def errors(study: Study, solvers: dict[str, Solver]) -> None:
    """Evaluations of each solver, and its distance to the exact solution: mean over the seeds (each seed)."""
    real = study.store.get(study.main.data["train"]).subset(np.arange(48))
    exact = study.preset.generator.solver.model_copy(update={"steps": EXACT})
    for t_re in STEPS:
        wanted = {}
        for name, solver in solvers.items():
            each = []
            for seed in study.seeds:
                edm = study.store.get(study.main.generator(seed))
                if seed not in wanted:
                    wanted[seed] = solved(edm, real, t_re, seed, exact)
                each.append(np.sqrt(((solved(edm, real, t_re, seed, solver) - wanted[seed]) ** 2).mean()))
            told = ", ".join(f"{e:.5f}" for e in each)
            print(
                f"t_re {t_re}, {name}: {solver.evaluations(t_re)} evaluations, {np.mean(each):.5f} ({told})", flush=True
            )


def sets(study: Study, solvers: dict[str, Solver], samples: int) -> None:
    """Fréchet distance and accuracy of the sets of both solvers, and the differences of the second from the first."""
    test = study.store.get(study.main.data["test"])
    labels = np.arange(samples) % len(test.classes)
    several: dict[str, dict[str, list[float]]] = {}
    for name, solver in solvers.items():
        for seed in study.seeds:
            chosen, wanted = judge(study, seed)
            drawn = generate(
                study.store.get(study.main.generator(seed)), labels, seed, classes=test.classes, solver=solver
            )
            found = fidelity_of_features(wanted, features(drawn, chosen), chosen.name, floor=False)
            several.setdefault("Fréchet distance", {}).setdefault(name, []).append(found.frechet)
        arms = with_solver(study.main, solver)
        for t_re in (50, 100):
            cells = [arms.test(arms.classifier(seed, t_re)) for seed in study.seeds]
            study.compute(cells)
            accuracies = [100 * study.store.get(cell).accuracy for cell in cells]
            several.setdefault(f"accuracy at {t_re}, %", {})[name] = accuracies
    for what, by_solver in several.items():
        for name, values in by_solver.items():
            print(f"{what}, {name}: {plus_minus(estimate_mean(values), 3)}")
        first, second = by_solver.values()
        print(f"{what}, difference: {plus_minus(paired_difference(second, first), 3)}", flush=True)


def with_solver(arms: Arms, solver: Solver) -> Arms:
    """The same arms, whose images are sampled by another solver."""
    generator = changed(arms.preset.generator, {"solver": solver.model_dump()})
    return replace(arms, preset=arms.preset.model_copy(update={"generator": generator}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["networks", "solvers"])
    parser.add_argument("--results", default="results", help="folder of results of the preset quick")
    parser.add_argument(
        "--samples", type=int, help="for the Fréchet distance; default 5,000 of networks, 2,000 of solvers"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    study = Study(preset="quick", results=options.results)
    models = [spec for seed in study.seeds for spec in (study.main.generator(seed), study.main.classifier(seed, 0))]
    study.compute([study.main.data["test"], *(models if options.what == "solvers" else models[:2])])
    if options.what == "networks":
        networks(study, options.samples or 5000)
        return
    solvers = {"Heun, 14 steps": BEFORE, "the preset's": study.preset.generator.solver}
    errors(study, solvers)
    sets(study, solvers, options.samples or 2000)


if __name__ == "__main__":
    main()
