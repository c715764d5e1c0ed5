"""What tables of all sections share: MyST tables, the paper's numbers, and columns with their intervals."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..base.errors import UserError
from ..base.words import PM, difference, interval, mean_over, plain, plural, plus_minus, signed
from ..design.loading import Design
from ..design.values import INSTEAD, ArmCell, cell_name
from ..paper.published import read_paper
from ..stats.crossed import Crossed
from ..stats.intervals import ANY, PERCENT, Estimate, Range, estimate_mean, range_of
from ..stats.trends import FALLS, RISES, Trend, Turn, trend
from .base import by_seed, of_arm, on_steps

FEW_SEEDS = 3  # so many or fewer are printed, each
TOO_FEW, NOT_IDENTIFIABLE = "too few images", "not identifiable"
UNMEASURED = "too few images, or too many that are alike, to measure this"


def paper_table(name: str) -> dict:
    """Published numbers of "table1" … "table4"; a pair is [mean, ±] in percent."""
    return read_paper("tables.yaml")[name]


def published(pair: list[float] | None) -> str:
    """A published mean with its ±; a dash for none."""
    return "–" if pair is None else f"{pair[0]:.2f}{PM}{pair[1]:.2f}"


def myst_table(rows: pd.DataFrame | list[dict], caption: str, label: str, *, sortable: bool = False) -> str:
    """A numbered table for Jupyter Book; `label` is what {numref} refers to, `sortable` lets readers order its rows."""
    rows = pd.DataFrame(rows).fillna("")
    title = caption.replace("`", "'")  # a backtick, of a folder's name perhaps, would end the fence
    options = f":name: {label}\n" + ":class: sortable\n" * sortable
    return f"```{{table}} {title}\n{options}\n{_markdown(rows)}\n```"


def _markdown(rows: pd.DataFrame) -> str:
    lines = ["| " + " | ".join(map(str, rows.columns)) + " |", "|" + "---|" * len(rows.columns)]
    for row in rows.itertuples(index=False):
        lines.append("| " + " | ".join(re.sub(r"(?<!\\)[|]", r"\|", str(value)) for value in row) + " |")
    return "\n".join(lines)


def folded(table: str, summary: str) -> str:
    """A long table that a click opens: closed on a page, open in print, and read out either way.

    summary : what it holds, in plain text; a figure above shows it.
    """
    return f'<details class="folded">\n<summary>{summary}</summary>\n\n{table}\n\n</details>'


def left_out(caption: str, label: str) -> str:
    """A table that says, under the label of one without rows, why that is left out."""
    return myst_table([{"left out": UNMEASURED}], caption, label)


def listed(several: list[str]) -> str:
    """Sentences as a Markdown list."""
    return "\n".join(f"- {sentence}" for sentence in several)


def least(low: float) -> str:
    """The lower end of an interval for a number of images; 0 is none."""
    return "fewer than tried" if low == 0 else f"{low:,.0f}"


def most(high: float, train: int) -> str:
    """The upper end of an interval for a number of images; inf, beyond all the training images, is none."""
    return f"more than {train:,}" if high == math.inf else f"{high:,.0f}"


def falls_words(falls: tuple[float, float], place: str) -> str:
    """Why a place on a curve can't be read off, where the curve falls; place: how one is written, "×{:g}"."""
    return f"accuracy falls from {place.format(falls[0])} to {place.format(falls[1])}"


def rate_span(low: float, high: float) -> str:
    """An interval of a rate; 0 and inf are no ends."""
    if low == 0 and high == math.inf:
        return "any"
    if low == 0:
        return f"at most {high:.1f}"
    return f"at least {low:.1f}" if high == math.inf else f"{low:.1f} to {high:.1f}"


def multiple_span(low: float, high: float, multiples: Sequence[float]) -> str:
    """An interval of a multiple; beyond the first and the last of the `multiples` that were tried nothing is known."""
    first, last = f"×{multiples[0]:g} or less", f"beyond ×{multiples[-1]:g}"
    start, end = (first if m == 0 else last if m == math.inf else f"×{m:.1f}" for m in (low, high))
    return start if start == end else f"{start} to {end}"


def in_percent(shares: pd.Series | np.ndarray) -> Estimate:
    """Mean of shares in [0, 1], one a seed, in percent."""
    return estimate_mean(100 * np.asarray(shares, dtype=float), span=PERCENT)


def seeds_told(values: Sequence[float] | np.ndarray, digits: int = 1, span: Range = ANY) -> str:
    """A mean over seeds: "71.5 (57.2, 72.1, 85.3)", each in brackets, where they are few, for an interval from three
    values is mostly as wide as a guess; of more seeds "71.5 ± 1.2"."""
    values = np.sort(np.asarray(values, dtype=float))
    e = estimate_mean(values, span=span)
    if 1 < len(values) <= FEW_SEEDS:
        return f"{plain(e.mean, digits)} ({', '.join(plain(v, digits) for v in values)})"
    return plus_minus(e, digits)


