"""Networks of torchvision and timm with weights of a file, against these libraries themselves."""

import importlib.util

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import Identity
from torchvision import models

from synthgap.base.errors import UserError
from synthgap.metrics.backbones import flop
from synthgap.metrics.extractors import extractor

MEAN, STD = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))  # of ImageNet
BY_NAME = {"resnet18": "fc", "mobilenet_v3_small": "classifier.3", "squeezenet1_1": "classifier.1", "swin_t": "head"}


def network(name, classes=1000):
    """A network of torchvision's with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return models.get_model(name, weights=None, num_classes=classes).eval()


@pytest.fixture
def resnet(tmp_path):
    """(a ResNet-18 that tells five classes, the file of its state dict)."""
    net, file = network("resnet18", classes=5), tmp_path / "resnet.pth"
    torch.save(net.state_dict(), file)
    return net, file


def seen(side, channels=3, count=2):
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, channels, side, side), dtype=np.uint8))


@pytest.mark.parametrize("name", BY_NAME)
def test_features_are_the_networks_own_without_its_last_layer(name, tmp_path):
    net, file = network(name), tmp_path / "weights.safetensors"
    save_file(net.state_dict(), file)
    found, images = extractor(f"torchvision:{name}", weights=file), seen(224)
    parent, _, child = BY_NAME[name].rpartition(".")
    setattr(net.get_submodule(parent), child, Identity())
    with torch.no_grad():
        expected = net((images / 255 - MEAN) / STD).numpy()
    assert found.side == 224
    assert found(images) == pytest.approx(expected, rel=1e-4, abs=1e-5 * float(np.abs(expected).max()))


def test_weights_for_other_classes_fit_and_smaller_and_grey_images_are_enlarged_whole(resnet):
    net, file = resnet
    net.fc, found = Identity(), extractor("torchvision:resnet18", weights=file)
    large = torch.nn.functional.interpolate(seen(64, 1).float(), (224, 224), mode="bilinear", align_corners=False)
    with torch.no_grad():
        expected = net((large.expand(-1, 3, -1, -1) / 255 - MEAN) / STD).numpy()
    assert found(seen(64, 1)) == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_a_network_has_the_resolution_of_its_own_published_weights(tmp_path):
    with torch.device("meta"):
        shapes = {k: v.shape for k, v in models.efficientnet_b1(weights=None).state_dict().items()}
    torch.save({k: torch.zeros(shape) for k, shape in shapes.items()}, tmp_path / "b1.pth")
    assert extractor("torchvision:efficientnet_b1", weights=tmp_path / "b1.pth").side == 240


def test_the_fingerprint_goes_by_weights_that_make_features_not_by_the_file(resnet, tmp_path):
    net, file = resnet
    first = extractor("torchvision:resnet18", weights=file)
    torch.nn.init.zeros_(net.fc.weight)
    torch.save(net.state_dict(), tmp_path / "again.pth")
    assert extractor("torchvision:resnet18", weights=tmp_path / "again.pth").fingerprint == first.fingerprint
    net.conv1.weight.data[0, 0, 0, 0] += 1
    torch.save(net.state_dict(), tmp_path / "other.pth")
    assert extractor("torchvision:resnet18", weights=tmp_path / "other.pth").fingerprint != first.fingerprint


def test_building_a_network_leaves_random_numbers_alone(resnet):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    extractor("torchvision:resnet18", weights=resnet[1])
    assert torch.rand(1) == expected


def test_a_network_costs_what_its_publication_says():
    assert flop("torchvision:resnet18") == pytest.approx(2 * 1.81e9, rel=0.01)  # 1.8 GMAC


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "torchvision:resnet81",
            r"no classifier called 'resnet81'; did you mean torchvision:resnet18\?",
        ),
        ("torchvison:resnet18", r"unknown extractor 'torchvison:resnet18'; did you mean torchvision:resnet18\?"),
        ("torchvision:retinanet_resnet50_fpn", "is no classifier of single images; name one that is"),
        ("torchvision:", "has no classifier called ''; known are such as torchvision:resnet50"),
        (
            "torchvision:resnet34",
            r"weights.* doesn't fit torchvision:resnet34; .* \d+ missing \(layer1.2",
        ),
        ("torchvision:resnet50", r"doesn't fit torchvision:resnet50; .*of another shape \(layer"),
    ],
)
def test_what_is_no_such_network_is_refused_by_one_line(name, says, tmp_path):
    torch.save(network("resnet18").state_dict(), tmp_path / "weights.pth")
    with pytest.raises(UserError, match=says) as caught:
        extractor(name, weights=tmp_path / "weights.pth")
    assert "\n" not in str(caught.value)


def test_without_a_file_that_is_there_the_message_says_what_to_type(tmp_path):
    with pytest.raises(UserError, match=r"torchvision:resnet18 comes without weights; .*--features torchvision:"):
        extractor("torchvision:resnet18")
    with pytest.raises(UserError, match=r"there is no weights file .*gone.pth; give the path of weights of"):
        extractor("torchvision:resnet18", weights=tmp_path / "gone.pth")
    torch.save({"state_dict": network("resnet18").state_dict(), "epoch": 3}, tmp_path / "whole.pth")
    with pytest.raises(UserError, match=r"whole.pth holds no network weights; give the file of a state dict"):
        extractor("torchvision:resnet18", weights=tmp_path / "whole.pth")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0")
    with pytest.raises(UserError, match=r"cut.safetensors is not a readable weights file"):
        extractor("torchvision:resnet18", weights=tmp_path / "cut.safetensors")


HAS_TIMM = importlib.util.find_spec("timm") is not None


@pytest.mark.skipif(HAS_TIMM, reason="timm is here")
def test_where_timm_is_not_installed_the_message_says_how_to_get_it(resnet):
    with pytest.raises(UserError, match=r"timm:resnet18 needs the package timm, .*; pip install timm"):
        extractor("timm:resnet18", weights=resnet[1])


@pytest.mark.skipif(not HAS_TIMM, reason="timm is not installed here; pip install timm")
@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "resnet18", "deit_tiny_distilled_patch16_224"])
def test_features_are_those_that_timm_computes(name, tmp_path):
    import timm

    torch.manual_seed(0)
    net = timm.create_model(name, pretrained=False).eval()
    save_file(net.state_dict(), tmp_path / "weights.safetensors")
    found, images = extractor(f"timm:{name}", weights=tmp_path / "weights.safetensors"), seen(224)
    net.reset_classifier(0)
    mean, std = (torch.tensor(net.pretrained_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    with torch.no_grad():
        expected = net((images / 255 - mean) / std).numpy()
    assert found(images) == pytest.approx(expected, rel=1e-4, abs=1e-5 * float(np.abs(expected).max()))


@pytest.mark.skipif(not HAS_TIMM, reason="timm is not installed here; pip install timm")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("vit_tny_patch16_224", r"did you mean timm:vit_tiny_patch16_224\?"),
        ("resnet18.nonsense", "timm:resnet18.nonsense can't be built"),
    ],
)
def test_what_timm_has_not_is_refused_by_one_line(name, says, resnet):
    with pytest.raises(UserError, match=says):
        extractor(f"timm:{name}", weights=resnet[1])
