"""A second opinion on the plain answer: classifiers trained from scratch beside heads on frozen features."""

from __future__ import annotations

from ..base.words import difference, plural
from ..design.loading import Design
from ..design.values import GIVEN, GIVEN_ONLY, REAL, ArmCell, cell_words
from .answer import Compared, answer_cells, compared
from .base import Cells, sentences
from .hits import Hits, arm_difference, hits
from .text import myst_table


def scratch_cells(d: Design) -> Cells:
    """(arm, multiple, seed) → test predictions of ResNets on the answer's arms, where both judges are asked for."""
    return d.arms.tested(_arms(d)) if d.options.judge == "both" else {}


def _arms(d: Design) -> list[ArmCell]:
    """The real images alone, and every arm with synthetic ones."""
    if d.given:
        return [REAL, *((arm, k) for arm in (GIVEN_ONLY, GIVEN) for k in d.arms.given_multiples())]
    cells = answer_cells(d)
    return [REAL, *cells["alone"], *cells["beside"]]


scratch_hits = hits("judges", scratch_cells, no_rows="they are in those of table3")


@sentences("answer-judges", [compared, scratch_hits])
def judges_table(d: Design, by_heads: Compared, by_scratch: Hits) -> str:
    """What each judge says of each arm, against the real images alone."""
    if not by_scratch.by_cell:
        return "One judge gives this answer. `--judge both` sets a second one beside it."
    out = []
    for cell in dict.fromkeys([*_arms(d)[1:], *answer_cells(d)["alone"], *answer_cells(d)["beside"]]):
        line = {"trained on": cell_words(cell), "features (points)": "–", "from scratch (points)": "–"}
        if cell in by_heads.arms:
            line["features (points)"] = difference(by_heads.difference(cell, REAL, plain=True).in_points)
        if cell in by_scratch:
            line["from scratch (points)"] = difference(arm_difference(d, by_scratch, cell, REAL))
        out.append(line)
    (_, height, width), (_, high, wide) = d.judged["train"].shape, d.arms.data["train"].shape
    caption = (
        "Two judges: the change of accuracy against the real images alone, with 95% intervals. Features: a linear "
        f"classifier on those of {d.heads.network.extractor}, {width}×{height} pixels, which gives this answer. From "
        f"scratch: ResNet-18 at {wide}×{high} pixels, {plural(len(d.seeds), 'seed')}"
    )
    return myst_table(out, caption, "tab-judges")
