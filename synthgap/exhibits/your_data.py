"""Chapter A2, the plain answer for a reader's own data: its sentences, tables and figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..base.words import difference, escaped, p_value, percent, plural
from ..design.loading import Design
from ..design.values import GIVEN, NAIVE, REAL, arm_words, cell_words
from ..metrics.scores import MEASURES, calibration_error
from ..stats.verdict import ANSWER, DECIDED, LOOKS, Verdict
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
    scored,
    task,
    tested,
    verdicts,
)
from .answer_images import Copying, Coverage, Misread, copying, coverage, misread, nearest_pairs
from .answer_text import QUESTIONS, Known, answer
from .answer_words import given_that, model_behind
from .base import WHOLE, exhibit, result, sentences
from .drawing import image_rows, nothing
from .scored import Scored
from .text import mean_told, myst_table, percent_told

COLUMNS = {"auc": "AUC", "average-precision": "AP"}
OWN = "this chapter is for a reader's own data"
NOTES = ("notes", "found", "passed")  # of a data set's record: what was done, assumed and left out
MOST_DRAWN, MOST_LISTED = 12, 20  # classes, in the figure and in the table


@result("known", reads=[task, compared, mixes, verdicts, copying, coverage], no_rows=WHOLE)
def known(
    d: Design,
    task: Task,
    compared: Compared,
    mixes: pd.DataFrame,
    decided: Decided,
    copying: Copying,
    coverage: Coverage | None,
) -> Known:
    """What the sentences are made from; `answer_text.answer` makes them."""
    return Known(d, task, compared, mixes, decided, copying, coverage)


for _question in QUESTIONS:

    @sentences(f"answer-{_question.replace('_', '-')}", [known])
    def _said(d: Design, known: Known, *, question: str = _question) -> str:
        return answer(known)[question].markdown


@exhibit("tab-settings", [task], apart=OWN)
def settings_table(d: Design, task: Task) -> str:
    """What the answer is about and how it was made."""
    lines = [{"": escaped(a), "this run": escaped(b)} for a, b in settings(d, task).items()]
    return myst_table(lines, "What was found and what was done with it", "tab-settings")


def settings(d: Design, task: Task) -> dict[str, str]:
    """What was found in the data, and what the options made of it."""
    arms, record, options = d.arms, d.record, d.options
    channels, height, width = d.judged["train"].shape
    sizes = ", ".join(f"{n:,} {split}" for split, n in record["sizes"].items())
    if d.heads and d.heads.crossed:
        train, chosen_by = (d.judged[part].count for part in ("train", "validation"))
        sizes = f"{train:,} to train and test in {d.heads.parts} parts, {chosen_by:,} validation"
    uneven = f", the largest {task.imbalance:.1f} times the smallest" if task.imbalance > 1.05 else ""
    least, most = task.counts.min(), task.counts.max()
    each = f"{least:,} to {most:,}" if most > least else f"{most:,}"
    rows = {
        "data set": arms.name,
        "images": f"{sizes}; {record['policy']}",
        "notes": "; ".join(line for part in NOTES for line in record.get(part, ())) or "none",
        "classes": f"{len(task.classes)}, {each} training images each{uneven}",
        "always the largest class": f"right on {np.bincount(task.test).max() / len(task.test):.0%} of the test images",
        "image_size": f"{options.image_size}: {width}×{height} pixels, {'grey' if channels == 1 else 'colour'}",
        "max_images": f"{options.max_images}: {d.fitted_to:,} training images",
        "judge": f"{options.judge}: {judge_words(d)}",
        "flip": f"{options.flip}: {'' if arms.mirrored else 'not '}mirrored in training",
        "grey": "colour was taken away" if options.grey else "colours as they are",
        "class_weights": d.preset.classifier.training.class_weights,
        "preset": d.preset.name,
    }
    if not d.given or not d.heads:
        rows["seeds"] = ", ".join(map(str, d.seeds))
    if model_behind(d):
        rows["generator"] = "; ".join(record["generator"])
    if d.given:
        given = d.judged["given"]
        rows["synthetic"] = f"{given.loading.synthetic}: {given.count:,} images; no model was trained"
    return rows


def about(d: Design) -> str:
    """What a figure is about."""
    return f"{d.arms.name}{given_that(d)}"


def judge_words(d: Design) -> str:
    """Who gives the answer."""
    if not d.heads:
        return "ResNet-18, trained from scratch"
    network = d.heads.network
    redraws = f"{d.heads.draws} redraws of the images"
    redraws += "" if d.given else f" for each of {plural(d.heads.generators, 'generator')}"
    return f"a linear classifier on {network.dimensions:,} features of {network.extractor}; {redraws}"


@exhibit("fig-worth", [task, compared], apart=OWN)
def worth_figure(d: Design, task: Task, compared: Compared) -> Figure:
    """Accuracy against the number of real images, and where the synthetic sets stand on that scale."""
    curve = compared.curve_levels()
    alone = {f"synthetic ×{k:g}": compared.level((arm, k)) for arm, k in answer_cells(d)["alone"]}
    seeds = {n: right.mean(axis=1) for n, right in compared.real_curve()} if told_by_seeds(task, compared) else {}
    return drawn.worth(curve, seeds, alone, task.measure, about(d))


@exhibit("fig-gains", [task, compared, verdicts], apart=OWN)
def gains_figure(d: Design, task: Task, compared: Compared, decided: Decided) -> Figure:
    """What each way of augmenting adds to the real images."""
    several = gains(d, compared)
    real = compared.right(REAL).astype(float)
    seeds = {c: (compared.right(c) - real).mean(axis=1) for c in several} if told_by_seeds(task, compared) else {}
    return drawn.gains(several, seeds, best_mix(decided), task.measure, about(d))


def told_by_seeds(task: Task, compared: Compared) -> bool:
    """Is a seed's value the share of images that it is right on?"""
    return not (compared.redrawn or compared.measure) and task.groups is None


