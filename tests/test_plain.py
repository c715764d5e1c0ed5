"""The plain answer's sentences: exact words for every case, and names that Markdown must not change."""

import math

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from synthgap.exhibits.plain import (
    ONE_SEED,
    QUESTIONS,
    Answer,
    Said,
    against,
    escaped,
    interval,
    match_words,
    needed_words,
    percent,
    points,
    share,
    signed,
    told_apart,
    worth_words,
)
from synthgap.exhibits.tables import myst_table
from synthgap.stats.crossed import DIFFERENCE, Crossed, Crossing, Needed, crossed
from synthgap.stats.intervals import SHARE, estimate_mean
from synthgap.stats.verdict import OPEN, Verdict, decide

ONE = crossed(np.full((1, 10), 0.5))
PARSER = MarkdownIt("commonmark").enable("table")


def certain(mean, error, span=DIFFERENCE):
    """A difference of shares, or a share, with the normal's intervals."""
    return Crossed(mean, 0.0, error**2, 0.0, 3, 300, span)


# Names in Markdown


NASTY = [
    "a*b_c",
    "<b>x</b>",
    "[x](y)",
    "1. item",
    "|pipe|",
    "__init__",
    "**bold**",
    "_",
    "*",
    "`code`",
    "{ref}`x`",
    "$x$",
    "~~gone~~",
    "![x](y)",
    "<http://x.y>",
    "&amp;",
    "# head",
    "- item",
    "a\\b",
    "a\\*b",
    "end\\",
    "a\\|b",
    "größe ü ネコ",
]


def shown(markdown, kind):
    """The text of the first node of a kind, which holds nothing but text."""
    node = next(n for n in SyntaxTreeNode(PARSER.parse(markdown)).walk() if n.type == kind)
    inner = [n for n in node.walk() if n is not node and n.type != "inline"]
    assert {n.type for n in inner} == {"text"}
    return "".join(n.content for n in inner)


@pytest.mark.parametrize("name", NASTY)
def test_a_name_in_a_sentence_comes_back_from_markdown_as_it_is(name):
    said = Said(f"**In class {escaped(name)}**: a classifier.")
    assert shown(said.markdown, "strong") == f"In class {name}"


@pytest.mark.parametrize("name", NASTY)
def test_a_name_in_a_table_comes_back_from_markdown_as_it_is(name):
    table = myst_table(pd.DataFrame({"class": [escaped(name)], "n": [3]}), "Classes", "tab-x")
    rows = "\n".join(line for line in table.splitlines() if line.startswith("|"))
    assert shown(rows, "td") == name
    assert rows.count("\n") == 2


@pytest.mark.parametrize("name", NASTY)
def test_a_name_in_plain_text_is_as_it_is(name):
    text = str(Answer({"failing": Said(f"**In class {escaped(name)}**: a classifier.")}))
    assert text == f"Where do they fail?\nIn class {name}: a classifier."


def test_a_plain_name_needs_no_escapes():
    assert escaped("wolf 12 (ü)") == r"wolf 12 \(ü\)"
    assert escaped("wolf, 12: ü.png") == "wolf, 12: ü.png"


def test_an_answer_in_plain_text_has_no_markdown():
    answer = Answer(
        {
            "replace": Said("**No**: 1.2 points less.", ("To tell.", "The rate is **not identifiable**.")),
            "failing": Said(f"**In class {escaped('a*b <c>')}**: it fails."),
        }
    )
    text = str(answer)
    assert text == (
        f"{QUESTIONS['replace']}\nNo: 1.2 points less. To tell. The rate is not identifiable.\n\n"
        f"{QUESTIONS['failing']}\nIn class a*b <c>: it fails."
    )
    assert "**" not in text
    assert "\\" not in text
    assert answer["replace"].sentence == "**No**: 1.2 points less."


def test_a_sentence_is_a_block_quote_and_what_goes_further_a_paragraph():
    assert Said("It **is**.", ("One.", "Two.")).markdown == "> It **is**.\n\nOne. Two."
    assert Said("It is.").markdown == "> It is."


# Numbers


