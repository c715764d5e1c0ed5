"""Why do synthetic pairs of digits teach so much less than real ones: many classes, few images of each, or the layout?

    python benchmarks/digit_pairs.py [--sets pairs left more] [--seeds 3] [--workers 2] [--results results/digit-pairs]

`full` trains a generator on 1,000 pairs of digits, 10 of each of 100 classes ("pairs"). Here it is trained, with
everything else as in `full`, on the same images with the left digit as their class ("left": 10 classes, 100 images of
each, the same layout), and on 2,000 pairs ("more": 100 classes, 20 images of each). Printed are, for each set, test
accuracy of real images and what as many synthetic ones and as many resampled real ones change, with 95% intervals over
seeds and test images.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

from synthgap.base.words import between
from synthgap.data.sources import load_splits
from synthgap.data.splits import SPLITS, Splits
from synthgap.design.values import BOOTSTRAP, REAL, SYNTHETIC_ONLY
from synthgap.exhibits.augmentation import table3_hits
from synthgap.exhibits.hits import arm_difference
from synthgap.exhibits.study import Study

SETS = {"pairs": 1000, "left": 1000, "more": 2000}  # training images
EMPTY = {"augmentation": {}, "combined": {}, "remedies": {}, "own": {}}
NONE: dict[str, list] = {k: [] for k in ("epoch_matched", "policies", "subsets", "trimmed", "checkpoints")}


def by_left(splits: Splits) -> Splits:
    """The same images, with the left digit as their class."""
    digits = tuple(map(str, range(10)))
    parts = {s: getattr(splits, s) for s in SPLITS}
    return replace(splits, **{s: replace(p, labels=p.labels // 10, classes=digits) for s, p in parts.items()})


def written(name: str, folder: Path) -> Path:
    """One of the sets as a file that `npz:` reads."""
    splits = load_splits("digit-pairs", train_size=SETS[name])
    splits = by_left(splits) if name == "left" else splits
    path, arrays = folder / f"{name}.npz", {"classes": np.array(splits.train.classes)}
    for split, prefix in zip(SPLITS, ("train", "val", "test"), strict=True):
        part = getattr(splits, split)
        arrays |= {f"{prefix}_images": part.images, f"{prefix}_labels": part.labels}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    return path


def preset(path: Path) -> Path:
    """`full` with three arms: real images, as many synthetic ones, and as many resampled ones."""
    content = yaml.safe_load((Path(__file__).parents[1] / "synthgap/presets/full.yaml").read_text(encoding="utf-8"))
    content.pop("gan")
    content |= EMPTY | NONE | {"summary": "three arms of full", "replication": [1], "bootstrap": [1], "crossed": 1}
    content["data"] = [{"dataset": "digit-pairs"}]
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    asked.add_argument("--seeds", type=int, default=3)
    asked.add_argument("--workers", type=int, default=2)
    asked.add_argument("--results", type=Path, default=Path("results/digit-pairs"))
    given = asked.parse_args()
    print("| set | classes | images of each | real (%) | synthetic ×1 (points) | resampled (points) |")
    print("|---|---|---|---|---|---|")
    for name in given.sets:
        source = written(name, given.results)
        study = Study(
            f"npz:{source}",
            str(preset(given.results / "three-arms.yaml")),
            given.results,
            given.seeds,
            workers=given.workers,
        )
        d, right = study.design, study.lab.value(table3_hits)
        classes, count = d.arms.data["train"].classes, d.arms.data["train"].count
        changes = [arm_difference(d, right, (arm, 1), REAL) for arm in (SYNTHETIC_ONLY, BOOTSTRAP)]
        told = " | ".join(f"{c.mean:+.1f} ({between(c)})" for c in changes)
        print(f"| {name} | {classes} | {count // classes} | {100 * right[REAL].mean():.1f} | {told} |", flush=True)


if __name__ == "__main__":
    main()
