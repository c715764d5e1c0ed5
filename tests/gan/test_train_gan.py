"""Training a GAN: losses by hand, R1 in closed form, p moves the right way, interrupted is uninterrupted."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from safetensors.torch import save_file
from torch import nn

from synthgap.base.errors import UserError
from synthgap.data.imageset import ImageSet
from synthgap.diffusion.pixels import to_model
from synthgap.gan.discriminator import DiscriminatorConfig
from synthgap.gan.losses import discriminator_loss, generator_loss, lazy_adam, next_strength, r1_penalty
from synthgap.gan.sample import generate_gan
from synthgap.gan.stylegan3 import GeneratorConfig
from synthgap.gan.train import GanTraining, _Data, _State, train_gan

RECIPE = GanTraining(
    images=96, batch=8, ema_half_life=32, r1_every=3, ada_images=200, ada_every=2, ada_start=0.3, checkpoint_images=24
)
SHAPE = {"height": 8, "width": 8, "channels": 1, "label_dim": 2, "channel_max": 8, "mapping_layers": 1}
NETWORK = GeneratorConfig(**SHAPE, z_dim=8, w_dim=8, layers=3, critical_layers=1, margin=1)
JUDGE = DiscriminatorConfig(**SHAPE)
FREE = NETWORK.model_copy(update={"label_dim": 0}), JUDGE.model_copy(update={"label_dim": 0})


def pictures(count=10, shape=(1, 8, 8), augment=("flip",)):
    """Bright rows in class 1, dark ones in class 0, brighter to the right."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    images = (
        60 + 100 * labels[:, None, None, None] + np.linspace(0, 60, shape[2]) + rng.integers(0, 20, (count, *shape))
    )
    return ImageSet(images.astype(np.uint8), labels, ("dark", "bright"), "pictures", augment)


def recipe(**changes):
    return RECIPE.model_copy(update=changes)


def same(a, b):
    state, other = a.state_dict(), b.state_dict()
    return state.keys() == other.keys() and all(torch.equal(v, other[k]) for k, v in state.items())


class Interruption(Exception):
    pass


def interrupted_after(steps):
    """A progress callback that stops the run in the middle, as Ctrl-C would."""
    done = []

    def progress(seen, total, step):
        done.append(seen)
        if len(done) == steps:
            raise Interruption

    return progress


class LinearDiscriminator(nn.Module):
    """D(x) = <w, x> + b: its gradient is w at every image."""

    def __init__(self, pixels=64):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.linspace(-1, 2, pixels)), nn.Parameter(torch.tensor(0.5))

    def forward(self, images, labels=None):
        return images.flatten(1) @ self.weight + self.bias


class ConstantGenerator(nn.Module):
    """Draws one grey, its only weight, and counts its calls in a buffer."""

    def __init__(self):
        super().__init__()
        self.grey = nn.Parameter(torch.tensor(0.1))
        self.register_buffer("calls", torch.tensor(0.0))

    def forward(self, z, labels=None):
        if self.training:
            self.calls += 1
        return self.grey.expand(len(z), 1, 8, 8)


# losses


def test_losses_are_those_of_a_probability():
    real, fake = torch.tensor([0.3, -2.0, 4.0]), torch.tensor([-1.0, 0.0, 2.5])
    probability = 1 / (1 + np.exp(-real.numpy())), 1 / (1 + np.exp(-fake.numpy()))
    wanted = -np.log(probability[0]).mean() - np.log(1 - probability[1]).mean()
    assert float(discriminator_loss(real, fake)) == pytest.approx(wanted, rel=1e-6)
    assert float(generator_loss(fake)) == pytest.approx(-np.log(probability[1]).mean(), rel=1e-6)


def test_at_a_draw_the_losses_are_ln_2_and_twice_that():
    zero = torch.zeros(7)
    assert float(generator_loss(zero)) == pytest.approx(math.log(2))
    assert float(discriminator_loss(zero, zero)) == pytest.approx(2 * math.log(2))


def test_the_losses_don_t_overflow():
    far = torch.tensor([1e4, -1e4])
    assert float(discriminator_loss(far, far)) == pytest.approx(1e4)
    assert float(generator_loss(far)) == pytest.approx(5e3)


