"""The study: who sees which data, that nothing is computed twice, and what is said of wrong arguments."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from reading import seeds_of

from synthgap.base.errors import UserError
from synthgap.exhibits.sections import exhibits
from synthgap.exhibits.sections import results as all_results
from synthgap.exhibits.study import Study
from synthgap.graph import store as store_module
from synthgap.graph.specification import in_order


def open_smoke(results, **options) -> Study:
    return Study(**{"preset": "smoke", "results": results, "device": "cpu", "workers": 1, **options})


# data and samples


def test_train_shares_no_image_with_what_is_tested_on(smoke):
    for arms in smoke.design.columns:
        rows = {part: {bytes(i) for i in smoke.store.get(spec).images} for part, spec in arms.data.items()}
        assert rows["grid"] <= rows["train"]
        assert rows["probe"] <= rows["test"]
        assert rows["floor"] <= rows["test"]
        assert not rows["train"] & (rows["test"] | rows["validation"])


def test_copies_of_a_set_are_different_draws(smoke):
    first, second = (smoke.store.get(smoke.main.samples(0, 100, copy)) for copy in (0, 1))
    assert np.array_equal(first.labels, second.labels)
    assert not any(np.array_equal(a, b) for a, b in zip(first.images, second.images, strict=True))


def test_samples_keep_the_labels_of_the_training_set(smoke):
    train = smoke.store.get(smoke.main.data["train"])
    for t_re in (0, 30, 100, (50, 100)):
        assert np.array_equal(smoke.store.get(smoke.main.samples(0, t_re)).labels, train.labels)


# computing what is missing and no more


def test_the_plan_is_all_that_the_book_reads(smoke, monkeypatch):
    def refuse(spec, job):
        raise AssertionError(f"{spec.kind} was computed, though the plan was complete")

    monkeypatch.setattr(store_module, "compute", refuse)
    again = open_smoke(smoke.results)
    assert again.compute() == 0
    for result in all_results():
        if any(one.cells for one in result.all()):  # others rest on no artifact
            again.lab.value(result)


@pytest.mark.parametrize("name", [n for n, one in exhibits().items() if n.startswith("fig-") and one.view])
def test_a_figure_can_be_drawn_and_is_not_shown_by_pyplot(smoke, name):
    shown = smoke.show(name)
    if isinstance(shown, Figure):
        shown.draw_without_rendering()
        assert not hasattr(shown, "number")
        assert shown.axes
    else:
        assert name in ("fig-reverse-step", "fig-states")  # lists that a script makes sliders of


def test_an_exhibit_computes_what_it_reads_and_no_more(results):
    study = open_smoke(results, seeds=1)
    data = set(study.store.root.glob("*/*"))
    assert {p.parent.name for p in data} == {"data", ".locks"}
    assert isinstance(study.show("fig-5"), Figure)
    (read,) = exhibits()["fig-5"].reads
    wanted = in_order(read.specs(study.design))
    made = {p.name for p in study.store.root.glob("[a-z]*/*")} - {p.name for p in data}
    assert made == {s.key for s in wanted if s.kind != "data"}
    assert {s.kind for s in wanted} == {"data", "train-diffusion", "reconstruct"}


def test_what_a_study_offers_by_name(smoke):
    assert smoke.table1().equals(smoke.rows("table1"))
    assert list(smoke.table2()) == ["dataset", "t_re", "sigma", "seed", "accuracy", "n"]
    assert len(smoke.table3()) == len(smoke.arms.listed()) * len(smoke.seeds)
    assert set(smoke.table4().dataset) == {arms.name for arms in smoke.design.columns_of(4)}
    assert smoke.show("tab-2").startswith("```{table}")
    with pytest.raises(UserError, match=r"no result is called 'table5'; known: .*table4"):
        smoke.rows("table5")
    with pytest.raises(UserError, match=r"no exhibit is called 'fig-66'; known: .*fig-6"):
        smoke.show("fig-66")


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
    assert set().union(*map(seeds_of, open_smoke(results, seeds=[7, 3]).plan())) == {3, 7}


def test_ones_own_data_set_stands_alone(results, make_images):
    colour = make_images(90, shape=(3, 9, 12))
    path = results.parent / "cells.npz"
    np.savez(path, images=colour.images, labels=colour.labels)
    study = open_smoke(results, dataset=f"npz:{path}")
    assert [arms.name for arms in study.design.columns] == ["cells.npz"]
    assert study.main.data["train"].shape == (3, 10, 12)  # padded to the network's divisor
    assert study.main.data["floor"].count <= study.main.data["test"].count


def test_image_size_is_the_longest_side(results):
    study = open_smoke(results, dataset="digits", image_size=6)
    assert study.main.data["train"].shape == (1, 6, 6)
    assert len(study.design.columns) == 1


def test_cuda_on_a_machine_without_one_is_refused_before_any_work(smoke, results):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    study = open_smoke(results, device="cuda")
    with pytest.raises(UserError, match="this machine offers none"):
        study.compute([study.main.generator(0)])
    assert open_smoke(results, device="auto").design.device == "cpu"


# more seeds


def test_seeds_that_are_added_in_the_same_store_leave_the_others_as_they_are(smoke):
    more = Study(preset="smoke", results=smoke.results, device="cpu", seeds=3)
    missing = [spec for spec in in_order(more.plan()) if not more.store.has(spec)]
    assert missing
    assert all(2 in seeds_of(spec) for spec in missing)
