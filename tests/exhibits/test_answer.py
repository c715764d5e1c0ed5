"""What the plain answer is measured by: its arms and its measure, what it chooses and decides, what it looks at."""

import math

import numpy as np
import pandas as pd
import pytest
from given_set import lab_of
from reading import right
from sklearn.metrics import balanced_accuracy_score

from synthgap.data.imageset import ImageSet
from synthgap.design.values import GIVEN, GIVEN_ONLY, REAL_ONLY, SYNTHETIC_ONLY
from synthgap.exhibits import answer as measured
from synthgap.exhibits.answer import FLIP, REAL, Compared, Task, answer_cells, best_mix, by_class, chosen, replacement
from synthgap.exhibits.answer_images import copying, coverage, misread, nearest_pairs
from synthgap.exhibits.base import EXHIBITS
from synthgap.exhibits.raw import from_long, to_long
from synthgap.graph.specification import in_order
from synthgap.graph.specs import Synthesize, TrainDiffusion

# arms and measure


def test_images_of_another_generator_are_judged_without_training_a_diffusion_model(given):
    mine = [one for one in EXHIBITS.values() if one.section == "your_data"]
    assert len(mine) > 15
    specs = in_order([spec for one in mine for read in one.reads for spec in read.specs(given.design)])
    assert len(specs) > 20
    assert not [spec for spec in specs if isinstance(spec, (TrainDiffusion, Synthesize))]
    cells = answer_cells(given.design)
    assert (cells["alone"], cells["beside"]) == ([(GIVEN_ONLY, 1)], [(GIVEN, 1)])


def test_mirroring_is_an_arm_where_images_are_not_mirrored_already(smoke, results):
    mirrored = lab_of("digits", results, max_images=20, flip=True).design
    assert (FLIP, 0) in answer_cells(smoke.design)["without"]
    assert (FLIP, 0) not in answer_cells(mirrored)["without"]
    assert (mirrored.arms.mirrored, smoke.design.arms.mirrored) == (True, False)


def test_even_classes_are_judged_by_accuracy_and_uneven_ones_by_balanced_accuracy(given):
    even, uneven = (Task(np.repeat([0, 1], n), np.array([0, 1]), ("a", "b")) for n in ([5, 5], [8, 2]))
    assert (even.measure, even.groups) == ("accuracy", None)
    assert (uneven.measure, uneven.imbalance, list(uneven.groups)) == ("balanced accuracy", 4.0, [0, 1])
    seen = [given.store.get(given.design.arms.test(given.design.arms.arm(*REAL, s))) for s in given.design.seeds]
    by_hand = np.mean([balanced_accuracy_score(p.labels, p.logits.argmax(axis=1)) for p in seen])
    assert given.value(measured.compared).level(REAL).mean == pytest.approx(by_hand)


def test_differences_are_those_of_the_accuracies_and_hits_as_many_as_they_say(smoke):
    rows, compared = smoke.lab.value(measured.tested), smoke.lab.value(measured.compared)
    mean = rows.groupby(["arm", "multiple"]).accuracy.mean()
    found = compared.difference((SYNTHETIC_ONLY, 1), REAL)
    assert found.mean == pytest.approx(mean[SYNTHETIC_ONLY, 1] - mean[REAL_ONLY, 0])
    assert (found.seeds, found.images) == (2, 40)
    for cell, mine in rows.groupby(["arm", "multiple"], sort=False):
        assert compared.right(cell).mean(axis=1) == pytest.approx(mine.accuracy.to_numpy())


# what is chosen and decided


def test_the_mix_is_the_best_on_validation_images_and_the_first_of_equals(smoke):
    rows = pd.DataFrame({"arm": list("aabbcc"), "multiple": 1, "seed": [0, 1] * 3, "value": [0, 1, 0.8, 0.6, 0.7, 0.7]})
    assert chosen(rows) == ("b", 1)
    mixes = smoke.lab.value(measured.mixes)
    assert set(mixes.n) == {20}  # there are 40 test images
    assert chosen(mixes) in answer_cells(smoke.design)["beside"]
    read = from_long(to_long({"mixes": mixes}))["mixes"]
    pd.testing.assert_frame_equal(read, mixes, check_dtype=False)