@pytest.mark.parametrize(
    ("difference", "text"),
    [(0.012, "+1.2"), (-0.012, "\N{MINUS SIGN}1.2"), (0.0, "+0.0"), (1.0, "+100.0"), (-1.0, "\N{MINUS SIGN}100.0")],
)
def test_a_difference_has_a_sign_and_the_minus_is_a_minus(difference, text):
    assert signed(difference) == text


def test_an_interval_is_in_points():
    assert interval(certain(0.05, 0.01)) == "95% interval +3.0 to +7.0"
    assert interval(certain(-0.05, 0.01)) == "95% interval −7.0 to −3.0"
    assert points(certain(0.01, 0.01)) == "+1.0 points (95% interval −1.0 to +3.0)"


def test_an_interval_ends_where_a_difference_of_shares_does():
    assert interval(certain(0.95, 0.2)) == "95% interval +55.8 to +100.0"
    assert interval(certain(-0.95, 0.2)) == "95% interval −100.0 to −55.8"


def test_with_one_seed_there_is_no_interval_and_it_is_said():
    assert interval(ONE) == ONE_SEED == "one seed: nothing can be told from chance"
    assert points(ONE) == f"+50.0 points ({ONE_SEED})"
    assert share(ONE) == "50.0%"
    assert percent(estimate_mean([0.5])) == "50%"


def test_shares_stay_between_0_and_100_percent():
    assert share(certain(0.8, 0.01, SHARE)) == "80.0% (78.0 to 82.0)"
    assert share(certain(0.99, 0.02, SHARE)) == "99.0% (95.1 to 100.0)"
    assert share(certain(0.01, 0.02, SHARE)) == "1.0% (0.0 to 4.9)"
    assert percent(estimate_mean([0.9, 1.0], span=SHARE)) == "95% (31 to 100)"


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (certain(0.05, 0.01), "better than"),
        (certain(-0.05, 0.01), "worse than"),
        (certain(0.01, 0.01), "not told from"),
        (certain(-0.01, 0.01), "not told from"),
        (ONE, "not told from"),
    ],
)
def test_differences_whose_interval_holds_0_are_not_told_apart(difference, words):
    assert told_apart(difference) == words


# What a synthetic set is worth


def test_a_set_that_lies_on_the_curve_is_worth_so_many_real_images():
    assert worth_words(Crossing(250.4, 180.2, 333.3), 500, 500) == (
        "500 synthetic images (×1) are worth about 250 real ones (95% interval 180 to 333), an exchange rate of 2.0 "
        "synthetic images for a real one (1.5 to 2.8)."
    )
    assert worth_words(Crossing(100, 80, 120), 1200, 400).startswith("1,200 synthetic images (×3) are worth about 100 ")


@pytest.mark.parametrize(
    ("value", "edge"),
    [
        (Crossing(0, 0, 62), "fewer real ones than the curve begins with"),
        (Crossing(0, 0, math.inf), "fewer real ones than the curve begins with"),
        (Crossing(math.inf, 400, math.inf), "more than your 1,500 real ones"),
        (Crossing(math.inf, 0, math.inf), "more than your 1,500 real ones"),
    ],
)
def test_beyond_the_curve_the_exchange_rate_is_not_identifiable(value, edge):
    assert worth_words(value, 1500, 1500) == (
        f"1,500 synthetic images (×1) are worth {edge}: the exchange rate is **not identifiable**."
    )


@pytest.mark.parametrize(
    ("value", "span", "rates"),
    [
        (Crossing(250, 0, 400), "fewer than tried to 400", "at least 1.2"),
        (Crossing(250, 100, math.inf), "100 to more than 500", "at most 5.0"),
        (Crossing(250, 0, math.inf), "fewer than tried to more than 500", "any rate is possible"),
    ],
)
def test_an_open_end_of_the_worth_leaves_that_end_of_the_rate_unidentified(value, span, rates):
    assert worth_words(value, 500, 500) == (
        f"500 synthetic images (×1) are worth about 250 real ones (95% interval {span}), an exchange rate of 2.0 "
        f"synthetic images for a real one ({rates})."
    )


