"""What `synthgap metrics` does: every measure of Section 4.1 for two sets of images, as a table or as JSON."""

from __future__ import annotations

import json
import math
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..base.errors import UserError
from ..data.imageset import ImageSet
from ..data.pool import load_pool, open_pool, same_channels
from ..data.shards import Shards, blocks_of
from ..data.splits import halves, spread
from ..metrics.detection import DOMAINS, Detection, RealFloor, fake_detection, real_floor
from ..metrics.extractors import Extractor, extractor
from ..metrics.features import features
from ..metrics.fidelity import KERNEL_LIMIT, MEASURES, NEIGHBOURS, Fidelity, fidelity_of_features
from ..metrics.memorization import Memorization, memorization, reading
from ..metrics.streaming import PAIRWISE, drawn, fidelity_of_stored, store_features
from .functions import train_classifier

LEAST = NEIGHBOURS + 2  # images of a set that is measured
FEW = 100
# where a set stays on the disk, what else is drawn from it, so that memory stays below 4 GB
DETECTED = 5_000, 2**24  # pairs that a detector sees, and pixels of either set; it holds them many times in float64
TRAINED = 50_000  # real images that train the classifier
COPIES_REAL, COPIES_FAKE = 50_000, 10_000  # images that are looked at for copies


@dataclass(frozen=True)
class Comparison:
    """All that was measured. `copying` needs other real images, and is None without them.

    pairwise : (real, fake) images that are drawn for all measures of fidelity but the Fréchet distance, where a set is
        not in memory. As ever, the kernel distance sees at most 10,000 of them, and the others as many of each set.
    """

    real: ImageSet | Shards
    fake: ImageSet | Shards
    score: str  # what the Fréchet distance is called in this feature space
    fidelity: Fidelity
    detection: tuple[Detection, ...]
    detection_floor: tuple[RealFloor | None, ...]  # of the real images alone, one for each of `detection`
    copying: Memorization | None
    notes: tuple[str, ...]
    pairwise: tuple[int, int] | None = None


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
    pairwise: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Load two sets (and real images that the generator has not seen) and measure them.

    With the extractor "classifier", one is trained on half of the real images and the other half is compared, so that
    no image is judged by a network that was trained on it.

    A sharded set of more than 10,000 images stays on the disk: the Fréchet distance is of all images that are judged,
    whatever their numbers, the other measures of fidelity of at most `pairwise` (50,000) of each set, and detectors,
    the classifier and the search for copies get draws of their own. All are seeded, and the notes say how many.

    Raises UserError for anything wrong in the sources.
    """
    told: dict[str, list[str]] = {"real": [], "fake": [], "held out": []}
    real = open_pool(real_source, image_size, notes=told["real"])
    fake = open_pool(fake_source, like=real, notes=told["fake"])
    real, fake = same_channels(real, fake)
    large = any(isinstance(s, Shards) for s in (real, fake))
    if pairwise is not None and not large:
        raise UserError(
            "pairwise is for sharded sets of more than 10,000 images; these are in memory, and compared as they are"
        )
    other = None
    if held_out is not None:
        _, other = same_channels(real, load_pool(held_out, like=real, notes=told["held out"]))
        _check_held_out(real, other)
    notes = [f"real: {_say(real)}", f"fake: {_say(fake)}"]
    notes += [f"{which}: {line}" for which, lines in told.items() for line in lines]
    _check_sizes(real, fake, extractor_name)
    limits = (DETECTED[0], max(DETECTED[1] // math.prod(real.shape), 10)) if large else ()
    count = min(len(real), len(fake), *limits)
    pairs = [s.subset(spread(s.labels, count)) for s in (real, fake)]
    detection = tuple(fake_detection(*pairs, domain, detector, seed, device=device) for domain in DOMAINS)
    floors = tuple(real_floor(pairs[0], domain, detector, seed, device=device) for domain in DOMAINS)
    judged, judge = np.arange(len(real)), None
    if extractor_name == "classifier":
        mine, judged = _halves(real)
        if large:
            mine = mine[drawn(len(mine), TRAINED, seed)]
        judge = train_classifier(real=real.subset(mine), preset=preset, seed=seed, device=device)
        notes.append(f"a classifier was trained on {len(mine)} real images; the rest is compared")
    chosen: Extractor = extractor(extractor_name, weights=weights, classifier=judge, device=device)
    parts = None
    if large:
        most = PAIRWISE if pairwise is None else pairwise
        fidelity = _streamed(real, judged, fake, chosen, most, cache, seed, progress)
        parts = tuple(min(n, most) for n in fidelity.n)
        notes += _draws(fidelity.n, parts, count, held_out is not None, (real, fake), seed)
    else:
        compared = fake.subset(spread(fake.labels, len(judged)))
        vectors = [features(s, chosen, cache=cache, progress=progress) for s in (real.subset(judged), compared)]
        fidelity = fidelity_of_features(*vectors, chosen.name, seed=seed)
    copying = None if other is None else _copying(real, other, fake, large, seed)
    return Comparison(real, fake, chosen.score, fidelity, detection, floors, copying, tuple(notes), parts)


def _streamed(
    real: ImageSet | Shards,
    judged: np.ndarray,
    fake: ImageSet | Shards,
    chosen: Extractor,
    pairwise: int,
    cache: Path | None,
    seed: int,
    progress: Callable[[int, int], None] | None,
) -> Fidelity:
    """Fidelity with features on the disk: in the cache, or in a temporary folder (of TMPDIR) without one."""
    with ExitStack() as stack:
        folder = cache or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="synthgap-features-")))
        stored = [
            store_features(images, chosen, folder, positions, progress=progress)
            for images, positions in ((real, judged), (fake, None))
        ]
        return fidelity_of_stored(*stored, chosen.name, pairwise=pairwise, seed=seed)


def _copying(real: ImageSet | Shards, other: ImageSet, fake: ImageSet | Shards, large: bool, seed: int) -> Memorization:
    """Whether fake images are copies of real ones; where a set stays on the disk, draws of both are looked at."""
    if large:
        real = real.subset(drawn(len(real), COPIES_REAL, seed))
        fake = fake.subset(drawn(len(fake), COPIES_FAKE, seed))
    return memorization(real.images, other.images, fake.images, seed=seed)


def _draws(
    all_of: tuple[int, int],
    some: tuple[int, int],
    pairs: int,
    copies: bool,
    sets: tuple[ImageSet | Shards, ImageSet | Shards],
    seed: int,
) -> list[str]:
    """What each measure of a streamed comparison is of."""
    kernel = tuple(min(n, KERNEL_LIMIT) for n in some)
    lines = [
        "the Fréchet distance is of {:,} real and {:,} fake images".format(*all_of)
        + f"; precision, recall, density and coverage of {min(some):,} of each"
        + ", the kernel distance of {:,} and {:,}".format(*kernel)
        + f", drawn with seed {seed}; fake detection of {pairs:,} pairs"
    ]
    if copies:
        looked = [min(len(s), most) for s, most in zip(sets, (COPIES_REAL, COPIES_FAKE), strict=True)]
        blind = "" if looked[0] == len(sets[0]) else ", which can't see copies of the other real ones"
        lines.append("copying: {:,} of the real and {:,} of the fake images were looked at".format(*looked) + blind)
    return lines


def _halves(real: ImageSet | Shards) -> tuple[np.ndarray, np.ndarray]:
    """Positions of (the real images that train the classifier, the other half)."""
    if len(real.classes) < 2:
        raise UserError(
            f"{real.name} has no classes to train a classifier on; put its images into one subfolder a class, or "
            "choose --extractor inception or efficientnet-lite0"
        )
    return halves(real.labels)


def _check_sizes(real: ImageSet | Shards, fake: ImageSet | Shards, extractor_name: str) -> None:
    """Refuse too few images before anything long begins."""
    half = extractor_name == "classifier"
    need = LEAST * (2 if half else 1)
    why = ", since half of them train the classifier" if half else ""
    if len(real) < need or len(fake) < LEAST:
        raise UserError(
            f"{len(real)} real and {len(fake)} fake images are too few; give at least {need} real ones{why}, and "
            f"{LEAST} fake ones"
        )


def _check_held_out(real: ImageSet | Shards, other: ImageSet) -> None:
    theirs = Counter(image.tobytes() for image in other.images)
    known: set[bytes] = set()
    for block in blocks_of(real, np.arange(len(real))):
        known.update(theirs.keys() & {image.tobytes() for image in block.images})
    shared = sum(theirs[image] for image in known)
    if shared:
        raise UserError(
            f"{shared} of the {len(other)} held-out images are among the real ones, too; hold out images that the "
            "generator was not trained on"
        )


def _say(images: ImageSet | Shards) -> str:
    _, height, width = images.shape
    colour = "grey" if images.shape[0] == 1 else "colour"
    classes = f"{len(images.classes)} class" + ("es" if len(images.classes) != 1 else "")
    return f"{images.name}, {len(images):,} images, brought to {width}×{height} {colour}, {classes}"


def as_text(result: Comparison) -> str:
    """The comparison as lines for people."""
    f = result.fidelity
    heads = ["measure", f"all (n = {f.n[0]:,}, {f.n[1]:,})", "95% interval"]
    if result.pairwise is not None:
        heads[1] = "value"
    if f.floor is not None:
        heads += [f"fake, n = {f.floor.n[0]:,}", f"real, n = {f.floor.n[0]:,}"]
    rows = []
    for name in MEASURES:
        title = {"frechet": result.score, "kid": "kernel distance"}.get(name, name)
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
    for d, floor in zip(result.detection, result.detection_floor, strict=True):
        lines.append(f"detected as fake, {d.domain} ({d.detector}, {d.n:,} pairs): {_accuracy(d)}; 50% is chance")
        if floor is not None:
            lines.append(
                f"real against real, {d.domain} ({floor.ends.n:,} pairs): every second image "
                f"{_accuracy(floor.alternating)}; the first half of each class against the last {_accuracy(floor.ends)}"
            )
    if any(result.detection_floor):
        lines.append(
            "Where the first half of the real images is distinguished from the last, other people or machines may have "
            "made them, or on other days; that much detection says nothing against the fake images."
        )
    if result.copying is not None:
        c = result.copying
        lines.append(
            f"copying: {reading(c)}. C_T {c.copying:+.2f} (a z score; copies are far below 0), {c.authentic:.0%} "
            f"authentic (copies 0%), distance to real / to held-out images {c.ratio:.3g} "
            f"(copies 0, fresh images 1), closest pair {c.closest:.4g} grey levels apart"
        )
    return "\n".join(lines)


def _accuracy(d: Detection) -> str:
    return f"{d.accuracy:.1%}, 95% interval {d.low:.1%} to {d.high:.1%}"


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
        "detection_real_against_real": [
            None if floor is None else {"alternating": judged(floor.alternating), "ends": judged(floor.ends)}
            for floor in result.detection_floor
        ],
        "notes": list(result.notes),
    }
    if result.pairwise is not None:
        out["kernel_distance_of"] = [min(n, KERNEL_LIMIT) for n in result.pairwise]
        out["precision_recall_density_coverage_of_each"] = min(result.pairwise)
    if result.copying is not None:
        c = result.copying
        numbers_of_copying = {"authentic": c.authentic, "ratio": c.ratio, "c_t": c.copying, "closest": c.closest}
        out["copying"] = numbers_of_copying | {"reading": reading(c)}
    return json.dumps(out, indent=1, ensure_ascii=False, default=np.generic.item)
