"""What the paper reports and claims, and its numbers set against one another. Nothing here reads a run."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field, replace
from importlib.resources import files
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy import stats

from ..stats.intervals import holm

NEEDS = {  # of claims, beside cells of Tables 3 and 4: in words
    "two-seeds": "two seeds",
    "100-classes": "data sets of 100 and of 10 classes in Table 2",
    "several-data-sets": "several data sets",
    "three-data-sets": "three data sets",
    "gan": "samples of a GAN",
    "people": "human judges",
    "trimmed": "real images trimmed to the synthetic spread",
    "features-of-larger-sets": "features of larger synthetic sets",
    "no-interpolation": "a control without interpolation",
    "training-accuracy": "accuracy on training images",
}
MIX_AGAINST_NAIVE = (  # every comparison behind "with statistical significance": table, row, row, column
    ("table3", "50-100", "100", 1),
    ("table3", "50-100", "100", 3),
    ("table3", "50-100", "100", 5),
    ("table4", "50-100 ×5", "100 ×5", "Bird"),
    ("table4", "50-100 ×5", "100 ×5", "Car"),
)
CAR_TEST_IMAGES = 8041  # Krause et al. 2013
MULTIPLES = (1, 3, 5)
Spread = Literal["sd", "se"]
Place = Annotated[str, Field(pattern=r"^(Abstract|Section \d(\.\d)?|Figure \d|Table \d)$")]  # of the paper


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Interest(_Model):
    """The smallest effect that would matter, and why it."""

    value: float = Field(gt=0)
    unit: Literal["points", "share", "ratio", "multiples", "correlation", "nats", "%"]
    why: str


class PublishedClaim(_Model):
    """One claim of the paper and what decides it; the head of `claims.yaml` says what the fields mean."""

    id: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    places: tuple[Place, ...] = Field(min_length=1)
    statement: str
    measure: str
    direction: Literal["rises", "falls", "larger", "smaller", "equal"]
    level: float = 0.0
    interest: Interest
    test: Literal["trend", "difference", "level", "equivalence", "none"]
    kind: Literal["effect", "possibility", "construction"] = "effect"
    because: str = ""
    needs: tuple[str, ...]
    figure: str

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        expected = {"rises": {"trend"}, "falls": {"trend"}, "equal": {"equivalence"}}
        if self.test not in {"none", *expected.get(self.direction, {"difference", "level"})}:
            raise ValueError(f"{self.id}: a test of {self.test} can't decide {self.direction!r}")
        if "level" in self.model_fields_set and self.test in ("trend", "difference"):
            raise ValueError(f"{self.id}: a {self.test} is compared with 0, and not with a level")
        if bool(self.because) != (self.kind == "construction"):
            raise ValueError(f"{self.id}: `because` says why a claim holds by construction, and of others nothing")
        return self


@functools.cache
def claims() -> tuple[PublishedClaim, ...]:
    """Every claim of the paper, each once, in the order of its arguments."""
    return tuple(PublishedClaim.model_validate(entry) for entry in read_paper("claims.yaml"))


@functools.cache
def read_paper(name: str) -> Any:
    """The content of one YAML file of `synthgap/paper/`: published numbers or claims."""
    return yaml.safe_load(files("synthgap").joinpath("paper", name).read_text(encoding="utf-8"))


def _pair(table: str, row: str, column: str | int) -> tuple[float, float]:
    """One cell of Tables 2 to 4 as (mean, ±), in percent; a row of one number has it in every column of Table 3."""
    cells = read_paper("tables.yaml")[table][row]
    mean, spread = cells[0 if list(cells) == [0] else column]
    return mean, spread


@dataclass(frozen=True)
class PublishedScore:
    """Accuracy on real images of classifiers trained on real and on synthetic ones, about as many of either.

    real, synthetic : in percent, printed with so many `digits`. cite : a BibTeX key.
    """

    cite: str
    data: str
    network: str
    real: float
    synthetic: float
    digits: int = 1


def published_scores() -> list[PublishedScore]:
    """The paper's own (its Tables 2 and 4), then its neighbours' (`synthgap/paper/neighbours.yaml`)."""
    tables = read_paper("tables.yaml")
    pairs = {data: (column[0][0], column[100][0]) for data, column in tables["table2"].items()}
    real, synthetic = (tables["table4"][row] for row in ("real only", "synthetic only ×1"))
    pairs |= {data: (real[data][0], synthetic[data][0]) for data in real}
    own = [PublishedScore("yamaguchi2024analyzing", data, "ResNet-18", *pair, digits=2) for data, pair in pairs.items()]
    return own + [PublishedScore(**row) for row in read_paper("neighbours.yaml")["scores"]]


@dataclass(frozen=True)
class Significance:
    """Two cells of one table compared: row_a − row_b in points, two-sided p, and p after Holm's correction (or NaN)."""

    table: str
    row_a: str
    row_b: str
    column: str | int
    difference: float
    p: float
    p_holm: float = math.nan


