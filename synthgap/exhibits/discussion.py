"""Section 4.3: why synthetic images teach less; controls in real images, and the symptoms of each candidate."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..base.words import capital, difference, points
from ..data.splits import halves, stratified_lowest
from ..design.arms import CROSSFIT, Arms, Sets
from ..design.loading import Design
from ..diffusion.schedule import REVERSE_STEPS
from ..graph.specs import MeasureLikelihood, Snapshot, Subset
from ..metrics.likelihood import Likelihood
from ..metrics.projection import centralities
from ..stats.crossed import Crossed, crossed
from ..stats.intervals import Estimate, range_of
from ..stats.trends import RISES
from .base import ACCURACY, Cells, Values, exhibit, measured, read, result, sentences
from .classifiers import concentration, concentration_numbers, other_real
from .drawing import (
    NARROW,
    SMALL,
    doubling,
    label_steps,
    new_figure,
    over_seeds,
    reference,
    saying,
    seeds_and_bars,
    series,
    step_panels,
    titled,
)
from .hits import Hits, hits
from .text import (
    in_percent,
    mean_told,
    moves,
    myst_table,
    percent_told,
    seeds_told,
    trend_of,
    trend_table,
)

PLATEAU = 1.5  # points; a generator gains less by the second half of its training; chosen by us, before any run
NO_LIKELIHOOD = "the paper measures no likelihood"
TOO_FEW_LEFT = "too few images a class"


def likelihood_cells(d: Design) -> Cells:
    """(σ, split, t_re, seed) → log-likelihood, under the seed's generator, of a few images of a split at t_re."""
    arms, choice = d.main, d.main.preset.likelihood
    return {
        (sigma, split, t, s): MeasureLikelihood(
            model=arms.generator(s),
            images=Subset(images=arms.samples(s, t, split=part), count=min(choice.images, arms.data[part].count)),
            settings=choice.settings,
            sigma=sigma,
            seed=s,
            device=arms.device,
        )
        for sigma in choice.sigmas
        for split, part in (("train", "train"), ("test", "probe"))
        for t in arms.preset.table2
        for s in d.seeds
    }


def _nats(value: Likelihood) -> dict[str, float]:
    return {"nats": float(value.nats.mean()), "bits_per_dim": float(value.bits_per_dim.mean()), "n": value.n}


# columns sigma, split, t_re, seed, nats (ln p, mean over images), bits_per_dim, n
likelihood = result("likelihood", likelihood_cells)(read(("sigma", "split", "t_re", "seed"), _nats))


def trimmed_cells(d: Design) -> Cells:
    """("central" or "random", real images, seed) → test predictions of as many of either, at the whole set's steps.

    The central ones are nearest to their class means; the random ones are those of the learning curve.
    """
    arms, cells = d.main, {}
    for share in sorted(arms.preset.trimmed):
        count = arms.share(share)
        for s in d.seeds:
            for name, part in {"central": arms.central, "random": arms.drawn}.items():
                cells[name, count, s] = arms.test(arms.on_real(s, partial(part, count)))
    return cells


trimmed_hits = hits("trimming", trimmed_cells)


def _spread_cells(d: Design) -> Cells:
    """What `trimming` reads: its cells, the whole set's ("whole", seed), and, for the spread, features of both halves
    (("seen", half, seed), see `Arms.halves_seen`) and of other real images (("other", seed))."""
    arms, cells = d.main, trimmed_cells(d)
    if not cells:
        return {}
    for s in d.seeds:
        cells["whole", s] = arms.test(arms.classifier(s, 0))
        cells |= {("seen", half, s): seen for half, seen in enumerate(arms.halves_seen(s))}
        cells["other", s] = other_real(arms, s)
    return cells | {("train",): arms.data["train"]}


@result("trimming", _spread_cells)
def trimming(d: Design, values: Values) -> pd.DataFrame:
    """Real images without their outskirts: columns real_images, seed, central, random, n, and of concentration.

    central, random : test accuracy of classifiers trained on the `real_images` nearest to their class means, and
        on as many random ones; where that is the whole set, of the real classifier.
    trace_ratio, distance_ratio, outer_coverage, grain : of the central ones, cross-fitted (see `metrics.projection`);
        NaN where too few images a class are left.

    Empty where the preset has no such cells.
    """
    counts = sorted({cell[1] for cell in values if cell[0] == "central"})
    if not counts:
        return pd.DataFrame()
    rows = [
        {"real_images": n, "seed": s, **{which: values[which, n, s].accuracy for which in ("central", "random")}}
        for n in counts
        for s in sorted(d.seeds)
    ]
    whole = [(s, values["whole", s].accuracy) for s in d.seeds]
    rows += [{"real_images": d.main.data["train"].count, "seed": s, "central": a, "random": a} for s, a in whole]
    tested = d.main.data["test"].count
    spreads = [_spread(values, row["seed"], row["real_images"]) for row in rows]
    return pd.DataFrame([row | {"n": tested} | spread for row, spread in zip(rows, spreads, strict=True)])


