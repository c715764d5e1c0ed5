"""The study: who sees which data, what the tables hold, and that nothing is computed twice."""

import math

import numpy as np
import pytest
from matplotlib.figure import Figure

from synthgap.base.errors import UserError
from synthgap.design.arms import CROSSFIT, EPOCH_MATCHED, FLOOR, GAN, GAN_ONLY, PAPER
from synthgap.exhibits.study import Study
from synthgap.graph import store as store_module
from synthgap.graph.specs import (
    Data,
    MeasureFidelity,
    MeasureMemorization,
    Predict,
    Subset,
    TrainClassifier,
    TrainDiffusion,
    in_order,
)
from synthgap.metrics.fidelity import MEASURES

FIGURES = ("figure1", "figure2", "figure4", "figure5", "figure6", "figure7", "figure8", "figure9")
FIGURES += ("figure_agreement", "figure_likelihood", "figure_memorization")
OF_ONE_SEED = ("figure1", "table1", "table2", "table3", "validated", "learning_curve", "figure6", "figure7", "figure8")
OF_ONE_SEED += ("concentration", "likelihood", "memorization", "sensitivity", "sensitivity_fidelity", "trimming")
OF_ONE_SEED += ("checkpoints", "collapse")  # groups of cells; in `crossed` a classifier may be another seed's
TABLES = ("table1", "table2", "table3", "fidelity_curve", "entropy_curve", "data_summary", "noise_levels")
TABLES += ("concentration", "attention", "likelihood_curve", "memorization")


def open_smoke(results, **options) -> Study:
    return Study(**{"preset": "smoke", "results": results, "device": "cpu", "workers": 1, **options})


def data_of(spec) -> set[str]:
    """Fingerprints of all images that stand behind an artifact."""
    return {s.fingerprint for s in in_order([spec]) if isinstance(s, Data)}


def seeds_of(spec) -> set[int]:
    return {s.seed for s in in_order([spec]) if getattr(s, "seed", None) is not None}


# who sees what


def test_generators_and_classifiers_see_train_only(smoke):
    trained = [s for s in in_order(smoke.plan()) if isinstance(s, (TrainDiffusion, TrainClassifier))]
    train = {arms.data["train"].fingerprint for arms in smoke.columns}
    assert len(trained) > 40
    for spec in trained:
        assert len(data_of(spec)) == 1
        assert data_of(spec) <= train


def test_train_shares_no_image_with_what_is_tested_on(smoke):
    for arms in smoke.columns:
        rows = {part: {bytes(i) for i in smoke.store.get(spec).images} for part, spec in arms.data.items()}
        assert rows["grid"] <= rows["train"]
        assert rows["probe"] <= rows["test"]
        assert rows["floor"] <= rows["test"]
        assert not rows["train"] & (rows["test"] | rows["validation"])


def test_accuracies_are_of_the_test_split(smoke):
    for arms in smoke.columns:
        for spec in (*arms.table2().values(), *arms.table3().values()):
            assert spec.images == arms.data["test"]


def test_a_seed_owns_its_generator_its_samples_and_its_classifier(smoke):
    arms = smoke.main
    for cells in (getattr(arms, name)() for name in OF_ONE_SEED):
        assert {seed for (*_, seed) in cells} == {0, 1}
        for (*_, seed), spec in cells.items():
            known = seeds_of(spec)
            assert known == {seed} or (not known and isinstance(spec, MeasureMemorization))  # of real images alone


def test_every_classifier_takes_an_epoch_of_the_real_set(smoke):
    matched = {p.classifier for (arm, *_), p in smoke.arms.table3().items() if arm == EPOCH_MATCHED}
    assert {c.epoch_images for c in matched} == {3 * 40}
    for spec in in_order(smoke.plan()):
        if isinstance(spec, TrainClassifier) and spec not in matched:
            half = isinstance(spec.real, Subset) and spec.real.half
            assert spec.epoch_images == (20 if half else 40)


