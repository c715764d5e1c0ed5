"""The plain answer's sentences and tables: the facts they must hold, case by case, and names that Markdown must not
change."""

import math
import re

import numpy as np
import pytest
from given_set import lab_of
from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from reading import cells_of

from synthgap.base.words import ONE_SEED, escaped
from synthgap.exhibits.answer import task, tested
from synthgap.exhibits.answer_text import QUESTIONS, Answer, Said, answer
from synthgap.exhibits.answer_words import against_words, match_words, needed_words, standing_words, worth_words
from synthgap.exhibits.base import EXHIBITS
from synthgap.exhibits.text import myst_table
from synthgap.exhibits.your_data import known, settings
from synthgap.stats.crossed import DIFFERENCE, Crossed, Crossing, Needed, crossed
from synthgap.stats.verdict import BETTER, DECIDED, LEANING, OPEN, SAME, UNKNOWN, WORSE, Verdict, decide

ONE = crossed(np.full((1, 10), 0.5))
PARSER = MarkdownIt("commonmark").enable("table")
INF = math.inf
NUMBERED = [name for name, one in EXHIBITS.items() if one.section == "your_data" and not one.plain]


def certain(mean, error):
    """A difference of shares with the normal's intervals."""
    return Crossed(mean, 0.0, error**2, 0.0, 3, 300, DIFFERENCE)


def numbers(text):
    """The numbers of a sentence in their order, with their signs, "1,200" as 1200."""
    return [float(n.replace(",", "").replace("−", "-")) for n in re.findall(r"[−+]?\d[\d,]*(?:\.\d+)?", text)]


# whole answers


def test_every_question_is_answered_by_a_number_and_an_interval(smoke):
    found = answer(smoke.lab.value(known))
    assert list(found.said) == list(QUESTIONS)
    for question, said in found.said.items():
        assert numbers(said.sentence), question
        assert " to " in said.sentence or "±" in said.sentence or question == "which_step", question
        assert smoke.lab.show(f"answer-{question.replace('_', '-')}") == [said.markdown]
    assert all(title in str(found) for title in QUESTIONS.values())


def test_uneven_classes_given_images_and_one_multiple_are_told_of(given):
    found = answer(given.value(known))
    assert "balanced accuracy" in found["replace"].sentence
    assert "plain accuracy" in found["replace"].sentence
    assert "copying" in found["copying"].sentence
    assert numbers(found["copying"].sentence)[1] < -3
    assert "Can't tell" in found["how_many"].sentence
    assert "no model was trained" in settings(given.design, given.value(task))["synthetic"]


def test_one_seed_is_said_to_decide_nothing(smoke):
    found = answer(lab_of("auto", smoke.results, seeds=1).value(known))
    assert found["sure"].sentence.startswith("**Not at all**")
    assert "nan" not in str(found)
    assert ONE_SEED in found["replace"].sentence


@pytest.mark.parametrize("name", NUMBERED)
def test_every_figure_and_table_is_there_for_given_images_too(given, name):
    (shown,) = given.show(name)
    if name.startswith("fig-"):
        assert shown.axes
    else:
        assert len(cells_of(shown)) > 1


def test_every_arm_is_a_line_of_its_table_with_its_mean(given):
    (table,) = given.show("tab-arms")
    means = given.value(tested).groupby(["arm", "multiple"], sort=False)[["accuracy", "balanced"]].mean()
    lines = [row[1:3] for row in cells_of(table)[1:]]
    assert [[numbers(cell)[0] for cell in line] for line in lines] == (100 * means).to_numpy().round(1).tolist()


def test_options_are_told_with_the_result(results):
    lab = lab_of("digits", results, max_images=20, flip=True, class_weights="balanced")
    told = settings(lab.design, lab.value(task))
    assert told["max_images"] == "20: 20 training images"
    assert told["flip"] == "True: mirrored in training"
    assert told["class_weights"] == "balanced"
    assert lab.design.arms.classifier(0, 0).block.training.class_weights == "balanced"


