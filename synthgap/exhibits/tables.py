"""Tables as MyST Markdown: the paper's numbers beside ours, units and intervals in the heading."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from ..classifier.policies import POLICIES
from ..design.arms import BOOTSTRAP, CROSSFIT, DEFAULT, GAN, GIVEN, INSTEAD, REAL_ONLY
from ..design.variants import VARIANTS
from ..metrics.memorization import COPYING_BELOW
from ..paper.published import read_paper
from ..stats.intervals import (
    PERCENT,
    Comparison,
    Estimate,
    VarianceParts,
    estimate_mean,
    paired_difference,
    range_of,
    range_of_difference,
)
from ..stats.trends import FALLS, RISES, Trend

NOT_RUN = "not run"
TOO_FEW = "too few images"
UNMEASURED = "too few images, or too many that are alike, to measure this"
LEVEL = 0.05
TITLES = {  # arms whose title is not made from their reverse step
    "100": "real + naïve (t_re = 100)",
    "0": "real + a second real batch",
    BOOTSTRAP: "real, drawn with replacement",
    GIVEN: "real + given",
}
DOMAINS = {"pixel": "pixel (%)", "dct": "DCT (%)"}
PM = "\u00a0±\u00a0"  # with no-break spaces, so that a cell stays on one line


def paper_table(name: str) -> dict:
    """Published numbers of "table1" … "table4"; a pair is [mean, ±] in percent."""
    return read_paper("tables.yaml")[name]


def myst_table(rows: pd.DataFrame, caption: str, label: str, *, sortable: bool = False) -> str:
    """A numbered table for Jupyter Book; `label` is what {numref} refers to, `sortable` lets readers order its rows."""
    title = caption.replace("`", "'")  # a backtick, of a folder's name perhaps, would end the fence
    options = f":name: {label}\n" + ":class: sortable\n" * sortable
    return f"```{{table}} {title}\n{options}\n{_markdown(rows)}\n```"


def _markdown(rows: pd.DataFrame) -> str:
    lines = ["| " + " | ".join(map(str, rows.columns)) + " |", "|" + "---|" * len(rows.columns)]
    for row in rows.itertuples(index=False):
        lines.append("| " + " | ".join(re.sub(r"(?<!\\)[|]", r"\|", str(value)) for value in row) + " |")
    return "\n".join(lines)


def left_out(caption: str, label: str) -> str:
    """In the place of a table without rows: why it is left out, under the same label."""
    return myst_table(pd.DataFrame([{"left out": UNMEASURED}]), caption, label)


def plus_minus(e: Estimate) -> str:
    """ "97.1 ± 0.4", "50.0 (0.0 to 100.0)" where ± would leave the possible, the mean alone where there is one seed."""
    if np.isnan(e.half_width):
        return f"{e.mean:.2f}"
    return f"{e.mean:.2f} ({e.low:.2f} to {e.high:.2f})" if e.cut else f"{e.mean:.2f}{PM}{e.half_width:.2f}"


def percent(shares: pd.Series) -> Estimate:
    """Mean of shares in [0, 1], one a seed, in percent."""
    return estimate_mean(100 * shares.to_numpy(), span=PERCENT)


def mean_of(rows: pd.DataFrame, column: str) -> str:
    """Mean ± half of a column, one row a seed, in the range that the column has; NaN: too few images."""
    values = rows[column].to_numpy()
    return TOO_FEW if np.isnan(values).any() else plus_minus(estimate_mean(values, span=range_of(column)))


def published(pair: list[float] | None) -> str:
    return "–" if pair is None else f"{pair[0]:.2f}{PM}{pair[1]:.2f}"


def table2(rows: pd.DataFrame) -> str:
    """Table 2: accuracy against reverse step, ours a column a data set, the paper's two beside them."""
    paper = paper_table("table2")
    datasets = list(dict.fromkeys(rows.dataset))
    first = rows.t_re.min()
    out = []
    for t in sorted(rows.t_re.unique()):
        line: dict[str, object] = {"t_re": f"{t}" + {0: " (real)", 100: " (synthetic)"}.get(t, "")}
        for name in datasets:
            mine = rows[rows.dataset == name].sort_values("seed")
            cell, base = (100 * mine[mine.t_re == step].accuracy.to_numpy() for step in (t, first))
            line[f"σ, {name}"] = f"{mine[mine.t_re == t].sigma.iloc[0]:.3g}"
            line[f"{name} (%)"] = plus_minus(estimate_mean(cell, span=PERCENT))
            change = paired_difference(cell, base, span=PERCENT)
            line[f"{name}: change"] = "–" if t == first else _signed(change)
        for name, column in paper.items():
            line[f"{name}, paper (%)"] = published(column.get(int(t)))
        out.append(line)
    n = ", ".join(f"{d} {rows[rows.dataset == d].n.iloc[0]:,}" for d in datasets)
    caption = (
        f"Top-1 test accuracy against reverse step (the paper's Table 2). Ours: mean over {rows.seed.nunique()} seeds "
        f"± half-width of the 95% interval; change: points from t_re = {first}, paired by seed. Test images: {n}"
    )
    return myst_table(pd.DataFrame(out), caption, "tab-2")


