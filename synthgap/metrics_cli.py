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
from .metrics.fidelity import MEASURES, NEIGHBOURS, Fidelity, fidelity_of_features
from .metrics.memorization import Memorization, memorization, reading

LEAST = NEIGHBOURS + 2  # images of a set that is measured
FEW = 100
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
        _check_held_out(real, other)
    notes = [f"real: {_say(real)}", f"fake: {_say(fake)}"]
    _check_sizes(real, fake, extractor_name)
    count = min(len(real), len(fake))
    pairs = [s.subset(spread(s.labels, count)) for s in (real, fake)]
    detection = tuple(fake_detection(*pairs, domain, detector, seed) for domain in DOMAINS)
    judged, judge = real, None
    if extractor_name == "classifier":
        judge, judged = _classifier(real, preset, device, seed)
        notes.append(f"a classifier was trained on {len(real) - len(judged)} real images; the rest is compared")
    chosen: Extractor = extractor(extractor_name, weights=weights, classifier=judge, device=device)
    compared = fake.subset(spread(fake.labels, len(judged)))
    vectors = [features(s, chosen, cache=cache, progress=progress) for s in (judged, compared)]
    fidelity = fidelity_of_features(*vectors, chosen.name, seed=seed)
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


def _check_sizes(real: ImageSet, fake: ImageSet, extractor_name: str) -> None:
    """Refuse too few images before anything long begins."""
    half = extractor_name == "classifier"
    need = LEAST * (2 if half else 1)
    why = ", since half of them train the classifier" if half else ""
    if len(real) < need or len(fake) < LEAST:
        raise UserError(
            f"{len(real)} real and {len(fake)} fake images are too few; give at least {need} real ones{why}, and "
            f"{LEAST} fake ones"
        )


def _check_held_out(real: ImageSet, other: ImageSet) -> None:
    known = {image.tobytes() for image in real.images}
    shared = sum(image.tobytes() in known for image in other.images)
    if shared:
        raise UserError(
            f"{shared} of the {len(other)} held-out images are among the real ones, too; hold out images that the "
            "generator was not trained on"
        )


def _say(images: ImageSet) -> str:
    _, height, width = images.shape
    colour = "grey" if images.shape[0] == 1 else "colour"
    classes = f"{len(images.classes)} class" + ("es" if len(images.classes) != 1 else "")
    return f"{images.name}, {len(images):,} images, brought to {width}×{height} {colour}, {classes}"


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
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = list(result.notes)
    for row in (heads, *rows):
        lines.append("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
    lines.append("Distances: lower is nearer (the kernel distance may fall below 0). The other four: higher is better.")
    if f.floor is not None:
        lines.append(
            "The last two columns set the fake images, and half of the real ones, against the other half of the real: "
            "they compare with each other. At small n even real images are not at distance 0 from real images."
        )
    if min(f.n) < FEW:
        lines.append(f"Fewer than {FEW} images a set: the intervals are wide, differences within them mean nothing.")
    for d in result.detection:
        lines.append(
            f"detected as fake, {d.domain} ({d.detector}, {d.n:,} pairs): {d.accuracy:.1%}, 95% interval "
            f"{d.low:.1%} to {d.high:.1%}; 50% is chance"
        )
    if result.copying is not None:
        c = result.copying
        lines.append(
            f"copying: {reading(c)}. C_T {c.copying:+.2f} (a z score; copies are far below 0), {c.authentic:.0%} "
            f"authentic (copies 0%), distance to real / to held-out images {c.ratio:.3g} "
            f"(copies 0, fresh images 1), closest pair {c.closest:.4g} grey levels apart"
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
        numbers_of_copying = {"authentic": c.authentic, "ratio": c.ratio, "c_t": c.copying, "closest": c.closest}
        out["copying"] = numbers_of_copying | {"reading": reading(c)}
    return json.dumps(out, indent=1, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value)} has no JSON")
