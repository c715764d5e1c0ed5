"""Both ways: which cells they read, their signs, and what two directions say together."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthgap.design.arms import GAN, PAPER
from synthgap.exhibits import neighbours, neighbours_plots, neighbours_tables
from synthgap.exhibits.neighbours import TEST, TRAIN, Line, Side
from synthgap.exhibits.tables import paper_table
from synthgap.graph.specs import in_order
from synthgap.paper.published import read_paper
from synthgap.stats.intervals import Comparison, estimate_mean, holm

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def found(smoke):
    return neighbours.both_ways(smoke)


def rows_of(table):
    lines = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1
    return [dict(zip([c.strip() for c in lines[0]], [c.strip() for c in line], strict=True)) for line in lines[2:]]


def test_nothing_is_read_beyond_the_plan_of_the_chapters(smoke, found):
    planned = {spec.key for spec in in_order(smoke.plan())}
    read = [*smoke.main.table2().values(), *smoke.main.figure8().values(), *smoke.main.figure1().values()]
    read += [spec for arms in smoke.columns_of(4) for spec in arms.table4().values()]
    assert {spec.key for spec in read} <= planned
    assert found.lines


def test_gan_train_is_table_2_and_gan_test_the_label_agreement(smoke, found):
    table = smoke.table2()
    table = table[table.dataset == smoke.main.name].pivot(index="seed", columns="t_re", values="accuracy")
    agreement = smoke.entropy_curve()
    agreement = agreement[(agreement.protocol == PAPER) & (agreement.split == "test")]
    agreement = agreement.pivot(index="seed", columns="t_re", values="agreement")
    for line in found.lines:
        if line.t_re == GAN:
            continue
        assert line.seeds.train.to_numpy() == pytest.approx(100 * table[line.t_re].to_numpy())
        difference = line.train.against.difference.mean
        assert difference == pytest.approx(100 * (table[line.t_re] - table[0]).mean())
        if line.test is not None:
            assert line.seeds.test.to_numpy() == pytest.approx(100 * agreement[line.t_re].to_numpy())
            difference = line.test.against.difference.mean  # the same classifier on the same images as they are
            assert difference == pytest.approx(100 * (agreement[line.t_re] - agreement[0]).mean())
            assert line.test.n == smoke.main.data["probe"].count


def test_a_step_without_reconstructed_test_images_has_no_gan_test(smoke, found):
    lacking = {t for t in smoke.preset.table2 if t > 0 and t not in smoke.preset.curves}
    assert lacking
    assert {line.t_re for line in found.lines if line.test is None} == lacking
    rows = {row["images"]: row for row in rows_of(neighbours_tables.both_ways(found))}
    assert rows[f"t_re = {min(lacking)}"][f"{TEST} (%)"] == "not run"


def test_the_gans_samples_stand_against_all_test_images(found):
    line = found.line(GAN)
    assert line.test.against.difference.mean == pytest.approx(float(np.mean(line.seeds.test - found.real)))
    assert line.train.n == found.n


def test_p_values_are_corrected_over_lines_and_directions_together(found):
    sides = [side for line in found.lines for side in (line.train, line.test) if side is not None]
    assert [s.against.p_holm for s in sides] == pytest.approx(list(holm([s.against.p for s in sides])), nan_ok=True)


def test_every_data_set_and_multiple_has_its_score(smoke):
    several = neighbours.scores(smoke)
    main = [s for s in several if s.dataset == smoke.main.name]
    assert {(s.arm, s.multiple) for s in main} == {
        *(("synthetic only", k) for k in smoke.preset.replication),
        *(("StyleGAN3 only", k) for k in smoke.preset.gan.replication),
    }
    assert {s.dataset for s in several} == {arms.name for arms in smoke.columns}
    table = smoke.table4()
    mine = table[(table.dataset == several[-1].dataset) & (table.arm == "synthetic only")]
    assert several[-1].accuracy.mean == pytest.approx(100 * mine[mine.multiple == several[-1].multiple].accuracy.mean())


def test_the_published_scores_are_the_papers_and_are_cited():
    published = neighbours.published_scores()
    by_data = {p.data: p for p in published if p.cite == "yamaguchi2024analyzing"}
    assert (by_data["CIFAR-10"].real, by_data["CIFAR-10"].synthetic) == (95.58, 89.85)
    assert by_data["Car"].synthetic == paper_table("table4")["synthetic only ×1"]["Car"][0]
    assert len(published) == 5 + len(read_paper("neighbours.yaml")["scores"])
    keys = set(re.findall(r"^@\w+\{(\w+),", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), re.M))
    assert {p.cite for p in published} <= keys


def test_every_work_that_a_chapter_or_page_cites_is_in_the_references():
    keys = re.findall(r"^@\w+\{(\w+),", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), re.M)
    assert len(set(keys)) == len(keys)
    for path in [*(ROOT / "chapters").glob("*.ipynb"), *(ROOT / "book").glob("*.md")]:
        for several in re.findall(r"\{cite:[pt]\}`([^`]+)`", path.read_text(encoding="utf-8")):
            assert {key.strip() for key in several.split(",")} <= set(keys), path.name


def test_errors_are_set_in_relation():
    assert neighbours.error_ratio(95, 90) == pytest.approx(2)
    assert np.isnan(neighbours.error_ratio(100, 90))


def side(mean, half):
    spread = half / 4.302653 * np.sqrt(3)  # Student's t at 2 degrees of freedom
    values = np.array([mean - spread, mean, mean + spread])
    return Side(estimate_mean(90 + values), Comparison("a", "b", estimate_mean(values), 0.01, 0.02), 40)


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        ((-3, 1), (0, 1), ("**lower** than", "**not told apart** from", "diversity")),
        ((-3, 1), (2, 1), ("**lower** than", "**higher** than", "lack diversity")),
        ((-3, 1), (-2, 1), ("**lower** than", "label")),
        ((0, 1), (0, 1), ("in neither direction",)),
        ((3, 1), (-2, 1), ("don’t point the same way",)),
    ],
)
def test_two_directions_are_read_together(train, test, words):
    text = neighbours_tables.reading(Line(100, side(*train), side(*test), pd.DataFrame()), "these images")
    assert all(word in text for word in words)


def test_a_missing_direction_is_named():
    text = neighbours_tables.reading(Line(50, side(-3, 1), None, pd.DataFrame()), "these images")
    assert text == "Of these images there is no GAN-test at this preset."


def test_one_seed_has_numbers_and_no_verdict(found):
    one = estimate_mean([90.0])
    alone = Side(one, Comparison("a", "b", estimate_mean([-3.0]), np.nan, np.nan), 40)
    assert "not told apart" in neighbours_tables.reading(Line(100, alone, alone, pd.DataFrame()), "these images")
    lines = [replace(line, train=alone, test=alone, seeds=line.seeds.iloc[:1]) for line in found.lines]
    single = replace(found, real=found.real[:1], lines=lines)
    rows = rows_of(neighbours_tables.both_ways(single))
    assert rows[1][f"{TRAIN} − real-on-real"] == "-3.00, p –"
    assert "nan" not in neighbours_tables.both_ways(single)
    neighbours_plots.both_ways(single)


def test_a_change_rises_falls_or_is_not_run():
    say = neighbours_tables.change_sentence
    assert "**rises**" in say("More", "a", "b", estimate_mean([1.0, 1.1, 0.9]))
    assert "**falls**" in say("More", "a", "b", estimate_mean([-1.0, -1.1, -0.9]))
    assert "**not told from unchanged**" in say("More", "a", "b", estimate_mean([-1.0, 1.1, 0.0]))
    assert say("More", "a", "b", None) == "More: not run at this preset."


def test_the_tables_of_the_smoke_study_can_be_written(smoke, found):
    table = neighbours_tables.scores(neighbours.scores(smoke), neighbours.published_scores())
    assert "{cite:t}`sehwag2022minimal`" in table
    assert len(rows_of(neighbours_tables.seeds(found))) == len(smoke.seeds)
    for text in (table, neighbours_tables.both_ways(found), neighbours_tables.seeds(found)):
        assert "nan" not in text.lower()
        assert text.startswith("```{table} ")
