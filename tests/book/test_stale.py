"""A published book that other code has computed is told, by the name of what has changed and who shows it."""

import functools
import shutil
import sys
from pathlib import Path

import pytest
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from synthgap.base.errors import UserError
from synthgap.book import execute as book
from synthgap.book import exhibit_text, stale, trace
from synthgap.book.provenance import Change, Made, read, write
from synthgap.graph import codehash
from synthgap.paper.published import claims

ROOT = book.find_root()
OF_A_MODULE = ("_tree", "_defined", "_imported", "imports_of", "_named_by", "_normal_form", "_definition_form")
KNOWN = {}  # what these functions of `codehash` find in a module, by its text: few of the modules change in a test


@pytest.fixture
def published(tmp_path):
    """The committed book's record, all of one run, in a folder of its own; published(**changes) changes it."""

    def change(**fields):
        write(read(ROOT / book.EXECUTED).model_copy(update={"apart": {}} | fields), tmp_path)
        return tmp_path

    return change


def remembering(function):
    @functools.cache
    def call(root, *rest):
        text = codehash._path(root.partition(":")[0]).read_bytes()
        key = function.__name__, root, rest, text
        if key not in KNOWN:
            KNOWN[key] = function.__wrapped__(root, *rest)
        return KNOWN[key]

    return call


@pytest.fixture(scope="module")
def present():
    """Code versions of the package as it is."""
    return stale.code_versions()


@pytest.fixture
def edited(tmp_path, monkeypatch):
    """edited(module, old, new) → code versions of a copy of the package with that edit."""
    copy = tmp_path / "synthgap"
    shutil.copytree(codehash.ROOT, copy, ignore=shutil.ignore_patterns("__pycache__"))
    for name in OF_A_MODULE:
        monkeypatch.setattr(codehash, name, remembering(getattr(codehash, name)))
    caches = [f for f in vars(codehash).values() if hasattr(f, "cache_clear")]
    monkeypatch.setattr(codehash, "ROOT", copy)

    def edit(module, old, new):
        path = copy / module
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        for cached in caches:
            cached.cache_clear()
        return stale.code_versions()

    yield edit
    for cached in caches:
        cached.cache_clear()


def test_the_published_book_was_computed_by_the_present_code():
    """Fails with the names of what has changed: run make publish, and commit what it writes."""
    stale.check(ROOT / book.EXECUTED)


def test_a_change_of_code_names_the_kind_and_the_chapters_that_show_it(edited, published):
    folder = published()
    new = edited("metrics/fidelity.py", "NEIGHBOURS = 3", "NEIGHBOURS = 5")
    assert new["fidelity"] != read(folder).code["fidelity"]
    (line,) = [line for line in stale.stale(read(folder)) if line.startswith("fidelity")]
    assert "04_1_synthetic_samples" in line
    assert "06_limitation" in line
    assert "a2_your_data" not in line
    with pytest.raises(UserError, match=r"made by another version of: .*fidelity \(shown by .*make publish"):
        stale.check(folder)


def test_a_change_of_the_statistics_names_every_chapter(edited, published):
    folder = published()
    edited("stats/intervals.py", "level: float = 0.95", "level: float = 0.9")
    (line,) = stale.stale(read(folder))
    assert line == f"statistics (shown by {', '.join(read(folder).chapters)})"


