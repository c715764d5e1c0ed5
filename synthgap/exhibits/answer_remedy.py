"""The plain answer's remedy: whether images that are better than plain samples are worth their trouble here."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..base.words import escaped, points
from ..design.loading import Design
from ..design.values import REAL
from ..stats.crossed import Crossed
from ..stats.pooling import contrast
from .answer import Compared, compared
from .base import WHOLE, Cells, result
from .hits import Hits, hits
from .remedies import BESIDE, NONE, PLAIN, Cell, cells_on, titled, tried

LEVEL = 0.95  # of the intervals on validation images, of all remedies together


@dataclass(frozen=True)
class Offer:
    """The remedy that does best beside the real images, on validation images.

    gain : over plain samples ×1 there, at a level that holds for all that were tried. decided : its lower end is above
    0. tested : against the real images alone, on test images. validation : how many images there are to choose by.
    """

    remedy: Cell
    gain: Crossed
    tested: Crossed
    validation: int

    @property
    def decided(self) -> bool:
        return self.gain.seeds > 1 and self.gain.low > 0


def offer_cells(d: Design) -> Cells:
    """(part, remedy, strength, seed) → predictions of classifiers on real images and a remedy's; nothing for given
    images, which are drawn already."""
    if d.given or d.heads:
        return {}
    wanted = {(PLAIN, NONE), *tried(d)}
    return {
        (part, *cell[1:]): spec
        for part in ("validation", "test")
        for cell, spec in cells_on(part, d).items()
        if cell[0] == BESIDE and cell[1:3] in wanted
    }


offer_hits = hits("offer", offer_cells, no_rows="those on test images are in those of remedies")


@result("offer", reads=[offer_hits, compared], no_rows=WHOLE)
def offer(d: Design, right: Hits, compared: Compared) -> Offer | None:
    """The best remedy, and whether it is decided; None where none was tried."""
    several = tried(d)
    if not right.by_cell or not several:
        return None
    validation = {one: right["validation", *one] for one in [*several, (PLAIN, NONE)]}
    gains = {one: contrast(validation.__getitem__, one, (PLAIN, NONE)) for one in several}
    best = max(gains, key=lambda one: gains[one].mean)
    level = 1 - (1 - LEVEL) / len(several)
    tested = compared.cross(right["test", *best].astype(float) - compared.right(REAL), compared.groups)
    return Offer(best, replace(gains[best], level=level), tested, validation[best].shape[1])


def advice(d: Design, found: Offer | None) -> list[str]:
    """What to do about it, as one step."""
    if found is None:
        return []
    name, gain = titled(*found.remedy), points(found.gain.in_points)
    chosen_by = f"{found.validation:,} validation images"
    if not found.decided:
        return [
            f"Plain samples will do: the best of {len(tried(d))} remedies beside your images, {name}, differs from "
            f"them by {gain} on {chosen_by}. These are too few to rank so small a difference (see chapter A3)."
        ]
    source, strength = escaped(d.arms.data["train"].loading.source), found.remedy[1]
    how = f" --strength {strength:g}" if strength else ""
    return [
        f"Draw better images: {name} gains {gain} over plain samples on {chosen_by}. With as many of them as you have, "
        f"beside yours, test accuracy changes by {points(found.tested.in_points)}. `synthgap generate "
        f'--dataset {source} --preset {d.preset.name} --remedy "{found.remedy[0]}"{how} --out better` writes them.'
    ]
