"""The front page: five sentences, one figure, and what to do; and that all pages say the same of one comparison."""

import math
import re
from dataclasses import replace
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from reading import judged, parsed, right, rows_of

from synthgap.base.errors import UserError
from synthgap.base.words import ends, p_value, signed
from synthgap.book import execute as book
from synthgap.design.values import BOOTSTRAP, MIX, NAIVE, REAL, SYNTHETIC_ONLY, Arm, cell_name, cell_title
from synthgap.exhibits import front
from synthgap.exhibits.answer import verdicts
from synthgap.exhibits.causes import Loss
from synthgap.exhibits.claims import claims as claims_of
from synthgap.paper.published import claims
from synthgap.stats.crossed import crossed
from synthgap.stats.judge import INCONCLUSIVE, NO_EFFECT, REPRODUCED, REVERSED, Effect
from synthgap.stats.verdict import DECIDED, LEANING, OPEN, decide

ROOT = book.find_root()
LEVELS = {REAL: 0.8, (SYNTHETIC_ONLY, 1): 0.6, (SYNTHETIC_ONLY, 5): 0.8, (BOOTSTRAP, 1): 0.7}
LEVELS |= {(MIX, 5): 0.9}


def design():
    policies = SimpleNamespace(policies=["RandAugment", "TrivialAugment"])
    train = SimpleNamespace(count=1000, shape=(1, 6, 8))
    arms = SimpleNamespace(name="a_b", data={"train": train}, preset=policies)
    return SimpleNamespace(
        arms=arms, columns=(arms,), records=({},), preset=SimpleNamespace(name="made"), fitted_to=1000, heads=None
    )


NO_CHECKPOINTS = right({(128,): 0.6})


def known(seeds=3, levels=LEVELS):
    return right(levels, range(seeds), images=1000)


def five(hits, groups=None, control="not run", claim=None, trained=NO_CHECKPOINTS, every=NO_CHECKPOINTS):
    """The sentences on these hits; claim : id → what the first and the fourth are told, beside what `judged` says."""
    pairs = {"replace": ((SYNTHETIC_ONLY, 5), REAL), "augment": ((MIX, 5), REAL)}
    differences = decide([crossed(hits[a].astype(float) - hits[b], groups) for a, b in pairs.values()])
    decided = {name: (*pair, verdict) for (name, pair), verdict in zip(pairs.items(), differences, strict=True)}
    asked = SimpleNamespace(measure="accuracy" if groups is None else "balanced accuracy", groups=groups)
    several = [replace(v, **(claim or {}).get(v.claim.id, {})) for v in judged()]
    return front.five_sentences(design(), several, hits, asked, asked, decided, control, trained, every).split("\n")


def gap(verdict, standing, *effect):
    """What the claim about as many synthetic images says: real minus synthetic."""
    return {"gap-at-equal-size": {"verdict": verdict, "standing": standing, "effect": Effect(*effect)}}


# five sentences


def test_each_sentence_says_its_difference_and_stands_as_its_verdict():
    instead, more, beside, why, takeaway = five(known(), claim=gap(REPRODUCED, DECIDED, 20.0, 17.5, 22.5))
    assert "**One for one, synthetic images teach less than real ones**: on a\\_b (8×6 pixels), " in instead
    assert "trained on 1,000 of them classifies 60.0% of the test" in instead
    assert "1,000 real images 80.0%; that is 20.0 points less accuracy (95% interval −22.5 to −17.5)" in instead
    assert "**5 times as many synthetic images teach as much, to a point, as the real ones" in more
    assert "5,000 of them has 0.0 points more accuracy" in more
    assert "**Beside real images they help**: with images from reverse steps 50 to 100 ×5" in beside
    assert "10.0 points more accuracy" in beside
    assert "These are means over 3 seeds, on 1,000 test images." in instead
    assert "drawn with replacement from the real ones change the accuracy by −10.0 points" in why
    assert "in their place change it by a further −10.0 points" in why
    assert "not tested here: not run" in why
    assert f"Of the paper's {len(claims())} claims" in takeaway


@pytest.mark.parametrize(
    ("verdict", "standing", "words"),
    [
        (REPRODUCED, DECIDED, "One for one, synthetic images teach less than"),
        (REPRODUCED, LEANING, "One for one, synthetic images probably teach less than"),
        (REVERSED, LEANING, "probably teach more than"),
        (NO_EFFECT, DECIDED, "teach as much, to a point, as"),
        (INCONCLUSIVE, OPEN, "is open"),
    ],
)
def test_the_first_sentence_stands_as_its_claim(verdict, standing, words):
    lead = five(known(), claim=gap(verdict, standing, 1.0, -0.5, 2.5))[0].split("**")[1]
    assert words in lead
    assert ("probably" in lead) == (standing == LEANING)