@pytest.mark.parametrize("gamma", [0.1, 1.0, 10.0])
def test_r1_of_a_linear_discriminator_is_half_gamma_times_the_squared_weights(gamma):
    judge = LinearDiscriminator()
    images = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    penalty = r1_penalty(judge, images, None, gamma)
    assert penalty.item() == pytest.approx(gamma / 2 * judge.weight.square().sum().item(), rel=1e-6)
    (slope,) = torch.autograd.grad(penalty, judge.weight)
    assert torch.allclose(slope, gamma * judge.weight)


def test_r1_of_a_small_network_is_the_mean_of_each_images_squared_gradient():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Softplus(), nn.Linear(8, 1), nn.Flatten(0)).double()
    images = torch.randn(6, 1, 4, 4, dtype=torch.float64)
    squares, step = [], 1e-5
    for image in images:
        slopes = [
            (net((image + move)[None]) - net((image - move)[None])).item() / (2 * step)
            for move in step * torch.eye(16, dtype=torch.float64).reshape(16, 1, 4, 4)
        ]
        squares.append(sum(s**2 for s in slopes))
    penalty = r1_penalty(lambda x, labels: net(x), images, None, 3.0)
    assert penalty.item() == pytest.approx(1.5 * np.mean(squares), rel=1e-6)


def test_lazy_regularisation_keeps_the_pace_and_the_memory_per_image():
    lazy = lazy_adam(0.002, (0.5, 0.99), 16)
    steps = 17  # of Adam in 16 of the discriminator
    assert lazy["lr"] * steps == pytest.approx(0.002 * 16)
    assert [beta**steps for beta in lazy["betas"]] == pytest.approx([0.5**16, 0.99**16])


@pytest.mark.parametrize(("gamma", "wanted"), [(1.0, 0.002 * 3 / 4), (0.0, 0.002)])
def test_the_discriminators_adam_is_lazy_where_there_is_a_penalty(gamma, wanted):
    state = _State(ConstantGenerator(), LinearDiscriminator(), recipe(r1_gamma=gamma), "a run")
    assert state.discriminator_adam.param_groups[0]["lr"] == pytest.approx(wanted)
    assert state.generator_adam.param_groups[0]["lr"] == 0.0025


def test_the_penalty_is_taken_every_so_many_steps_and_weighs_as_many(monkeypatch):
    descents, descend = [], _State._descend
    monkeypatch.setattr(
        _State,
        "_descend",
        lambda self, adam, loss, name: (descents.append((name, loss)), descend(self, adam, loss, name)),
    )
    judge = LinearDiscriminator()
    state = _State(ConstantGenerator(), judge, recipe(r1_gamma=2.0, discriminator_rate=1e-12), "a run")
    data = _Data(pictures(), 8, 3, False, 0, "cpu")
    reports = [state.play(data, step) for step in range(7)]
    names = [name for name, _ in descents]
    plain = ["generator", "discriminator"]
    assert names == [*plain, "R1", *plain, *plain] * 2 + [*plain, "R1"]
    penalty = judge.weight.square().sum().item()  # γ/2 = 1
    assert [loss.item() for name, loss in descents if name == "R1"] == pytest.approx([3 * penalty] * 3)
    assert [report.r1 for report in reports] == pytest.approx([penalty] * 7)


def test_what_a_step_reports_is_what_the_players_did(monkeypatch):
    judge, artist = LinearDiscriminator(), ConstantGenerator()
    state = _State(artist, judge, recipe(ada_start=0.0, generator_rate=1e-12, discriminator_rate=1e-12), "a run")
    real = pictures(8, augment=())  # a batch is the whole set
    report = state.play(_Data(real, 8, 3, False, 0, "cpu"), 0)
    with torch.no_grad():
        on_real = judge(torch.from_numpy(to_model(real.images)).float())
        on_fake = judge(torch.full((1, 1, 8, 8), 0.1))
    assert report.generator == pytest.approx(math.log1p(math.exp(-on_fake.item())), rel=1e-5)
    wanted = np.log1p(np.exp(-on_real.numpy())).mean() + math.log1p(math.exp(on_fake.item()))
    assert report.discriminator == pytest.approx(wanted, rel=1e-5)
    assert report.sign == pytest.approx(np.sign(on_real.numpy()).mean())
    assert report.p == 0


# the strength of the augmentation


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.floats(0, 1), st.floats(-1, 1), st.integers(1, 10**6), st.integers(1, 10**6))
def test_p_rises_when_the_discriminator_overfits_falls_when_not_and_stays_a_probability(p, sign, seen, speed):
    new = next_strength(p, sign, 0.6, seen, speed)
    assert 0 <= new <= 1
    assert new >= p if sign > 0.6 else new <= p
    assert abs(new - p) <= seen / speed + 1e-12
    assert next_strength(p, 0.6, 0.6, seen, speed) == p


