"""The remedy that the plain answer offers: the best on validation images, and only where these decide it."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from synthgap.exhibits.answer import compared
from synthgap.exhibits.answer_remedy import LEVEL, advice, offer, offer_cells
from synthgap.exhibits.hits import Hits
from synthgap.exhibits.next_steps import findings
from synthgap.exhibits.remedies import BESIDE, NONE, PLAIN, remedy_validation, tried
from synthgap.graph.specs import Predict
from synthgap.stats.crossed import crossed


def told(shares, seeds=4, images=3000):
    """Hits of cells as `offer_cells` names them; by remedy the share of images that its classifiers have right."""
    rng = np.random.default_rng(0)
    by_cell = {
        (part, name, strength, seed): rng.random(images) < share
        for part in ("validation", "test")
        for (name, strength), share in shares.items()
        for seed in range(seeds)
    }
    return Hits("offer", by_cell, tuple(range(seeds)))


def study_of(smoke, **remedies):
    """The smoke design with four seeds and these remedies, and what its real images reach."""
    preset = smoke.preset.model_copy(update={"remedies": remedies})
    arms = [replace(one, preset=preset) for one in smoke.design.columns]
    d = replace(smoke.design, columns=tuple(arms), seeds=(0, 1, 2, 3))
    real = np.random.default_rng(1).random((4, 3000)) < 0.7
    return d, SimpleNamespace(right=lambda cell: real, cross=crossed, groups=None)


def test_a_remedy_that_validation_images_decide_is_offered_with_its_command(smoke):
    d, real = study_of(smoke, filtered=(), autoguidance=(1.5,))
    shares = {(PLAIN, NONE): 0.7, ("filtered", NONE): 0.7, ("autoguidance", 1.5): 0.8}
    found = offer.make(d, told(shares), real)
    assert found.remedy == ("autoguidance", 1.5)
    assert found.decided
    assert found.validation == 3000
    assert found.gain.mean == pytest.approx(0.1, abs=0.02)
    assert found.gain.level == pytest.approx(1 - (1 - LEVEL) / 2)  # two were tried
    assert found.tested.mean == pytest.approx(0.1, abs=0.02)
    (step,) = advice(d, found)
    assert step.startswith("Draw better images: autoguidance, weight 1.5 gains")
    assert '--remedy "autoguidance" --strength 1.5 --out better' in step


def test_what_validation_images_dont_decide_is_not_offered(smoke):
    d, real = study_of(smoke, filtered=())
    found = offer.make(d, told({(PLAIN, NONE): 0.7, ("filtered", NONE): 0.705}), real)
    assert not found.decided
    (step,) = advice(d, found)
    assert step.startswith("Plain samples will do")
    assert "--remedy" not in step


def test_the_choice_is_never_made_on_test_images(smoke):
    """A remedy that shines on test images alone is not the one that is named."""
    d, real = study_of(smoke, filtered=(), autoguidance=(1.5,))
    shares = {(PLAIN, NONE): 0.7, ("filtered", NONE): 0.8, ("autoguidance", 1.5): 0.7}
    values = told(shares).by_cell
    swapped = {
        (
            part,
            {"filtered": "autoguidance", "autoguidance": "filtered"}.get(name, name),
            {NONE: 1.5, 1.5: NONE}[s] if name != PLAIN else s,
            seed,
        ): one
        for (part, name, s, seed), one in values.items()
        if part == "test"
    }
    validation = {cell: one for cell, one in values.items() if cell[0] == "validation"}
    found = offer.make(d, Hits("offer", validation | swapped, d.seeds), real)
    assert found.remedy == ("filtered", NONE)
    assert found.tested.mean == pytest.approx(0.0, abs=0.02)


def test_the_offer_is_of_the_chapters_cells_and_reaches_the_page(smoke):
    d = smoke.design
    cells = offer_cells(d)
    assert {cell[1:3] for cell in cells} == {(PLAIN, NONE), *tried(d)}
    assert all(isinstance(spec, Predict) for spec in cells.values())
    assert {spec.images.key for cell, spec in cells.items() if cell[0] == "validation"} == {
        d.arms.data["validation"].key
    }
    scores = smoke.lab.rows(remedy_validation)
    best = scores[(scores.setting == BESIDE)].groupby(["remedy", "strength"]).accuracy.mean()
    found = smoke.lab.value(offer)
    assert best[found.remedy] == best[tried(d)].max()
    assert smoke.lab.value(findings).offer == found
    assert "Plain samples will do" in smoke.lab.show("answer-next")[0]  # two seeds of nothing decide nothing


def test_given_images_are_drawn_already(smoke):
    given = replace(smoke.design.columns[0], data=smoke.design.columns[0].data | {"given": None})
    d = replace(smoke.design, columns=(given, *smoke.design.columns[1:]))
    assert offer_cells(d) == {}
    assert offer.make(d, Hits("offer", {}, d.seeds), smoke.lab.value(compared)) is None
    assert advice(d, None) == []
