"""What tables of all sections share: the paper's numbers, typed in here a second time, frames, trends, differences."""

import math

import numpy as np
import pandas as pd
import pytest
from reading import parsed

from synthgap.design.values import FLOOR, GAN
from synthgap.exhibits import drawing
from synthgap.exhibits.text import (
    TOO_FEW,
    UNMEASURED,
    by_step,
    difference_sentence,
    folded,
    in_percent,
    left_out,
    mean_of,
    mean_told,
    moves,
    multiple_span,
    myst_table,
    paper_table,
    percent_told,
    published,
    rate_span,
    seeds_told,
    trend_of,
    trend_table,
    trends_by_protocol,
)
from synthgap.stats.crossed import Crossed, crossed
from synthgap.stats.intervals import ANY
from synthgap.stats.trends import FALLS, RISES

STEPS = (0, 30, 50, 70, 100)

# the paper's tables, row by row as printed
TABLE2 = """
0    95.58 .16  86.70 .08
30   94.85 .15  86.16 .61
50   93.33 .38  81.07 .90
70   91.57 .55  77.88 .31
100  89.85 .41  77.68 .73
"""
TABLE3 = """
synthetic_only  54.02 .47  64.68 .34  69.03 .44
100             69.23 .25  72.99 .14  75.10 .37
25              63.17 .42  63.27 .25  64.05 .97
50              64.41 .44  66.20 .12  67.85 .36
75              67.80 .59  71.60 .38  73.06 .14
0-50            65.41 .35  65.15 .78  66.62 .63
0-100           69.08 .20  72.36 .26  73.87 .30
50-100          69.85 .29  73.22 .32  75.52 .21
75-100          67.69 .22  72.11 .08  73.05 .60
"""
TABLE4 = """
real_only           64.71 .91  61.73 .30  74.58 .29
synthetic_only_×1   54.02 .47  43.10 .44  49.91 .32
synthetic_only_×3   64.78 .20  54.48 .51  70.26 .51
synthetic_only_×5   69.03 .44  57.85 .39  75.72 .55
RandAugment         66.13 .65  64.09 .11  77.21 .25
TrivialAugment      67.65 .24  65.42 .32  78.61 .50
100_×5              75.10 .37  63.51 .19  81.33 .17
50-100_×5           75.52 .21  64.23 .56  83.17 .01
"""


def printed(text: str, columns: list) -> dict:
    """{row: {column: [mean, ±]}}"""
    out = {}
    for line in text.split("\n")[1:-1]:
        name, *numbers = line.split()
        pairs = [[float(a), float(b)] for a, b in zip(numbers[::2], numbers[1::2], strict=True)]
        out[name.replace("_", " ")] = dict(zip(columns, pairs, strict=True))
    return out


def test_table_1_holds_the_papers_numbers():
    wanted = {"StyleGAN3": {"pixel": 89.56, "dct": 53.62}, "EDM": {"pixel": 56.15, "dct": 58.91}}
    assert paper_table("table1") == wanted


def test_table_2_holds_the_papers_numbers():
    rows = printed(TABLE2, ["CIFAR-10", "CIFAR-100"])
    wanted = {column: {int(t): row[column] for t, row in rows.items()} for column in ("CIFAR-10", "CIFAR-100")}
    assert paper_table("table2") == wanted


def test_table_3_holds_the_papers_numbers():
    assert paper_table("table3") == {"real only": {0: [64.71, 0.91]}, **printed(TABLE3, [1, 3, 5])}


def test_table_4_holds_the_papers_numbers():
    assert paper_table("table4") == printed(TABLE4, ["Aircraft", "Bird", "Car"])


def test_a_published_number_has_its_spread():
    assert published([95.58, 0.16]) == "95.58\u00a0±\u00a00.16"
    assert published(None) == "–"


# tables


def test_a_table_has_a_name_and_says_nothing_where_nothing_is():
    text = myst_table([{"a": 1, "b": "x"}, {"a": 2}], "About `it`", "tab-x", sortable=True)
    assert text.startswith("```{table} About 'it'\n:name: tab-x\n:class: sortable\n\n")
    assert text.endswith("| 2 |  |\n```")


def test_a_bar_in_a_cell_does_not_end_it():
    assert parsed(myst_table([{"a": "x|y", "b": r"x\|y"}], "c", "tab-x").replace(r"\|", "/")).index.tolist() == ["x/y"]


def test_what_was_not_measured_is_said_under_the_tables_label():
    assert parsed(left_out("Fidelity", "tab-fidelity")).index.tolist() == [UNMEASURED]


def test_shares_become_percent_and_stay_within_the_possible():
    e = in_percent(pd.Series([0.5, 1.0]))
    assert (e.mean, e.low, e.high) == (75, 0, 100)


def test_of_few_seeds_each_is_printed_and_of_more_the_interval():
    assert seeds_told([85.3, 57.24, 72.1]) == "71.5 (57.2, 72.1, 85.3)"
    assert seeds_told([50.0]) == "50.0"
    assert " ± " in seeds_told([1.0, 2.0, 3.0, 4.0]).replace("\u00a0", " ")
    assert percent_told(np.array([0.5, 0.6])) == "55.0 (50.0, 60.0)"
    assert ["brackets" in mean_told(n) for n in (1, 3, 5)] == [False, True, False]


def test_a_folded_table_is_whole_for_those_who_read_it_out_and_in_print():
    table = myst_table([{"a": 1}], "Numbers", "tab-a")
    shown = folded(table, "All numbers")
    assert shown.startswith('<details class="folded">\n<summary>All numbers</summary>\n\n')  # Markdown goes on inside
    assert f"\n\n{table}\n\n</details>" in shown


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [(90.94, 86.6, "falls from 90.9% to 86.6%"), (1, 2, "rises from 1.0% to 2.0%"), (5, 5.01, "stays at 5.0%")],
)
def test_a_mean_falls_rises_or_stays(first, last, words):
    assert moves(first, last, 1, "%") == words