def test_the_cross_fitted_classifier_has_not_seen_what_it_judges(smoke):
    for seed in smoke.seeds:
        seen = {i.tobytes() for i in smoke.store.get(smoke.main.crossfit(seed).real).images}
        for t_re in (0, FLOOR):
            judged = smoke.main.judged(CROSSFIT, seed, t_re)
            assert judged.classifier == smoke.main.crossfit(seed)
            images = smoke.store.get(judged.images).images
            assert len(seen) == len(images) == 20
            assert not seen & {i.tobytes() for i in images}


def test_the_cross_fitted_protocol_compares_equal_numbers_with_images_that_nothing_was_trained_on(smoke):
    test = {i.tobytes() for i in smoke.store.get(smoke.main.data["test"]).images}
    half = smoke.store.get(Subset(images=smoke.main.data["train"], half="b"))
    for (protocol, t_re, _), spec in smoke.main.figure6().items():
        if protocol == CROSSFIT:
            reference, judged = (smoke.store.get(s.images) for s in (spec.real, spec.fake))
            assert {i.tobytes() for i in reference.images} <= test
            assert len(reference) == len(judged) == 20
            assert np.array_equal(judged.labels, half.labels), t_re


def test_halves_divide_every_class(smoke):
    train = smoke.main.data["train"]
    a, b = (smoke.store.get(Subset(images=train, half=h)) for h in "ab")
    whole = smoke.store.get(train)
    assert sorted(i.tobytes() for s in (a, b) for i in s.images) == sorted(i.tobytes() for i in whole.images)
    assert np.abs(np.bincount(a.labels) - np.bincount(b.labels)).max() <= 1


def test_arms_train_on_what_their_name_says(smoke):
    for (arm, multiple, seed), predict in smoke.main.table3().items():
        classifier, train = predict.classifier, smoke.main.data["train"]
        base, _, policy = arm.partition(" + ")
        if base in ("RandAugment", "TrivialAugment"):
            base, policy = "real only", base
        assert classifier.training.policy == (policy or "none")
        alone = ("real bootstrap", "synthetic only", GAN_ONLY, EPOCH_MATCHED)
        assert classifier.real == (None if base in alone else train)
        assert len(classifier.synthetic) == multiple
        if base == "0":
            assert set(classifier.synthetic) == {train}
            continue
        assert [s.copy_index for s in classifier.synthetic] == list(range(multiple))
        if base == "real bootstrap":
            assert {(s.images, s.seed) for s in classifier.synthetic} == {(train, seed)}
            continue
        low, _, high = base.partition("-")
        wanted = (int(low), int(high)) if high.isdigit() else int(low) if low.isdigit() else 100
        assert {getattr(s, "t_re", 100) for s in classifier.synthetic} <= {wanted}


def test_copies_of_a_set_are_different_draws(smoke):
    first, second = (smoke.store.get(smoke.main.samples(0, 100, copy)) for copy in (0, 1))
    assert np.array_equal(first.labels, second.labels)
    assert not any(np.array_equal(a, b) for a, b in zip(first.images, second.images, strict=True))


def test_samples_keep_the_labels_of_the_training_set(smoke):
    train = smoke.store.get(smoke.main.data["train"])
    for t_re in (0, 30, 100, (50, 100)):
        assert np.array_equal(smoke.store.get(smoke.main.samples(0, t_re)).labels, train.labels)


def test_reverse_step_0_is_the_data_itself(smoke):
    assert smoke.main.samples(0, 0) == smoke.main.data["train"]
    assert smoke.main.classifier(0, 0) == smoke.main.arm("real only", 0, 0)


def test_features_and_fidelity_are_of_the_real_classifier(smoke):
    real = {smoke.main.classifier(s, 0).key for s in smoke.seeds}
    for (protocol, _, _), spec in smoke.main.figure6().items():
        assert isinstance(spec, MeasureFidelity)
        if protocol == PAPER:
            assert {spec.real.classifier.key, spec.fake.classifier.key} <= real
            assert spec.real.images == smoke.main.data["train"]
    paper = [spec for (protocol, *_), spec in smoke.main.figure8().items() if protocol == PAPER]
    for spec in (*paper, *smoke.main.features((0, 100)).values()):
        assert isinstance(spec, Predict)
        assert spec.classifier.key in real


