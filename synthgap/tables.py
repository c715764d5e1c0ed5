"""Tables as MyST Markdown: the paper's numbers beside ours, units and intervals in the heading."""

from __future__ import annotations

import functools
from importlib.resources import files

import numpy as np
import pandas as pd
import yaml

from .study.arms import REAL_ONLY, SYNTHETIC_ONLY
from .study.stats import Estimate, estimate_mean, paired_difference

NOT_RUN = "not run"
PM = "\u00a0±\u00a0"  # with no-break spaces, so that a cell stays on one line


@functools.cache
def paper_table(name: str) -> dict:
    """Published numbers of "table1" … "table4"; a pair is [mean, ±] in percent."""
    text = files("synthgap").joinpath("paper", "tables.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)[name]


def myst_table(rows: pd.DataFrame, caption: str, label: str) -> str:
    """A numbered table for Jupyter Book; `label` is what {numref} refers to."""
    return f"```{{table}} {caption}\n:name: {label}\n\n{_markdown(rows)}\n```"


def _markdown(rows: pd.DataFrame) -> str:
    lines = ["| " + " | ".join(map(str, rows.columns)) + " |", "|" + "---|" * len(rows.columns)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows.itertuples(index=False)]
    return "\n".join(lines)


def plus_minus(e: Estimate) -> str:
    """ "97.1 ± 0.4", or the mean alone where there is one seed; the estimate is in percent already."""
    return f"{e.mean:.2f}" if np.isnan(e.half_width) else f"{e.mean:.2f}{PM}{e.half_width:.2f}"


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
            line[f"{name} (%)"] = plus_minus(estimate_mean(cell))
            line[f"{name}: change"] = "–" if t == first else _signed(paired_difference(cell, base))
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
    """Table 3: replication and augmentation, ours by multiple beside the paper's Aircraft column."""
    paper = paper_table("table3")
    multiples = sorted({*rows.multiple.unique(), 1, 3, 5} - {0})
    out = []
    for arm, theirs in paper.items():
        mine = rows[rows.arm == arm]
        line: dict[str, object] = {"method": arm_title(arm)}
        for k in multiples:
            key = 0 if arm == REAL_ONLY else k
            cell = 100 * mine[mine.multiple == key].accuracy.to_numpy()
            line[f"×{k} (%)"] = plus_minus(estimate_mean(cell)) if len(cell) else NOT_RUN
        for k in (1, 3, 5):
            line[f"paper: ×{k} (%)"] = published(theirs.get(0 if arm == REAL_ONLY else k))
        if arm == REAL_ONLY:  # one number, whatever the multiple
            for column in [c for c in line if c.endswith("(%)") and "×1" not in c]:
                line[column] = ""
        out.append(line)
    caption = (
        f"Dataset replication and augmentation (the paper's Table 3). Ours: {name}, mean over "
        f"{rows.seed.nunique()} seeds ± half-width of the 95% interval, {rows.n.iloc[0]:,} test images. "
        f"Paper: Aircraft. “{NOT_RUN}”: not part of the preset {preset}"
    )
    return myst_table(pd.DataFrame(out), caption, "tab-3")


def fidelity(rows: pd.DataFrame) -> str:
    """Figure 6's numbers (see `Study.fidelity_curve`) with their intervals."""
    out = []
    for t, group in rows.groupby("t_re"):
        line: dict[str, object] = {"t_re": "other real images" if t < 0 else t}
        for column, title in (("frechet", "FD-classifier"), ("precision", "precision"), ("recall", "recall")):
            line[title] = plus_minus(estimate_mean(group[column].to_numpy()))
        line["images (real, other)"] = f"{group.n_real.iloc[0]:,}, {group.n_fake.iloc[0]:,}"
        out.append(line)
    caption = f"Fidelity by reverse step: mean over {rows.seed.nunique()} seeds ± half-width of the 95% interval"
    return myst_table(pd.DataFrame(out), caption, "tab-fidelity")


def arm_title(arm: str) -> str:
    """A row's name in Table 3: "100" → "real + naïve (t_re = 100)", "50-100" → "real + t_re = rand(50, 100)"."""
    if arm in (REAL_ONLY, SYNTHETIC_ONLY):
        return arm
    low, dash, high = arm.partition("-")
    if dash:
        return f"real + t_re = rand({low}, {high})"
    return f"real + naïve (t_re = {arm})" if arm == "100" else f"real + t_re = {arm}"


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


def _signed(e: Estimate) -> str:
    return f"{e.mean:+.2f}" if np.isnan(e.half_width) else f"{e.mean:+.2f}{PM}{e.half_width:.2f}"
