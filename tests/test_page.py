"""An executed chapter as one HTML page: what is shown, what is left out, what refers to what, what is refused."""

import base64
import io
import re
from html.parser import HTMLParser

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from synthgap.base.errors import UserError
from synthgap.book import execute as book
from synthgap.book import page
from synthgap.exhibits.tables import myst_table

CHAPTERS = sorted((book.find_root() / book.EXECUTED).glob("*.ipynb"))
NEVER_CLOSED = {"meta", "img", "br", "hr"}


class Page(HTMLParser):
    """Every element with its attributes and the text inside it; refuses elements closed out of turn."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "text": "", **dict(attrs)}
        self.elements.append(element)
        if tag not in NEVER_CLOSED:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag):
        return [e for e in self.elements if e["tag"] == tag]

    def texts(self, tag):
        return [e["text"].strip() for e in self.all(tag)]

    def links(self):
        return [(a["text"], a["href"]) for a in self.all("a")]


def png():
    file = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(file, "PNG")
    return file.getvalue()


def code(*outputs, source="secret_code()", **metadata):
    return new_code_cell(source, execution_count=1, outputs=list(outputs), metadata=metadata)


def shown(**data):
    return new_output("display_data", data={k.replace("_", "/"): v for k, v in data.items()})


def printed(text, name="stdout"):
    return new_output("stream", name=name, text=text)


def figure(name="fig-a", caption="What *it* shows", alt="a red square"):
    described = {"figure": {"name": name, "caption": caption}, "image": {"alt": alt}}
    return code(shown(image_png=base64.encodebytes(png()).decode(), text_plain="<Figure>"), mystnb=described)


def table(label="tab-a", caption="Accuracy, *ours*", **columns):
    columns = columns or {"class": ["cat", "dog"], "accuracy": ["97.1\u00a0±\u00a00.4", "–"]}
    return code(shown(text_markdown=myst_table(pd.DataFrame(columns), caption, label), text_plain="<Markdown>"))


def html(*cells, title="Your images"):
    cells = [new_markdown_cell(c) if isinstance(c, str) else c for c in cells]
    return page.render(new_notebook(cells=cells), title)


def rendered(*cells, **options):
    return Page(html(*cells, **options))


def stands_alone(html):
    """No script, and no address but those in the page itself and on the web."""
    addresses = [e[key] for e in Page(html).elements for key in ("src", "href", "srcset", "data") if key in e]
    web = [a for a in addresses if a.startswith(("http://", "https://"))]
    assert all(e.get("src", "data:").startswith("data:image/") for e in Page(html).all("img"))
    assert all(a.startswith(("data:image/", "#")) for a in addresses if a not in web)
    assert "<script" not in html.lower()
    assert not {e["tag"] for e in Page(html).elements} & {"link", "iframe", "object", "base", "form"}
    assert "url(" not in html
    assert "@import" not in html
    return True


# --- what is shown -------------------------------------------------------------------------------------------------


def test_an_image_is_embedded_byte_for_byte_with_its_alternative_text_and_caption():
    found = rendered(figure())
    (image,) = found.all("img")
    kind, _, data = image["src"].partition(",")
    assert kind == "data:image/png;base64"
    assert base64.b64decode(data, validate=True) == png()
    assert image["alt"] == "a red square"
    assert found.texts("figcaption") == ["Figure 1. What it shows"]
    assert found.texts("em") == ["it"]
    assert found.all("figure")[0]["id"] == "fig-a"


def test_a_second_image_of_a_cell_repeats_neither_name_nor_caption():
    cell = figure()
    cell.outputs *= 2
    found = rendered(cell)
    assert [i["alt"] for i in found.all("img")] == ["a red square"] * 2
    assert len(found.all("figcaption")) == 1
    assert [f.get("id") for f in found.all("figure")] == ["fig-a", None]


def test_a_table_has_its_caption_its_identifier_and_all_its_cells():
    found = rendered(table())
    assert found.texts("caption") == ["Table 1. Accuracy, ours"]
    assert found.texts("em") == ["ours"]
    assert found.all("table")[0]["id"] == "tab-a"
    assert found.texts("th") == ["class", "accuracy"]
    assert found.texts("td") == ["cat", "97.1\u00a0±\u00a00.4", "dog", "–"]


@pytest.mark.parametrize(
    ("column", "right"),
    [
        (["97.10\u00a0±\u00a00.40", "not run"], True),
        (["-4.56 (-6.27 to -2.85)", "+0.21"], True),
        (["< .001", "0.150"], True),
        (["1,097", "3.2 %"], True),
        (["undecided", "**behind**"], False),
        (["3 series", "5 series"], False),
        (["not run", "–"], True),
    ],
)
def test_columns_of_numbers_stand_to_the_right(column, right):
    found = rendered(table(name=["a", "b"], value=column))
    assert [e.get("class") == "number" for e in found.all("td")] == [False, right] * 2
    assert [e.get("class") == "number" for e in found.all("th")] == [False, right]


def test_a_table_directive_without_a_table_keeps_its_caption_and_its_number():
    found = rendered("```{table} Nothing\n:name: tab-none\n\nNo rows.\n```\n\n{numref}`tab-none`")
    assert found.texts("p") == ["Table 1. Nothing", "No rows.", "Table 1"]
    assert found.links() == [("Table 1", "#tab-none")]


def test_of_another_directive_the_body_remains():
    assert rendered("```{note}\n:class: tip\n\nA *note*.\n```").texts("p") == ["A note."]


def test_an_answer_in_a_blockquote_stays_one():
    assert rendered("> **Not yet.** Train longer.").texts("blockquote") == ["Not yet. Train longer."]


def test_outputs_and_text_keep_their_order():
    found = rendered("# One", "before", table(), "between", figure(), "after")
    order = [e["tag"] for e in found.elements if e["tag"] in ("p", "table", "figure")]
    assert order == ["p", "table", "p", "figure", "p"]


def test_printed_and_plain_text_are_shown_where_a_cell_has_nothing_richer():
    found = rendered(code(printed("\x1b[1mloss < 3\x1b[0m\n"), printed("warning", "stderr"), shown(text_plain="'x'")))
    assert found.texts("pre") == ["loss < 3", "'x'"]
    assert rendered(code(printed("step 1"), shown(text_plain="'x'"), shown(text_markdown="rich"))).texts("pre") == []


# --- what is left out ----------------------------------------------------------------------------------------------


def test_code_is_never_shown():
    assert "secret_code" not in html("# One", figure(), table(), code(printed("out")), code())


@pytest.mark.parametrize("tag", ["injected-parameters", "remove-cell", "remove-output"])
def test_cells_that_the_book_hides_show_nothing(tag):
    assert rendered(code(printed("hidden"), tags=[tag])).texts("pre") == []


def test_records_for_other_chapters_show_nothing():
    record = new_output("display_data", data={"application/papermill.record/text/plain": "4.5578"})
    assert "4.5578" not in html(code(record))


def test_html_in_names_that_users_gave_is_text():
    name = '<script>alert("x")</script>'
    cells = f"# {name}", name, table(**{"class": [name, f"<img src=x onerror={name}>"]}), code(printed(name))
    text = html(*cells, table(caption=name), figure(caption=name, alt=f'">{name}'), title=name)
    assert stands_alone(text)
    found = Page(text)
    assert found.texts("td")[0] == name
    assert found.texts("title") == found.texts("h1") == found.texts("pre") == [name]
    assert found.all("img")[0]["alt"] == f'">{name}'
    assert len(found.all("img")) == 1


def test_links_to_pages_of_the_book_become_text_and_those_to_the_web_stay():
    found = rendered(
        "[](../deviations.md), [the *third*](03.ipynb), [top](/index.html), [mail](mailto:a@b.org), "
        "{doc}`../deviations`; [web](https://example.org/?a=1&b=2) <http://example.org> [x](javascript:alert(1))"
    )
    text = "the book, the third, top, mail, the book; web http://example.org [x](javascript:alert(1))"
    assert found.texts("p") == [text]
    assert found.links() == [("web", "https://example.org/?a=1&b=2"), ("http://example.org", "http://example.org")]


def test_images_that_lie_elsewhere_are_replaced_by_their_alternative_text():
    text = html("![a plot](plot.png) ![far](https://example.org/a.png) ![near](data:image/png;base64,AAAA)")
    assert stands_alone(text)
    assert Page(text).texts("p") == ["a plot far"]
    assert [(i["alt"], i["src"]) for i in Page(text).all("img")] == [("near", "data:image/png;base64,AAAA")]


# --- what refers to what -------------------------------------------------------------------------------------------


def test_tables_and_figures_are_numbered_apart_in_the_order_of_the_page_and_may_be_named_before():
    found = rendered(
        "See {numref}`tab-b`, {numref}`fig-a`, {numref}`tab-a`, {numref}`tab-x` and {numref}`the table <tab-a>`.",
        table("tab-a"),
        figure("fig-a"),
        "| plain |\n|---|\n| no number |",
        table("tab-b", "After [](#tab-a)"),
    )
    assert found.texts("p") == ["See Table 2, Figure 1, Table 1, another chapter of the book and Table 1."]
    assert found.texts("caption") == ["Table 1. Accuracy, ours", "Table 2. After Table 1"]
    first = [("Table 2", "#tab-b"), ("Figure 1", "#fig-a"), ("Table 1", "#tab-a"), ("Table 1", "#tab-a")]
    assert found.links() == [*first, ("Table 1", "#tab-a")]


def test_links_within_the_page_lead_to_tables_and_figures_alone():
    found = rendered("[](#tab-a) [these](#tab-a) [those](#tab-x)", table())
    assert found.texts("p") == ["Table 1 these those"]
    assert found.links() == [("Table 1", "#tab-a"), ("these", "#tab-a")]


def test_other_roles_become_text():
    text = "{eq}`eq-a`, {cite:p}`he2016deep`, {cite:t}`a,b`, {kbd}`Ctrl`, `{eq}` and `code`"
    assert rendered(text).texts("p") == ["(eq-a), (he2016deep), (a,b), Ctrl, {eq} and code"]


def test_identifiers_are_given_once():
    found = rendered("# Tab a", "## Same\n\n## Same\n\n## …", table("tab-a"), table("tab-a"), "## Same-2")
    names = [e["id"] for e in found.elements if "id" in e]
    assert len(names) == len(set(names))
    assert found.all("table")[0]["id"] == "tab-a"
    assert all(h["id"] for h in found.all("h2"))


def test_every_link_within_the_page_arrives():
    found = rendered("# One", "(sec-a)=\n## Größe & *shape*\n\n## {numref}`tab-a`", "{numref}`Tab A`", table("Tab A"))
    names = {e["id"] for e in found.elements if "id" in e}
    assert len(found.links()) == 4
    assert {address for _, address in found.links()} <= {f"#{name}" for name in names}
    assert "(sec-a)=" not in "".join(found.texts("main"))


def test_there_is_one_title_and_the_notebooks_own_comes_first():
    found = rendered("# Own\n\n## Part", "# Another", title="Given")
    assert found.texts("h1") == ["Own"]
    assert found.texts("h2") == ["Part", "Another"]
    assert found.texts("title") == ["Given"]
    assert rendered("text", title="Given *so*").texts("h1") == ["Given *so*"]


def test_contents_follow_the_title_where_there_are_two_parts_or_more():
    found = rendered("# One\n\n## First *part*\n\n### Detail\n\n## Second")
    tags = [e["tag"] for e in found.elements]
    assert tags[tags.index("h1") + 1] == "nav"
    assert found.links() == [("First part", "#first-part"), ("Second", "#second")]
    assert rendered("# One\n\n## First").all("nav") == []


# --- writing -------------------------------------------------------------------------------------------------------


def saved(folder, *cells):
    path = folder / "chapter.ipynb"
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path


def test_the_page_is_written_and_replaces_an_older_one(tmp_path):
    target = tmp_path / "new" / "page.html"
    assert page.write_page(saved(tmp_path, table()), target, "First") == target
    page.write_page(saved(tmp_path, figure()), target, "σ of “naïve”")
    text = target.read_text(encoding="utf-8")
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<meta name="viewport"')
    assert Page(text).texts("title") == ["σ of “naïve”"]
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        (code(new_output("error", ename="ValueError", evalue="no", traceback=[])), "cell 1 ended in ValueError: no"),
        (new_code_cell("1 + 1"), "cell 1 was not executed"),
    ],
)
def test_a_notebook_that_did_not_run_to_its_end_is_refused(tmp_path, cell, complaint):
    target = tmp_path / "page.html"
    with pytest.raises(UserError, match=f"^chapter.ipynb, {complaint}"):
        page.write_page(saved(tmp_path, cell), target, "t")
    assert not target.exists()


def test_a_missing_notebook_and_a_file_that_is_none_are_refused_in_one_line(tmp_path):
    (tmp_path / "text.ipynb").write_text("no notebook")
    for name, complaint in [("none.ipynb", "there is no executed chapter"), ("text.ipynb", "is not a notebook")]:
        with pytest.raises(UserError, match=complaint) as raised:
            page.write_page(tmp_path / name, tmp_path / "page.html", "t")
        assert name in str(raised.value)
        assert "\n" not in str(raised.value)
    assert not (tmp_path / "page.html").exists()


def test_an_older_page_survives_a_failed_one(tmp_path, monkeypatch):
    target = tmp_path / "page.html"
    target.write_text("older")
    with pytest.raises(UserError):
        page.write_page(saved(tmp_path, new_code_cell("1 + 1")), target, "t")

    def full_disk(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("synthgap.base.disk.os.replace", full_disk)
    with pytest.raises(OSError, match="no space left"):
        page.write_page(saved(tmp_path, table()), target, "t")
    assert target.read_text() == "older"
    assert {p.name for p in tmp_path.iterdir()} == {"chapter.ipynb", "page.html"}


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.stem)
def test_the_published_chapters_become_pages_with_all_their_tables_and_figures(path, tmp_path):
    text = page.write_page(path, tmp_path / "page.html", path.stem).read_text(encoding="utf-8")
    found = Page(text)
    cells = nbformat.read(path, as_version=4).cells
    outputs = [o.data for c in cells for o in c.get("outputs", []) if "data" in o]
    markdown = [c.source for c in cells if c.cell_type == "markdown"] + [o.get("text/markdown", "") for o in outputs]
    rules = [line for m in markdown for line in m.splitlines() if re.fullmatch(r"\|(\s*:?-+:?\s*\|)+", line)]
    assert len(found.all("table")) == len(rules)
    assert len(found.all("caption")) == sum(m.count("```{table}") for m in markdown)
    assert len(found.all("img")) == sum("image/png" in o for o in outputs)
    assert all(i["alt"] for i in found.all("img"))
    assert len(found.all("h1")) == 1
    assert not re.search(r"\{[\w:]+\}`", found.all("main")[0]["text"])
    assert stands_alone(text)
