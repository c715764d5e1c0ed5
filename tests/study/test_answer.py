"""The plain answer: what it reads, what it decides, and that a generator's own images need no diffusion model."""

import math

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from synthgap.data.npz import save_npz
from synthgap.data.sources import load_splits
from synthgap.design.arms import GIVEN, GIVEN_ONLY, REAL_ONLY, SYNTHETIC_ONLY
from synthgap.exhibits import answer_tables, plain
from synthgap.exhibits.plain import QUESTIONS
from synthgap.exhibits.study import Study
from synthgap.graph.specs import Synthesize, TrainDiffusion, in_order

REAL = (REAL_ONLY, 0)
FIGURES = ("learning_worth", "gains", "how_many", "mixes", "by_class", "nearest", "misread", "uncovered")


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """Two classes, four to one, of dark and light noise; the given images are the training set's own, shuffled."""
    folder = tmp_path_factory.mktemp("uneven")
    rng = np.random.default_rng(0)
    labels = (np.arange(150) % 5 == 0).astype(np.int64)
    images = np.clip(rng.normal(100 + 25 * labels[:, None, None], 40, (150, 8, 8)), 0, 255).astype(np.uint8)
    np.savez(folder / "real.npz", images=images, labels=labels, classes=np.array(["dark", "light"]))
    train = load_splits(f"npz:{folder / 'real.npz'}", limits={"train": 40, "validation": 20, "test": 40}).train
    save_npz(train.subset(rng.permutation(len(train))), folder / "given.npz")
    study = Study(
        f"npz:{folder / 'real.npz'}",
        "smoke",
        folder / "results",
        device="cpu",
        workers=1,
        synthetic=f"npz:{folder / 'given.npz'}",
    )
    study.compute(study.answer_plan())
    return study


def test_the_answer_has_a_number_and_an_interval_for_every_question(smoke):
    answer = smoke.answer()
    assert list(answer.said) == list(QUESTIONS)
    for question, said in answer.said.items():
        assert any(c.isdigit() for c in said.sentence), question
        assert " to " in said.sentence or "±" in said.sentence or question == "which_step", question
        assert said.markdown.startswith("> ")
    assert all(title in str(answer) for title in QUESTIONS.values())


def test_the_plan_holds_all_that_the_answer_and_its_figures_read(smoke, only_data):
    study = Study(preset="smoke", results=smoke.results, device="cpu", workers=1)
    planned = {s.key for s in in_order(study.answer_plan())}
    read = []
    study.compute = lambda specs: read.extend(specs)  # everything is in the store; what is asked for is noted
    plain.answer(study)
    for name in FIGURES:
        getattr(study, f"figure_{name}")()
    study.answer_rows()
    assert {s.key for s in read} <= planned
    assert len(read) > 50


def test_differences_are_those_of_the_accuracies(smoke):
    rows = smoke.answer_rows()
    mean = rows.groupby(["arm", "multiple"]).accuracy.mean()
    found = smoke.difference((SYNTHETIC_ONLY, 1), REAL)
    assert found.mean == pytest.approx(mean[SYNTHETIC_ONLY, 1] - mean[REAL_ONLY, 0])
    assert (found.seeds, found.images) == (2, 40)


def test_the_mix_is_chosen_on_validation_images_alone(smoke):
    rows = smoke.mixes()
    means = rows.groupby(["arm", "multiple"]).value.mean()
    assert means[smoke.chosen()] == means.max()
    assert set(rows.n) == {20}
    cells = [s for s in smoke.answer_plan() if getattr(s, "images", None) == smoke.arms.data["validation"]]
    assert len(cells) == len(rows)


def test_even_classes_are_judged_by_accuracy_and_uneven_ones_by_balanced_accuracy(smoke, uneven):
    assert smoke.measure == "accuracy"
    assert uneven.imbalance == pytest.approx(4.0)
    assert uneven.measure == "balanced accuracy"
    store, arms = uneven.store, uneven.arms
    seen = [store.get(arms.test(arms.arm(*REAL, s))) for s in uneven.seeds]
    by_hand = np.mean([balanced_accuracy_score(p.labels, p.logits.argmax(axis=1)) for p in seen])
    assert uneven.level(REAL).mean == pytest.approx(by_hand)
    assert "balanced accuracy" in uneven.answer()["replace"].sentence
    assert "plain accuracy" in uneven.answer()["replace"].sentence


