"""Section 4.3: why synthetic images teach less; controls in real images, and the symptoms of each candidate."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..data.splits import halves, stratified_lowest
from ..design.arms import CROSSFIT
from ..design.loading import Design
from ..design.values import FLOOR
from ..diffusion.schedule import REVERSE_STEPS
from ..graph.compute import centralities
from ..graph.specs import MeasureLikelihood, Snapshot, Subset, Trim
from ..metrics.likelihood import Likelihood
from .base import Cells, Values, hits, measured, read, result
from .classifiers import concentration_numbers


def likelihood_cells(d: Design) -> Cells:
    """(σ, split, t_re, seed) → log-likelihood, under the seed's generator, of a few images of a split at t_re."""
    arms, choice = d.main, d.main.preset.likelihood
    return {
        (sigma, split, t, s): MeasureLikelihood(
            model=arms.generator(s),
            images=Subset(images=arms.samples(s, t, split=part), count=min(choice.images, arms.data[part].count)),
            settings=choice.settings,
            sigma=sigma,
            seed=s,
            device=arms.device,
        )
        for sigma in choice.sigmas
        for split, part in (("train", "train"), ("test", "probe"))
        for t in arms.preset.table2
        for s in d.seeds
    }


def _nats(value: Likelihood) -> dict[str, float]:
    return {"nats": float(value.nats.mean()), "bits_per_dim": float(value.bits_per_dim.mean()), "n": value.n}


# columns sigma, split, t_re, seed, nats (ln p, mean over images), bits_per_dim, n
likelihood = result("likelihood", likelihood_cells)(read(("sigma", "split", "t_re", "seed"), _nats))


def trimmed_cells(d: Design) -> Cells:
    """("central" or "random", real images, seed) → test predictions of as many of either, at the whole set's steps.

    The central ones are nearest to their class means; the random ones are those of the learning curve.
    """
    arms, train, cells = d.main, d.main.data["train"], {}
    for share in sorted(arms.preset.trimmed):
        count = arms.share(share)
        for s in d.seeds:
            chosen = {
                "central": Trim(images=train, seen=arms.halves_seen(s), count=count),
                "random": Subset(images=train, count=count, seed=s),
            }
            for name, part in chosen.items():
                cells[name, count, s] = arms.test(arms.classifier(s, 0).model_copy(update={"real": part}))
    return cells


trimmed_hits = hits("trimming", trimmed_cells)


def _spread_cells(d: Design) -> Cells:
    """What `trimming` reads: its cells, the whole set's ("whole", seed), and, for the spread, features of both halves
    (("seen", half, seed), see `Arms.halves_seen`) and of other real images (("other", seed))."""
    arms, cells = d.main, trimmed_cells(d)
    if not cells:
        return {}
    for s in d.seeds:
        cells["whole", s] = arms.test(arms.classifier(s, 0))
        cells |= {("seen", half, s): seen for half, seen in enumerate(arms.halves_seen(s))}
        cells["other", s] = arms.judged(CROSSFIT, s, FLOOR)
    return cells | {("train",): arms.data["train"]}


@result("trimming", _spread_cells)
def trimming(d: Design, values: Values) -> pd.DataFrame:
    """Real images without their outskirts: columns real_images, seed, central, random, n, and of concentration.

    central, random : test accuracy of classifiers trained on the `real_images` nearest to their class means, and
        on as many random ones; where that is the whole set, of the real classifier.
    trace_ratio, distance_ratio, outer_coverage : of the central ones, cross-fitted (see `metrics.projection`); NaN
        where too few images a class are left.

    Empty where the preset has no such cells.
    """
    counts = sorted({cell[1] for cell in values if cell[0] == "central"})
    if not counts:
        return pd.DataFrame()
    rows = [
        {"real_images": n, "seed": s, **{which: values[which, n, s].accuracy for which in ("central", "random")}}
        for n in counts
        for s in sorted(d.seeds)
    ]
    whole = [(s, values["whole", s].accuracy) for s in d.seeds]
    rows += [{"real_images": d.main.data["train"].count, "seed": s, "central": a, "random": a} for s, a in whole]
    tested = d.main.data["test"].count
    spreads = [_spread(values, row["seed"], row["real_images"]) for row in rows]
    return pd.DataFrame([row | {"n": tested} | spread for row, spread in zip(rows, spreads, strict=True)])


def _spread(values: Values, seed: int, count: int) -> dict[str, float]:
    """Concentration of the `count` central images of half b, as `concentration` measures the synthetic ones."""
    labels = values["train",].labels
    seen = [values["seen", half, seed] for half in (0, 1)]
    kept = np.zeros(len(labels), dtype=bool)
    kept[stratified_lowest(labels, count, centralities(labels, [p.features for p in seen]))] = True
    _, half = halves(labels)
    mine = kept[half]
    return concentration_numbers(values["other", seed], seen[1].features[mine], labels[half][mine])


def checkpoint_cells(d: Design) -> Cells:
    """(images that the generator had seen, seed) → test predictions of synthetic only ×1 from it then."""
    arms, cells = d.main, {}
    for s in d.seeds:
        run, whole = arms.generator(s), arms.classifier(s, REVERSE_STEPS)
        for count in run.snapshots:
            images = arms.samples(s, REVERSE_STEPS).model_copy(update={"model": Snapshot(run=run, images=count)})
            cells[count, s] = arms.test(whole.model_copy(update={"synthetic": (images,)}))
        cells[run.training.images, s] = arms.test(whole)
    return cells


# synthetic only ×1 by the generator's training: columns generator_images, seed, accuracy, n
checkpoints = result("checkpoints", checkpoint_cells)(measured(("generator_images", "seed"), ("accuracy", "n")))
checkpoint_hits = hits("checkpoints", checkpoint_cells)
