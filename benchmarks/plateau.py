"""Is a preset's generator at its plateau? What the second half of its training gives, on validation images.

    python benchmarks/plateau.py --seeds 0 1 2 3 4 5      # full: about 15 minutes a seed on one core

Generators of several seeds are trained as the preset says, and looked at after half of their training and at the end.
Classifiers are trained on as many synthetic images as there are real ones (×1), and asked about the validation images:
the test images have no part in choosing the length. Lines of `--out` are kept, so that seeds can be added, also by
several processes at once.
"""

from __future__ import annotations

import argparse
import copy
import json
import tempfile
from pathlib import Path

import numpy as np

from synthgap.base.threads import one_thread
from synthgap.classifier.evaluate import evaluate
from synthgap.classifier.train import train_classifier
from synthgap.diffusion.edm import EDM
from synthgap.diffusion.reconstruct import generate
from synthgap.diffusion.train import train_edm
from synthgap.exhibits.study import Study
from synthgap.stats.crossed import crossed

CLASSIFIERS = 3  # of each generator: their mean is less noisy than one
APART = 1000  # between the seeds of one generator's classifiers


def looks(study: Study, seed: int) -> dict[int, EDM]:
    """Images seen → the averaged model of one seed, after half of its training and at the end."""
    arms, found = study.main, {}
    spec, real = arms.generator(seed), study.store.get(arms.data["train"])
    half = spec.training.images // 2
    training = spec.training.model_copy(update={"checkpoint_images": half})

    def keep(model: EDM, seen: int) -> None:
        found[seen] = copy.deepcopy(model)

    end = train_edm(real, spec.network, training, seed, on_checkpoint=keep)
    return found | {spec.training.images: end}


def right(study: Study, model: EDM, seed: int) -> np.ndarray:
    """Who is right on which validation image: bool, classifiers × images."""
    arms = study.main
    real, validation = (study.store.get(arms.data[part]) for part in ("train", "validation"))
    solver, recipe = arms.preset.generator.solver, arms.classifier(seed, 0).block
    synthetic = generate(model, real.labels, seed, classes=real.classes, solver=solver)
    return np.array(
        [
            evaluate(
                train_classifier(
                    None, synthetic, recipe.network, recipe.training, seed + APART * i, epoch_images=len(real)
                ),
                validation,
            ).correct
            for i in range(CLASSIFIERS)
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="full")
    parser.add_argument("--dataset", default="auto")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4, 5])
    parser.add_argument("--out", type=Path, default=Path("results/plateau.jsonl"))
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    lines = options.out.read_text().splitlines() if options.out.exists() else []
    known = {(one["seed"], one["seen"]): np.array(one["right"], dtype=bool) for one in map(json.loads, lines)}
    with tempfile.TemporaryDirectory() as folder, one_thread():
        study = Study(options.dataset, options.preset, folder, device="cpu")
        length = study.main.generator(0).training.images
        for seed in options.seeds:
            if (seed, length) in known:
                continue
            for seen, model in looks(study, seed).items():
                known[seed, seen] = right(study, model, seed)
                told = {"seed": seed, "seen": seen, "right": known[seed, seen].astype(int).tolist()}
                with options.out.open("a") as file:
                    file.write(json.dumps(told) + "\n")
                print(f"seed {seed}, {seen:,} images: {100 * known[seed, seen].mean():.1f}%", flush=True)
    gains = np.array([known[s, length].mean(axis=0) - known[s, length // 2].mean(axis=0) for s in options.seeds])
    gain = crossed(gains).in_points
    print(
        f"{length // 2:,} to {length:,} images: {gain.mean:+.2f} points (95% interval {gain.low:+.2f} to "
        f"{gain.high:+.2f}; {gain.seeds} seeds × {gain.images} validation images)"
    )


if __name__ == "__main__":
    main()
