"""Heads on frozen features as the judge of images that a study draws itself, at another size than the real ones'."""

import numpy as np
import pytest
from given_set import drawn_lab
from reading import behind, rows_of

from synthgap.design.record import Record
from synthgap.design.values import NAIVE, REAL, SYNTHETIC_ONLY
from synthgap.exhibits.answer import REDUCED_REAL, answer_cells, compared, verdicts
from synthgap.exhibits.base import EXHIBITS, RESULTS
from synthgap.exhibits.next_steps import labels
from synthgap.exhibits.sections import ANSWER
from synthgap.graph.specification import in_order
from synthgap.graph.specs import Synthesize
from synthgap.stats.crossed import crossed

MINE = [name for name, one in EXHIBITS.items() if one.section in ANSWER]


def every_head(d):
    cells = answer_cells(d)
    return {(cell, s): d.head(cell, s) for cell in [REAL, *cells["alone"], *cells["beside"]] for s in d.seeds}


def test_real_images_are_judged_at_their_own_size_and_are_those_of_the_study(drawn):
    d = drawn.design
    assert d.judged["train"].shape == (1, 12, 12)
    assert d.arms.data["train"].shape == (1, 8, 8)
    for part in ("train", "validation", "test"):
        sharp, small = (drawn.store.get(data[part]) for data in (d.judged, d.arms.data))
        np.testing.assert_array_equal(sharp.labels, small.labels)
        means = [images.images.mean(axis=(1, 2, 3)) for images in (sharp, small)]
        assert np.corrcoef(means)[0, 1] > 0.9  # the same images, not others of these classes


def test_no_generator_and_no_head_has_seen_a_test_image(drawn):
    d = drawn.design
    unseen = {data[part].fingerprint for data in (d.judged, d.arms.data) for part in ("test", "validation")}
    for head in every_head(d).values():
        taught = [*head.real, *head.synthetic]
        assert not unseen & set().union(*map(behind, taught))
        assert head.test.images == d.judged["test"]


def test_each_seed_judges_what_its_own_generator_draws(drawn):
    d = drawn.design
    for (cell, seed), head in every_head(d).items():
        assert {images.images.seed for images in head.synthetic} == ({seed} if cell != REAL else set())
        assert len(head.synthetic) == cell[1]
        assert head.beside == (cell[0] != SYNTHETIC_ONLY)
    (shown,) = {d.head(REAL, s).shown.images for s in d.seeds}
    assert isinstance(shown, Synthesize)
    assert d.head(REDUCED_REAL).real[0].images == d.arms.data["train"]


def test_no_classifier_is_trained_from_scratch(drawn):
    every = in_order([s for name in MINE for r in EXHIBITS[name].reads for s in r.specs(drawn.design)])
    kinds = {spec.kind for spec in every}
    assert "head" in kinds
    assert not kinds & {"train-classifier", "predict", "attend"}


def test_a_difference_is_the_mean_over_generators_and_its_interval_is_wider_by_other_training_images(drawn):
    d, known = drawn.design, drawn.value(compared)
    cell = (NAIVE, 1)
    by_seed = [drawn.store.get(d.head(c, s)).correct for c in (cell, REAL) for s in d.seeds]
    with_mix, real = np.array(by_seed, dtype=float).reshape(2, len(d.seeds), *by_seed[0].shape)
    found = known.difference(cell, REAL)
    plain = crossed(with_mix[:, 0] - real[:, 0], drawn.value(compared).groups)
    assert found.mean == pytest.approx(plain.mean)
    assert (found.seeds, found.redrawn) == (len(d.seeds), False)
    assert found.seed_part == pytest.approx(plain.seed_part)
    assert found.image_part > plain.image_part


@pytest.mark.parametrize("name", MINE)
def test_everything_on_the_page_is_there(drawn, name):
    for shown in drawn.show(name):
        if isinstance(shown, str):
            assert shown.strip()
            assert "nan" not in shown
        else:
            assert shown.axes


def test_what_the_size_costs_is_said_and_is_no_advice(drawn):
    said = str(drawn.show("answer-replace")[0])
    change = drawn.value(compared).difference(REDUCED_REAL, REAL).in_points
    assert "judged at 12×12 pixels. The generator draws 8×8" in said
    assert f"{change.low:+.1f}".replace("-", "−") in said
    assert all(cell != REDUCED_REAL for cell, _, _ in drawn.value(verdicts).values())
    assert drawn.value(labels).images == drawn.design.arms.data["train"].count


def test_a_finished_run_is_read_again_with_its_heads(drawn):
    again = Record.model_validate_json(Record.of(drawn.design).model_dump_json()).design()
    for cell, seed in ((REAL, 0), ((NAIVE, 1), 1), (REDUCED_REAL, 0)):
        assert again.head(cell, seed).key == drawn.design.head(cell, seed).key


def test_a_second_judge_stands_beside_the_first_where_both_are_asked_for(drawn, shared):
    (alone,) = drawn.show("answer-judges")
    assert "`--judge both`" in alone
    both = drawn_lab(shared / "drawn", "both")
    assert both.design.head(REAL).key == drawn.design.head(REAL).key
    (table,) = both.show("answer-judges")
    rows = {row["trained on"]: row for row in rows_of(table)}
    cells = answer_cells(both.design)
    assert len(rows) == len(cells["alone"]) + len(cells["beside"])
    row = rows["synthetic images ×1"]
    by_features = both.value(compared).difference((SYNTHETIC_ONLY, 1), REAL, plain=True).in_points
    accuracies = both.rows(RESULTS["table3"]).groupby(["arm", "multiple"]).accuracy.mean()
    from_scratch = 100 * (accuracies["synthetic only", 1] - accuracies["real only", 0])
    shown = [float(row[name].split(" ")[0].replace("−", "-")) for name in row if "points" in name]
    assert shown == pytest.approx([by_features.mean, from_scratch], abs=0.051)