def _spread(values: Values, seed: int, count: int) -> dict[str, float]:
    """Concentration of the `count` central images of half b, as `concentration` measures the synthetic ones."""
    labels = values["train",].labels
    seen = [values["seen", half, seed] for half in (0, 1)]
    kept = np.zeros(len(labels), dtype=bool)
    kept[stratified_lowest(labels, count, centralities(labels, [p.features for p in seen]))] = True
    _, half = halves(labels)
    mine = kept[half]
    return concentration_numbers(values["other", seed], seen[1].features[mine], labels[half][mine])


def _early(arms: Arms, count: int, seed: int) -> Sets:
    """The fully synthetic set of a seed, by its generator when that had seen `count` images."""
    early = Snapshot(run=arms.generator(seed), images=count)
    return None, (arms.samples(seed, REVERSE_STEPS).model_copy(update={"model": early}),)


def checkpoint_cells(d: Design) -> Cells:
    """(images that the generator had seen, seed) → test predictions of synthetic only ×1 from it then; none of a
    generator that was trained elsewhere."""
    arms, cells = d.main, {}
    if arms.model is not None:
        return {}
    for s in d.seeds:
        run = arms.generator(s)
        for count in run.snapshots:
            cells[count, s] = arms.test(arms.trained(s, partial(_early, arms, count)))
        cells[run.training.images, s] = arms.test(arms.classifier(s, REVERSE_STEPS))
    return cells


# synthetic only ×1 by the generator's training: columns generator_images, seed, accuracy, n
checkpoints = result("checkpoints", checkpoint_cells)(measured(("generator_images", "seed"), ACCURACY))
checkpoint_hits = hits("checkpoints", checkpoint_cells)


def gap_cells(d: Design) -> Cells:
    """(t_re, seed) → test predictions of classifiers of the real and of the fully synthetic set, on the main data."""
    return {(t, s): d.main.test(d.main.classifier(s, t)) for t in (0, REVERSE_STEPS) for s in d.seeds}


gap_hits = hits("gap", gap_cells, no_rows="they are among those of table2")


# what the book shows


@exhibit("fig-likelihood", [likelihood], apart=NO_LIKELIHOOD)
def likelihood_curves(d: Design, rows: pd.DataFrame) -> Figure:
    """Log-likelihood against t_re, a panel a noise level, a line for train and one for test images."""
    levels = list(dict.fromkeys(rows.sigma))
    figure, axes = step_panels(len(levels), False)
    for ax, sigma in zip(axes[:, 0], levels, strict=True):
        for number, split in enumerate(("train", "test")):
            chosen = rows[(rows.split == split) & (rows.sigma == sigma)]
            series(ax, chosen, "t_re", "nats", number, f"made from {split} (n = {chosen.n.iloc[0]})")
        titled(ax, f"σ = {sigma:g}")
        ax.set_ylabel("ln p of an image\n(nats; higher is likelier)")
        ax.legend(fontsize=SMALL)
    label_steps(axes[-1, 0])
    figure.suptitle(f"{d.main.name}: {over_seeds(rows)}", fontsize=SMALL)
    means = rows[(rows.split == "test") & (rows.sigma == levels[-1])].groupby("t_re").nats.mean()
    where = f"from reverse step {means.index[0]} to {means.index[-1]} (test images, σ = {levels[-1]:g})"
    return saying(figure, f"The mean ln p of an image {moves(means.iloc[0], means.iloc[-1], 1, ' nats')} {where}.")


@exhibit("tab-likelihood-trends", [likelihood], apart=NO_LIKELIHOOD)
def likelihood_trends(d: Design, rows: pd.DataFrame) -> str:
    """How ln p moves with the reverse step; the paper has no number of it, but its explanation is that it rises."""
    several = [
        trend_of(part, "nats", f"ln p (nats), {split} images, σ = {sigma:g}", "generator", RISES)
        for (sigma, split), part in rows.groupby(["sigma", "split"], sort=False)
    ]
    return trend_table(several, "tab-likelihood-trends")


@exhibit("fig-controls", [trimming, checkpoints, gap_hits], apart="the paper has no such controls")
def controls(d: Design, trimmed: pd.DataFrame, trained: pd.DataFrame, right: Hits) -> Figure:
    """Above: accuracy of central and of random real images by their number; below: of synthetic ones by training."""
    figure, ((by_number,), (by_training,)) = new_figure(NARROW, 5.6, 2, 1)
    real = in_percent(right[0,].mean(axis=1))
    told = [_by_number(by_number, trimmed), _by_training(by_training, trained, real)]
    figure.suptitle(f"{d.main.name}: {seeds_and_bars(len(d.seeds))}", fontsize=SMALL)
    return saying(figure, " ".join(sentence for sentence in told if sentence))


def _by_number(ax: Axes, rows: pd.DataFrame) -> str:
    """The trimming control, and in a sentence what the smallest set of central images does."""
    ax.set_xlabel("real images that are left")
    ax.set_ylabel("test accuracy (%)")
    if rows.empty:
        ax.text(0.5, 0.5, "not run", transform=ax.transAxes, ha="center")
        return ""
    for number, (column, label) in enumerate((("random", "random real images"), ("central", "the most central"))):
        series(ax, rows.assign(percent=100 * rows[column]), "real_images", "percent", number, label)
    ax.legend(fontsize=SMALL)
    few = rows[rows.real_images == rows.real_images.min()]
    return (
        f"The {few.real_images.iloc[0]:,} most central real images reach {100 * few.central.mean():.1f}%, as many "
        f"random ones {100 * few.random.mean():.1f}%."
    )


