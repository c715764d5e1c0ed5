"""A walk through the reverse steps as HTML that needs no network: a list of steps, which a script turns into a slider.

Without the script (in a notebook, in print, with scripts off) the list is what one sees. Everything that the slider
shows is in it, so that nothing is said twice. A class can be chosen: its images are rows of pictures that hold all.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

import numpy as np
import pandas as pd
from PIL import Image

from ..base.words import plain, plural, plus_minus
from ..data.imageset import ImageSet
from ..design.arms import CROSSFIT
from ..design.loading import Design
from ..stats.intervals import Estimate, estimate_mean, range_of
from .base import IMAGES, Html, Values, exhibit, on_steps, result
from .classifiers import entropy
from .discussion import likelihood
from .preliminary import STRIP
from .samples import pictures

MOST_BYTES = 180_000  # of pixels of all steps: base64 adds a third, and PNG of noise nothing more
CLASS_BYTES = 110_000  # the same, of the images class by class
EACH = 6  # of a class, at most
GAP, GREY = 1, 128  # pixels between images, of a grey that is neither background
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 320, 150, 44, 10, 26, 24  # of a chart, and the margins of its axes
STYLE = "display: block; width: 100%; max-width: 40rem; height: auto; image-rendering: pixelated"

walked = pictures("walked", lambda d: tuple(sorted({*STRIP, *d.preset.grid})))
# (t_re,) → the whole training set of the first seed, at the steps of the curves. The makers have no names, and so
# no part in the hash of what makes numbers (`book.stale`): they make none
_sets = result(
    "sets", lambda d: {(t,): d.main.samples(d.seeds[0], t) for t in sorted(d.main.preset.curves)}, no_rows=IMAGES
)
sets = _sets(lambda d, values: values)


@dataclass(frozen=True)
class Walk:
    """A few training images at growing reverse steps, and what is measured of the data set there.

    images : reverse step → uint8 N × C × H × W of the first seed, 0 being the images themselves. sigmas : of each.
    by_class : likewise, for each class as many of its images, class × N × C × H × W; `classes` are their names.
    entropy : reverse step → output entropy, in nats, of a cross-fitted classifier on images made from test images.
    nats : reverse step → ln p of images made from test images, at `noise_level`. Both over seeds, where measured.
    """

    name: str
    images: dict[int, np.ndarray]
    sigmas: dict[int, float]
    entropy: dict[int, Estimate]
    nats: dict[int, Estimate]
    noise_level: float
    by_class: dict[int, np.ndarray] = field(default_factory=dict)
    classes: tuple[str, ...] = ()


@exhibit("fig-reverse-step", [walked, sets, entropy, likelihood], paper=["Figure 5"])
def reverse_walk(
    d: Design, images: dict[int, np.ndarray], sets: Values, entropy: pd.DataFrame, likelihood: pd.DataFrame
) -> Html:
    """The images of Figure 5 and of the steps between, or a class's, with what is measured of the whole set at each
    step."""
    level = max(d.main.preset.likelihood.sigmas)
    real, steps = sets[0,], [t for (t,) in sets]
    places = chosen(real, len(steps))
    return html(
        Walk(
            name=d.main.name,
            images=images,
            sigmas={t: d.main.sigma(t) for t in (*images, *steps)},
            by_class={t: sets[t,].images[places] for t in steps},
            classes=real.classes[: len(places)],
            entropy=_means(entropy[(entropy.protocol == CROSSFIT) & (entropy.split == "test")], "entropy"),
            nats=_means(likelihood[(likelihood.sigma == level) & (likelihood.split == "test")], "nats"),
            noise_level=level,
        )
    )


def _means(rows: pd.DataFrame, column: str) -> dict[int, Estimate]:
    """Reverse step → mean over seeds with its interval."""
    steps = on_steps(rows).groupby("t_re")[column]
    return {int(t): estimate_mean(part.to_numpy(), span=range_of(column)) for t, part in steps}


def chosen(real: ImageSet, steps: int) -> np.ndarray:
    """Places of the first images of each class, classes × as many as `steps` times all of them leave the page small.

    Classes that don't fit are left out, those with the highest labels.
    """
    counts = np.bincount(real.labels, minlength=len(real.classes))
    fit = max(1, CLASS_BYTES // (steps * int(np.prod(real.shape))))  # images that a step may have
    classes = min(fit, len(counts))
    each = int(np.clip(fit // classes, 1, min(EACH, counts[:classes].min())))
    return np.array([np.flatnonzero(real.labels == label)[:each] for label in range(classes)])


def html(walk: Walk) -> Html:
    """The list of steps, with charts of what was measured at them."""
    shown = _shown(walk.images)
    steps = sorted({*walk.images, *walk.by_class})
    items = "\n".join(_item(walk, t, shown) for t in steps)
    told = {
        "label": "Reverse step (drag, or use the arrow keys)",
        "ends": f"{steps[0]} (real)|{steps[-1]} (synthetic)",
        "start": "50",
        "first": "real images",
        "title": "the same images at the reverse step below",
        "all": "All reverse steps of these images",
        "choice": "Images",
        "mixed": "a few of the training set",
        "classes": json.dumps([f"class {name}" for name in walk.classes]),
    }
    charts = chart("output entropy (nats)", walk.entropy, 2) + chart(
        f"ln p at σ = {walk.noise_level:g} (nats)", walk.nats, 0
    )
    return Html(
        f'<div class="reverse-step" {attributes(told)}>\n<ol class="reverse-steps">\n{items}\n</ol>\n'
        f'<div class="reverse-charts">\n{charts}</div>\n</div>'
    )


def attributes(told: Mapping[str, str]) -> str:
    """What the script is told: data-NAME="text" of each."""
    return " ".join(f'data-{name}="{escape(text)}"' for name, text in told.items())


def sentence(walk: Walk, t: int) -> str:
    """What is known of one step, as text."""
    step = f"t_re = {t}, σ = {walk.sigmas[t]:.2g}" if t else "t_re = 0, the real images"
    both = {"output entropy": (walk.entropy, 3), "ln p": (walk.nats, 1)}
    told = [f"{name} {plus_minus(values[t], digits)} nats" for name, (values, digits) in both.items() if t in values]
    told += [f"{name} not measured at this step" for name, (values, _) in both.items() if t not in values]
    return f"{step}: {', '.join(told)}"


def chart(title: str, values: Mapping[int, Estimate], digits: int) -> str:
    """Means with their 95% intervals against the reverse step, as SVG in the colour of the text."""
    reach = {t: (e.mean - e.reach[0], e.mean + e.reach[1]) for t, e in values.items()}
    bottom, top = min(low for low, _ in reach.values()), max(high for _, high in reach.values())
    span = (top - bottom) or 1.0

    def x(t: float) -> float:
        return LEFT + t / 100 * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - bottom) / span * (HEIGHT - TOP - BOTTOM)

    told = ", ".join(f"{t}: {plus_minus(e, digits)}" for t, e in values.items())
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" data-left="{LEFT}" data-right="{WIDTH - RIGHT}" '
        f'aria-label="{escape(f"{title} by reverse step: {told}")}">',
        f'<text x="{LEFT}" y="14">{escape(title)}</text>',
        f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>',
    ]
    for t in (0, 50, 100):
        parts.append(f'<text class="below" x="{x(t):.1f}" y="{HEIGHT - 8}">{t}</text>')
    for value in (bottom, top):
        parts.append(f'<text class="beside" x="{LEFT - 5}" y="{y(value) + 4:.1f}">{plain(value, digits)}</text>')
    line = " ".join(f"{x(t):.1f},{y(e.mean):.1f}" for t, e in values.items())
    parts.append(f'<polyline points="{line}"/>')
    for t, (low, high) in reach.items():
        parts.append(f'<path d="M{x(t):.1f} {y(low):.1f}V{y(high):.1f}"/>')
        parts.append(f'<circle cx="{x(t):.1f}" cy="{y(values[t].mean):.1f}" r="3"/>')
    parts.append(f'<line class="cursor" y1="{TOP}" y2="{HEIGHT - BOTTOM}" x1="{LEFT}" x2="{LEFT}"/>')
    return "\n".join([*parts, "</svg>\n"])


def strip(images: np.ndarray) -> str:
    """Images (uint8 N × C × H × W, grey or colour) side by side, as a PNG in a data address."""
    return sheet(images[None])


def sheet(rows: np.ndarray, between: int = GREY) -> str:
    """The same of several rows of images, uint8 rows × N × C × H × W, with this grey between them."""
    lines, count, channels, height, width = rows.shape
    whole = np.full((channels, *_size(rows)), between, dtype=np.uint8)
    for line in range(lines):
        for i in range(count):
            top, left = line * (height + GAP), i * (width + GAP)
            whole[:, top : top + height, left : left + width] = rows[line, i]
    file = io.BytesIO()
    Image.fromarray(whole[0] if channels == 1 else np.moveaxis(whole, 0, -1)).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def picture(rows: np.ndarray, what: str, kind: str = "", between: int = GREY) -> str:
    """The sheet as an element of HTML; `what` it shows is its alternative text."""
    height, width = _size(rows)
    named = f' class="{kind}"' if kind else ""
    told = f'alt="{escape(what)}" width="{width}" height="{height}" style="{STYLE}"'
    return f'<img{named} src="{sheet(rows, between)}" {told}>'


def _size(rows: np.ndarray) -> tuple[int, int]:
    """Height and width of a sheet."""
    lines, count, _, height, width = rows.shape
    return lines * (height + GAP) - GAP, count * (width + GAP) - GAP


def _item(walk: Walk, t: int, shown: int) -> str:
    measured = ' class="measured"' if t in walk.entropy and t in walk.nats else ""
    where = f" at reverse step {t}" if t else " as they are"
    images = []
    if t in walk.images:
        images.append(picture(walk.images[t][None, :shown], f"{shown} training images of {walk.name}{where}"))
    if t in walk.by_class:
        rows = walk.by_class[t]
        each = f"{plural(rows.shape[1], 'training image')} of each class of {walk.name}"
        images.append(picture(rows, f"{each}{where}, a row a class", "by-class"))
    name = f"t_re = {t}" if t else "real"
    said = f"<p>{escape(sentence(walk, t))}</p>"
    return f'<li data-step="{t}" data-name="{name}"{measured}>{said}\n{"".join(images)}</li>'


def _shown(images: Mapping[int, np.ndarray]) -> int:
    """How many images a step may have, so that the page stays small."""
    count, *shape = next(iter(images.values())).shape
    return int(np.clip(MOST_BYTES // (len(images) * np.prod(shape)), 1, count))
