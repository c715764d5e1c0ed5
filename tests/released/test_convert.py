"""From a released pickle to a model of ours: every tensor, the configuration and what the model computes."""

import sys

import numpy as np
import pytest
import torch
from cases import command, refusal
from PIL import Image
from released_pickle import KINDS, network, random_edm, states, written

from synthgap.base.weights import read_weights
from synthgap.cli import commands as cli
from synthgap.released.edm import load_edm


def equal(model, other):
    state, wanted = model.state_dict(), other.state_dict()
    return state.keys() == wanted.keys() and all(
        torch.equal(v, wanted[k]) and v.dtype == wanted[k].dtype for k, v in state.items()
    )


def denoised(edm):
    rng = torch.Generator().manual_seed(0)
    x = torch.randn((3, *edm.image_shape), generator=rng)
    labels = torch.tensor([0, 1, 2]) if edm.config.network.label_dim else None
    with torch.no_grad():
        return edm(x, torch.tensor([0.01, 1.0, 30.0]), labels)


def small(**sizes):
    return random_edm(channel_mult=(1,), attn_resolutions=(), **sizes)


def refused(path):
    message = refusal(load_edm, path)
    assert message.startswith(str(path))
    return message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("label_dim", [0, 3])
def test_a_network_of_each_kind_is_recovered_bit_for_bit(tmp_path, kind, label_dim):
    edm = random_edm(kind, label_dim, channels=3)
    loaded = load_edm(written(tmp_path / "released.pkl", network(edm)))
    assert loaded.config == edm.config
    assert equal(loaded, edm)
    assert torch.equal(denoised(loaded), denoised(edm))
    assert not loaded.training
    assert not any(v.requires_grad for v in loaded.parameters())
    again = load_edm(loaded.save(tmp_path / "ours.safetensors"))
    assert again.config == edm.config
    assert equal(again, edm)


def test_augmentation_labels_several_blocks_and_sides_are_recovered(tmp_path):
    edm = random_edm(height=16, width=16, num_blocks=2, augment_dim=9, channel_mult=(1, 1, 2), attn_resolutions=(8, 4))
    loaded = load_edm(written(tmp_path / "a.pkl", network(edm)))
    assert loaded.config == edm.config
    assert equal(loaded, edm)


@pytest.mark.parametrize("given", [{}, {"beta_d": 10.0, "beta_min": 0.2}, {"beta_d": 12, "M": 500, "epsilon_t": 1e-3}])
def test_a_released_vp_model_keeps_to_the_noise_of_its_file(tmp_path, given):
    # σ² = exp(½β_d t² + β_min t) − 1 (Karras et al. 2022, Table 1); its D is a row of book/reliability.md
    edm = load_edm(written(tmp_path / "a.pkl", network(small(), "VPPrecond", sigma_data=None, **given)))
    told = {"beta_d": 19.9, "beta_min": 0.1, "epsilon_t": 1e-5} | given
    least, most = (
        np.sqrt(np.expm1(0.5 * told["beta_d"] * t**2 + told["beta_min"] * t)) for t in (told["epsilon_t"], 1)
    )
    assert edm.config.preconditioning == "vp"
    assert edm.config.sigma_max == pytest.approx(min(80, most))
    assert edm.config.sigma_min == pytest.approx(max(0.002, least))
    drawn = edm.config.training_sigma(torch.Generator().manual_seed(0), 2000)
    assert least * 0.99 <= drawn.min() <= drawn.max() <= most * 1.01
    assert load_edm(edm.save(tmp_path / "a.safetensors")).config == edm.config


def test_each_preconditioning_assumes_the_network_that_its_release_does(tmp_path):
    edm = small()
    path = written(tmp_path / "a.pkl", network(edm, "VPPrecond", sigma_data=None, model_type=None))
    assert equal(load_edm(path), edm)


@pytest.mark.parametrize("name", ["C_1", "in_channels", "x" * 300])
def test_an_argument_that_the_constructor_does_not_have_is_refused_by_name(tmp_path, name):
    message = refused(written(tmp_path / "a.pkl", network(small(), **{name: 1.0})))
    assert f"EDMPrecond has an argument '{name[:80]}" in message
    assert len(message) < 400


