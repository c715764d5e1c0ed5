"""Inception's weights in torch-fidelity's format, at random: for tests without a network."""

from pathlib import Path

import pytest
import torch
from torch_fidelity import feature_extractor_inceptionv3 as reference

from synthgap.metrics.extractors import INCEPTION_FILE


def random_inception(folder: Path) -> Path:
    """A file with random weights under the published one's name; 95 MB."""

    class Unloaded(reference.FeatureExtractorInceptionV3):
        def load_state_dict(self, state):
            pass

    path = folder / INCEPTION_FILE
    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        patch.setattr(reference, "load_state_dict_from_url", lambda *args, **kwargs: {})
        net = Unloaded("random", ["2048"])
    torch.save(net.state_dict(), path)
    return path
