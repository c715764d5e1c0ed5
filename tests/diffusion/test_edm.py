"""The preconditioned denoiser: Table 1 of Karras et al. 2022, labels, and a file format that runs nothing."""

import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy import stats
from scipy.optimize import brentq
from torch import nn

from synthgap.base.errors import UserError
from synthgap.base.weights import read_weights, write_weights
from synthgap.diffusion.edm import EDM, EDMConfig
from synthgap.diffusion.schedule import p_mean_for, sigma_max_for, vp_sigma, vp_time
from synthgap.diffusion.unet import UNetConfig
from synthgap.released.edm import load_edm

NETWORK = UNetConfig(
    height=4, width=6, channels=1, label_dim=3, model_channels=8, channel_mult=(1,), num_blocks=1, dropout=0.0
)
SIGMAS = [0.002, 0.05, 0.5, 1.0, 7.0, 80.0]


class Recorder(nn.Module):
    """A raw network that answers with a function of its input and remembers what it was asked."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x, noise, labels, augment=None):
        self.x, self.noise, self.labels = x, noise, labels
        return self.answer(x)


def build(sigma_data=0.5, raw=None, preconditioning="edm", **network):
    torch.manual_seed(0)
    network = NETWORK.model_copy(update=network)
    edm = EDM(EDMConfig(network=network, sigma_data=sigma_data, preconditioning=preconditioning)).eval()
    if raw is not None:
        edm.model = Recorder(raw)
    return edm


def trained_looking(edm):
    torch.manual_seed(1)
    for p in edm.parameters():
        nn.init.normal_(p, 0, 0.3)
    return edm


def images(batch=3, shape=(1, 4, 6)):
    return torch.randn(batch, *shape, generator=torch.Generator().manual_seed(3))


LABELS = torch.tensor([0, 2, 1])


@pytest.mark.parametrize("sigma_data", [0.5, 0.75])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_coefficients_are_those_of_table_1(sigma, sigma_data):
    s, sd = float(np.float32(sigma)), sigma_data
    x = images()
    level = torch.full((3,), sigma)
    skip = build(sd, torch.zeros_like)(x, level, LABELS).double()
    assert torch.allclose(skip, x.double() * sd**2 / (s**2 + sd**2), rtol=1e-5, atol=0)
    out = build(sd, torch.ones_like)(torch.zeros_like(x), level, LABELS).double()
    assert torch.allclose(out, torch.full_like(out, s * sd / np.sqrt(s**2 + sd**2)), rtol=1e-5, atol=0)
    edm = build(sd, torch.zeros_like)
    edm(x, level, LABELS)
    assert torch.allclose(edm.model.x.double(), x.double() / np.sqrt(s**2 + sd**2), rtol=1e-5, atol=0)
    assert torch.allclose(edm.model.noise.double(), torch.tensor(np.log(s) / 4), atol=1e-6)


@pytest.mark.parametrize("sigma", [0.02, 0.5, 1.0, 7.0, 80.0, 150.0])
def test_vp_coefficients_are_those_of_table_1(sigma):
    time = brentq(lambda t: np.sqrt(np.exp(0.5 * 19.9 * t**2 + 0.1 * t) - 1) - sigma, 0, 1)
    c_skip, c_out, c_in, c_noise = build(preconditioning="vp").coefficients(torch.tensor([sigma]))
    assert (c_skip.item(), c_out.item()) == (1, pytest.approx(-sigma))
    assert c_in.item() == pytest.approx(1 / np.sqrt(sigma**2 + 1))
    assert c_noise.item() == pytest.approx(999 * time, rel=1e-4)


@pytest.mark.parametrize("sigma_data", [0.5, 2.0])
def test_with_vp_preconditioning_the_network_predicts_the_noise_whatever_sigma_data(sigma_data):
    x, sigma = images(), torch.tensor([0.05, 1.0, 20.0])
    edm = build(sigma_data, lambda x: 0.3 * x + 0.2, preconditioning="vp")
    got, each = edm(x, sigma, LABELS), sigma[:, None, None, None]
    assert torch.allclose(got, x - each * (0.3 * x / (each**2 + 1).sqrt() + 0.2), rtol=1e-5, atol=1e-5)
    assert torch.allclose(vp_sigma(edm.model.noise / 999), sigma, rtol=1e-4)
    # an ε_θ that knows the noise gives the clean image
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(5))
    edm.model = Recorder(lambda _: noise)
    assert torch.allclose(edm(x + each * noise, sigma, LABELS), x, atol=1e-4)


def test_the_vp_loss_is_ddpms_error_of_the_noise():
    # λ = 1/σ²: λ·(D − y)² = (F − n)², the simple loss of Ho et al. 2020
    sigma, clean = torch.tensor([0.05, 1.0, 20.0]), images() * 0.5
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(5))
    edm = build(raw=lambda x: 0.3 * x + 0.2, preconditioning="vp")
    got = edm.loss(clean, LABELS, sigma, noise)
    wanted = (0.3 * edm.model.x + 0.2 - noise).square().mean((1, 2, 3))
    assert torch.allclose(got, wanted, rtol=1e-3)
    assert torch.allclose(edm.loss_weight(sigma), 1 / sigma**2)


@pytest.mark.parametrize("preconditioning", ["edm", "vp"])
def test_augmentation_labels_reach_the_network(preconditioning):
    edm = trained_looking(build(preconditioning=preconditioning, augment_dim=9))
    x = images()
    with torch.no_grad():
        plain = edm(x, 0.7, LABELS)
        assert torch.equal(plain, edm(x, 0.7, LABELS, torch.zeros(3, 9)))
        told = edm(x, 0.7, LABELS, torch.ones(3, 9) * torch.tensor([0.0, 1.0, 0.0])[:, None])
    assert torch.allclose(told[[0, 2]], plain[[0, 2]], atol=1e-5)
    assert not torch.allclose(told[1], plain[1], atol=1e-3)


def test_edms_training_levels_are_log_normal():
    config = EDMConfig(network=NETWORK, p_mean=-0.7, p_std=1.5)
    sigma = config.training_sigma(torch.Generator().manual_seed(0), 4000)
    assert sigma.dtype == torch.float32
    assert stats.kstest(sigma.log().numpy(), "norm", (-0.7, 1.5)).pvalue > 0.001


def test_vps_training_levels_have_uniform_times():
    config = EDMConfig(network=NETWORK, preconditioning="vp")
    sigma = config.training_sigma(torch.Generator().manual_seed(0), 4000)
    assert sigma.dtype == torch.float32
    assert sigma.min() > 0
    assert stats.kstest(vp_time(sigma.double()).numpy(), "uniform", (1e-5, 1 - 1e-5)).pvalue > 0.001


@pytest.mark.parametrize("preconditioning", ["edm", "vp"])
def test_training_levels_are_those_of_their_generator(preconditioning):
    config = EDMConfig(network=NETWORK, preconditioning=preconditioning)
    first, again, other = (config.training_sigma(torch.Generator().manual_seed(s), 5) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("sigma_data", [0.5, 0.75])
@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_network_sees_inputs_of_variance_one_at_every_level(sigma, sigma_data):
    rng = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 1000, 1, 4, 6, generator=rng)
    edm = build(sigma_data, torch.zeros_like)
    edm(sigma_data * clean + sigma * noise, sigma, torch.zeros(1000, dtype=torch.long))
    assert float(edm.model.x.var()) == pytest.approx(1, abs=5 * np.sqrt(2 / clean.numel()))


@pytest.mark.parametrize("sigma", SIGMAS)
def test_the_training_target_of_the_network_has_variance_one_at_every_level(sigma):
    # the loss in terms of F: λ·c_out² = 1, target (y − c_skip·(y + σn)) / c_out (Karras et al. 2022, Eq. 8)
    rng = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 1000, 1, 4, 6, generator=rng)
    edm = build(0.5, torch.zeros_like)
    level = torch.full((1000,), sigma)
    loss = edm.loss(0.5 * clean, torch.zeros(1000, dtype=torch.long), level, noise)
    assert float(loss.mean()) == pytest.approx(1, abs=5 * np.sqrt(2 / clean.numel()))


def test_a_new_denoiser_answers_c_skip_times_x():
    x, sigma = images(), torch.tensor([0.01, 0.5, 40.0])
    with torch.no_grad():
        out = build()(x, sigma, LABELS)
    skip = 0.25 / (sigma**2 + 0.25)
    assert torch.allclose(out, skip[:, None, None, None] * x, atol=1e-3)


@pytest.mark.parametrize("preconditioning", ["edm", "vp"])
def test_a_clean_image_comes_back_as_it_is_and_so_does_its_gradient(preconditioning):
    edm = trained_looking(build(preconditioning=preconditioning))
    x = images().requires_grad_()
    sigma = torch.tensor([0.0, 1.0, 0.0])
    out = edm(x, sigma, LABELS)
    assert torch.equal(out[[0, 2]], x[[0, 2]])
    assert not torch.equal(out[1], x[1])
    out.sum().backward()
    assert torch.equal(x.grad[[0, 2]], torch.ones(2, 1, 4, 6))
    assert all(torch.isfinite(p.grad).all() for p in edm.parameters() if p.grad is not None)


@pytest.mark.parametrize("preconditioning", ["edm", "vp"])
def test_the_identity_is_the_limit_of_small_levels(preconditioning):
    edm, x = trained_looking(build(preconditioning=preconditioning)), images()
    with torch.no_grad():
        assert torch.allclose(edm(x, 1e-6, LABELS), x, atol=1e-4)


@pytest.mark.parametrize("sigma", [float("nan"), -1.0])
@pytest.mark.parametrize("preconditioning", ["edm", "vp"])
def test_a_level_that_is_none_gives_nan_and_not_a_clean_image(sigma, preconditioning):
    assert trained_looking(build(preconditioning=preconditioning))(images(), sigma, LABELS).isnan().all()


def test_one_level_stands_for_the_whole_batch():
    edm, x = trained_looking(build()), images()
    with torch.no_grad():
        each = edm(x, torch.full((3,), 0.7), LABELS)
        assert torch.equal(edm(x, 0.7, LABELS), each)
        assert torch.equal(edm(x, torch.tensor([0.7]), LABELS), each)


def test_the_answer_is_float32_whatever_comes_in():
    edm, x = trained_looking(build()), images()
    with torch.no_grad():
        wanted = edm(x, 0.7, LABELS)
        for dtype in (torch.float64, torch.bfloat16):
            assert edm(x.to(dtype), torch.tensor(0.7, dtype=dtype), LABELS).dtype == torch.float32
        assert torch.equal(edm(x.double(), torch.tensor(0.7).double(), LABELS), wanted)
        with torch.autocast("cpu", torch.bfloat16):
            rough = edm(x, 0.7, LABELS)
    assert rough.dtype == torch.float32
    assert torch.allclose(rough, wanted, atol=0.1)


@pytest.mark.parametrize("preconditioning", ["ve", "EDM", None])
def test_an_unknown_preconditioning_is_refused(preconditioning):
    with pytest.raises(ValueError, match="preconditioning"):
        EDMConfig(network=NETWORK, preconditioning=preconditioning)


@pytest.mark.parametrize("classes", [3, 5])
def test_integer_and_one_hot_labels_agree_also_when_the_batch_has_as_many_images_as_classes(classes):
    edm, x = trained_looking(build(label_dim=classes)), images()
    with torch.no_grad():
        by_number = edm(x, 0.7, LABELS)
        assert torch.equal(by_number, edm(x, 0.7, nn.functional.one_hot(LABELS, classes).float()))
        assert not torch.allclose(by_number, edm(x, 0.7, LABELS.roll(1)), atol=1e-3)


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        (None, "class-conditional"),
        (torch.tensor([0, 1, 3]), "labels run from 0 to 3"),
        (torch.tensor([0, -1, 2]), "labels run from -1 to 2"),
        (torch.tensor([0, 1]), "for 3 images"),
        (torch.tensor([0, 1, 2, 0]), "for 3 images"),
        (torch.tensor(1), "for 3 images"),
        (torch.tensor([0.0, 1.0, 2.0]), "float32"),
        (torch.eye(3)[:2], "for 3 images"),
        (torch.zeros(3, 4), "for 3 images"),
        (torch.eye(3, dtype=torch.long), "give 3 int64 numbers"),
        (torch.tensor([0, 1, 2], dtype=torch.int32), "int32"),
        (torch.tensor([True, False, True]), "bool"),
    ],
)
def test_labels_of_another_form_are_refused_by_name(labels, reason):
    with pytest.raises(UserError, match=reason):
        build()(images(), 0.7, labels)


def test_an_unconditional_denoiser_takes_no_labels():
    edm = build(label_dim=0)
    assert edm(images(), 0.7).shape == (3, 1, 4, 6)
    with pytest.raises(UserError, match="unconditional"):
        edm(images(), 0.7, LABELS)


def test_the_loss_is_the_weighted_squared_error_of_eq_2():
    sd, sigma = 0.75, torch.tensor([0.1, 1.0, 9.0])
    clean = images() * 0.5
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(5))
    got = build(sd, lambda x: 0.3 * x + 0.2).loss(clean, LABELS, sigma, noise)
    y, n = clean.double().numpy(), noise.double().numpy()
    for i, s in enumerate(sigma.double().numpy()):
        x = y[i] + s * n[i]
        raw = 0.3 * x / np.sqrt(s**2 + sd**2) + 0.2
        denoised = sd**2 / (s**2 + sd**2) * x + s * sd / np.sqrt(s**2 + sd**2) * raw
        wanted = (s**2 + sd**2) / (s * sd) ** 2 * np.mean((denoised - y[i]) ** 2)
        assert float(got[i]) == pytest.approx(wanted, rel=1e-5)


def test_a_perfect_denoiser_has_no_loss():
    edm = build()
    clean = images()
    edm.forward = lambda x, sigma, labels, augment: clean
    loss = edm.loss(clean, LABELS, torch.tensor([0.1, 1.0, 9.0]), torch.ones_like(clean))
    assert not loss.any()


def test_noise_levels_follow_the_image_size():
    config = EDMConfig.for_images(NETWORK, 0.6)
    assert config.sigma_max == sigma_max_for(4, 6)
    assert config.p_mean == p_mean_for(4, 6)
    assert config.sigma_data == 0.6
    assert EDMConfig(network=NETWORK).model_dump(exclude={"network"}) == {
        "preconditioning": "edm",
        "vp": {"beta_d": 19.9, "beta_min": 0.1, "steps": 1000, "epsilon_t": 1e-5},
        "sigma_data": 0.5,
        "sigma_min": 0.002,
        "sigma_max": 80.0,
        "rho": 7.0,
        "p_mean": -1.2,
        "p_std": 1.2,
        "classes": (),
    }


def test_a_denoiser_may_know_the_names_of_its_classes():
    assert EDMConfig.for_images(NETWORK, 0.6, classes=("cat", "dog", "eel")).classes == ("cat", "dog", "eel")


def test_state_is_named_as_in_the_released_checkpoints():
    edm = build()
    assert {k.split(".")[0] for k in edm.state_dict()} == {"model"}
    assert edm.image_shape == (1, 4, 6)
    assert edm.device == torch.device("cpu")


@pytest.mark.parametrize("architecture", ["ddpm++", "ncsn++", "adm"])
@pytest.mark.parametrize("preconditioning", ["edm", "vp"])
def test_a_saved_denoiser_comes_back_bit_for_bit(tmp_path, preconditioning, architecture):
    choice = {"preconditioning": preconditioning, "architecture": architecture}
    edm = trained_looking(build(sigma_data=1 / 3, **choice)).train()
    loaded = load_edm(edm.save(tmp_path / "new folder" / "edm.safetensors", {"seed": 3}))
    assert loaded.config == edm.config
    assert loaded.state_dict().keys() == edm.state_dict().keys()
    assert all(torch.equal(v, edm.state_dict()[k]) for k, v in loaded.state_dict().items())
    assert not loaded.training
    with torch.no_grad():
        assert torch.equal(loaded(images(), 0.7, LABELS), edm.eval()(images(), 0.7, LABELS))


def test_saving_replaces_the_file_and_leaves_nothing_else(tmp_path):
    for seed in (0, 1):
        torch.manual_seed(seed)
        edm = EDM(EDMConfig(network=NETWORK))
        path = edm.save(tmp_path / "edm.safetensors", {"seed": seed})
    assert [p.name for p in tmp_path.iterdir()] == ["edm.safetensors"]
    assert read_weights(path)[1]["provenance"] == {"seed": 1}
    key = "model.map_label.weight"
    assert torch.equal(load_edm(path).state_dict()[key], edm.state_dict()[key])


@pytest.mark.parametrize("share", [0.0, 1e-4, 0.1, 0.5, 0.999])
def test_a_truncated_file_is_refused_by_name(tmp_path, share):
    path = build().save(tmp_path / "edm.safetensors")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=r"edm\.safetensors is not a diffusion model"):
        load_edm(path)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    for path, what in ((tmp_path, "is a folder"), (tmp_path / "none.safetensors", "is not there")):
        with pytest.raises(UserError, match=f"{path.name} {what}; name a model's file"):
            load_edm(path)


@pytest.mark.parametrize("meta", [None, {"a": "b"}, {"config": "{"}, {"config": '{"network": {"depth": 3}}'}])
def test_tensors_without_the_configuration_of_a_denoiser_are_refused(tmp_path, meta):
    save_file({"a": torch.zeros(3)}, tmp_path / "foreign", meta)
    if meta is not None:
        write_weights(tmp_path / "foreign", {"a": torch.zeros(3)}, meta)
    with pytest.raises(UserError, match="is not a diffusion model"):
        load_edm(tmp_path / "foreign")


def test_weights_that_do_not_fit_the_configuration_are_refused(tmp_path):
    edm = build()
    path = edm.save(tmp_path / "edm.safetensors")
    tensors = load_file(path)
    meta = edm.to_arrays()[1]
    wrong_shape = tensors | {"model.map_label.bias": torch.zeros(3)}
    missing = {k: v for k, v in tensors.items() if k != "model.map_label.bias"}
    for i, changed in enumerate((wrong_shape, missing, tensors | {"model.more": torch.zeros(1)})):
        write_weights(tmp_path / str(i), changed, meta)
        with pytest.raises(UserError, match="is not a diffusion model"):
            load_edm(tmp_path / str(i))


class Bomb:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return open, (self.target, "w")


def test_a_pickle_is_refused_and_never_run(tmp_path):
    target = tmp_path / "run"
    plain, zipped = tmp_path / "net.pkl", tmp_path / "net.pt"
    plain.write_bytes(pickle.dumps({"ema": Bomb(str(target))}))
    torch.save({"ema": Bomb(str(target))}, zipped)
    for path, reason in ((plain, "open, which no released checkpoint needs"), (zipped, "is not a diffusion model")):
        with pytest.raises(UserError, match=reason):
            load_edm(path)
    assert not target.exists()
