"""The tables as Markdown, and the paper's numbers, typed in here a second time."""

import math
import re

import numpy as np
import pandas as pd
import pytest

from synthgap.exhibits import tables
from synthgap.exhibits.tables import difference_sentence, paper_table
from synthgap.stats.intervals import PERCENT, Estimate, estimate_mean

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


def parsed(markdown: str) -> pd.DataFrame:
    """The rows of a MyST table by their first column, after a check of its frame."""
    lines = markdown.replace("\u00a0", " ").split("\n")
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


@pytest.fixture
def rows2():
    """Table 2 of two data sets and three seeds: accuracy falls from row to row, and by a seed's own share."""
    return pd.DataFrame(
        {"dataset": name, "t_re": t, "sigma": t / 5, "seed": seed, "accuracy": base - fall - seed * t / 1e5, "n": n}
        for name, base, n in (("digits", 0.9, 1097), ("pairs", 0.6, 4000))
        for fall, t in ((0, 0), (0.01, 30), (0.04, 100))
        for seed in (0, 1, 2)
    )


def test_table_2_puts_ours_beside_the_papers(rows2):
    text = tables.table2(rows2)
    out = parsed(text)
    assert list(out.index) == ["0 (real)", "30", "100 (synthetic)"]
    assert cell(out, "0 (real)", "CIFAR-10", "%", paper=True) == "95.58 ± 0.16"
    assert cell(out, "100 (synthetic)", "CIFAR-100", "%", paper=True) == "77.68 ± 0.73"
    e = estimate_mean([100 * (0.86 - s / 1000) for s in range(3)])
    assert cell(out, "100 (synthetic)", "digits", "%") == f"{e.mean:.2f} ± {e.half_width:.2f}"
    assert cell(out, "100 (synthetic)", "digits", "σ") == "20"
    assert "3 seeds" in text
    assert "digits 1,097, pairs 4,000" in text
    assert ":name: tab-2" in text


def test_table_2_gives_the_change_paired_by_seed_whatever_the_order_of_the_rows(rows2):
    out = parsed(tables.table2(rows2.sample(frac=1, random_state=0)))
    e = estimate_mean([-4 - 0.1 * s for s in range(3)])
    assert cell(out, "100 (synthetic)", "pairs", "change") == f"{e.mean:+.2f} ± {e.half_width:.2f}"
    assert cell(out, "0 (real)", "pairs", "change") == "–"


def test_table_2_with_one_seed_shows_no_interval(rows2):
    out = parsed(tables.table2(rows2[rows2.seed == 0]))
    assert cell(out, "30", "digits", "%") == "89.00"
    assert cell(out, "30", "digits", "change") == "-1.00"


def test_a_reverse_step_that_the_paper_lacks_is_a_dash(rows2):
    out = parsed(tables.table2(rows2.assign(t_re=rows2.t_re.replace(30, 40))))
    assert cell(out, "40", "CIFAR-10", paper=True) == cell(out, "40", "CIFAR-100", paper=True) == "–"


@pytest.fixture
def rows3():
    """Table 3 of a preset that runs "100" at ×1 and ×5 and nothing else of augmentation."""
    cells = [("real only", 0), ("synthetic only", 1), ("100", 1), ("100", 5)]
    return pd.DataFrame(
        {"arm": arm, "multiple": k, "seed": seed, "accuracy": 0.5 + 0.1 * i + 0.01 * seed, "n": 1097}
        for i, (arm, k) in enumerate(cells)
        for seed in (0, 1)
    )


def test_table_3_has_every_row_of_the_paper_and_says_what_was_not_run(rows3):
    text = tables.table3(rows3, "digits", "quick")
    out = parsed(text)
    assert len(out) == 10
    naive = "real + naïve (t_re = 100)"
    assert cell(out, naive, "×1").startswith("70.50 ± ")
    assert cell(out, naive, "×3") == "not run"
    assert cell(out, naive, "×5").startswith("80.50 ± ")
    assert {cell(out, "real + t_re = 25", f"×{k}") for k in (1, 3, 5)} == {"not run"}
    assert cell(out, "real + t_re = rand(50, 100)", "×5", paper=True) == "75.52 ± 0.21"
    assert "not part of the preset quick" in text
    assert "digits" in text