# tables


def test_table_2_has_one_row_a_seed_for_every_data_set_and_reverse_step(smoke):
    rows = smoke.table2()
    assert list(rows.columns) == ["dataset", "t_re", "sigma", "seed", "accuracy", "n"]
    assert len(rows) == 2 * 5 * 2
    assert (rows.groupby(["dataset", "t_re", "seed"]).size() == 1).all()
    assert set(rows.seed) == {0, 1}
    assert rows.accuracy.between(0, 1).all()
    assert set(rows.n) == {40}


def test_companion_data_sets_are_columns_of_table_2(smoke):
    assert list(dict.fromkeys(smoke.table2().dataset)) == ["digits", "mnist5k"]
    assert [arms.name for arms in smoke.columns] == ["digits", "mnist5k"]


def test_table_2_gives_the_sigma_of_each_data_sets_image_size(smoke):
    rows = smoke.table2().set_index(["dataset", "t_re"]).sigma
    for name in ("digits", "mnist5k"):
        assert rows[name, 0].to_list() == [0, 0]
        assert rows[name, 100].to_list() == pytest.approx([80 * 8 / 32] * 2)
        assert rows[name, 30].iloc[0] < rows[name, 50].iloc[0] < rows[name, 70].iloc[0]


def test_accuracies_are_those_of_the_stored_predictions(smoke):
    rows = smoke.table2().set_index(["dataset", "t_re", "seed"]).accuracy
    test = smoke.store.get(smoke.main.data["test"])
    for (t_re, seed), spec in smoke.main.table2().items():
        logits = smoke.store.get(spec).logits
        assert rows["digits", t_re, seed] == np.mean(logits.argmax(axis=1) == test.labels)


def test_table_3_has_one_row_a_seed_for_every_arm_and_multiple(smoke):
    rows = smoke.table3()
    assert list(rows.columns) == ["arm", "multiple", "seed", "accuracy", "n"]
    assert (rows.groupby(["arm", "multiple", "seed"]).size() == 1).all()
    cells = {(arm, multiple) for arm, multiple in zip(rows.arm, rows.multiple, strict=True)}
    wanted = {("real only", 0), ("synthetic only", 1), ("synthetic only", 3)}
    wanted |= {(GAN_ONLY, 1), (GAN_ONLY, 3), (EPOCH_MATCHED, 3), ("real bootstrap", 1), ("real bootstrap", 3)}
    wanted |= {(arm, k) for arm, multiples in smoke.preset.augmentation.items() for k in multiples}
    for policy in ("RandAugment", "TrivialAugment"):
        wanted |= {(policy, 0), (f"0 + {policy}", 1), (f"100 + {policy}", 3)}
    assert cells == wanted == set(smoke.main.listed())
    assert len(rows) == 2 * len(wanted)


def test_reverse_step_0_of_table_2_is_real_only_of_table_3(smoke):
    two, three = smoke.table2(), smoke.table3()
    two = two[(two.dataset == "digits") & (two.t_re == 0)].set_index("seed").accuracy
    three = three[three.arm == "real only"].set_index("seed").accuracy
    assert two.to_dict() == three.to_dict()


def test_reverse_step_100_of_table_2_is_synthetic_only_times_1_of_table_3(smoke):
    two, three = smoke.table2(), smoke.table3()
    two = two[(two.dataset == "digits") & (two.t_re == 100)].set_index("seed").accuracy
    three = three[(three.arm == "synthetic only") & (three.multiple == 1)].set_index("seed").accuracy
    assert two.to_dict() == three.to_dict()


