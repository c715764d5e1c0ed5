"""Training a denoiser: the loss falls, a run that was interrupted is the run that was not, the draws are EDM's."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import nn

from synthgap.data.imageset import ImageSet
from synthgap.diffusion.edm import EDM
from synthgap.diffusion.pixels import to_model
from synthgap.diffusion.schedule import p_mean_for, sigma_max_for
from synthgap.diffusion.train import DRAW, ORDER, DiffusionTraining, _average, train_edm
from synthgap.diffusion.unet import UNetConfig
from synthgap.errors import UserError
from synthgap.seeding import batch_positions, step_generator

NETWORK = UNetConfig(
    height=4,
    width=4,
    channels=1,
    label_dim=2,
    model_channels=8,
    channel_mult=(1,),
    num_blocks=1,
    attn_resolutions=(),
    dropout=0.2,
)
CALM = NETWORK.model_copy(update={"dropout": 0.0})
RECIPE = DiffusionTraining(images=96, batch=8, ramp_images=32, ema_half_life=32, checkpoint_images=24)


def pictures(count=10, shape=(1, 4, 4), augment=("flip",)):
    """Bright rows in class 1, dark ones in class 0, brighter to the right."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    ramp = np.linspace(0, 60, shape[2])
    images = 60 + 100 * labels[:, None, None, None] + ramp + rng.integers(0, 20, (count, *shape))
    return ImageSet(images.astype(np.uint8), labels, ("dark", "bright"), "pictures", augment)


def recipe(**changes):
    return RECIPE.model_copy(update=changes)


def same(a, b):
    state, other = a.state_dict(), b.state_dict()
    return state.keys() == other.keys() and all(torch.equal(v, other[k]) for k, v in state.items())


def watch(monkeypatch):
    """What `EDM.loss` was called with, step by step: (clean, labels, sigma, noise, global torch seed)."""
    calls, loss = [], EDM.loss

    def recording(self, images, labels, sigma, noise):
        calls.append((images, labels, sigma, noise, torch.initial_seed()))
        return loss(self, images, labels, sigma, noise)

    monkeypatch.setattr(EDM, "loss", recording)
    return calls


class Interruption(Exception):
    pass


def interrupted_after(steps):
    """A progress callback that stops the run in the middle, as Ctrl-C would."""
    done = []

    def progress(seen, total, loss):
        done.append(seen)
        if len(done) == steps:
            raise Interruption

    return progress


def test_training_halves_the_loss_of_a_new_network():
    real = pictures()
    rng = torch.Generator().manual_seed(0)
    clean = torch.from_numpy(to_model(real.images)).float().repeat(20, 1, 1, 1)
    labels = torch.from_numpy(real.labels).repeat(20)
    sigma, noise = (torch.randn(200, generator=rng) - 1).exp(), torch.randn(clean.shape, generator=rng)

    def loss(edm):
        with torch.no_grad():
            return float(edm.loss(clean, labels, sigma, noise).mean())

    new = train_edm(real, CALM, recipe(images=8, learning_rate=1e-9), 0)
    trained = train_edm(real, CALM, recipe(images=1600, batch=16, learning_rate=5e-3), 0)
    assert loss(new) == pytest.approx(1, abs=0.3)  # the target of the network has variance one
    assert loss(trained) < 0.5 * loss(new)


def test_the_average_comes_back_in_eval_mode_and_can_be_saved(tmp_path):
    edm = train_edm(pictures(), NETWORK, recipe(images=16), 0)
    assert not edm.training
    assert not any(p.requires_grad for p in edm.parameters())
    assert edm.save(tmp_path / "edm").exists()


