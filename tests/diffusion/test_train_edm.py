"""Training a denoiser: the loss falls, a run that was interrupted is the run that was not, the draws are EDM's."""

import json
import math

import numpy as np
import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from scipy import stats

from synthgap.base.errors import UserError
from synthgap.base.seeding import batch_positions, step_generator
from synthgap.data.imageset import ImageSet
from synthgap.diffusion.augment import LABELS
from synthgap.diffusion.edm import EDM, EDMConfig
from synthgap.diffusion.pixels import to_model
from synthgap.diffusion.schedule import p_mean_for, sigma_max_for
from synthgap.diffusion.train import DRAW, ORDER, DiffusionTraining, _Batch, _Loss, _optimise, _State, train_edm
from synthgap.diffusion.unet import SongUNet, UNetConfig
from synthgap.released.edm import load_edm

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
TOLD = CALM.model_copy(update={"augment_dim": LABELS})
FREE = CALM.model_copy(update={"label_dim": 0})
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

    def recording(self, images, labels, sigma, noise, augment=None):
        calls.append((images, labels, sigma, noise, torch.initial_seed()))
        return loss(self, images, labels, sigma, noise, augment)

    monkeypatch.setattr(EDM, "loss", recording)
    return calls


def watch_network(monkeypatch):
    """What the raw network answered and was told: (output, labels, augmentation labels)."""
    calls, forward = [], SongUNet.forward

    def recording(self, x, noise, labels, augment=None):
        out = forward(self, x, noise, labels, augment)
        calls.append((out, labels, augment))
        return out

    monkeypatch.setattr(SongUNet, "forward", recording)
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


def with_losses(*args, **options):
    """(the trained model, the mean loss of each step that this process reports)."""
    losses = []
    return train_edm(*args, **options, progress=lambda seen, total, loss: losses.append(loss)), losses


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


@pytest.mark.parametrize(
    ("network", "changes", "flips"),
    [
        (NETWORK, {}, ()),
        (CALM, {}, ("flip",)),
        (TOLD, {"augment": 0.5}, ()),
        (CALM, {"label_dropout": 0.4}, ()),
        (CALM, {"precision": "bf16"}, ()),
        (TOLD.model_copy(update={"dropout": 0.2}), {"augment": 0.5, "label_dropout": 0.4, "precision": "bf16"}, ()),
        (FREE, {}, ("flip",)),
    ],
    ids=["dropout", "flips", "augmentation", "label dropout", "bf16", "everything", "unconditional"],
)
def test_whatever_is_random_in_a_step_is_the_same_after_an_interruption(tmp_path, network, changes, flips):
    real, training, checkpoint = pictures(augment=flips), recipe(**changes), tmp_path / "c"
    with pytest.raises(Interruption):
        train_edm(real, network, training, 2, checkpoint=checkpoint, progress=interrupted_after(8))
    torch.manual_seed(99)
    seen = []
    resumed = train_edm(real, network, training, 2, checkpoint=checkpoint, progress=lambda *now: seen.append(now[0]))
    assert seen[0] == 56  # 48 images were seen at the checkpoint
    assert same(resumed, train_edm(real, network, training, 2))


def test_a_finished_run_can_be_made_longer(tmp_path):
    checkpoint = tmp_path / "c"
    train_edm(pictures(), NETWORK, recipe(images=48), 1, checkpoint=checkpoint)
    seen = []
    longer = train_edm(
        pictures(), NETWORK, RECIPE, 1, checkpoint=checkpoint, progress=lambda *now: seen.append(now[:2])
    )
    assert seen[0] == (56, 96)  # not from the start
    assert same(longer, train_edm(pictures(), NETWORK, RECIPE, 1))


