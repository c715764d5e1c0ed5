"""Given images judged by heads on frozen features: what the page says, by which measure, and what it advises."""

import csv
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from reading import cells_of
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from synthgap.base.errors import UserError
from synthgap.design.options import Options
from synthgap.design.record import Record
from synthgap.design.values import GIVEN, REAL
from synthgap.exhibits.answer import compared, scored, verdicts
from synthgap.exhibits.answer_files import CSV, JSON, write_answer
from synthgap.exhibits.answer_text import answer
from synthgap.exhibits.base import EXHIBITS
from synthgap.exhibits.next_steps import Findings, Labels, findings, labels, next_steps, summary
from synthgap.exhibits.scored import Scored
from synthgap.exhibits.study import Study
from synthgap.exhibits.task import task
from synthgap.exhibits.your_data import known
from synthgap.graph.specification import in_order
from synthgap.metrics.scores import MEASURES, calibration_error, probabilities, score
from synthgap.stats.crossed import DIFFERENCE, Crossed, redrawn
from synthgap.stats.verdict import BETTER, DECIDED, OPEN, SAME, UNKNOWN, WORSE, Verdict

MINE = [name for name, one in EXHIBITS.items() if one.section in ("your_data", "next_steps")]


@pytest.mark.parametrize("name", MINE)
def test_everything_on_the_page_is_there_without_a_seed_or_a_reverse_step(heads, name):
    for shown in heads.show(name):
        if isinstance(shown, str):
            assert shown.strip()
            for word in ("seed 0", " seeds", "reverse step", "t_re", "nan"):
                assert word not in shown.replace("stratified, seed 0", ""), word
        else:
            assert shown.axes


def test_no_network_is_trained(heads):
    every = in_order([s for name in MINE for r in EXHIBITS[name].reads for s in r.specs(heads.design)])
    assert {spec.kind for spec in every} == {"data", "subset", "extract", "head", "memorization"}


def test_a_level_is_the_heads_own_and_all_images_are_tested(heads):
    d = heads.design
    judged = heads.store.get(d.head(REAL))
    asked = heads.value(task)
    assert len(asked.test) == d.judged["train"].count == d.judged["test"].count == 120
    level = heads.value(compared).level(REAL)
    by_hand = balanced_accuracy_score(asked.test, judged.logits[0].argmax(axis=1))
    assert level.mean == pytest.approx(by_hand)
    assert (level.seeds, level.images, level.redrawn) == (d.preset.head.draws, 120, True)
    assert d.fitted_to == 96


def test_copies_of_the_training_images_neither_help_nor_harm_by_the_verdicts(heads):
    for _, _, verdict in heads.value(verdicts).values():
        assert verdict.standing != DECIDED or verdict.word == SAME
    assert heads.value(findings).copies
    assert heads.value(labels).images == 40
    assert not heads.value(labels).doubtful


def test_a_finished_run_is_read_again_with_its_heads(heads):
    again = Record.model_validate_json(Record.of(heads.design).model_dump_json()).design()
    assert again.head((GIVEN, 0.417)).key == heads.design.head((GIVEN, 0.417)).key
    assert again.heads.record["sizes"] == heads.design.heads.record["sizes"]


def test_both_files_beside_the_page_say_what_the_page_says(heads, tmp_path):
    write_answer(heads, tmp_path)
    told = json.loads((tmp_path / JSON).read_text(encoding="utf-8"))
    assert len(told["questions"]) == 2
    assert len(told["summary"]) == 3
    (first, _) = told["questions"].values()
    verdict = heads.value(verdicts)["replace"][2]
    assert first["answer"] == verdict.word
    assert first["difference"]["value"] == pytest.approx(100 * verdict.difference.mean, abs=1e-3)
    with (tmp_path / CSV).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    real = next(r for r in rows if (r["arm"], r["measure"]) == ("real only", "balanced"))
    assert float(real["value"]) == pytest.approx(100 * heads.value(compared).level(REAL).mean, abs=1e-3)
    assert float(real["low"]) < float(real["value"]) < float(real["high"]) <= 100


def test_the_table_of_measures_has_a_line_an_arm(heads):
    (table,) = heads.show("tab-measures")
    head, *lines = cells_of(table)
    assert len(lines) == 3
    assert {"AUC", "AP", "balanced"} <= set(head)