@pytest.mark.parametrize(
    ("shares", "standing"),
    [((0.9, 0.9, 0.9), DECIDED), ((0.83, 0.84, 0.85), LEANING), ((0.7, 0.9, 0.88), OPEN)],
)
def test_the_second_and_third_stand_as_the_plain_answer(shares, standing):
    """One arm against a level of .8 in both: beside real images, and in their place."""
    levels = LEVELS | {(MIX, 5): shares, (SYNTHETIC_ONLY, 5): shares}
    found = decide([crossed(known(levels=levels).minus((MIX, 5), REAL))] * 2)[0]
    assert found.standing == standing
    _, more, beside, *_ = five(known(levels=levels))
    for lead in (more.split("**")[1], beside.split("**")[1]):
        assert ("probably" in lead, "open" in lead) == (standing == LEANING, standing == OPEN)


def test_one_seed_leaves_everything_open_and_no_copies_leave_the_question_out():
    nan = math.nan
    lines = five(known(seeds=1), claim=gap(INCONCLUSIVE, OPEN, 20.0, nan, nan))
    assert all("open" in line.split("**")[1] for line in lines[:3])
    assert "nan" not in "".join(lines)
    assert "Why is not asked" in five(known(levels={c: a for c, a in LEVELS.items() if c[0] != BOOTSTRAP}))[3]


def test_differences_are_in_the_answers_measure():
    groups = (np.arange(1000) >= 700).astype(int)  # 100 of 700 and 100 of 300 images are gained
    assert "16.7 points more balanced accuracy" in five(known(), groups)[2]


def test_what_needs_no_generator_stands_beside_the_mix_and_below_it():
    policy = Arm("RandAugment")
    levels = LEVELS | {(policy, 0): 0.85, (NAIVE.under(policy), 1): 0.5, (NAIVE.under(policy), 5): 0.87}
    beside = five(known(levels=levels))[2]
    assert "RandAugment, which needs no generator, changes it by +5.0 points" in beside
    assert "synthetic images ×5 on top of that by +2.0 points" in beside


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ((0.5, 0.6), "was not trained to its end: from 64 to 128 images seen"),
        ((0.6, 0.6), "was trained to its end"),
        (((0.5, 0.6, 0.65), (0.62, 0.6, 0.63)), "It is open whether"),
    ],
)
def test_a_generator_that_still_learns_is_named_with_its_last_gain(levels, words):
    trained = right({(32,): 0.3, (64,): levels[0], (128,): levels[1]}, images=1000)
    assert words in five(known(), trained=trained)[3]
    assert "trained to its end" not in five(known())[3]
    assert len(list(front._train_longer(trained))) == ("was trained" not in words)


@pytest.mark.parametrize(
    ("verdict", "standing", "words"),
    [
        (REPRODUCED, DECIDED, ": crowding near the modes costs accuracy."),
        (NO_EFFECT, LEANING, ": crowding near the modes probably costs less than a point."),
        (INCONCLUSIVE, OPEN, "is open."),
    ],
)
def test_the_trimming_control_is_told_in_points_and_stands_as_its_claim(verdict, standing, words):
    lost = crossed(np.full((3, 1000), 0.05)).in_points
    claim = {"concentration-is-the-cause": {"verdict": verdict, "standing": standing}}
    why = five(known(), control=Loss(lost, lost), claim=claim)[3]
    assert "Real images cut to the spread of synthetic ones change it by −5.0 points" in why
    assert why.endswith(words)


def test_the_sentences_of_a_run_are_five_each_with_a_number(smoke):
    (text,) = smoke.lab.show("five-sentences")
    several = text.split("\n")
    assert len(several) == 5
    assert "nan" not in text.lower()
    means = smoke.rows("table3").groupby(["arm", "multiple"]).accuracy.mean()
    gap = 100 * (means["synthetic only", 1] - means["real only", 0])
    size, side = re.search(r"(\d+\.\d) points (more|less) accuracy", several[0]).groups()
    assert float(size) == pytest.approx(abs(gap), abs=0.051)  # of 40 images a tie of rounding is not rare
    assert side == ("more" if gap >= 0 else "less")
    assert all(f"{100 * level:.1f}%" in several[0] for level in (means["synthetic only", 1], means["real only", 0]))
    assert f"{max(smoke.preset.replication)} times as many" in several[1]
    assert all(sentence.count("**") >= 2 for sentence in several)


def between(text, start="", end=")"):
    """What stands in brackets after "95% interval ", in a text."""
    return text.split(f"{start}95% interval ")[1].split(end)[0]


