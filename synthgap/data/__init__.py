"""Labelled image sets: the container, the built-in sources and the user's own folders."""

from .imageset import ImageSet
from .sources import Splits, load_dataset, load_splits

__all__ = ["ImageSet", "Splits", "load_dataset", "load_splits"]