def table3(rows: pd.DataFrame, name: str, preset: str) -> str:
    """Table 3: replication and augmentation, ours by multiple beside the paper's Aircraft column; controls below."""
    paper = paper_table("table3")
    multiples = sorted({*rows.multiple.unique(), 1, 3, 5} - {0})
    out = []
    for arm in [*paper, *(a for a in dict.fromkeys(rows.arm) if a not in paper)]:
        mine = rows[rows.arm == arm]
        alone = arm == REAL_ONLY or arm in POLICIES  # one number, whatever the multiple
        line: dict[str, object] = {"method": arm_title(arm)}
        for k in multiples:
            cell = 100 * mine[mine.multiple == (0 if alone else k)].accuracy.to_numpy()
            line[f"×{k:g} (%)"] = plus_minus(estimate_mean(cell, span=PERCENT)) if len(cell) else NOT_RUN
        for k in (1, 3, 5):
            line[f"paper: ×{k} (%)"] = published(paper.get(arm, {}).get(0 if alone else k))
        if alone:
            for column in [c for c in line if c.endswith("(%)") and "×1 " not in c]:
                line[column] = ""
        out.append(line)
    caption = (
        f"Dataset replication and augmentation (the paper's Table 3). Ours: {name}, mean over "
        f"{rows.seed.nunique()} seeds ± half-width of the 95% interval, {rows.n.iloc[0]:,} test images. "
        f"Paper: Aircraft; rows without its numbers are controls of ours. “{NOT_RUN}”: not part of the preset {preset}"
    )
    return myst_table(pd.DataFrame(out), caption, "tab-3")


def table4(rows: pd.DataFrame, generators: pd.DataFrame, preset: str) -> str:
    """Table 4: its arms on every data set beside the paper's three, with the generator's fidelity below.

    rows : of `Study.table4`; generators : of `Study.table4_fidelity`.
    """
    paper = paper_table("table4")
    datasets = list(dict.fromkeys(rows.dataset))
    out = []
    for row, theirs in paper.items():
        arm, _, times = row.partition(" ×")
        line: dict[str, object] = {"method": arm_title(arm) + (f" ×{times}" if times else "")}
        for name in datasets:
            mine = rows[(rows.dataset == name) & (rows.arm == arm)]
            mine = mine[mine.multiple == int(times)] if times else mine
            line[f"{name} (%)"] = plus_minus(percent(mine.accuracy)) if len(mine) else NOT_RUN
        out.append(line | {f"{column}, paper (%)": published(pair) for column, pair in theirs.items()})
    judged = [
        ("Fréchet distance of the samples, t_re = 100", CROSSFIT, 100, "frechet"),
        ("the same of other real images", CROSSFIT, 0, "frechet"),
        ("recall of the samples, t_re = 100", CROSSFIT, 100, "recall"),
        ("the same of other real images", CROSSFIT, 0, "recall"),
    ]
    for title, protocol, t, column in judged:
        line = {"method": title}
        for name in datasets:
            mine = generators[(generators.dataset == name) & (generators.protocol == protocol) & (generators.t_re == t)]
            line[f"{name} (%)"] = mean_of(mine, column) if len(mine) else TOO_FEW
        fid = paper_table("table4_fid") if column == "frechet" and t else {}
        out.append(line | {f"{c}, paper (%)": f"{fid[c]:.1f} (FID)" if c in fid else "" for c in paper["real only"]})
    caption = (
        f"Replication, traditional and synthetic augmentation on several data sets (the paper's Table 4). Ours: mean "
        f"over {rows.seed.nunique()} seeds ± half-width of the 95% interval. Last rows: the generator, cross-fitted, "
        f"FD-classifier (not a percentage; the paper: FID). “{NOT_RUN}”: not part of the preset {preset}"
    )
    return myst_table(pd.DataFrame(out), caption, "tab-4")


