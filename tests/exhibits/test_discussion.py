"""Section 4.3: which images the controls keep, snapshots of one training, and what the figures and tables show."""

import numpy as np
import pandas as pd
import pytest
from reading import cells_of, right

from synthgap.base.words import difference
from synthgap.data.splits import halves, stratified_take
from synthgap.design.arms import CROSSFIT
from synthgap.diffusion.train import train_edm
from synthgap.exhibits import discussion
from synthgap.exhibits.classifiers import concentration
from synthgap.exhibits.discussion import trimmed_cells
from synthgap.graph.compute import Job
from synthgap.graph.compute import compute as compute_spec
from synthgap.graph.specs import Snapshot, parse_spec
from synthgap.metrics.projection import centralities
from synthgap.stats.crossed import crossed


@pytest.fixture(scope="module")
def central(smoke):
    return next(spec for (which, _, _), spec in trimmed_cells(smoke.design).items() if which == "central")


def test_the_central_images_are_the_nearest_of_each_class_and_half(smoke, central):
    trim, train = central.classifier.own.real, smoke.store.get(smoke.main.data["train"])
    kept = smoke.store.get(trim)
    random = train.subset(stratified_take(train.labels, trim.count, 0))
    assert len(kept) == trim.count
    assert np.bincount(kept.labels).tolist() == np.bincount(random.labels).tolist()
    seen = [smoke.store.get(spec) for spec in trim.seen]
    values = centralities(train.labels, [s.features for s in seen])
    for half, prediction in zip(halves(train.labels), seen, strict=True):  # each half under the other's classifier
        assert prediction.labels.tolist() == train.labels[half].tolist()
        for label in np.unique(train.labels):
            mine = half[train.labels[half] == label]
            features = prediction.features[train.labels[half] == label].astype(float)
            distance = np.linalg.norm(features - features.mean(axis=0), axis=1)
            assert values[mine][np.argsort(distance)].tolist() == sorted(values[mine])
    positions = [int(np.flatnonzero((train.images == image).all(axis=(1, 2, 3)))[0]) for image in kept.images]
    for label in np.unique(train.labels):
        mine = np.flatnonzero(train.labels == label)
        chosen = np.isin(mine, positions)
        assert values[mine][chosen].max() <= values[mine][~chosen].min(initial=np.inf)


def test_halves_are_judged_by_classifiers_of_the_other_half(smoke):
    first, second = smoke.main.halves_seen(0)
    assert (first.images.half, first.classifier.own.real.half) == ("a", "b")
    assert (second.images.half, second.classifier.own.real.half) == ("b", "a")


def test_a_trim_can_be_read_back(central):
    assert parse_spec(central.model_dump_json()) == central


def test_the_whole_set_loses_nothing(smoke):
    rows = smoke.lab.value(discussion.trimming)
    whole = rows[rows.real_images == smoke.main.data["train"].count].sort_values("seed")
    assert whole.seed.tolist() == sorted(smoke.seeds)
    assert (whole.central == whole.random).all()
    spread = smoke.lab.value(concentration)
    spread = spread[(spread.protocol == CROSSFIT) & (spread.t_re == 0)].sort_values("seed")
    assert whole.trace_ratio.to_numpy() == pytest.approx(spread.trace_ratio.to_numpy())


def test_a_snapshot_is_a_shorter_training_and_changes_nothing(smoke):
    run = smoke.main.generator(0)
    real = smoke.store.get(run.data)
    assert run.snapshots == (160, 320)
    for spec, images in [(Snapshot(run=run, images=160), 160), (run, run.training.images)]:
        training = run.training.model_copy(update={"images": images})
        alone = train_edm(real, run.network, training, run.seed).state_dict()
        found = smoke.store.get(spec).state_dict()
        assert all(found[name].equal(value) for name, value in alone.items())


def test_a_training_goes_on_after_its_last_snapshot(smoke, tmp_path):
    run = smoke.main.generator(1)
    done = []

    class StopError(Exception):
        pass

    def stop(share: float) -> None:
        done.append(share)
        if share > 0.6:
            raise StopError

    with pytest.raises(StopError):
        compute_spec(run, Job(smoke.store.get, tmp_path, stop))
    seen = len(done)
    edm = compute_spec(run, Job(smoke.store.get, tmp_path, done.append))
    assert len(done) - seen < run.training.steps / 2
    whole = smoke.store.get(run)
    assert all(edm.state_dict()[k].equal(v) for k, v in whole.state_dict().items())
    assert sorted(edm.snapshots) == list(run.snapshots)