def test_a_line_is_a_protocol_and_a_step_and_what_stands_beside_the_steps_is_named():
    cells = [(p, t, s) for p in ("a", "b") for t in (0, 50, FLOOR, GAN) for s in (0, 1)]
    rows = pd.DataFrame(cells, columns=["protocol", "t_re", "seed"]).assign(recall=0.5)
    rows.loc[0, "recall"] = math.nan
    out = by_step(rows, {"recall": "R"})
    assert out.iloc[:, 0].tolist()[:4] == ["a: 0", "a: 50", "a: other real images", "a: StyleGAN3"]
    assert out.R.tolist() == [TOO_FEW] + ["0.50 (0.50, 0.50)"] * 7
    assert by_step(rows.drop(columns="protocol"), {}).iloc[:, 0].tolist()[1] == "50"
    assert mean_of(rows.iloc[2:4].assign(recall=[0.4, 0.6]), "recall") == "0.50 (0.40, 0.60)"


@pytest.mark.parametrize(
    ("ends", "words"),
    [((0, math.inf), "any"), ((0, 2), "at most 2.0"), ((2, math.inf), "at least 2.0"), ((1.5, 2), "1.5 to 2.0")],
)
def test_an_interval_of_a_rate_says_where_it_has_no_end(ends, words):
    assert rate_span(*ends) == words


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ((1.24, 3), "×1.2 to ×3.0"),
        ((0, math.inf), "×1 or less to beyond ×5"),
        ((math.inf, math.inf), "beyond ×5"),
        ((0, 0), "×1 or less"),
    ],
)
def test_an_interval_of_a_multiple_ends_where_nothing_was_tried(ends, words):
    assert multiple_span(*ends, (1, 3, 5)) == words


# differences


def test_a_difference_is_said_with_its_interval_and_without_a_verdict():
    e = Crossed(3.0, 0.0, (1 / 1.959964) ** 2, 0.0, 5, 40, ANY)
    assert difference_sentence("real", "synthetic", e) == (
        "real − synthetic: +3.0 points (95% interval +2.0 to +4.0, 5 seeds)."
    )
    assert "run two seeds or more" in difference_sentence("a", "b", crossed(np.ones((1, 10))).in_points)


# trends


def rows(slope, noise, seeds=3, seed=0):
    rng = np.random.default_rng(seed)
    cells = [(t, s, slope * t + noise * rng.standard_normal() + s) for t in STEPS for s in range(seeds)]
    return pd.DataFrame(cells, columns=["t_re", "seed", "nats"])


def test_an_exact_line_changes_by_its_slope_times_100_and_what_is_no_step_does_not_count():
    floor = pd.DataFrame({"t_re": [FLOOR] * 3 + [GAN] * 3, "seed": [0, 1, 2] * 2, "nats": [99.0] * 6})
    change = trend_of(pd.concat([rows(0.02, 0.0), floor]), "nats", "v", "p", RISES).change
    assert change.mean == pytest.approx(2.0)
    assert change.half_width == pytest.approx(0, abs=1e-9)


def test_trends_are_told_for_every_measure_and_protocol_that_has_two_steps():
    table = pd.concat([rows(0.05, 0.1).assign(protocol=p) for p in ("a", "b")])
    alone = rows(0.05, 0.1).query("t_re == 50").assign(protocol="c")
    several = trends_by_protocol(pd.concat([table, alone]), {"nats": ("v", RISES)})
    assert [(t.measure, t.protocol) for t in several] == [("v", "a"), ("v", "b")]
    out = parsed(trend_table(several, "tab-x"))
    assert out["paper"].tolist() == ["rises", "rises"]
    assert list(out.columns) == ["seen by", "paper", "change from t_re = 0 to 100"]  # no verdict and no p
    mean = several[0].change.mean
    assert out.iloc[0]["change from t_re = 0 to 100"].startswith(f"+{mean:.2f} (+")
    assert UNMEASURED in trend_table([], "tab-x")


def test_a_trend_that_turns_is_shown_by_its_halves():
    turning = rows(0.0, 0.1)
    turning["nats"] += (turning.t_re - 50).abs()
    straight = rows(0.05, 0.1)
    several = [trend_of(table, "nats", name, "p", FALLS) for name, table in (("U", turning), ("line", straight))]
    text = trend_table(several, "tab-x")
    out = parsed(text)
    assert "no slope sums the measure up" in text
    assert out["it turns"].tolist()[1] == ""
    before, after = out["it turns"].iloc[0].split(" up to t_re = 50, ")
    assert float(before.split(" ")[0]) == pytest.approx(-100, abs=2)
    assert float(after.split(" ")[0]) == pytest.approx(100, abs=2)


# figures


def test_series_of_a_figure_differ_in_colour_marker_and_line():
    assert len(set(drawing.MARKERS)) == len(set(map(str, drawing.LINES))) == 5
    assert len({tuple(c) for c in drawing.COLOURS}) >= 5


def test_colour_images_are_drawn_in_colour(make_images):
    images = {label: make_images(3, shape=(3, 8, 12), seed=i).images for i, label in enumerate(("real", "t_re = 50"))}
    figure = drawing.image_rows(images)
    assert [ax.get_ylabel() for ax in figure.axes[::3]] == ["real", "t_re = 50"]
    assert np.allclose(figure.axes[0].images[0].get_array(), images["real"][0].transpose(1, 2, 0) / 255)