def comparisons(several: list[Comparison], caption: str, label: str) -> str:
    """Paired comparisons of one family: difference in points, its interval, p as it is and after Holm's correction."""
    if not several:
        return "This preset runs no two arms that these comparisons need."
    out = []
    for c in several:
        decided = "undecided" if not c.p_holm < LEVEL else "ahead" if c.difference.mean > 0 else "behind"
        out.append(
            {
                "arm": cell_title(c.first),
                "against": cell_title(c.second),
                "difference (points)": _interval(c.difference),
                "p": p_value(c.p),
                "p, Holm": p_value(c.p_holm),
                "at 5%": f"**{decided}**" if decided != "undecided" else decided,
            }
        )
    table = pd.DataFrame(out)
    if table["against"].nunique() == 1:  # the caption says it
        table = table.drop(columns="against")
    n = several[0].difference.n
    text = (
        f"{caption}. Paired by seed ({n}), 95% intervals and two-sided t tests; Holm's correction is over the "
        f"{len(several)} lines. The last column goes by the corrected p"
    )
    return myst_table(table, text, label)


def validation(rows: pd.DataFrame, test: pd.DataFrame, chosen: dict[int, str]) -> str:
    """The arms with synthetic images as validation and test images see them; `chosen`: multiple → best arm there."""
    out = []
    for (multiple, arm), mine in rows.groupby(["multiple", "arm"], sort=False):
        theirs = test[(test.arm == arm) & (test.multiple == multiple)]
        out.append(
            {
                "arm": f"{arm_title(arm)} ×{multiple:g}",
                "validation (%)": plus_minus(percent(mine.accuracy)),
                "test (%)": plus_minus(percent(theirs.accuracy)),
                "chosen": "**yes**" if chosen.get(multiple) == arm else "",
            }
        )
    caption = (
        f"Choosing a reverse step on validation images ({rows.n.iloc[0]:,}; test {test.n.iloc[0]:,}): for each "
        "multiple the arm with the best mean over seeds"
    )
    return myst_table(pd.DataFrame(out), caption, "tab-validation")


def variance(parts: VarianceParts | None, name: str) -> str:
    """Where the variance of one accuracy lies (see `Study.variance`)."""
    if parts is None:
        return "With one seed the variance can't be divided: run two seeds or more."
    g, c = parts.shape
    out = pd.DataFrame(
        {
            "source": ["generator", "classifier", "the two together, and the rest", "test images"],
            "what changes": [
                "the diffusion model's seed and its samples",
                "initial weights, order of batches",
                "what neither explains by itself",
                "other test images of the same kind",
            ],
            "standard deviation (points)": [
                f"{v:.2f}" for v in (parts.generator, parts.classifier, parts.both, parts.images)
            ],
        }
    )
    caption = (
        f"Variance by source of the accuracy of “synthetic only” ×1, {name}: {g} generators crossed with {c} "
        "classifiers, two-way random effects. From so few they are orders of magnitude"
    )
    return myst_table(out, caption, "tab-variance")