@exhibit("fig-how-many", [task, compared, verdicts], apart=OWN)
def multiples_figure(d: Design, task: Task, compared: Compared, decided: Decided) -> Figure:
    """Accuracy against the multiple, alone and beside the real images."""
    cells = answer_cells(d)
    shown = {"in the place of real images": cells["alone"]}
    for arm in dict.fromkeys((best_mix(decided)[0], NAIVE, GIVEN)):
        mine = [cell for cell in cells["beside"] if cell[0] == arm]
        shown |= {f"beside real images: {arm_words(arm)}": mine} if mine else {}
    lines = {label: {cell[1]: compared.level(cell) for cell in several} for label, several in shown.items()}
    seeds = {}
    if told_by_seeds(task, compared):
        seeds = {label: {c[1]: compared.right(c).mean(axis=1) for c in several} for label, several in shown.items()}
    return drawn.by_multiple(lines, seeds, compared.level(REAL), task.measure, about(d))


@exhibit("fig-mixes", [task, mixes, verdicts], apart=OWN)
def mixes_figure(d: Design, task: Task, mixes: pd.DataFrame, decided: Decided) -> Figure:
    """The mixes on validation images."""
    return drawn.mixes(mixes[mixes.multiple > 0], best_mix(decided), task.measure, about(d))


@exhibit("fig-nearest", [nearest_pairs], apart=OWN)
def nearest_figure(d: Design, pairs: dict[str, np.ndarray]) -> Figure:
    """The synthetic images that are nearest to a training image, with their neighbours."""
    return image_rows(pairs)


@exhibit("fig-by-class", [task, compared, verdicts], apart=OWN)
def classes_figure(d: Design, task: Task, compared: Compared, decided: Decided) -> Figure:
    """Shares classified correctly, class by class, the worst ones first."""
    return drawn.by_class(by_class(d, task, compared, best_mix(decided)).head(MOST_DRAWN), about(d))


