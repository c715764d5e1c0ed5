"""Both ways: which rows they read, their signs, and what two directions say together; scores beside published ones."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from reading import cell, design, legend, parsed, right

from synthgap.design.arms import PAPER
from synthgap.design.values import GAN, GAN_ONLY, MIX, NAIVE, REAL, SYNTHETIC_ONLY
from synthgap.exhibits import related_work
from synthgap.exhibits.augmentation import all_arm_hits, table3_hits
from synthgap.exhibits.classifiers import all_step_hits, table2_hits
from synthgap.exhibits.hits import Hits, arm_difference
from synthgap.exhibits.introduction import alone_hits
from synthgap.exhibits.related_work import OPEN, SAME, TEST, TRAIN, BothWays, Side, effect, label_hits, reading, scores
from synthgap.exhibits.text import paper_table
from synthgap.paper.published import published_scores, read_paper
from synthgap.stats.crossed import Crossed, crossed
from synthgap.stats.intervals import error_ratio

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def found(smoke):
    return smoke.lab.value(related_work.both_ways)


@pytest.fixture
def several(smoke):
    return scores(smoke.design, *(smoke.lab.value(known) for known in (alone_hits, all_step_hits, all_arm_hits)))


def test_gan_train_is_table_2_and_gan_test_the_label_agreement(smoke, found):
    table = smoke.rows("table2")
    table = table[table.dataset == smoke.main.name].pivot(index="seed", columns="t_re", values="accuracy")
    agreement = smoke.rows("figure8")
    agreement = agreement[(agreement.protocol == PAPER) & (agreement.split == "test")]
    agreement = agreement.pivot(index="seed", columns="t_re", values="agreement")
    assert found.steps == [*(t for t in table.columns if t > 0), GAN]
    for t in found.steps[:-1]:
        train = found.sides[t, TRAIN]
        assert train.values == pytest.approx(100 * table[t].to_numpy())
        assert train.against == crossed(smoke.lab.value(table2_hits).minus((t,), (0,))).in_points
        assert train.against.mean == pytest.approx(100 * (table[t] - table[0]).mean())
        if (t, TEST) in found.sides:
            test = found.sides[t, TEST]
            assert test.values == pytest.approx(100 * agreement[t].to_numpy())
            # the same classifier on the same images as they are
            assert test.against.mean == pytest.approx(100 * (agreement[t] - agreement[0]).mean())
            assert test.n == smoke.main.data["probe"].count


def test_a_step_without_reconstructed_test_images_has_no_gan_test(smoke, found):
    lacking = {t for t in smoke.preset.table2 if t > 0 and t not in smoke.preset.curves}
    assert lacking
    assert {t for t in found.steps if (t, TEST) not in found.sides} == lacking
    out = parsed(smoke.show("tab-both-ways")[0])
    assert out.loc[f"t_re = {min(lacking)}", f"{TEST} (%)"] == "not run"


def test_the_gans_samples_stand_against_all_test_images(smoke, found):
    train, test = (found.sides[GAN, way] for way in (TRAIN, TEST))
    assert test.against.mean == pytest.approx(float(np.mean(test.values - found.real)))
    levels = smoke.lab.value(label_hits)[GAN,], smoke.lab.value(table2_hits)[0,]
    parts = [crossed(right.astype(float)) for right in levels]  # other images: both have their share in the interval
    assert test.against.image_part == pytest.approx(1e4 * sum(part.image_part for part in parts))
    assert train.n == found.n
    rows = smoke.rows("table3")
    rows = rows[(rows.arm == GAN_ONLY) & (rows.multiple == 1)].set_index("seed").accuracy
    assert train.values == pytest.approx([100 * rows[s] for s in smoke.seeds])


def test_the_comparison_of_the_sets_at_equal_size_is_the_one_of_every_other_table(smoke, found, several):
    known = smoke.lab.value(table3_hits)
    for arm, t in ((SYNTHETIC_ONLY, 100), (GAN_ONLY, GAN)):
        one = arm_difference(smoke.design, known, (arm, 1), REAL)
        assert found.sides[t, TRAIN].against == one
        assert [s.against for s in several if (s.dataset, s.arm, s.multiple) == (smoke.main.name, arm, 1)] == [one]


def test_neither_table_has_a_verdict_or_a_p_value(smoke):
    for name in ("tab-both-ways", "tab-cas"):
        assert not [column for column in parsed(smoke.lab.show(name)[0]).columns if "p," in column or "Holm" in column]


def test_every_data_set_and_multiple_has_its_score(smoke, several):
    main = {(s.arm, s.multiple) for s in several if s.dataset == smoke.main.name}
    assert main == {(arm, k) for arm in (SYNTHETIC_ONLY, GAN_ONLY) for k in (1, 3)}
    assert {s.dataset for s in several} == {arms.name for arms in smoke.design.columns}
    table, last = smoke.rows("table4"), several[-1]
    mine = table[(table.dataset == last.dataset) & (table.arm == last.arm) & (table.multiple == last.multiple)]
    assert last.accuracy.mean == pytest.approx(100 * mine.accuracy.mean())


def test_a_data_set_of_table_2_alone_has_its_score_too(smoke):
    alone, steps = (smoke.lab.value(known) for known in (alone_hits, all_step_hits))
    without = scores(smoke.design, alone, steps, Hits("table4", {}, smoke.seeds))
    (mine,) = (s for s in without if s.dataset == "mnist5k")
    rows = smoke.rows("table2")
    table = rows[rows.dataset == "mnist5k"].groupby("t_re").accuracy.mean()
    assert (mine.arm, mine.multiple) == (SYNTHETIC_ONLY, 1)
    assert (mine.real.mean, mine.accuracy.mean) == pytest.approx((100 * table[0], 100 * table[100]))


def test_the_published_scores_are_the_papers_and_are_cited():
    published = published_scores()
    by_data = {p.data: p for p in published if p.cite == "yamaguchi2024analyzing"}
    assert (by_data["CIFAR-10"].real, by_data["CIFAR-10"].synthetic) == (95.58, 89.85)
    assert by_data["Car"].synthetic == paper_table("table4")["synthetic only ×1"]["Car"][0]
    assert len(published) == 5 + len(read_paper("neighbours.yaml")["scores"])
    assert {p.cite for p in published} <= references()


def references() -> set[str]:
    keys = re.findall(r"^@\w+\{(\w+),", (ROOT / "book" / "references.bib").read_text(encoding="utf-8"), re.M)
    assert len(set(keys)) == len(keys)
    return set(keys)


def test_every_work_that_a_chapter_or_page_cites_is_in_the_references():
    known = references()
    for path in [*(ROOT / "chapters").glob("*.ipynb"), *(ROOT / "book").glob("*.md")]:
        for cited in re.findall(r"\{cite:[pt]\}`([^`]+)`", path.read_text(encoding="utf-8")):
            assert {key.strip() for key in cited.split(",")} <= known, path.name


def test_errors_are_set_in_relation():
    assert error_ratio(95, 90) == pytest.approx(2)
    assert np.isnan(error_ratio(100, 90))


def test_the_published_lines_have_differences_and_ratios(smoke):
    out = parsed(smoke.show("tab-cas"))
    assert len(out) == 4 + 2 + 5 + len(read_paper("neighbours.yaml")["scores"])
    assert cell(out, "CIFAR-10 ({cite:t}`yamaguchi2024analyzing`)", "difference") == "-5.73"
    assert cell(out, "CIFAR-10 ({cite:t}`yamaguchi2024analyzing`)", "errors") == "2.3"
    assert cell(out, "MNIST ({cite:t}`sehwag2022minimal`)", "CAS") == "99.0"


def certain(mean, half):
    """A difference in points of three seeds whose interval is mean ± half, by the test images alone."""
    return Crossed(mean, 0.0, (half / 1.959964) ** 2, 0.0, 3, 40, (-100.0, 100.0))


def side(mean, half):
    return Side(90 + mean + np.array([-1.0, 0.0, 1.0]), certain(mean, half), 40)


def made(train, test=None, t=100):
    sides = {(t, way): s for way, s in ((TRAIN, train), (TEST, test)) if s is not None}
    return BothWays(np.array([90.0, 91.0, 92.0])[: len(train.values)], 40, sides)


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        ((-3, 1), (0, 0.8), ("**lower** than", "**the same to a point** as", "diversity")),
        ((-3, 1), (0.3, 0.5), ("**lower** than", "**the same to a point** as", "diversity")),
        ((-3, 1), (-3.92, 5.9), ("**lower** than", "**open**", "is open")),  # an interval around 0 is no equality
        ((-3, 1), (0, 1.2), ("**lower** than", "**open**", "is open")),
        ((-3, 1), (2, 1), ("**lower** than", "**higher** than", "lack diversity")),
        ((-3, 1), (-2, 1), ("**lower** than", "label")),
        ((0, 2), (0, 2), ("in neither direction",)),
        ((0, 0.5), (0, 0.5), ("as real ones do, to a point",)),
        ((0, 2), (-2, 1), ("**open**", "**lower**", "leave open")),
        ((3, 1), (-2, 1), ("different directions",)),
    ],
)
def test_two_directions_are_read_together(train, test, words):
    text = reading(made(side(*train), side(*test)), 100)
    assert all(word in text for word in words)
    assert ("as well as real ones" in text) == (side(*test).word == SAME and train[0] < 0)


def test_a_missing_direction_is_named():
    assert reading(made(side(-3, 1)), 100).startswith(f"This preset has no {TEST} of fully synthetic images")


def test_one_seed_has_numbers_and_no_verdict():
    alone = Side(np.array([87.0]), crossed(np.full((1, 40), -0.03)).in_points, 40)
    single = made(alone, alone)
    assert alone.word == OPEN
    assert "**open**" in reading(single, 100)
    d = design(seeds=(4,))
    table, _ = related_work.both_ways_table(d, single)
    assert parsed(table).iloc[1][f"{TRAIN} − real-on-real".replace("−", "-")] == "-3.0"
    assert "nan" not in table
    assert parsed(related_work.seeds_table(d, single)).index.tolist() == ["4"]
    related_work.both_ways_curves(d, single)


def test_a_table_of_seeds_has_both_models_both_ways():
    both = made(side(-3, 1), side(1, 1))
    both.sides[GAN, TRAIN] = side(-5, 1)
    out = parsed(related_work.seeds_table(design(seeds=(2, 0, 1)), both))
    assert out.index.tolist() == ["2", "0", "1"]
    assert cell(out, "0", "GAN-train", "EDM") == "87.0"
    assert cell(out, "0", "GAN-train", "StyleGAN3") == "85.0"
    assert cell(out, "0", "GAN-test", "StyleGAN3") == "not run"
    assert cell(out, "0", "real-on-real") == "91.0"


def test_the_figure_has_a_line_a_direction_and_the_gan_beside_them():
    both = made(side(-3, 1), side(1, 1))
    both.sides[50, TRAIN] = side(-1, 1)
    both.sides[GAN, TRAIN] = side(-5, 1)
    both.sides[GAN, TEST] = side(-6, 1)
    axes, beside = related_work.both_ways_curves(design(), both).axes
    assert legend(axes) == ["real-on-real", "GAN-train", "GAN-test"]
    assert [sorted(dots.get_offsets()[:, 1]) for dots in beside.collections[::2]] == [
        pytest.approx(sorted(both.sides[GAN, way].values)) for way in (TRAIN, TEST)
    ]
    assert axes.get_ylim()[1] <= 100
    line = next(c.lines[0] for c in axes.containers if c.get_label() == TRAIN)
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([50, 100], pytest.approx([89, 87]))


@pytest.mark.parametrize(("mean", "word"), [(1.0, "rises"), (-1.0, "falls"), (0.1, "the direction is open")])
def test_a_change_rises_falls_or_is_open(mean, word):
    assert f"{word}**" in effect("More", "a", "b", certain(mean, 0.5))


def test_a_change_that_was_not_run_or_has_one_seed_has_no_direction():
    assert effect("More", "a", "b", None) == "More: not run at this preset."
    assert "one seed" in effect("More", "a", "b", crossed(np.ones((1, 10))).in_points)


def test_effects_are_the_differences_of_table_3():
    d = design()
    d.arms.preset = SimpleNamespace(augmentation={NAIVE: (1, 5), MIX: (1,)})
    known = right({(NAIVE, 1): (0.5, 0.5, 0.5), (NAIVE, 5): (0.6, 0.61, 0.62), (MIX, 1): (0.5, 0.5, 0.5)})
    more, instead = related_work.effects(d, known).split("\n")
    assert "is +11.0 points here" in more  # of seeds 0, 1, 2: 10, 11, 12
    assert "**it rises**" in more
    assert "not run" in instead