def _by_training(ax: Axes, rows: pd.DataFrame, real: Estimate) -> str:
    """Accuracy of synthetic images by the generator's training, and in a sentence its last stretch."""
    reference(ax, real, "real images, all")
    ax.set_xlabel("images the generator had seen, with repeats")
    ax.set_ylabel("test accuracy (%)")
    told = ""
    if rows.empty:
        why = "no checkpoints:\nthe generator was trained elsewhere"
        ax.text(0.5, 0.5, why, transform=ax.transAxes, ha="center")
    else:
        rows = rows.assign(percent=100 * rows.accuracy)
        series(ax, rows, "generator_images", "percent", 2, "synthetic images ×1")
        doubling(ax, sorted(rows.generator_images.unique()), fontsize=SMALL)
        last = rows.groupby("generator_images").percent.mean().iloc[-2:]
        where = f"from {last.index[0]:,} to {last.index[-1]:,} images seen"
        told = f"With more training of the generator accuracy {moves(last.iloc[0], last.iloc[-1], 1, '%')}, {where}."
    ax.legend(fontsize=SMALL)
    return told


def late_gain(right: Hits) -> tuple[int, int, Crossed] | None:
    """Images seen at the last checkpoint and at the end of the generator's training, and what the training between them
    gave, in points; None without checkpoints."""
    counts = sorted(n for (n,) in right.names)
    if len(counts) < 2:
        return None
    before, end = counts[-2:]
    return before, end, crossed(right.minus((end,), (before,))).in_points


def at_plateau(gain: Crossed) -> bool | None:
    """Does more training no longer help, by what the last stretch gave, in points? None where that is open."""
    if gain.high < PLATEAU:
        return True
    return False if gain.low > 0 else None


def no_checkpoints(d: Design) -> str:
    """Why there are none."""
    if d.main.model is not None:
        return "the generator was trained elsewhere, and its file holds the end of its training alone"
    return f"the preset {d.preset.name} keeps no checkpoints"


@sentences("plateau", [checkpoint_hits])
def plateau(d: Design, right: Hits) -> str:
    """Whether the generator was trained until more training no longer helps."""
    found = late_gain(right)
    if found is None:
        return f"It is not known whether more training would still help: {no_checkpoints(d)}."
    before, end, gain = found
    words = {
        True: "**The generator is at its plateau**",
        False: "**The generator is not at its plateau**: the gap to real images is partly that of too little training",
        None: "**It is open whether the generator is at its plateau**",
    }[at_plateau(gain)]
    return (
        f"{words}. From {before:,} to {end:,} training images seen, the accuracy with synthetic images ×1 changes by "
        f"{points(gain)}. It counts as a plateau if the upper end is below {PLATEAU:g} points."
    )


@exhibit("tab-trimming", [trimming, trimmed_hits, concentration], apart="the paper has no such control")
def trimming_table(d: Design, rows: pd.DataFrame, right: Hits, spread: pd.DataFrame) -> str:
    """The trimming control: spread and accuracy of the central images beside those of as many random ones."""
    if rows.empty:
        return "The trimming control is not run at this preset."
    out = []
    for count, mine in rows.groupby("real_images", sort=True):
        mine = mine.sort_values("seed")
        whole = count == rows.real_images.max()
        lost = "–" if whole else difference(crossed(right.minus(("random", count), ("central", count))).in_points, 1)
        out.append(
            {
                "training images": f"{count:,}" + (" (all)" if whole else " most central"),
                **_spread_of(mine),
                "accuracy (%)": percent_told(mine.central),
                "as many random (%)": percent_told(mine.random),
                "lost (points)": lost,
            }
        )
    synthetic = spread[(spread.protocol == CROSSFIT) & (spread.t_re == REVERSE_STEPS)]
    out.append({"training images": f"synthetic, t_re = {REVERSE_STEPS}", **_spread_of(synthetic)})
    caption = (
        f"Real images without their outskirts, {d.main.name}: what is kept lies nearest to the means of its classes, "
        "by features of a classifier that has not seen it. Spread: cross-fitted, against other real images. "
        f"{capital(mean_told(rows.seed.nunique()))}; lost: 95% interval over seeds and {rows.n.iloc[0]:,} test images"
    )
    return myst_table(out, caption, "tab-trimming")


def _spread_of(rows: pd.DataFrame) -> dict[str, str]:
    """The two measures of spread, as a table shows them."""
    titles = {
        "trace_ratio": "variance within a class, real = 1",
        "distance_ratio": "distance to the class mean, real = 1",
    }
    out = {}
    for column, title in titles.items():
        unknown = rows.empty or rows[column].isna().any()
        out[title] = TOO_FEW_LEFT if unknown else seeds_told(rows[column], 2, range_of(column))
    return out