def test_the_networks_own_record_must_agree(tmp_path):
    ema, agreeing = network(small()), {"in_channels": 1, "out_channels": 1, "num_blocks": 1, "label_dropout": 0}
    inner = ema.meta["state"]["_modules"]["model"].meta["state"]
    inner["_init_kwargs"] = agreeing
    load_edm(written(tmp_path / "a.pkl", ema))
    for given, says in (
        ({"out_channels": 2}, "out_channels = 2, but the object that holds it 1"),
        ({"fused": 1}, "'fused'"),
    ):
        inner["_init_kwargs"] = agreeing | given
        assert says in refused(written(tmp_path / "a.pkl", ema))


def test_half_precision_weights_are_widened_and_the_global_random_state_is_left(tmp_path):
    edm = random_edm("adm", 3)
    before = torch.get_rng_state()
    loaded = load_edm(written(tmp_path / "a.pkl", network(edm, half=True)))
    assert all(v.dtype == torch.float32 for v in loaded.state_dict().values())
    assert equal(loaded, edm.half().float())
    assert torch.equal(before, torch.get_rng_state())


def test_what_the_file_leaves_out_is_what_the_release_assumes(tmp_path):
    edm = random_edm(dropout=0.1, num_blocks=4, channel_mult=(1, 2, 2, 2), attn_resolutions=(16,), height=16, width=16)
    told = {"img_resolution": 16, "img_channels": 1, "model_channels": 8, "sigma_data": 0.75, "model_type": "SongUNet"}
    ema = network(edm)
    ema.meta["state"]["_init_kwargs"] = told
    loaded = load_edm(written(tmp_path / "a.pkl", ema))
    assert loaded.config == edm.config
    assert equal(loaded, edm)


# networks that are something else


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model_type": "UNet"}, "network of type 'UNet'"),
        ({"model_type": None}, "an argument 'channel_mult_noise'"),  # the release's default is ADM
        ({"model_type": ["SongUNet"]}, "network of type ['SongUNet']"),
        ({"embedding_type": "fourier"}, "neither DDPM++ nor NCSN++"),
        ({"encoder_type": ["standard"]}, "neither DDPM++ nor NCSN++"),
        ({"resample_filter": 3}, "neither DDPM++ nor NCSN++"),
        ({"img_resolution": None}, "lacks the argument 'img_resolution'"),
        ({"img_resolution": float("inf")}, "img_resolution"),
        ({"img_resolution": 16}, "does not fit"),
        ({"img_channels": 3}, "does not fit"),
        ({"img_channels": 10**40}, "img_channels"),
        ({"label_dim": 7}, "does not fit"),
        ({"augment_dim": 9}, "does not fit"),
        ({"model_channels": 16}, "does not fit"),
        ({"model_channels": 7}, "model_channels"),
        ({"num_blocks": 2}, "does not fit"),
        ({"num_blocks": 10**9}, "num_blocks"),
        ({"num_blocks": 1.5}, "num_blocks"),
        ({"num_blocks": 76, "channel_mult": [1, 2]}, "152 blocks; at most 150"),
        ({"channel_mult": [1, 2]}, "does not fit"),
        ({"channel_mult": [1] * 3000}, "too many parts"),
        ({"channel_mult": []}, "channel_mult"),
        ({"channel_mult": 1}, "incomplete or wrong"),
        ({"channel_mult": [-1]}, "wrong"),
        ({"attn_resolutions": [8]}, "does not fit"),
        ({"dropout": float("nan")}, "dropout"),
        ({"dropout": 1.5}, "dropout"),
        ({"label_dropout": 2}, "label_dropout = 2, which is no probability"),
        ({"sigma_data": 0}, "sigma_data"),
        ({"sigma_data": torch.zeros(2)}, "'sigma_data' is neither a number nor text"),
    ],
)
def test_a_description_that_fits_no_network_of_ours_is_refused(tmp_path, changes, says):
    path = written(tmp_path / "a.pkl", network(small(), **changes))
    assert says in refused(path)