def test_a_run_can_be_continued_with_another_distance_between_checkpoints(tmp_path):
    checkpoint = tmp_path / "c"
    with pytest.raises(Interruption):
        train_edm(pictures(), NETWORK, RECIPE, 1, checkpoint=checkpoint, progress=interrupted_after(5))
    often = recipe(checkpoint_images=8)
    assert same(
        train_edm(pictures(), NETWORK, often, 1, checkpoint=checkpoint), train_edm(pictures(), NETWORK, RECIPE, 1)
    )


def test_a_checkpoint_past_the_end_of_the_run_is_refused_and_one_at_its_end_is_the_answer(tmp_path):
    checkpoint = tmp_path / "c"
    train_edm(pictures(), NETWORK, RECIPE, 1, checkpoint=checkpoint)  # the last one is at 96 images
    with pytest.raises(UserError, match="has seen 96 images, more than the 64 asked for"):
        train_edm(pictures(), NETWORK, recipe(images=64), 1, checkpoint=checkpoint)
    at_its_end = recipe(images=96)
    assert same(
        train_edm(pictures(), NETWORK, at_its_end, 1, checkpoint=checkpoint),
        train_edm(pictures(), NETWORK, at_its_end, 1),
    )


@pytest.fixture(scope="module")
def checkpoint_of_a_run(tmp_path_factory):
    """The checkpoint at 32 images of (pictures, TOLD, RECIPE, seed 0)."""
    path = tmp_path_factory.mktemp("run") / "c"
    train_edm(pictures(), TOLD, recipe(images=32), 0, checkpoint=path)
    return path


OTHER_DATA = [
    pictures(11),
    pictures(augment=()),
    ImageSet(pictures().images ^ 1, pictures().labels, ("dark", "bright"), "pictures", ("flip",)),
    ImageSet(pictures().images, 1 - pictures().labels, ("dark", "bright"), "pictures", ("flip",)),
]
OTHER_RUNS = [
    *((real, TOLD, {}, 0) for real in OTHER_DATA),
    *(
        (pictures(), TOLD.model_copy(update=change), {}, 0)
        for change in ({"dropout": 0.1}, {"model_channels": 16}, {"label_dim": 0}, {"augment_dim": 0})
    ),
    *(
        (pictures(), TOLD, change, 0)
        for change in (
            {"batch": 16},
            {"learning_rate": 2e-3},
            {"ramp_images": 0},
            {"ema_half_life": 64},
            {"ema_ramp": 0.1},
            {"augment": 0.12},
            {"label_dropout": 0.1},
            {"precision": "bf16"},
        )
    ),
    (pictures(), TOLD, {}, 1),
]


@pytest.mark.parametrize(("real", "network", "changes", "seed"), OTHER_RUNS)
def test_a_checkpoint_of_another_run_is_refused_and_left_as_it_is(checkpoint_of_a_run, real, network, changes, seed):
    before = checkpoint_of_a_run.read_bytes()
    with pytest.raises(UserError, match="other data, sizes, recipe or seed"):
        train_edm(real, network, recipe(**changes), seed, checkpoint=checkpoint_of_a_run)
    assert checkpoint_of_a_run.read_bytes() == before


def test_the_name_of_the_data_is_not_part_of_a_run(checkpoint_of_a_run, tmp_path):
    copy = tmp_path / "c"
    copy.write_bytes(checkpoint_of_a_run.read_bytes())
    renamed = ImageSet(pictures().images, pictures().labels, ("dark", "bright"), "renamed", ("flip",))
    assert same(train_edm(renamed, TOLD, RECIPE, 0, checkpoint=copy), train_edm(pictures(), TOLD, RECIPE, 0))