@pytest.mark.parametrize(
    ("module", "old", "new", "kinds"),
    [
        ("stats/nulls.py", "DRAWS = 400", "DRAWS = 40", {stale.STATISTICS}),
        ("stats/verdict.py", 'tested", 0.05)', 'tested", 0.1)', {stale.STATISTICS}),
        ("stats/crossed.py", "np.arange(len(order))", "np.arange(1, 1 + len(order))", {stale.STATISTICS}),
        ("stats/intervals.py", "(100 - synthetic)", "(99 - synthetic)", {stale.STATISTICS}),
        ("exhibits/samples.py", "(*curves, FLOOR)", "curves", {stale.STATISTICS}),
        ("exhibits/base.py", '.transform("any")', '.transform("all")', {stale.STATISTICS}),
        ("design/arms.py", "0 if protocol == PAPER else FLOOR", "0", {stale.STATISTICS}),
        ("metrics/entropy.py", "def output_entropy(", "def output_entropy(*unused, ", {stale.STATISTICS}),
        ("metrics/projection.py", "= centrality(vectors", "= -centrality(vectors", {stale.STATISTICS, "trim"}),
        ("base/disk.py", "check the disk", "look at the disk", set()),
        ("base/inert.py", "class ", "# a comment\nBOUND = 7\n\n\nclass ", set()),
        ("base/words.py", "import math", "import math\nWORD = 'more'", set()),
        ("exhibits/text.py", "import re", "import re\nWORD = 'more'", set()),
        ("exhibits/samples_drawn.py", "fontsize=SMALL", "fontsize=10", set()),
        ("graph/run.py", "from __future__ import annotations", "from __future__ import annotations\nA = 1", set()),
    ],
)
def test_what_turns_artifacts_into_published_numbers_is_watched_and_nothing_else(
    present, edited, module, old, new, kinds
):
    after = edited(module, old, new)
    assert {kind for kind, version in present.items() if after[kind] != version} == kinds


def test_what_decides_a_claim_is_watched_and_how_it_is_worded_is_not(monkeypatch):
    before, (first, *rest) = stale.statistics_hash(), claims()
    words = first.model_copy(update={"statement": "Other words.", "figure": "fig-2"})
    monkeypatch.setattr(stale, "claims", lambda: (words, *rest))
    assert stale.statistics_hash() == before
    larger = first.model_copy(update={"interest": first.interest.model_copy(update={"value": 7.0})})
    monkeypatch.setattr(stale, "claims", lambda: (larger, *rest))
    assert stale.statistics_hash() != before


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("stats/intervals.py", '"""Intervals', '"""More words. Intervals'),
        ("stats/intervals.py", "import math\n", "import math  # a comment\n"),
        ("metrics/fidelity.py", "import numpy as np\n", "\n# a comment\nimport numpy as np\n"),
        ("graph/compute.py", "def measure_fidelity(", "# a comment\n\n\ndef measure_fidelity("),
    ],
)
def test_comments_docstrings_and_the_arrangement_of_numbers_dont_count(edited, published, module, old, new):
    folder = published()
    edited(module, old, new)
    assert stale.stale(read(folder)) == []


def test_another_preset_is_told(published):
    record = read(published(preset_sha256="0" * 64)).model_copy(update={"since": None})
    (line,) = (line for line in stale.stale(record) if line.startswith("preset "))
    assert line.startswith(f"preset {record.preset} (shown by 01_introduction")
    assert stale.stale(read(published(preset="mine", preset_sha256=None))) == []


def test_a_kind_that_is_no_more_is_told(published):
    record = read(published())
    assert stale.stale(record.model_copy(update={"code": {"old-kind": "0" * 64}})) == ["old-kind (shown by no chapter)"]


def test_a_preset_is_what_it_says_and_not_how_it_is_described():
    assert stale.preset_hash("quick") != stale.preset_hash("smoke")
    assert stale.preset_hash("nobody's") is None


# what has changed since


@pytest.fixture
def changes():
    """One that touches fidelity, and one of the statistics."""
    return [
        Change(what="five neighbours in place of three", effect="recall is lower by .01 (seed 0)", kinds=("fidelity",)),
        Change(what="wider intervals", effect="by 2%", kinds=(stale.STATISTICS,)),
    ]


def test_a_change_that_is_accounted_for_is_told_where_it_is_seen(edited, published, changes):
    folder = published(since=None)
    edited("metrics/fidelity.py", "NEIGHBOURS = 3", "NEIGHBOURS = 5")
    others = set(stale._changed(read(folder), stale._present(read(folder)))) - {"fidelity"}
    every = [*changes[:1], Change(what="others", effect="none", kinds=tuple(sorted(others)))]
    record = stale.account(folder, every)
    assert stale.check(folder) == record
    assert stale.changes_for(record, record.exhibits["fig-6"])[0] == changes[0]
    assert changes[0] not in stale.changes_for(record, record.exhibits["fig-2"])
    told = [words for _, words in exhibit_text.how_made(record, "fig-6")]
    assert "five neighbours in place of three: recall is lower by .01 (seed 0)" in told
    assert "earlier version of the code" in exhibit_text.older(record, "fig-6")
    assert "changed since" in exhibit_text.foot(record)


