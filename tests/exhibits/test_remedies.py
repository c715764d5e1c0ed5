"""Remedies: what each set is, what it costs, which strength is taken, and what the chapter says."""

import math
from dataclasses import replace

import numpy as np
import pytest
from reading import rows_of

from synthgap.api.remedied import draw, needed, remedied
from synthgap.base.errors import UserError
from synthgap.classifier.evaluate import evaluate
from synthgap.data.imageset import ImageSet
from synthgap.design.remedies import NONE, REMEDIES, WEAKER_STEPS
from synthgap.design.values import BOOTSTRAP, NAIVE, REAL_ONLY, SYNTHETIC_ONLY
from synthgap.diffusion.solver import Solver
from synthgap.exhibits import remedies as a3
from synthgap.exhibits import remedy_images
from synthgap.exhibits.augmentation import table3
from synthgap.exhibits.hits import Hits
from synthgap.graph.compute import KINDS
from synthgap.graph.estimate import unet_flop
from synthgap.graph.images import Guided
from synthgap.graph.job import Job


@pytest.fixture(scope="module")
def rows(smoke):
    return smoke.lab.rows(a3.remedies)


def test_every_remedy_is_tried_in_both_settings_for_every_seed(smoke, rows):
    assert set(smoke.preset.remedies) == set(REMEDIES)
    for setting in a3.SETTINGS:
        mine = rows[rows.setting == setting]
        assert {a3.BARE, a3.PLAIN, a3.MORE, *REMEDIES} <= set(mine.remedy)
        assert set(mine[mine.remedy == "autoguidance"].strength) == {1.5, 2.5}
        assert (mine.groupby(["remedy", "strength"]).seed.nunique() == 2).all()


def test_what_remedies_stand_beside_is_table_3s(smoke, rows):
    arms = smoke.lab.rows(table3)
    wanted = {
        (a3.ALONE, a3.BARE): (REAL_ONLY, 0),
        (a3.BESIDE, a3.BARE): (REAL_ONLY, 0),
        (a3.ALONE, a3.PLAIN): (SYNTHETIC_ONLY, 1),
        (a3.ALONE, a3.RESAMPLED): (BOOTSTRAP, 1),
        (a3.BESIDE, a3.PLAIN): (NAIVE, 1),
        (a3.BESIDE, a3.POLICY): ("RandAugment", 0),
    }
    for (setting, name), (arm, multiple) in wanted.items():
        mine = rows[(rows.setting == setting) & (rows.remedy == name)].sort_values("seed").accuracy
        theirs = arms[(arms.arm == arm) & (arms.multiple == multiple)].sort_values("seed").accuracy
        assert mine.tolist() == theirs.tolist()


def test_resampled_real_images_are_as_many_as_the_plain_draws_that_they_stand_beside(smoke):
    train = smoke.main.data["train"]
    for name, plain in ((a3.RESAMPLED, a3.PLAIN), (a3.RESAMPLED_MORE, a3.MORE)):
        copies, drawn = (a3.classifier_of(smoke.design, a3.ALONE, (one, NONE), 1).own for one in (name, plain))
        assert copies.real is drawn.real is None
        assert len(copies.synthetic) == len(drawn.synthetic)
        assert {one.images for one in copies.synthetic} == {train}
        assert len({one.key for one in copies.synthetic}) == len(copies.synthetic)
    assert not {a3.RESAMPLED, a3.RESAMPLED_MORE} & {
        cell[0] for s, cell in a3.listed_cells(smoke.design) if s == a3.BESIDE
    }


def test_the_strength_is_the_best_on_validation_images(smoke):
    scores = smoke.lab.rows(a3.remedy_validation)
    for (setting, name), strength in smoke.lab.value(a3.chosen).items():
        mine = scores[(scores.setting == setting) & (scores.remedy == name)].groupby("strength").accuracy.mean()
        assert mine[strength] == mine.max()


# what the sets are


def images_of(smoke, name, strength=NONE, seed=0):
    (made,) = a3.images_of(smoke.design, (name, strength), seed)
    return made, smoke.store.get(made)


