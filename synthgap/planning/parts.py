"""What the parts of a run add to its time by the clock: artifacts, chapters, the answer's page, raw rows, the book.

Seconds are those of the reference core, times how much slower this machine is at the moment (`calibrate`).
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.estimate import image_count
from ..graph.specs import Predict, Spec
from .calibrate import Ratios
from .outlook import hours

START_WORKERS = 2.5  # they import everything
CHAPTER = 3.0  # starts a kernel, which imports everything, and draws
TOLD_IMAGE = 1.5e-4  # of each image that some classifier of the plan is asked about: reading and resampling the answers
PAGE = 1.3
ROWS = 2.2  # the CSV files, and who is behind each exhibit
BOOK = 8.5


def artifacts(missing: list[Spec], workers: int, ratios: Ratios) -> dict[str, float]:
    """Key → seconds of each missing artifact, together those that `workers` take, idle ones at the end included."""
    one = {spec.key: ratios.seconds(spec) for spec in missing}
    total = sum(one.values())
    if not total:
        return {}
    whole = 3600 * hours(missing, workers, ratios.seconds, ratios.busy)
    whole += START_WORKERS * page_rate(ratios) * (workers > 1)
    return {key: seconds * whole / total for key, seconds in one.items()}


def chapters(plan: list[Spec], names: Sequence[str], at_once: int, ratios: Ratios) -> dict[str, float]:
    """Name → seconds of executing each chapter, `at_once` of them beside one another. plan : what they all read."""
    told = sum(image_count(spec.images) for spec in plan if isinstance(spec, Predict))
    slower = ratios.busy if at_once > 1 else 1.0
    each = slower * page_rate(ratios) * (CHAPTER + TOLD_IMAGE * told / len(names)) / at_once
    return dict.fromkeys(names, each)


def page_rate(ratios: Ratios) -> float:
    """Seconds by the clock for a second of the reference core, of what is neither network nor measurement."""
    return ratios.pages * ratios.crowded
