"""Rows of seeds that another run computed stand in the place of its artifacts: one run of all seeds says the same."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from synthgap.base.errors import UserError
from synthgap.base.files import file_sha256
from synthgap.book import exhibit_text
from synthgap.book.trace import elsewhere, provenance
from synthgap.design.values import REAL, SYNTHETIC_ONLY
from synthgap.exhibits.attention import attention
from synthgap.exhibits.augmentation import all_arm_hits
from synthgap.exhibits.blocks import BLOCK, BLOCKS, HITS, NUMBERS, TEXTS
from synthgap.exhibits.claims import claims
from synthgap.exhibits.classifiers import all_step_hits, slope_of
from synthgap.exhibits.files import joinable, tables, write_block
from synthgap.exhibits.hits import SHARE
from synthgap.exhibits.raw import from_long, to_long, unpack
from synthgap.exhibits.sections import exhibits
from synthgap.exhibits.sections import results as every
from synthgap.exhibits.study import Study


def leave(study, folder):
    """A study's block."""
    study.compute([spec for r in joinable() for spec in r.specs(study.design)])
    write_block(study.lab, folder, elsewhere(study.lab))


@pytest.fixture
def results(apart, tmp_path):
    """A results folder with the store of seeds 0 and 1, and that seed's block in it."""
    store = apart(0).results / "store"
    (tmp_path / "store").symlink_to(store, target_is_directory=True)
    leave(apart(1), tmp_path / BLOCKS / "other")
    return tmp_path


def joined(apart, results, seeds=(0, 1)):
    preset = apart(0).results.parent / "apart.yaml"
    return Study(preset=str(preset), results=results, device="cpu", seeds=list(seeds), workers=1)


def test_a_study_with_a_block_says_what_one_run_of_all_seeds_says(apart, results):
    both, ours = apart(0, 1), joined(apart, results)
    assert [block.made.seeds for block in ours.lab.blocks] == [(1,)]
    assert ours.blocks_left_out == []
    assert ours.seeds == (0, 1)
    mine, theirs = tables(ours.lab), tables(both.lab)
    for name in ("crossed.csv", "figure7.csv", "remedies_cost.csv"):  # made of several seeds of one run
        del mine[name], theirs[name]
    assert set(mine) == set(theirs)
    for name, rows in theirs.items():
        ours_sorted, theirs_sorted = (one.sort_values(list(one), ignore_index=True) for one in (mine[name], rows))
        pd.testing.assert_frame_equal(ours_sorted, theirs_sorted, check_dtype=False, check_exact=True, obj=name)
    (mine, theirs) = (str(one.answer()).split(". ") for one in (ours, both))
    assert len([line for line, other in zip(mine, theirs, strict=True) if line != other]) == 2  # near in features
    for name in ("tab-1", "tab-2", "tab-3", "tab-4"):
        assert ours.show(name) == both.show(name)


def test_nothing_of_its_seeds_is_computed(apart, results):
    keys = {spec.key for spec in joined(apart, results).plan()}
    assert keys == {spec.key for spec in apart(0).plan()}


def test_the_record_and_each_exhibit_of_rows_say_whose_they_are(apart, results, tmp_path):
    record = provenance(joined(apart, results).lab, tmp_path)
    assert record.seeds == (0, 1)
    assert [block.seeds for block in record.blocks] == [(1,)]
    ((term, told),) = exhibit_text.from_blocks(record, exhibits()["tab-3"])
    assert term == "Rows of another run"
    assert told.startswith("seed 1; commit ")
    assert exhibit_text.from_blocks(record, exhibits()["fig-5"]) == []  # pictures are of the first seed


def test_all_results_by_seed_are_in_a_block(apart, results):
    d, held = apart(0, 1).design, {r.name for r in joinable()}
    by_seed = {
        r.name for r in every() if r.cells and {cell[-1] for cell in r.cells(d) if len(cell) > 1} >= set(d.seeds)
    }
    assert by_seed - held == {"scores", "crossed", "remedies_looked_at"}  # of the present seeds alone
    assert set(json.loads((results / BLOCKS / "other" / BLOCK).read_text())["results"]) == held


def test_what_a_block_lacks_of_another_data_set_is_of_the_seeds_that_have_it(apart, results):
    folder = results / BLOCKS / "other"
    hits = pd.read_csv(folder / HITS, dtype=str)
    hits[~hits.cell.fillna("").str.startswith("mnist5k")].to_csv(folder / HITS, index=False)
    about = json.loads((folder / BLOCK).read_text())
    about["files"][HITS] = file_sha256(folder / HITS)
    (folder / BLOCK).write_text(json.dumps(about))
    ours, both, alone = joined(apart, results), apart(0, 1), apart(0)
    mine, theirs, fewer = (study.lab.value(all_arm_hits) for study in (ours, both, alone))
    for known, of in ((theirs, "digits"), (fewer, "mnist5k")):
        assert [name for name in known.names if name[0] == of]
        for name in (name for name in known.names if name[0] == of):
            assert mine[name].tolist() == known[name].tolist()
    with pytest.raises(KeyError):
        mine["mnist5k", "no arm", 1]
    for name in ("tab-2", "tab-cas"):
        (shown,) = ours.lab.show(name)
        assert "(mnist5k: 1 seed)" in shown
        assert "1 seed)" not in both.lab.show(name)[0]
    for name in ("fig-accuracy", "fig-data-sets"):
        figure = ours.show(name)
        assert figure.get_suptitle().endswith("over test images too (mnist5k: 1 seed)")
    assert any("digits, mnist5k one seed alone says" in v.why for v in ours.lab.value(claims))