def test_fidelity_is_perfect_at_reverse_step_0_and_has_a_floor(smoke):
    rows = smoke.fidelity_curve()
    assert list(rows.columns) == ["protocol", "t_re", "seed", *MEASURES, "n_real", "n_fake"]
    assert (rows.groupby(["protocol", "t_re", "seed"]).size() == 1).all()
    fitted, rows = rows[rows.protocol == CROSSFIT], rows[rows.protocol == PAPER]
    assert set(fitted.t_re) == {0, 50, 100, GAN}  # its own floor
    assert (fitted.frechet > 0).all()
    assert set(fitted.n_real) == set(fitted.n_fake) == {20}
    assert set(rows.t_re) == {-1, 0, 50, 100, GAN}
    at_0 = rows[rows.t_re == 0]
    assert at_0.frechet.to_numpy() == pytest.approx(0, abs=1e-4)
    assert (at_0[["precision", "recall"]] == 1).all(axis=None)
    assert (rows[rows.t_re == -1].frechet > 0).all()
    assert set(rows.n_real) == set(rows.n_fake) == {40}


def test_entropies_lie_within_ln_c_for_both_splits(smoke):
    rows = smoke.entropy_curve()
    assert list(rows.columns) == ["protocol", "split", "t_re", "seed", "entropy", "marginal", "agreement", "n"]
    assert (rows.groupby(["protocol", "split", "t_re", "seed"]).size() == 1).all()
    assert rows.entropy.between(0, math.log(10)).all()
    assert (rows.entropy <= rows.marginal + 1e-12).all()
    assert rows.agreement.between(0, 1).all()
    assert rows[rows.protocol == PAPER].groupby("split").n.unique().map(list).to_dict() == {"test": [20], "train": [40]}
    assert set(rows[rows.protocol == CROSSFIT].n) == {20}


def test_fake_detection_is_chance_at_reverse_step_0(smoke):
    rows = smoke.table1()
    assert list(rows.columns) == ["domain", "detector", "t_re", "seed", "accuracy", "n"]
    assert (rows[rows.t_re == 0].accuracy == 0.5).all()
    assert set(rows.n) == {40}
    assert len(rows) == 2 * (5 + 1) * 2


def test_memorization_reads_reverse_step_0_as_copying(smoke):
    rows = smoke.memorization().set_index("t_re")
    assert (rows.loc[0, ["authentic", "ratio", "closest"]] == 0).all(axis=None)
    assert (rows.loc[0].copying < -3).all()
    assert (rows.loc[100].authentic > 0).all()


def test_concentration_has_a_floor_in_both_protocols(smoke):
    rows = smoke.concentration()
    assert set(rows[rows.protocol == PAPER].t_re) == {-1, 30, 50, 70, 100, GAN}
    assert set(rows[rows.protocol == CROSSFIT].t_re) == {0, 30, 50, 70, 100, GAN}
    assert rows[["trace_ratio", "distance_ratio"]].gt(0).all(axis=None)
    assert rows.outer_coverage.between(0, 1).all()


def test_likelihood_has_every_cell_and_generated_images_forget_their_originals(smoke):
    rows = smoke.likelihood_curve()
    assert len(rows) == 2 * 2 * 5 * 2
    assert (rows.groupby(["sigma", "split", "t_re", "seed"]).size() == 1).all()
    assert set(rows.n) == {4}
    assert np.isfinite(rows[["nats", "bits_per_dim"]]).all(axis=None)


def test_attention_compares_other_seeds(smoke):
    rows = smoke.attention()
    assert (rows.groupby(["t_re", "seed"]).size() == 1).all()
    assert rows.similarity.between(-1, 1).all()
    assert (rows[rows.t_re == 0].similarity < 1).all()


@pytest.mark.parametrize(
    ("result", "count"), [("accuracy", 2), ("fidelity", 6), ("entropy", 4), ("concentration", 6), ("likelihood", 4)]
)
def test_trends_are_told_for_every_measure_and_protocol(smoke, result, count):
    several = smoke.trends(result)
    assert len({(t.measure, t.protocol) for t in several}) == len(several) == count
    assert all(t.change.n == 2 for t in several)