@pytest.mark.parametrize("damage", ["empty", "truncated", "text", "folder", "images", "model", "other metadata"])
def test_a_damaged_or_foreign_file_is_no_checkpoint(checkpoint_of_a_run, tmp_path, damage):
    path, whole = tmp_path / "c", checkpoint_of_a_run.read_bytes()
    if damage == "empty":
        path.touch()
    elif damage == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "text":
        path.write_text("step 3\n" * 100)
    elif damage == "folder":
        path.mkdir()
    elif damage == "images":
        pictures().save(path)
    elif damage == "model":
        EDM(EDMConfig(network=TOLD)).save(path)
    else:
        save_file({"x": torch.zeros(1)}, path, {"meta": "[1]"})
    before = None if path.is_dir() else path.read_bytes()
    with pytest.raises(UserError, match=r"remove it"):
        train_edm(pictures(), TOLD, RECIPE, 0, checkpoint=path)
    assert before is None or path.read_bytes() == before


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
        assert torch.equal(labels, torch.eye(2)[torch.from_numpy(real.labels)[wanted]])
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


def ones_and_zeros(**changes):
    """A run whose average has weights of one, its network weights of zero."""
    state = _State(EDM(EDMConfig(network=CALM)), DiffusionTraining(**changes), "a run")
    for average, net in zip(state.ema.parameters(), state.net.parameters(), strict=True):
        torch.nn.init.ones_(average)
        torch.nn.init.zeros_(net)
    return state


def every_weight_is(value, model, rel):
    return all(p.flatten().tolist() == pytest.approx([value] * p.numel(), rel=rel) for p in model.parameters())


@pytest.mark.parametrize("batch", [100, 250, 1000])
def test_half_of_an_old_weight_is_left_after_the_half_life_for_any_batch(batch):
    state = ones_and_zeros(batch=batch, ema_half_life=1000, ema_ramp=1e9)
    for step in range(1000 // batch):
        state.average((step + 1) * batch)
    assert every_weight_is(0.5, state.ema, rel=1e-5)
    assert every_weight_is(0, state.net, rel=0)


def test_early_on_the_half_life_is_a_share_of_the_images_seen():
    recipe = {"batch": 100, "ema_half_life": 500_000, "ema_ramp": 0.05}
    state = ones_and_zeros(**recipe)
    state.average(2000)  # half-life 5% of 2,000 = one batch
    assert every_weight_is(0.5, state.ema, rel=1e-5)
    state.average(4000)  # two batches
    assert every_weight_is(0.5**1.5, state.ema, rel=1e-5)
    state = ones_and_zeros(**recipe)
    state.average(200_000_000)  # 5% would be 10 M; the final value holds
    assert every_weight_is(0.5 ** (100 / 500_000), state.ema, rel=1e-6)


def test_what_comes_back_is_the_moving_average_of_the_weights_after_each_step(monkeypatch):
    weights, step = [], torch.optim.Adam.step

    def recording(self, *args, **kwargs):
        out = step(self, *args, **kwargs)
        weights.append([p.detach().double().clone() for p in self.param_groups[0]["params"]])
        return out

    initial = train_edm(pictures(), CALM, recipe(images=8, learning_rate=1e-30), 0)
    monkeypatch.setattr(torch.optim.Adam, "step", recording)
    edm = train_edm(pictures(), CALM, recipe(ema_ramp=0.5), 0)
    average = [p.double() for p in initial.parameters()]
    for i, now in enumerate(weights):
        keep = 0.5 ** (8 / min(32, 0.5 * 8 * (i + 1)))
        average = [keep * a + (1 - keep) * w for a, w in zip(average, now, strict=True)]
    assert len(weights) == 12
    for got, wanted in zip(edm.parameters(), average, strict=True):
        assert torch.allclose(got.double(), wanted, rtol=1e-5, atol=1e-7)


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


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_an_error_and_keeps_the_checkpoint(tmp_path, monkeypatch, value):
    checkpoint = tmp_path / "c"
    with pytest.raises(Interruption):
        train_edm(pictures(), NETWORK, RECIPE, 0, checkpoint=checkpoint, progress=interrupted_after(4))
    before = checkpoint.read_bytes()
    seen, loss = [], EDM.loss
    with monkeypatch.context() as broken:
        broken.setattr(EDM, "loss", lambda *args: loss(*args) * (value if len(seen) == 2 else 1))
        with pytest.raises(FloatingPointError, match="at 40 images; lower the learning rate"):
            train_edm(pictures(), NETWORK, RECIPE, 0, checkpoint=checkpoint, progress=lambda *now: seen.append(now[0]))
    assert seen == [32, 40]
    assert checkpoint.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c"]
    assert same(
        train_edm(pictures(), NETWORK, RECIPE, 0, checkpoint=checkpoint),
        train_edm(pictures(), NETWORK, RECIPE, 0),
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.integers(1, 10**6), st.integers(1, 2000))
def test_steps_are_the_fewest_whole_batches_that_show_all_images(images, batch):
    steps = DiffusionTraining(images=images, batch=batch).steps
    assert (steps - 1) * batch < images <= steps * batch


def test_a_learning_rate_that_is_too_high_is_an_error_and_writes_nothing(tmp_path):
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        train_edm(pictures(), NETWORK, recipe(learning_rate=1e30, ramp_images=0), 0, checkpoint=tmp_path / "c")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kept", [True, False])
def test_on_checkpoint_gets_the_average_and_the_images_it_has_seen(tmp_path, kept):
    checkpoint, calls = tmp_path / "c", []

    def on_checkpoint(edm, seen):
        assert checkpoint.exists() == kept  # what is reported is safe already
        calls.append((seen, edm.training, {k: v.clone() for k, v in edm.state_dict().items()}))
        torch.rand(5)  # what it draws is its own affair

    whole = train_edm(
        pictures(), NETWORK, RECIPE, 0, checkpoint=checkpoint if kept else None, on_checkpoint=on_checkpoint
    )
    assert [(seen, training) for seen, training, _ in calls] == [(24, False), (48, False), (72, False)]
    for seen, _, weights in calls:
        short = train_edm(pictures(), NETWORK, recipe(images=seen), 0)
        assert all(torch.equal(v, weights[k]) for k, v in short.state_dict().items())
    assert same(whole, train_edm(pictures(), NETWORK, RECIPE, 0))


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
        (pictures(), NETWORK.model_copy(update={"label_dim": 1}), "in 2 classes, .* in 1"),
        (pictures(0), NETWORK, "empty"),
    ],
)
def test_images_that_do_not_fit_the_network_are_refused_by_name(real, network, reason):
    with pytest.raises(UserError, match=reason):
        train_edm(real, network, RECIPE, 0)


