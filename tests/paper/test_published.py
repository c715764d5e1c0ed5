"""The paper's claims and numbers as data, and what follows from the numbers alone."""

import math
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from scipy import stats

from synthgap.paper.published import (
    NEEDS,
    PublishedClaim,
    claims,
    crossing,
    error_ratio,
    inconsistencies,
    mix_against_naive,
    significance,
)

ROOT = Path(__file__).resolve().parents[2]
PAPER = ROOT / "synthgap" / "paper"
TABLES = yaml.safe_load((PAPER / "tables.yaml").read_text())
MIX, NAIVE = "50-100", "100"


# significance


def test_a_comparison_is_welchs_test_of_runs_with_that_mean_and_spread():
    a = [75.52 + 0.21 * z for z in (-1, 0, 1)]  # a standard deviation of just .21
    b = [75.10 + 0.37 * z for z in (-1, 0, 1)]
    found = significance("table3", MIX, NAIVE, 5, 3)
    assert found.p == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue)
    assert found.difference == pytest.approx(0.42)
    assert math.isnan(found.p_holm)


@pytest.mark.parametrize(
    ("table", "column", "difference", "n", "p"),
    [
        ("table4", "Aircraft", 0.42, 3, "0.18"),
        ("table3", 1, 0.62, 3, "0.050"),
        ("table3", 1, 0.62, 5, "0.007"),
        ("table3", 3, 0.23, 3, "0.34"),
        ("table3", 3, 0.23, 5, "0.20"),
        ("table3", 5, 0.42, 3, "0.18"),
        ("table3", 5, 0.42, 5, "0.067"),
        ("table4", "Bird", 0.72, 3, "0.15"),
        ("table4", "Bird", 0.72, 5, "0.042"),
        ("table4", "Car", 1.84, 3, "0.003"),
        ("table4", "Car", 1.84, 5, "0.0000"),
    ],
)
def test_the_late_mix_against_naive(table, column, difference, n, p):
    rows = (MIX, NAIVE) if table == "table3" else ("50-100 ×5", "100 ×5")
    found = significance(table, *rows, column, n)
    assert found.difference == pytest.approx(difference)
    digits = len(p.removeprefix("0."))
    assert f"{found.p:.{digits}f}" == p


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_a_standard_error_is_a_standard_deviation_over_the_root_of_n(n):
    of_deviations = significance("table3", MIX, NAIVE, 1, n)
    wider = significance("table3", MIX, NAIVE, 1, n, "se")
    (a, sa), (b, sb) = TABLES["table3"][MIX][1], TABLES["table3"][NAIVE][1]
    wanted = stats.ttest_ind_from_stats(a, sa * n**0.5, n, b, sb * n**0.5, n, equal_var=False).pvalue
    assert wider.p == pytest.approx(wanted)
    assert wider.p > of_deviations.p


@pytest.mark.parametrize(
    ("cell", "p"),
    [
        (("table3", "25", "real only", 1), 0.08),
        (("table3", "25", "real only", 3), 0.10),
        (("table3", "25", "real only", 5), 0.44),
        (("table3", "75-100", NAIVE, 1), 0.001),
        (("table3", "75-100", NAIVE, 3), 0.002),
        (("table3", "75-100", NAIVE, 5), 0.012),
        (("table4", "100 ×5", "RandAugment", "Bird"), 0.017),
        (("table4", "100 ×5", "TrivialAugment", "Bird"), 0.002),
    ],
)
def test_what_the_text_makes_or_leaves_out_lies_below_at_three_runs(cell, p):
    found = significance(*cell, 3)
    assert found.difference < 0
    assert found.p == pytest.approx(p, abs=0.005 if p > 0.05 else 0.0005)


@pytest.mark.parametrize("spread", ["sd", "se"])
def test_after_holm_only_car_is_clear_at_three_runs(spread):
    family = mix_against_naive(3, spread)
    assert len(family) == 5
    assert [s.column for s in family if s.p_holm < 0.05] == ["Car"]
    assert all(s.p_holm >= s.p for s in family)


# multiples and ratios


@pytest.mark.parametrize(
    ("column", "table", "multiple"),
    [
        ("Aircraft", "table3", 3.0),
        ("Aircraft", "table4", 3.0),
        ("Car", "table4", 4.5),
        ("Bird", "table4", math.inf),
    ],
)
def test_where_synthetic_images_reach_real_ones(column, table, multiple):
    assert round(crossing(column, table), 1) == multiple
    assert crossing("Aircraft", "table4") < 3 < crossing("Aircraft", "table3")


def test_table_3_has_no_other_data_set():
    with pytest.raises(ValueError, match="no column 'Car'"):
        crossing("Car", "table3")


@pytest.mark.parametrize(("column", "ratio"), [("CIFAR-10", 2.30), ("CIFAR-100", 1.68)])
def test_errors_grow_by_a_ratio(column, ratio):
    assert round(error_ratio(column, 100), 2) == ratio
    assert error_ratio(column, 0) == 1


# inconsistencies


def test_there_are_fourteen_inconsistencies_and_five_are_numeric():
    several = inconsistencies()
    assert [i.number for i in several] == list(range(1, 15))
    assert [i.number for i in several if i.kind == "numeric"] == [1, 2, 9, 10, 14]
    assert all(i.what.endswith(".") and i.place for i in several)


