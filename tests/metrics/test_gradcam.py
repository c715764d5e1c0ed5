"""GradCAM against a closed form and captum; it leaves the model as it found it."""

import copy

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import nn

from synthgap.base.errors import UserError
from synthgap.classifier.resnet import ResNet18, ResNetConfig
from synthgap.classifier.train import Classifier
from synthgap.metrics.gradcam import cam_layer, cross_similarity, gradcam, map_similarity, raw_maps


def classifier(shape=(1, 16, 16), classes=3, stem="cifar", seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = ResNet18(ResNetConfig(channels=shape[0], classes=classes, width=4, stem=stem))
        for module in net.modules():  # statistics as after training, so that eval mode differs from train mode
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 2)
    return Classifier(net.eval(), 0.4, 0.3, tuple("abcdefghij"[:classes]))


@pytest.mark.parametrize("layer", ["layer1", "layer3", "layer4"])
@pytest.mark.parametrize(("shape", "stem"), [((1, 16, 16), "cifar"), ((3, 24, 32), "imagenet")])
def test_raw_maps_are_captums(make_images, layer, shape, stem):
    captum = pytest.importorskip("captum.attr")
    judge, images = classifier(shape, stem=stem), make_images(6, shape)
    pixels = judge.standardise(torch.from_numpy(images.images))
    oracle = captum.LayerGradCam(judge.network, getattr(judge.network, layer))
    wanted = oracle.attribute(pixels, torch.from_numpy(images.labels), relu_attributions=True)
    mine = raw_maps(judge, images, layer=layer)
    np.testing.assert_allclose(mine, wanted[:, 0].detach().numpy(), rtol=1e-5, atol=1e-7)
    assert mine.max() > 0


def test_a_linear_head_has_the_map_that_its_weights_say(make_images):
    judge, images = classifier(), make_images(4, (1, 16, 16))
    pixels = judge.standardise(torch.from_numpy(images.images))
    net = judge.network
    with torch.no_grad():
        maps = net.layer4(net.layer3(net.layer2(net.layer1(net.relu(net.bn1(net.conv1(pixels)))))))
        cells = maps.shape[2] * maps.shape[3]
        # the logit is the mean over cells of w·A, so the slope of each cell is w / cells
        wanted = torch.relu(torch.einsum("nchw,nc->nhw", maps, net.fc.weight[images.labels])) / cells
    np.testing.assert_allclose(raw_maps(judge, images, layer="layer4"), wanted.numpy(), rtol=1e-5, atol=1e-8)


def test_maps_lie_between_0_and_1_and_a_map_against_the_class_everywhere_is_0(make_images):
    judge, images = classifier(), make_images(9, (1, 16, 16))
    maps = gradcam(judge, images)
    assert maps.shape == (9, 16, 16)
    assert maps.dtype == np.float32
    assert maps.min() >= 0
    assert set(maps.max(axis=(1, 2)).round(6)) <= {0.0, 1.0}
    with torch.no_grad():
        judge.network.fc.weight.fill_(-1.0)  # the features are sums of rectified ones
    assert (gradcam(judge, images, layer="layer4") == 0).all()


def test_maps_are_the_raw_ones_brought_to_the_images_size_bilinearly_between_cell_centres(make_images):
    judge, images = classifier(), make_images(6, (1, 16, 16))
    raw = raw_maps(judge, images)
    cells = raw.shape[1]
    assert cells == 4
    centres = (np.arange(16) + 0.5) * cells / 16 - 0.5  # of the pixels, in cells; beyond the outermost it is even
    grid = np.meshgrid(centres, centres, indexing="ij")
    wanted = np.stack([map_coordinates(m.astype(np.float64), grid, order=1, mode="nearest") for m in raw])
    highest = wanted.max(axis=(1, 2), keepdims=True)
    assert (highest > 0).any()
    np.testing.assert_allclose(gradcam(judge, images), wanted / np.where(highest > 0, highest, 1), atol=1e-5)


def test_the_model_is_left_as_it_was_found(make_images):
    judge, images = classifier(), make_images(5, (1, 16, 16))
    net = judge.network
    net.train()
    net.layer1.eval()
    first, second = net.conv1.weight, net.fc.weight
    first.grad = torch.full_like(first, 7.0)
    second.requires_grad_(False)
    before = copy.deepcopy(net.state_dict())
    modes = [m.training for m in net.modules()]
    hooks = [len(m._forward_hooks) + len(m._backward_hooks) for m in net.modules()]
    with torch.no_grad():  # the caller's mode must not matter
        inside = gradcam(judge, images)
        assert not torch.is_grad_enabled()
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert [m.training for m in net.modules()] == modes
    assert [len(m._forward_hooks) + len(m._backward_hooks) for m in net.modules()] == hooks
    assert (first.grad == 7).all()
    assert second.grad is None
    assert not second.requires_grad
    assert first.requires_grad
    assert np.array_equal(gradcam(judge, images), inside)


