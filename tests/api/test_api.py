"""`import synthgap`: what it offers, and the README's few lines from images to numbers."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from presets import few_preset

import synthgap
from synthgap.base.errors import UserError


def test_every_name_that_the_package_lists_resolves():
    for name in dir(synthgap):
        assert getattr(synthgap, name) is not None
    assert set(dir(synthgap)) == set(synthgap.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        synthgap.nothing  # noqa: B018


def test_importing_the_package_does_not_import_torch():
    code = "import sys, synthgap; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture(scope="module")
def real():
    return synthgap.load_dataset("digits", split="train").subset(slice(0, 60))


@pytest.fixture(scope="module")
def edm(real):
    return synthgap.train_edm(real, preset="smoke", seed=0)


@pytest.fixture(scope="module")
def classifier(real):
    return synthgap.train_classifier(real=real, preset="smoke", seed=0)


def test_a_model_trained_by_the_api_has_the_presets_network(real, edm):
    assert isinstance(edm, synthgap.EDM)
    assert not edm.training
    assert edm.image_shape == real.shape
    assert edm.config.network.model_channels == 8
    assert edm.config.network.label_dim == 10


def test_generate_and_reconstruct_give_image_sets_with_the_labels(real, edm):
    fake = synthgap.generate(edm, labels=real.labels, seed=0, steps=2)
    half = synthgap.reconstruct(edm, real, t_re=(50, 100), seed=0, steps=2)
    for images in (fake, half):
        assert isinstance(images, synthgap.ImageSet)
        assert np.array_equal(images.labels, real.labels)
        assert images.shape == real.shape
    assert np.array_equal(synthgap.reconstruct(edm, real, t_re=0, seed=0).images, real.images)


@pytest.fixture(scope="module")
def gan(real):
    return synthgap.train_gan(real, preset="smoke", seed=0)


def test_generate_takes_either_model(real, gan):
    fake = synthgap.generate(gan, labels=real.labels, seed=0)
    assert np.array_equal(fake.labels, real.labels)
    assert (fake.shape, fake.classes) == (real.shape, real.classes)
    assert not np.array_equal(fake.images, synthgap.generate(gan, labels=real.labels, seed=1).images)
    with pytest.raises(UserError, match="steps is an option of diffusion models"):
        synthgap.generate(gan, labels=real.labels, steps=3)


def test_a_file_is_loaded_as_what_it_holds(edm, gan, tmp_path):
    for model in (edm, gan):
        path = model.save(tmp_path / f"{type(model).__name__}.safetensors")
        assert type(synthgap.load_model(path)) is type(model)
    (tmp_path / "neither.safetensors").write_bytes(b"no")
    with pytest.raises(UserError, match=r"neither\.safetensors is not a diffusion model"):
        synthgap.load_model(tmp_path / "neither.safetensors")


def test_the_api_trains_the_gan_that_the_study_trains(smoke):
    mine = synthgap.train_gan(smoke.store.get(smoke.main.data["train"]), preset="smoke", seed=1)
    theirs = smoke.store.get(smoke.main.rival(1))
    assert all(torch.equal(v, theirs.state_dict()[k]) for k, v in mine.state_dict().items())


def test_the_api_trains_the_edm_that_the_study_trains(smoke):
    train = smoke.store.get(smoke.main.data["train"])
    mine = synthgap.train_edm(train, preset="smoke", seed=1)
    theirs = smoke.store.get(smoke.main.generator(1))
    assert all(torch.equal(v, theirs.state_dict()[k]) for k, v in mine.state_dict().items())


def test_the_api_trains_the_classifier_that_the_study_trains_in_a_block(smoke):
    """But for rounding, which depends on the block."""
    train = smoke.store.get(smoke.main.data["train"])
    mine = synthgap.train_classifier(real=train, preset="smoke", seed=1)
    theirs = smoke.store.get(smoke.main.classifier(1, 0))
    test = smoke.store.get(smoke.main.data["test"])
    assert len(smoke.main.classifier(1, 0).block.members) == 2
    assert np.allclose(synthgap.evaluate(mine, test).logits, synthgap.evaluate(theirs, test).logits, atol=1e-3)


def test_either_set_may_train_a_classifier_but_not_none(real, edm):
    fake = synthgap.generate(edm, real.labels, seed=0, steps=2, classes=real.classes)
    for sets in ({"real": real}, {"synthetic": fake}, {"real": real, "synthetic": fake}):
        steps = []
        synthgap.train_classifier(**sets, preset="smoke", progress=lambda *done, to=steps: to.append(done))
        assert steps[-1] == (16, 16)  # 4 epochs of ceil(60 / 16)
    with pytest.raises(UserError, match="neither real nor synthetic"):
        synthgap.train_classifier(preset="smoke")


def test_generated_images_fit_a_classifier_of_the_real_ones(real, edm, classifier):
    """The API's first example: generate(edm, labels=real.labels) and evaluate, without naming the classes."""
    fake = synthgap.generate(edm, labels=real.labels, seed=0, steps=2)
    assert 0 <= synthgap.evaluate(classifier, fake).accuracy <= 1


def test_fidelity_of_a_set_to_itself_is_perfect(real, classifier):
    value = synthgap.fidelity(real, real, extractor="classifier", classifier=classifier)
    assert value.frechet == pytest.approx(0, abs=1e-4)
    assert (value.precision, value.recall, value.n, value.extractor) == (1, 1, (60, 60), "classifier")
    assert value.matched == value.floor  # copies of other images are other real images
    bare = synthgap.fidelity(real, real, classifier=classifier, intervals=False, floor=False)
    assert (bare.intervals, bare.floor) == ({}, None)


def test_the_measures_that_the_design_names_are_offered(real, classifier):
    assert synthgap.fake_detection(real, real).accuracy == 0.5
    assert synthgap.gradcam(classifier, real).shape == (60, 8, 8)


def test_fidelity_without_its_extractor_is_refused(real, classifier):
    with pytest.raises(UserError, match="unknown extractor 'clasifier'; did you mean classifier"):
        synthgap.fidelity(real, real, extractor="clasifier", classifier=classifier)
    with pytest.raises(UserError, match="pass classifier="):
        synthgap.fidelity(real, real)


def test_entropy_of_a_prediction_is_within_ln_10(real, classifier):
    assert 0 < synthgap.output_entropy(synthgap.evaluate(classifier, real).logits) <= np.log(10)


def test_an_image_size_that_the_presets_network_cannot_take_is_refused(make_images):
    with pytest.raises(UserError, match="divisible by 2"):
        synthgap.train_edm(make_images(30, shape=(1, 7, 8)), preset="smoke")


def test_larger_images_get_the_networks_that_a_preset_has_for_them(tmp_path, make_images):
    larger = {16: {"generator": {"channel_mult": [1, 1, 1]}, "classifier": {"stem": "imagenet"}}}
    preset = str(few_preset(tmp_path / "own.yaml", larger=larger))
    for side, mult, stem in ((8, (1, 1), "cifar"), (16, (1, 1, 1), "imagenet")):
        real = make_images(20, shape=(1, side, side))
        assert synthgap.train_edm(real, preset=preset).config.network.channel_mult == mult
        assert synthgap.train_classifier(real=real, preset=preset).network.config.stem == stem


@pytest.mark.parametrize("train", [synthgap.train_edm, synthgap.train_classifier])
def test_an_unknown_preset_is_refused(real, train):
    with pytest.raises(UserError, match="unknown preset 'huge'"):
        train(real, preset="huge")
