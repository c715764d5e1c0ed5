"""From a released pickle to a model of ours: every tensor, the configuration and what the model computes."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image
from released_pickle import KINDS, network, random_edm, states, written

from synthgap.base.errors import UserError
from synthgap.base.weights import read_weights
from synthgap.cli import commands as cli
from synthgap.released.edm import from_released, load_edm


@pytest.fixture
def synthgap(monkeypatch, capsys):
    """Run a command in this process; returns (exit code, standard output, standard error)."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["synthgap", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        return (stop.value.code or 0, *capsys.readouterr())

    return call


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
    with pytest.raises(UserError) as caught:
        load_edm(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.isprintable()
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


def test_ddpms_preconditioning_is_recovered(tmp_path):
    edm = small()
    loaded = load_edm(written(tmp_path / "a.pkl", network(edm, "VPPrecond", sigma_data=None)))
    assert loaded.config.preconditioning == "vp"
    assert equal(loaded, edm)


@pytest.mark.parametrize("given", [{}, {"beta_d": 10.0, "beta_min": 0.2}, {"beta_d": 12, "M": 500, "epsilon_t": 1e-3}])
def test_a_released_vp_model_computes_with_the_numbers_of_its_file(tmp_path, given):
    # D = x − σ·F(x/√(σ² + 1); (M − 1)·t), σ² = exp(½β_d t² + β_min t) − 1 (Karras et al. 2022, Table 1)
    edm = load_edm(written(tmp_path / "a.pkl", network(small(), "VPPrecond", sigma_data=None, **given)))
    told = {"beta_d": 19.9, "beta_min": 0.1, "M": 1000, "epsilon_t": 1e-5} | given

    def sigma_at(t):
        return np.sqrt(np.expm1(0.5 * told["beta_d"] * t**2 + told["beta_min"] * t))

    x = torch.randn((2, *edm.image_shape), generator=torch.Generator().manual_seed(0))
    for t in (0.03, 0.3, 0.9):
        sigma = torch.full((2,), sigma_at(t))
        with torch.no_grad():
            raw = edm.model(x / np.sqrt(sigma_at(t) ** 2 + 1), torch.full((2,), (told["M"] - 1) * t), None, None)
            assert torch.allclose(edm(x, sigma), x - float(sigma_at(t)) * raw, rtol=1e-3, atol=1e-3)
    config = edm.config
    assert config.sigma_max == pytest.approx(min(80, sigma_at(1)))
    assert config.sigma_min == pytest.approx(max(0.002, sigma_at(told["epsilon_t"])))
    drawn = config.training_sigma(torch.Generator().manual_seed(0), 2000)
    assert sigma_at(told["epsilon_t"]) * 0.99 <= drawn.min() <= drawn.max() <= sigma_at(1) * 1.01
    assert load_edm(edm.save(tmp_path / "a.safetensors")).config == config


def test_each_preconditioning_assumes_the_network_that_its_release_does(tmp_path):
    edm = small()
    path = written(tmp_path / "a.pkl", network(edm, "VPPrecond", sigma_data=None, model_type=None))
    assert equal(load_edm(path), edm)


@pytest.mark.parametrize("name", ["P_mean", "beta_d", "C_1", "in_channels", "x" * 300])
def test_an_argument_that_the_constructor_does_not_have_is_refused_by_name(tmp_path, name):
    message = refused(written(tmp_path / "a.pkl", network(small(), **{name: 1.0})))
    assert f"EDMPrecond has an argument '{name[:80]}" in message
    assert len(message) < 400


def test_arguments_without_names_are_refused(tmp_path):
    ema = network(small())
    ema.meta["state"]["_init_args"] = (8, 1)
    assert "arguments that have no names" in refused(written(tmp_path / "a.pkl", ema))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"in_channels": 1, "out_channels": 1, "num_blocks": 1, "label_dropout": 0}, None),
        ({"out_channels": 2}, "SongUNet has out_channels = 2, but the object that holds it 1"),
        ({"dropout": 0.5}, "SongUNet has dropout = 0.5"),
        ({"fused": True}, "SongUNet has an argument 'fused'"),
    ],
)
def test_the_networks_own_record_must_agree(tmp_path, given, says):
    ema = network(small())
    ema.meta["state"]["_modules"]["model"].meta["state"]["_init_kwargs"] = given
    path = written(tmp_path / "a.pkl", ema)
    if says is None:
        load_edm(path)
    else:
        assert says in refused(path)


def test_half_precision_weights_are_widened(tmp_path):
    edm = random_edm("adm", 3)
    loaded = load_edm(written(tmp_path / "a.pkl", network(edm, half=True)))
    assert all(v.dtype == torch.float32 for v in loaded.state_dict().values())
    assert equal(loaded, edm.half().float())


def test_tensors_may_lie_in_memory_in_any_order(tmp_path):
    edm = small()
    ema = network(edm)
    for _, state in states(ema):
        for name, value in state["_parameters"].items():
            if value is not None and value.ndim == 4:
                state["_parameters"][name].data = value.data.to(memory_format=torch.channels_last)
    loaded = load_edm(written(tmp_path / "a.pkl", ema))
    assert equal(loaded, edm)
    assert equal(load_edm(loaded.save(tmp_path / "a.safetensors")), edm)


def test_what_the_file_leaves_out_is_what_the_release_assumes(tmp_path):
    edm = random_edm(dropout=0.1, num_blocks=4, channel_mult=(1, 2, 2, 2), attn_resolutions=(16,), height=16, width=16)
    told = {"img_resolution": 16, "img_channels": 1, "model_channels": 8, "sigma_data": 0.75, "model_type": "SongUNet"}
    ema = network(edm)
    ema.meta["state"]["_init_kwargs"] = told
    loaded = load_edm(written(tmp_path / "a.pkl", ema))
    assert loaded.config == edm.config
    assert equal(loaded, edm)


