"""What tests of exhibits read and make: tables as readers see them, what is behind an artifact, made-up studies."""

import json
import math
import re
import shutil
import subprocess
from html import unescape
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from synthgap.book.execute import find_root
from synthgap.diffusion.solver import Solver
from synthgap.exhibits.claims import ClaimVerdict
from synthgap.exhibits.hits import Hits
from synthgap.graph.specification import in_order
from synthgap.graph.specs import Attend, Data, Predict, TrainClassifier
from synthgap.paper.published import claims
from synthgap.stats.intervals import estimate_mean
from synthgap.stats.judge import INCONCLUSIVE, UNTESTED, VERDICTS, Effect
from synthgap.stats.verdict import DECIDED, LEANING, OPEN

EXTENSIONS = find_root() / "book" / "_ext"
needs_browser = pytest.mark.skipif(shutil.which("chromium") is None, reason="no browser here")


def cells_of(markdown: str) -> list[list[str]]:
    """The heading and the rows of a MyST table, all of one length; a bar that belongs to a cell is left out."""
    lines = [line.replace(r"\|", "") for line in markdown.split("\n") if line.startswith("|")]
    heading, rule, *rows = ([c.strip() for c in line.strip("|").split("|")] for line in lines)
    assert set(rule) == {"---"}
    assert {len(row) for row in rows} <= {len(heading)}
    return [heading, *rows]


def rows_of(markdown: str) -> list[dict[str, str]]:
    """Each row of a MyST table by its headings."""
    heading, *rows = cells_of(markdown)
    return [dict(zip(heading, row, strict=True)) for row in rows]


def unfolded(markdown: str) -> str:
    """The table of a part that a click opens; any other as it is."""
    found = re.fullmatch(
        r'<details class="folded">\n<summary>[^\n<]+</summary>\n\n(.*)\n\n</details>', markdown, re.DOTALL
    )
    return found[1] if found else markdown


def parsed(markdown: str) -> pd.DataFrame:
    """The rows of a MyST table by their first column, after a check of its frame; a real minus becomes a hyphen."""
    lines = unfolded(markdown).replace("\u00a0", " ").replace("−", "-").split("\n")
    assert lines[0].startswith("```{table} ")
    assert lines[1].startswith(":name: tab-")
    assert (lines[2], lines[-1]) == ("", "```")
    heading, *rows = cells_of("\n".join(lines))
    return pd.DataFrame(rows, columns=heading).set_index(heading[0])


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
    solver = SimpleNamespace(generator=SimpleNamespace(solver=Solver()))
    arms = SimpleNamespace(name=name, rivals=rivals, preset=solver, model=None)
    named = SimpleNamespace(name=preset)
    return SimpleNamespace(seeds=seeds, main=arms, arms=arms, columns=(arms,), records=({},), preset=named)


def behind(spec) -> set[str]:
    """Fingerprints of all images that stand behind an artifact."""
    return {s.fingerprint for s in in_order([spec]) if isinstance(s, Data)}


def seeds_of(spec) -> set[int]:
    """Seeds of an artifact and of all that it is made from; of a block of classifiers, the one that is read alone."""
    found, waiting = set(), [spec]
    while waiting:
        one = waiting.pop()
        seeded = one.members if isinstance(one, TrainClassifier) else [one]
        found |= {s.seed for s in seeded if getattr(s, "seed", None) is not None}
        if isinstance(one, Predict | Attend):
            own = one.classifier.own
            found |= {own.seed}
            waiting += [one.images, *own.synthetic, *([own.real] if own.real else [])]
        else:
            waiting += one.inputs
    return found


def about(mean: float, half: float):
    """Three seeds with an interval of mean ± half."""
    spread = half / 4.302653 * math.sqrt(3)  # Student's t at 2 degrees of freedom
    return estimate_mean([mean - spread, mean, mean + spread])


def right(shares: dict, seeds=(0, 1, 2), images: int = 200) -> Hits:
    """So large a share of the images each seed is right on, the first ones; a share of all seeds, or one a seed."""
    by_seed = {cell: np.broadcast_to(share, len(seeds)) for cell, share in shares.items()}
    several = {
        (*cell, s): np.arange(images) < round(share * images)
        for cell, many in by_seed.items()
        for s, share in zip(seeds, many, strict=True)
    }
    return Hits("made", several, tuple(seeds))


def judged() -> list[ClaimVerdict]:
    """The paper's claims, in turn with every verdict; of those that are not open every other one is decided."""
    effect = Effect(2.0, 1.0, 3.0)
    several = []
    for i, claim in enumerate(claims()):
        word = VERDICTS[i % len(VERDICTS)]
        tested = word not in UNTESTED
        standing = OPEN if word == INCONCLUSIVE else (DECIDED, LEANING)[i % 2] if tested else ""
        p = {DECIDED: 0.04, LEANING: 0.2, OPEN: 0.5}.get(standing, math.nan)
        rest = "3 seeds", "a_b", "accuracy|x"
        several.append(ClaimVerdict(claim, word, standing, effect if tested else None, p, *rest))
    return several


def in_browser(folder, body, probe, opened=False):
    """What `probe`, a script that calls tell(value) once, finds on a page of this body with the slider's script; in a
    Chromium without network. opened : what folds is open."""
    script, style = ((EXTENSIONS / f"reverse_step.{end}").read_text() for end in ("js", "css"))
    tell = "const tell = (value) => { document.title = JSON.stringify(value); };"
    if opened:
        probe = f"document.querySelectorAll('details').forEach((one) => {{ one.open = true; }});{probe}"
    page = folder / "page.html"
    page.write_text(
        f"<!DOCTYPE html><meta charset='utf-8'><style>{style}</style><body>{body}<script>{script}</script>"
        f"<script>addEventListener('load', () => {{ {tell} {probe} }});</script>",
        encoding="utf-8",
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]
    options += ["--virtual-time-budget=5000", f"--user-data-dir={folder / 'profile'}"]
    command = ["chromium", *options, "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return json.loads(unescape(re.search(r"<title>(.*?)</title>", done.stdout)[1]))
