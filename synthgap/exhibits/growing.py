"""A study that grows: seeds are added until the plain answer is decided, or the time is spent."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..base.errors import UserError
from ..base.words import duration
from ..design.loading import Design
from ..graph.estimate import cost
from ..graph.run import taken
from ..graph.specification import in_order
from ..stats.verdict import DECIDED, looks
from .answer import Decided, verdicts
from .base import Lab
from .your_data import known

NONE = "none"


@dataclass
class Growth:
    """Looks at a study with more and more seeds.

    minutes : that it may take, from `begun` (of time.monotonic). counts : of seeds at the looks.
    """

    minutes: float
    counts: tuple[int, ...]
    begun: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, minutes: float | str, seeds: tuple[int, ...] | None, block: int) -> Growth | None:
        """What a study's arguments ask for. Raises UserError for anything wrong.

        seeds : the most; None: no bound. block : seeds whose classifiers are trained together.
        """
        if minutes == NONE:
            return None
        if type(minutes) not in (int, float) or not 0 < minutes < float("inf"):
            raise UserError(f'minutes is {minutes!r}; give how many of them seeds may be added for, or "none"')
        counts = looks(block)
        if seeds is not None:
            if seeds != tuple(range(len(seeds))) or len(seeds) not in counts:
                raise UserError(
                    f"seeds are {', '.join(map(str, seeds))}; with minutes a study is looked at with "
                    f"{', '.join(map(str, counts))} seeds, from 0 on: give one of these numbers as the most"
                )
            counts = counts[: counts.index(len(seeds)) + 1]
        return cls(minutes, counts)

    def first(self, lab: Lab) -> Lab:
        """The study at the first look."""
        return lab.grown(self.counts[:1])

    def following(self, lab: Lab, forecast: Callable[[Design], float] | None = None) -> Lab | str:
        """The study at its next look; or why there is none, once it has been looked at.

        forecast : seconds that a design still takes; by what the present one took where it is None.
        """
        if told := settled(lab.value(verdicts), len(lab.design.seeds)):
            return told
        number = len(lab.design.looks)
        if number == len(self.counts):
            return f"not everything is decided with {self.counts[-1]} seeds, the most that are looked at"
        grown = lab.grown(self.counts[: number + 1])
        seconds = forecast(grown.design) if forecast else expected(lab, grown)
        left = 60 * self.minutes - (time.monotonic() - self.begun)
        if seconds > max(left, 0):
            enough = self.minutes + (seconds - left) / 60
            return (
                f"{len(grown.design.seeds)} seeds would take about {duration(seconds)} more, and "
                f"{duration(max(left, 0))} of {self.minutes:g} are left; about {math.ceil(enough)} would do"
            )
        return grown


def settled(decided: Decided, seeds: int) -> str:
    """Why more seeds are not needed, or would not help; "" where they may."""
    several = [verdict for _, _, verdict in decided.values()]
    still = [v for v in several if v.standing != DECIDED]
    if not still:
        return f"everything is decided, with {seeds} seeds"
    if all(v.images_forbid for v in still):
        return f"no number of seeds decides what is open: more test images are needed (there are {seeds} seeds)"
    return ""


def expected(lab: Lab, grown: Lab) -> float:
    """Seconds that the plain answer of the grown study still takes, by what each kind of artifact took so far."""
    before, after = (in_order(known.specs(one.design)) for one in (lab, grown))
    took = taken(before, lab.store)
    missing = [spec for spec in lab.store.missing(after) if spec.kind in took]
    seconds = sum(cost(spec) * took[spec.kind][0] / took[spec.kind][1] for spec in missing)
    return seconds / lab.processes(missing) if missing else 0.0
