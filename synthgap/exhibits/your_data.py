"""Chapter A2, the plain answer for a reader's own data: its sentences, tables and figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..base.words import escaped, mean_over, p_value, percent, plus_minus, points, with_interval
from ..design.loading import Design
from ..design.values import GIVEN, NAIVE, REAL, arm_words, cell_words
from ..stats.verdict import ANSWER, DECIDED, LOOKS
from . import answer_figures as drawn
from .answer import (
    Compared,
    Decided,
    Task,
    answer_cells,
    best_mix,
    by_class,
    compared,
    gains,
    mixes,
    task,
    tested,
    verdicts,
)
from .answer_images import Copying, Coverage, Misread, copying, coverage, misread, nearest_pairs
from .answer_text import QUESTIONS, Answer, Known
from .base import WHOLE, exhibit, result, sentences
from .drawing import image_rows, nothing
from .text import in_percent, myst_table

OWN = "this chapter is for a reader's own data"
NOTES = ("notes", "found", "passed")  # of a data set's record: what was done, assumed and left out
MOST_DRAWN, MOST_LISTED = 12, 20  # classes, in the figure and in the table


@result("sentences", reads=[task, compared, mixes, verdicts, copying, coverage], no_rows=WHOLE)
def answer(
    d: Design,
    task: Task,
    compared: Compared,
    mixes: pd.DataFrame,
    decided: Decided,
    copying: Copying,
    coverage: Coverage | None,
) -> Answer:
    """The sentences, one a question; printing it shows them all."""
    return Known(d, task, compared, mixes, decided, copying, coverage).answer()


for _question in QUESTIONS:

    @sentences(f"answer-{_question.replace('_', '-')}", [answer])
    def _said(d: Design, answer: Answer, *, question: str = _question) -> str:
        return answer[question].markdown


@exhibit("tab-settings", [task], apart=OWN)
def settings_table(d: Design, task: Task) -> str:
    """What the answer is about and how it was made."""
    lines = [{"": escaped(a), "this run": escaped(b)} for a, b in settings(d, task).items()]
    return myst_table(lines, "What was found and what was done with it", "tab-settings")


def settings(d: Design, task: Task) -> dict[str, str]:
    """What was found in the data, and what the options made of it."""
    arms, record, options = d.arms, d.records[d.columns.index(d.arms)], d.options
    record = d.heads.record if d.heads else record
    channels, height, width = d.judged["train"].shape
    sizes = ", ".join(f"{n:,} {split}" for split, n in record["sizes"].items())
    uneven = f", the largest {task.imbalance:.1f} times the smallest" if task.imbalance > 1.05 else ""
    least, most = task.counts.min(), task.counts.max()
    rows = {
        "data set": arms.name,
        "images": f"{sizes}; {record['policy']}",
        "notes": "; ".join(line for part in NOTES for line in record.get(part, ())) or "none",
        "classes": f"{len(task.classes)}, {least:,} to {most:,} training images each{uneven}",
        "image_size": f"{options.image_size}: {width}×{height} pixels, {'grey' if channels == 1 else 'colour'}",
        "max_images": f"{options.max_images}: {d.fitted_to:,} training images",
        "judge": f"{options.judge}: {judge_words(d)}",
        "flip": f"{options.flip}: {'' if arms.mirrored else 'not '}mirrored in training",
        "grey": f"{options.grey}",
        "class_weights": d.preset.classifier.training.class_weights,
        "preset": d.preset.name,
    }
    if not d.heads:
        rows["seeds"] = ", ".join(map(str, d.seeds))
    if d.given:
        given = d.judged["given"]
        rows["synthetic"] = f"{given.loading.synthetic}: {given.count:,} images; no model was trained"
    return rows


def judge_words(d: Design) -> str:
    """Who gives the answer."""
    if not d.heads:
        return "ResNet-18, trained from scratch"
    network = d.heads.network
    redraws = f"{d.preset.head.draws} redraws of the images"
    return f"a linear classifier on {network.dimensions:,} features of {network.extractor}; {redraws}"


@exhibit("fig-worth", [task, compared], apart=OWN)
def worth_figure(d: Design, task: Task, compared: Compared) -> Figure:
    """Accuracy against the number of real images, and where the synthetic sets stand on that scale."""
    curve = compared.curve_levels()
    alone = {f"synthetic ×{k:g}": compared.level((arm, k)) for arm, k in answer_cells(d)["alone"]}
    return drawn.worth(curve, alone, task.measure, d.arms.name)


@exhibit("fig-gains", [task, compared, verdicts], apart=OWN)
def gains_figure(d: Design, task: Task, compared: Compared, decided: Decided) -> Figure:
    """What each way of augmenting adds to the real images."""
    return drawn.gains(gains(d, compared), best_mix(decided), task.measure, d.arms.name)


@exhibit("fig-how-many", [task, compared, verdicts], apart=OWN)
def multiples_figure(d: Design, task: Task, compared: Compared, decided: Decided) -> Figure:
    """Accuracy against the multiple, alone and beside the real images."""
    cells = answer_cells(d)
    lines = {"in the place of real images": {k: compared.level((arm, k)) for arm, k in cells["alone"]}}
    for arm in dict.fromkeys((best_mix(decided)[0], NAIVE, GIVEN)):
        mine = {k: compared.level((a, k)) for a, k in cells["beside"] if a == arm}
        lines |= {f"beside real images: {arm_words(arm)}": mine} if mine else {}
    return drawn.by_multiple(lines, compared.level(REAL), task.measure, d.arms.name)


@exhibit("fig-mixes", [task, mixes, verdicts], apart=OWN)
def mixes_figure(d: Design, task: Task, mixes: pd.DataFrame, decided: Decided) -> Figure:
    """The mixes on validation images."""
    return drawn.mixes(mixes[mixes.multiple > 0], best_mix(decided), task.measure, d.arms.name)


@exhibit("fig-nearest", [nearest_pairs], apart=OWN)
def nearest_figure(d: Design, pairs: dict[str, np.ndarray]) -> Figure:
    """The synthetic images that are nearest to a training image, with their neighbours."""
    return image_rows(pairs)


@exhibit("fig-by-class", [task, compared, verdicts], apart=OWN)
def classes_figure(d: Design, task: Task, compared: Compared, decided: Decided) -> Figure:
    """Shares told rightly, class by class, the worst ones first."""
    return drawn.by_class(by_class(d, task, compared, best_mix(decided)).head(MOST_DRAWN), d.arms.name)


@exhibit("tab-by-class", [task, compared, verdicts], apart=OWN)
def classes_table(d: Design, task: Task, compared: Compared, decided: Decided) -> str:
    """Shares told rightly, class by class, with their intervals."""
    rows = by_class(d, task, compared, best_mix(decided))
    lines = [
        {
            "class": escaped(row.name),
            "training images": f"{row.train:,}",
            "test images": f"{row.n:,}",
            "real (%)": percent(row.real.in_points),
            "synthetic alone (%)": percent(row.alone.in_points),
            "both (%)": percent(row.beside.in_points),
            "synthetic − real (points)": with_interval(row.change.in_points),
        }
        for row in rows.head(MOST_LISTED).itertuples(index=False)
    ]
    listed = "" if len(rows) <= MOST_LISTED else f", the first {MOST_LISTED} of {len(rows)}"
    caption = (
        f"Test images told rightly, class by class{listed}, largest drop first; in brackets 95% intervals (seeds × "
        "test images)"
    )
    return myst_table(lines, caption, "tab-by-class")


@exhibit("fig-misread", [misread], apart=OWN)
def misread_figure(d: Design, found: Misread) -> Figure:
    """Test images that real images teach and synthetic ones don't, with GradCAM maps of both classifiers."""
    return drawn.attention(found.images, found.maps, found.captions)