def test_table_3_gives_real_only_once(rows3):
    out = parsed(tables.table3(rows3, "digits", "quick"))
    assert cell(out, "real only", "×1").startswith("50.50 ± ")
    assert cell(out, "real only", "×1", paper=True) == "64.71 ± 0.91"
    assert {cell(out, "real only", f"×{k}", paper=whose) for whose in (True, False) for k in (3, 5)} == {""}


def test_the_smoke_studys_tables_can_be_written(smoke):
    written = {
        tables.table2(smoke.table2()): 5,
        tables.table3(smoke.table3(), "digits", "smoke"): 20,
        tables.table4(smoke.table4(), smoke.table4_fidelity(), "smoke"): 12,
        tables.comparisons(smoke.against_real(), "Against real", "tab-c"): 24,
        tables.comparisons(smoke.against_controls(), "Against controls", "tab-d"): 18,
        tables.validation(smoke.validation(), smoke.table3(), {1: "100"}): 10,
        tables.variance(smoke.variance(), "digits"): 4,
        tables.sensitivity(smoke.sensitivity(), smoke.variant_levels(), "digits"): 10,
        tables.sensitivity_fidelity(smoke.sensitivity_fidelity(), smoke.variant_levels(), "digits"): 28,
        tables.fidelity(smoke.fidelity_curve()): 9,
        tables.table1(smoke.table1(), "digits"): 8,
        tables.concentration(smoke.concentration()): 12,
        tables.memorization(smoke.memorization()): 6,
        tables.attention(smoke.attention()): 6,
        tables.trends(smoke.trends("likelihood"), "tab-a"): 4,
        tables.trends(smoke.trends("fidelity"), "tab-b"): 6,
        tables.data_table(smoke.data_summary()): 2,
        tables.noise_levels(smoke.noise_levels()): 14,
    }
    assert len({text.split("\n")[1] for text in written}) == len(written)  # labels
    for text, rows in written.items():
        assert len(parsed(text)) == rows
        assert "nan" not in text.lower()


@pytest.mark.parametrize(
    ("arm", "title"),
    [
        ("real only", "real only"),
        ("synthetic only", "synthetic only"),
        ("100", "real + naïve (t_re = 100)"),
        ("25", "real + t_re = 25"),
        ("50-100", "real + t_re = rand(50, 100)"),
    ],
)
def test_arms_are_named_as_in_the_paper(arm, title):
    assert tables.arm_title(arm) == title


def test_a_difference_is_ahead_behind_or_undecided():
    ahead = difference_sentence("real", "synthetic", Estimate(3.0, 1.0, 1.0, 5))
    assert ahead.startswith("**real** is ahead of **synthetic** by 3.00 points")
    assert "95% interval +2.00 to +4.00, 5 seeds" in ahead
    behind = difference_sentence("real", "synthetic", Estimate(-3.0, 1.0, 1.0, 5))
    assert behind.startswith("**synthetic** is ahead of **real** by 3.00 points")
    assert "real − synthetic: 95% interval -4.00 to -2.00" in behind
    undecided = difference_sentence("real", "synthetic", Estimate(0.5, 1.0, 1.0, 5))
    assert undecided.startswith("**real** against **synthetic** is undecided: +0.50 points")


def test_one_seed_decides_nothing():
    text = difference_sentence("a", "b", Estimate(9.0, math.nan, math.nan, 1))
    assert text == "With one seed nothing can be said of a against b: run two seeds or more."


def test_an_interval_that_touches_zero_is_undecided():
    assert "undecided" in difference_sentence("a", "b", Estimate(1.0, 1.0, 1.0, 3))