@pytest.mark.parametrize("name", ["five-sentences", "tab-nulls", "tab-exchange", "tab-against-real"])
def test_the_other_chapters_judge_by_networks_that_are_trained_from_scratch(heads, name):
    shown = str(heads.show(name)[0])
    assert "given only ×0.417" not in shown
    assert "nan" not in shown


# measures


def drawn(classes=2, count=300, rows=1):
    rng = np.random.default_rng(0)
    labels = np.arange(count) % classes
    return rng.normal(size=(rows, count, classes)) + 1.2 * np.eye(classes)[labels], labels


def test_measures_are_scikit_learns():
    (logits,), labels = drawn()
    told, chance, even = logits.argmax(axis=1), probabilities(logits)[:, 1], np.ones(len(labels))
    assert score("accuracy")(logits, labels, even) == pytest.approx((told == labels).mean())
    assert score("balanced")(logits, labels, even) == pytest.approx(balanced_accuracy_score(labels, told))
    assert score("recall", 1)(logits, labels, even) == pytest.approx(recall_score(labels, told))
    assert score("precision", 1)(logits, labels, even) == pytest.approx(precision_score(labels, told))
    assert score("auc", 1)(logits, labels, even) == pytest.approx(roc_auc_score(labels, chance))
    assert score("average-precision", 1)(logits, labels, even) == pytest.approx(average_precision_score(labels, chance))
    (logits,), labels = drawn(classes=4)
    area = roc_auc_score(labels, probabilities(logits), multi_class="ovr")
    assert score("auc")(logits, labels, np.ones(len(labels))) == pytest.approx(area)


def test_an_image_that_counts_twice_is_an_image_that_is_there_twice():
    (logits,), labels = drawn()
    weights = np.random.default_rng(1).integers(0, 3, len(labels))
    for name in MEASURES:
        how = score(name, 1)
        twice = how(np.repeat(logits, weights, axis=0), np.repeat(labels, weights), np.ones(weights.sum()))
        assert how(logits, labels, weights.astype(float)) == pytest.approx(twice), name


def test_the_calibration_error_is_0_where_certainty_is_the_share_that_is_right():
    logits = np.log(np.array([[0.75, 0.25]] * 400))
    assert calibration_error(logits, (np.arange(400) % 4 == 0).astype(int)) == pytest.approx(0, abs=1e-9)
    assert calibration_error(logits, np.zeros(400, int)) == pytest.approx(0.25)


def test_the_spread_of_a_score_over_images_is_the_one_of_the_mean():
    logits, labels = drawn(count=400, rows=21)
    arms = {("a", 0): logits, ("b", 0): logits[:, :, ::-1].copy()}
    found = Scored(arms, labels, None, redrawn=1)
    right = (logits.argmax(axis=2) == labels).astype(float)
    for one, other in (
        (found.level("accuracy", ("a", 0)), redrawn(right)),
        (found.difference("accuracy", ("a", 0), ("b", 0)), redrawn(2 * right - 1)),
    ):
        assert one.mean == pytest.approx(other.mean)
        assert one.seed_part == pytest.approx(other.seed_part)
        assert 0.7 < one.image_part / other.image_part < 1.4


def test_the_verdicts_go_by_the_measure_that_was_asked_for(heads):
    d = replace(heads.design, options=replace(heads.design.options, measure="auc", positive="light"))
    lab = replace(heads, design=d, _known={})
    assert lab.value(task).measure == "area under the ROC curve of class light"
    _, _, verdict = lab.value(verdicts)["replace"]
    (arm, _, _), logits = lab.value(verdicts)["replace"], lab.value(scored).logits
    labels = lab.value(task).test
    areas = [roc_auc_score(labels, probabilities(logits[cell][0])[:, 1]) for cell in (arm, REAL)]
    assert verdict.difference.mean == pytest.approx(areas[0] - areas[1])
    assert "area under the ROC curve of class light" in answer(lab.value(known))["replace"].sentence


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"judge": "resnet50"}, "judge is 'resnet50'; known: auto, resnet18, features"),
        ({"measure": "f1"}, "measure is 'f1'; known: auto, accuracy, balanced, auc"),
        ({"measure": "recall"}, "measure is recall, of which class"),
        ({"positive": 3}, 'positive is 3; give the name of a class, or "none"'),
    ],
)
def test_an_unknown_judge_or_measure_is_refused(options, says):
    with pytest.raises(UserError, match=says):
        Options(**options)