def test_p_goes_from_0_to_1_in_the_stated_number_of_images():
    p, steps = 0.0, 0
    while p < 1:
        p, steps = next_strength(p, 1.0, 0.6, 32, 3200), steps + 1
    assert steps in (100, 101)  # rounding


@pytest.mark.parametrize(
    ("offset", "wanted"), [(50.0, [0.3, 0.3, 0.38, 0.38, 0.46]), (-50.0, [0.3, 0.3, 0.22, 0.22, 0.14])]
)
def test_p_follows_the_signs_of_the_real_images(offset, wanted):
    judge = LinearDiscriminator()
    nn.init.constant_(judge.bias, offset)  # sure of every real image, or wrong about it
    state = _State(ConstantGenerator(), judge, RECIPE, "a run")
    data = _Data(pictures(), 8, 3, False, 0, "cpu")
    assert [state.play(data, step).p for step in range(5)] == pytest.approx(wanted)  # by 2 · 8 / 200 every 2 steps


def test_without_a_target_p_stays_as_it_starts():
    judge = LinearDiscriminator()
    nn.init.constant_(judge.bias, 50.0)
    state = _State(ConstantGenerator(), judge, recipe(ada_target=None), "a run")
    data = _Data(pictures(), 8, 3, False, 0, "cpu")
    assert [state.play(data, step).p for step in range(5)] == [0.3] * 5


# the average


def test_what_comes_back_is_the_moving_average_of_the_weights_after_each_step():
    artist = ConstantGenerator()
    state = _State(artist, LinearDiscriminator(), recipe(ema_ramp=0.5, ema_half_life=32), "a run")
    data, average = _Data(pictures(), 8, 3, False, 0, "cpu"), 0.1
    for step in range(12):
        state.play(data, step)
        keep = 0.5 ** (8 / min(32, 0.5 * 8 * (step + 1)))
        average = keep * average + (1 - keep) * artist.grey.item()
    assert state.ema.grey.item() == pytest.approx(average, rel=1e-5)
    assert artist.grey.item() != pytest.approx(0.1, abs=1e-3)
    assert state.ema.calls.item() == artist.calls.item() == 24  # buffers are the generator's own


# data


@pytest.mark.parametrize("allowed", [True, False])
def test_real_images_are_mirrored_half_of_the_time_where_that_keeps_the_label(allowed):
    real = pictures(augment=("flip",) if allowed else ("crop",))
    clean = torch.from_numpy(to_model(real.images)).float()
    data = _Data(real, 400, 3, True, 0, "cpu")
    images, labels = data.real(0, torch.Generator().manual_seed(0))
    here = (images[:, None] == clean).flatten(2).all(2)
    there = (images[:, None] == clean.flip(3)).flatten(2).all(2)
    assert (here | there).any(1).all()
    assert torch.equal(labels, torch.from_numpy(real.labels)[(here | there).double().argmax(1)])
    mirrored = there.any(1).double().mean()
    assert abs(mirrored - 0.5) < 4 * 0.5 / 20 if allowed else mirrored == 0


def test_every_image_is_seen_once_before_any_is_seen_again():
    data = _Data(pictures(16, augment=()), 8, 3, True, 0, "cpu")
    rng = torch.Generator()
    seen = torch.cat([data.real(step, rng)[0] for step in range(2)])
    assert len(torch.unique(seen, dim=0)) == 16


def test_latents_are_normal_and_labels_as_frequent_as_the_real_ones():
    real = pictures(10)
    rare = ImageSet(real.images, np.array([0] * 9 + [1]), real.classes)
    z, labels = _Data(rare, 4000, 5, True, 0, "cpu").latents(torch.Generator().manual_seed(1))
    assert z.shape == (4000, 5)
    assert abs(z.mean()) < 5 / math.sqrt(20000)
    assert z.std() == pytest.approx(1, abs=0.03)
    assert labels.double().mean() == pytest.approx(0.1, abs=4 * math.sqrt(0.09 / 4000))


# whole runs


