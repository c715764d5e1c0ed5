"""Predictions: independent of batch and caller, refused where the classifier was made for something else."""

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from synthgap.base.errors import UserError
from synthgap.classifier.evaluate import Prediction, evaluate
from synthgap.classifier.resnet import ResNet18, ResNetConfig
from synthgap.classifier.train import Classifier
from synthgap.data.imageset import ImageSet


@pytest.fixture
def classifier() -> Classifier:
    """Random weights, and batch statistics that differ from the ones in eval mode."""
    torch.manual_seed(0)
    net = ResNet18(ResNetConfig(channels=1, classes=3, width=4))
    for _ in range(3):
        net(torch.randn(32, 1, 8, 8))
    return Classifier(net.eval(), 0.5, 0.25, ("a", "b", "c"))


@pytest.mark.parametrize("batch", [1, 7, 64, 1000])
def test_results_do_not_depend_on_the_batch_size(classifier, make_images, monkeypatch, batch):
    images = make_images(101)
    usual = evaluate(classifier, images)
    monkeypatch.setattr("synthgap.classifier.evaluate.BATCH", batch)
    other = evaluate(classifier, images)
    np.testing.assert_allclose(other.logits, usual.logits, atol=1e-5)
    np.testing.assert_allclose(other.features, usual.features, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_the_networks_mode_and_state_are_left_as_they_were(classifier, make_images, training):
    net = classifier.network.train(training)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    evaluate(classifier, make_images(20))
    assert net.training is training
    assert all(m.training is training for m in net.modules())
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_the_answer_is_that_of_eval_mode_even_where_the_network_is_in_train_mode(classifier, make_images):
    images = make_images(20)
    usual = evaluate(classifier, images)
    classifier.network.train()
    assert np.array_equal(evaluate(classifier, images).logits, usual.logits)


def test_logits_are_the_networks_own_on_standardised_pixels(classifier, make_images):
    images = make_images(10)
    x = (torch.from_numpy(images.images).float() / 255 - 0.5) / 0.25
    with torch.no_grad():
        np.testing.assert_allclose(evaluate(classifier, images).logits, classifier.network(x), atol=1e-5)


def test_accuracy_is_the_share_of_labels_with_the_largest_logit():
    logits = np.array([[2.0, 1, 0], [0, 3, 1], [0, 1, 2], [5, 0, 0]], np.float32)
    prediction = Prediction(np.zeros((4, 8), np.float32), logits, np.array([0, 1, 0, 1]))
    assert prediction.correct.tolist() == [True, True, False, False]
    assert prediction.accuracy == 0.5
    assert prediction.n == 4


def predicted(guesses, labels, classes):
    """A prediction whose most probable classes are `guesses`."""
    logits = np.eye(classes, dtype=np.float32)[np.array(guesses)]
    return Prediction(np.zeros((len(labels), 8), np.float32), logits, np.array(labels))


def test_balanced_accuracy_is_the_mean_of_the_classes_shares():
    prediction = predicted([0, 0, 1, 0], [0, 0, 0, 1], 2)  # 2 of 3 and 0 of 1
    assert prediction.accuracy == 0.5
    assert prediction.balanced_accuracy == pytest.approx(1 / 3)


def test_classes_without_images_do_not_count_in_balanced_accuracy():
    assert predicted([2, 0, 1], [2, 2, 2], 4).balanced_accuracy == pytest.approx(1 / 3)
    assert predicted([0, 3], [0, 3], 4).balanced_accuracy == 1.0


@pytest.mark.parametrize("seed", range(5))
def test_balanced_accuracy_is_sklearns(seed):
    rng = np.random.default_rng(seed)
    labels = rng.choice(5, 200, p=[0.6, 0.2, 0.1, 0.07, 0.03])
    guesses = np.where(rng.random(200) < 0.7, labels, rng.choice(np.unique(labels), 200))
    value = predicted(guesses, labels, 5).balanced_accuracy
    assert value == pytest.approx(balanced_accuracy_score(labels, guesses))


def test_with_equal_classes_balanced_accuracy_is_accuracy(classifier, make_images):
    prediction = evaluate(classifier, make_images(60))
    assert 0 < prediction.accuracy < 1
    assert prediction.balanced_accuracy == pytest.approx(prediction.accuracy)


def test_prediction_keeps_order_labels_and_dtypes(classifier, make_images):
    images = make_images(30)
    prediction = evaluate(classifier, images)
    backwards = evaluate(classifier, images.subset(slice(None, None, -1)))
    assert prediction.features.shape == (30, 32)
    assert prediction.features.dtype == prediction.logits.dtype == np.float32
    assert np.array_equal(prediction.labels, images.labels)
    np.testing.assert_allclose(backwards.logits[::-1], prediction.logits, atol=1e-5)


def test_images_the_classifier_was_not_made_for_are_refused(classifier, make_images):
    good = make_images(5)
    with pytest.raises(UserError, match="is empty"):
        evaluate(classifier, make_images(0))
    for wrong in (
        make_images(5, classes=4),
        make_images(5, shape=(3, 8, 8)),
        ImageSet(good.images, good.labels, ("a", "c", "b")),
    ):
        with pytest.raises(UserError, match="not what the classifier was trained on"):
            evaluate(classifier, wrong)
