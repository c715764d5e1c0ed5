"""One long CSV holds what the tables are made of."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from presets import few_preset

from synthgap.book.execute import find_root
from synthgap.data.npz import read_npz
from synthgap.data.pool import load_pool
from synthgap.exhibits import files
from synthgap.exhibits.null_models import gaps
from synthgap.exhibits.raw import NAMES, from_long, pack, to_long, unpack
from synthgap.exhibits.sections import exhibits
from synthgap.exhibits.study import Study
from synthgap.stats.nulls import report


@pytest.fixture(scope="module")
def back(smoke, tmp_path_factory):
    """(the tables as computed, the same from the CSV)."""
    path = tmp_path_factory.mktemp("raw") / "results.csv"
    tables = {Path(file).stem: rows for file, rows in files.tables(smoke.lab).items()}
    computed = {name: rows for name, rows in tables.items() if {"seed", "generator"} & set(rows) and name != "hits"}
    to_long(computed).to_csv(path, index=False)
    return computed, from_long(pd.read_csv(path))


def test_every_table_comes_back_to_the_last_digit(back):
    computed, read = back
    assert list(read) == list(computed)
    for name, table in computed.items():
        same = read[name][list(table.columns)]
        pd.testing.assert_frame_equal(same, table, check_dtype=False, check_exact=True, obj=name)


TABLES = [name for name, one in exhibits().items() if name.startswith("tab-") and one.view]


@pytest.mark.parametrize("name", TABLES)
def test_the_books_tables_regenerate_from_it(smoke, back, name):
    """Each whose results are rows of the file."""
    computed, read = back
    one = exhibits()[name]
    if all(r.name in computed for r in one.reads):
        values = [smoke.lab.value(r) for r in one.reads]
        rows = [read[r.name] if isinstance(v, pd.DataFrame) else v for r, v in zip(one.reads, values, strict=True)]
        assert one.view(smoke.design, *rows) == one.view(smoke.design, *values)


@pytest.fixture(scope="module")
def hits(smoke, tmp_path_factory):
    """(result, cell) → seeds × test images, from the CSV alone."""
    folder = tmp_path_factory.mktemp("hits")
    files.write_tables(smoke.lab, folder)
    rows = pd.read_csv(folder / "hits.csv", dtype={"cell": str, "right": str})
    grouped = rows.sort_values("seed").groupby(["result", "cell"], sort=False)
    return {
        key: np.array([unpack(r, n) for r, n in zip(mine.right, mine.n, strict=True)], dtype=float)
        for key, mine in grouped
    }


def test_intervals_over_seeds_and_images_regenerate_from_the_hits(smoke, hits):
    alone, copies = ({k: hits["table3", f"{arm}; {k}"] for k in (1, 3)} for arm in ("synthetic only", "real bootstrap"))
    curve = {int(cell): values for (result, cell), values in hits.items() if result == "learning_curve"}
    assert report("digits", curve, alone, copies) == smoke.lab.value(gaps)


def test_packing_keeps_every_image():
    right = np.random.default_rng(0).random(1097) < 0.9
    assert (unpack(pack(right), 1097) == right).all()


def test_every_file_that_the_book_offers_is_written_also_where_a_run_has_nothing_for_it(smoke, tmp_path):
    preset = str(few_preset(tmp_path / "few.yaml"))
    study = Study(preset=preset, results=smoke.results, seeds=1, device="cpu", workers=1)
    assert study.rows("figure7").empty  # one seed's maps have none to compare with
    folder = tmp_path / "files"
    folder.mkdir()
    files.write_tables(study.lab, folder)
    root = find_root()
    pages = [page.read_text(encoding="utf-8") for page in (root / "book").glob("*.md")]
    offered = {name for page in pages for name in re.findall(r"executed/([a-z0-9_]+\.csv)>", page)}
    offered |= {name for exhibit in exhibits().values() for name in exhibit.files()}
    assert len(offered) > 20
    assert offered <= {path.name for path in folder.iterdir()}


def test_each_line_names_its_cell_and_seed(back):
    long = to_long(back[0])
    assert not long.value.isna().all()
    assert set(long.columns) >= {"result", "seed", "t_re", "arm", "measure", "value"}
    assert len(long) == sum(len(table) * len(set(table) - set(NAMES)) for table in back[0].values())


def test_the_images_are_files_that_can_be_judged(smoke, tmp_path):
    files.write_images(smoke.lab, tmp_path)
    steps = [t for t in smoke.preset.curves if t]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"digits-t_re-{t}.npz" for t in steps)
    drawn = smoke.store.get(smoke.main.samples(0, 100))
    again = read_npz(tmp_path / "digits-t_re-100.npz")[0]["train"]
    np.testing.assert_array_equal(again.images, drawn.images)
    np.testing.assert_array_equal(again.labels, drawn.labels)
    assert again.classes == drawn.classes
    assert len(load_pool(f"npz:{tmp_path / 'digits-t_re-100.npz'}")) == len(drawn)


def test_of_large_images_as_many_are_written_as_a_file_may_hold(smoke, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_BYTES", 12 * 64)
    files.write_images(smoke.lab, tmp_path)
    few = read_npz(tmp_path / "digits-t_re-100.npz")[0]["train"]
    assert len(few) == 12
    assert len(np.unique(few.labels)) == 10