def test_a_class_that_is_none_is_refused_with_its_neighbour():
    with pytest.raises(UserError, match="positive is 'defect', no class; did you mean defective"):
        Options(positive="defect").place(("defective", "functional"))


def test_features_judge_given_images_unless_asked_otherwise_and_others_where_asked():
    several = [(judge, synthetic) for judge in ("auto", "resnet18", "features") for synthetic in ("none", "folder:x")]
    judged = [pair for pair in several if Options(judge=pair[0]).by_features(pair[1])]
    assert judged == [("auto", "folder:x"), ("features", "none"), ("features", "folder:x")]


def test_minutes_are_refused_where_there_are_no_seeds_to_add(tmp_path):
    np.savez(tmp_path / "given.npz", images=np.zeros((40, 8, 8), np.uint8), labels=np.arange(40) % 10)
    with pytest.raises(UserError, match="minutes adds seeds, and the judge features has none"):
        Study("digits", "smoke", tmp_path / "r", synthetic=f"npz:{tmp_path / 'given.npz'}", minutes=5)


# what to do next


def told(d, word, standing, *, copies=False, doubling=0.0, policy=0.0, recalls=(0.9, 0.9)):
    def certain(mean):
        return Crossed(mean, 1e-5, 1e-5, 0.0, 40, 1000, DIFFERENCE, redrawn=True)

    needed = None if standing == DECIDED else certain(0.01).needed(0.01)
    verdict = Verdict(word, standing, 0.001, certain(0.03), needed)
    cells = {"replace": ((GIVEN, 1), REAL, verdict), "augment": ((GIVEN, 1), REAL, verdict)}
    classes = {name: certain(level) for name, level in zip(("dark", "light"), recalls, strict=True)}
    known = Findings(cells, (50, 100, certain(doubling)), (("flip", 0), certain(policy)), classes, "accuracy", copies)
    return summary(d, known), next_steps(d, known)


@pytest.mark.parametrize(
    ("word", "standing", "says"),
    [
        (BETTER, DECIDED, "1. Train on your images and your generator's images ×1 together. They are in npz:"),
        (WORSE, DECIDED, "1. Don't train on these synthetic images beside your own: they do harm."),
        (SAME, DECIDED, "1. Leave these synthetic images out: beside your own they change less than 1 point."),
        (UNKNOWN, OPEN, "1. Don't rely on these synthetic images yet: about"),
    ],
)
def test_the_first_step_follows_from_the_verdict(heads, word, standing, says):
    _, steps = told(heads.design, word, standing)
    assert steps.startswith(says)


@pytest.mark.parametrize(("contradicted", "doubtful"), [(400, True), (180, False), (120, False)])
def test_labels_are_to_be_checked_where_more_are_contradicted_than_the_judges_mistakes_explain(contradicted, doubtful):
    found = Labels(contradicted, 656, 0.21)
    assert found.doubtful == doubtful


def test_other_steps_follow_from_what_other_things_gave(heads):
    _, steps = told(heads.design, UNKNOWN, OPEN, copies=True, doubling=0.05, policy=0.04, recalls=(0.5, 0.9))
    assert steps.startswith("1. Look at the nearest pairs below")
    for said in (
        "Augment first: mirroring",
        "More images of your own help",
        "Collect images of class dark first",
    ):
        assert said in steps
    assert "50.0%" in steps.rpartition("class dark first")[2]
    _, steps = told(heads.design, UNKNOWN, OPEN, doubling=-0.02, policy=-0.04)
    assert "would help little" in steps
    assert "Augment" not in steps
    assert "Collect" not in steps
    lines, _ = told(heads.design, BETTER, DECIDED)
    assert lines.startswith("> - **In the place of your 96 images: yes.** Accuracy changes by +3.0 points")
    assert not math.isnan(heads.value(findings).doubling[2].mean)
