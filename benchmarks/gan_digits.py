"""What a StyleGAN3 draws after about the time in which the EDM of the preset `full` trains on the 8×8 digits.

    OMP_NUM_THREADS=1 python benchmarks/gan_digits.py --seeds 3

Both are trained on the 500 training images and draw 500 images, 50 of each class. A classifier trained on the same
training images says how many of them are of their class; Fréchet distance, precision and recall are taken on its
features, against the validation images (the test images are never looked at). The first row is the training images
themselves, what a memoriser would draw. Seconds are of one process's CPU, so that neighbours don't count.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from synthgap import generate
from synthgap.api import functions as api
from synthgap.classifier.evaluate import evaluate
from synthgap.data.imageset import ImageSet
from synthgap.data.sources import load_splits
from synthgap.design.preset import load_preset
from synthgap.gan.collapse import collapse_of
from synthgap.gan.discriminator import DiscriminatorConfig
from synthgap.gan.sample import generate_gan
from synthgap.gan.stylegan3 import GeneratorConfig
from synthgap.gan.train import GanTraining, train_gan

SHAPE = {"height": 8, "width": 8, "channels": 1, "label_dim": 10}
NETWORK = GeneratorConfig(
    **SHAPE, z_dim=64, w_dim=64, mapping_layers=1, channel_max=16, layers=4, critical_layers=1, margin=1
)
# without layers between class and projection: theirs learn at a hundredth of the rate, too slowly for so short a run
JUDGE = DiscriminatorConfig(**SHAPE, channel_max=64, mapping_layers=0, std_group=8)
RECIPE = GanTraining(
    images=20_000,  # in longer runs diversity falls: chosen on validation images
    batch=16,  # many steps for few images
    generator_rate=0.007,
    discriminator_rate=0.014,  # twice the generator's: with equal rates classes lose diversity sooner
    r1_gamma=0.1,
    ema_half_life=2000,
    ada_images=20_000,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="runs of each generator, seeds 0, 1, …")
    parser.add_argument("--images", type=int, default=RECIPE.images, help="real images that the GAN sees")
    parser.add_argument("--without-edm", action="store_true", help="train the GAN only")
    choice = parser.parse_args()
    torch.set_num_threads(1)
    splits = load_splits("digits", limits=load_preset("full").limits)
    real, held_out = splits["train"], splits["validation"]
    classifier = api.train_classifier(real=real, preset="quick", seed=0)
    labels = np.arange(500) % len(real.classes)
    recipe = RECIPE.model_copy(update={"images": choice.images})

    def row(name: str, fake: ImageSet, seconds: float) -> None:
        near = api.fidelity(held_out, fake, classifier=classifier, intervals=False, floor=False)
        collapse = collapse_of(fake, real)
        print(
            f"{name:18s} {seconds:8.0f} {evaluate(classifier, fake).accuracy:9.3f} {near.frechet:9.2f} "
            f"{near.precision:9.3f} {near.recall:7.3f} {near.coverage:9.3f} {collapse.diversity:9.2f}  "
            f"{'collapsed: ' + collapse.reason if collapse.collapsed else '-'}",
            flush=True,
        )

    print("generator           seconds  of class   Fréchet precision  recall  coverage diversity  collapse")
    row("training images", real, 0)
    for seed in range(choice.seeds):
        start = time.process_time()
        generator = train_gan(real, NETWORK, JUDGE, recipe, seed)
        seconds = time.process_time() - start
        row(f"StyleGAN3, seed {seed}", generate_gan(generator, labels, seed), seconds)
        if not choice.without_edm:
            start = time.process_time()
            edm = api.train_edm(real, preset="full", seed=seed)
            seconds = time.process_time() - start
            row(f"EDM, seed {seed}", generate(edm, labels, seed), seconds)


if __name__ == "__main__":
    main()