def test_a_trend_is_the_slope_of_its_table(smoke):
    rows = smoke.table2()
    mine = rows[(rows.dataset == "digits") & (rows.seed == 1)]
    slopes = [np.polyfit(g.t_re, g.accuracy, 1)[0] for _, g in rows[rows.dataset == "digits"].groupby("seed")]
    assert len(mine) == 5
    assert smoke.trends("accuracy")[0].change.mean == pytest.approx(100 * 100 * np.mean(slopes))


def test_an_unknown_result_is_refused(smoke):
    with pytest.raises(UserError, match="unknown result 'speed'; known: accuracy"):
        smoke.trends("speed")


def test_differences_are_paired_by_seed_in_percentage_points(smoke):
    rows = smoke.table3().set_index(["arm", "multiple", "seed"]).accuracy
    each = [100 * (rows["real only", 0, s] - rows["synthetic only", 3, s]) for s in smoke.seeds]
    e = smoke.gap(3)
    assert (e.mean, e.n) == (pytest.approx(np.mean(each)), 2)
    assert e.sd == pytest.approx(np.std(each, ddof=1))
    back = smoke.arm_difference(("synthetic only", 3), ("real only", 0))
    assert back.mean == -e.mean


@pytest.mark.parametrize("cell", [("synthetic only", 5), ("25", 3), ("imaginary", 1)])
def test_a_cell_outside_the_preset_is_named(smoke, cell):
    with pytest.raises(UserError, match=f"{cell[0]} ×{cell[1]} is not part of the preset smoke"):
        smoke.arm_difference(("real only", 0), cell)


def test_the_summary_names_sizes_shape_and_members_of_every_data_set(smoke):
    rows = smoke.data_summary()
    assert list(rows["data set"]) == ["digits", "mnist5k"]
    assert list(zip(rows.train, rows.validation, rows.test, strict=True)) == [(40, 20, 40)] * 2
    assert set(rows.pixels) == {"8×8 grey"}
    assert (rows["members (SHA-256)"].str.len() == 12).all()


def test_sigma_runs_from_0_to_sigma_max(smoke):
    assert smoke.sigma(0) == 0
    assert smoke.sigma(1) == pytest.approx(0.002)
    assert smoke.sigma(100) == pytest.approx(20)
    assert all(np.diff([smoke.sigma(t) for t in range(101)]) > 0)


def test_class_names_are_the_data_sets(smoke):
    assert smoke.class_names() == tuple("0123456789")


# computing what is missing and no more


def test_the_plan_is_all_that_tables_and_figures_read(smoke, monkeypatch):
    def refuse(spec, job):
        raise AssertionError(f"{spec.kind} was computed, though the plan was complete")

    monkeypatch.setattr(store_module, "compute", refuse)
    again = open_smoke(smoke.results)
    assert again.compute() == 0
    for method in (*TABLES, *FIGURES, "reverse_walk", "projections"):
        getattr(again, method)()


def test_the_points_of_the_maps_are_those_of_every_image_from_where_the_real_ones_lie(smoke):
    points = smoke.projections()
    train = smoke.main.data["train"]
    assert dict(points.groupby("t_re").size()) == dict.fromkeys((0, 50, 100, GAN), train.count)
    real = points[points.t_re == 0]
    assert real[["x", "y"]].mean().to_numpy() == pytest.approx([0, 0], abs=1e-4)  # the plane is theirs
    assert real.x.var() >= real.y.var()
    assert real.label.to_list() == smoke.store.get(train).labels.tolist()


def test_a_method_computes_what_it_reads_and_no_more(results):
    study = open_smoke(results, seeds=1)
    data = set(study.store.root.glob("*/*"))
    assert {p.parent.name for p in data} == {"data", ".locks"}
    assert isinstance(study.figure2(), Figure)
    wanted = in_order(list(study.main.features((0, 100)).values()))
    made = {p.name for p in study.store.root.glob("[a-z]*/*")} - {p.name for p in data}
    assert made == {s.key for s in wanted if s.kind != "data"}
    assert {s.kind for s in wanted} == {"data", "train-diffusion", "synthesize", "train-classifier", "predict"}


