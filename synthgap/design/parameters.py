"""The chapters' parameters: papermill passes anything silently, so what it passed is checked here."""

from __future__ import annotations

import re
from types import ModuleType

from ..base.errors import UserError
from ..base.meant import meant

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
    "judge": (str,),
    "features": (str,),
    "measure": (str,),
    "positive": (str,),
    "groups": (str,),
    "generator": (str,),
    "minutes": (str, int, float),
}
TRUTH = {"true": True, "yes": True, "false": False, "no": False}
_IPYTHON = {"In", "Out", "exit", "quit", "open", "get_ipython"}


def checked(namespace: dict) -> dict:
    """The parameters among a chapter's `globals()`, each as what it plainly stands for.

    Raises UserError for an unknown name (papermill would only warn) or a value of the wrong type.
    """
    given = {
        name: as_meant(value, PARAMETERS.get(name, ()))
        for name, value in namespace.items()
        if not name.startswith("_")
        and name not in _IPYTHON
        and not isinstance(value, ModuleType)
        and not callable(value)
    }
    for name, value in given.items():
        if name not in PARAMETERS:
            hint = meant(name, PARAMETERS).strip() or f"known: {', '.join(PARAMETERS)}"
            raise UserError(f"unknown parameter {name} = {value!r}; {hint}")
        if type(value) not in PARAMETERS[name]:
            kinds = " or ".join(t.__name__ for t in PARAMETERS[name])
            remedy = f"; papermill passes it as text with -r {name}" if PARAMETERS[name] == (str,) else ""
            raise UserError(f"parameter {name} = {value!r} is a {type(value).__name__}; give {kinds}{remedy}")
    missing = sorted(set(PARAMETERS) - set(given))
    if missing:
        raise UserError(f"parameter {missing[0]} is not set; restore it in the parameters cell")
    return given


def as_meant(value: object, kinds: tuple[type, ...]) -> object:
    """A text that papermill passed as it is, as what it plainly stands for: "[0, 1]" → [0, 1], "true" → True.

    Anything else comes back as it is, for `Study` to refuse by name.
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if bool in kinds and text.lower() in TRUTH:
        return TRUTH[text.lower()]
    if int in kinds and text.isdecimal():
        return int(text)
    if float in kinds and re.fullmatch(r"\d*\.\d+", text):
        return float(text)
    listed = text.removeprefix("[").removesuffix("]")
    words = [word.strip() for word in listed.split(",")]
    if list in kinds and ("," in listed or listed != text) and all(word.isdecimal() for word in words):
        return [int(word) for word in words]
    return value
