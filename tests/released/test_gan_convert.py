"""From a released StyleGAN3 pickle to a generator of ours: every tensor, the configuration, and what is refused."""

import numpy as np
import pytest
import torch
from cases import refusal
from released_pickle import (
    EasyDict,
    gan_network,
    gan_written,
    random_generator,
)

from synthgap.api.functions import load_model
from synthgap.base.errors import UserError
from synthgap.base.weights import write_weights


def equal(generator, other):
    state, wanted = generator.state_dict(), other.state_dict()
    return state.keys() == wanted.keys() and all(torch.equal(v, wanted[k]) for k, v in state.items())


def refused(path):
    message = refusal(load_model, path)
    assert message.startswith(str(path))
    return message


@pytest.mark.parametrize(
    "sizes", [{}, {"label_dim": 3, "channels": 3}, {"height": 16, "width": 16, "mapping_layers": 3}]
)
def test_a_generator_is_recovered_bit_for_bit(tmp_path, sizes):
    generator = random_generator(**sizes)
    loaded = load_model(gan_written(tmp_path / "released.pkl", gan_network(generator)))
    assert loaded.config == generator.config.model_copy(update={"magnitude_decay": 0.9997})
    assert equal(loaded, generator)
    z, labels = torch.randn(2, 4), torch.tensor([0, 2]) if generator.config.label_dim else None
    assert torch.equal(loaded(z, labels), generator(z, labels))
    assert not loaded.training
    assert not any(v.requires_grad for v in loaded.parameters())
    assert equal(load_model(loaded.save(tmp_path / "ours.safetensors")), generator)


def test_what_the_file_leaves_out_is_what_the_paper_has(tmp_path):
    generator = random_generator(layers=14, margin=10)
    left_out = dict.fromkeys(("num_layers", "margin_size", "mapping_kwargs", "magnitude_ema_beta", "num_fp16_res"))
    loaded = load_model(gan_written(tmp_path / "a.pkl", gan_network(generator, **left_out)))
    assert loaded.config == generator.config
    assert equal(loaded, generator)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_of_numbers_are_no_obstacle(tmp_path, protocol):
    generator = random_generator(layers=3)
    record = gan_network(generator)
    record.meta["state"]["sizes"] = [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.ones((2, 2), ">i2")),
        np.array(True),
    ]
    assert equal(load_model(gan_written(tmp_path / "a.pkl", record, protocol)), generator)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"use_radial_filters": True}, "configuration R (radial filters); only T"),
        ({"lrelu_upsampling": 4}, "only 2 is implemented"),
        ({"mapping_kwargs": EasyDict(fused=1)}, "has an argument 'fused', which is not known"),
        ({"mapping_kwargs": 5}, "mapping_kwargs that are no dictionary"),
        ({"img_resolution": None}, "lacks the argument 'img_resolution'"),
        ({"img_resolution": float("inf")}, "img_resolution"),
        ({"img_resolution": 12}, "no power of two"),
        ({"img_resolution": 16}, "does not fit"),
        ({"img_channels": 3}, "does not fit"),
        ({"c_dim": 2}, "does not fit"),
        ({"z_dim": 10**7}, "z_dim"),
        ({"w_dim": 10**30}, "wrong"),
        ({"z_dim": "many"}, "z_dim"),
        ({"z_dim": torch.zeros(2)}, "'z_dim' is neither a number nor text"),
        ({"channel_max": 7}, "does not fit"),
        ({"channel_base": 10**9, "channel_max": 10**5}, "does not fit"),
        ({"num_layers": 5}, "does not fit"),
        ({"num_layers": 10**9}, "layers"),
        ({"margin_size": 10**9}, "margin"),
        ({"filter_size": 10**9}, "filter_size"),
        ({"first_cutoff": float("nan")}, "wrong"),
        ({"first_cutoff": 1e-300}, "first_cutoff"),
        ({"last_stopband_rel": float("inf")}, "wrong"),
        ({"mapping_kwargs": EasyDict(num_layers=10**9)}, "mapping_layers"),
    ],
)
def test_a_description_that_fits_no_generator_of_ours_is_refused(tmp_path, changes, says):
    assert says in refused(gan_written(tmp_path / "a.pkl", gan_network(random_generator(), **changes)))


def test_load_model_gives_the_reason_of_the_reader_that_the_file_is_for(tmp_path):
    generator = random_generator(layers=3)
    path = gan_written(tmp_path / "a.pkl", gan_network(generator))
    assert equal(load_model(path), generator)
    gan_written(path, gan_network(generator, conv_kernel=1))
    with pytest.raises(UserError, match=r"a\.pkl: the file's Generator has conv_kernel = 1: it is configuration R"):
        load_model(path)
    tensors, meta = generator.to_arrays()
    write_weights(tmp_path / "a.safetensors", tensors | {"more": torch.zeros(1)}, meta)
    with pytest.raises(UserError, match=r"is not a StyleGAN3 generator saved by synthgap \(tensor 'more'"):
        load_model(tmp_path / "a.safetensors")


def test_the_records_inside_must_agree(tmp_path):
    record = gan_network(random_generator(layers=3))
    inner = {name: record.meta["state"]["_modules"][name].meta["state"] for name in ("synthesis", "mapping")}
    inner["synthesis"]["_init_kwargs"] = {"channel_max": 8, "w_dim": 4}
    inner["mapping"]["_init_kwargs"] = {"num_ws": 5, "w_dim": 4}
    load_model(gan_written(tmp_path / "a.pkl", record))
    inner["mapping"]["_init_kwargs"] = {"w_dim": 5}
    told = refused(gan_written(tmp_path / "a.pkl", record))
    assert "Mapping has w_dim = 5, but the object that holds it 4" in told
    inner["synthesis"]["_init_kwargs"] = {"channel_max": 9}
    inner["mapping"]["_init_kwargs"] = {}
    assert "Synthesis has channel_max = 9" in refused(gan_written(tmp_path / "a.pkl", record))
