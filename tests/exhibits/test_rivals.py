"""The GAN beside the diffusion model: where its samples stand, and what is told of them."""

from dataclasses import replace
from importlib.resources import files
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from reading import design, parsed

from synthgap.base.errors import UserError
from synthgap.design.arms import CROSSFIT
from synthgap.design.preset import load_preset
from synthgap.design.values import GAN, GAN_ONLY, SYNTHETIC_ONLY
from synthgap.exhibits import samples
from synthgap.exhibits.rivals import rivals, rivals_table
from synthgap.exhibits.samples import Collapses, collapse
from synthgap.graph.specs import SampleGan


def test_a_gans_samples_have_the_labels_of_the_images_they_stand_for(smoke):
    spec = smoke.main.samples(0, GAN)
    assert isinstance(spec, SampleGan)
    images, real = smoke.store.get(spec), smoke.store.get(smoke.main.data["train"])
    assert images.labels.tolist() == real.labels.tolist()
    assert (images.shape, images.classes) == (real.shape, real.classes)
    again = smoke.store.get(smoke.main.samples(0, GAN, copy_index=1))
    assert not np.array_equal(images.images, again.images)


@pytest.mark.parametrize("name", ["table1", "figure6", "figure8", "memorization"])
def test_the_gan_stands_beside_the_reverse_steps(smoke, name):
    rows = smoke.rows(name)
    assert set(rows[rows.t_re == GAN].seed) == set(smoke.seeds)


@pytest.mark.parametrize("name", ["fig-6", "fig-copies"])
def test_figures_name_the_gan(smoke, name):
    assert any("StyleGAN3" in ax.get_xlabel() for ax in smoke.show(name).axes)


def test_each_models_images_have_a_row_of_their_own(smoke):
    labels = [ax.get_ylabel() for ax in smoke.show("fig-rivals").axes if ax.get_ylabel()]
    assert labels == ["real", "EDM", "StyleGAN3"]


def test_the_table_of_rivals_holds_the_numbers_of_the_other_tables(smoke):
    rows = smoke.lab.value(rivals).set_index(["source", "seed"])
    fidelity, arms = smoke.rows("figure6"), smoke.rows("figure1")
    for source, t, arm in (("EDM", 100, SYNTHETIC_ONLY), ("StyleGAN3", GAN, GAN_ONLY)):
        for seed in smoke.seeds:
            mine = fidelity[(fidelity.protocol == CROSSFIT) & (fidelity.t_re == t) & (fidelity.seed == seed)]
            assert rows.loc[source, seed].recall == mine.recall.item()
            for k in (1, 3):
                found = arms[(arms.arm == arm) & (arms.multiple == k) & (arms.seed == seed)]
                assert rows.loc[source, seed][f"accuracy_{k}"] == found.accuracy.item()
    assert rows.loc["real"].copying.isna().all()


def test_a_preset_without_a_gan_says_so(smoke):
    main = replace(smoke.main, preset=smoke.main.preset.model_copy(update={"gan": None}))
    d = replace(smoke.design, columns=(main, *smoke.design.columns[1:]))
    assert samples.collapse_cells(d) == {}
    none = collapse.make(d, {})
    assert none.rows.empty
    assert none.reasons == {}
    rows = rivals.make(d, *(smoke.rows(name) for name in ("figure6", "figure8", "memorization", "figure1")))
    assert set(rows.source) == {"real", "EDM"}
    table, told = rivals_table(d, rows, none)
    assert set(parsed(table).loc["StyleGAN3"]) <= {"not run", ""}
    assert "trains no GAN" in told


def test_a_collapse_is_named_with_its_seed_and_marks_the_row():
    why = {1: "10 of 500 images are distinct"}
    signs = Collapses(pd.DataFrame({"seed": [0, 1], "collapsed": [0, 1], "diversity": [0.8, 0.01]}), why)
    rows = pd.DataFrame({"source": ["StyleGAN3"] * 2, "seed": [0, 1], "frechet": [1.0, 2.0], "precision": 1.0})
    rows = rows.assign(recall=0.5, agreement=0.9, accuracy_1=0.8, copying=0.0)
    table, told = rivals_table(design(seeds=(0, 1)), rows, signs)
    assert told.startswith("**1 of 2 GANs have collapsed** (seed 1: 10 of 500 images are distinct)")
    assert parsed(table).index.tolist() == ["StyleGAN3 (**1 of 2 collapsed**)"]
    assert parsed(table)["accuracy ×1 (%)"].tolist() == ["80.0 (80.0, 80.0)"]


def test_a_collapsed_gan_is_found_by_its_seed():
    signs = {"diversity": 0.5, "collapsed_classes": 0.0, "distinct": 9, "images": 40, "constant_pixels": 0.0}
    values = {(s,): SimpleNamespace(collapsed=s == 1, reason="all alike", **signs) for s in (0, 1)}
    found = collapse.make(design(seeds=(0, 1)), values)
    assert found.reasons == {1: "all alike"}
    assert found.rows.set_index("seed").collapsed.to_dict() == {0: 0, 1: 1}


def test_a_data_set_cannot_change_a_gan_that_is_not_there(tmp_path):
    text = files("synthgap").joinpath("presets", "smoke.yaml").read_text(encoding="utf-8")
    text = text.replace("- dataset: digits", "- {dataset: digits, gan: {layers: 3}}")
    start, end = text.index("gan:\n"), text.index("classifier:\n")
    (tmp_path / "own.yaml").write_text(text[:start] + text[end:])
    with pytest.raises(UserError, match="digits changes a gan that the preset has not"):
        load_preset(str(tmp_path / "own.yaml"))