def percent_told(shares: pd.Series | np.ndarray) -> str:
    """The same of shares in [0, 1], in percent."""
    return seeds_told(100 * np.asarray(shares, dtype=float), span=PERCENT)


def mean_told(seeds: int) -> str:
    """What a cell of a table shows that `seeds_told` writes."""
    if seeds == 1:
        return "one seed"
    return f"mean over {seeds} seeds, each in brackets" if seeds <= FEW_SEEDS else mean_over(seeds)


def mean_of(rows: pd.DataFrame, column: str) -> str:
    """Mean of a column, one row a seed, in the range that the column has (`seeds_told`); NaN: too few images."""
    values = rows[column].to_numpy()
    return TOO_FEW if np.isnan(values).any() else seeds_told(values, 2, range_of(column))


def arm_percent(d: Design, rows: pd.DataFrame, cell: ArmCell) -> np.ndarray:
    """Accuracies of an arm at its multiple in percent, in the order of the seeds; rows: as of `table3`.

    Raises UserError for a cell that the rows have not.
    """
    mine = of_arm(rows, cell)
    if mine.empty:
        raise UserError(f"{cell_name(cell)} is not part of the preset {d.preset.name}; table3.csv lists what is")
    return 100 * by_seed(d, mine, "accuracy")


def moves(first: float, last: float, digits: int = 1, unit: str = "") -> str:
    """How a mean goes from one place to another: "falls from 90.9% to 86.6%"; it says nothing of other seeds."""
    before, after = f"{plain(first, digits)}{unit}", f"{plain(last, digits)}{unit}"
    if before == after:
        return f"stays at {before}"
    return f"{'rises' if last > first else 'falls'} from {before} to {after}"


def by_step(rows: pd.DataFrame, titles: dict[str, str]) -> pd.DataFrame:
    """A line for each protocol (where there are several) and reverse step, with `mean_of` the columns of `titles`."""
    keys = ["protocol", "t_re"] if "protocol" in rows else ["t_re"]
    out = []
    for (*protocol, t), group in rows.groupby(keys, sort=False):
        name = ": ".join([*protocol, INSTEAD.get(t, str(t))])
        line = {title: mean_of(group, column) for column, title in titles.items()}
        out.append({", ".join(keys): name, **line})
    return pd.DataFrame(out)


def difference_sentence(first: str, second: str, e: Crossed) -> str:
    """One sentence on first − second (points), with its interval; it holds no verdict."""
    if e.seeds < 2:
        return f"With one seed nothing can be said of {first} against {second}: run two seeds or more."
    span = f"{interval(e)}, {plural(e.seeds, 'seed')}"
    return f"{first} − {second}: {signed(e.mean)} points ({span})."


def trend_of(rows: pd.DataFrame, column: str, measure: str, protocol: str, direction: int) -> Trend:
    """The trend of a column over the reverse steps; rows: columns t_re, seed and `column`."""
    used = on_steps(rows)
    return trend(used.t_re, used[column], used.seed, measure, protocol, direction, range_of(column))


def trends_by_protocol(rows: pd.DataFrame, columns: dict[str, tuple[str, int]]) -> list[Trend]:
    """Trends of several columns under each protocol; columns: name → (what is measured, direction in the paper)."""
    if rows.empty:
        return []
    return [
        trend_of(part, column, measure, protocol, direction)
        for protocol, part in rows.groupby("protocol", sort=False)
        if on_steps(part).t_re.nunique() > 1
        for column, (measure, direction) in columns.items()
    ]


def trend_table(several: list[Trend], label: str) -> str:
    """The change of each measure with the reverse step beside what the paper reports, and which of them turn."""
    if not several:
        return left_out("Trends with the reverse step", label)
    out = []
    for t in several:
        line = {"measure": t.measure, "seen by": t.protocol, "paper": {RISES: "rises", FALLS: "falls"}[t.direction]}
        digits = 1 if "%" in t.measure else None
        line["change from t_re = 0 to 100"] = difference(t.change, digits)
        out.append(line | ({"it turns": turn_words(t.turn, digits)} if t.turn else {}))
    change = several[0].change
    seeds, images = (change.seeds, " and test images") if isinstance(change, Crossed) else (change.n, " (Student's t)")
    over = plural(seeds, "seed") + images
    caption = (
        f"Trends with the reverse step: slope over all steps times 100, with its 95% interval over {over}, not "
        "corrected for the number of trends"
    )
    if any(t.turn for t in several):
        caption += (
            ". It turns: the changes on the first half of the steps and on the second have intervals on opposite sides "
            "of 0, so that no slope sums the measure up"
        )
    return myst_table(out, caption, label)


def turn_words(turn: Turn, digits: int | None = None) -> str:
    """What a measure that turns does: "−0.20 (−0.30 to −0.10) up to t_re = 50, +0.30 (…) from there"."""
    before, after = difference(turn.before, digits), difference(turn.after, digits)
    return f"{before} up to t_re = {turn.step}, {after} from there (each per 100 steps)"