@exhibit("fig-uncovered", [coverage], apart=OWN)
def uncovered_figure(d: Design, found: Coverage | None) -> Figure:
    """Outermost test images that no synthetic image comes near."""
    if found is None or not len(found.uncovered):
        return nothing("none was found")
    return image_rows({"not covered": found.uncovered})


@exhibit("tab-sure", [verdicts], apart=OWN)
def verdicts_table(d: Design, decided: Decided) -> str:
    """The decided questions: differences, corrected p-values, and what the open ones need."""
    lines = []
    for question, (first, second, verdict) in decided.items():
        need = verdict.needed
        lines.append(
            {
                "question": QUESTIONS[question],
                "compared": f"{cell_words(first)} − {cell_words(second)}",
                "difference": points(verdict.difference.in_points),
                "p, corrected": p_value(verdict.p),
                "answer": f"**{verdict.word}**" if verdict.standing == DECIDED else verdict.word,
                "standing": verdict.standing,
                "seeds needed": "–" if need is None or need.seeds is None else f"≈ {need.seeds:,}",
                "or test images": "–" if need is None or need.images is None else f"≈ {need.images:,}",
                "or both": "–" if need is None else f"≈ {need.both[0]:,} and {need.both[1]:,}",
            }
        )
    times = f", and the {len(LOOKS)} looks" if d.looks else ""
    caption = (
        f"What is decided: the answers are wrong in at most {ANSWER.alpha:.0%} of runs, both questions together (p: "
        f"times their number{times}). An answer that leans goes by the 95% interval. Needed: with power 80%, to find "
        "the difference found here (one point at least)"
    )
    return myst_table(lines, caption, "tab-sure")


@exhibit("tab-arms", [tested], apart=OWN)
def arms_table(d: Design, rows: pd.DataFrame) -> str:
    """Every arm with its accuracy and its balanced accuracy."""
    lines = []
    for cell, mine in rows.groupby(["arm", "multiple"], sort=False):
        line = {"trained on": cell_words(cell)}
        for column, title in (("accuracy", "accuracy (%)"), ("balanced", "balanced accuracy (%)")):
            line[title] = plus_minus(in_percent(mine[column]))
        lines.append(line)
    caption = (
        f"Every classifier of this page: {mean_over(rows.seed.nunique())} over seeds, "
        f"on these {rows.n.iloc[0]:,} test images. Balanced: the mean of the classes' shares"
    )
    return myst_table(lines, caption, "tab-arms")
