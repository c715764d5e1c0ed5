"""How often is the second judge wrong? Sets whose effect is known, made of photographs that were held out.

    python benchmarks/judging.py PHOTOS [--splits 20] [--draws 40] [--workers 1]

PHOTOS is a folder with a subfolder a class. Its features are taken once (EfficientNet-Lite0). Each split draws a
quarter of the photographs that the user has not, and a fifth of the others as validation images; the rest are the
user's. Three sets are then judged as `synthgap run --synthetic` judges them: "more" (the held-out photographs), "wrong"
(the same, half of their labels wrong) and "copies" (as many of the user's own). The truth is the mean over splits of
the difference itself; a verdict is wrong where it says better of a true difference below 0, worse of one above, or
about the same of one beyond a point.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from synthgap.classifier.head import Features, Lesson, judge
from synthgap.data.sources import load_splits
from synthgap.data.splits import SPLITS, stratified_split
from synthgap.metrics.extractors import extractor
from synthgap.metrics.features import features
from synthgap.stats.crossed import redrawn
from synthgap.stats.verdict import BETTER, DECIDED, OF_INTEREST, SAME, WORSE, decide

HELD_OUT, VALIDATION = 0.25, 0.2
KINDS = ("more", "wrong", "copies")
QUESTIONS = ("in their place", "beside")

Found = list[tuple[str, str, float, float, str, str]]  # kind, question, difference, half-width, standing, word


def read(photos: str) -> Features:
    """Features and labels of all photographs of a folder."""
    splits = load_splits(f"folder:{photos}", longest_side=224)
    network = extractor("efficientnet-lite0")
    several = [Features(features(splits[s], network), splits[s].labels) for s in SPLITS]
    return Features(*(np.concatenate([getattr(f, name) for f in several]) for name in ("features", "labels")))


def one_split(seed: int, photos: Features, draws: int) -> Found:
    """The verdicts on the sets of one split."""

    def some(positions: np.ndarray) -> Features:
        return Features(photos.features[positions], photos.labels[positions])

    rng, classes = np.random.default_rng(seed), int(photos.labels.max()) + 1
    outer = stratified_split(photos.labels, {"mine": None, "held": HELD_OUT}, seed)
    inner = stratified_split(photos.labels[outer["mine"]], {"pool": None, "validation": VALIDATION}, seed)
    pool, validation = (some(outer["mine"][inner[name]]) for name in ("pool", "validation"))
    held = some(outer["held"])
    other = (held.labels + rng.integers(1, classes, len(held))) % classes
    wrong = np.where(rng.random(len(held)) < 0.5, held.labels, other)
    copied = rng.permutation(len(pool))[: len(held)]
    sets = {
        "more": held,
        "wrong": Features(held.features, wrong),
        "copies": Features(pool.features[copied], pool.labels[copied]),
    }
    with threadpool_limits(1):
        alone = judge(Lesson([pool]), validation, None, classes, draws).correct.astype(float)
        found: Found = []
        for kind, given in sets.items():
            lessons = (Lesson([pool], given, beside=beside) for beside in (False, True))
            judged = [judge(lesson, validation, None, classes, draws) for lesson in lessons]
            for question, v in zip(QUESTIONS, decide([redrawn(j.correct - alone) for j in judged]), strict=True):
                d = v.difference
                found.append((kind, question, 100 * d.mean, 100 * d.half_width(), v.standing, v.word))
    return found


def is_wrong(word: str, truth: float) -> bool:
    """Does a verdict contradict a true difference, in points?"""
    return (
        (word == BETTER and truth < 0)
        or (word == WORSE and truth > 0)
        or (word == SAME and abs(truth) > 100 * OF_INTEREST)
    )


def report(rows: Found) -> Iterator[str]:
    """A line a kind and question: the true difference, the mean half-width, how many are decided, how many wrong."""
    for kind in KINDS:
        for question in QUESTIONS:
            mine = [row[2:] for row in rows if row[:2] == (kind, question)]
            means, halves = (np.array([row[i] for row in mine]) for i in (0, 1))
            truth = float(means.mean())
            held = np.abs(means - truth) <= halves
            decided = [word for *_, standing, word in mine if standing == DECIDED]
            wrong = sum(is_wrong(word, truth) for word in decided)
            yield (
                f"{kind:>7} {question:<14} {truth:+6.1f} points (SD over splits {means.std(ddof=1):.1f}), 95% interval "
                f"±{halves.mean():.1f}, holds the mean in {held.sum()} of {len(mine)}; decided {len(decided)}, "
                f"wrong {wrong}"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos")
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--draws", type=int, default=40)
    parser.add_argument("--workers", type=int, default=1)
    asked = parser.parse_args()
    photos, rows = read(asked.photos), []
    with ProcessPoolExecutor(asked.workers) as pool:
        judged = pool.map(partial(one_split, photos=photos, draws=asked.draws), range(asked.splits))
        for done, found in enumerate(judged):
            rows += found
            print(f"{done + 1} of {asked.splits} splits", flush=True)
    print(*report(rows), sep="\n")


if __name__ == "__main__":
    main()
