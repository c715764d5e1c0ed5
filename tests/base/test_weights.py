"""Files of tensors: what is written comes back, equal contents are equal bytes, and no changed bit passes."""

import pytest
import torch
from safetensors.torch import save_file

import synthgap
from synthgap.base.errors import UserError
from synthgap.base.weights import read_weights, write_weights

TENSORS = {
    "weight": torch.arange(6.0).reshape(2, 3).T,  # not contiguous
    "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "step": torch.tensor(3),
    "none": torch.zeros(0, 4),
}
META = {"step": 7, "config": '{"a": 1}', "of": {"b": [1, 2.5], "a": None}}


def test_what_is_written_comes_back(tmp_path):
    tensors, meta = read_weights(write_weights(tmp_path / "new" / "w.safetensors", TENSORS, META))
    assert meta == META
    assert tensors.keys() == TENSORS.keys()
    assert all(tensors[k].dtype == v.dtype and torch.equal(tensors[k], v) for k, v in TENSORS.items())
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["w.safetensors"]


def test_equal_contents_are_equal_bytes(tmp_path):
    files = [write_weights(tmp_path / name, TENSORS, META) for name in ("a", "b")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_no_changed_byte_passes(tmp_path):
    path = write_weights(tmp_path / "w", TENSORS, META)
    intact = path.read_bytes()
    for place in range(8, len(intact)):  # the first eight say how long the header is
        changed = bytearray(intact)
        changed[place] ^= 1
        path.write_bytes(changed)
        try:
            tensors, meta = read_weights(path)
        except Exception:
            continue
        # the padding of a header says nothing, so that it may change
        assert meta == META
        assert all(torch.equal(tensors[k], v) for k, v in TENSORS.items())
        assert intact[place] == ord(" ")


@pytest.mark.parametrize(
    ("meta", "reason"),
    [(None, "lacks the entry 'meta'"), ({"meta": "[]"}, "no JSON object"), ({"meta": "{"}, "Expecting property name")],
)
def test_a_file_of_something_else_is_no_model(tmp_path, meta, reason):
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata=meta)
    with pytest.raises(UserError, match=rf"other\.safetensors is not a diffusion model saved by synthgap \(.*{reason}"):
        synthgap.load_edm(path)
    with pytest.raises(UserError, match=r"not a diffusion model or a StyleGAN3 generator saved by synthgap"):
        synthgap.load_model(path)


@pytest.mark.parametrize("load", [synthgap.load_model, synthgap.load_edm])
def test_a_damaged_model_is_called_damaged(tmp_path, load):
    path = write_weights(tmp_path / "m.safetensors", {"weight": torch.zeros(2)}, {"config": "{}"})
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    with pytest.raises(
        UserError, match=r"m\.safetensors is damaged \(its contents have changed.*\); train or save it again$"
    ):
        load(path)


def test_others_may_read_what_the_usual_rights_let_them(tmp_path):
    path = write_weights(tmp_path / "w", TENSORS, META)
    other = tmp_path / "other"
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode
    assert {p.name for p in tmp_path.iterdir()} == {"w", "other"}


def test_a_folder_and_a_missing_file_are_no_models(tmp_path):
    with pytest.raises(UserError, match="is a folder; name a model's file"):
        synthgap.load_model(tmp_path)
    with pytest.raises(UserError, match="is not there; name a model's file"):
        synthgap.load_model(tmp_path / "gone.safetensors")
