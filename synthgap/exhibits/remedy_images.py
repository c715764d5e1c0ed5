"""Appendix A3, its images: what a remedy costs, what it does to the images, and what they look like."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..base.words import plural
from ..design.loading import Design
from ..design.remedies import NONE, REMEDIES
from ..diffusion.schedule import REVERSE_STEPS
from ..graph.specs import MeasureFidelity, MeasureMemorization, Predict
from .base import IMAGES, Cells, Values, class_by_class, exhibit, result
from .drawing import image_rows, nothing
from .remedies import NAMES, NO_REMEDIES, PLAIN, images_of, titled, tried
from .text import mean_of, myst_table


def measure_cells(d: Design) -> Cells:
    """(what, remedy, strength, seed) → fidelity, labels (a classifier of half the real images) and copying of a set."""
    arms, cells = d.arms, {}
    for cell in [(PLAIN, NONE), *tried(d)] if tried(d) else []:
        for s in d.seeds:
            (made,) = images_of(d, cell, s)
            judge = arms.crossfit(s)
            seen = Predict(classifier=judge, images=made)
            other = Predict(classifier=judge, images=arms.data["floor"])
            cells["labels", *cell, s] = seen
            cells["fidelity", *cell, s] = MeasureFidelity(real=other, fake=seen)
            cells["copying", *cell, s] = MeasureMemorization(
                train=arms.data["train"], test=arms.data["floor"], fake=made
            )
    return cells


READ = {
    "labels": lambda told: {"agreement": told.accuracy, "images": told.n},
    "fidelity": lambda one: {"frechet": one.frechet, "precision": one.precision, "recall": one.recall},
    "copying": lambda one: {"copying": one.copying, "authentic": one.authentic},
}


@result("remedies_measures", measure_cells)
def measures(d: Design, values: Values) -> pd.DataFrame:
    """Columns remedy, strength, seed, agreement, images, frechet, precision, recall, copying (C_T), authentic."""
    lines: dict[tuple, dict] = {}
    for (what, *cell), artifact in values.items():
        line = lines.setdefault(tuple(cell), dict(zip(NAMES[1:], cell, strict=True)))
        line |= READ[what](artifact)
    return pd.DataFrame(lines.values())


def picture_cells(d: Design) -> Cells:
    """(remedy, strength) → the images of the first seed; ("judge",) → what is said of its plain ones."""
    several = tried(d)
    if not several:
        return {}
    seed = d.seeds[0]
    plain = d.arms.samples(seed, REVERSE_STEPS)
    cells: Cells = {cell: images_of(d, cell, seed)[0] for cell in [(PLAIN, NONE), *several]}
    return cells | {("judge",): Predict(classifier=d.arms.classifier(seed, 0), images=plain)}


SHOWN = 10  # images a row


@result("remedies_pictures", picture_cells, no_rows=IMAGES)
def pictures(d: Design, values: Values) -> dict[str, np.ndarray]:
    """Row → images: what each remedy draws, one of each class in turn, and what the filter drops."""
    if not len(values):
        return {}
    rows = {titled(name, s): first_of_classes(values[name, s]) for name, s in (c for c in values.cells if len(c) == 2)}
    told, plain = values["judge",], values[PLAIN, NONE]
    dropped = np.flatnonzero(~told.correct)[:SHOWN]
    if len(dropped):
        blank = np.full((SHOWN - len(dropped), *plain.shape), 255, dtype=np.uint8)
        rows["plain, dropped by the filter"] = np.concatenate([plain.images[dropped], blank])
    return rows


def first_of_classes(images) -> np.ndarray:
    """SHOWN images, the first of each class, then the second, …; uint8."""
    order = class_by_class(images.labels)[:SHOWN]
    return np.resize(images.images[order], (SHOWN, *images.shape))


# what the book shows


@exhibit("tab-remedy-kinds", apart="the paper names two of them as future work", rests_on="the publications named")
def kinds_table(d: Design) -> str:
    """What each remedy does, where it is from, and what it asks for."""
    out = [
        {"remedy": name, "what it does": one.does, "needs": one.asks or "nothing more", "source": one.source}
        for name, one in REMEDIES.items()
        if name in d.arms.preset.remedies
    ]
    draws = d.arms.preset.remedy_draws
    caption = (
        f"Remedies, and where they are from. “Several draws” are {draws}, each as many images as there are real ones"
    )
    return myst_table(out, caption, "tab-remedy-kinds") if out else NO_REMEDIES


@exhibit("tab-remedy-measures", [measures], apart="the paper names two of them as future work")
def measures_table(d: Design, rows: pd.DataFrame) -> str:
    """What each remedy does to the images themselves."""
    if rows.empty:
        return NO_REMEDIES
    shown = {"frechet": "FD-classifier", "precision": "precision", "recall": "recall", "copying": "C_T"}
    out = []
    for (name, strength), mine in rows.groupby(["remedy", "strength"], sort=False):
        line: dict[str, object] = {"images": titled(name, strength), "number": f"{mine.images.mean():,.0f}"}
        line["given their label (%)"] = f"{100 * mine.agreement.mean():.1f}"
        line |= {title: mean_of(mine, column) for column, title in shown.items()}
        out.append(line | {"AuthPct (%)": f"{100 * mine.authentic.mean():.0f}"})
    caption = (
        f"What remedies do to the images, {d.arms.name}: means over {plural(len(d.seeds), 'seed')}. Labels and "
        "fidelity (FD-classifier: Fréchet distance of its features; precision and recall of the images) by a "
        "classifier of half of the real images, against other real images. ±: 95% interval over seeds. C_T: far below "
        "0 means copies. AuthPct: share that is no nearer to its nearest training image than that one to the next"
    )
    return myst_table(out, caption, "tab-remedy-measures")


@exhibit("fig-remedy-images", [pictures], apart="the paper names two of them as future work")
def pictures_figure(d: Design, rows: dict[str, np.ndarray]) -> Figure:
    """What each remedy draws, and what the filter drops."""
    return image_rows(rows) if rows else nothing(NO_REMEDIES)