@pytest.mark.parametrize("stop", [4, 6, 7, 12])
def test_a_run_that_was_interrupted_is_the_run_that_was_not(tmp_path, stop):
    whole = train_edm(pictures(), NETWORK, RECIPE, 1)
    checkpoint = tmp_path / "new folder" / "checkpoint"
    with pytest.raises(Interruption):
        train_edm(pictures(), NETWORK, RECIPE, 1, checkpoint=checkpoint, progress=interrupted_after(stop))
    torch.manual_seed(123)
    torch.rand(7)
    seen = []
    resumed = train_edm(
        pictures(), NETWORK, RECIPE, 1, checkpoint=checkpoint, progress=lambda *now: seen.append(now[0])
    )
    assert seen[0] == 8 * ((stop - 1) // 3 * 3 + 1)  # the step after the last checkpoint, one every 3 steps
    assert seen[-1] == RECIPE.images
    assert same(whole, resumed)
    assert whole.config == resumed.config


def test_a_run_that_was_interrupted_twice_is_the_run_that_was_not(tmp_path):
    for steps in (5, 4):
        with pytest.raises(Interruption):
            train_edm(pictures(), NETWORK, RECIPE, 1, checkpoint=tmp_path / "c", progress=interrupted_after(steps))
    assert same(
        train_edm(pictures(), NETWORK, RECIPE, 1),
        train_edm(pictures(), NETWORK, RECIPE, 1, checkpoint=tmp_path / "c"),
    )


def test_writing_checkpoints_changes_nothing(tmp_path):
    assert same(
        train_edm(pictures(), NETWORK, RECIPE, 0),
        train_edm(pictures(), NETWORK, RECIPE, 0, checkpoint=tmp_path / "c"),
    )
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_weights_are_a_function_of_the_seed_and_not_of_the_global_random_state():
    runs = []
    for state in (0, 1):
        torch.manual_seed(state)
        np.random.seed(state)  # noqa: NPY002
        before = torch.get_rng_state()
        runs.append(train_edm(pictures(), NETWORK, recipe(images=32), 7))
        assert torch.equal(before, torch.get_rng_state())
    assert same(*runs)
    assert not same(runs[0], train_edm(pictures(), NETWORK, recipe(images=32), 8))


def test_each_seed_starts_from_weights_of_its_own():
    first, second = (
        train_edm(pictures(), CALM, recipe(images=8, learning_rate=1e-30), seed).model.map_layer0.weight
        for seed in (0, 1)
    )
    correlation = np.corrcoef(first.flatten(), second.flatten())[0, 1]
    assert abs(correlation) < 5 / math.sqrt(first.numel())


def test_the_global_random_state_is_left_also_when_a_run_fails():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with pytest.raises(FloatingPointError):
        train_edm(pictures(), NETWORK, recipe(learning_rate=1e30, ramp_images=0), 0)
    assert torch.equal(before, torch.get_rng_state())


def test_dropout_has_a_stream_of_its_own(monkeypatch):
    calls = watch(monkeypatch)
    train_edm(pictures(), NETWORK, recipe(images=32), 3)
    dropout = [call[-1] for call in calls]
    draws = [step_generator(3, DRAW, step).initial_seed() for step in range(4)]
    assert len(set(dropout + draws)) == 8


def test_noise_levels_are_log_normal_and_noise_is_standard_normal(monkeypatch):
    calls = watch(monkeypatch)
    train_edm(pictures(), CALM, recipe(images=4000, batch=1000), 0)
    levels = torch.cat([c[2] for c in calls]).log().numpy()
    assert stats.kstest((levels - p_mean_for(4, 4)) / 1.2, "norm").pvalue > 0.001
    noise = torch.cat([c[3] for c in calls])
    assert stats.kstest(noise.flatten().numpy(), "norm").pvalue > 0.001
    size = noise.flatten(1).std(1).numpy()
    assert abs(np.corrcoef(levels, size)[0, 1]) < 5 / math.sqrt(4000)


@pytest.mark.parametrize("allowed", [True, False])
def test_images_are_mirrored_half_of_the_time_where_that_keeps_the_label(monkeypatch, allowed):
    real = pictures(augment=("flip",) if allowed else ("crop",))
    clean = torch.from_numpy(to_model(real.images)).float()
    calls = watch(monkeypatch)
    train_edm(real, CALM, recipe(images=400, batch=200), 0)
    seen, mirrored = 0, 0
    for step, (images, labels, *_) in enumerate(calls):
        wanted = torch.from_numpy(batch_positions(10, 200, 0, ORDER, step))
        assert torch.equal(labels, torch.from_numpy(real.labels)[wanted])
        flipped = (images == clean[wanted].flip(3)).flatten(1).all(1)
        assert (flipped | (images == clean[wanted]).flatten(1).all(1)).all()
        seen, mirrored = seen + 200, mirrored + int(flipped.sum())
    assert abs(mirrored / seen - 0.5) < 4 * 0.5 / math.sqrt(seen) if allowed else mirrored == 0


def test_the_learning_rate_rises_linearly_over_the_ramp_and_then_stays(monkeypatch):
    rates, step = [], torch.optim.Adam.step

    def recording(self, *args, **kwargs):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", recording)
    train_edm(pictures(), CALM, recipe(images=48, learning_rate=0.01), 0)  # batch 8, ramp 32
    assert rates == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01, 0.01])
    rates.clear()
    train_edm(pictures(), CALM, recipe(images=16, ramp_images=0, learning_rate=0.01), 0)
    assert rates == pytest.approx([0.01, 0.01])


def ones_and_zeros():
    """(average, network): a weight of one that follows a weight of zero."""
    average, net = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.ones_(average.weight)
    nn.init.zeros_(net.weight)
    return average, net