@pytest.mark.parametrize(
    ("network", "changes", "seed", "reason"),
    [
        (NETWORK, {"augment": 0.12}, 0, "set augment_dim = 9"),
        (NETWORK.model_copy(update={"augment_dim": 8}), {"augment": 0.12}, 0, "takes 8; set augment_dim = 9"),
        (NETWORK, {"precision": "fp16"}, 0, "fp16 training needs a GPU"),
        (NETWORK, {}, -1, "seed is -1"),
    ],
)
def test_a_recipe_that_can_not_be_followed_is_refused_by_name(network, changes, seed, reason):
    with pytest.raises(UserError, match=reason):
        train_edm(pictures(), network, recipe(**changes), seed)


@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_the_class_is_withheld_from_the_share_of_images_that_was_asked_for(monkeypatch, share):
    real, calls = pictures(), watch(monkeypatch)
    told = watch_network(monkeypatch)
    train_edm(real, CALM, recipe(images=4000, batch=1000, label_dropout=share), 0)
    withheld, classes = [], []
    for step, (_, labels, *_) in enumerate(calls):
        wanted = torch.from_numpy(real.labels)[torch.from_numpy(batch_positions(10, 1000, 0, ORDER, step))]
        zero = (labels == 0).all(1)
        assert torch.equal(labels[~zero], torch.eye(2)[wanted[~zero]])
        assert torch.equal(told[step][1], labels)  # reaches the network
        withheld.append(zero)
        classes.append(wanted)
    withheld, classes = torch.cat(withheld), torch.cat(classes)
    for chosen in (withheld, withheld[classes == 0], withheld[classes == 1]):  # whatever the class
        assert abs(chosen.double().mean() - share) <= 4 * math.sqrt(share * (1 - share) / len(chosen))


