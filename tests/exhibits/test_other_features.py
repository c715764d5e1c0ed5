"""Given images judged by the features of a network whose weights file the user gives."""

import pytest
import torch
from given_set import lab_of
from presets import few_preset, shipped
from sklearn.linear_model import LogisticRegression
from torchvision import models

from synthgap.base.errors import UserError
from synthgap.design.options import Options
from synthgap.design.record import Record
from synthgap.design.values import REAL
from synthgap.exhibits.answer import compared
from synthgap.exhibits.answer_text import answer
from synthgap.exhibits.your_data import judge_words, known
from synthgap.metrics.extractors import extractor

NAME = "torchvision:squeezenet1_1"


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = models.squeezenet1_1(weights=None)  # has no statistics of images that it lacks untrained
    path = tmp_path_factory.mktemp("weights") / "squeezenet.pth"
    torch.save(net.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def judged_by(shared, heads, tmp_path_factory):
    """The small set of `heads`, judged by another network, with which the images are seen as they are, not turned."""
    del heads  # which has written the images
    place = tmp_path_factory.mktemp("other")
    preset = str(few_preset(place / "few.yaml", head=shipped("smoke")["head"] | {"policies": []}))

    def by(features: str, judge: str = "auto"):
        sets = {"dataset": f"npz:{shared / 'given' / 'real.npz'}", "synthetic": f"npz:{shared / 'given' / 'given.npz'}"}
        return lab_of(**sets, results=place / "results", preset=preset, judge=judge, features=features)

    return by


@pytest.fixture(scope="module")
def lab(judged_by, file):
    return judged_by(f"{NAME}={file}")


def test_the_answer_is_by_that_networks_features(lab, file):
    assert "torchvision:squeezenet1_1" in judge_words(lab.design)
    assert answer(lab.value(known))["replace"].markdown
    d = lab.design
    features = lab.store.get(d.heads.features(d.judged["train"])).features
    expected = extractor(NAME, weights=file)(lab.store.get(d.judged["train"]).images)
    assert features == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_its_level_is_near_what_scikit_learn_finds_in_the_same_features(lab):
    d = lab.design
    seen = lab.store.get(d.heads.features(d.judged["train"]))
    x = (seen.features - seen.features.mean(axis=0)) / (seen.features.std(axis=0) + 1e-9)
    fitted = LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000).fit(x[::2], seen.labels[::2])
    right = [fitted.predict(x[1::2])[seen.labels[1::2] == c] == c for c in (0, 1)]
    by_hand = sum(hits.mean() for hits in right) / 2
    assert lab.value(compared).level(REAL).mean == pytest.approx(by_hand, abs=0.15)


def test_where_the_file_lies_is_in_no_key_and_what_it_holds_is(lab, file, judged_by, tmp_path):
    (tmp_path / "moved.pth").write_bytes(file.read_bytes())
    moved = judged_by(f"{NAME}={tmp_path / 'moved.pth'}", "features")
    assert moved.design.head(REAL).key == lab.design.head(REAL).key
    state = torch.load(file, weights_only=True)
    torch.save(state | {"features.0.weight": 2 * state["features.0.weight"]}, tmp_path / "other.pth")
    other = judged_by(f"{NAME}={tmp_path / 'other.pth'}", "features")
    assert other.design.head(REAL).key != lab.design.head(REAL).key


def test_a_finished_run_is_read_again_without_the_file(lab, file):
    text = Record.of(lab.design).model_dump_json(exclude={"options"})
    assert str(file) not in text
    again = Record.of(lab.design).design()
    assert again.head(REAL).key == lab.design.head(REAL).key


def test_weights_that_change_under_a_study_stop_it(lab, file, tmp_path):
    changing = tmp_path / "changing.pth"
    changing.write_bytes(file.read_bytes())
    spec = lab.design.heads.features(lab.design.arms.data["probe"])
    state = torch.load(file, weights_only=True)
    torch.save(state | {"features.0.weight": -state["features.0.weight"]}, changing)
    with pytest.raises(UserError, match=f"the weights of {NAME} have changed since this study began; start it again"):
        lab.compute([spec.model_copy(update={"weights": str(changing)})])


def test_a_network_is_for_the_judge_that_has_one():
    assert Options(features="inception").by_features("none")
    with pytest.raises(UserError, match="features is inception, and judge is resnet18, which is trained from scratch"):
        Options(features="inception", judge="resnet18")
    with pytest.raises(UserError, match='features is 3; give the name of a network, NAME=FILE, or "auto"'):
        Options(features=3)


def test_images_are_read_at_the_networks_own_size(tmp_path, file):
    from synthgap.design.loading import load

    name = "torchvision:efficientnet_b1"
    with torch.device("meta"):
        shapes = {k: v.shape for k, v in models.efficientnet_b1(weights=None).state_dict().items()}
    torch.save({k: torch.zeros(shape) for k, shape in shapes.items()}, tmp_path / "b1.pth")
    seen = {}
    for features in (f"{name}={tmp_path / 'b1.pth'}", f"{NAME}={file}", "auto"):
        loaded = load("digits", "smoke", "", "auto", "cpu", "none", Options(judge="features", features=features))
        seen[features.partition("=")[0]] = loaded.sharp[1].longest_side
    assert seen == {name: 240, NAME: 224, "auto": seen["auto"]}
    assert seen["auto"] != 240