def test_frozen_weights_give_the_same_maps(make_images):
    judge, images = classifier(), make_images(5, (1, 16, 16))
    free = gradcam(judge, images)
    judge.network.requires_grad_(False)
    assert np.array_equal(gradcam(judge, images), free)


def test_batches_of_1_7_and_64_give_the_same_maps(make_images):
    judge, images = classifier(), make_images(20, (1, 16, 16))
    whole = raw_maps(judge, images, batch=64)
    for batch in (1, 7):
        np.testing.assert_allclose(raw_maps(judge, images, batch=batch), whole, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
    ("size", "stem", "layer"),
    [
        (8, "cifar", "layer2"),
        (16, "cifar", "layer3"),
        (32, "cifar", "layer4"),
        (14, "cifar", "layer3"),
        (4, "cifar", "layer1"),
        (2, "cifar", "layer1"),
        (32, "imagenet", "layer2"),
        (224, "imagenet", "layer4"),
    ],
)
def test_the_deepest_layer_with_four_cells_a_side_is_shown(make_images, size, stem, layer):
    judge = classifier((1, size, size), stem=stem)
    assert cam_layer(judge, (1, size, size)) == layer
    if size <= 32:
        cells = raw_maps(judge, make_images(2, (1, size, size))).shape[1:]
        assert min(cells) >= min(4, size)


def test_another_target_gives_another_map(make_images):
    judge, images = classifier(), make_images(6, (1, 16, 16))
    assert np.array_equal(gradcam(judge, images, images.labels), gradcam(judge, images))
    assert not np.array_equal(gradcam(judge, images, (images.labels + 1) % 3), gradcam(judge, images))


def test_what_cannot_be_mapped_is_refused(make_images):
    judge, images = classifier(), make_images(4, (1, 16, 16))
    for call, reason in (
        (lambda: gradcam(judge, images.subset([])), "is empty"),
        (lambda: gradcam(judge, make_images(4, (3, 16, 16))), "has 3 channels"),
        (lambda: gradcam(judge, make_images(4, (1, 16, 16), classes=2)), "load it the same way"),
        (lambda: gradcam(judge, images, np.array([0, 1, 2, 3])), "targets run from 0 to 3"),
        (lambda: gradcam(judge, images, np.array([0, 1])), "give 4 class numbers"),
        (lambda: gradcam(judge, images, layer="block4"), "unknown layer 'block4'"),
    ):
        with pytest.raises(UserError, match=reason):
            call()


# similarity


def some_maps(seed, n=5):
    return np.random.default_rng(seed).random((n, 6, 6)).astype(np.float32)


def test_similarity_is_pearsons_correlation():
    a, b = some_maps(0), some_maps(1)
    wanted = [np.corrcoef(x.ravel(), y.ravel())[0, 1] for x, y in zip(a, b, strict=True)]
    assert map_similarity(a, b) == pytest.approx(wanted)
    assert map_similarity(a, a) == pytest.approx(np.ones(5))
    assert map_similarity(a, 3 * a + 2) == pytest.approx(np.ones(5), abs=1e-6)
    assert map_similarity(a, -a) == pytest.approx(-np.ones(5))


def test_a_map_without_a_place_resembles_only_its_like():
    even = np.zeros((2, 6, 6), np.float32)
    assert map_similarity(even, some_maps(0, 2)).tolist() == [0, 0]
    assert map_similarity(even + 0.3, even).tolist() == [1, 1]


def test_maps_of_other_shapes_cannot_be_compared():
    with pytest.raises(ValueError, match="can't be compared"):
        map_similarity(some_maps(0), some_maps(0, 4))


def test_classifiers_of_different_seeds_are_compared_with_real_ones():
    maps = {(t, s): some_maps(10 * t + s) for t in (0, 5) for s in (0, 1, 2)}
    alike = cross_similarity(maps)
    wanted = np.mean([map_similarity(maps[0, 1], maps[5, o]).mean() for o in (0, 2)])
    assert alike[5, 1] == pytest.approx(wanted)
    assert set(alike) == set(maps)
    same = {(t, s): some_maps(0) for t in (0, 5) for s in (0, 1)}
    assert list(cross_similarity(same).values()) == pytest.approx([1, 1, 1, 1])


def test_one_seed_has_no_other_to_be_compared_with():
    assert cross_similarity({(0, 0): some_maps(0), (5, 0): some_maps(1)}) == {}
