"""Fidelity in a frozen network's features: the paper's Figure 6 and Table 4 in its own unit."""

import numpy as np
import pytest
import torch
from inception_weights import random_inception
from reading import parsed, rows_of
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from synthgap.design.heads import frozen, seeing
from synthgap.design.preset import changed
from synthgap.design.values import FLOOR
from synthgap.exhibits import inception
from synthgap.graph.specs import Extract, MeasureFrozen
from synthgap.metrics.extractors import inception_there
from synthgap.metrics.fidelity import fidelity_of_features


def test_every_step_is_compared_with_the_training_set_itself(smoke):
    d, rows = smoke.design, smoke.rows("frozen_fidelity")
    mine = rows[rows.dataset == d.main.name]
    assert set(mine.t_re) == {*d.preset.curves, FLOOR, *d.main.rivals}
    itself = mine[mine.t_re == 0]
    assert itself.frechet.to_numpy() == pytest.approx(0, abs=1e-6)
    assert (itself[["precision", "recall"]] == 1).all(axis=None)
    others = rows[rows.dataset != d.main.name]
    assert set(others.dataset) == {arms.name for arms in d.columns_of(4)} - {d.main.name}
    space = frozen("pixels")
    train, fake = (
        smoke.store.get(Extract(images=images, network=space)).features
        for images in (d.main.data["train"], d.main.samples(1, 100))
    )
    by_hand = fidelity_of_features(train, fake, "pixels", intervals=False, floor=False)
    (found,) = mine[(mine.t_re == 100) & (mine.seed == 1)].frechet
    assert found == pytest.approx(by_hand.frechet)


def test_the_tables_show_each_step_and_the_papers_three_data_sets(smoke):
    table = parsed(smoke.show("tab-fid"))
    assert [str(t) for t in smoke.preset.curves] == list(table.index)[: len(smoke.preset.curves)]
    rows = rows_of(smoke.show("tab-fid-benefit"))
    theirs = {row["data set"]: row for row in rows if "the paper" in row["data set"]}
    assert {row["FD-pixels"] for row in theirs.values()} == {"4.1", "14.4", "8.5"}
    assert len(rows) == 3 + len(smoke.design.columns_of(4))


def test_without_the_networks_weights_the_book_says_what_to_do(smoke, monkeypatch, tmp_path):
    monkeypatch.delenv("SYNTHGAP_WEIGHTS", raising=False)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    assert not inception_there()
    inception._space.cache_clear()
    d = smoke.design
    without = type(d)(**{**vars(d), "preset": changed(d.preset, {"frozen": "auto"})})
    assert inception.frozen_cells(without) == {}
    rows = inception.frozen_fidelity.make(without, {})
    for text in (inception.fid_table(without, rows), inception.benefit_table(without, rows, None)):
        assert "SYNTHGAP_WEIGHTS" in text
    inception._space.cache_clear()


def test_the_distance_in_the_graph_is_torch_fidelitys_fid_on_the_same_weights(smoke, monkeypatch, tmp_path):
    file = random_inception(tmp_path)
    monkeypatch.setenv("SYNTHGAP_WEIGHTS", str(tmp_path))
    assert inception_there()
    seeing.cache_clear()
    space = frozen("inception")
    sets = [smoke.design.main.data[part] for part in ("validation", "probe")]  # twenty images each
    specs = [Extract(images=images, network=space) for images in sets]
    for spec in specs:
        smoke.store.compute(spec)
    measured = MeasureFrozen(real=specs[0], fake=specs[1])
    smoke.store.compute(measured)
    network = FeatureExtractorInceptionV3("own", ["2048"], feature_extractor_weights_path=str(file))
    statistics = []
    for spec in specs:
        pixels = np.repeat(smoke.store.get(spec.images).images, 3, axis=1)
        with torch.no_grad():
            (theirs,) = network(torch.from_numpy(pixels))
        ours = smoke.store.get(spec).features
        assert ours == pytest.approx(theirs.numpy(), rel=1e-4, abs=1e-5 * float(theirs.abs().max()))
        statistics.append(fid_features_to_statistics(torch.from_numpy(ours)))
    wanted = fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"]
    found = smoke.store.get(measured)
    assert (found.extractor, found.n) == ("inception", (20, 20))
    assert found.frechet == pytest.approx(wanted, rel=1e-6)
    seeing.cache_clear()
