"""The network against torchvision's, and at the small sizes that torchvision's is not made for."""

import pytest
import torch
import torchvision
from pydantic import ValidationError

from synthgap.classifier.resnet import ResNet18, ResNetConfig


@pytest.fixture(scope="module")
def pair():
    """(torchvision's ResNet-18, ours at its size with its weights), both in eval mode."""
    torch.manual_seed(0)
    theirs = torchvision.models.resnet18(num_classes=10).eval()
    ours = ResNet18(ResNetConfig(channels=3, classes=10, width=64, stem="imagenet")).eval()
    return theirs, ours


def test_imagenet_stem_at_width_64_has_torchvisions_names_and_shapes(pair):
    theirs, ours = ({k: v.shape for k, v in net.state_dict().items()} for net in pair)
    assert list(ours.items()) == list(theirs.items())


def test_with_torchvisions_weights_the_outputs_are_torchvisions(pair):
    theirs, ours = pair
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 64, 48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x))


def test_initial_convolutions_have_torchvisions_scale(pair):
    for name, weight in pair[0].state_dict().items():
        if weight.ndim == 4:
            mine = pair[1].state_dict()[name]
            assert float(mine.std()) == pytest.approx(float(weight.std()), rel=0.05)


@pytest.mark.parametrize(
    ("stem", "size", "first", "last"),
    [
        ("cifar", (32, 32), (32, 32), (4, 4)),
        ("cifar", (8, 8), (8, 8), (1, 1)),
        ("cifar", (14, 14), (14, 14), (2, 2)),
        ("cifar", (8, 16), (8, 16), (1, 2)),
        ("imagenet", (32, 32), (8, 8), (1, 1)),
    ],
)
def test_cifar_stem_keeps_the_resolution_and_imagenets_quarters_it(stem, size, first, last):
    net = ResNet18(ResNetConfig(channels=1, classes=4, width=2, stem=stem)).eval()
    seen = {}
    net.layer1.register_forward_pre_hook(lambda _, x: seen.update(first=x[0].shape[2:]))
    net.layer4.register_forward_hook(lambda _, x, out: seen.update(last=out.shape[2:]))
    assert net(torch.zeros(3, 1, *size)).shape == (3, 4)
    assert (tuple(seen["first"]), tuple(seen["last"])) == (first, last)


def test_features_are_eight_widths_and_feed_the_last_layer():
    net = ResNet18(ResNetConfig(channels=1, classes=5, width=3)).eval()
    x = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    features = net.features(x)
    assert features.shape == (4, 24)
    assert torch.equal(net.fc(features), net(x))


@pytest.mark.parametrize("wrong", [{"stem": "big"}, {"width": 0}, {"classes": 1}, {"channels": 0}, {"depth": 18}])
def test_impossible_sizes_are_refused(wrong):
    with pytest.raises(ValidationError):
        ResNetConfig(**wrong)