def test_the_gan_stands_below_the_reverse_steps():
    cells = [(t, seed, 0.5 + 0.01 * seed) for t in (-2, 0, 30, 100) for seed in (0, 1)]
    table = parsed(tables.attention(pd.DataFrame(cells, columns=["t_re", "seed", "similarity"])))
    assert table.index.tolist() == ["0", "30", "100", "StyleGAN3"]


def test_one_seeds_attention_is_said_in_words():
    rows = pd.DataFrame(columns=["t_re", "seed", "similarity"])
    assert "run two seeds or more" in tables.attention(rows)


def detected(pixel, dct):
    cells = [(d, "logistic", 100, s, v) for d, values in (("pixel", pixel), ("dct", dct)) for s, v in enumerate(values)]
    return pd.DataFrame(cells, columns=["domain", "detector", "t_re", "seed", "accuracy"])


def test_detection_is_read_by_its_interval():
    text = tables.detection_sentence(detected([0.90, 0.91, 0.92], [0.45, 0.50, 0.56]))
    assert "on pixels 91.0% of images are judged rightly (88.5 to 93.5): **above chance**" in text
    assert "**not told from chance**" in text
    assert "**below chance**" in tables.detection_sentence(detected([0.90, 0.91, 0.92], [0.40, 0.41, 0.42]))
    assert "no interval" in tables.detection_sentence(detected([0.9], [0.5]))


@pytest.mark.parametrize(
    ("score", "words"),
    [(-9.0, "reads as copying"), (0.3, "no sign of copying"), (8.0, "no copying"), (np.nan, "too few images")],
)
def test_copying_is_read_by_its_score(score, words):
    rows = pd.DataFrame({"t_re": [0, 30, 100], "copying": [-10.0, -9.5, score]})
    text = tables.copying_sentence(rows)
    assert text.startswith("At reverse step 30 C_T is -9.5 (**reads as copying**)")
    assert words in text.split(";")[1]


# Section 5 and its controls


def gap_rows(gaps: dict[str, tuple]) -> pd.DataFrame:
    """variant → gap of each seed at t_re = 100, in points; real images score 90%."""
    rows = []
    for variant, values in gaps.items():
        for seed, gap in enumerate(values):
            rows.append({"variant": variant, "t_re": 0, "seed": seed, "accuracy": 0.9})
            rows.append({"variant": variant, "t_re": 100, "seed": seed, "accuracy": 0.9 - gap / 100})
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


def test_a_sensitivity_sentence_says_wider_narrower_or_neither():
    wider, narrower, neither = (3.0, 3.1, 2.9), (1.0, 1.1, 0.9), (2.5, 1.4, 2.1)
    rows = gap_rows({"default": (2.0, 2.1, 1.9), "churn": wider, "no-momentum": narrower, "half-steps": neither})
    text = {s.split(" (in place")[0]: s for s in tables.sensitivity_sentences(rows)}
    assert len(text) == 3
    assert "**wider**: +1.00 points" in next(s for k, s in text.items() if "churn" in k)
    assert "**narrower**: -1.00 points" in text["plain SGD"]
    assert "not told from unchanged: +0.00 points" in text["half the solver steps"]


def test_what_is_told_from_no_change_is_summed_up():
    wider, neither = (3.0, 3.1, 2.9), (2.5, 1.4, 2.1)
    rows = gap_rows({"default": (2.0, 2.1, 1.9), "churn": wider, "half-steps": neither})
    text = tables.sensitivity_summary(rows)
    assert text.startswith("Of 2 changes of the gap 1 is told from no change:\n- Heun with churn")
    assert "half the solver steps" not in text
    rows = gap_rows({"default": (2.0, 2.1, 1.9), "half-steps": neither})
    assert tables.sensitivity_summary(rows) == "Of 1 changes of the gap none is told from no change."
    assert "none of the choices" in tables.sensitivity_summary(gap_rows({"default": (2.0, 2.1)}))


