"""Several classifiers trained as one network are those that are trained one by one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from synthgap.base.errors import UserError
from synthgap.base.seeding import batch_positions, step_generator, torch_seed
from synthgap.classifier.augment import augment_batch
from synthgap.classifier.resnet import ResNet18, ResNetConfig, joined, part
from synthgap.classifier.train import (
    INIT,
    REAL_AUGMENT,
    REAL_ORDER,
    SYNTHETIC_AUGMENT,
    SYNTHETIC_ORDER,
    Classifier,
    ClassifierTraining,
    Member,
    train_block,
    train_classifier,
)

SHORT = ClassifierTraining(epochs=2, batch=16, learning_rate=0.05)


def config(**change):
    return ResNetConfig(**{"channels": 1, "classes": 3, "width": 2} | change)


def several(count, **change):
    torch.manual_seed(count)
    return [ResNet18(config(**change)).double().train() for _ in range(count)]


def states(networks):
    return [[v.clone() for v in network.state_dict().values()] for network in networks]


def close(ours, theirs, **tolerance):
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, **tolerance)


# the network


@pytest.mark.parametrize("change", [{}, {"stem": "imagenet", "channels": 3}, {"width": 1}, {"width": 5}])
@pytest.mark.parametrize("count", [2, 3, 5])
def test_outputs_gradients_and_statistics_of_a_block_are_those_of_its_members(count, change):
    networks = several(count, **change)
    images = torch.randn(7, count, config(**change).channels, 16, 16, dtype=torch.float64)
    labels = torch.arange(7) % 3
    block = joined(networks)
    out = block(images.flatten(1, 2))
    assert out.shape == (count, 7, 3)
    sum(F.cross_entropy(logits, labels) for logits in out).backward()
    gradients = {name: p.grad.chunk(count) for name, p in block.named_parameters()}
    buffers = {name: value.clone() for name, value in block.named_buffers() if value.ndim}
    for k, network in enumerate(networks):
        alone = network(images[:, k])
        torch.testing.assert_close(out[k], alone)
        F.cross_entropy(alone, labels).backward()
        for name, parameter in network.named_parameters():
            torch.testing.assert_close(gradients[name][k], parameter.grad, atol=1e-11, rtol=1e-7)
        for name, value in network.named_buffers():
            if value.ndim:
                torch.testing.assert_close(buffers[name].chunk(count)[k], value)


def test_a_members_loss_does_not_reach_another_members_weights():
    block = joined(several(3))
    block(torch.randn(4, 3, 8, 8, dtype=torch.float64))[1].square().sum().backward()
    for parameter in block.parameters():
        before, own, after = parameter.grad.chunk(3)
        assert not before.any()
        assert own.any()
        assert not after.any()


def test_parting_undoes_joining():
    networks, others = several(3), several(3, width=2)
    for network in networks:
        network(torch.randn(4, 1, 8, 8, dtype=torch.float64))  # statistics of their own
    part(joined(networks), others)
    for ours, theirs in zip(states(others), states(networks), strict=True):
        assert all(map(torch.equal, ours, theirs))


# the training


def plain_training(real, synthetic, network, training, seed, epoch_images):
    """The recipe for one network, written out."""
    torch.manual_seed(torch_seed(seed, INIT, 0))
    net = ResNet18(network).to(memory_format=torch.channels_last).train()
    first = (real or synthetic).images / 255
    sgd = torch.optim.SGD(
        net.parameters(), lr=1, momentum=training.momentum, nesterov=True, weight_decay=5e-4, fused=True
    )
    steps = training.steps(epoch_images)
    for step in range(steps):
        images, labels = [], []
        for source, order, draws in (
            (real, REAL_ORDER, REAL_AUGMENT),
            (synthetic, SYNTHETIC_ORDER, SYNTHETIC_AUGMENT),
        ):
            if source is not None:
                chosen = batch_positions(len(source), training.batch, seed, order, step)
                batch = torch.from_numpy(source.images[chosen])
                images.append(augment_batch(batch, source.augment, step_generator(seed, draws, step)))
                labels.append(torch.from_numpy(source.labels[chosen]))
        x = torch.cat(images).contiguous(memory_format=torch.channels_last)
        sgd.param_groups[0]["lr"] = training.rate_at(step, steps)
        sgd.zero_grad()
        F.cross_entropy(net((x.float() / 255 - float(first.mean())) / float(first.std())), torch.cat(labels)).backward()
        sgd.step()
    return net.eval().to(memory_format=torch.contiguous_format)


@pytest.mark.parametrize("augment", [(), ("crop", "flip")])
@pytest.mark.parametrize(("with_real", "with_synthetic"), [(True, False), (True, True), (False, True)])
def test_a_block_of_one_is_bit_for_bit_the_plain_network(make_images, augment, with_real, with_synthetic):
    real = make_images(40, augment=augment) if with_real else None
    fake = make_images(30, seed=1, augment=augment) if with_synthetic else None
    (ours,) = train_block([Member(real, fake, 5)], config(width=4), SHORT, epoch_images=40)
    theirs = plain_training(real, fake, config(width=4), SHORT, 5, 40)
    for a, b in zip(ours.network.state_dict().values(), theirs.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def members(make_images, *seeds):
    """Members with synthetic images of their own, of different numbers."""
    augment = ("crop", "flip")
    real = make_images(40, seed=9, augment=augment)
    return [Member(real, make_images(30 + 7 * s, seed=s, augment=augment), s) for s in seeds]


@pytest.mark.parametrize(
    "change",
    [{}, {"policy": "RandAugment"}, {"class_weights": "balanced"}, {"momentum": 0.0}],
    ids=["plain", "RandAugment", "balanced", "no momentum"],
)
def test_members_are_what_they_become_alone(make_images, change):
    """Their own images, orders, augmentation, initial weights, pixel statistics: but for rounding."""
    training = SHORT.model_copy(update=change)
    mine = members(make_images, 4, 1, 7)
    uneven = np.repeat([0, 1, 2], [30, 6, len(mine[1].synthetic) - 36])  # weights of classes of its own
    mine[1] = replace(mine[1], synthetic=replace(mine[1].synthetic, labels=uneven))
    for one, classifier in zip(mine, train_block(mine, config(), training), strict=True):
        alone = train_classifier(one.real, one.synthetic, config(), training, one.seed)
        assert (classifier.mean, classifier.std, classifier.classes) == (alone.mean, alone.std, alone.classes)
        close(classifier.network.state_dict().values(), alone.network.state_dict().values(), rtol=2e-3, atol=2e-4)


def test_in_double_precision_members_are_what_they_become_alone_after_many_steps(make_images, monkeypatch):
    """In single precision, rounding grows from 1e-6 to 1e-2 in a dozen steps."""
    monkeypatch.setattr(Classifier, "standardise", lambda c, images: (images.double() / 255 - c.mean) / c.std)
    torch.set_default_dtype(torch.float64)
    try:
        training = SHORT.model_copy(update={"epochs": 5})
        mine = members(make_images, 4, 1, 7)
        together = train_block(mine, config(width=4), training)
        alone = [train_classifier(m.real, m.synthetic, config(width=4), training, m.seed) for m in mine]
    finally:
        torch.set_default_dtype(torch.float32)
    for ours, theirs in zip(together, alone, strict=True):
        close(ours.network.state_dict().values(), theirs.network.state_dict().values(), rtol=1e-9, atol=1e-11)


def test_what_a_member_becomes_does_not_depend_on_the_others_images(make_images):
    first, second, third = members(make_images, 0, 1, 2)
    other = replace(second, synthetic=make_images(50, seed=77), seed=12)
    ours = train_block([first, second, third], config(), SHORT)
    theirs = train_block([first, other, third], config(), SHORT)
    equal = [
        all(map(torch.equal, a.network.state_dict().values(), b.network.state_dict().values()))
        for a, b in zip(ours, theirs, strict=True)
    ]
    assert equal == [True, False, True]


def test_a_block_reports_its_steps_once(make_images):
    reports = []
    train_block(members(make_images, 0, 1, 2), config(), SHORT, progress=lambda *done: reports.append(done))
    assert reports == [(i, 6) for i in range(1, 7)]


def test_members_that_cannot_be_trained_together_are_refused(make_images):
    one = Member(make_images(40), None, 0)
    for other, reason in (
        (Member(None, make_images(40), 1), "seeds 0 and 1 differ in having real or synthetic images"),
        (Member(make_images(40), make_images(9), 1), "seeds 0 and 1 differ in having real or synthetic images"),
        (Member(make_images(40, shape=(1, 8, 9)), None, 1), "differ in shape or classes"),
        (Member(make_images(0), None, 1), "is empty"),
        (Member(None, None, 1), "neither real nor synthetic"),
    ):
        with pytest.raises(UserError, match=reason):
            train_block([one, other], config(), SHORT)


def test_one_member_that_runs_away_is_an_error(make_images):
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        train_block(members(make_images, 0, 1), config(), SHORT.model_copy(update={"learning_rate": 1e30}))
