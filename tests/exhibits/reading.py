"""What tests of exhibits read: tables as readers see them, legends, and a design without data."""

import re
from types import SimpleNamespace

import pandas as pd


def parsed(markdown: str) -> pd.DataFrame:
    """The rows of a MyST table by their first column, after a check of its frame; a real minus becomes a hyphen."""
    lines = markdown.replace("\u00a0", " ").replace("−", "-").split("\n")
    assert lines[0].startswith("```{table} ")
    assert lines[1].startswith(":name: tab-")
    assert (lines[2], lines[-1]) == ("", "```")
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in lines[3:-1]]
    assert len({len(row) for row in cells}) == 1
    assert set(cells[1]) == {"---"}
    return pd.DataFrame(cells[2:], columns=cells[0]).set_index(cells[0][0])


def cell(out: pd.DataFrame, row: str, *words: str, paper: bool = False) -> str:
    """The cell in the one column whose heading has all `words`, ours or the paper's."""
    found = [
        column
        for column in out.columns
        if all(re.search(rf"(?<!\w){re.escape(w)}(?!\w)", column) for w in words) and ("paper" in column) == paper
    ]
    assert len(found) == 1, (words, list(out.columns))
    return out.loc[row, found[0]]


def legend(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def design(seeds=(0, 1, 2), name="digits", preset="quick", rivals=()) -> SimpleNamespace:
    """As much of a Design as tables read."""
    arms = SimpleNamespace(name=name, rivals=rivals)
    return SimpleNamespace(seeds=seeds, main=arms, arms=arms, preset=SimpleNamespace(name=preset))