# names in Markdown

NASTY = "a*b_c|<b>x</b>|[x](y)|1. item|__init__|**bold**|_|*|`code`|{ref}`x`|$x$|~~gone~~|![x](y)|<http://x.y>|&amp;"
NASTY = [*NASTY.split("|"), "|pipe|", "# head", "- item", "a\\b", "a\\*b", "end\\", "a\\|b", "größe ü ネコ"]


def shown_text(markdown, kind):
    """The text of the first node of a kind, which holds nothing but text."""
    node = next(n for n in SyntaxTreeNode(PARSER.parse(markdown)).walk() if n.type == kind)
    inner = [n for n in node.walk() if n is not node and n.type != "inline"]
    assert {n.type for n in inner} == {"text"}
    return "".join(n.content for n in inner)


@pytest.mark.parametrize("name", NASTY)
def test_a_name_is_shown_as_it_is_in_a_sentence_in_a_table_and_in_plain_text(name):
    said = Said(f"**In class {escaped(name)}**: a classifier.")
    assert shown_text(said.markdown, "strong") == f"In class {name}"
    table = myst_table([{"class": escaped(name), "n": 3}], "Classes", "tab-x")
    rows = "\n".join(line for line in table.splitlines() if line.startswith("|"))
    assert shown_text(rows, "td") == name
    assert rows.count("\n") == 2
    assert str(Answer({"failing": said})).endswith(f"\nIn class {name}: a classifier.")


def test_an_answer_in_plain_text_has_no_markdown():
    text = str(Answer({"replace": Said("**No**: 1.2 points less.", ("To tell.", "It is **not identifiable**."))}))
    assert text == f"{QUESTIONS['replace']}\nNo: 1.2 points less. To tell. It is not identifiable."


def test_a_sentence_is_a_block_quote_and_what_goes_further_a_paragraph():
    assert Said("It **is**.", ("One.", "Two.")).markdown == "> It **is**.\n\nOne. Two."
    assert Said("It is.").markdown == "> It is."


# pieces of sentences


WORDS = {WORSE: "No", SAME: "As good", BETTER: "Yes"}


@pytest.mark.parametrize(
    ("difference", "standing", "words"),
    [
        (certain(0.05, 0.01), DECIDED, "**Yes**"),
        (certain(0.05, 0.02), LEANING, "leans to “yes”"),
        (certain(-0.05, 0.02), LEANING, "leans to “no”"),
        (certain(0.0, 0.001), DECIDED, "**As good**"),
        (certain(0.0, 0.0045), LEANING, "leans to “as good”"),
        (certain(0.01, 0.01), OPEN, "Can't tell"),
        (ONE, OPEN, "Can't tell"),
    ],
)
def test_an_answer_says_what_is_decided_what_it_leans_to_or_that_it_is_open(difference, standing, words):
    (verdict,) = decide([difference])
    assert verdict.standing == standing
    told = standing_words(verdict, WORDS)
    assert words in told
    assert ("leans" in told) == (standing == LEANING)


@pytest.mark.parametrize(
    ("worth", "facts"),
    [
        (Crossing(250.4, 180.2, 333.3), [500, 1, 250, 95, 180, 333, 2.0, 1.5, 2.8]),
        (Crossing(250, 0, 400), [500, 1, 250, 95, 400, 2.0, 1.2]),  # no lower end, no upper one of the rate
        (Crossing(250, 100, INF), [500, 1, 250, 95, 100, 500, 2.0, 5.0]),
        (Crossing(250, 0, INF), [500, 1, 250, 95, 500, 2.0]),
    ],
)
def test_the_worth_and_the_exchange_rate_have_the_ends_that_are_known(worth, facts):
    words = worth_words(worth, 500, 500)
    assert numbers(words) == facts
    assert ("fewer than tried" in words, "more than 500" in words) == (worth.low == 0, worth.high == INF)
    assert ("at least" in words) == (worth.low == 0 and worth.high < INF)
    assert ("at most" in words) == (worth.low > 0 and worth.high == INF)


