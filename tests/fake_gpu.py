"""A GPU that isn't there: tensors on it have a shape, a type and a device, and no values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode


@contextmanager
def fake_gpu() -> Iterator[str]:
    """Inside, "cuda" is a device, and an operation on tensors of two devices fails as on a real one.

    Where a program looks at a value, it sees 1, an array of ones, or the list 0, 1, 2, …. Gradients are PyTorch's own
    and not computed: what should have one gets a tensor of its shape. Memory, speed, rounding and the kernels of a real
    card are not imitated.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.Module, "to", _moved)
        patch.setattr(
            FakeTensorMode, "__deepcopy__", lambda self, memo: self, raising=False
        )  # copies are of one device
        patch.setattr(torch.Tensor, "numpy", _numpy)
        patch.setattr(torch.Tensor, "backward", _backward)
        patch.setattr(torch.autograd, "grad", _gradients)
        patch.setattr(torch, "_fused_sgd_", _fused_step)  # of all that we call the one that PyTorch can't fake
        patch.setattr(torch.Tensor, "tolist", lambda self: np.arange(self.numel()).reshape(tuple(self.shape)).tolist())
        for name, value in (("__float__", 1.0), ("__bool__", True), ("__int__", 1), ("__index__", 1), ("item", 1)):
            patch.setattr(torch.Tensor, name, lambda self, value=value: value)
        patch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
        patch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
        with FakeTensorMode():
            yield "cuda"


def _moved(self: nn.Module, *args, device=None, dtype=None, memory_format=None) -> nn.Module:
    """`Module.to`, which would swap the tensors themselves."""
    for given in args:
        device, dtype = (device, given) if isinstance(given, torch.dtype) else (given, dtype)
    for module in self.modules():
        for name, value in module._parameters.items():
            if value is not None:
                moved = _placed(value.detach(), device, dtype, memory_format)
                module._parameters[name] = nn.Parameter(moved, value.requires_grad)
        for name, value in module._buffers.items():
            if value is not None:
                module._buffers[name] = _placed(value, device, dtype, memory_format)
    return self


def _placed(value: torch.Tensor, device, dtype, memory_format) -> torch.Tensor:
    kept = value.dtype if dtype is None or not value.is_floating_point() else dtype
    order = memory_format if memory_format and value.ndim == 4 else torch.preserve_format
    return value.to(device or value.device, kept, memory_format=order)


def _numpy(self: torch.Tensor, *, force: bool = False) -> np.ndarray:
    if self.device.type != "cpu":
        raise TypeError("can't convert a tensor of a GPU to NumPy; copy it to the CPU first")
    return np.ones(tuple(self.shape), str(self.dtype).removeprefix("torch."))


def _backward(self: torch.Tensor) -> None:
    reached, waiting = set(), [self.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is None or node in reached:
            continue
        reached.add(node)
        waiting += [following for following, _ in node.next_functions]
        if hasattr(node, "variable"):
            node.variable.grad = torch.zeros_like(node.variable)


def _gradients(outputs, inputs, *args, **options) -> tuple[torch.Tensor, ...]:
    return tuple(torch.zeros_like(value) for value in ([inputs] if torch.is_tensor(inputs) else inputs))


def _fused_step(*several: list[torch.Tensor], **settings) -> None:
    assert len({value.device for values in several for value in values}) == 1