def sensitivity(rows: pd.DataFrame, levels: pd.DataFrame, name: str) -> str:
    """Test accuracy with one choice changed, and how the gap to real images moves (see `Study.sensitivity`)."""
    cells, changes = _by_variant(rows), _gap_changes(rows)
    steps = sorted(set(rows.t_re) - {0})
    out = []
    for variant in dict.fromkeys(rows.variant):
        line: dict[str, object] = {"changed": variant_title(variant)}
        for t in (0, *steps):
            line[f"t_re = {t} (%)"] = plus_minus(estimate_mean(cells[variant, t], span=PERCENT))
        for t in steps:
            line[f"gap at {t}: change"] = "–" if variant == DEFAULT else _signed(changes[variant, t])
        known = levels[(levels.variant == variant) & (levels.t_re == steps[-1])]
        line["evaluations"] = f"{known.evaluations.iloc[0]}" if len(known) else "as usual"
        out.append(line)
    caption = (
        f"The paper's Table 2 with one choice changed, {name}: mean over {rows.seed.nunique()} seeds ± half-width of "
        "the 95% interval. Gap: accuracy of real images minus that at the reverse step, under the same choice; its "
        f"change is paired by seed. Evaluations: of the network for one image at t_re = {steps[-1]}"
    )
    return myst_table(pd.DataFrame(out), caption, "tab-sensitivity")


def sensitivity_fidelity(rows: pd.DataFrame, levels: pd.DataFrame, name: str) -> str:
    """Figure 6's measures with one choice about sampling changed (see `Study.sensitivity_fidelity`)."""
    titles = {"frechet": "FD-classifier", "precision": "precision", "recall": "recall"}
    if rows.empty:
        return left_out("The measures of Figure 6 with one choice about sampling changed", "tab-sensitivity-fidelity")
    out = []
    for (variant, t, protocol), mine in rows.groupby(["variant", "t_re", "protocol"], sort=False):
        sigma = levels[(levels.variant == variant) & (levels.t_re == t)].sigma.iloc[0]
        line = {"changed": variant_title(variant), "t_re": t, "σ": f"{sigma:.3g}", "protocol": protocol}
        out.append(line | {title: mean_of(mine, c) for c, title in titles.items()})
    caption = (
        f"The measures of Figure 6 with one choice about sampling changed, {name}: mean over {rows.seed.nunique()} "
        "seeds ± half-width of the 95% interval"
    )
    return myst_table(pd.DataFrame(out), caption, "tab-sensitivity-fidelity")


def sensitivity_sentences(rows: pd.DataFrame) -> list[str]:
    """One sentence a variant and reverse step: does the gap to real images change?"""
    out = []
    for (name, t), e in _gap_changes(rows).items():
        if np.isnan(e.half_width):
            effect = f"{e.mean:+.2f} points (one seed: nothing can be said)"
        else:
            moved = "wider" if e.low > 0 else "narrower" if e.high < 0 else ""
            word = f"**{moved}**" if moved else "not told from unchanged"
            effect = f"{word}: {e.mean:+.2f} points (95% interval {e.low:+.2f} to {e.high:+.2f}, {e.n} seeds)"
        out.append(f"{variant_title(name)}: the gap at t_re = {t} is {effect}.")
    return out


def sensitivity_summary(rows: pd.DataFrame) -> str:
    """How many changes of the gap are told from none, and those (see `sensitivity_sentences`)."""
    several = sensitivity_sentences(rows)
    if not several:
        return "This preset changes none of the choices."
    told = [s for s in several if "**" in s]
    count = f"{len(told)} are" if len(told) > 1 else "1 is" if told else "none is"
    first = f"Of {len(several)} changes of the gap {count} told from no change"
    return "\n".join([f"{first}{':' if told else '.'}", *(f"- {s[0].upper()}{s[1:]}" for s in told)])


def _by_variant(rows: pd.DataFrame) -> dict[tuple[str, int], np.ndarray]:
    """(variant, t_re) → accuracies in percent, in the order of the seeds."""
    groups = rows.sort_values("seed").groupby(["variant", "t_re"])
    return {cell: 100 * mine.accuracy.to_numpy() for cell, mine in groups}


