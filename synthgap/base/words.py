"""How numbers are written: signs, digits, intervals, p-values, durations, and names that Markdown must not read.

A minus is a real minus (U+2212). Values with an interval are anything with `mean`, `low` and `high`; these are NaN
where there is no interval, with one seed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Protocol

from tqdm import tqdm

ONE_SEED = "one seed: no interval"
AGREE = "all seeds agree"  # in the place of an interval without width, which promises more than a few seeds can
NOT_RUN = "not run"
SHORT_UNITS = ("s", "min", "h")
PM = "\u00a0±\u00a0"  # with no-break spaces, so that a cell of a table stays on one line


class Spread(Protocol):
    """A mean with its 95% interval."""

    @property
    def mean(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


class Mean(Spread, Protocol):
    """A mean over seeds with its 95% interval, which may be cut where the quantity ends."""

    @property
    def half_width(self) -> float: ...
    @property
    def cut(self) -> bool: ...


def plain(value: float, digits: int = 1) -> str:
    """A number without a plus: "1.2", "−1.2", "∞"."""
    return signed(value, digits).removeprefix("+")


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign: "+1.2", "−1.2", "+0.0", "+∞"."""
    text = f"{value:+}" if math.isinf(value) else f"{round(value, digits) + 0.0:+.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}").replace("inf", "∞")


def digits_for(value: float) -> int:
    """The digits that a number's size calls for."""
    return 2 if abs(value) >= 1 else 3


def plus_minus(e: Mean, digits: int = 2) -> str:
    """A level: "97.10 ± 0.40", or "50.00 (0.00 to 100.00)" where ± would leave the possible; without an interval the
    mean alone."""
    mean = plain(e.mean, digits)
    if math.isnan(e.half_width):
        return mean
    if agree(e):
        return f"{mean} ({AGREE})"
    return f"{mean} ({between(e, digits)})" if e.cut else f"{mean}{PM}{e.half_width:.{digits}f}"


def agree(e: Spread) -> bool:
    """Has the interval no width, all seeds having given the same value?"""
    return math.isclose(e.low, e.high, rel_tol=1e-9, abs_tol=1e-12)


def difference(e: Spread, digits: int | None = None) -> str:
    """A difference with the ends of its interval: "+1.20 (+0.31 to +2.09)", with as many digits as its size needs."""
    digits = digits_for(e.mean) if digits is None else digits
    mean = signed(e.mean, digits)
    return mean if math.isnan(e.low) else f"{mean} ({ends(e, digits)})"


def ends(e: Spread, digits: int = 1) -> str:
    """The interval of a difference: "+0.3 to +2.1"."""
    return AGREE if agree(e) else f"{signed(e.low, digits)} to {signed(e.high, digits)}"


def between(e: Spread, digits: int = 1) -> str:
    """The interval of a level: "96.7 to 97.5"."""
    return AGREE if agree(e) else f"{plain(e.low, digits)} to {plain(e.high, digits)}"


def interval(e: Spread, digits: int = 1) -> str:
    """The interval of a difference in words: "95% interval +0.3 to +2.1"."""
    if math.isnan(e.low):
        return ONE_SEED
    return AGREE if agree(e) else f"95% interval {ends(e, digits)}"


def with_interval(e: Spread) -> str:
    """A difference and its interval in words: "+1.2 (95% interval +0.3 to +2.1)"."""
    return f"{signed(e.mean)} ({interval(e)})"


def points(e: Spread, digits: int = 1) -> str:
    """A difference in points: "+1.2 points (95% interval +0.3 to +2.1)"."""
    return f"{signed(e.mean, digits)} points ({interval(e, digits)})"


def more_or_less(e: Spread) -> str:
    """A difference in points: "1.2 points less"."""
    return f"{abs(e.mean):.1f} points {'more' if e.mean >= 0 else 'less'}"


def percent(e: Spread, digits: int = 1) -> str:
    """A level in percent: "91.2% (90.1 to 92.3)"."""
    mean = f"{e.mean:.{digits}f}%"
    return mean if math.isnan(e.low) else f"{mean} ({between(e, digits)})"


def capital(text: str) -> str:
    """A sentence's beginning, with its first letter large."""
    return text[:1].upper() + text[1:]


def times(ratio: float) -> str:
    """How many times as much: "1.2"; a dash for no number."""
    return "–" if math.isnan(ratio) else f"{ratio:.1f}"


def mean_over(seeds: int) -> str:
    """What a cell of a table with ± shows: "mean over 3 seeds ± half-width of the 95% interval"."""
    return f"mean over {seeds} seeds ± half-width of the 95% interval"


def p_value(p: float) -> str:
    """A p-value with three decimals; a dash for none."""
    return "–" if math.isnan(p) else f"{p:.3f}" if p >= 0.001 else "< .001"


def escaped(text: str) -> str:
    """A name of the user's, so that Markdown shows it as it is."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~$&-])", r"\\\1", text.strip())


def plural(count: int, noun: str, several: str | None = None) -> str:
    """ "1 seed", "3 seeds"; `several`: a plural that doesn't end in s alone, "3 classes"."""
    return f"{count:,} {noun if count == 1 else several or noun + 's'}"


def listed(counts: Mapping[str, int]) -> str:
    """ "cats 1,200, dogs 7"."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def clock(seconds: float) -> str:
    """How long something took: "1:05", "2:00:05"."""
    return tqdm.format_interval(round(seconds)).removeprefix("0")


def duration(seconds: float, of: str = "", units: tuple[str, str, str] = ("seconds", "minutes", "hours")) -> str:
    """A length of time with two digits: "40 seconds", "1.5 minutes", "12 minutes", "2,500 hours".

    of : stands before the unit, "core-" for instance. units : how seconds, minutes and hours are called;
    `SHORT_UNITS` for tables.
    """
    place = (seconds >= 90) + (seconds >= 5400)
    name, count = units[place], seconds / 60**place
    text = f"{count:,.0f}" if count >= 10 else f"{count:.2g}"
    return f"{text} {of}{name.removesuffix('s') if text == '1' and len(name) > 1 else name}"
