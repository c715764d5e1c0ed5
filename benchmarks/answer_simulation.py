"""Does the plain answer get simulated data sets right? Real training and prediction, known truth.

    python benchmarks/answer_simulation.py --sets 20

Three kinds of data sets, two classes of noisy 8×8 patterns each, with a synthetic set whose worth is known:

helps   30 real images, and ten times as many synthetic ones from the very same distribution
hurts   150 real images, and as many synthetic ones whose labels are drawn at random
none    the synthetic set is the real training set itself, in another order: in the place of the real images the
        expected difference is exactly 0; beside them it is that of a larger batch, which is not known

A verdict is wrong where it says better for harm or worse for help, or either of the two for none, or "about the same"
for help or harm. Beside each decision stands that of the first edition's rule on the same predictions (Student's t of
each comparison by itself, Holm's correction). Results go to standard output; artifacts to a temporary folder.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from importlib.resources import files
from pathlib import Path

import numpy as np
import yaml
from inference import first_edition

from synthgap import ImageSet, Study
from synthgap.data.npz import save_npz
from synthgap.exhibits.answer import compared
from synthgap.exhibits.answer import verdicts as decided
from synthgap.stats.crossed import crossed
from synthgap.stats.verdict import BETTER, DECIDED, SAME, WORSE

KINDS = ("helps", "hurts", "none")
TRUTH = {"helps": {BETTER}, "hurts": {WORSE}, "none": {SAME}}
UNKNOWN = ("none", "augment")  # the same images twice a step are a larger batch, which may help by itself
OPEN = "open"
REAL, TEST, CLASSES = {"helps": 30, "hurts": 150, "none": 100}, 400, ("dark", "light")


def draw(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of two patterns under noise, (uint8 N × 1 × 8 × 8, labels); the best classifier is right in 93%."""
    pattern = np.sign(np.add.outer(np.arange(8), np.arange(8)) % 4 - 1.5)
    labels = np.arange(count) % 2
    noise = rng.normal(size=(count, 8, 8))
    pixels = 128 + 40 * (noise + 0.185 * (2 * labels[:, None, None] - 1) * pattern)
    return np.clip(pixels, 0, 255).astype(np.uint8)[:, None], labels


def data_set(kind: str, seed: int, folder: Path) -> tuple[str, str]:
    """Write one data set; returns the names of the real and of the synthetic source."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    sizes = {"train": REAL[kind], "val": 100, "test": TEST}
    drawn = {split: draw(rng, count) for split, count in sizes.items()}
    real = folder / "real.npz"
    arrays = {
        f"{s}_{what}": part for s, pair in drawn.items() for what, part in zip(("images", "labels"), pair, strict=True)
    }
    np.savez(real, classes=np.array(CLASSES), **arrays)
    images, labels = drawn["train"]
    if kind == "helps":
        images, labels = draw(rng, 10 * REAL[kind])
    elif kind == "hurts":
        images, labels = draw(rng, REAL[kind])
        labels = rng.integers(0, 2, len(labels))
    order = rng.permutation(len(labels))
    synthetic = save_npz(ImageSet(images[order], labels[order], CLASSES), folder / "synthetic.npz")
    return f"npz:{real}", f"npz:{synthetic}"


def preset(folder: Path) -> str:
    """A preset with short training, three seeds and the arms that the two verdicts need."""
    content = yaml.safe_load(files("synthgap").joinpath("presets", "smoke.yaml").read_text(encoding="utf-8"))
    content |= {"limits": {}, "seeds": 3, "policies": [], "combined": {}, "subsets": [0.5], "replication": [1, 10]}
    content["classifier"] = {"width": 4, "training": {"epochs": 60, "batch": 32, "learning_rate": 0.05}}
    path = folder / "simulation.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def verdicts(kind: str, seed: int) -> dict[str, tuple[str, str, float, float, float]]:
    """Question → (today's word, the first edition's, difference, its 95% interval), of one simulated data set."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        real, synthetic = data_set(kind, seed, folder)
        study = Study(real, preset(folder), folder / "results", synthetic=synthetic, workers=1)
        found, known = study.lab.value(decided), study.lab.value(compared)
        old = first_edition([crossed(known.right(a).astype(float) - known.right(b)) for a, b, _ in found.values()])
        out = {}
        for (question, (_, _, v)), before in zip(found.items(), old, strict=True):
            word = v.word if v.standing == DECIDED else OPEN
            out[question] = (word, before, v.difference.mean, v.difference.low, v.difference.high)
        return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=20, help="data sets of each kind")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    options = parser.parse_args()
    for kind in options.kinds:
        words: dict[tuple[str, str], Counter] = {}
        for seed in range(options.sets):
            for question, (word, before, mean, low, high) in verdicts(kind, seed).items():
                words.setdefault((question, "today"), Counter())[word] += 1
                words.setdefault((question, "first edition"), Counter())[before] += 1
                span = f"{100 * mean:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
                print(f"{kind} {seed:2d} {question:8s} {span:28s} {word} (first edition: {before})", flush=True)
        for (question, rule), counts in words.items():
            told = ", ".join(f"{n} {word}" for word, n in counts.most_common())
            if (kind, question) != UNKNOWN:
                told += f"; wrong: {sum(n for word, n in counts.items() if word not in TRUTH[kind] | {OPEN})}"
            print(f"{kind}, {question}, {rule}, {options.sets} sets: {told}", flush=True)


if __name__ == "__main__":
    main()
