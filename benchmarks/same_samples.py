"""Do faster networks draw the same? The Fréchet distance of 5,000 samples to real images, by each way of computing.

    OMP_NUM_THREADS=1 python benchmarks/same_samples.py --results results

The generator and the classifier of the study's first seed at the preset `quick` (computed where they are absent), the
same noise for all: the plain network of `plain_unet.py`, ours in float32, ours in bfloat16. Features are the
classifier's, the reference is the test images, the interval the jackknife's. About four minutes.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from plain_unet import plain_forward
from torch import Tensor, nn

from synthgap.diffusion.edm import EDM
from synthgap.diffusion.reconstruct import generate
from synthgap.exhibits.study import Study
from synthgap.metrics.extractors import extractor
from synthgap.metrics.features import features
from synthgap.metrics.fidelity import fidelity_of_features


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", default="results", help="folder of results of the preset quick")
    parser.add_argument("--samples", type=int, default=5000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    study = Study(preset="quick", results=options.results)
    test, edm = study.store.get(study.main.data["test"]), study.store.get(study.main.generator(study.seeds[0]))
    chosen = extractor("classifier", classifier=study.store.get(study.main.classifier(0, 0)))
    labels = np.arange(options.samples) % len(test.classes)
    wanted, first = features(test, chosen), None
    for name, denoiser in ways(edm).items():
        drawn = generate(denoiser, labels, 0, classes=test.classes, solver=study.preset.generator.solver)
        first = drawn if first is None else first
        changed = np.abs(drawn.images.astype(int) - first.images)
        found = fidelity_of_features(wanted, features(drawn, chosen), chosen.name, floor=False)
        low, high = found.intervals["frechet"]
        print(
            f"{name}: Fréchet distance {found.frechet:.4f} ({low:.4f} to {high:.4f}), {len(drawn):,} images", end="; "
        )
        print(f"{(changed > 0).mean():.2%} of pixels differ, by {changed.max()} of 255 at most", flush=True)


if __name__ == "__main__":
    main()