def test_of_seeds_whose_images_a_block_lacks_the_shares_count(apart, results):
    folder, both = results / BLOCKS / "other", apart(0, 1)
    hits = pd.read_csv(folder / HITS, dtype=str)
    lost = hits.cell.fillna("").str.startswith("mnist5k")
    shares = [
        f"{SHARE}{float(unpack(right, int(n)).mean())!r}"
        for right, n in zip(hits.right[lost], hits.n[lost], strict=True)
    ]
    hits.loc[lost, "right"] = shares
    hits.to_csv(folder / HITS, index=False)
    about = json.loads((folder / BLOCK).read_text())
    about["files"][HITS] = file_sha256(folder / HITS)
    (folder / BLOCK).write_text(json.dumps(about))
    ours = joined(apart, results)
    mine, theirs = (study.lab.value(all_arm_hits) for study in (ours, both))
    name, real = ("mnist5k", SYNTHETIC_ONLY, 1), ("mnist5k", *REAL)
    assert mine.by_seed(name, real) == pytest.approx(theirs.by_seed(name, real))
    assert mine.change(name, real).mean == pytest.approx(theirs.change(name, real).mean)
    assert mine.change(name, real).seed_part == pytest.approx(theirs.change(name, real).seed_part)
    mine, theirs = (slope_of(study.lab.value(all_step_hits), "mnist5k")[0] for study in (ours, both))
    assert (mine.mean, mine.seed_part, mine.seeds) == pytest.approx((theirs.mean, theirs.seed_part, 2))
    for shown in ("tab-accuracy-trends", "tab-cas", "fig-accuracy", "fig-data-sets"):
        assert ours.show(shown) is not None
    assert len(ours.lab.value(claims)) == len(both.lab.value(claims))
    (shown,) = ours.lab.show("tab-2")
    assert "(mnist5k: what test images do is told by 1 seed)" in shown


def test_maps_that_one_run_compared_are_of_its_seeds(apart, results):
    """A run of one seed compares no maps: those of a run of several are all there are."""
    folder, both = results / BLOCKS / "other", apart(0, 1)
    numbers = from_long(pd.read_csv(folder / NUMBERS, dtype=TEXTS))
    maps = both.lab.rows(attention)
    to_long(numbers | {"figure7": maps[maps.seed == 1]}).to_csv(folder / NUMBERS, index=False)
    about = json.loads((folder / BLOCK).read_text())
    about["files"][NUMBERS] = file_sha256(folder / NUMBERS)
    (folder / BLOCK).write_text(json.dumps(about))
    ours = joined(apart, results)
    rows = ours.lab.rows(attention)
    assert set(rows.seed) == {1}
    assert rows.similarity.dtype == float
    assert ours.lab.show("tab-attention")[0].startswith("```{table}")
    assert len(ours.lab.value(claims)) == len(both.lab.value(claims))


def test_a_study_of_the_first_seeds_alone_has_no_use_for_it(apart, results):
    ours = joined(apart, results, [0])
    assert ours.lab.blocks == ()
    assert ours.blocks_left_out == []


def test_a_study_that_grows_computes_its_seeds_itself(apart, results):
    preset = apart(0).results.parent / "apart.yaml"
    assert Study(preset=str(preset), results=results, device="cpu", workers=1, minutes=60).lab.blocks == ()


def said(apart, results, change, file=BLOCK):
    """Why a block is left out whose file `change` has edited."""
    path = results / BLOCKS / "other" / file
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    (line,) = joined(apart, results).blocks_left_out
    return line


def test_a_block_of_another_run_is_left_out_and_it_is_said_why(apart, results):
    def other_device(about):
        about["record"]["device"] = "cuda"

    assert "blocks/other is not used: device cpu and cuda" in said(apart, results, other_device)


def test_rows_by_other_code_are_left_out(apart, results):
    def other_code(about):
        about["results"]["table3"] = "0" * 64

    assert "other code made table3; run its seeds again" in said(apart, results, other_code)


def test_the_first_seed_is_computed_here(apart, results):
    shutil.rmtree(results / BLOCKS)
    leave(apart(0), results / BLOCKS / "first")
    (line,) = joined(apart, results).blocks_left_out
    assert "seed 0 is another block's, or the first one, whose pictures are shown" in line


@pytest.mark.parametrize("file", [BLOCK, NUMBERS, HITS])
def test_a_damaged_block_is_named(apart, results, file):
    path: Path = results / BLOCKS / "other" / file
    path.write_text(path.read_text()[:100])
    with pytest.raises(UserError, match=r"blocks/other.* can't be read .*; copy its folder again, or remove it"):
        joined(apart, results)
