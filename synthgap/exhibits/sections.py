"""The sections of the book in their order; importing this module declares every result and exhibit."""

from __future__ import annotations

from importlib import import_module

from .base import EXHIBITS, RESULTS, Exhibit, Result

TITLES = {  # modules of this folder, in the order of the book → section, as a reader knows it
    "introduction": "1 Introduction",
    "related_work": "2 Related work",
    "preliminary": "3 Preliminary",
    "film": "3 Preliminary",
    "samples": "4.1 Synthetic samples",
    "samples_drawn": "4.1 Synthetic samples",
    "inception": "4.1 Synthetic samples",
    "rivals": "4.1 Synthetic samples",
    "slider": "4.1 Synthetic samples",
    "classifiers": "4.2 Training classifiers",
    "classifiers_drawn": "4.2 Training classifiers",
    "attention": "4.2 Training classifiers",
    "discussion": "4.3 Discussion",
    "causes": "4.3 Discussion",
    "augmentation": "5 Data augmentation",
    "augmentation_drawn": "5 Data augmentation",
    "comparisons": "5 Data augmentation",
    "comparisons_drawn": "5 Data augmentation",
    "limitation": "6 Limitation",
    "conclusion": "7 Conclusion",
    "claims": "7 Conclusion",
    "front": "7 Conclusion",
    "null_models": "A1 Null models",
    "remedies": "A3 Remedies",
    "remedy_images": "A3 Remedies",
    "task": "A2 The plain answer",
    "answer": "A2 The plain answer",
    "answer_images": "A2 The plain answer",
    "answer_remedy": "A2 The plain answer",
    "your_data": "A2 The plain answer",
    "next_steps": "A2 The plain answer",
    "judges": "A2 The plain answer",
    "elsewhere": "Other pages",
}
ANSWER = ("your_data", "next_steps", "judges")  # what the page of the plain answer shows
for module in TITLES:
    import_module(f".{module}", __package__)


def results() -> list[Result]:
    """Every result, in the order of the book."""
    return sorted(RESULTS.values(), key=lambda one: _place(one.section))


def exhibits() -> dict[str, Exhibit]:
    """Every numbered table and figure by name, in the order of the book."""
    several = sorted(EXHIBITS.values(), key=lambda one: _place(one.section))
    return {one.name: one for one in several if not one.plain}


def counterparts(place: str) -> list[str]:
    """Names of the exhibits that stand for a table or figure of the paper, "Figure 1"."""
    return [name for name, one in exhibits().items() if place in one.paper]


def _place(section: str) -> int:
    return list(TITLES).index(section or "elsewhere")
