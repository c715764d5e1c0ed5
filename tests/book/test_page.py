"""An executed chapter as one HTML page: what is shown, what is left out, what refers to what, what is refused."""

import base64
import io

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from synthgap.base.errors import UserError
from synthgap.base.words import escaped
from synthgap.book import execute as book
from synthgap.book import page
from synthgap.exhibits.text import myst_table

SCRIPT = '<script>alert("x")</script>'
NAMES = [SCRIPT, "$x$", "`code`", "a*b_|c| <x>", "{ref}`x`", "[x](javascript:alert(1))", "![x](y.png)", "{a}", "__b__"]
COLUMNS = {  # what a column holds, and whether it stands to the right
    "means": (["97.10\u00a0±\u00a00.40", "not run"], True),
    "intervals": (["-4.56 (-6.27 to -2.85)", "+0.21"], True),
    "p": (["< .001", "0.150"], True),
    "counts": (["1,097", "3.2 %"], True),
    "words": (["undecided", "**behind**"], False),
    "series": (["3 series", "5 series"], False),
}
TEXT = f"""# A *title*

See {{numref}}`tab-b`, {{numref}}`fig-a`, {{numref}}`tab-absent`, {{doc}}`../absent`, [](../absent.md),
[third](03.ipynb), [x](javascript:alert(1)), [web](https://example.org/?a=1&b=%262) and [mail](mailto:a@b.org). {SCRIPT}

![a plot](plot.png) ![far](https://example.org/a.png)

$t_{{re}} < 3$ and $\\unknown{{$

## First

```{{raw}} html
{SCRIPT}
```
```{{include}} conf.py
```
````{{eval-rst}}
.. raw:: html

   {SCRIPT}
````
"""


def png():
    file = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(file, "PNG")
    return file.getvalue()


def code(*outputs, **metadata):
    return new_code_cell("secret_code()", execution_count=1, outputs=list(outputs), metadata=metadata)


def shown(**data):
    return new_output("display_data", data={k.replace("_", "/"): v for k, v in data.items()})