def test_images_of_another_generator_are_judged_without_training_a_diffusion_model(uneven):
    plan = in_order(uneven.answer_plan())
    assert not [s for s in plan if isinstance(s, (TrainDiffusion, Synthesize))]
    assert not (uneven.store.root / "train-diffusion").exists()
    cells = uneven.answer_cells
    assert cells["alone"] == [(GIVEN_ONLY, 1)]
    assert cells["beside"] == [(GIVEN, 1)]
    assert "no model was trained" in dict(uneven.settings())["synthetic"]


def test_every_figure_and_table_is_there_for_given_images_too(uneven):
    for name in FIGURES:
        assert getattr(uneven, f"figure_{name}")().axes
    tables = (
        answer_tables.settings(uneven.settings()),
        answer_tables.by_class(uneven.by_class()),
        answer_tables.verdicts(uneven.verdicts()),
        answer_tables.arms(uneven.answer_rows()),
    )
    for table in tables:
        widths = {line.count("|") for line in table.splitlines() if line.startswith("|")}
        assert len(widths) == 1
    assert "your generator's images ×1" in tables[3]


def test_the_training_images_themselves_are_found_to_be_copies_and_never_better_or_worse(uneven):
    found = uneven.copying()
    assert found.score.mean < -3
    assert found.authentic.mean == 0
    assert "looks like copying" in uneven.answer()["copying"].sentence
    pairs = uneven.nearest_pairs()
    assert np.array_equal(pairs["synthetic"], pairs["nearest training image"])
    assert {v.word for _, _, v in uneven.verdicts().values()} <= {"can't tell", "about the same"}


def test_one_multiple_is_no_curve(uneven):
    assert uneven.how_many() is None
    assert uneven.replacement().match is None
    assert "Can't tell" in uneven.answer()["how_many"].sentence


def test_classes_are_listed_worst_first_with_the_images_they_have(uneven):
    rows = uneven.by_class()
    assert dict(zip(rows["class"], rows.n, strict=True)) == {"dark": 32, "light": 8}
    changes = [c.mean for c in rows.change]
    assert changes == sorted(changes)
    right = uneven.right(REAL)[:, uneven._test.labels == 0].mean()
    assert rows[rows["class"] == "dark"].real.iloc[0].mean == pytest.approx(right)


def test_images_that_only_the_real_classifier_tells_rightly_are_shown_first(smoke):
    images, maps, captions = smoke.misread()
    assert len(images) == len(captions) == 6
    assert all(m.shape == (6, 8, 8) for m in maps.values())
    told = [c.endswith("real: right, synthetic: wrong") for c in captions]
    assert told == sorted(told, reverse=True)


def test_what_no_synthetic_image_comes_near_is_an_outermost_test_image(smoke):
    found = smoke.coverage()
    assert 0 <= found.synthetic.mean <= 1
    assert found.images == 10  # one of each class's four
    assert len(smoke.uncovered()) <= 6


def test_one_seed_decides_nothing_and_says_so(smoke):
    study = Study(preset="smoke", results=smoke.results, seeds=1, device="cpu", workers=1)
    answer = study.answer()
    assert answer["sure"].sentence.startswith("**Not at all**")
    assert "one seed" in answer["replace"].sentence
    assert all(v.word == "can't tell" and math.isnan(v.p_holm) for _, _, v in study.verdicts().values())


def test_options_are_told_with_the_result(results):
    study = Study("digits", "smoke", results, device="cpu", max_images=20, flip=True, class_weights="balanced")
    told = dict(study.settings())
    assert told["max_images"] == "20: 20 training images"
    assert told["flip"] == "True: mirrored in training"
    assert told["class_weights"] == "balanced"
    assert study.arms.classifier(0, 0).training.class_weights == "balanced"
    assert ("flip", 0) not in study.answer_cells["without"]  # every arm is mirrored already
