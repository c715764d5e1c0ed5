"""Controls and candidates: what is cut, what is kept, and what a result says of a cause."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace

import numpy as np
import pytest

from synthgap.data.splits import halves, stratified_take
from synthgap.diffusion.train import train_edm
from synthgap.exhibits import causes, causes_tables
from synthgap.exhibits.causes import (
    AGAINST,
    ENOUGH,
    NOT_RUN,
    PART,
    PREDICTED,
    UNDECIDED,
    Cause,
    Loss,
    Symptom,
    at_spread,
)
from synthgap.exhibits.claims import evaluate_claims
from synthgap.graph.compute import Job, centralities
from synthgap.graph.compute import compute as compute_spec
from synthgap.graph.specs import Snapshot, parse_spec
from synthgap.stats.crossed import crossed
from synthgap.stats.intervals import estimate_mean


def result(mean: float, half: float):
    """Three seeds, 400 images, in points, with an interval of mean ± half over seeds."""
    spread = half / 4.302653 * math.sqrt(3)  # Student's t at 2 degrees of freedom
    return estimate_mean([mean - spread, mean, mean + spread])


@pytest.mark.parametrize(
    ("loss", "left", "says"),
    [
        ((0.1, 0.5), (4, 1), AGAINST),  # less than a point is lost
        ((-3, 1), (8, 1), AGAINST),  # real images even gain
        ((3, 1), (2, 1), PART),
        ((4, 1), (0.2, 1), ENOUGH),
        ((1.5, 2), (1, 2), UNDECIDED),
        ((1.5, 2), (3, 2), PART),  # whatever it is, it leaves a gap
    ],
)
def test_what_a_control_says(loss, left, says):
    assert Loss(result(*loss), result(*left)).says == says


@pytest.mark.parametrize(
    ("effect", "interest", "says"),
    [((2, 1), 0, PREDICTED), ((-2, 1), 0, AGAINST), ((0, 1), 0, UNDECIDED), ((0.2, 0.5), 1, AGAINST)],
)
def test_what_a_symptom_says(effect, interest, says):
    assert Symptom(result(*effect), "recall", "points", 1, interest).says == says


def test_one_seed_says_nothing():
    one = crossed(np.ones((1, 50))).in_points
    assert Loss(one, one).says == Symptom(one, "recall", "points").says == UNDECIDED
    assert Cause("a", "b", None, "no cells").says == NOT_RUN


def test_points_are_hundredths():
    share = crossed(np.random.default_rng(0).random((3, 80)) - 0.4)
    points = share.in_points
    assert points.mean == pytest.approx(100 * share.mean)
    assert points.low == pytest.approx(100 * share.low)
    assert points.p == pytest.approx(share.p)


def test_a_loss_is_read_off_at_the_synthetic_spread():
    spreads, losses = np.array([0.5, 0.8, 1.0]), np.array([[4.0, 8.0], [1.0, 2.0], [0.0, 0.0]])
    assert at_spread(0.8, spreads, losses).tolist() == [1, 2]
    assert at_spread(0.9, spreads, losses) == pytest.approx([0.5, 1])
    assert at_spread(0.65, spreads, losses) == pytest.approx([2.5, 5])
    assert at_spread(1.3, spreads, losses).tolist() == [0, 0]  # as wide as the real ones or wider: nothing is cut
    assert at_spread(0.1, spreads, losses).tolist() == [4, 8]
    shuffled = [2, 0, 1]
    assert at_spread(0.65, spreads[shuffled], losses[shuffled]) == pytest.approx([2.5, 5])


def test_the_central_images_are_the_nearest_of_each_class_and_half(smoke):
    cell = next(spec for (which, _, _), spec in smoke.main.trimming().items() if which == "central")
    trim = cell.classifier.real
    train = smoke.store.get(smoke.main.data["train"])
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
    assert (first.images.half, first.classifier.real.half) == ("a", "b")
    assert (second.images.half, second.classifier.real.half) == ("b", "a")


def test_a_trim_can_be_read_back(smoke):
    cell = next(spec for (which, _, _), spec in smoke.main.trimming().items() if which == "central")
    assert parse_spec(cell.model_dump_json()) == cell


def test_the_whole_set_loses_nothing(smoke):
    rows = smoke.trimming()
    whole = rows[rows.real_images == smoke.main.data["train"].count]
    assert len(whole) == len(smoke.seeds)
    assert (whole.central == whole.random).all()
    spread = smoke.concentration()
    spread = spread[(spread.protocol == "cross-fitted") & (spread.t_re == 0)].sort_values("seed")
    assert whole.sort_values("seed").trace_ratio.to_numpy() == pytest.approx(spread.trace_ratio.to_numpy())


def test_a_snapshot_is_a_shorter_training_and_changes_nothing(smoke, tmp_path):
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
    shutil.rmtree(tmp_path)


def test_every_candidate_is_weighed(smoke):
    several = smoke.causes()
    assert len(several) == 7
    assert all(c.found is not None or c.why for c in several)
    table = causes_tables.causes(several, smoke.gap_crossed(), "digits")
    assert table.count("\n| ") == 8  # with the heading
    by_name = {c.name: c for c in several}
    gap = smoke.gap_crossed()
    copied = by_name["a finite sample alone: a generator knows no more than its training images"].found
    assert copied.loss.mean + copied.left.mean == pytest.approx(gap.mean)


def test_without_cells_nothing_is_told(smoke, monkeypatch):
    preset = smoke.main.preset.model_copy(update={"trimmed": (), "checkpoints": (), "bootstrap": ()})
    monkeypatch.setattr(smoke, "main", replace(smoke.main, preset=preset))
    says = {c.name: (c.says, c.why) for c in smoke.causes()}
    assert says["concentration near the modes: the control"] == (NOT_RUN, "the preset smoke has no trimmed cells")
    assert says["too little training"] == (NOT_RUN, "the preset smoke has no checkpoints")
    assert smoke.trimming().empty
    assert "not run" in causes_tables.trimming(smoke.trimming(), smoke.concentration(), "digits")


def test_no_gap_needs_no_cause():
    gap = crossed(np.random.default_rng(0).normal(size=(3, 100))).in_points
    assert "nothing to explain" in causes_tables.verdict([], gap)


def test_the_sentences_sort_candidates_by_what_they_say():
    gap = result(4, 1)
    several = [
        Cause("copying", "p", Loss(result(4, 1), result(0, 1))),
        Cause("crowding", "p", Loss(result(0.1, 0.5), result(4, 1))),
        Cause("labels", "p", Symptom(result(0, 2), "agreement", "points", 1, 1.0)),
        Cause("length", "p", None, "not there"),
    ]
    told = causes_tables.verdict(several, gap).splitlines()
    assert told == [
        "- Could be all of it: copying (loses +4.00 (+3.00 to +5.00) points and leaves +0.000 (−1.000 to +1.000)).",
        "- Measured, and against it: crowding.",
        "- Not run: length.",
        "- Undecided with so few seeds and images: labels.",
    ]
    assert causes.POINT == 1


def test_a_symptom_is_written_in_its_own_direction():
    fall = Cause("labels", "p", Symptom(result(7, 1), "label agreement", "points", -1))
    table = causes_tables.causes([fall], result(4, 1), "digits")
    assert "| label agreement: −7.00 (−8.00 to −6.00) points |" in table
    assert "| **as it predicts** |" in table


def test_the_claim_about_the_cause_is_the_trimming_control(smoke):
    found = next(v for v in evaluate_claims(smoke) if v.claim.id == "concentration-is-the-cause")
    assert found.verdict == "not tested at this scale"  # too few images a class are left at smoke
    assert found.why == "too few images a class are left to measure their spread"