def _gap_changes(rows: pd.DataFrame) -> dict[tuple[str, int], Estimate]:
    """(variant, t_re) → change of the gap to real images by the variant, paired by seed, in points."""
    cells = _by_variant(rows)
    gap = {(name, t): cells[name, 0] - cells[name, t] for name, t in cells}
    names = [name for name in dict.fromkeys(rows.variant) if name != DEFAULT]
    steps = sorted(set(rows.t_re) - {0})
    gaps = range_of_difference(PERCENT)
    return {(name, t): paired_difference(gap[name, t], gap[DEFAULT, t], span=gaps) for name in names for t in steps}


def variants_left_out(run: tuple[str, ...], preset: str) -> str:
    """The variants that a preset does not run, as a list."""
    left = [name for name in VARIANTS if name not in run]
    if not left:
        return f"The preset {preset} runs every variant."
    return "\n".join(f"- {variant_title(name)}: {NOT_RUN} at {preset}" for name in left)


def variant_title(name: str) -> str:
    """A variant as a reader sees it: what it does, in place of what."""
    if name == DEFAULT:
        return "nothing"
    return f"{VARIANTS[name].what} (in place of {VARIANTS[name].default})"


def table1(rows: pd.DataFrame, name: str) -> str:
    """Table 1: fake detection in both domains, ours by detector and reverse step, the paper's two generators below."""
    if rows.empty:
        return left_out("Fake detection accuracy (the paper's Table 1)", "tab-1")
    out = []
    for (detector, t), group in rows.groupby(["detector", "t_re"], sort=False):
        model, step = ("StyleGAN3", "–") if t == GAN else ("EDM", t)
        line: dict[str, object] = {"generator": f"{model}, {name}", "t_re": step, "detector": detector}
        for domain, title in DOMAINS.items():
            mine = group[group.domain == domain]
            line[title] = plus_minus(percent(mine.accuracy)) if len(mine) else TOO_FEW
        out.append(line)
    if not (rows.t_re == GAN).any():
        line = {"generator": f"StyleGAN3, {name}", "t_re": "–", "detector": NOT_RUN}
        out.append(line | dict.fromkeys(DOMAINS.values(), NOT_RUN))
    for generator, theirs in paper_table("table1").items():
        line = {"generator": f"{generator}, CIFAR-10 (paper)", "t_re": 100, "detector": "not stated"}
        out.append(line | {title: f"{theirs[domain]:.2f}" for domain, title in DOMAINS.items()})
    caption = (
        f"Fake detection accuracy (the paper's Table 1; 50% is chance). Ours: five-fold cross-validation over "
        f"{rows.n.iloc[0]:,} pairs, mean over {rows.seed.nunique()} seeds ± half-width of the 95% interval"
    )
    return myst_table(pd.DataFrame(out), caption, "tab-1")


def rivals(rows: pd.DataFrame, collapse: pd.DataFrame, collapsed: dict[int, str], name: str, preset: str) -> str:
    """Real images, the diffusion model's and the GAN's side by side, of `Study.rivals`, `collapse` and `collapsed`."""
    titles = {
        "frechet": "FD-classifier",
        "precision": "precision",
        "recall": "recall",
        "agreement": "given their label (%)",
        **{c: f"accuracy ×{c.partition('_')[2]} (%)" for c in rows if c.startswith("accuracy_")},
        "copying": "C_T",
    }
    out = []
    for source, mine in rows.groupby("source", sort=False):
        line: dict[str, object] = {"images": source}
        for column, title in titles.items():
            values, span = mine[column].to_numpy(dtype=float), range_of(column)
            if "%" in title:
                values, span = 100 * values, PERCENT
            line[title] = "" if np.isnan(values).any() else plus_minus(estimate_mean(values, span=span))
        if source == INSTEAD[GAN]:
            line["diversity within classes, real = 1"] = mean_of(collapse, "diversity")
            if collapsed:
                line["images"] = f"{source} (**{len(collapsed)} of {len(mine)} collapsed**)"
        out.append(line)
    if collapse.empty:
        out.append({"images": "StyleGAN3"} | dict.fromkeys(titles.values(), NOT_RUN))
    caption = (
        f"The diffusion model and its rival, {name}: mean over {rows.seed.nunique()} seeds ± half-width of the 95% "
        "interval. Fidelity and labels: cross-fitted, by a classifier of half of the training set on the other half; "
        "real: that half itself. Accuracy: of classifiers trained on ×k of these images alone. C_T: far below 0 means "
        f"copying. “{NOT_RUN}”: not part of the preset {preset}"
    )
    return myst_table(pd.DataFrame(out).fillna(""), caption, "tab-rivals")


