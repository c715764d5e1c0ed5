"""The GAN beside the diffusion model: where its samples stand, what is told of them, and that no trend sees them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from synthgap.base.errors import UserError
from synthgap.design.arms import CROSSFIT, GAN, GAN_ONLY, SYNTHETIC_ONLY
from synthgap.design.preset import load_preset
from synthgap.exhibits import tables
from synthgap.graph.specs import SampleGan


@pytest.fixture
def without_gan(smoke, monkeypatch):
    """The smoke study, whose preset has no GAN."""
    monkeypatch.setattr(smoke, "main", replace(smoke.main, preset=smoke.main.preset.model_copy(update={"gan": None})))
    return smoke


def test_a_gans_samples_have_the_labels_of_the_images_they_stand_for(smoke):
    spec = smoke.main.samples(0, GAN)
    assert isinstance(spec, SampleGan)
    images, real = smoke.store.get(spec), smoke.store.get(smoke.main.data["train"])
    assert images.labels.tolist() == real.labels.tolist()
    assert (images.shape, images.classes) == (real.shape, real.classes)
    again = smoke.store.get(smoke.main.samples(0, GAN, copy_index=1))
    assert not np.array_equal(images.images, again.images)


def test_the_gan_stands_beside_the_reverse_steps_everywhere(smoke):
    tables_by_step = (smoke.table1, smoke.fidelity_curve, smoke.entropy_curve, smoke.concentration, smoke.memorization)
    for table in tables_by_step:
        rows = table()
        assert set(rows[rows.t_re == GAN].seed) == set(smoke.seeds)
    detected = smoke.table1()
    listed = {(d, n) for d in ("pixel", "dct") for n in smoke.preset.detectors}
    assert set(zip(*(detected[detected.t_re == GAN][c] for c in ("domain", "detector")), strict=True)) == listed
    arms = smoke.table3()
    assert sorted(arms[arms.arm == GAN_ONLY].multiple.unique()) == [1, 3]


@pytest.mark.parametrize("result", ["accuracy", "fidelity", "entropy", "concentration", "likelihood"])
def test_no_trend_sees_the_gan(smoke, monkeypatch, result):
    seen = [(t.measure, t.protocol, t.change, t.page) for t in smoke.trends(result)]
    monkeypatch.setattr(smoke, "main", replace(smoke.main, preset=smoke.main.preset.model_copy(update={"gan": None})))
    assert seen == [(t.measure, t.protocol, t.change, t.page) for t in smoke.trends(result)]


def test_the_table_of_rivals_holds_the_numbers_of_the_other_tables(smoke):
    rows = smoke.rivals().set_index(["source", "seed"])
    fidelity, arms = smoke.fidelity_curve(), smoke.table3()
    for source, t, arm in (("EDM", 100, SYNTHETIC_ONLY), ("StyleGAN3", GAN, GAN_ONLY)):
        for seed in smoke.seeds:
            mine = fidelity[(fidelity.protocol == CROSSFIT) & (fidelity.t_re == t) & (fidelity.seed == seed)]
            assert rows.loc[source, seed].recall == mine.recall.item()
            for k in (1, 3):
                cell = arms[(arms.arm == arm) & (arms.multiple == k) & (arms.seed == seed)]
                assert rows.loc[source, seed][f"accuracy_{k}"] == cell.accuracy.item()
    assert rows.loc["real"].copying.isna().all()


def test_a_preset_without_a_gan_says_so(without_gan):
    assert without_gan.collapse().empty
    assert without_gan.collapsed() == {}
    assert set(without_gan.rivals().source) == {"real", "EDM"}
    told = tables.rivals(without_gan.rivals(), without_gan.collapse(), {}, "digits", "smoke")
    row = next(line for line in told.splitlines() if line.startswith("| StyleGAN3"))
    assert set(row.split(" | ")[1:-1]) <= {"not run"}
    assert "trains no GAN" in tables.collapse_sentence(without_gan.collapse(), {})


def test_a_collapse_is_named_with_its_seed_and_marks_the_row():
    collapse = pd.DataFrame({"seed": [0, 1], "collapsed": [0, 1], "diversity": [0.8, 0.01]})
    why = {1: "10 of 500 images are distinct"}
    told = tables.collapse_sentence(collapse, why)
    assert told.startswith("**1 of 2 GANs have collapsed** (seed 1: 10 of 500 images are distinct)")
    rows = pd.DataFrame({"source": ["StyleGAN3"] * 2, "seed": [0, 1], "frechet": [1.0, 2.0], "precision": 1.0})
    rows = rows.assign(recall=0.5, agreement=0.9, accuracy_1=0.8, copying=0.0)
    assert "StyleGAN3 (**1 of 2 collapsed**)" in tables.rivals(rows, collapse, why, "digits", "made")


def test_a_collapsed_gan_is_found_in_the_store(smoke, monkeypatch):
    spec = smoke.main.collapse()[(1,)]
    value = smoke.store.get(spec)
    real_get = smoke.store.get
    broken = replace(value, collapsed=True, reason="all alike")
    monkeypatch.setattr(smoke.store, "get", lambda s: broken if s == spec else real_get(s))
    assert smoke.collapsed() == {1: "all alike"}
    assert smoke.collapse().set_index("seed").collapsed[1] == 1


def test_figures_name_the_gan(smoke):
    for figure in (smoke.figure6, smoke.figure8, smoke.figure_agreement, smoke.figure_memorization):
        labels = [t.get_text() for ax in figure().axes if ax.get_legend() for t in ax.get_legend().get_texts()]
        assert any("StyleGAN3" in label for label in labels)
    rows = smoke.figure_rivals().axes
    assert [ax.get_ylabel() for ax in rows if ax.get_ylabel()] == ["real", "EDM", "StyleGAN3"]


def test_a_data_set_cannot_change_a_gan_that_is_not_there(tmp_path):
    text = "\n".join(
        line.replace("- dataset: digits", "- {dataset: digits, gan: {layers: 3}}")
        for line in (load_preset_text("smoke")).splitlines()
    )
    start, end = text.index("gan:\n"), text.index("classifier:\n")
    (tmp_path / "own.yaml").write_text(text[:start] + text[end:])
    with pytest.raises(UserError, match="digits changes a gan that the preset has not"):
        load_preset(str(tmp_path / "own.yaml"))


def load_preset_text(name: str) -> str:
    from importlib.resources import files

    return files("synthgap").joinpath("presets", f"{name}.yaml").read_text(encoding="utf-8")