def printed(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def table(label, caption, **columns):
    return code(shown(text_markdown=myst_table(pd.DataFrame(columns), caption, label), text_plain="<Markdown>"))


def saved(folder, *cells):
    nbformat.write(new_notebook(cells=list(cells)), folder / "chapter.ipynb")
    return folder / "chapter.ipynb"


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A page that has everything, as Beautiful Soup reads it."""
    folder = tmp_path_factory.mktemp("page")
    described = {"figure": {"name": "fig-a", "caption": f"What *it* shows {SCRIPT}"}, "image": {"alt": f'">{SCRIPT}'}}
    notebook = saved(
        folder,
        new_markdown_cell(TEXT),
        table("tab-a", "Ours", name=["a", "b"], **{k: v for k, (v, _) in COLUMNS.items()}),
        code(shown(image_png=base64.encodebytes(png()).decode(), text_plain="<Figure>"), mystnb=described),
        table("tab-b", f"Names {SCRIPT}", name=[escaped(name) for name in NAMES]),
        new_markdown_cell("## Second\n\n> **Not yet.** Train longer."),
        code(printed(f"\x1b[1m{SCRIPT}\x1b[0m"), printed("warned", "stderr"), shown(text_plain="'x'")),
        code(shown(text_html=SCRIPT), shown(**{"application_javascript": "alert(2)", "application/papermill": "4.55"})),
        *(code(printed(f"hidden {tag}"), tags=[tag]) for tag in ("remove-cell", "remove-output")),
    )
    return BeautifulSoup(page.write_page(notebook, folder / "page.html", SCRIPT).read_text(), "html.parser")


def text(element):
    return " ".join(element.get_text().split())


def stands_alone(found):
    assert not found.find_all(["script", "link", "iframe", "object", "embed", "base", "form"])
    assert all(image["src"].startswith("data:image/png;base64,") and image["alt"] for image in found.find_all("img"))
    assert not any("url(" in style.text or "@import" in style.text for style in found.find_all("style"))
    places = {f"#{element['id']}" for element in found.find_all(id=True)}
    assert all(a["href"].startswith("https://") or a["href"] in places for a in found.find_all("a"))
    assert "default-src 'none'" in found.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    return True


def test_nothing_runs_and_nothing_is_fetched(found):
    assert stands_alone(found)
    assert text(found.title) == SCRIPT


def test_a_picture_is_embedded_byte_for_byte_with_its_alternative_text_and_its_caption(found):
    (image,) = found.find_all("img")
    assert base64.b64decode(image["src"].partition(",")[2], validate=True) == png()
    assert image["alt"] == f'">{SCRIPT}'
    assert text(found.find(id="fig-a").figcaption) == f"Figure 1 What it shows {SCRIPT}"


def test_names_that_users_gave_are_shown_as_they_are(found):
    assert [text(cell) for cell in found.find(id="tab-b").find_all("td")] == NAMES
    assert text(found.find(id="tab-b").caption) == f"Table 2 Names {SCRIPT}"


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_of_numbers_stand_to_the_right(found, name):
    head, *rows = found.find(id="tab-a").find_all("tr")
    place = 1 + list(COLUMNS).index(name)
    cells = [row.find_all(["th", "td"])[place] for row in (head, *rows)]
    assert [cell.get("class") == ["number"] for cell in cells] == [COLUMNS[name][1]] * 3
    assert cells[0]["scope"] == "col"


def test_a_table_scrolls_in_a_box_that_the_keyboard_reaches(found):
    boxes = found.select(".wide:has(> table)")
    assert [(box["aria-label"], box["tabindex"]) for box in boxes] == [("Table 1", "0"), ("Table 2", "0")]


def test_what_lies_elsewhere_becomes_text_and_what_is_on_the_page_a_link(found):
    away = page.ELSEWHERE
    see, pictures, *_ = (text(p) for p in found.main.section.find_all("p"))
    told = f"See Table 2, Figure 1, {away}, {away}, {away}, third, [x](javascript:alert(1)), web and mail. {SCRIPT}"
    assert see == told
    assert pictures == "a plot far"
    links = {text(a): a["href"] for a in found.main.section.p.find_all("a")}
    assert links == {"Table 2": "#tab-b", "Figure 1": "#fig-a", "web": "https://example.org/?a=1&b=%262"}


def test_the_contents_follow_the_title(found):
    assert text(found.h1) == "A title"
    assert found.h1.find_next_sibling() is found.nav
    assert {text(a): a["href"] for a in found.nav.find_all("a")} == {"First": "#first", "Second": "#second"}


def test_formulas_are_mathml_or_remain_as_written(found):
    assert text(found.math).replace(" ", "") == "tre<3"
    assert found.find("code", string="\\unknown{")


def test_outputs_keep_their_order_without_code_warnings_and_what_is_hidden(found):
    order = [element.name for element in found.main.find_all(["table", "figure", "blockquote", "pre"])]
    assert order == ["table", "figure", "table", "blockquote", "pre", "pre"]
    assert [text(pre) for pre in found.find_all("pre")] == [SCRIPT, "'x'"]
    for absent in ("secret_code", "warned", "hidden", "4.55", "alert(2)", "myst_nb"):
        assert absent not in str(found)


def test_the_published_chapter_becomes_a_page_with_all_its_tables_and_figures(tmp_path):
    path = book.find_root() / book.EXECUTED / f"{book.ANSWER}.ipynb"
    found = BeautifulSoup(page.write_page(path, tmp_path / "new" / "a.html", "t").read_text(), "html.parser")
    outputs = [o.data for cell in nbformat.read(path, 4).cells for o in cell.get("outputs", []) if "data" in o]
    assert len(found.find_all("caption")) == sum(o.get("text/markdown", "").count("```{table}") for o in outputs)
    assert len(found.find_all("img")) == sum("image/png" in o for o in outputs)
    assert stands_alone(found)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.html"]


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        (code(new_output("error", ename="ValueError", evalue="no", traceback=[])), "cell 1 ended in ValueError: no"),
        (new_code_cell("1 + 1"), "cell 1 was not executed"),
        (None, "not a notebook"),
        ("absent", "there is no executed chapter"),
        (new_markdown_cell("# A"), "Sphinx said: .*absent_extension"),
    ],
)
def test_what_is_refused_is_told_in_one_line_and_an_older_page_stays(tmp_path, monkeypatch, cell, complaint):
    (tmp_path / "page.html").write_text("older")
    monkeypatch.setitem(page.CONF, "extensions", ["absent_extension"])
    (tmp_path / "chapter.ipynb").write_text("[]")
    notebook = saved(tmp_path, cell) if isinstance(cell, dict) else tmp_path / f"{cell or 'chapter'}.ipynb"
    with pytest.raises(UserError, match=complaint) as raised:
        page.write_page(notebook, tmp_path / "page.html", "t")
    assert notebook.name in str(raised.value)
    assert "\n" not in str(raised.value)
    assert (tmp_path / "page.html").read_text() == "older"


def test_an_older_page_survives_a_full_disk(tmp_path, monkeypatch):
    (tmp_path / "page.html").write_text("older")

    def full_disk(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("synthgap.base.disk.os.replace", full_disk)
    with pytest.raises(OSError, match="no space left"):
        page.write_page(saved(tmp_path, new_markdown_cell("# A")), tmp_path / "page.html", "t")
    assert (tmp_path / "page.html").read_text() == "older"
    assert {p.name for p in tmp_path.iterdir()} == {"chapter.ipynb", "page.html"}
