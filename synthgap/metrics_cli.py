"""What `synthgap metrics` does: every measure of Section 4.1 for two sets of images, as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .api import train_classifier
from .data.imageset import ImageSet
from .data.pool import load_pool, same_channels
from .data.splits import halves, spread
from .errors import UserError
from .metrics.detection import DOMAINS, Detection, fake_detection
from .metrics.features import Extractor, extractor, features
from .metrics.fidelity import MEASURES, Fidelity, fidelity_of_features
from .metrics.memorization import Memorization, memorization, reading

TITLES = {
    "frechet": "Fréchet distance",
    "kid": "kernel distance",
    "precision": "precision",
    "recall": "recall",
    "density": "density",
    "coverage": "coverage",
}


@dataclass(frozen=True)
class Comparison:
    """All that was measured. `copying` needs other real images, and is None without them."""

    real: ImageSet
    fake: ImageSet
    score: str  # what the Fréchet distance is called in this feature space
    fidelity: Fidelity
    detection: tuple[Detection, ...]
    copying: Memorization | None
    notes: tuple[str, ...]


def compare(
    real_source: str,
    fake_source: str,
    held_out: str | None = None,
    extractor_name: str = "classifier",
    *,
    weights: Path | None = None,
    preset: str = "quick",
    image_size: int | None = None,
    detector: str = "logistic",
    cache: Path | None = None,
    device: str = "cpu",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Load two sets (and real images that the generator has not seen) and measure them.

    With the extractor "classifier", one is trained on half of the real images and the other half is compared, so that
    no image is judged by a network that was trained on it. Raises UserError for anything wrong in the sources.
    """
    real = load_pool(real_source, image_size)
    fake = load_pool(fake_source, like=real)
    real, fake = same_channels(real, fake)
    other = None
    if held_out is not None:
        _, other = same_channels(real, load_pool(held_out, like=real))
    notes = [f"real: {_say(real)}", f"fake: {_say(fake)}"]
    judged, judge = real, None
    if extractor_name == "classifier":
        judge, judged = _classifier(real, preset, device, seed)
        notes.append(f"a classifier was trained on {len(real) - len(judged)} real images; the rest is compared")
    chosen: Extractor = extractor(extractor_name, weights=weights, classifier=judge, device=device)
    compared = fake.subset(spread(fake.labels, len(judged)))
    vectors = [features(s, chosen, cache=cache, progress=progress) for s in (judged, compared)]
    fidelity = fidelity_of_features(*vectors, chosen.name, seed=seed)
    count = min(len(real), len(fake))
    pairs = [s.subset(spread(s.labels, count)) for s in (real, fake)]
    detection = tuple(fake_detection(*pairs, domain, detector, seed) for domain in DOMAINS)
    copying = None if other is None else memorization(real.images, other.images, fake.images, seed=seed)
    return Comparison(real, fake, chosen.score, fidelity, detection, copying, tuple(notes))


def _classifier(real: ImageSet, preset: str, device: str, seed: int):
    """(a classifier trained on half of the images, the other half)."""
    if len(real.classes) < 2:
        raise UserError(
            f"{real.name} has no classes to train a classifier on; put its images into one subfolder a class, or "
            "choose --extractor inception or efficientnet-lite0"
        )
    mine, others = (real.subset(h) for h in halves(real.labels))
    return train_classifier(real=mine, preset=preset, seed=seed, device=device), others


def _say(images: ImageSet) -> str:
    _, height, width = images.shape
    colour = "grey" if images.shape[0] == 1 else "colour"
    return f"{images.name}, {len(images):,} images, {width}×{height} {colour}, {len(images.classes)} classes"


def as_text(result: Comparison) -> str:
    """The comparison as lines for people."""
    f = result.fidelity
    heads = ["measure", f"all (n = {f.n[0]:,}, {f.n[1]:,})", "95% interval"]
    if f.floor is not None:
        heads += [f"fake, n = {f.floor.n[0]:,}", f"real, n = {f.floor.n[0]:,}"]
    rows = []
    for name in MEASURES:
        title = result.score if name == "frechet" else TITLES[name]
        span = "{:.4g} to {:.4g}".format(*f.intervals[name]) if name in f.intervals else "–"
        beside = [f"{getattr(v, name):.4g}" for v in (f.matched, f.floor) if v is not None]
        rows.append([title, f"{getattr(f, name):.4g}", span, *beside])
    for d in result.detection:
        chance = ["", "50%"] if f.floor is not None else []
        span = f"{d.low:.1%} to {d.high:.1%}"
        rows.append([f"detected, {d.domain} ({d.detector})", f"{d.accuracy:.1%}", span, *chance])
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = list(result.notes)
    for row in (heads, *rows):
        lines.append("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
    if f.floor is not None:
        lines.append(
            "The last two columns set the fake images, and half of the real ones, against the other half of the real: "
            "they compare with each other. At small n even real images are not at distance 0 from real images."
        )
    if result.copying is not None:
        c = result.copying
        lines.append(
            f"copying: {c.authentic:.0%} authentic, distance ratio {c.ratio:.3g}, C_T {c.copying:+.2f}, "
            f"closest {c.closest:.4g}: {reading(c)}"
        )
    return "\n".join(lines)


def as_json(result: Comparison) -> str:
    """The comparison as JSON, every number with its n."""

    def numbers(f: Fidelity) -> dict:
        out = {name: getattr(f, name) for name in MEASURES} | {"n_real": f.n[0], "n_fake": f.n[1]}
        return out | ({"intervals_95": {k: list(v) for k, v in f.intervals.items()}} if f.intervals else {})

    def judged(d: Detection) -> dict:
        names = {"domain": d.domain, "detector": d.detector, "accuracy": d.accuracy}
        return names | {"interval_95": [d.low, d.high], "pairs": d.n}

    f = result.fidelity
    out = {
        "real": {"name": result.real.name, "images": len(result.real), "sha256": result.real.fingerprint},
        "fake": {"name": result.fake.name, "images": len(result.fake), "sha256": result.fake.fingerprint},
        "extractor": f.extractor,
        "frechet_is_called": result.score,
        "fidelity": numbers(f),
        "fidelity_of_half": None if f.matched is None else numbers(f.matched),
        "real_against_real_of_half": None if f.floor is None else numbers(f.floor),
        "detection": [judged(d) for d in result.detection],
        "notes": list(result.notes),
    }
    if result.copying is not None:
        c = result.copying
        out["copying"] = {"authentic": c.authentic, "ratio": c.ratio, "c_t": c.copying, "closest": c.closest}
    return json.dumps(out, indent=1, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value)} has no JSON")