def test_a_filtered_set_holds_at_each_place_an_image_of_one_of_its_draws(smoke):
    made, images = images_of(smoke, "filtered")
    draws = [smoke.store.get(one).images for one in made.draws]
    assert len(draws) == smoke.preset.remedy_draws
    assert np.array_equal(images.labels, smoke.store.get(smoke.arms.data["train"]).labels)
    for i, image in enumerate(images.images):
        assert any(np.array_equal(image, draw[i]) for draw in draws)


def test_the_filters_classifier_gives_more_images_their_label_after_it(smoke):
    made, images = images_of(smoke, "filtered")
    judge = smoke.store.get(made.judges[0])
    before, after = (evaluate(judge, one).accuracy for one in (smoke.store.get(made.draws[0]), images))
    assert after >= before
    _, all_agree = images_of(smoke, "all that agree")
    told = evaluate(judge, all_agree)
    for label in range(10):  # a class that is contradicted throughout keeps one image
        mine = told.correct[told.labels == label]
        assert mine.all() or len(mine) == 1


def test_strengths_by_image_are_the_furthest_first(smoke):
    made, _ = images_of(smoke, "strength by image")
    assert [getattr(one, "t_re", 100) for one in made.draws] == list(WEAKER_STEPS)
    assert made.rule == "redrawn"


def job(smoke):
    return Job(smoke.store.get, None, lambda share: None)


@pytest.mark.parametrize(
    ("name", "neutral"), [("autoguidance", 1.0), ("entropy guidance", 0.0), ("particle guidance", 0.0)]
)
def test_guidance_of_no_strength_draws_the_plain_images(smoke, name, neutral):
    (made,) = REMEDIES[name].make(smoke.arms, 0, neutral)
    assert isinstance(made, Guided)
    guided = KINDS[Guided].compute(made, job(smoke))
    assert np.array_equal(guided.images, smoke.store.get(smoke.arms.samples(0, 100)).images)


def test_guidance_of_some_strength_draws_others_with_the_same_labels(smoke):
    plain = smoke.store.get(smoke.arms.samples(0, 100))
    for name, strength in a3.tried(smoke.design):
        if strength:
            _, images = images_of(smoke, name, strength)
            assert np.array_equal(images.labels, plain.labels)
            assert not np.array_equal(images.images, plain.images)


# what they cost


def test_costs_are_those_of_all_that_the_images_are_made_from(smoke):
    costs = smoke.lab.rows(a3.cost).groupby("remedy").flop.mean()
    generator, count = smoke.arms.generator(0), smoke.arms.data["train"].count
    one = unet_flop(generator.network)
    sampled = count * smoke.preset.generator.solver.evaluations(100) * one
    trained = 3 * generator.training.images * one
    draws = smoke.preset.remedy_draws
    assert costs[a3.PLAIN] == pytest.approx(trained + sampled)
    assert costs[a3.MORE] == pytest.approx(trained + draws * sampled)
    assert costs["autoguidance"] == pytest.approx(trained + 2 * sampled)
    assert costs["particle guidance"] == pytest.approx(trained + sampled)
    assert costs["longer training"] == pytest.approx(costs[a3.MORE], rel=0.01)
    assert costs[a3.MORE] < costs["all that agree"]
    assert costs["filtered"] <= costs["all that agree"]


def test_what_had_to_be_drawn_is_counted(smoke):
    drawn = smoke.lab.rows(a3.cost).groupby("remedy").drawn.mean()
    assert 1 <= drawn["filtered"] <= smoke.preset.remedy_draws
    assert 1 <= drawn["strength by image"] <= len(WEAKER_STEPS)
    assert math.isnan(drawn["the least sure"])


# what the chapter says


def made_up(**shares):
    """Hits of six seeds × 2,000 images; share of them that each remedy's classifiers have right, alone."""
    rng = np.random.default_rng(0)
    by_cell = {}
    for setting in a3.SETTINGS:
        for name, share in shares.items():
            for s in range(6):
                by_cell[setting, name, NONE, s] = rng.random(2000) < share
    return Hits("remedies", by_cell, tuple(range(6)))