def collapse_sentence(collapse: pd.DataFrame, collapsed: dict[int, str]) -> str:
    """Whether the GAN has collapsed, seed by seed: a mean over seeds would hide it."""
    if collapse.empty:
        return "This preset trains no GAN."
    if not collapsed:
        return f"None of the {len(collapse)} GANs has collapsed, by the signs that are looked for."
    told = "; ".join(f"seed {seed}: {reason}" for seed, reason in collapsed.items())
    return (
        f"**{len(collapsed)} of {len(collapse)} GANs have collapsed** ({told}). Numbers of the GAN in this book are "
        "means over all seeds and hold these, too; they say little about a GAN that trains well."
    )


def detection_sentence(rows: pd.DataFrame) -> str:
    """Whether the fully synthetic set is told from the real one, by the first detector (see `Study.table1`)."""
    if rows.empty:
        return f"No detector is asked: there are {UNMEASURED}."
    detector = rows.detector.iloc[0]
    parts = []
    for domain, title in (("pixel", "on pixels"), ("dct", "on DCT coefficients")):
        chosen = rows[(rows.detector == detector) & (rows.domain == domain) & (rows.t_re == 100)]
        if chosen.empty:
            parts.append(f"{title} nothing is measured ({UNMEASURED})")
            continue
        e = percent(chosen.accuracy)
        if np.isnan(e.half_width):
            parts.append(f"{title} {e.mean:.1f}% of images are judged rightly (one seed: no interval)")
            continue
        verdict = "above chance" if e.low > 50 else "below chance" if e.high < 50 else "not told from chance"
        parts.append(f"{title} {e.mean:.1f}% of images are judged rightly ({e.low:.1f} to {e.high:.1f}): **{verdict}**")
    return f"At reverse step 100, {' and '.join(parts)} (detector: {detector}, 95% intervals over seeds)."


def copying_sentence(rows: pd.DataFrame) -> str:
    """What C_T says of the smallest reverse step above 0 and of the fully synthetic set (see `Study.memorization`)."""
    parts = []
    for t in (int(rows.t_re[rows.t_re > 0].min()), 100):
        score = rows[rows.t_re == t].copying
        if score.isna().any():
            parts.append(f"at reverse step {t} there are too few images to tell")
            continue
        mean = score.mean()
        words = "no sign of copying"
        if mean < COPYING_BELOW:
            words = "reads as copying"
        elif mean > -COPYING_BELOW:
            words = "further from the training images than other real images are: no copying"
        parts.append(f"at reverse step {t} C_T is {mean:+.1f} (**{words}**)")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}. Copies score far below 0, fresh real images about 0."


def fidelity(rows: pd.DataFrame) -> str:
    """Figure 6's numbers (see `Study.fidelity_curve`) with their intervals."""
    titles = {
        "frechet": "FD-classifier",
        "kid": "KD-classifier",
        "precision": "precision",
        "recall": "recall",
        "density": "density",
        "coverage": "coverage",
    }
    if rows.empty:
        return left_out("Fidelity by reverse step", "tab-fidelity")
    sizes = "; ".join(f"{p} {g.n_fake.iloc[0]:,}" for p, g in rows.groupby("protocol", sort=False))
    caption = (
        f"Fidelity by reverse step: mean over {rows.seed.nunique()} seeds ± half-width of the 95% interval. "
        f"Images of each set: {sizes}"
    )
    return myst_table(_by_step(rows, titles), caption, "tab-fidelity")


