"""Section 4.1 in the paper's own unit: fidelity in the features of a frozen network, Inception's (FID) where it is."""

from __future__ import annotations

import functools

import pandas as pd

from ..base.words import capital, escaped, points
from ..design.heads import frozen
from ..design.loading import Design
from ..design.values import FLOOR, INSTEAD, NAIVE, REAL
from ..diffusion.schedule import REVERSE_STEPS
from ..graph.settings import Frozen
from ..graph.specs import Extract, Images, MeasureFrozen
from ..metrics.extractors import INCEPTION_FILE, WEIGHTS_FOLDER, inception_there
from .augmentation import all_arm_hits
from .base import Cells, Values, exhibit, measured, result
from .hits import Hits, arm_difference
from .samples import FEW
from .text import mean_of, mean_told, myst_table, paper_table

ABSENT = (
    "This run has not measured fidelity in the paper's unit: that takes the weights of Inception, which the book may "
    f"not carry. A run measures it where {INCEPTION_FILE} lies in the folder that `{WEIGHTS_FOLDER}` names."
)


@functools.cache
def _space(name: str) -> Frozen | None:
    if name == "none" or (name == "auto" and not inception_there()):
        return None
    return frozen("inception" if name == "auto" else name)


def frozen_cells(d: Design) -> Cells:
    """(data set, t_re, seed) → fidelity of the training set at t_re against itself, as the paper measures it; of all
    data sets but the main one the fully synthetic set's. At FLOOR stand other real images. None without a network."""
    space = _space(d.preset.frozen)
    if space is None:
        return {}
    cells: Cells = {}
    for arms in [d.main, *(other for other in d.columns_of(4) if other is not d.main)]:
        steps = (*d.preset.curves, FLOOR, *arms.rivals) if arms is d.main else (REVERSE_STEPS,)

        def seen(images: Images) -> Extract:
            return Extract(images=images, network=space, device=d.device)

        for s in d.seeds:
            for t in steps:
                fake = arms.data["floor"] if t == FLOOR else arms.samples(s, t)
                cells[arms.name, t, s] = MeasureFrozen(real=seen(arms.data["train"]), fake=seen(fake))
    return cells


@result("frozen_fidelity", frozen_cells)
def frozen_fidelity(d: Design, values: Values) -> pd.DataFrame:
    """Columns dataset, t_re (or FLOOR, GAN), seed, frechet (FID under Inception), precision, recall, n_real, n_fake."""
    columns = ("dataset", "t_re", "seed", *FEW, "n_real", "n_fake")
    if not values:
        return pd.DataFrame(columns=columns)
    rows = measured(("dataset", "t_re", "seed"), (*FEW, "n"))(d, values)
    sizes = rows.pop("n")
    return rows.assign(n_real=[n[0] for n in sizes], n_fake=[n[1] for n in sizes])


def _named(d: Design) -> tuple[str, str]:
    """How the network and its Fréchet distance are called."""
    name = _space(d.preset.frozen).extractor
    return name, "FID" if name == "inception" else f"FD-{name}"


@exhibit("tab-fid", [frozen_fidelity], paper=["Figure 6"])
def fid_table(d: Design, rows: pd.DataFrame) -> str:
    """The paper's Figure 6 in its unit: every reverse step against the training set itself."""
    mine = rows[rows.dataset == d.main.name]
    if mine.empty:
        return ABSENT
    network, score = _named(d)
    out = []
    for t in dict.fromkeys(mine.t_re):
        at = mine[mine.t_re == t]
        shown = {score: mean_of(at, "frechet"), "precision": mean_of(at, "precision"), "recall": mean_of(at, "recall")}
        out.append({"reverse step": INSTEAD.get(t, f"{t:g}"), **shown})
    caption = (
        f"Fidelity in the unit of the paper's Figure 6: the training set of {d.main.name} at each reverse step against "
        f"itself, in features of {network}. {capital(mean_told(mine.seed.nunique()))}; {mine.n_fake.iloc[0]:,} images. "
        "With few images the distance is biased upwards, and can't be compared with one of 50,000"
    )
    return myst_table(out, caption, "tab-fid")


@exhibit("tab-fid-benefit", [frozen_fidelity, all_arm_hits], paper=["Table 4"])
def benefit_table(d: Design, rows: pd.DataFrame, known: Hits) -> str:
    """Whether a better generator helps more, as the paper's Section 5 says: FID and gain of each data set."""
    if rows.empty:
        return ABSENT
    _, score = _named(d)
    fids, paper = paper_table("table4_fid"), paper_table("table4")
    most = max(k for arm, k in d.arms.listed() if arm == NAIVE)
    out = []
    for arms in d.columns_of(4):
        at = rows[(rows.dataset == arms.name) & (rows.t_re == REVERSE_STEPS)]
        gain = arm_difference(d, known, (NAIVE, most), REAL, arms.name)
        out.append({"data set": escaped(arms.name), "FID": mean_of(at, "frechet"), f"gain of ×{most:g}": points(gain)})
    alone, helped = paper[REAL[0]], paper[f"{NAIVE} ×5"]
    for name, fid in fids.items():
        gain = f"{helped[name][0] - alone[name][0]:+.1f} points".replace("-", "−")
        out.append({"data set": f"{name} (the paper)", "FID": f"{fid:.1f}", f"gain of ×{most:g}": gain})
    out = [{score if key == "FID" else key: value for key, value in line.items()} for line in out]
    caption = (
        "Does a generator that is nearer to the real images help more? Fréchet distance of fully synthetic images, and "
        "what they add to the real images; the paper's three data sets below, with its FID and ×5"
    )
    return myst_table(out, caption, "tab-fid-benefit")
