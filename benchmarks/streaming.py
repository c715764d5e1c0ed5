"""Memory and time of generating, storing and measuring many images, with toy networks.

    python benchmarks/streaming.py [images] [--real N] [--pairwise N] [--colour] [--shard-images N] [--place FOLDER]
                                   [--everything]

The denoiser and the feature extractor are a line each, so what is timed is our own work. Memory is the peak of the
process (resident, mapped files included) beyond what it holds after its imports; the networks of a real run add theirs,
and their features take 4·D bytes an image on the disk.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from measure import memory
from torch import Tensor, nn

from synthgap.api.comparison import as_text, compare
from synthgap.api.streaming import generate_shards
from synthgap.data.imageset import ImageSet
from synthgap.data.shards import Shards
from synthgap.diffusion.edm import EDMConfig
from synthgap.diffusion.solver import Solver
from synthgap.diffusion.unet import UNetConfig
from synthgap.metrics.extractors import EXTRACTORS, Extractor
from synthgap.metrics.streaming import fidelity_of_stored, store_features

CLASSES, DIMENSIONS = 10, 64


class Toy(nn.Module):
    """A denoiser with an EDM's interface: a grey level for each class, and a bounded function of the noise."""

    def __init__(self, shape: tuple[int, int, int]):
        super().__init__()
        channels, height, width = shape
        network = UNetConfig(channels=channels, height=height, width=width, label_dim=CLASSES, channel_mult=(1,))
        self.config, self.image_shape, self.device = EDMConfig(network=network), shape, torch.device("cpu")
        self.level = nn.Parameter(torch.linspace(-0.5, 0.5, CLASSES), requires_grad=False)

    def forward(self, x: Tensor, sigma: Tensor, labels: Tensor) -> Tensor:
        return self.level[labels, None, None, None] + 0.2 * torch.tanh(x / sigma[:, None, None, None])


def projection(shape: tuple[int, int, int]) -> Extractor:
    """Features that are a fixed random projection of the pixels."""
    pixels = int(np.prod(shape))
    matrix = torch.from_numpy(np.random.default_rng(0).standard_normal((pixels, DIMENSIONS), dtype=np.float32))
    scaled = matrix / pixels**0.5
    return Extractor("toy", "FD-toy", DIMENSIONS, "0" * 64, lambda x: (x.flatten(1).float() / 127.5 - 1) @ scaled)


def noise(count: int, shape: tuple[int, int, int]) -> ImageSet:
    """Real images: other noise around other grey levels."""
    rng = np.random.default_rng(1)
    labels = np.arange(count) % CLASSES
    images = np.empty((count, *shape), dtype=np.uint8)
    for start in range(0, count, 1000):
        level = np.linspace(64, 191, CLASSES)[labels[start : start + 1000], None, None, None]
        images[start : start + 1000] = np.clip(level + 20 * rng.standard_normal((len(level), *shape)), 0, 255)
    return ImageSet(images, labels, tuple(map(str, range(CLASSES))), "real")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", nargs="?", type=int, default=100_000)
    parser.add_argument("--real", type=int, default=10_000)
    parser.add_argument("--pairwise", type=int, default=10_000)
    parser.add_argument("--shard-images", type=int, default=10_240)
    parser.add_argument("--colour", action="store_true")
    parser.add_argument("--place", help="folder that keeps shards and features, for a run that goes on; else temporary")
    parser.add_argument(
        "--everything", action="store_true", help="fake detection and the rest of synthgap metrics, too"
    )
    options = parser.parse_args()

    torch.set_num_threads(1)
    shape = (3 if options.colour else 1, 32, 32)
    imports = memory("VmRSS")
    rows = {"imports": {"mib": imports}}

    def told(stage: str, started: float) -> None:
        rows[stage] = {"seconds": round(time.perf_counter() - started, 1), "beyond_imports_mib": memory() - imports}
        print(json.dumps({stage: rows[stage]}), flush=True)

    with nullcontext(options.place) if options.place else tempfile.TemporaryDirectory() as place:
        folder, started = Path(place) / "toy.shards", time.perf_counter()
        labels = np.repeat(np.arange(CLASSES), -(-options.images // CLASSES))[: options.images]
        solver = Solver(steps=1, method="euler")
        generate_shards(Toy(shape), folder, labels, 0, solver=solver, shard_images=options.shard_images)
        told("generated", started)

        started, shards, extractor = time.perf_counter(), Shards.open(folder), projection(shape)
        stored = [store_features(s, extractor, Path(place)) for s in (noise(options.real, shape), shards)]
        told("features", started)
        started = time.perf_counter()
        value = fidelity_of_stored(*stored, "toy", pairwise=options.pairwise)
        told("fidelity", started)
        rows["result"] = {"n": value.n, "frechet": value.frechet, "kid": value.kid, "precision": value.precision}
        if options.everything:
            started = time.perf_counter()
            EXTRACTORS["toy"] = lambda **_: extractor
            noise(options.real, shape).save(Path(place) / "real.safetensors")
            result = compare(
                str(Path(place) / "real.safetensors"),
                str(folder),
                extractor_name="toy",
                pairwise=options.pairwise,
                cache=Path(place),
            )
            told("metrics", started)
            print(as_text(result))
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