def concentration(rows: pd.DataFrame) -> str:
    """What `Study.concentration` says."""
    titles = {
        "trace_ratio": "spread (ratio of variances)",
        "distance_ratio": "distance to the class mean (ratio)",
        "outer_coverage": "outermost tenth covered",
    }
    if rows.empty:
        return left_out("Concentration within the classes", "tab-concentration")
    caption = (
        "Concentration within the classes, set against real images; 1 is as spread as they are. "
        f"Mean over {rows.seed.nunique()} seeds ± half-width of the 95% interval"
    )
    return myst_table(_by_step(rows, titles), caption, "tab-concentration")


def memorization(rows: pd.DataFrame) -> str:
    """What `Study.memorization` says."""
    titles = {
        "authentic": "authentic (share)",
        "ratio": "distance to train / to other real",
        "copying": "C_T",
        "closest": "smallest distance to train (grey levels)",
    }
    caption = (
        f"Signs of copying in pixels, {rows.n_fake.iloc[0]:,} images: mean over {rows.seed.nunique()} seeds "
        "± half-width of the 95% interval. C_T: z score, far below 0 means copying. Distances are Euclidean"
    )
    return myst_table(_by_step(rows, titles), caption, "tab-memorization")


def attention(rows: pd.DataFrame) -> str:
    """What `Study.attention` says: similarity of GradCAM maps, and its change from what another seed alone does."""
    if rows.empty:
        return "With one seed there is no other classifier to compare the maps with: run two seeds or more."
    alone = rows[rows.t_re == 0].sort_values("seed").similarity.to_numpy()
    out = []
    groups = dict(list(rows.groupby("t_re")))
    for t in sorted(groups, key=lambda t: (t < 0, t)):  # a GAN last
        group = groups[t]
        values = group.sort_values("seed").similarity.to_numpy()
        change = "–" if t == 0 else _signed(paired_difference(values, alone, span=range_of("similarity")))
        out.append(
            {
                "t_re": INSTEAD.get(t, t),
                "similarity": mean_of(group, "similarity"),
                "change from t_re = 0": change,
            }
        )
    caption = (
        "Correlation of a test image's GradCAM maps between a classifier trained on real images and classifiers of "
        f"other seeds trained at t_re. Mean over {rows.seed.nunique()} seeds ± half-width of the 95% interval"
    )
    return myst_table(pd.DataFrame(out), caption, "tab-attention")


def trends(several: list[Trend], label: str) -> str:
    """What `Study.trends` says: the change of each measure with the reverse step, and whether it is the paper's."""
    out = [
        {
            "measure": t.measure,
            "seen by": t.protocol,
            "paper": {RISES: "rises", FALLS: "falls"}[t.direction],
            "change from t_re = 0 to 100": _interval(t.change),
            "p, Page": p_value(t.page),
            "here": f"**{t.verdict}**",
        }
        for t in several
    ]
    if not several:
        return left_out("Trends with the reverse step", label)
    n = several[0].change.n
    caption = (
        f"Trends with the reverse step: slope over all steps times 100, 95% interval over {n} seed{'s' * (n > 1)} "
        "(Student's t, not corrected for the number of trends). Holds, fails: the interval lies on the paper's side "
        "of 0, or on the other. p, Page: of Page's one-sided test for the paper's direction"
    )
    return myst_table(pd.DataFrame(out), caption, label)


def _by_step(rows: pd.DataFrame, titles: dict[str, str]) -> pd.DataFrame:
    """A line for each protocol (where there are several) and reverse step, the columns of `titles` as mean ± half."""
    keys = ["protocol", "t_re"] if "protocol" in rows else ["t_re"]
    out = []
    for (*protocol, t), group in rows.groupby(keys, sort=False):
        name = ": ".join([*protocol, INSTEAD.get(t, str(t))])
        line = {title: mean_of(group, column) for column, title in titles.items()}
        out.append({", ".join(keys): name, **line})
    return pd.DataFrame(out)