def test_the_likelihood_has_every_cell_and_a_panel_for_each_noise_level(smoke):
    rows, choice = smoke.lab.value(discussion.likelihood), smoke.main.preset.likelihood
    steps = smoke.main.preset.table2
    assert len(rows) == len(choice.sigmas) * 2 * len(steps) * len(smoke.seeds)
    assert (rows.groupby(["sigma", "split", "t_re", "seed"]).size() == 1).all()
    assert np.isfinite(rows[["nats", "bits_per_dim"]]).all(axis=None)
    (figure,) = smoke.lab.show("fig-likelihood")
    assert [ax.get_title() for ax in figure.axes] == [f"σ = {sigma:g}" for sigma in choice.sigmas]
    assert all("higher is likelier" in ax.get_ylabel() for ax in figure.axes)
    (table,) = smoke.lab.show("tab-likelihood-trends")
    assert table.count("ln p (nats)") == 2 * len(choice.sigmas)


def test_the_controls_stand_beside_the_real_images(smoke):
    (figure,) = smoke.lab.show("fig-controls")
    left, right = figure.axes
    assert left.get_position().y0 > right.get_position().y1  # one below the other, to be read on a phone
    real = smoke.lab.value(discussion.gap_hits)[0,].mean()
    assert right.get_lines()[0].get_ydata()[0] == pytest.approx(100 * real)
    cut, trained = (smoke.lab.value(r) for r in (discussion.trimming, discussion.checkpoints))
    sizes = [len(container[0].get_xdata()) for container in (*left.containers, *right.containers)]
    assert sizes == [*2 * [cut.real_images.nunique()], trained.generator_images.nunique()]


@pytest.mark.parametrize(
    ("before", "words"),
    [
        (0.80, "**The generator is at its plateau**. From 64,000 to 128,000 training images seen"),
        (0.70, "**The generator is not at its plateau**"),
        ((0.75, 0.79, 0.80), "**It is open whether the generator is at its plateau**"),
    ],
)
def test_a_generator_is_at_its_plateau_where_the_second_half_of_its_training_gives_less_than_a_point_and_a_half(
    smoke, before, words
):
    told = right({(64_000,): before, (128_000,): 0.8}, images=4000)
    assert words in discussion.plateau(smoke.design, told)


def test_where_nothing_is_kept_of_the_training_the_plateau_is_not_known(smoke):
    unknown = discussion.plateau(smoke.design, right({(640,): 0.8}, (0, 1), 50))
    assert "not known" in unknown
    assert "the preset smoke keeps no checkpoints" in unknown
    (said,) = smoke.lab.show("plateau")
    assert "plateau" in said


def trimmed_rows():
    rows = pd.DataFrame([{"real_images": n, "seed": s} for n in (20, 40) for s in (0, 1)])
    numbers = {"central": 0.75 + 0.005 * rows.real_images, "random": 0.95, "n": 100}
    return rows.assign(**numbers, trace_ratio=[0.5, 0.7, 1.0, 1.0], distance_ratio=np.nan)


def test_the_trimming_table_sets_the_central_images_beside_random_ones(smoke):
    synthetic = pd.DataFrame({"protocol": [CROSSFIT], "t_re": [100], "trace_ratio": [0.9], "distance_ratio": [0.8]})
    cut = right({("central", 20): 0.85, ("random", 20): 0.95}, (0, 1), 100)
    table = discussion.trimming_table(smoke.design, trimmed_rows(), cut, synthetic)
    _, central, whole, last = ("| " + " | ".join(row) + " |" for row in cells_of(table))
    assert "| 20 most central | 0.60" in central
    assert "| too few images a class |" in central
    assert "| 85.0 (" in central
    lost = crossed(cut.minus(("random", 20), ("central", 20))).in_points
    assert f"| {difference(lost, 1)} |" in central
    assert lost.mean == pytest.approx(10)
    assert whole.startswith("| 40 (all) |")
    assert whole.endswith("| – |")
    assert "| 0.90 | 0.80 |" in last
    assert difference(lost, 1).startswith("+10.0 (+")


def test_without_cells_nothing_is_told(smoke):
    assert "not run" in discussion.trimming_table(smoke.design, pd.DataFrame(), right({}), pd.DataFrame())
