"""The cost model: what it counts must be what the code does."""

import numpy as np
import pytest

from synthgap.classifier.resnet import ResNetConfig
from synthgap.diffusion.edm import EDM, EDMConfig
from synthgap.diffusion.noise import reverse_steps
from synthgap.diffusion.reconstruct import reconstruct
from synthgap.diffusion.solver import Solver
from synthgap.diffusion.unet import UNetConfig
from synthgap.graph.estimate import cost, network_evaluations, resnet_flop, unet_flop, work_of
from synthgap.graph.specification import in_order


@pytest.fixture
def counted(smoke, make_images):
    """counted(t_re, images, solver) → network evaluations that the sampler makes."""
    network = smoke.main.generator(0).network.model_copy(update={"model_channels": 2, "label_dim": 3})
    edm = EDM(EDMConfig.for_images(network, sigma_data=0.5))

    def count(t_re, images, solver):
        seen = []
        reconstruct(edm, make_images(images), t_re, 0, solver=solver, progress=seen.append)
        return sum(seen)

    return count


def reconstruction(smoke, t_re, images, solver):
    half = smoke.main.samples(0, 50)
    data = half.data.model_copy(update={"count": images})
    return half.model_copy(update={"t_re": t_re, "data": data, "solver": solver})


SOLVERS = [Solver(), Solver(method="euler"), Solver(method="multistep"), Solver(steps=7, churn=2)]


@pytest.mark.parametrize("solver", SOLVERS, ids=["heun", "euler", "multistep", "churn"])
@pytest.mark.parametrize("t_re", [1, 30, 50, 99, 100])
def test_evaluations_of_a_reverse_step_are_what_the_sampler_makes(smoke, counted, t_re, solver):
    assert network_evaluations(reconstruction(smoke, t_re, 20, solver)) == counted(t_re, 20, solver)


@pytest.mark.parametrize("t_re", [(50, 100), (0, 50)])
def test_evaluations_of_a_range_are_the_expected_ones_of_the_draws(smoke, counted, t_re):
    images, solver = 300, Solver()
    drawn = reverse_steps(t_re, 0, np.arange(images))
    made = counted(t_re, images, solver)
    assert made == sum(solver.evaluations(int(t)) for t in drawn)
    assert network_evaluations(reconstruction(smoke, t_re, images, solver)) == pytest.approx(made, rel=0.07)


def test_evaluations_of_full_synthesis_are_those_of_reverse_step_100(smoke):
    full, half = smoke.main.samples(0, 100), smoke.main.samples(0, 50)
    assert network_evaluations(full) == network_evaluations(half.model_copy(update={"t_re": 100}))


def test_every_specification_of_a_plan_costs_something(smoke):
    assert all(cost(spec) > 0 for spec in in_order(smoke.plan()))


def test_cost_grows_with_the_work(smoke):
    arms = smoke.main
    assert cost(arms.samples(0, 30)) < cost(arms.samples(0, 70)) < cost(arms.samples(0, 100))
    assert (
        cost(arms.classifier(0, 0).block)
        < cost(arms.arm("100", 1, 0).block)
        < cost(arms.arm("100 + TrivialAugment", 3, 0).block)
    )
    assert cost(arms.arm("synthetic only", 3, 0).block) < cost(arms.arm("synthetic only, epoch-matched", 3, 0).block)
    longer = arms.generator(0).training.model_copy(update={"images": 1280})
    assert cost(arms.generator(0)) < cost(arms.generator(0).model_copy(update={"training": longer}))


def test_all_multiples_of_an_arm_cost_the_same_to_train(smoke):
    """An epoch is the real set's in every arm, so that more synthetic images are no more steps."""
    arms = smoke.main
    assert (
        cost(arms.classifier(0, 100, 1).block)
        == cost(arms.classifier(0, 100, 3).block)
        == cost(arms.classifier(0, 0).block)
    )


def test_a_block_takes_its_members_work_and_one_members_fixed_cost(smoke):
    block = smoke.main.classifier(0, 0).block
    assert len(block.members) == 2
    both, one = work_of(block), work_of(block.model_copy(update={"members": block.members[:1]}))
    assert both.flop == 2 * one.flop
    assert both.evaluations == 2 * one.evaluations
    assert both.overhead == one.overhead > 0


def convolution(fan_in, fan_out, kernel, side):
    return 2 * fan_in * fan_out * kernel**2 * side**2  # a multiplication and an addition a weight and pixel


@pytest.mark.parametrize(("channels", "width", "side"), [(1, 4, 8), (3, 64, 32)])
def test_resnet_flop_are_those_counted_by_hand(channels, width, side):
    wanted = convolution(channels, width, 3, side) + 4 * convolution(width, width, 3, side)
    for level in (1, 2, 3):
        here, size = width * 2**level, side // 2**level
        wanted += convolution(here // 2, here, 3, size) + convolution(here // 2, here, 1, size)
        wanted += 3 * convolution(here, here, 3, size)
    wanted += 2 * width * 8 * 10
    assert resnet_flop(ResNetConfig(channels=channels, classes=10, width=width), side, side) == wanted


def test_the_papers_classifier_has_its_known_size():
    """ResNet-18 with the CIFAR stem: 0.56 G multiply-adds at 32 × 32."""
    assert resnet_flop(ResNetConfig(), 32, 32) == pytest.approx(2 * 0.556e9, rel=0.01)


def test_unet_flop_grow_with_the_pixels_and_with_the_square_of_the_channels(smoke):
    small = smoke.main.generator(0).network.model_copy(update={"model_channels": 64, "attn_resolutions": ()})
    wide = small.model_copy(update={"model_channels": 128})
    large = small.model_copy(update={"height": 16, "width": 16})
    assert unet_flop(wide) / unet_flop(small) == pytest.approx(4, rel=0.1)
    assert unet_flop(large) / unet_flop(small) == pytest.approx(4, rel=0.1)


def test_edms_cifar10_network_costs_what_was_measured():
    """42.4 GFLOP, by torch's counter on the reference release, of which ours saves two upsamplings."""
    # 3 × 3 on doubled 256 × 16 × 16 and 256 × 8 × 8 takes 4 instead of 9 taps a pixel, 1 × 1 a quarter
    saved = 2 * 256**2 * (32**2 + 16**2) * (9 - 4 + 1 - 1 / 4)
    assert unet_flop(UNetConfig(label_dim=10, augment_dim=9)) == pytest.approx(42.4e9 - saved, rel=0.01)


def test_a_residual_encoder_costs_its_shortcuts_and_adm_can_be_counted_too():
    plain = UNetConfig(height=8, width=8, model_channels=32, channel_mult=(1, 2), num_blocks=1, attn_resolutions=())
    residual = plain.model_copy(update={"architecture": "ncsn++"})
    adm = plain.model_copy(update={"architecture": "adm"})
    assert unet_flop(plain) < unet_flop(residual) < 1.2 * unet_flop(plain)
    assert unet_flop(adm) == pytest.approx(unet_flop(plain), rel=0.3)
