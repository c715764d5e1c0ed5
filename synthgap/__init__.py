"""synthgap: would synthetic images of a diffusion model replace your real ones, or help them?

Names are loaded when they are first used, so that `import synthgap` and `synthgap --help` are quick.
"""

from importlib import import_module
from importlib.metadata import version

__version__ = version("synthgap")

_HOME = {
    "ImageSet": "data.imageset",
    "load_dataset": "data.sources",
    "EDM": "diffusion.edm",
    "load_edm": "released.edm",
    "generate": "api.functions",
    "load_model": "api.functions",
    "reconstruct": "diffusion.reconstruct",
    "train_edm": "api.functions",
    "train_gan": "api.functions",
    "train_classifier": "api.functions",
    "evaluate": "classifier.evaluate",
    "fidelity": "api.functions",
    "select": "metrics.selection",
    "fake_detection": "metrics.detection",
    "gradcam": "metrics.gradcam",
    "output_entropy": "metrics.entropy",
    "Study": "exhibits.study",
    "open_study": "exhibits.chapters",
    "UserError": "base.errors",
}

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module synthgap has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