def significance(table: str, row_a: str, row_b: str, column: str | int, n: int, spread: Spread = "sd") -> Significance:
    """Welch's test of two cells as if each were the mean of `n` runs.

    The paper states neither n nor what its ± is: `spread` reads it as a standard deviation or as a standard error.
    """
    (mean_a, spread_a), (mean_b, spread_b) = _pair(table, row_a, column), _pair(table, row_b, column)
    scale = {"sd": 1.0, "se": math.sqrt(n)}[spread]
    test = stats.ttest_ind_from_stats(mean_a, spread_a * scale, n, mean_b, spread_b * scale, n, equal_var=False)
    return Significance(table, row_a, row_b, column, mean_a - mean_b, float(test.pvalue))


def mix_against_naive(n: int, spread: Spread = "sd") -> list[Significance]:
    """rand(50, 100) against naïve wherever the paper has both, corrected as one family (see `significance`)."""
    several = [significance(*cell, n, spread) for cell in MIX_AGAINST_NAIVE]
    return [replace(s, p_holm=float(p)) for s, p in zip(several, holm([s.p for s in several]), strict=True)]


def crossing(column: str, table: Literal["table3", "table4"] = "table4") -> float:
    """Multiple at which synthetic only reaches real only, linear in its logarithm between ×1, ×3 and ×5.

    inf where even ×5 does not reach it. Table 3 is of Aircraft alone.
    """
    if table == "table3" and column != "Aircraft":
        raise ValueError(f"Table 3 has no column {column!r}, it is of Aircraft")
    real, _ = _pair(table, "real only", column)
    if table == "table3":
        accuracy = {k: _pair(table, "synthetic only", k)[0] for k in MULTIPLES}
    else:
        accuracy = {k: _pair(table, f"synthetic only ×{k}", column)[0] for k in MULTIPLES}
    for low, high in pairwise(MULTIPLES):
        if accuracy[low] < real <= accuracy[high]:
            way = (real - accuracy[low]) / (accuracy[high] - accuracy[low])
            return low * (high / low) ** way
    return math.inf


def error_ratio(column: str, t_re: int) -> float:
    """Error at a reverse step over the error at 0, of Table 2."""
    (real, _), (synthetic, _) = _pair("table2", column, 0), _pair("table2", column, t_re)
    return (100 - synthetic) / (100 - real)


