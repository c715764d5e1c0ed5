"""Every chapter on the smoke preset, through papermill as a reader calls it, and the book made of them."""

import re
import socket
from contextlib import contextmanager
from pathlib import Path

import cells
import fabricated
import nbformat
import numpy as np
import papermill
import pytest
from jupyter_client import KernelManager
from PIL import Image
from presets import few_preset

from synthgap.book import execute as book
from synthgap.book import guards, provenance, trace
from synthgap.exhibits import files
from synthgap.exhibits.samples import fidelity_cells
from synthgap.exhibits.sections import exhibits
from synthgap.graph.specification import in_order

ROOT = book.find_root()


@contextmanager
def one_kernel(monkeypatch):
    """Papermill uses one kernel for all notebooks, emptied before each: starting one takes seconds of imports."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(extra_arguments=["--log-level=50"])
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready()
    execute = papermill.execute_notebook

    def in_it(*words, **options):
        client.execute_interactive("%reset -f")
        return execute(*words, km=manager, **options)

    try:
        monkeypatch.setattr(papermill, "execute_notebook", in_it)
        yield
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def executed(smoke, tmp_path_factory):
    """All chapters on the smoke preset, executed on a store that holds everything: two as a run does it, two at a time
    in kernels of their own; the others one after the other."""
    folder = tmp_path_factory.mktemp("executed")
    parameters = {"preset": "smoke", "results": str(smoke.results), "device": "cpu"}
    first, *others, last = book.chapter_names(ROOT)
    book.execute_chapters(ROOT, folder, parameters, only=(first, last))
    with pytest.MonkeyPatch.context() as patch, one_kernel(patch):
        for name in others:
            book.execute_chapter(ROOT / "chapters" / f"{name}.ipynb", folder / f"{name}.ipynb", parameters)
    files.write_tables(smoke.lab, folder)
    provenance.write(trace.provenance(smoke.lab, folder), folder)
    return folder


def test_every_chapter_executes_and_passes_the_checks(executed):
    names = book.chapter_names(ROOT)
    assert len(names) >= 7
    for name in names:
        notebook = nbformat.read(executed / f"{name}.ipynb", as_version=4)
        guards.check_executed(notebook, name)
        outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
        assert any("text/markdown" in o.get("data", {}) or "image/png" in o.get("data", {}) for o in outputs)
        assert not [o for o in outputs if o.output_type == "stream" and o.name == "stderr"]


def test_the_book_builds_without_warnings_and_shows_every_figure_and_table(executed, tmp_path):
    index = book.build(book.stage(ROOT, executed, tmp_path / "book"))
    pages = "".join(p.read_text(encoding="utf-8") for p in index.parent.rglob("*.html"))
    for name in exhibits():
        assert f'id="{name}"' in pages, name
    assert (index.parent / "_static" / "mathjax" / "tex-svg.js").stat().st_size > 1_000_000
    assert "cdn.jsdelivr" not in pages
    assert pages.count("sortable") > len(list(index.parent.rglob("*.html")))  # a script on each page, and tables for it
    assert all((index.parent / "_static" / name).is_file() for name in ("sortable.js", "sortable.css"))
    every = [name for names in trace.chapters_in(executed).values() for name in names]
    assert pages.count('class="provenance') > len(every)  # one under each, and under those of other pages
    assert "not recorded" not in pages
    contents = (index.parent / "book" / "exhibits.html").read_text(encoding="utf-8")
    for name in (name for name, one in exhibits().items() if one.paper):
        assert f'.html#{name}"' in contents, name


def test_every_exhibit_of_the_chapters_is_listed_and_the_reverse(executed):
    shown = [name for names in trace.chapters_in(executed).values() for name in names]
    assert len(set(shown)) == len(shown)
    pages = " ".join(page.read_text(encoding="utf-8") for page in (ROOT / "book").glob("*.md"))
    elsewhere = {name for name in exhibits() if f":name: {name}\n" in pages}
    assert set(shown) == set(exhibits()) - elsewhere


def test_every_exhibit_says_what_it_was_made_from(smoke, executed):
    record = provenance.read(executed)
    assert record.device is not None
    assert all(made.seconds is not None for made in record.exhibits.values())
    for name in (name for names in record.chapters.values() for name in names):
        assert (name in record.exhibits) == bool(
            exhibits()[name].results() and exhibits()[name].reads[0].specs(smoke.design)
        ), name
    fidelity = record.exhibits["fig-6"]
    needed = in_order(list(fidelity_cells(smoke.design).values()))
    assert fidelity.artifacts == len(needed)
    assert fidelity.seconds == pytest.approx(sum(smoke.store.provenance(s)["seconds"] for s in needed), abs=0.06)
    assert set(fidelity.kinds) == {spec.kind for spec in needed}
    assert fidelity.seeds == smoke.seeds
    assert record.exhibits["fig-5"].seeds == smoke.seeds[:1]
    assert record.data["digits"]["train"].sha256 == smoke.main.data["train"].fingerprint
    assert set(record.exhibits["tab-4"].data) == {"digits", "mnist5k"}


def test_the_record_names_no_folder_and_no_machine(smoke, executed):
    text = (executed / provenance.FILE).read_text(encoding="utf-8")
    for private in (str(executed), str(smoke.results), str(ROOT), str(Path.home()), socket.gethostname()):
        assert private not in text


def test_the_slider_says_what_the_study_measured(smoke, executed):
    notebook = nbformat.read(executed / "04_1_synthetic_samples.ipynb", as_version=4)
    shown = [o.get("data", {}).get("text/html", "") for c in notebook.cells for o in c.get("outputs", ())]
    shown = next(html for html in shown if "reverse-step" in html)
    assert shown == smoke.show("fig-reverse-step")
    shown = shown.replace("\N{NO-BREAK SPACE}", " ")
    curve, nats = smoke.rows("figure8"), smoke.rows("likelihood")
    for t in (0, 50, 100):
        mine = curve[(curve.protocol == "cross-fitted") & (curve.split == "test") & (curve.t_re == t)]
        assert f"entropy {mine.entropy.mean():.3f} " in shown
        mine = nats[(nats.sigma == 0.1) & (nats.split == "test") & (nats.t_re == t)]
        assert f"ln p {mine.nats.mean():.1f} ±".replace("-", "−") in shown


def test_a_messy_folder_gets_its_answer_on_one_page(synthgap, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fabricated.messy_photographs(tmp_path / "mine {} 100%", 40)
    options = ("--answer-only", "--flip", "--class-weights", "balanced", "--max-images", 20, "--device", "cpu")
    preset = ("--preset", few_preset(tmp_path / "few.yaml"), "--workers", 1)
    code, told, err = synthgap("run", "--dataset", "folder:mine {} 100%", *preset, *options)
    assert code == 0, err
    assert "46 images in 2 classes: a*b_|c| <x> 5, Ünïcode 猫 41" in told
    assert "1 file repeats another one of its class byte for byte" in told
    assert "WARNING: class 'a*b_|c| <x>' has 5 images" in told
    assert "this takes about" in told
    (page,) = (tmp_path / "results").glob("few-*/answer.html")  # its answer lies beside that of other options
    assert re.match(r"few-\w{6}-mine____100_-", page.parent.name)
    assert page.parent.name.endswith("-max_images_20-flip_True-class_weights_balanced")
    assert str(page.relative_to(tmp_path)) in told.splitlines()[-1]
    text = page.read_text(encoding="utf-8")
    assert "a*b_|c| &lt;x&gt;" in text
    assert "<x>" not in text
    assert "plain accuracy" in text
    assert text.count("<img") == 8
    assert [p.name for p in page.parent.iterdir() if p.suffix == ".html"] == ["answer.html"]


def test_images_of_another_generator_get_rows_of_table_3(smoke, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for name in "0123456789":
        (tmp_path / "drawn" / name).mkdir(parents=True)
        for i in range(6):
            pixels = rng.integers(0, 256, (20, 20), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "drawn" / name / f"{i}.png")
    options = {"dataset": "digits", "preset": "smoke", "results": str(smoke.results), "device": "cpu"}
    text = cells.executed("05_data_augmentation", options | {"synthetic": f"folder:{tmp_path / 'drawn'}"}, monkeypatch)
    assert "| given only |" in text
    assert "| real + given |" in text


def test_a_failing_chapter_leaves_no_notebook_at_the_final_path(tmp_path):
    """Wrong parameters of all kinds are in tests/design and tests/stress."""
    target, says = tmp_path / "out" / "a.ipynb", "unknown parameter datset = 'digits'; did you mean dataset?"
    with pytest.raises(book.UserError, match=rf"03_preliminary\.ipynb failed: UserError: {re.escape(says)}"):
        book.execute_chapter(ROOT / "chapters" / "03_preliminary.ipynb", target, {"datset": "digits"})
    assert not target.exists()
    assert [p.name for p in target.parent.iterdir()] == ["a.failed.ipynb"]
