"""How numbers are written: a real minus, no minus before nothing, intervals that stay within the possible."""

import math

import pytest

from synthgap.base import words
from synthgap.base.meant import meant
from synthgap.stats.intervals import PERCENT, Estimate, estimate_mean

NAN = math.nan


@pytest.mark.parametrize(
    ("given", "shown", "said"),
    [("catt", "{}", "did you mean cat? "), ("catt", "“{}”", "did you mean “cat”? "), ("zebra", "{}", "")],
)
def test_the_nearest_name_is_offered_where_one_is_near(given, shown, said):
    assert meant(given, {"dog": 1, "cat": 2}, shown) == said


@pytest.mark.parametrize(
    ("value", "digits", "plain", "signed"),
    [
        (1.25, 1, "1.2", "+1.2"),
        (-1.5, 1, "−1.5", "−1.5"),
        (-0.04, 1, "0.0", "+0.0"),  # no minus before nothing
        (0.0, 2, "0.00", "+0.00"),
        (12.0, 0, "12", "+12"),
        (math.inf, 1, "∞", "+∞"),
        (-math.inf, 1, "−∞", "−∞"),
    ],
)
def test_a_number_with_its_sign_and_without(value, digits, plain, signed):
    assert words.plain(value, digits) == plain
    assert words.signed(value, digits) == signed


def test_where_plus_and_minus_would_leave_the_possible_the_ends_stand_instead():
    assert words.plus_minus(estimate_mean([50.0, 51.0, 52.0], span=PERCENT)) == "51.00\u00a0±\u00a02.48"
    assert words.plus_minus(estimate_mean([50.0, 100.0], span=PERCENT)) == "75.00 (0.00 to 100.00)"
    assert words.plus_minus(estimate_mean([100.0], span=PERCENT)) == "100.00"
    assert words.plus_minus(Estimate(-1.0, 1.0, 0.25, 3), 1) == "−1.0\u00a0±\u00a00.2"


def test_a_difference_has_its_sign():
    e = Estimate(-1.2, 1.0, 0.4, 3)
    assert words.difference(Estimate(-60.0, 1.0, 50.0, 3, (-100.0, 100.0)), 0) == "−60 (−100 to −10)"
    assert words.difference(e) == "−1.20 (−1.60 to −0.80)"
    assert words.points(e) == "−1.2 points (95% interval −1.6 to −0.8)"
    assert words.more_or_less(e) == "1.2 points less"
    assert words.more_or_less(Estimate(1.2, 1.0, 0.4, 3)) == "1.2 points more"


def test_a_small_difference_has_a_third_digit():
    assert words.difference(Estimate(0.5, 1.0, 0.25, 3)) == "+0.500 (+0.250 to +0.750)"
    assert words.difference(Estimate(0.5, 1.0, 0.25, 3), 2) == "+0.50 (+0.25 to +0.75)"


def test_a_level_and_its_interval_have_no_sign():
    e = Estimate(91.2, 1.0, 1.1, 3)
    assert words.percent(e) == "91.2% (90.1 to 92.3)"
    assert words.between(e) == "90.1 to 92.3"
    assert words.ends(e) == "+90.1 to +92.3"


def test_seeds_that_all_agree_are_said_to_and_have_no_interval_of_no_width():
    same = estimate_mean([0.1 + 0.2, 0.3, 0.3], span=PERCENT)
    assert words.plus_minus(same) == f"0.30 ({words.AGREE})"
    assert words.difference(same) == f"+0.300 ({words.AGREE})"
    assert words.percent(same) == f"0.3% ({words.AGREE})"
    assert words.points(same) == f"+0.3 points ({words.AGREE})"
    assert words.AGREE not in words.plus_minus(estimate_mean([0.30, 0.301, 0.302]))
    assert words.AGREE not in words.plus_minus(estimate_mean([0.3]))


def test_one_seed_has_no_interval():
    one = Estimate(9.0, NAN, NAN, 1)
    assert (words.plus_minus(one), words.difference(one)) == ("9.00", "+9.00")
    assert words.percent(one) == "9.0%"
    assert words.interval(one) == words.ONE_SEED
    assert words.points(one) == f"+9.0 points ({words.ONE_SEED})"


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.5, "0.500"), (0.0012, "0.001"), (0.001, "0.001"), (0.0009, "< .001"), (0.0, "< .001"), (NAN, "–")],
)
def test_p_values_have_three_decimals(p, text):
    assert words.p_value(p) == text


def test_times_counts_and_durations():
    assert (words.times(2.04), words.times(NAN)) == ("2.0", "–")
    assert [words.plural(n, "seed") for n in (0, 1, 1200)] == ["0 seeds", "1 seed", "1,200 seeds"]
    assert [words.clock(s) for s in (0.4, 75, 3599.6, 7384)] == ["0:00", "1:15", "1:00:00", "2:03:04"]


@pytest.mark.parametrize(
    ("seconds", "told", "short"),
    [
        (0.123, "0.12 seconds", "0.12 s"),
        (1.0, "1 second", "1 s"),
        (59, "59 seconds", "59 s"),
        (90, "1.5 minutes", "1.5 min"),
        (5000, "83 minutes", "83 min"),
        (7200, "2 hours", "2 h"),
        (9e6, "2,500 hours", "2,500 h"),
    ],
)
def test_a_length_of_time_has_two_digits_and_the_unit_that_people_would_take(seconds, told, short):
    assert words.duration(seconds) == told
    assert words.duration(seconds, units=words.SHORT_UNITS) == short
    assert words.duration(seconds, "core-").split() == [told.split()[0], f"core-{told.split()[1]}"]


def test_a_users_name_is_shown_by_markdown_as_it_is():
    from markdown_it import MarkdownIt

    for name in ("a*b*c", "_x_", "[l](u)", "<b>", "`code`", "# one", "a|b", "~~s~~", "$x$", r"back\slash", "- item"):
        shown = MarkdownIt().parseInline(words.escaped(name))[0]
        assert "".join(part.content for part in shown.children) == name
        assert {part.type for part in shown.children} <= {"text", "text_special"}