def test_the_next_change_is_stale_again(edited, published):
    folder = published(since=None)
    edited("metrics/fidelity.py", "NEIGHBOURS = 3", "NEIGHBOURS = 5")
    stale.account(folder, [Change(what="everything", effect="none")])
    edited("metrics/fidelity.py", "NEIGHBOURS = 5", "NEIGHBOURS = 7")
    lines = stale.stale(read(folder))
    assert [line.partition(" (shown by ")[0] for line in lines] == [
        "fidelity",
        stale.STATISTICS,
    ]  # both read k


def test_a_change_that_nothing_names_is_refused_and_nothing_is_written(edited, published, changes):
    folder = published(since=None)
    edited("metrics/fidelity.py", "NEIGHBOURS = 3", "NEIGHBOURS = 5")
    with pytest.raises(UserError, match=r"fidelity.* has changed, too"):
        stale.account(folder, changes[1:])
    with pytest.raises(UserError, match=r"names 'fidelities'; known kinds: .*fidelity"):
        stale.account(folder, [Change(what="a", effect="b", kinds=("fidelities",))])
    assert read(folder).since is None


def test_a_book_of_the_present_code_has_nothing_to_account_for(published, changes):
    folder = published(code=stale.code_versions(), preset_sha256=stale.preset_hash("full"), since=None)
    with pytest.raises(UserError, match="nothing to account for"):
        stale.account(folder, changes)


# a chapter that another run made, published later


@pytest.fixture
def with_another(published, present):
    """The folder of a book of older code, accounted for, with a chapter of the present code and of another preset."""
    folder = published(since=None)
    changes = [Change(what="everything", effect="nothing that is known")]
    record = stale.account(folder, changes)
    kinds = ("data", "fidelity")
    other = record.model_copy(
        update={
            "preset": "quick",
            "preset_sha256": stale.preset_hash("quick"),
            "code": {kind: present[kind] for kind in (*kinds, stale.STATISTICS)},
            "chapters": {"a9_new": ("tab-new",), "a8_not_this": ("fig-other",)},
            "exhibits": {"tab-new": Made(kinds=kinds, data={}, seeds=(0,))},
            "since": None,
        }
    )
    write(trace.with_chapter(record, "a9_new", other), folder)
    return folder, changes


def test_an_exhibit_is_told_of_with_the_run_that_made_it(with_another):
    folder, _ = with_another
    record = read(folder)
    assert (record.preset, record.behind("fig-6").preset, record.behind("tab-new").preset) == ("full", "full", "quick")
    assert stale.stale(record) == []
    assert record.chapters["a9_new"] == ("tab-new",)
    assert "a8_not_this" not in record.chapters
    assert stale.changes_for(record.behind("tab-new"), record.behind("tab-new").exhibits["tab-new"]) == []
    assert stale.changes_for(record, record.exhibits["fig-6"])


def test_its_code_is_checked_and_accounted_for_by_what_has_changed_since_it_was_made(with_another, edited):
    folder, changes = with_another
    edited("metrics/fidelity.py", "NEIGHBOURS = 3", "NEIGHBOURS = 5")
    assert "fidelity (shown by a9_new)" in stale.stale(read(folder))
    with pytest.raises(UserError, match="no change names it"):
        stale.account(folder, changes)
    stale.account(folder, [*changes, Change(what="other neighbours", effect="another recall")])
    record = read(folder)
    assert stale.stale(record) == []
    told = stale.changes_for(record.behind("tab-new"), record.behind("tab-new").exhibits["tab-new"])
    assert [one.what for one in told] == ["other neighbours"]


