"""The chapters' parameters: papermill passes anything silently, so what it passed is checked here."""

from __future__ import annotations

import difflib
from types import ModuleType

from ..errors import UserError
from ..plots import show_inline
from .study import Study

PARAMETERS: dict[str, tuple[type, ...]] = {
    "dataset": (str,),
    "preset": (str,),
    "results": (str,),
    "seeds": (str, int, list),
    "image_size": (str, int),
    "device": (str,),
    "workers": (str, int),
    "synthetic": (str,),
    "max_images": (str, int),
    "flip": (str, bool),
    "grey": (bool,),
    "class_weights": (str,),
}
_IPYTHON = {"In", "Out", "exit", "quit", "open", "get_ipython"}


def open_study(namespace: dict) -> Study:
    """The Study that a chapter's `globals()` describe.

    Call it in the cell after the parameters cell, before any other name is defined.
    Raises UserError for an unknown name (papermill would only warn) or a value of the wrong type.
    """
    given = {
        name: value
        for name, value in namespace.items()
        if not name.startswith("_")
        and name not in _IPYTHON
        and not isinstance(value, ModuleType)
        and not callable(value)
    }
    for name, value in given.items():
        if name not in PARAMETERS:
            near = difflib.get_close_matches(name, PARAMETERS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(PARAMETERS)}"
            raise UserError(f"unknown parameter {name} = {value!r}; {hint}")
        if type(value) not in PARAMETERS[name]:
            kinds = " or ".join(t.__name__ for t in PARAMETERS[name])
            raise UserError(f"parameter {name} = {value!r} is a {type(value).__name__}; give {kinds}")
    missing = sorted(set(PARAMETERS) - set(given))
    if missing:
        raise UserError(f"parameter {missing[0]} is not set; restore it in the parameters cell")
    show_inline()
    return Study(**given)