def arm_title(arm: str) -> str:
    """A row's name in Table 3: "100" → "real + naïve (t_re = 100)", "50-100" → "real + t_re = rand(50, 100)"."""
    base, plus, policy = arm.partition(" + ")
    if plus:
        return f"{arm_title(base)}, {policy}"
    if base in TITLES:
        return TITLES[base]
    low, dash, high = base.partition("-")
    if dash and low.isdigit():
        return f"real + t_re = rand({low}, {high})"
    return f"real + t_re = {base}" if base.isdigit() else base


def cell_title(cell: str) -> str:
    """The same of an arm with its multiple: "50-100 ×5"."""
    arm, times, multiple = cell.partition(" ×")
    return arm_title(arm) + times + multiple


def p_value(p: float) -> str:
    """A p-value with three decimals; "–" for none."""
    return "–" if np.isnan(p) else f"{p:.3f}" if p >= 0.001 else "< .001"


def noise_levels(rows: pd.DataFrame) -> str:
    """σ of each reverse step in three conventions (see `Study.noise_levels`)."""
    out = pd.DataFrame(
        {
            "reverse step t_re": rows.t_re,
            "σ here": [f"{v:.3g}" for v in rows.sigma],
            "σ at 32×32": [f"{v:.3g}" for v in rows.paper_scale],
            "σ, DDPM (T = 1000)": [f"{v:.3g}" for v in rows.vp],
            "network evaluations": rows.evaluations,
        }
    )
    caption = "Noise level of a reverse step, in units of images scaled to [−1, 1], and the evaluations it costs"
    return myst_table(out, caption, "tab-noise")


def algorithm_distances(rows: pd.DataFrame) -> str:
    """What `Study.algorithm_distances` says, one line a reverse step."""
    out = []
    for t, group in rows.groupby("t_re"):
        line: dict[str, object] = {"t_re": t}
        for name, title in (("EDM", "EDM"), ("corrected", "corrected"), ("printed", "printed")):
            one = group[group.algorithm == name].iloc[0]
            if name != "printed":  # it shares the schedule of the corrected one
                line[f"σ, {'EDM' if name == 'EDM' else 'DDPM'}"] = f"{one.sigma:.3g}"
            line[f"distance, {title}"] = f"{one.distance:.1f}"
        out.append(line)
    caption = "Mean distance between an image and its reconstruction, in grey levels of 255"
    return myst_table(pd.DataFrame(out), caption, "tab-algorithms")


def data_table(rows: pd.DataFrame) -> str:
    """What `Study.data_summary` says."""
    return myst_table(rows, "Data sets, their splits and the hash of the splits' members", "tab-data")


def difference_sentence(first: str, second: str, e: Estimate) -> str:
    """One sentence on first − second (points): which is ahead, or that the interval does not decide."""
    if np.isnan(e.half_width):
        return f"With one seed nothing can be said of {first} against {second}: run two seeds or more."
    span = f"95% interval {e.low:+.2f} to {e.high:+.2f}, {e.n} seeds"
    if e.low > 0 or e.high < 0:
        ahead, behind = (first, second) if e.mean > 0 else (second, first)
        return f"**{ahead}** is ahead of **{behind}** by {abs(e.mean):.2f} points ({first} − {second}: {span})."
    return f"**{first}** against **{second}** is undecided: {e.mean:+.2f} points ({span})."


def _interval(e: Estimate) -> str:
    """ "+0.12 (+0.03 to +0.21)", with the digits that its size calls for."""
    digits = 2 if abs(e.mean) >= 1 else 3
    if np.isnan(e.half_width):
        return f"{e.mean:+.{digits}f}"
    return f"{e.mean:+.{digits}f} ({e.low:+.{digits}f} to {e.high:+.{digits}f})"


def _signed(e: Estimate) -> str:
    if np.isnan(e.half_width):
        return f"{e.mean:+.2f}"
    return f"{e.mean:+.2f} ({e.low:+.2f} to {e.high:+.2f})" if e.cut else f"{e.mean:+.2f}{PM}{e.half_width:.2f}"