@pytest.mark.parametrize("batch", [100, 250, 1000])
def test_half_of_an_old_weight_is_left_after_the_half_life_for_any_batch(batch):
    average, net = ones_and_zeros()
    training = DiffusionTraining(batch=batch, ema_half_life=1000, ema_ramp=1e9)
    for step in range(1000 // batch):
        _average(average, net, training, (step + 1) * batch)
    assert average.weight.item() == pytest.approx(0.5, rel=1e-5)


def test_early_on_the_half_life_is_a_share_of_the_images_seen():
    training = DiffusionTraining(batch=100, ema_half_life=500_000, ema_ramp=0.05)
    average, net = ones_and_zeros()
    _average(average, net, training, 2000)  # half-life 5% of 2,000 = one batch
    assert average.weight.item() == pytest.approx(0.5, rel=1e-5)
    _average(average, net, training, 4000)  # two batches
    assert average.weight.item() == pytest.approx(0.5**1.5, rel=1e-5)
    average, net = ones_and_zeros()
    _average(average, net, training, 200_000_000)  # 5% would be 10 M; the final value holds
    assert average.weight.item() == pytest.approx(0.5 ** (100 / 500_000), rel=1e-6)


def test_sigma_data_and_the_noise_levels_are_those_of_the_images():
    real = pictures(shape=(1, 4, 4))
    config = train_edm(real, CALM, recipe(images=8), 0).config
    assert config.sigma_data == pytest.approx(float(np.std(to_model(real.images))), rel=0.01)
    assert (config.sigma_max, config.p_mean) == (sigma_max_for(4, 4), p_mean_for(4, 4))
    assert config.network == CALM


def test_images_of_one_colour_can_be_trained_on():
    grey = ImageSet(np.full((4, 1, 4, 4), 128, dtype=np.uint8), np.array([0, 1, 0, 1]), ("a", "b"))
    edm = train_edm(grey, CALM, recipe(images=16), 0)
    assert edm.config.sigma_data > 0
    assert all(torch.isfinite(p).all() for p in edm.parameters())


def test_a_loss_that_is_not_finite_is_an_error_and_keeps_the_checkpoint(tmp_path):
    checkpoint = tmp_path / "c"
    with pytest.raises(Interruption):
        train_edm(pictures(), NETWORK, RECIPE, 0, checkpoint=checkpoint, progress=interrupted_after(4))
    before = checkpoint.read_bytes()
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        train_edm(pictures(), NETWORK, recipe(learning_rate=1e30), 0, checkpoint=checkpoint)
    assert checkpoint.read_bytes() == before
    assert same(
        train_edm(pictures(), NETWORK, RECIPE, 0, checkpoint=checkpoint),
        train_edm(pictures(), NETWORK, RECIPE, 0),
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 10**6), st.integers(1, 2000))
def test_steps_are_the_fewest_whole_batches_that_show_all_images(images, batch):
    steps = DiffusionTraining(images=images, batch=batch).steps
    assert (steps - 1) * batch < images <= steps * batch


def test_progress_counts_images_up_to_all_of_them():
    seen = []
    train_edm(pictures(), CALM, recipe(images=20), 0, progress=lambda *now: seen.append(now))
    assert [now[:2] for now in seen] == [(8, 20), (16, 20), (20, 20)]
    assert all(math.isfinite(now[2]) for now in seen)


def test_a_batch_may_be_larger_than_the_data_set():
    edm = train_edm(pictures(3), CALM, recipe(images=32, batch=16), 0)
    assert all(torch.isfinite(p).all() for p in edm.parameters())


@pytest.mark.parametrize(
    ("real", "network", "reason"),
    [
        (pictures(shape=(1, 4, 6)), NETWORK, r"\(1, 4, 6\)"),
        (pictures(shape=(3, 4, 4)), NETWORK, r"\(3, 4, 4\)"),
        (pictures(), NETWORK.model_copy(update={"label_dim": 3}), "in 2 classes, .* in 3"),
        (pictures(), NETWORK.model_copy(update={"label_dim": 0}), "in 2 classes"),
        (pictures(0), NETWORK, "empty"),
    ],
)
def test_images_that_do_not_fit_the_network_are_refused_by_name(real, network, reason):
    with pytest.raises(UserError, match=reason):
        train_edm(real, network, RECIPE, 0)


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 4, 6)])
def test_images_need_not_be_square_nor_grey(shape):
    network = CALM.model_copy(update={"channels": shape[0], "height": shape[1], "width": shape[2]})
    assert train_edm(pictures(shape=shape), network, recipe(images=8), 0).image_shape == shape


def test_the_default_recipe_is_edms():
    assert DiffusionTraining().model_dump(exclude={"checkpoint_images"}) == {
        "images": 200_000_000,
        "batch": 512,
        "learning_rate": 1e-3,
        "ramp_images": 10_000_000,
        "ema_half_life": 500_000,
        "ema_ramp": 0.05,
    }
