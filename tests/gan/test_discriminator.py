"""The discriminator: any image size, groups of the batch, and the projection on the class."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d

from synthgap.base.errors import UserError
from synthgap.gan.discriminator import Discriminator, DiscriminatorConfig, blur, minibatch_std, project


def small(seed=0, **changes):
    sizes = {"height": 8, "width": 8, "channels": 1, "channel_base": 128, "channel_max": 16, "mapping_layers": 1}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Discriminator(DiscriminatorConfig(**(sizes | changes)))


def pictures(count, *shape, seed=0):
    return torch.rand((count, *(shape or (1, 8, 8))), generator=torch.Generator().manual_seed(seed)) * 2 - 1


SMALL = [(1, 4), (2, 2), (2, 8), (3, 3), (4, 1), (4, 4), (4, 6), (5, 31), (7, 7)]


@pytest.mark.parametrize("size", [*SMALL, (8, 8), (14, 14), (12, 16), (9, 9), (8, 33), (28, 28), (64, 64), (8, 64)])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_any_size_get_one_logit_each_that_depends_on_all_of_it(size, channels):
    critic = small(height=size[0], width=size[1], channels=channels, label_dim=3)
    images = pictures(5, channels, *size).requires_grad_()
    logits = critic(images, torch.tensor([0, 1, 2, 0, 1]))
    assert logits.shape == (5,)
    logits.sum().backward()
    assert (images.grad != 0).all()
    for name, value in critic.named_parameters():
        assert value.grad is not None, name
        assert value.grad.isfinite().all(), name


def test_halves_are_rounded_up_until_four():
    assert DiscriminatorConfig(height=14, width=14).sides() == [(14, 14), (7, 7), (4, 4)]
    assert DiscriminatorConfig(height=12, width=16).sides() == [(12, 16), (6, 8), (3, 4)]
    assert DiscriminatorConfig(height=4, width=4).sides() == [
        (4, 4),
        (2, 2),
    ]  # a network without a block sees no colour
    assert [n for n, _ in small(height=32, width=32).named_children()] == ["b32", "b16", "b8", "b4"]


def test_names_are_those_of_the_public_checkpoints():
    names = set(small(label_dim=2).state_dict())
    assert {"b8.fromrgb.weight", "b8.conv0.weight", "b8.conv1.bias", "b8.skip.weight", "b4.conv.weight"} <= names
    assert {"b4.fc.weight", "b4.out.bias", "mapping.embed.weight", "mapping.fc0.bias"} <= names
    assert "b8.skip.bias" not in names


@pytest.mark.parametrize(("step", "before"), [(1, 2), (2, 1)])
@pytest.mark.parametrize("shape", [(8, 8), (7, 7), (6, 9)])
def test_the_filter_equals_a_convolution_with_the_binomial_kernel(shape, step, before):
    x = pictures(2, 3, *shape).double()
    line = np.array([1, 3, 3, 1]) / 8
    odd = [n % 2 for n in shape]
    found = blur(x, step, before)
    for image, mine in zip(x.flatten(0, 1).numpy(), found.flatten(0, 1).numpy(), strict=True):
        padded = np.pad(image, [(before, before + odd[0]), (before, before + odd[1])])
        wanted = convolve2d(padded, np.outer(line, line), mode="valid")[::step, ::step]
        assert np.allclose(mine, wanted, atol=1e-12)


@pytest.mark.parametrize(("batch", "group", "members"), [(8, 4, 4), (6, 4, 3), (5, 4, 1), (2, 4, 2), (7, 7, 7)])
@pytest.mark.parametrize("maps", [1, 2])
def test_minibatch_standard_deviation_equals_numpys(batch, group, members, maps):
    x = torch.randn(batch, 6, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    out = minibatch_std(x, group, maps)
    assert torch.equal(out[:, :6], x)
    assert out.shape == (batch, 6 + maps, 3, 4)
    groups = batch // members
    for i in range(batch):
        own = x.numpy()[i % groups :: groups]
        assert len(own) == members
        spread = np.sqrt(own.var(axis=0) + 1e-8).reshape(maps, -1).mean(axis=1)
        assert np.allclose(out[i, 6:].numpy(), spread[:, None, None], atol=1e-12)


def test_order_within_a_group_only_reorders_the_logits_and_another_group_does_not_matter():
    critic, images = small(), pictures(8)
    logits = critic(images)
    order = torch.tensor([6, 1, 0, 3, 4, 5, 2, 7])  # 0, 2, 4, 6 are one group of four
    assert torch.allclose(critic(images[order]), logits[order], atol=1e-6)
    changed = images.clone()
    changed[1] = 0
    assert torch.allclose(critic(changed)[::2], logits[::2], atol=1e-6)
    assert not torch.allclose(critic(changed)[3::2], logits[3::2], atol=1e-6)


def test_without_the_minibatch_map_images_are_judged_alone():
    critic, images = small(std_channels=0), pictures(6)
    assert torch.allclose(critic(images)[:2], critic(images[:2]), atol=1e-6)


def test_the_projection_is_linear_in_the_class_embedding():
    rng = torch.Generator().manual_seed(0)
    features, first, second = (torch.randn(4, 9, generator=rng) for _ in range(3))
    both = project(features, 2 * first - 3 * second)
    assert torch.allclose(both, 2 * project(features, first) - 3 * project(features, second), atol=1e-5)
    assert torch.allclose(project(features, first), (features @ first.T).diag() / 3, atol=1e-6)


def test_a_logit_is_the_projection_of_the_features_on_the_classes_embedding():
    critic, images = small(label_dim=3, mapping_layers=0), pictures(4)
    labels = torch.tensor([0, 1, 2, 1])
    weight, bias = critic.mapping.embed.weight, critic.mapping.embed.bias
    embedding = (weight / math.sqrt(3)).T[labels] + bias
    embedding = embedding / embedding.square().mean(dim=1, keepdim=True).sqrt()
    wanted = project(critic.features(images), embedding)
    assert torch.allclose(critic(images, labels), wanted, atol=1e-5)
    assert torch.equal(critic(images, torch.eye(3)[labels]), critic(images, labels))
    assert (critic(images, labels) - critic(images, labels.roll(1))).abs().min() > 0


def test_the_gradient_penalty_has_gradients():
    critic, images = small(label_dim=2, height=14, width=14), pictures(4, 1, 14, 14).requires_grad_()
    logits = critic(images, torch.tensor([0, 1, 0, 1]))
    (slope,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    slope.square().sum().backward()
    assert critic.b14.conv0.weight.grad.abs().max() > 0


def test_wrong_images_and_labels_are_refused():
    critic = small(label_dim=3)
    for call, says in (
        (lambda: critic(pictures(2)), "class-conditional"),
        (lambda: critic(pictures(2), torch.tensor([0, 3])), "labels run from 0 to 3"),
        (lambda: critic(pictures(2, 3, 8, 8), torch.tensor([0, 1])), r"\(2, 3, 8, 8\); this discriminator takes"),
        (lambda: small()(pictures(2), torch.tensor([0, 1])), "unconditional"),
    ):
        with pytest.raises(UserError, match=says):
            call()
    with pytest.raises(ValueError, match="height"):
        DiscriminatorConfig(height=0, width=8)