def test_a_study_elsewhere_has_the_same_keys(smoke, results):
    assert [s.key for s in open_smoke(results).plan()] == [s.key for s in smoke.plan()]


def test_more_seeds_add_to_what_is_there(smoke):
    more = open_smoke(smoke.results, seeds=3)
    there = {s.key for s in smoke.plan()}
    assert there < {s.key for s in more.plan()}
    assert all(2 in seeds_of(s) for s in more.store.missing(more.plan()))


# arguments


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"seeds": 0}, "seeds is 0"),
        ({"seeds": -1}, "seeds is -1"),
        ({"seeds": []}, r"seeds is \[\]"),
        ({"seeds": [0, 0]}, r"seeds is \[0, 0\]"),
        ({"seeds": [0, -1]}, r"seeds is \[0, -1\]"),
        ({"seeds": [0, [1]]}, r"seeds is \[0, \[1\]\]"),
        ({"seeds": [True]}, r"seeds is \[True\]"),
        ({"seeds": True}, "seeds is True"),
        ({"seeds": 2.0}, r"seeds is 2\.0"),
        ({"seeds": "many"}, "seeds is 'many'"),
        ({"image_size": "big"}, "image_size is 'big'"),
        ({"image_size": True}, "image_size is True"),
        ({"image_size": 8.0}, r"image_size is 8\.0"),
        ({"image_size": 1}, "image_size is 1"),
        ({"device": "tpu"}, "device is 'tpu'"),
        ({"preset": "x"}, "unknown preset 'x'; known: smoke, quick, full, paper"),
        ({"dataset": 3}, "dataset is 3"),
        ({"dataset": "imagenet"}, "unknown data set 'imagenet'"),
        ({"dataset": "folder:absent"}, "there is no folder absent"),
        ({"workers": 0}, "workers is 0"),
        ({"workers": "all"}, "workers is 'all'"),
        ({"workers": True}, "workers is True"),
    ],
    ids=repr,
)
def test_a_wrong_argument_is_named_and_nothing_is_written(results, options, reason):
    with pytest.raises(UserError, match=reason):
        open_smoke(results, **options)
    assert not results.exists()


def test_a_list_of_seeds_is_used_as_it_is(results):
    assert open_smoke(results, seeds=[7, 3]).seeds == (7, 3)
    assert {s for _, s in open_smoke(results, seeds=[7, 3]).main.table2()} == {3, 7}


def test_ones_own_data_set_stands_alone(results, make_images):
    colour = make_images(90, shape=(3, 9, 12))
    path = results.parent / "cells.npz"
    np.savez(path, images=colour.images, labels=colour.labels)
    study = open_smoke(results, dataset=f"npz:{path}")
    assert [arms.name for arms in study.columns] == ["cells.npz"]
    assert study.main.data["train"].shape == (3, 10, 12)  # padded to the network's divisor
    assert study.main.data["floor"].count <= study.main.data["test"].count


def test_image_size_is_the_longest_side(results):
    study = open_smoke(results, dataset="digits", image_size=6)
    assert study.main.data["train"].shape == (1, 6, 6)
    assert len(study.columns) == 1


def test_cuda_on_a_machine_without_one_is_refused_before_any_work(smoke, results):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    study = open_smoke(results, device="cuda")
    with pytest.raises(UserError, match="this machine offers none"):
        study.compute([study.main.generator(0)])
    assert open_smoke(results, device="auto").device == "cpu"


def test_the_printed_algorithm_returns_nearly_the_image_at_every_step_and_the_corrected_one_does_not(smoke):
    rows = smoke.algorithm_distances().set_index(["algorithm", "t_re"]).distance
    assert (rows["printed"] < 10).all()
    assert rows["printed", 100] == pytest.approx(rows["printed", 25], abs=2)
    assert rows["corrected", 100] > 3 * rows["printed", 100]
    assert rows["EDM"].is_monotonic_increasing