@pytest.mark.parametrize("allowed", [True, False])
def test_the_network_is_told_of_every_flip_and_nothing_is_flipped_twice(monkeypatch, allowed):
    real = pictures(augment=("flip",) if allowed else ())
    clean = torch.from_numpy(to_model(real.images)).float()
    calls, told = watch(monkeypatch), watch_network(monkeypatch)
    train_edm(real, TOLD, recipe(images=400, batch=200, augment=1e-9), 0)  # the x-flip is a coin, all else is rare
    mirrored = []
    for step, (images, *_) in enumerate(calls):
        done = told[step][2]
        assert done.shape == (200, 9)
        assert not done[:, 1:].any()
        wanted = clean[torch.from_numpy(batch_positions(10, 200, 0, ORDER, step))]
        assert torch.equal(images, torch.where(done[:, 0, None, None, None] == 1, wanted.flip(3), wanted))
        mirrored.append(done[:, 0])
    assert abs(torch.cat(mirrored).mean() - 0.5) < 4 * 0.5 / math.sqrt(400)


def test_augmentations_are_as_frequent_as_asked_for_and_the_network_learns_from_what_it_is_told(monkeypatch):
    new = train_edm(pictures(), TOLD, recipe(images=8, learning_rate=1e-30), 0)
    told = watch_network(monkeypatch)
    edm = train_edm(pictures(), TOLD, recipe(images=2000, batch=500, augment=0.3), 0)
    done = torch.cat([augment for *_, augment in told])
    assert done.shape == (2000, 9)
    for columns in ([1], [2], [3, 4], [5, 6], [7, 8]):  # y-flip, scale, rotation, anisotropy, translation
        assert abs((done[:, columns] != 0).any(1).double().mean() - 0.3) < 4 * math.sqrt(0.3 * 0.7 / 2000)
    assert (edm.model.map_augment.weight != new.model.map_augment.weight).any(0).all()


def test_an_unconditional_network_is_trained_without_labels(monkeypatch):
    told = watch_network(monkeypatch)
    edm = train_edm(pictures(), FREE, recipe(label_dropout=0.5), 0)
    assert all(labels is None and augment is None for _, labels, augment in told)
    assert edm.config.classes == ()
    assert edm(torch.zeros(3, 1, 4, 4), torch.ones(3)).shape == (3, 1, 4, 4)


def test_a_class_conditional_model_knows_the_names_of_its_classes():
    assert train_edm(pictures(), CALM, recipe(images=8), 0).config.classes == ("dark", "bright")


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_the_precision_is_that_of_the_network_and_not_of_its_weights(monkeypatch, precision, dtype):
    told = watch_network(monkeypatch)
    edm = train_edm(pictures(), CALM, recipe(precision=precision), 0)
    assert {out.dtype for out, *_ in told} == {dtype}
    assert {p.dtype for p in edm.parameters()} == {torch.float32}
    assert all(torch.isfinite(p).all() for p in edm.parameters())


def test_bf16_changes_the_losses_by_its_rounding_only():
    _, whole = with_losses(pictures(), CALM, RECIPE, 0)
    _, half = with_losses(pictures(), CALM, recipe(precision="bf16"), 0)
    assert half != whole
    assert half == pytest.approx(whole, rel=0.01)  # bf16 has 8 bits of mantissa


