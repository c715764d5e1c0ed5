"""Section 4.1, its rival: real images, the diffusion model's and the GAN's side by side."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ..base.words import NOT_RUN
from ..design.arms import CROSSFIT
from ..design.loading import Design
from ..design.values import GAN, GAN_ONLY, INSTEAD, REAL_ONLY, SYNTHETIC_ONLY
from ..diffusion.schedule import REVERSE_STEPS
from ..stats.intervals import PERCENT, range_of
from .base import WHOLE, exhibit, result
from .classifiers import entropy
from .introduction import accuracies
from .samples import FEW, FIDELITY, Collapses, collapse, fidelity, memorization
from .text import mean_of, mean_told, myst_table, seeds_told


@result("rivals", reads=[fidelity, entropy, memorization, accuracies], no_rows=WHOLE)
def rivals(
    d: Design, fidelity: pd.DataFrame, entropy: pd.DataFrame, copying: pd.DataFrame, accuracies: pd.DataFrame
) -> pd.DataFrame:
    """Columns source ("real", "EDM", "StyleGAN3" where the preset has it), seed and what is known of it.

    frechet, precision, recall : cross-fitted; the first of half of the set against other real images.
    agreement : share of the half that a classifier of the other half gives its label, in [0, 1].
    accuracy_k : test accuracy of a classifier trained on ×k alone, in [0, 1].
    copying : C_T, see `metrics.memorization`; NaN for real images themselves.
    """
    sources = {0: ("real", REAL_ONLY), REVERSE_STEPS: ("EDM", SYNTHETIC_ONLY), GAN: (INSTEAD[GAN], GAN_ONLY)}
    seen = entropy[entropy.split == "train"]
    rows = []
    for t in (0, REVERSE_STEPS, *d.main.rivals):
        source, arm = sources[t]
        for seed in d.seeds:
            line: dict[str, object] = {"source": source, "seed": seed}
            for table, columns in ((fidelity, FEW), (seen, ("agreement",))):
                mine = table[(table.protocol == CROSSFIT) & (table.t_re == t) & (table.seed == seed)]
                line |= {c: float(mine[c].iloc[0]) if len(mine) else math.nan for c in columns}
            mine = accuracies[(accuracies.arm == arm) & (accuracies.seed == seed)]
            line |= {f"accuracy_{k or 1:g}": a for k, a in zip(mine.multiple, mine.accuracy, strict=True)}
            score = copying[(copying.t_re == t) & (copying.seed == seed)].copying
            line["copying"] = float(score.iloc[0]) if len(score) and t != 0 else math.nan
            rows.append(line)
    return pd.DataFrame(rows)


@exhibit("tab-rivals", [rivals, collapse], apart="the paper sets its GAN beside the diffusion model in Table 1 alone")
def rivals_table(d: Design, rows: pd.DataFrame, signs: Collapses) -> list[str]:
    """The three side by side; and whether the GAN has collapsed."""
    titles = {
        **FIDELITY,
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
            line[title] = "" if np.isnan(values).any() else seeds_told(values, 1 if "%" in title else 2, span)
        if source == INSTEAD[GAN]:
            line["diversity within classes, real = 1"] = mean_of(signs.rows, "diversity")
            if signs.reasons:
                line["images"] = f"{source} (**{len(signs.reasons)} of {len(mine)} collapsed**)"
        out.append(line)
    if signs.rows.empty:
        out.append({"images": INSTEAD[GAN]} | dict.fromkeys(titles.values(), NOT_RUN))
    caption = (
        f"The diffusion model and its rival, {d.main.name}: {mean_told(rows.seed.nunique())}. "
        "Fidelity and labels: cross-fitted, by a classifier of half of the training set on the other "
        "half; real: that half itself. Accuracy: of classifiers trained on ×k of these images alone. C_T: far below 0 "
        f"means copying. “{NOT_RUN}”: not part of the preset {d.preset.name}"
    )
    return [myst_table(out, caption, "tab-rivals"), _collapsed(signs)]


def _collapsed(signs: Collapses) -> str:
    """Whether the GAN has collapsed, seed by seed: a mean over seeds would hide it."""
    count, bad = len(signs.rows), len(signs.reasons)
    if not count:
        return "This preset trains no GAN."
    if not bad:
        return f"None of the {count} GANs has collapsed, by the signs that are looked for."
    reasons = "; ".join(f"seed {seed}: {reason}" for seed, reason in signs.reasons.items())
    return (
        f"**{bad} of {count} GANs have collapsed** ({reasons}). Numbers of the GAN in this book are means over all "
        "seeds, with these among them. They say little about a GAN that trains well."
    )