def test_loading_leaves_the_global_random_state(tmp_path):
    path = written(tmp_path / "a.pkl", network(random_edm("ncsn++")))
    torch.manual_seed(5)
    before = torch.get_rng_state()
    from_released(path)
    assert torch.equal(before, torch.get_rng_state())


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
        ({"channel_mult_emb": 2}, "channel_mult_emb = 2: only 4 can be read"),
        ({"img_resolution": None}, "lacks the argument 'img_resolution'"),
        ({"img_resolution": "8"}, "img_resolution: Input should be a valid integer"),
        ({"img_resolution": float("inf")}, "img_resolution"),
        ({"img_resolution": -8}, "img_resolution"),
        ({"img_resolution": 16}, "does not fit"),
        ({"img_channels": 3}, "does not fit"),
        ({"img_channels": 10**40}, "img_channels"),
        ({"label_dim": 7}, "does not fit"),
        ({"label_dim": -1}, "label_dim"),
        ({"augment_dim": 9}, "does not fit"),
        ({"model_channels": 16}, "does not fit"),
        ({"model_channels": 7}, "model_channels"),
        ({"model_channels": 10**4}, "does not fit"),
        ({"model_channels": 10**7}, "model_channels"),
        ({"model_channels": 10**30}, "wrong"),
        ({"num_blocks": 2}, "does not fit"),
        ({"num_blocks": 10**9}, "num_blocks"),
        ({"num_blocks": 100}, "does not fit"),
        ({"num_blocks": 1.5}, "num_blocks"),
        ({"num_blocks": 76, "channel_mult": [1, 2]}, "152 blocks; at most 150"),
        ({"channel_mult": [1, 2]}, "does not fit"),
        ({"channel_mult": [1] * 3000}, "too many parts"),
        ({"channel_mult": [1] * 14}, "channel_mult"),
        ({"channel_mult": []}, "channel_mult"),
        ({"channel_mult": 1}, "incomplete or wrong"),
        ({"channel_mult": [-1]}, "wrong"),
        ({"attn_resolutions": [8]}, "does not fit"),
        ({"dropout": float("nan")}, "dropout"),
        ({"dropout": 1.5}, "dropout"),
        ({"sigma_data": 0}, "sigma_data"),
        ({"sigma_data": torch.zeros(2)}, "'sigma_data' is neither a number nor text"),
    ],
)
def test_a_description_that_fits_no_network_of_ours_is_refused(tmp_path, changes, says):
    path = written(tmp_path / "a.pkl", network(small(), **changes))
    assert says in refused(path)


@pytest.mark.parametrize("name", ["EDMLoss", "iDDPMPrecond", "VEPrecond", ""])
def test_another_class_is_refused_by_name(tmp_path, name):
    assert f"holds a {name!r}; known: EDMPrecond, VPPrecond" in refused(
        written(tmp_path / "a.pkl", network(small(), name))
    )


def test_arguments_that_are_no_dictionary_are_refused(tmp_path):
    ema = network(small())
    ema.meta["state"]["_init_kwargs"] = 5
    assert "are no dictionary" in refused(written(tmp_path / "a.pkl", ema))


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


# the command


@pytest.mark.parametrize("kind", KINDS)
def test_convert_writes_a_file_with_the_same_weights(synthgap, tmp_path, kind):
    edm = random_edm(kind, 3)
    source = written(tmp_path / "released.pkl", network(edm))
    code, out, err = synthgap("convert", source, tmp_path / "new" / "ours.safetensors")
    assert code == 0
    count = sum(p.numel() for p in edm.parameters())
    assert out == f"{kind}, {count:,} parameters: {tmp_path / 'new' / 'ours.safetensors'}\n"
    assert err == ""
    loaded = load_edm(tmp_path / "new" / "ours.safetensors")
    assert loaded.config == edm.config
    assert equal(loaded, edm)


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
        files = sorted(folder.rglob("*.png"))
        assert len(files) == 3
        drawn.append([np.asarray(Image.open(f)) for f in files])
        assert drawn[0][0].shape == (8, 8)
    assert np.array_equal(*drawn)


def test_convert_says_what_is_wrong_in_one_line_and_writes_nothing(synthgap, tmp_path):
    (tmp_path / "bad.pkl").write_bytes(b"cposix\nsystem\n.")
    (tmp_path / "text.pkl").write_text("not a pickle")
    good = written(tmp_path / "good.pkl", network(small()))
    for source, target, says in (
        ("bad.pkl", "a.safetensors", "asks for posix.system"),
        ("text.pkl", "a.safetensors", "can't be read as a released pickle"),
        ("none.pkl", "a.safetensors", "No such file"),
        (good.name, "a.pkl", "ends in .safetensors"),
        (good.name, good.name, "ends in .safetensors"),
    ):
        before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
        code, out, err = synthgap("convert", tmp_path / source, tmp_path / target)
        assert code == 2
        assert out == ""
        assert err.startswith("synthgap: error: ")
        assert err.count("\n") == 1
        assert says in err
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_the_file_remembers_where_it_comes_from(synthgap, tmp_path):
    source = written(tmp_path / "released.pkl", network(small()))
    synthgap("convert", source, tmp_path / "ours.safetensors")
    assert read_weights(tmp_path / "ours.safetensors")[1]["provenance"] == {"converted from": "released.pkl"}
