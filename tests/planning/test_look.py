"""The first look at a user's photographs: where their size matters, where it doesn't, and the next time."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from synthgap.base.errors import UserError
from synthgap.design.loading import load
from synthgap.design.options import Options
from synthgap.graph.store import Store
from synthgap.metrics.extractors import Extractor
from synthgap.metrics.scores import probabilities
from synthgap.planning import look
from synthgap.planning.look import LOOK, PICTURE, Chosen, first_look, reached
from synthgap.stats.intervals import PERCENT

SIDE = 48


def noisy(spread, seed):
    """Grey noise of one brightness; how much neighbours differ is no linear function of pixels."""
    return np.clip(np.random.default_rng(seed).normal(128, spread, (SIDE, SIDE)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    root = tmp_path_factory.mktemp("photos")
    for k, name in enumerate(("plain", "rough")):
        (root / name).mkdir()
        for i in range(60 if k else 80):
            Image.fromarray(noisy(20 + 40 * k, 1000 * k + i)).save(root / name / f"{i}.png")
    return root


def edges(pixels):
    """What a network that sees details might tell: how much neighbours differ, and the mean."""
    values = pixels.float().mean(dim=1)
    differ = (values[:, :, 1:] - values[:, :, :-1]).abs().mean(dim=(1, 2))
    return torch.stack([differ, values.mean(dim=(1, 2))], dim=1)


@pytest.fixture
def network(monkeypatch):
    calls = []

    def run(pixels):
        calls.append(len(pixels))
        return edges(pixels)

    made = Extractor("edges", "FD", 2, "0" * 64, run)
    monkeypatch.setattr(look, "_network", lambda: made)
    return calls


def studied(photos, folder, **options):
    store = Store(folder / "store")
    loaded = load(f"folder:{photos}", "smoke", folder, "auto", "cpu", "none", Options(**({"image_size": 8} | options)))
    return loaded.design(store.put), store, folder / "run"


def test_where_details_are_lost_a_warning_says_so_and_offers_to_stop(photos, network, tmp_path):
    first, *lines = first_look(*studied(photos, tmp_path))
    told = "\n".join(lines)
    assert first == "a first look at what is left of your images at 8×8 pixels:"
    assert "always saying plain, the largest class, is right on 57% of them" in told
    assert "WARNING: the second tells the classes apart better (the area under the ROC curve is 1.000" in told
    assert "--image-size 16 keeps more" in told
    assert "--judge features judges real images at 48×48" in told
    assert "you can stop here" in lines[-1]
    with Image.open(tmp_path / "run" / PICTURE) as picture:
        assert picture.format == "PNG"


def test_a_second_look_at_the_same_images_shows_nothing_to_a_network(photos, network, tmp_path):
    study = studied(photos, tmp_path)
    before = list(first_look(*study))
    network.clear()
    again = list(first_look(*study))
    assert not network
    assert again == [line for line in before if not line.startswith("  (about ")]
    assert list(first_look(*studied(photos, tmp_path, max_images=50))) != again
    assert network


@pytest.mark.parametrize("damage", ["", "[]", '{"of": 1}'])
def test_a_damaged_record_of_a_look_is_made_again(photos, network, tmp_path, damage):
    study = studied(photos, tmp_path)
    list(first_look(*study))
    whole = (tmp_path / "run" / LOOK).read_text()
    (tmp_path / "run" / LOOK).write_text(damage)
    list(first_look(*study))
    assert (tmp_path / "run" / LOOK).read_text() == whole


def test_without_the_network_the_pixels_speak_alone(photos, monkeypatch, tmp_path):
    monkeypatch.setattr(look, "_network", lambda: None)
    told = "\n".join(first_look(*studied(photos, tmp_path)))
    assert "a linear classifier on their pixels at 8×8 is right on" in told
    assert "features of" not in told


def test_there_is_no_look_where_nothing_is_lost_or_images_are_no_files(photos, network, tmp_path):
    assert not list(first_look(*studied(photos, tmp_path, image_size=SIDE)))
    store = Store(tmp_path / "store")
    digits = load("digits", "smoke", tmp_path, "auto", "cpu", "none", Options()).design(store.put)
    assert not list(first_look(digits, store, tmp_path / "run"))
    design, *rest = studied(photos, tmp_path)
    gone = [record | {"source": f"folder:{tmp_path / 'gone'}"} for record in design.records]
    assert not list(first_look(replace(design, records=tuple(gone)), *rest))


def chosen(count, fitted, signal, classes=("a", "b"), seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(classes)
    small = np.clip(128 + signal * (labels[:, None, None, None] - 0.5) + rng.normal(0, 40, (count, 1, 4, 4)), 0, 255)
    return Chosen(small.astype(np.uint8), [], labels, fitted, classes)


def test_levels_and_areas_are_those_of_the_held_out_logits():
    some = chosen(240, 160, 20)
    told = look._said(some, some.small.reshape(240, -1).astype(np.float32) / 255)
    found = reached(some, some.small, Extractor("same", "FD", 16, "0" * 64, lambda x: x.float().flatten(1) / 255))
    assert found.pixels.mean == pytest.approx(100 * np.mean(told.argmax(axis=1) == some.labels[:160]))
    assert found.areas[0] == pytest.approx(roc_auc_score(some.labels[:160], told[:, 1] - told[:, 0]))
    assert found.areas[0] == found.areas[1]
    assert (found.gain.mean, found.gain.sd, found.gain.side) == (0, 0, 0)


def test_images_without_a_signal_are_seldom_said_to_be_better_told_apart():
    """The interval of a difference between two judges that see nothing holds 0."""
    noise = Extractor("noise", "FD", 16, "0" * 64, lambda x: x.float().flatten(1).flip(1) ** 2 % 97)
    several = [chosen(200, 150, 0, seed=s) for s in range(20)]
    assert sum(reached(one, one.small, noise).gain.side > 0 for one in several) <= 2  # 0.5 are expected


def test_too_few_images_of_a_class_or_groups_give_no_numbers():
    few = chosen(12, 6, 20, classes=("a", "b", "c"))
    assert reached(few, few.small, None) is None
    some = chosen(60, 40, 20)
    one_group = replace(some, groups=(0,) * 40)
    assert reached(one_group, some.small, None) is None


def test_images_of_one_group_are_not_trained_on_where_another_of_it_is_asked_about():
    """Each pair is one picture with a label of its own, drawn at random: only who has seen the other knows it."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.repeat(rng.integers(0, 2, 50), 2), 2)
    small = np.tile(np.repeat(rng.integers(0, 256, (50, 1, 12, 12), dtype=np.uint8), 2, axis=0), (2, 1, 1, 1))
    pairs = Chosen(small, [], labels, 100, ("a", "b"), tuple(n // 2 for n in range(100)))
    apart, together = reached(pairs, small, None), reached(replace(pairs, groups=()), small, None)
    assert together.pixels.mean > 75 > 65 > apart.pixels.mean


def test_with_groups_an_interval_is_for_other_groups_of_images():
    """Ten pictures of a thing say what one does; an interval is as wide as means of redrawn groups spread."""
    rng = np.random.default_rng(0)
    values = rng.normal(50, 10, 40)
    alone, tenfold = (
        look._estimate(values, (), PERCENT),
        look._estimate(np.repeat(values, 10), tuple(np.repeat(range(40), 10)), PERCENT),
    )
    assert (tenfold.mean, tenfold.half_width) == pytest.approx((alone.mean, alone.half_width))
    sizes = rng.integers(1, 20, 200)
    groups = np.repeat(np.arange(200), sizes)
    several = (rng.normal(50, 10, 200)[groups] + rng.normal(0, 10, len(groups))).clip(0, 100)
    found = look._estimate(several, tuple(groups), PERCENT)
    parts = [several[groups == g] for g in range(200)]
    means = [np.concatenate([parts[g] for g in chosen]).mean() for chosen in rng.integers(0, 200, (500, 200))]
    assert found.mean == pytest.approx(several.mean())
    assert found.sd / np.sqrt(found.n) == pytest.approx(np.std(means), rel=0.1)


def test_the_page_has_the_look(photos, network, tmp_path):
    from synthgap.book.execute import _look_cells

    assert _look_cells(tmp_path / "run") == []
    list(first_look(*studied(photos, tmp_path)))
    words, figure = _look_cells(tmp_path / "run")
    assert words.source.startswith("## What is left of my images at 8×8 pixels?\n\n- Always saying plain")
    assert figure.outputs[0].data["image/png"]
    assert json.loads((tmp_path / "run" / LOOK).read_text())["size"] == "8×8"


def test_a_network_whose_package_is_missing_is_done_without(monkeypatch):
    def missing(name):
        raise UserError(f"{name} needs a package")

    monkeypatch.setattr(look, "extractor", missing)
    assert look._network() is None


def test_an_area_is_scikit_learns_and_its_interval_that_of_redrawn_images():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300)
    logits = rng.normal(0, 1, (300, 3)) + np.eye(3)[labels]
    chances = probabilities(logits)
    values = look.area(logits, labels)
    assert values.mean() == pytest.approx(roc_auc_score(labels, chances, multi_class="ovr"))
    redrawn = [look.area(logits[i], labels[i]).mean() for i in rng.integers(0, 300, (300, 300))]
    assert values.std() / np.sqrt(300) == pytest.approx(np.std(redrawn), rel=0.15)