PLACE = "model.enc.8x8_conv"


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda p: p.update(bias=None), f"{PLACE}.bias"),
        (lambda p: p.pop("weight"), f"{PLACE}.weight"),
        (lambda p: p.update(extra=torch.zeros(1)), f"{PLACE}.extra"),
        (lambda p: p.update({"new\nline": torch.zeros(1)}), f"{PLACE}.new\\nline"),
        (lambda p: p.update(bias=torch.zeros(9)), f"{PLACE}.bias"),
        (lambda p: p.update(bias=torch.zeros(8, 1)), f"{PLACE}.bias"),
        (lambda p: p.update(bias=torch.zeros(())), f"{PLACE}.bias"),
        (lambda p: p.update(bias=torch.zeros(8, dtype=torch.int64)), f"{PLACE}.bias"),
        (lambda p: p.update(bias=torch.zeros(8, dtype=torch.complex64)), f"{PLACE}.bias"),
        (lambda p: p.update(bias=[0.0] * 8), f"{PLACE}.bias"),
    ],
)
def test_a_tensor_that_is_missing_too_many_or_of_another_shape_is_named(tmp_path, change, names):
    ema = network(small())
    change(dict(states(ema))[PLACE]["_parameters"])
    assert f"tensor '{names}' (1 in all) does not fit" in refused(written(tmp_path / "a.pkl", ema))


def test_a_missing_module_and_a_module_too_many_are_named(tmp_path):
    ema = network(small())
    modules = ema.meta["state"]["_modules"]
    modules["again"] = modules["model"]
    assert "tensor 'again.dec.8x8_aux_conv.bias'" in refused(written(tmp_path / "a.pkl", ema))
    del modules["model"], modules["again"]
    assert "does not fit" in refused(written(tmp_path / "a.pkl", ema))


@pytest.mark.parametrize("name", ["EDMLoss", ""])
def test_another_class_and_arguments_without_names_are_refused(tmp_path, name):
    path = tmp_path / "a.pkl"
    assert f"holds a {name!r}; known: EDMPrecond, VPPrecond" in refused(written(path, network(small(), name)))
    for entry, value, says in (("_init_args", (8, 1), "that have no names"), ("_init_kwargs", 5, "are no dictionary")):
        ema = network(small())
        ema.meta["state"][entry] = value
        assert says in refused(written(path, ema))


# the command


@pytest.fixture
def synthgap(monkeypatch, capsys):
    """Run a command in this process; returns (exit code, standard output, standard error)."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["synthgap", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return (stop.value.code or 0, *capsys.readouterr())

    return call


@pytest.mark.parametrize("kind", KINDS)
def test_convert_writes_a_file_with_the_same_weights_that_remembers_where_it_comes_from(synthgap, tmp_path, kind):
    edm = random_edm(kind, 3)
    target = tmp_path / "new" / "ours.safetensors"
    told = synthgap("convert", written(tmp_path / "released.pkl", network(edm)), target)
    assert told == (0, f"{kind}, {sum(p.numel() for p in edm.parameters()):,} parameters: {target}\n", "")
    loaded = load_edm(target)
    assert loaded.config == edm.config
    assert equal(loaded, edm)
    assert read_weights(target)[1]["provenance"] == {"converted from": "released.pkl"}


def test_generate_takes_a_converted_unconditional_model_and_the_pickle_itself(synthgap, tmp_path):
    source = written(tmp_path / "released.pkl", network(small()))
    assert synthgap("convert", source, tmp_path / "ours.safetensors")[0] == 0
    drawn = []
    for model in (tmp_path / "ours.safetensors", source):
        folder = tmp_path / f"drawn from {model.suffix}"
        options = ["--per-class", 3, "--steps", 2, "--preset", "smoke", "--device", "cpu"]
        code, out, _ = synthgap("generate", "--model", model, "--out", folder, *options)
        assert code == 0
        assert out.startswith("3 images of 1 classes")
        drawn.append([np.asarray(Image.open(f)) for f in sorted(folder.rglob("*.png"))])
        assert [image.shape for image in drawn[-1]] == [(8, 8)] * 3
    assert np.array_equal(*drawn)


def test_convert_refuses_a_missing_file_and_another_ending_and_writes_nothing(tmp_path):
    good = written(tmp_path / "good.pkl", network(small()))
    before = good.read_bytes()
    for source, target, says in (
        ("none.pkl", "a.safetensors", "No such file"),
        ("good.pkl", "a.pkl", "ends in .safetensors"),
        ("good.pkl", "good.pkl", "ends in .safetensors"),
    ):
        assert says in refusal(command, ("convert", tmp_path / source, tmp_path / target))
        assert [(p, p.read_bytes()) for p in tmp_path.iterdir()] == [(good, before)]