def test_one_seed_decides_nothing_about_a_choice():
    (sentence,) = tables.sensitivity_sentences(gap_rows({"default": (2.0,), "churn": (9.0,)}))
    assert "one seed: nothing can be said" in sentence


def test_what_a_preset_leaves_out_is_said():
    from synthgap.design.variants import VARIANTS

    text = tables.variants_left_out(tuple(VARIANTS)[1:], "quick")
    assert text.startswith("- Heun with churn")
    assert text.endswith("not run at quick")
    assert "every variant" in tables.variants_left_out(tuple(VARIANTS), "full")


def test_the_verdict_of_a_comparison_goes_by_the_corrected_p():
    from synthgap.stats.intervals import Comparison

    ahead = Comparison("50-100 ×5", "real only", Estimate(2.0, 0.1, 0.2, 3), 0.001, 0.01)
    lost = Comparison("25 ×1", "real only", Estimate(-2.0, 0.1, 0.2, 3), 0.02, 0.2)
    behind = Comparison("synthetic only ×1", "real only", Estimate(-2.0, 0.1, 0.2, 3), 0.0001, 0.0004)
    table = parsed(tables.comparisons([ahead, lost, behind], "c", "tab-x"))
    assert table["at 5%"].tolist() == ["**ahead**", "undecided", "**behind**"]
    assert table["p"].tolist() == ["0.001", "0.020", "< .001"]
    assert table.index.tolist()[0] == "real + t_re = rand(50, 100) ×5"


@pytest.mark.parametrize(
    ("arm", "title"),
    [
        ("100", "real + naïve (t_re = 100)"),
        ("0", "real + a second real batch"),
        ("0 + RandAugment", "real + a second real batch, RandAugment"),
        ("50-100", "real + t_re = rand(50, 100)"),
        ("synthetic only, epoch-matched", "synthetic only, epoch-matched"),
        ("real bootstrap", "real, drawn with replacement"),
        ("given", "real + given"),
        ("TrivialAugment", "TrivialAugment"),
    ],
)
def test_arms_have_titles(arm, title):
    assert tables.arm_title(arm) == title


def test_table_4_sets_the_papers_fid_beside_the_generators_distance(smoke):
    table = parsed(tables.table4(smoke.table4(), smoke.table4_fidelity(), "smoke"))
    row = table.loc["Fréchet distance of the samples, t_re = 100"]
    assert row["Aircraft, paper (%)"] == "4.1 (FID)"
    assert {"digits (%)", "mnist5k (%)"} <= set(table.columns)
    assert table.loc["TrivialAugment", "Bird, paper (%)"].startswith("65.42")
    assert table.loc["synthetic only ×5", "digits (%)"] == "not run"


def test_where_plus_and_minus_would_leave_the_possible_the_ends_stand_instead():
    assert tables.plus_minus(estimate_mean([50.0, 51.0, 52.0], span=PERCENT)) == "51.00\u00a0±\u00a02.48"
    assert tables.plus_minus(estimate_mean([50.0, 100.0], span=PERCENT)) == "75.00 (0.00 to 100.00)"
    assert tables.plus_minus(estimate_mean([100.0], span=PERCENT)) == "100.00"


@pytest.mark.parametrize(
    ("make", "label"),
    [
        (tables.fidelity, "tab-fidelity"),
        (tables.concentration, "tab-concentration"),
        (lambda rows: tables.table1(rows, "digits"), "tab-1"),
        (lambda rows: tables.sensitivity_fidelity(rows, rows, "digits"), "tab-sensitivity-fidelity"),
        (lambda rows: tables.trends([], "tab-fidelity-trends"), "tab-fidelity-trends"),
    ],
)
def test_a_table_that_nothing_was_measured_for_says_why_under_its_own_label(make, label):
    text = make(pd.DataFrame())
    assert f":name: {label}\n" in text
    assert tables.UNMEASURED in text
