"""The network is made to be fast; it equals the same network written plainly (benchmarks/plain_unet.py)."""

import math

import pytest
import torch
import torch.nn.functional as F
from plain_unet import DIGITS, plain_forward
from torch import nn

from synthgap.diffusion.edm import EDM, EDMConfig

COLOUR = {"channels": 3, "height": 12, "width": 20, "label_dim": 0, "channel_mult": (2, 1, 2), "attn_resolutions": (6,)}
sizes = pytest.mark.parametrize("changes", [{}, COLOUR, {"model_channels": 6}], ids=["digits", "colour", "odd groups"])


def build(changes):
    """An EDM with weights of one order of size everywhere, so that no branch is hidden."""
    torch.manual_seed(0)
    edm = EDM(EDMConfig(network=DIGITS.model_copy(update=changes))).eval()
    for name, p in edm.model.named_parameters():
        spread = 1 / math.sqrt(p[0].numel()) if p.ndim > 1 else 0.3
        nn.init.normal_(p, 1.0 if "norm" in name and name.endswith("weight") else 0.0, spread)
    return edm


def inputs(config, batch=5):
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(batch, config.channels, config.height, config.width, generator=rng)
    labels = F.one_hot(torch.arange(batch) % config.label_dim, config.label_dim).float() if config.label_dim else None
    return x, torch.randn(batch, generator=rng), labels


def distance(values, wanted):
    """Relative, of all values together."""
    return float(((values - wanted).norm() / wanted.norm()).detach())


@sizes
def test_it_answers_what_the_plain_network_answers(changes):
    net = build(changes).model
    given = inputs(net.config)
    with torch.no_grad():
        wanted = plain_forward(net, *given)
        assert distance(net(*given), wanted) < 1e-5
    assert distance(net(*given), wanted) < 1e-5  # another normalisation works where gradients are wanted


@sizes
def test_its_gradients_are_those_of_the_plain_network(changes):
    net = build(changes).model
    x, noise, labels = inputs(net.config)
    x.requires_grad_()
    every = [x, *net.parameters()]
    loss = [f(x, noise, labels).square().mean() for f in (net, lambda *given: plain_forward(net, *given))]
    got, wanted = (torch.autograd.grad(value, every) for value in loss)
    assert max(distance(a, b) for a, b in zip(got, wanted, strict=True)) < 1e-4


def test_images_far_from_zero_are_normalised_as_well():
    # E[x²] − E[x]² loses what (mean/deviation)² is worth of float32's seven digits
    norm = build({}).model.enc["8x8_block0"].norm0
    x = 10 + torch.randn(4, 32, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert distance(norm(x), F.group_norm(x, norm.num_groups, norm.weight, norm.bias, norm.eps)) < 1e-4


@sizes
def test_a_denoiser_in_bfloat16_answers_within_a_percent_or_so(changes):
    edm = build(changes)
    x, _, labels = inputs(edm.config.network)
    before = {k: v.clone() for k, v in edm.state_dict().items()}
    fast = edm.in_bfloat16()
    for sigma in (0.01, 0.5, 10.0):
        with torch.no_grad():
            rough, wanted = fast(sigma * x, sigma, labels), edm(sigma * x, sigma, labels)
        assert rough.dtype == torch.float32
        assert 0 < distance(rough, wanted) < (1.5e-2 if sigma > 1 else 1.1e-2)  # F alone is left at large σ
    assert all(torch.equal(v, before[k]) for k, v in edm.state_dict().items())  # it is a copy


def test_frequencies_are_not_rounded_in_bfloat16():
    edm = build({"architecture": "ncsn++"})
    assert torch.equal(edm.in_bfloat16().model.map_noise.freqs, edm.model.map_noise.freqs)
    x, _, labels = inputs(edm.config.network)
    with torch.no_grad():
        assert distance(edm.in_bfloat16()(x, 0.5, labels), edm(x, 0.5, labels)) < 1e-2