@exhibit("tab-by-class", [task, compared, verdicts], apart=OWN)
def classes_table(d: Design, task: Task, compared: Compared, decided: Decided) -> str:
    """Shares classified correctly, class by class, with their intervals."""
    rows = by_class(d, task, compared, best_mix(decided))
    lines = [
        {
            "class": escaped(row.name),
            "synthetic − real (points)": difference(row.change.in_points, 1),
            "real (%)": percent(row.real.in_points),
            "synthetic alone (%)": percent(row.alone.in_points),
            "both (%)": percent(row.beside.in_points),
            "test images": f"{row.n:,}",
            "training images": f"{row.train:,}",
        }
        for row in rows.head(MOST_LISTED).itertuples(index=False)
    ]
    listed = "" if len(rows) <= MOST_LISTED else f", the first {MOST_LISTED} of {len(rows)}"
    caption = f"Test images classified correctly, class by class{listed}, largest drop first; in brackets 95% intervals"
    caption += given_that(d)
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
        lines.append(
            {
                "question": QUESTIONS[question],
                "compared": f"{cell_words(first)} − {cell_words(second)}",
                "difference (points)": difference(verdict.difference.in_points, 1),
                "p, corrected": p_value(verdict.p),
                "answer": f"**{verdict.word}**" if verdict.standing == DECIDED else verdict.word,
                "standing": verdict.standing,
            }
            | _needs(verdict)
        )
    times = f", and the {len(LOOKS)} looks" if d.looks else ""
    caption = (
        f"What is decided: the answers are wrong in at most {ANSWER.alpha:.0%} of runs, both questions together (p: "
        f"times their number{times}). An answer that leans goes by the 95% interval{given_that(d)}. Needed: with power "
        "80%, to find the difference found here (one point at least)"
    )
    return myst_table(lines, caption, "tab-sure")


def _needs(verdict: Verdict) -> dict[str, str]:
    """What an open question needs, by column."""
    need = verdict.needed
    if verdict.difference.redrawn:
        return {"times as many images needed": "–" if need is None else f"≈ {need.factor:.1f}"}
    return {
        "seeds needed": "–" if need is None or need.seeds is None else f"≈ {need.seeds:,}",
        "or test images": "–" if need is None or need.images is None else f"≈ {need.images:,}",
        "or both": "–" if need is None else f"≈ {need.both[0]:,} and {need.both[1]:,}",
    }


@exhibit("tab-measures", [task, scored, verdicts], apart=OWN)
def measures_table(d: Design, task: Task, scored: Scored, decided: Decided) -> str:
    """The classifiers that the answer is about, in the measures that people go by."""
    lines, names = [], measured_by(task)
    for cell in (REAL, decided["replace"][0], best_mix(decided)):
        line = {"trained on": cell_words(cell)}
        for name in names:
            line[COLUMNS.get(name, name)] = percent(scored.level(name, cell).in_points).replace("%", "")
        off = np.mean([calibration_error(logits, task.test) for logits in scored.shown(cell)])
        lines.append(line | {"calibration error": f"{100 * off:.1f}"})
    areas = ""
    if "auc" in names:
        whose = "all classes alike" if task.positive is None else f"class {escaped(task.classes[task.positive])}"
        areas = (
            "AUC: area under the ROC curve; AP: average precision, the area under that of precision and recall. "
            f"Recall, precision and the areas: {whose}. "
        )
    caption = (
        f"The classifiers that the answer is about, on {len(task.test):,} test images, in percent, with 95% "
        f"intervals{given_that(d)}. {areas}Calibration error: how far the stated certainty lies from the share that is "
        "right, on average"
    )
    return myst_table(lines, caption, "tab-measures")


def measured_by(task: Task) -> list[str]:
    """The measures that the table shows; without a positive class recall is balanced accuracy, and areas of more than
    two classes take long."""
    several = list(MEASURES)
    if task.positive is None:
        several.remove("recall")
        if len(task.classes) > 2:
            several = [name for name in several if name not in ("auc", "average-precision")]
    return several


@exhibit("tab-arms", [tested], apart=OWN)
def arms_table(d: Design, rows: pd.DataFrame) -> str:
    """Every arm with its accuracy and its balanced accuracy."""
    lines = []
    for cell, mine in rows.groupby(["arm", "multiple"], sort=False):
        line = {"trained on": cell_words(cell)}
        for column, title in (("accuracy", "accuracy (%)"), ("balanced", "balanced accuracy (%)")):
            line[title] = percent_told(mine[column])
        lines.append(line)
    seeds = rows.seed.nunique()
    over = f": {mean_told(seeds)}, on these" if seeds > 1 else " on"
    caption = (
        f"Every classifier of this page{over} {rows.n.iloc[0]:,} test images. Balanced: the mean of the classes' shares"
    )
    return myst_table(lines, caption, "tab-arms")
