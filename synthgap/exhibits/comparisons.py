"""Section 5, its differences: arms against one another, the choice on validation images, where the variance lies."""

from __future__ import annotations

import pandas as pd

from ..base.words import difference, plural
from ..design.loading import Design
from ..design.values import (
    BOOTSTRAP,
    GIVEN,
    GIVEN_ONLY,
    MIX,
    NAIVE,
    REAL,
    REAL_ONLY,
    SECOND_BATCH,
    SYNTHETIC_ONLY,
    Arm,
    ArmCell,
    cell_name,
    cell_title,
)
from .augmentation import CrossedSeeds, crossed_seeds, table3, table3_hits, validation
from .base import exhibit, of_arm
from .hits import Hits, arm_difference
from .text import difference_sentence, folded, listed, myst_table, percent_told

Pair = tuple[ArmCell, ArmCell]
TOO_SMALL = "too small to be seen"  # of a variance whose estimate is negative: what is left over is larger


def against_real(d: Design) -> list[Pair]:
    """Every arm of Table 3 with real images alone."""
    return [(cell, REAL) for cell in d.arms.listed() if cell != REAL]


def against_controls(d: Design) -> list[Pair]:
    """Arms with what isolates their synthetic images.

    Augmentation against a second real batch; synthetic only against a bootstrap of the real images; the mix
    50–100 against naïve; naïve against traditional augmentation at the same images a step, and combined with it.
    """
    listed, preset = d.arms.listed(), d.arms.preset
    largest = max(preset.augmentation.get(NAIVE, (0,)))
    pairs: list[Pair] = []
    for arm, k in listed:
        if arm in (*preset.augmentation, GIVEN) and arm != SECOND_BATCH:
            pairs.append(((arm, k), (SECOND_BATCH, 1)))
        if arm in (SYNTHETIC_ONLY, GIVEN_ONLY):
            pairs.append(((arm, k), (BOOTSTRAP, k)))
        if arm == MIX:
            pairs.append(((arm, k), (NAIVE, k)))
    for policy in preset.policies:
        control = (SECOND_BATCH.under(policy), 1)
        pairs += [((NAIVE, largest), control), ((NAIVE.under(policy), largest), control)]
    return [(a, b) for a, b in pairs if a in listed and b in listed]


def chosen_arms(rows: pd.DataFrame) -> dict[float, Arm]:
    """Multiple → the arm with so many synthetic images that is best on validation images (mean over seeds)."""
    means = {k: mine.groupby("arm", sort=False).accuracy.mean() for k, mine in rows.groupby("multiple")}
    return {k: Arm(mean.idxmax()) for k, mean in means.items()}


# what the book shows


@exhibit("tab-against-real", [table3_hits], apart="the paper reports no interval of a difference")
def against_real_table(d: Design, known: Hits) -> str:
    """Every arm against real images alone."""
    return comparison_table(d, known, against_real(d), "Every arm against real images alone", "tab-against-real")


@exhibit("tab-against-controls", [table3_hits], apart="the paper has no such controls")
def against_controls_table(d: Design, known: Hits) -> str:
    """Arms against what isolates their synthetic images."""
    caption = "Arms against what isolates their synthetic images"
    return comparison_table(d, known, against_controls(d), caption, "tab-against-controls")


def comparison_table(d: Design, known: Hits, pairs: list[Pair], caption: str, label: str) -> str:
    """Differences in points with their intervals. Verdicts are left to the answer and the claims."""
    if not pairs:
        return "This preset runs no two arms that these comparisons need."
    out = []
    for first, second in pairs:
        line = {"arm": cell_title(cell_name(first)), "against": cell_title(cell_name(second))}
        out.append(line | {"difference (points)": difference(arm_difference(d, known, first, second), 1)})
    table = pd.DataFrame(out)
    if table["against"].nunique() == 1:  # the caption says it
        table = table.drop(columns="against")
    text = (
        f"{caption}. Paired by seed ({len(d.seeds)}); 95% intervals over seeds and test images, each by itself: of "
        f"{plural(len(pairs), 'line')} about one in twenty misses. Verdicts are those of the plain answer and of the "
        "claims, which are corrected for their number"
    )
    return folded(myst_table(table, text, label), f"{caption}: the numbers")


@exhibit("tab-validation", [validation, table3, table3_hits], apart="the paper names its best mix by test accuracy")
def choice_table(d: Design, rows: pd.DataFrame, tested: pd.DataFrame, known: Hits) -> list[str]:
    """The arms with synthetic images as validation and test images see them, and what the choice is worth."""
    chosen, out = chosen_arms(rows), []
    for (multiple, arm), mine in rows.groupby(["multiple", "arm"], sort=False):
        theirs = of_arm(tested, (arm, multiple))
        out.append(
            {
                "arm": cell_title(cell_name((arm, multiple))),
                "validation (%)": percent_told(mine.accuracy),
                "test (%)": percent_told(theirs.accuracy),
                "chosen": "**yes**" if chosen[multiple] == arm else "",
            }
        )
    caption = (
        f"Choosing a reverse step on validation images ({rows.n.iloc[0]:,}; test {tested.n.iloc[0]:,}): for each "
        "multiple the arm with the best mean over seeds"
    )
    gains = [
        difference_sentence(cell_title(cell_name((arm, k))), REAL_ONLY, arm_difference(d, known, (arm, k), REAL))
        for k, arm in chosen.items()
    ]
    return [myst_table(out, caption, "tab-validation"), listed([f"Chosen: {gain}" for gain in gains])]


@exhibit("tab-variance", [crossed_seeds], apart="the paper does not part its spread by source")
def variance_table(d: Design, several: CrossedSeeds) -> str:
    """Where the variance of one accuracy lies."""
    parts = several.variance
    if d.arms.model is not None:
        return "All seeds draw from one generator, which was trained elsewhere: its share of the variance is not known."
    if parts is None:
        return "With one seed the variance can't be divided: run two seeds or more."
    sources = {
        "generator": ("the diffusion model's seed and its samples", parts.generator),
        "classifier": ("initial weights, order of batches", parts.classifier),
        "the two together, and the rest": ("what neither explains by itself", parts.both),
        "test images": ("other test images of the same kind", parts.images),
    }
    out = [
        {"source": source, "what changes": what, "standard deviation (points)": f"{size:.2f}" if size else TOO_SMALL}
        for source, (what, size) in sources.items()
    ]
    generators, classifiers = parts.shape
    caption = (
        f"Variance by source of the accuracy of “synthetic only” ×1, {d.arms.name}: {generators} generators crossed "
        f"with {classifiers} classifiers, two-way random effects. From so few they are orders of magnitude"
    )
    return myst_table(out, caption, "tab-variance")