def test_numeric_inconsistencies_say_what_was_recomputed():
    numbers = {i.number: i.recomputed for i in inconsistencies()}
    assert numbers[1]["Table 3, minus real only (points)"] == pytest.approx(-0.03)
    assert numbers[1]["Table 4, minus real only (points)"] == pytest.approx(0.07)
    assert numbers[2]["Bird, Table 4 (multiple)"] == math.inf
    assert numbers[9]["EDM minus StyleGAN3, pixel (points)"] == pytest.approx(-33.41)
    assert numbers[9]["EDM minus StyleGAN3, dct (points)"] == pytest.approx(5.29)
    assert numbers[10]["CIFAR-100 (points)"] > numbers[10]["CIFAR-10 (points)"]
    assert numbers[10]["CIFAR-100 (ratio of errors)"] < numbers[10]["CIFAR-10 (ratio of errors)"]
    assert numbers[14]["one test image (points)"] == pytest.approx(0.0124, abs=5e-5)
    assert numbers[14]["± (points)"] < numbers[14]["one test image (points)"] < numbers[14]["next smallest ± (points)"]


def test_aircraft_differs_between_tables_3_and_4_in_one_cell_only():
    third, fourth = TABLES["table3"], TABLES["table4"]
    pairs = {"real only": third["real only"][0]}
    pairs |= {f"synthetic only ×{k}": third["synthetic only"][k] for k in (1, 3, 5)}
    pairs |= {f"{arm} ×5": third[arm][5] for arm in (NAIVE, MIX)}
    assert [row for row, pair in pairs.items() if fourth[row]["Aircraft"] != pair] == ["synthetic only ×3"]


# claims


def test_every_claim_is_there_once():
    several = claims()
    assert len(several) >= 20
    assert len({c.id for c in several}) == len({c.statement for c in several}) == len(several)
    assert all(len(set(c.places)) == len(c.places) for c in several)


@pytest.mark.parametrize("claim", claims(), ids=lambda c: c.id)
def test_a_claim_needs_what_is_known_and_is_measured_in_the_unit_of_its_interest(claim):
    cells = {f"{row} ×{k}" for row, cells in TABLES["table3"].items() for k in cells if k}
    assert set(claim.needs) <= cells | set(TABLES["table4"]) | set(NEEDS)
    assert claim.statement.endswith(".")
    assert claim.test == "none" or claim.interest.unit in claim.measure.split(", ")[-1]


def test_a_claim_that_says_can_is_a_possibility():
    kinds = {c.id: c.kind for c in claims()}
    assert {kinds[c.id] for c in claims() if " can " in c.statement} == {"possibility"}
    assert kinds["original-is-lost"] == "construction"


def test_every_need_is_one_of_a_claim():
    assert {need for c in claims() for need in c.needs} >= set(NEEDS)


def good() -> dict:
    return {
        "id": "a-claim",
        "places": ["Abstract"],
        "statement": "It is so.",
        "measure": "accuracy, points",
        "direction": "larger",
        "interest": {"value": 1, "unit": "points", "why": "because"},
        "test": "difference",
        "needs": [],
        "figure": "tab-3",
    }


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"direction": "rises"}, "a test of difference can't decide 'rises'"),
        ({"direction": "equal"}, "a test of difference can't decide 'equal'"),
        ({"test": "trend"}, "a test of trend can't decide 'larger'"),
        ({"level": 3}, "compared with 0"),
        ({"id": "A claim"}, "id"),
        ({"interest": {"value": 0, "unit": "points", "why": "w"}}, "greater than 0"),
        ({"places": []}, "places"),
        ({"places": ["page 3"]}, "places"),
        ({"verdict": "reproduced"}, "Extra inputs"),
        ({"kind": "law"}, "kind"),
        ({"kind": "construction"}, "`because` says why"),
        ({"because": "it is so"}, "`because` says why"),
    ],
)
def test_a_claim_that_makes_no_sense_is_refused(changed, message):
    PublishedClaim.model_validate(good())
    with pytest.raises(ValidationError, match=message):
        PublishedClaim.model_validate(good() | changed)


# the files


@pytest.mark.parametrize(("name", "kinds"), [("claims.yaml", {str, int, float}), ("tables.yaml", {float})])
def test_a_file_holds_numbers_and_texts_and_nothing_that_yaml_misread(name, kinds):
    """An unquoted `no` or `1e3` would be something else than it looks."""

    def leaves(node):
        if isinstance(node, dict):
            return [leaf for value in node.values() for leaf in leaves(value)]
        return [leaf for value in node for leaf in leaves(value)] if isinstance(node, list) else [node]

    found = leaves(yaml.safe_load((PAPER / name).read_text()))
    assert {type(leaf) for leaf in found} == kinds
    assert all(leaf.strip() for leaf in found if isinstance(leaf, str))


def test_levels_and_interests_are_numbers_in_the_file():
    for entry in yaml.safe_load((PAPER / "claims.yaml").read_text()):
        assert type(entry["interest"]["value"]) in (int, float)
        assert type(entry.get("level", 0)) in (int, float)
        assert all(isinstance(part, str) for name in ("places", "needs") for part in entry[name])