def test_a_set_is_worth_as_many_real_images_as_do_as_well(given):
    d = given.design
    curve, alone = ({(10,): 0.2, (20,): 0.5, (40,): 0.8}, {(GIVEN_ONLY, 1): 0.5})
    curve, alone = (right(shares, d.seeds, d.arms.data["test"].count) for shares in (curve, alone))
    found = replacement(d, Compared(alone, curve, None, ()))
    assert found.worth.value == 20
    assert 10 < found.worth.low <= 20 <= found.worth.high
    assert (found.count, found.train, found.match) == (40, 40, None)  # one multiple is no curve
    assert measured.how_many(d, given.value(measured.compared)) is None


def test_the_training_images_themselves_are_never_better_or_worse(given):
    decided = given.value(measured.verdicts)
    assert {name: pair[:2] for name, pair in decided.items()} == {
        "replace": ((GIVEN_ONLY, 1), REAL),
        "augment": ((GIVEN, 1), REAL),
    }
    assert {verdict.word for _, _, verdict in decided.values()} <= {"can't tell", "about the same"}


def test_one_seed_decides_nothing(smoke):
    one = lab_of("auto", smoke.results, seeds=1)
    verdicts = [verdict for _, _, verdict in one.value(measured.verdicts).values()]
    assert all(v.word == "can't tell" and math.isnan(v.p) for v in verdicts)


def test_classes_are_listed_worst_first_with_the_images_they_have(given):
    task, compared = given.value(measured.task), given.value(measured.compared)
    rows = by_class(given.design, task, compared, best_mix(given.value(measured.verdicts)))
    assert dict(zip(rows.name, rows.n, strict=True)) == {"dark": 32, "light": 8}
    changes = [c.mean for c in rows.change]
    assert changes == sorted(changes)
    share = compared.right(REAL)[:, task.test == 0].mean()
    assert rows[rows["name"] == "dark"].real.iloc[0].mean == pytest.approx(share)


# images one by one


def test_the_training_images_themselves_are_found_to_be_copies(given):
    found = given.value(copying)
    assert found.score.mean < -3
    assert (found.authentic.mean, found.authentic.n) == (0, 1)  # given images belong to no seed
    pairs = given.value(nearest_pairs)
    assert np.array_equal(pairs["synthetic"], pairs["nearest training image"])
    assert not np.array_equal(pairs["synthetic"], pairs["nearest test image"])


def test_the_nearest_pairs_come_first_and_one_of_each_class():
    labels, far = np.repeat(np.arange(8), 2), np.array([9, 8, 7, 6, 5, 4, 3, 2, 1, 1, 2, 3, 4, 5, 6, 0])
    classes = tuple("abcdefgh")
    fake = ImageSet(far.astype(np.uint8).reshape(-1, 1, 1, 1), labels, classes, "fake")
    real = ImageSet(np.zeros((1, 1, 1, 1), np.uint8), np.zeros(1, np.int64), classes, "real")
    sets = {"synthetic": fake, "train": real, "test": real}
    values = {(name, what): one for name, one in sets.items() for what in ("images", "places")}
    assert nearest_pairs.make(None, values)["synthetic"].ravel().tolist() == [0, 1, 2, 2, 4, 4]


def test_images_that_only_the_real_classifier_tells_rightly_are_shown_first(smoke):
    found = smoke.lab.value(misread)
    assert len(found.images) == len(found.captions) == 6
    assert all(m.shape == (6, 8, 8) for m in found.maps.values())
    told = [c.endswith("real: right, synthetic: wrong") for c in found.captions]
    assert told == sorted(told, reverse=True)


def test_what_no_synthetic_image_comes_near_is_an_outermost_test_image(smoke, given):
    found = smoke.lab.value(coverage)
    assert found.images == 10  # one of each class's four
    assert 0 <= found.synthetic.mean <= 100
    tests = smoke.store.get(smoke.design.arms.data["test"]).images
    assert all((image == tests).all(axis=(1, 2, 3)).any() for image in found.uncovered)
    assert given.value(coverage).images == 4  # a tenth of 32, and one of 8