# The multiple that matches the real images


@pytest.mark.parametrize(
    ("match", "words"),
    [
        (Crossing(2.34, 1.52, 3.96), "is ×2.3 (95% interval ×1.5 to ×4.0)"),
        (Crossing(2.34, 0, 3.96), "is ×2.3 (95% interval ×1 or less to ×4.0)"),
        (Crossing(2.34, 1.52, math.inf), "is ×2.3 (95% interval ×1.5 to beyond ×5)"),
        (Crossing(2.34, 0, math.inf), "is ×2.3 (95% interval ×1 or less to beyond ×5)"),
        (Crossing(math.inf, 2.5, math.inf), "is not reached by ×5 (95% interval ×2.5 to beyond ×5)"),
        (Crossing(0, 0, math.inf), "is ×1 or less (95% interval ×1 or less to beyond ×5)"),
    ],
)
def test_the_matching_multiple_is_a_number_or_the_end_of_what_was_tried(match, words):
    assert match_words(match, [1, 3, 5]) == f"The multiple that matches your real images {words}."


def test_without_a_curve_nothing_is_said():
    assert worth_words(None, 500, 500) == ""
    assert match_words(None, [1]) == ""


def test_multiples_may_be_fractions():
    assert match_words(Crossing(0, 0, 0.8), [0.5, 2.5]) == (
        "The multiple that matches your real images is ×0.5 or less (95% interval ×0.5 or less to ×0.8)."
    )


def test_a_match_told_at_an_end_of_what_was_tried_needs_no_interval():
    assert match_words(Crossing(0, 0, 1), [1, 3, 5]) == "At ×1 they match your real images already (told at 95%)."
    told = match_words(Crossing(math.inf, math.inf, math.inf), [1, 3, 5])
    assert told == "At ×5 they don't match your real images yet (told at 95%)."


# What would decide


@pytest.mark.parametrize(
    ("needed", "ways"),
    [
        (Needed(12, None, (9, 900)), "12 seeds on these test images"),
        (Needed(None, 1400, (9, 900)), "1,400 test images with these seeds"),
        (Needed(12, 1400, (9, 900)), "12 seeds on these test images or 1,400 test images with these seeds"),
        (Needed(None, None, (1200, 9900)), "1,200 seeds and 9,900 test images"),
    ],
)
def test_what_would_decide_is_seeds_or_images_and_both_only_where_neither_can_alone(needed, ways):
    verdict = Verdict(OPEN, certain(-0.023, 0.02), 0.3, needed)
    assert needed_words(verdict) == f"To tell a difference of 2.3 points from none, n needed ≈ {ways}."


def test_a_smaller_difference_than_one_point_is_not_planned_for():
    verdict = Verdict(OPEN, certain(0.001, 0.02), 0.9, Needed(12, None, (9, 900)))
    assert needed_words(verdict).startswith("To tell a difference of 1.0 points from none,")


def test_nothing_is_needed_where_a_question_is_decided_or_one_seed_was_run():
    for difference in (certain(0.05, 0.01), certain(0.0, 0.001), ONE):
        assert needed_words(decide([difference])[0]) == ""


def test_a_loss_of_plain_accuracy_is_said_in_points_and_ends_at_100():
    class Uneven:
        measure = "balanced accuracy"

        def difference(self, first, second, measure):
            return crossed(np.array([[-1.0, -1.0, 0.0], [-1.0, 0.0, -1.0], [0.0, -1.0, -1.0]]))

    cells = ("synthetic only", 1), ("real only", 0)
    text = against(*cells, Verdict(OPEN, certain(-0.5, 0.4), 0.2, None), Uneven())
    assert text.startswith("50.0 points less balanced accuracy (95% interval −100.0 to +28.4; 66.7 points less plain")
    assert "plain accuracy, −100.0 to " in text
    Uneven.difference = lambda self, *cells: ONE
    one = against(*cells, Verdict(OPEN, ONE, math.nan, None), Uneven())
    assert "nan" not in one
    assert one.endswith("50.0 points more plain accuracy)")