INCONSISTENT = (  # number, place, what
    (
        1,
        "Tables 3 and 4",
        "Aircraft, synthetic only ×3, is printed with two values, one below and one above real only.",
    ),
    (
        2,
        "Sections 1, 4.2 and 5",
        "Matching real images is said to take over three times as many, at least five times, and three times.",
    ),
    (3, "Eq. 2", "The noise σ_t z stands inside the bracket, and so is scaled; DDPM has it outside."),
    (
        4,
        "Algorithm 1",
        "Line 8 divides by √(1 − α_t) in the place of √(1 − ᾱ_t), and reads x_t while it writes x̂_{t−1}, so that "
        "the loop never sees its own result; the start x̂_{t_re} = x_{t_re}, the class label and z = 0 at t = 1 "
        "are missing; t_re > 1 should be t_re ≥ 1.",
    ),
    (5, "Section 3", "The equations are DDPM's, the experiments run EDM, and no mapping of t_re to σ is given."),
    (
        6,
        "Eq. 3 and Section 4.3",
        "The score has no time index, and the argument that steps climb to a mode leaves out the noise term: with "
        "exact scores the reverse process draws from the data distribution.",
    ),
    (7, "Eq. 4", "What is called marginal entropy is the mean entropy of the prediction given the image."),
    (8, "Section 7", "Particle Guidance makes the samples of a batch less alike; it is said to make them alike."),
    (
        9,
        "Section 4.1 and Table 1",
        "EDM is said to be caught less often than StyleGAN3; on DCT coefficients it is caught more often.",
    ),
    (
        10,
        "Section 4.2 and Table 2",
        "The loss on CIFAR-100 is the larger one in points, but the smaller one as a ratio of errors.",
    ),
    (
        11,
        "Section 5",
        "With epochs fixed, ×5 also means five times the optimiser steps; no control has equal steps, none gives "
        "RandAugment and TrivialAugment the same budget, none combines them with synthetic images.",
    ),
    (
        12,
        "Section 5",
        "rand(50, 100) is the best of seven mixes on test images; no validation split is named.",
    ),
    (
        13,
        "Section 4.2",
        "t_re = 100 starts from pure noise, not from a noised image: the last step changes the operator, too.",
    ),
    (
        14,
        "Table 4",
        "Car, rand(50, 100): the ± is less than one test image; all runs would have to agree to an image or two. "
        "A misprint is likelier.",
    ),
)


@dataclass(frozen=True)
class Inconsistency:
    """Something in the paper that does not agree with itself, with its sources or with its experiments.

    recomputed : from the published numbers, where these alone show it.
    """

    number: int
    place: str
    what: str
    recomputed: dict[str, float] = field(default_factory=dict)

    @property
    def kind(self) -> Literal["numeric", "textual"]:
        return "numeric" if self.recomputed else "textual"


def inconsistencies() -> list[Inconsistency]:
    """The fourteen that a reproduction must know of; those with numbers recomputed from the published ones."""
    recomputed = {1: _two_values(), 2: _crossings(), 9: _detection(), 10: _losses(), 14: _least_spread()}
    return [Inconsistency(number, place, what, recomputed.get(number, {})) for number, place, what in INCONSISTENT]


def _two_values() -> dict[str, float]:
    real, _ = _pair("table4", "real only", "Aircraft")
    (third, _), (fourth, _) = _pair("table3", "synthetic only", 3), _pair("table4", "synthetic only ×3", "Aircraft")
    both = {"Table 3 (%)": third, "Table 4 (%)": fourth}
    return both | {
        "Table 3, minus real only (points)": third - real,
        "Table 4, minus real only (points)": fourth - real,
    }


def _crossings() -> dict[str, float]:
    out = {"Aircraft, Table 3 (multiple)": crossing("Aircraft", "table3")}
    return out | {f"{c}, Table 4 (multiple)": crossing(c) for c in ("Aircraft", "Bird", "Car")}


def _detection() -> dict[str, float]:
    table = read_paper("tables.yaml")["table1"]
    return {f"EDM minus StyleGAN3, {d} (points)": table["EDM"][d] - table["StyleGAN3"][d] for d in ("pixel", "dct")}


def _losses() -> dict[str, float]:
    out = {}
    for column in ("CIFAR-10", "CIFAR-100"):
        out[f"{column} (points)"] = _pair("table2", column, 0)[0] - _pair("table2", column, 100)[0]
        out[f"{column} (ratio of errors)"] = error_ratio(column, 100)
    return out


def _least_spread() -> dict[str, float]:
    tables = read_paper("tables.yaml")
    pairs = [pair for name in ("table2", "table3", "table4") for row in tables[name].values() for pair in row.values()]
    least, second = sorted(spread for _, spread in pairs)[:2]
    return {"± (points)": least, "one test image (points)": 100 / CAR_TEST_IMAGES, "next smallest ± (points)": second}