def test_a_clear_gain_is_better_a_clear_loss_worse_and_a_baseline_has_no_verdict():
    right = made_up(**{a3.PLAIN: 0.5, a3.MORE: 0.7, "filtered": 0.7, "the surest": 0.3, "the outskirts": 0.5})
    strengths = {name[:2]: NONE for name in right.names}
    said = {(one.setting, one.remedy): one for one in a3.gains.make(None, strengths, right)}
    for setting in a3.SETTINGS:
        assert said[setting, "filtered"].word == "better"
        assert said[setting, "the surest"].word == "worse"
        assert said[setting, "the outskirts"].word == ""
        assert said[setting, a3.MORE].word == ""
        assert said[setting, "filtered"].gain.mean == pytest.approx(20, abs=2)
        assert (setting, a3.PLAIN) not in said


def test_the_table_has_a_row_for_every_remedy_and_what_they_stand_beside(smoke):
    (shown,) = smoke.lab.show("tab-remedies")
    names = [row["images"] for row in rows_of(shown)]
    copies = "real images drawn with replacement"
    assert names == [a3.BARE, "real images, RandAugment", copies, f"{copies} ×2", "plain ×2", *REMEDIES]
    assert f"all {2 * len(REMEDIES)} comparisons" in shown


def test_a_preset_without_remedies_says_so(smoke):
    arms = [replace(one, preset=one.preset.model_copy(update={"remedies": {}})) for one in smoke.design.columns]
    d = replace(smoke.design, columns=tuple(arms))
    assert a3.tried(d) == []
    assert a3.test_cells(d) == a3.judging_cells(d) == remedy_images.measure_cells(d) == {}
    assert a3.gains_table(d, [], None, None) == a3.what_to_do(d, [], {}, None) == a3.NO_REMEDIES
    assert a3.gains.make(d, a3.chosen.make(d, smoke.lab.rows(a3.remedies)[:0]), None) == []


def test_a_row_of_pictures_begins_with_one_of_each_class():
    labels = np.array([2, 0, 0, 1, 2, 2])
    pixels = np.arange(6, dtype=np.uint8)[:, None, None, None]
    shown = remedy_images.first_of_classes(ImageSet(pixels, labels, ("a", "b", "c"), "numbered"))
    assert shown[:6].ravel().tolist() == [1, 3, 0, 2, 4, 5]
    assert len(shown) == remedy_images.SHOWN


# any number of them


@pytest.mark.parametrize("name", ["filtered", "autoguidance", "classifier-free guidance", "longer training"])
def test_any_number_is_drawn_as_the_studys_set_is(smoke, name):
    """Asked for as many as the study's set has, with its labels and seed, they are that set."""
    made = remedied(smoke.arms, 0, name, None)
    assert not {spec.kind for spec in needed(made)} & {"synthesize", "guided", "selected"}
    train, solver = smoke.store.get(smoke.arms.data["train"]), smoke.preset.generator.solver
    images = draw(made, smoke.store.get, train.labels, train.classes, 0, solver)
    assert np.array_equal(images.images, smoke.store.get(made).images)
    few = draw(made, smoke.store.get, np.array([3, 3, 1]), train.classes, 5, Solver(steps=2))
    assert few.labels.tolist() == [3, 3, 1]


@pytest.mark.parametrize(
    ("name", "strength", "says"),
    [
        ("magic", None, "remedy is 'magic'; known: “filtered”, “filtered, cross-fitted”"),
        ("Filterd", None, "did you mean “filtered”"),
        ("filtered", 2.0, "filtered has no strength"),
        ("autoguidance", -1.0, "strength is -1; give a number from 0"),
        ("autoguidance", math.nan, "strength is nan; give a number from 0"),
    ],
)
def test_what_is_asked_for_wrongly_is_refused(smoke, name, strength, says):
    with pytest.raises(UserError, match=says):
        remedied(smoke.arms, 0, name, strength)


def test_a_strength_that_no_preset_names_must_be_given(smoke):
    arms = replace(smoke.arms, preset=smoke.preset.model_copy(update={"remedies": {}}))
    with pytest.raises(UserError, match=r"autoguidance needs its weight; give it \(--strength\)"):
        remedied(arms, 0, "autoguidance", None)
    assert remedied(arms, 0, "autoguidance", 3.0).weight == 3.0


def test_images_made_from_real_ones_are_not_drawn_in_any_number(smoke):
    made = remedied(smoke.arms, 0, "strength by image", None)
    with pytest.raises(UserError, match="synthgap export writes them"):
        needed(made)