def test_training_halves_the_loss_of_the_vp_preconditioning_too():
    real, training = pictures(), recipe(images=1600, batch=16, learning_rate=5e-3)
    images, labels = torch.from_numpy(to_model(real.images)).float(), torch.from_numpy(real.labels)
    config = EDMConfig(network=CALM, preconditioning="vp")
    torch.manual_seed(0)
    state = _State(EDM(config).train(), training, "vp")
    loss_of = _Loss(state.net)
    test = _Batch.draw(config, recipe(batch=500), images, labels, True, 1, 0)
    with torch.no_grad():
        new = float(loss_of(test))
    for step in range(training.steps):
        batch = _Batch.draw(config, training, images, labels, True, 0, step)
        _optimise(state, loss_of, batch, 0, step, 0, 1)
        state.average((step + 1) * training.batch)
    assert new == pytest.approx(1, abs=0.1)  # F starts at 0 and its target is the noise itself
    assert float(_Loss(state.ema)(test)) < 0.5 * new


@pytest.mark.parametrize("world", [1, 2, 4])
def test_the_slices_of_the_processes_are_the_batch(world):
    real, training = pictures(), recipe(augment=0.5, label_dropout=0.4)
    images, labels = torch.from_numpy(to_model(real.images)).float(), torch.from_numpy(real.labels)
    whole = _Batch.draw(EDMConfig(network=TOLD), training, images, labels, False, 0, 3)
    parts = [whole.part(rank, world) for rank in range(world)]
    for name, value in vars(whole).items():
        slices = [getattr(part, name) for part in parts]
        assert all(len(piece) == 8 // world for piece in slices)
        assert torch.equal(torch.cat(slices), value)


SHARED = {
    "plain": (CALM, recipe(images=48)),
    "augmented": (TOLD, recipe(images=48, augment=0.5, label_dropout=0.4)),
    "untold": (TOLD, recipe(images=48)),  # a layer that gets no gradient
}


def one_of_two(rank, folder):
    """A process of two that train together."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'rendezvous'}", rank=rank, world_size=2)
    try:
        report = {"losses": {}, "checkpoints": {}}
        for name, (network, training) in SHARED.items():
            checkpoints = []
            edm, losses = with_losses(
                pictures(),
                network,
                training,
                0,
                checkpoint=folder / f"{name} {rank}",
                on_checkpoint=lambda edm, seen, checkpoints=checkpoints: checkpoints.append(seen),
            )
            edm.save(folder / f"{name} weights {rank}")
            report["losses"][name], report["checkpoints"][name] = losses, checkpoints
        try:
            train_edm(pictures(), CALM, recipe(batch=9), 0)
        except UserError as error:
            report["refused"] = str(error)
        (folder / f"report {rank}").write_text(json.dumps(report))
    finally:
        dist.destroy_process_group()


def test_two_processes_train_what_one_trains(tmp_path):
    torch.multiprocessing.start_processes(one_of_two, args=(tmp_path,), nprocs=2, start_method="fork")  # no imports
    first, second = (json.loads((tmp_path / f"report {rank}").read_text()) for rank in (0, 1))
    for name, (network, training) in SHARED.items():
        alone, losses = with_losses(pictures(), network, training, 0)
        edm, other = (load_edm(tmp_path / f"{name} weights {rank}") for rank in (0, 1))
        assert same(edm, other)
        assert first["losses"][name] == pytest.approx(losses, rel=1e-6)
        for weight, wanted in zip(edm.parameters(), alone.parameters(), strict=True):
            assert torch.allclose(weight, wanted, rtol=0, atol=1e-5)
        assert first["checkpoints"][name] == [24]
        assert second["losses"][name] == second["checkpoints"][name] == []  # only the first reports
        assert (tmp_path / f"{name} 0").exists()
        assert not (tmp_path / f"{name} 1").exists()  # and writes
    for report in (first, second):
        assert "a batch of 9 can't be shared by 2 processes" in report["refused"]


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
        "augment": 0.0,
        "label_dropout": 0.0,
        "precision": "fp32",
    }