@pytest.mark.parametrize(("value", "edge"), [(0, "fewer"), (INF, "more than your 1,500")])
def test_beyond_the_curve_the_exchange_rate_is_not_identifiable(value, edge):
    words = worth_words(Crossing(value, 0, INF), 1500, 1500)
    assert edge in words
    assert "not identifiable" in words
    assert "interval" not in words


@pytest.mark.parametrize(
    ("match", "facts", "words"),
    [
        (Crossing(2.34, 1.52, 3.96), [2.3, 95, 1.5, 4.0], ""),
        (Crossing(2.34, 0, INF), [2.3, 95, 1, 5], "×1 or less to beyond ×5"),
        (Crossing(INF, 2.5, INF), [5, 95, 2.5, 5], "not reached by ×5"),
        (Crossing(0, 0, 3.0), [1, 95, 1, 3.0], "is ×1 or less"),
        (Crossing(0, 0, 1), [1, 95], "match your real ones already"),
        (Crossing(INF, INF, INF), [5, 95], "don't match"),
        (Crossing(2.34, 0, INF, (1, 3)), [1, 3], "not identifiable"),
    ],
)
def test_the_matching_multiple_is_a_number_or_the_end_of_what_was_tried(match, facts, words):
    told = match_words(match, (1, 3, 5))
    assert numbers(told) == facts
    assert words in told


def test_on_a_falling_learning_curve_nothing_has_a_worth():
    words = worth_words(Crossing(0, 0, INF, (50, 1000)), 1500, 1500)
    assert "not identifiable" in words
    assert "falls from 50 real images to 1,000 real images" in words
    assert "fewer" not in words


def test_without_a_curve_nothing_is_said_and_multiples_may_be_fractions():
    assert worth_words(None, 500, 500) == match_words(None, (1,)) == ""
    assert numbers(match_words(Crossing(0, 0, 0.8), (0.5, 2.5))) == [0.5, 95, 0.5, 0.8]


@pytest.mark.parametrize(
    ("needed", "facts"),
    [
        (Needed(12, None, (9, 900), 3.0), [2.3, 12]),
        (Needed(None, 1400, (9, 900), 3.0), [2.3, 1400]),
        (Needed(12, 1400, (9, 900), 3.0), [2.3, 12, 1400]),
        (Needed(None, None, (1200, 9900), 3.0), [2.3, 1200, 9900]),  # both, only where neither can alone
    ],
)
def test_what_would_decide_is_told_in_seeds_or_images(needed, facts):
    assert numbers(needed_words(Verdict(UNKNOWN, OPEN, 0.3, certain(-0.023, 0.02), needed))) == facts


def test_a_smaller_difference_than_one_point_is_not_planned_for():
    assert numbers(
        needed_words(Verdict(UNKNOWN, OPEN, 0.9, certain(0.001, 0.02), Needed(12, None, (9, 900), 3.0)))
    ) == [
        1.0,
        12,
    ]


def test_nothing_is_needed_where_a_question_is_decided_or_one_seed_was_run():
    for difference in (certain(0.05, 0.01), certain(0.0, 0.001), ONE):
        assert needed_words(decide([difference])[0]) == ""


def test_a_loss_is_said_in_points_with_the_plain_accuracy_beside_and_ends_at_100():
    plain = crossed(np.array([[-1.0, -1.0, 0.0], [-1.0, 0.0, -1.0], [0.0, -1.0, -1.0]]))
    text = against_words(certain(-0.5, 0.4), "balanced accuracy", plain)
    assert text.startswith("50.0 points less balanced accuracy")
    assert numbers(text)[:5] == [50.0, 95, -100.0, 28.4, 66.7]
    assert "66.7 points less plain accuracy" in text
    assert numbers(text)[5] == -100.0
    one = against_words(ONE, "balanced accuracy", ONE)
    assert "nan" not in one
    assert numbers(one) == [50.0, 50.0]
    assert "plain" not in against_words(ONE, "accuracy", None)