def test_a_chapter_that_is_older_than_the_book_keeps_what_had_changed_before(with_another, edited):
    """The book is run anew, by code of which the chapter knew nothing: its own changes stand, the book has none."""
    folder, _ = with_another
    chapter = read(folder).behind("tab-new")
    edited("metrics/fidelity.py", "NEIGHBOURS = 3", "NEIGHBOURS = 5")
    book = read(folder).model_copy(update={"code": stale.code_versions(), "since": None, "apart": {}})
    own = [Change(what="other neighbours", effect="another recall")]
    write(trace.with_chapter(book, "a9_new", chapter, own), folder)
    assert "fidelity (shown by a9_new)" in stale.stale(read(folder))
    edited("metrics/fidelity.py", "NEIGHBOURS = 5", "NEIGHBOURS = 7")
    later = Change(what="even more", effect="yet another recall")
    record = stale.account(folder, [later])
    assert stale.stale(record) == []
    assert record.since.changes == (later,)
    told = stale.changes_for(record.behind("tab-new"), record.behind("tab-new").exhibits["tab-new"])
    assert [one.what for one in told] == ["other neighbours", "even more"]


# the build


@pytest.fixture
def built(tmp_path, monkeypatch):
    """built(**pages) → the output folder and warnings of a small book with the committed record and raw rows."""
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    source = tmp_path / "source"
    (source / "book").mkdir(parents=True)
    shutil.copytree(
        ROOT / book.EXECUTED, source / book.EXECUTED, ignore=shutil.ignore_patterns("*.ipynb", "*.png", "hits.csv")
    )
    (source / "conf.py").write_text(
        "extensions = ['myst_parser', 'provenance']\nexclude_patterns = ['book/executed']\n"
    )

    def build(text, **record):
        if record:
            old = read(source / book.EXECUTED)
            write(old.model_copy(update=record), source / book.EXECUTED)
        (source / "index.md").write_text(text, encoding="utf-8")
        warnings = open(tmp_path / "warnings", "w+")  # noqa: SIM115 (Sphinx writes to it)
        with warnings:
            app = Sphinx(source, source, tmp_path / "out", tmp_path / "trees", "html", status=None, warning=warnings)
            app.build()
        return tmp_path / "out", (tmp_path / "warnings").read_text()

    yield build
    sys.modules.pop("provenance", None)


def figure(name):
    return f"# Title\n\n```{{figure}} https://example.org/a.png\n:name: {name}\n:alt: a picture\n\nCaption\n```\n"


TABLE = "# Title\n\n```{table} Caption\n:name: tab-2\n\n| a | b |\n|---|---|\n| 1 | 2 |\n```\n"


def test_a_table_gets_its_line_and_its_raw_rows_which_are_copied(built):
    out, warnings = built(TABLE)
    html = (out / "index.html").read_text(encoding="utf-8")
    assert "In the paper: Table 2." in html
    assert "<details><summary>How it was made</summary>" in html
    assert html.index('id="tab-2"') < html.index("In the paper: Table 2.")
    (copied,) = (out / "_downloads").rglob("*.csv")
    assert copied.read_bytes() == (ROOT / book.EXECUTED / "table2.csv").read_bytes()
    assert f'href="{copied.relative_to(out).as_posix()}"' in html  # relative: it works from a folder, too
    assert not warnings
    assert (out / "_static" / "provenance.css").is_file()


def test_raw_rows_that_a_book_lacks_are_not_offered(built):
    out, warnings = built(figure("fig-by-class"))  # the fixture leaves hits.csv out
    assert not list(out.rglob("hits.csv"))
    assert "Raw rows: " not in (out / "index.html").read_text(encoding="utf-8").split("</p>")[0]
    assert "hits.csv" not in warnings


def test_the_code_that_shows_an_exhibit_is_folded_away_below_it(built):
    out, _ = built(TABLE)
    html = (out / "index.html").read_text(encoding="utf-8")
    assert '<details class="code"><summary>Code that shows it</summary>' in html
    assert "step_cells" in html


def test_an_exhibit_that_is_not_listed_is_a_complaint_with_its_name(built):
    _, warnings = built(figure("fig-of-somebody"))
    assert "fig-of-somebody is not declared in synthgap/exhibits" in warnings


def test_a_stale_book_is_not_built(built):
    with pytest.raises(ExtensionError, match=r"another version of: predict \(shown by .*04_2_training_classifiers"):
        built(TABLE, code={"predict": "0" * 64}, since=None)


def test_a_book_without_a_record_is_not_built(built, tmp_path):
    Path(tmp_path / "source" / book.EXECUTED / "provenance.json").unlink()
    with pytest.raises(ExtensionError, match=r"provenance\.json can't be read"):
        built(TABLE)