def test_one_comparison_has_one_interval_and_one_standing_wherever_it_is_shown(smoke):
    """The answer's two questions, and ×1 in the place of real images: answer, sentences, scoreboard and tables."""
    (text,) = smoke.lab.show("five-sentences")
    as_many, instead, beside, *_ = text.split("\n")
    real = parsed(smoke.lab.show("tab-against-real")[0])["difference (points)"]
    controls = parsed(smoke.lab.show("tab-against-controls")[0]).reset_index()
    scores = {row["no."]: row for row in rows_of(smoke.lab.show("tab-scoreboard")[0])}
    sure = rows_of(smoke.lab.show("tab-sure")[0])
    decided = smoke.lab.value(verdicts)
    open_ones = {OPEN: "open", LEANING: "probably", DECIDED: ""}

    for row, sentence, (question, (first, second, verdict)) in zip(
        sure, (instead, beside), decided.items(), strict=True
    ):
        e = verdict.difference.in_points
        assert (
            between(sentence)
            == between(smoke.lab.show(f"answer-{question}")[0])
            == row["difference (points)"].split("(")[1].rstrip(")")
            == ends(e)
        )
        assert row["standing"] == verdict.standing
        assert row["p, corrected"] == p_value(verdict.p)
        assert open_ones[verdict.standing] in sentence.split("**")[1]
        title = cell_title(cell_name(first))
        if second == REAL:
            shown = real[title]
        else:
            mine = controls[(controls.arm == title) & (controls.against == cell_title(cell_name(second)))]
            (shown,) = mine["difference (points)"]
        assert shown == f"{e.mean:+.1f} ({ends(e)})".replace("−", "-")

    by_id = {v.claim.id: (i, v) for i, v in enumerate(smoke.lab.value(claims_of), start=1)}
    number, found = by_id["gap-at-equal-size"]
    assert between(as_many) == ends(replace(found.effect, low=-found.effect.high, high=-found.effect.low))
    assert open_ones[found.standing] in as_many.split("**")[1]
    assert scores[str(number)]["here"] == f"{signed(found.effect.mean)} ({ends(found.effect)}) points"
    assert scores[str(number)]["p, corrected"] == p_value(found.p)
    mirrored = f"{-found.effect.mean:+.1f} ({-found.effect.high:+.1f} to {-found.effect.low:+.1f})"
    assert real["synthetic only ×1"] == mirrored
    steps = parsed(smoke.lab.show("tab-2")[0])
    assert steps.loc["100 (synthetic)", "digits: change"] == mirrored
    cas = parsed(smoke.lab.show("tab-cas")[0]).reset_index()
    assert cas[(cas.data == "digits") & (cas["trained on"] == "EDM ×1")]["difference (points)"].tolist() == [mirrored]


def test_the_sentences_of_the_executed_chapter_are_what_the_front_page_includes(tmp_path):
    output = new_output("display_data", data={"text/markdown": "1. first\n1. second", "text/plain": "x"})
    cell = new_code_cell("show()", id="five-sentences", execution_count=1, outputs=[output])
    nbformat.write(new_notebook(cells=[cell]), tmp_path / "a.ipynb")
    assert book.cell_markdown(tmp_path / "a.ipynb", "five-sentences") == "1. first\n1. second"
    with pytest.raises(UserError, match=r"a\.ipynb holds no cell other"):
        book.cell_markdown(tmp_path / "a.ipynb", "other")
    source = nbformat.read(ROOT / "chapters" / f"{book.FRONT}.ipynb", as_version=4)
    page = (ROOT / "book" / "intro.md").read_text(encoding="utf-8")
    for cell_id, name in book.SENTENCES.items():
        assert [c.source for c in source.cells if c.id == cell_id] == [f'show("{cell_id}")']
        assert f"{{include}} executed/{name}" in page
    figure, name = book.HEADLINE
    named = [c for c in source.cells if c.metadata.get("mystnb", {}).get("figure", {}).get("name") == figure]
    assert [c.source for c in named] == [f'show("{figure}")']
    assert f"{{figure}} executed/{name}" in page


# the figure, and what to do


def test_the_figure_has_a_line_for_each_way_to_train_with_its_seeds_and_its_change(smoke):
    (figure,) = smoke.lab.show("fig-answer")
    (ax,) = figure.axes
    titles = [tick.get_text() for tick in ax.get_yticklabels()]
    means = 100 * smoke.rows("table3").groupby(["arm", "multiple"]).accuracy.mean()
    real = means["real only", 0]
    written = [text.get_text() for text in ax.texts]
    for k in smoke.preset.replication:
        (place,) = [i for i, title in enumerate(titles) if title.endswith(f"(×{k:g})")]
        assert signed(means["synthetic only", k] - real) in written
        dots = ax.collections[2 * place + 1].get_offsets()  # bars and dots in turn
        assert len(dots) == len(smoke.seeds)
        assert dots[:, 0].mean() == pytest.approx(means["synthetic only", k] - real)
    assert sum("chosen" in title for title in titles) == 1
    assert ax.lines[-1].get_xdata() == [0, 0]


def test_what_to_do_begins_with_what_costs_nothing_and_stands_as_the_answer(smoke):
    (text,) = smoke.lab.show("what-to-do")
    (answer,) = smoke.lab.show("answer-next")
    steps = [line.removeprefix("1. ") for line in text.split("\n")]
    theirs = [line.split(". ", 1)[1] for line in answer.split("\n")]
    assert steps[: len(theirs)] == theirs
    augment = smoke.lab.value(verdicts)["augment"][2]
    assert any("Don't rely on" in step for step in steps) == (augment.standing != DECIDED)
