"""Gradients of every kind of layer are right, whatever the width, the threads and the processor's instructions."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from gradients import LAYERS

HERE = Path(__file__).resolve().parent
NARROW = "AVX2"  # instructions with which oneDNN's strided 1 × 1 convolution of fewer than 8 channels fails


@pytest.fixture(scope="module", params=["of this processor", NARROW])
def found(request):
    """What gradients.py prints with these instructions."""
    instructions = {} if request.param != NARROW else {"ONEDNN_MAX_CPU_ISA": NARROW}
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "PYTHONPATH": str(HERE.parent), **instructions}
    done = subprocess.run(
        [sys.executable, str(HERE / "gradients.py")], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]  # memory that is written beyond its end ends the process
    return json.loads(done.stdout)


@pytest.mark.parametrize("layer", LAYERS)
def test_gradients_are_those_in_float64(found, layer):
    assert found["errors"][layer] < 1e-4  # float32 has 24 bits; wrong gradients were off by a half and more


def test_no_convolution_of_single_pixels_has_a_stride(found):
    assert [1, 1] not in found["strided"]
    assert [3, 3] in found["strided"]  # the others are seen