@pytest.mark.parametrize("stop", [4, 7])
@pytest.mark.parametrize("networks", [(NETWORK, JUDGE), FREE], ids=["conditional", "unconditional"])
def test_a_run_that_was_interrupted_is_the_run_that_was_not(tmp_path, networks, stop):
    losses = []
    whole = train_gan(pictures(), *networks, RECIPE, 1, progress=lambda *now: losses.append(now))
    checkpoint = tmp_path / "new folder" / "checkpoint"
    with pytest.raises(Interruption):
        train_gan(pictures(), *networks, RECIPE, 1, checkpoint=checkpoint, progress=interrupted_after(stop))
    torch.manual_seed(123)
    torch.rand(7)
    seen = []
    resumed = train_gan(pictures(), *networks, RECIPE, 1, checkpoint=checkpoint, progress=lambda *now: seen.append(now))
    assert seen == losses[(stop - 1) // 3 * 3 :]  # from the step after the last checkpoint, one every 3 steps
    assert same(whole, resumed)
    assert whole.config == resumed.config


def test_a_run_that_was_interrupted_twice_is_the_run_that_was_not(tmp_path):
    for steps in (5, 4):
        with pytest.raises(Interruption):
            train_gan(pictures(), *FREE, RECIPE, 1, checkpoint=tmp_path / "c", progress=interrupted_after(steps))
    resumed = train_gan(pictures(), *FREE, RECIPE, 1, checkpoint=tmp_path / "c")
    assert same(resumed, train_gan(pictures(), *FREE, RECIPE, 1))


def test_a_finished_run_can_be_made_longer_and_a_longer_one_not_shorter(tmp_path):
    checkpoint = tmp_path / "c"
    train_gan(pictures(), *FREE, recipe(images=48), 1, checkpoint=checkpoint)
    longer = train_gan(pictures(), *FREE, RECIPE, 1, checkpoint=checkpoint)
    assert same(longer, train_gan(pictures(), *FREE, RECIPE, 1))
    with pytest.raises(UserError, match="has seen 72 images, more than the 64 asked for"):
        train_gan(pictures(), *FREE, recipe(images=64), 1, checkpoint=checkpoint)


def test_weights_are_a_function_of_the_seed_and_not_of_the_global_random_state(tmp_path):
    runs = []
    for state in (0, 1):
        torch.manual_seed(state)
        before = torch.get_rng_state()
        runs.append(train_gan(pictures(), NETWORK, JUDGE, recipe(images=32), 7, checkpoint=tmp_path / str(state)))
        assert torch.equal(before, torch.get_rng_state())
    assert same(*runs)
    assert not same(runs[0], train_gan(pictures(), NETWORK, JUDGE, recipe(images=32), 8))


@pytest.fixture(scope="module")
def checkpoint_of_a_run(tmp_path_factory):
    """The checkpoint at 24 images of (pictures, NETWORK, JUDGE, RECIPE, seed 0)."""
    path = tmp_path_factory.mktemp("run") / "c"
    train_gan(pictures(), NETWORK, JUDGE, recipe(images=32), 0, checkpoint=path)
    return path


@pytest.mark.parametrize(
    ("real", "changes", "seed"),
    [
        (pictures(11), {}, 0),
        (pictures(augment=()), {}, 0),
        (pictures(), {"r1_gamma": 2.0}, 0),
        (pictures(), {"ada_target": None}, 0),
        (pictures(), {"batch": 16}, 0),
        (pictures(), {}, 1),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_and_left_as_it_is(checkpoint_of_a_run, real, changes, seed):
    before = checkpoint_of_a_run.read_bytes()
    with pytest.raises(UserError, match="other data, sizes, recipe or seed"):
        train_gan(real, NETWORK, JUDGE, recipe(**changes), seed, checkpoint=checkpoint_of_a_run)
    assert checkpoint_of_a_run.read_bytes() == before


@pytest.mark.parametrize("damage", ["truncated", "text", "other metadata"])
def test_a_damaged_or_foreign_file_is_no_checkpoint(checkpoint_of_a_run, tmp_path, damage):
    path, whole = tmp_path / "c", checkpoint_of_a_run.read_bytes()
    if damage == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "text":
        path.write_text("step 3\n" * 100)
    else:
        save_file({"x": torch.zeros(1)}, path, {"meta": "[1]"})
    with pytest.raises(UserError, match="remove it") as caught:
        train_gan(pictures(), NETWORK, JUDGE, RECIPE, 0, checkpoint=path)
    assert "\n" not in str(caught.value)


def test_a_loss_that_is_not_finite_is_an_error_and_keeps_the_checkpoint(tmp_path, monkeypatch):
    checkpoint = tmp_path / "c"
    with pytest.raises(Interruption):
        train_gan(pictures(), *FREE, RECIPE, 0, checkpoint=checkpoint, progress=interrupted_after(4))
    before, seen = checkpoint.read_bytes(), []
    with monkeypatch.context() as broken:
        broken.setattr(
            "synthgap.gan.train.generator_loss", lambda logits: logits.mean() * (math.nan if len(seen) == 2 else 1)
        )
        with pytest.raises(FloatingPointError, match="generator loss is nan at 40 images; lower the learning rates"):
            train_gan(pictures(), *FREE, RECIPE, 0, checkpoint=checkpoint, progress=lambda *now: seen.append(now[0]))
    assert seen == [32, 40]
    assert checkpoint.read_bytes() == before
    assert same(train_gan(pictures(), *FREE, RECIPE, 0, checkpoint=checkpoint), train_gan(pictures(), *FREE, RECIPE, 0))


def test_learning_rates_that_are_too_high_are_an_error():
    with pytest.raises(FloatingPointError, match="lower the learning rates or raise r1_gamma"):
        train_gan(pictures(), NETWORK, JUDGE, recipe(generator_rate=1e30, discriminator_rate=1e30), 0)


@pytest.mark.parametrize(
    ("real", "networks", "seed", "reason"),
    [
        (pictures(0), (NETWORK, JUDGE), 0, "pictures is empty"),
        (pictures(shape=(1, 8, 6)), (NETWORK, JUDGE), 0, r"\(1, 8, 6\) .* the generator is for"),
        (pictures(), (NETWORK.model_copy(update={"label_dim": 3}), JUDGE), 0, "in 2 classes, the generator .* in 3"),
        (pictures(), (NETWORK, JUDGE.model_copy(update={"height": 9})), 0, "the discriminator is for"),
        (pictures(), (NETWORK, FREE[1]), 0, "build both with the same label_dim"),
        (pictures(), (NETWORK, JUDGE), -1, "seed is -1"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(real, networks, seed, reason):
    with pytest.raises(UserError, match=reason) as caught:
        train_gan(real, *networks, RECIPE, seed)
    assert "\n" not in str(caught.value)


def test_progress_counts_images_up_to_all_of_them():
    seen = []
    generator = train_gan(pictures(), NETWORK, JUDGE, recipe(images=20), 0, progress=lambda *now: seen.append(now))
    assert [now[:2] for now in seen] == [(8, 20), (16, 20), (20, 20)]
    assert all(math.isfinite(v) for now in seen for v in vars(now[2]).values())
    assert not generator.training
    assert not any(p.requires_grad for p in generator.parameters())
    assert generator.config.classes == ("dark", "bright")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 10**6), st.integers(1, 2000))
def test_steps_are_the_fewest_whole_batches_that_show_all_images(images, batch):
    steps = GanTraining(images=images, batch=batch).steps
    assert (steps - 1) * batch < images <= steps * batch


@pytest.mark.parametrize(
    "change", [{"betas": (0.0, 1.0)}, {"ada_start": 1.1}, {"ada_target": 2}, {"r1_gamma": -1}, {"batch": 0}, {"x": 1}]
)
def test_a_recipe_without_meaning_is_refused(change):
    with pytest.raises(ValidationError):
        GanTraining(**change)


# learning


def test_the_samples_of_each_class_have_the_grey_of_their_class():
    """Two classes of constant grey levels, 60 and 190, plus noise of 10: after training the mean of each class's
    samples is within 20 of the real one, 0.15 of their distance."""
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    pixels = np.where(labels, 190, 60)[:, None, None, None] + rng.normal(0, 10, (200, 1, 8, 8))
    real = ImageSet(pixels.clip(0, 255).astype(np.uint8), labels, ("dark", "bright"))
    rates = {"generator_rate": 0.01, "discriminator_rate": 0.01}
    training = GanTraining(images=1600, batch=16, **rates, ema_half_life=200, r1_gamma=0.1, ada_images=20_000)
    generator = train_gan(real, NETWORK, JUDGE, training, 0)
    drawn = generate_gan(generator, np.arange(200) % 2, seed=1)
    for c, grey in enumerate((60, 190)):
        assert drawn.images[drawn.labels == c].mean() == pytest.approx(grey, abs=20)
