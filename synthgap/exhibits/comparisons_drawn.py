"""Section 5, its differences as forest plots: a line a comparison; the tables hold the numbers."""

from __future__ import annotations

from collections import Counter

from matplotlib.figure import Figure

from ..base.words import difference, plural
from ..design.loading import Design
from ..design.values import GAN_ONLY, SECOND_BATCH, arm_title, cell_name, cell_title
from .augmentation import table3_hits
from .base import exhibit
from .comparisons import Pair, against_controls, against_real
from .drawing import SMALL, across, forest_rows, nothing, room, saying, seeds_and_bars
from .hits import Hits, arm_difference

Groups = dict[str, list[Pair]]  # what stands above a few lines → their comparisons


@exhibit("fig-against-real", [table3_hits], apart="the paper reports no interval of a difference")
def against_real_forest(d: Design, known: Hits) -> Figure:
    """Every arm against real images alone, a line each."""
    return forest(d, known, {"": against_real(d)}, "real images alone")


@exhibit("fig-against-controls", [table3_hits], apart="the paper has no such controls")
def against_controls_forest(d: Design, known: Hits) -> Figure:
    """Arms against what isolates their synthetic images, a line each, those of one control together."""
    groups: Groups = {}
    for pair in against_controls(d):
        control = arm_title(pair[1][0]) + (" ×1" if pair[1][1] == 1 != pair[0][1] or pair[1][0] == SECOND_BATCH else "")
        groups.setdefault(f"against {control}:", []).append(pair)
    return forest(d, known, groups, "the control")


def forest(d: Design, known: Hits, groups: Groups, against: str) -> Figure:
    """Differences of pairs with their intervals and seeds. What is a GAN's and lies beyond the others is printed at the
    edge, so that it doesn't set the scale."""
    lines: list[tuple[str, Pair | None]] = []
    for name, pairs in groups.items():
        lines += [(name, None)] if name else []
        lines += [(cell_title(cell_name(pair[0])), pair) for pair in pairs]
    found = {pair: arm_difference(d, known, *pair) for _, pair in lines if pair}
    if not found:
        return nothing("nothing to compare")
    figure, ax = forest_rows([title for title, _ in lines])
    ours = [e for pair, e in found.items() if not _of_gan(pair)]
    low, high = room([end for e in ours for end in (e.mean - e.reach[0], e.mean + e.reach[1])])
    for place, (_, pair) in enumerate(lines):
        if pair and not low <= found[pair].mean <= high:
            ax.text(low, place, f" ◂ {difference(found[pair], 1)}", fontsize=SMALL - 1, va="center")
        elif pair:
            e, by_seed = found[pair], 100 * known.minus(*pair).mean(axis=1)
            across(ax, place, e, by_seed, {0: 0, 1: 1, -1: 3}[e.side], None)
    for label, (_, pair) in zip(ax.get_yticklabels(), lines, strict=True):
        label.set_style("normal" if pair else "italic")
    ax.set_xlim(low, high)
    ax.axvline(0, color="black", linewidth=1)
    ax.set_xlabel(f"points against {against}")
    figure.suptitle(f"{d.arms.name}: {seeds_and_bars(len(d.seeds))},\nover test images too", fontsize=SMALL)
    return saying(figure, _count(Counter(e.side for e in found.values()), len(found)))


def _count(sides: Counter[int], count: int) -> str:
    """How many intervals lie on which side."""
    return (
        f"Of {plural(count, 'difference')} {sides[1]} have a 95% interval above 0, {sides[-1]} one below 0; of the "
        f"other {sides[0]} the direction is open (each by itself, not corrected for their number)."
    )


def _of_gan(pair: Pair) -> bool:
    return any(cell[0] == GAN_ONLY for cell in pair)
