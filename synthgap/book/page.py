"""An executed chapter as one HTML page that stands alone: no scripts, no other files, images within.

All cells together become one flat list of Markdown tokens. Tables and figures are numbered and headings named in it,
and only then is it rendered, so that a sentence may refer to a table further down.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from urllib.parse import unquote

import nbformat
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from ..base.disk import write_text
from ..base.errors import UserError
from .guards import check_executed

ELSEWHERE = "another chapter of the book"
BOOK = "the book"
SHOWS_NOTHING = {"parameters", "injected-parameters", "remove-cell", "remove-output"}

_ROLE = re.compile(r"\{([\w:.+-]+)\}(`+)(.+?)\2(?!`)", re.DOTALL)
_TITLED = re.compile(r"(.*?)\s*<([^<>]+)>", re.DOTALL)  # a role's "title <target>"
_DIRECTIVE = re.compile(r"\{([\w:-]+)\}\s*(.*)")
_OPTION = re.compile(r":([\w-]+):\s*(.*)")
_TARGET = re.compile(r"^\([\w-]+\)=[ \t]*$", re.MULTILINE)  # MyST's "(label)=" before a heading
_NOT_GIVEN = {"", "–", "not run", "too few images"}  # what `tables` writes where there is no number
_NUMBER = re.compile(r"[<>]? ?[-+−]?[\d.][\d.,]*( ?± ?\d[\d.,]*)?( ?%)?")
_TERMINAL_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def write_page(notebook: Path, target: Path, title: str) -> Path:
    """Render an executed notebook into `target`, which appears whole or stays as it was."""
    if not notebook.is_file():
        raise UserError(f"there is no executed chapter {notebook}; run the chapter first")
    try:
        cells = nbformat.read(notebook, as_version=4)
    except (ValueError, nbformat.ValidationError) as error:
        raise UserError(f"{notebook} is not a notebook; run the chapter again") from error
    check_executed(cells, notebook.name)
    text = render(cells, title)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_text(target, text)
    return target


def render(notebook: nbformat.NotebookNode, title: str) -> str:
    """The page as HTML: text and outputs in their order, the code left out."""
    parser = _parser()
    tokens = [token for cell in notebook.cells for token in _cell(cell, parser)]
    if not any(t.type == "heading_open" and t.tag == "h1" for t in tokens):
        tokens = [*_heading(title), *tokens]
    numbers = _number(tokens)
    env = {"numbers": numbers, "contents": _name_headings(tokens, numbers)}
    body = parser.renderer.render(tokens, parser.options, env)
    return _PAGE.format(title=escape(title), style=_STYLE, body=body)


# --- cells to tokens ---------------------------------------------------------------------------------------------


def _cell(cell: nbformat.NotebookNode, parser: MarkdownIt) -> Iterator[Token]:
    if SHOWS_NOTHING & set(cell.metadata.get("tags", [])):
        return
    if cell.cell_type == "markdown":
        yield from parser.parse(_TARGET.sub("", cell.source))
    elif cell.cell_type == "code":
        yield from _outputs(cell, parser)


def _outputs(cell: nbformat.NotebookNode, parser: MarkdownIt) -> Iterator[Token]:
    """Markdown and images; plain text only in a cell that has neither."""
    rich = [o for o in cell.outputs if {"text/markdown", "image/png"} & set(o.get("data", {}))]
    described = cell.metadata.get("mystnb", {})
    for output in rich or cell.outputs:
        data = output.get("data", {})
        if "text/markdown" in data:
            yield from parser.parse(data["text/markdown"])
        elif "image/png" in data:
            yield _figure(data["image/png"], described, parser)
            described = {"image": described.get("image", {})}  # a second image has no name and caption of its own
        elif "text/plain" in data:
            yield Token("plain", "", 0, content=data["text/plain"])
        elif output.output_type == "stream" and output.name == "stdout":
            yield Token("plain", "", 0, content=output.text)


def _figure(png: str, described: dict, parser: MarkdownIt) -> Token:
    figure = described.get("figure", {})
    token = Token("figure", "figure", 0, content="".join(png.split()))
    token.meta["alt"] = described.get("image", {}).get("alt", "")
    if figure.get("caption") or figure.get("name"):
        token.meta.update(kind="Figure", label=figure.get("name", ""))
        token.meta["caption"] = parser.parseInline(figure.get("caption", ""))
    return token


def _heading(text: str) -> list[Token]:
    inline = Token("inline", "", 0, children=[_text(text)])
    return [Token("heading_open", "h1", 1), inline, Token("heading_close", "h1", -1)]


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


# --- the parser: Markdown with MyST's roles and directives -------------------------------------------------------


@functools.cache
def _parser() -> MarkdownIt:
    """CommonMark with tables; raw HTML stays text, because names that users gave get in here."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.inline.ruler.before("backticks", "role", _role)
    for rule in (_links, _columns, _directives):
        parser.core.ruler.push(rule.__name__.strip("_"), rule)
    for name, rule in {
        "role": _render_role,
        "image": _render_image,
        "figure": _render_figure,
        "plain": _render_plain,
        "caption": _render_caption,
        "heading_close": _render_heading_close,
        "table_open": _render_table_open,
        "table_close": _render_table_close,
    }.items():
        parser.add_render_rule(name, rule)
    return parser


def _role(state: StateInline, silent: bool) -> bool:
    match = _ROLE.match(state.src, state.pos, state.posMax)
    if not match:
        return False
    if not silent:
        token = state.push("role", "", 0)
        token.info, token.content = match[1], " ".join(match[3].split())
    state.pos = match.end()
    return True


def _links(state: StateCore) -> None:
    """Links to pages of the book become their text; those to the web and within the page stay."""
    for token in state.tokens:
        if token.type == "inline" and token.children:
            token.children = _without_pages(token.children)


def _without_pages(tokens: list[Token]) -> list[Token]:
    out: list[Token] = []
    rest = iter(tokens)
    for token in rest:
        if token.type != "link_open":
            out.append(token)
            continue
        inner: list[Token] = []
        for close in rest:
            if close.type == "link_close":
                out += _link(token, inner, close)
                break
            inner.append(close)
    return out


def _link(opening: Token, inner: list[Token], closing: Token) -> list[Token]:
    address = str(opening.attrGet("href"))
    if re.match("https?://", address, re.IGNORECASE):
        opening.attrSet("rel", "noreferrer")
        return [opening, *(inner or [_text(address)]), closing]
    if address.startswith("#"):
        return [Token("role", "", 0, info="within", content=unquote(address[1:]), meta={"title": _plain(inner, {})})]
    return inner or [_text(BOOK)]


def _columns(state: StateCore) -> None:
    """Mark the cells of columns of numbers, and what a column's heading is."""
    cells: dict[int, list[tuple[Token, str]]] = {}
    column = 0
    for token, following in zip(state.tokens, state.tokens[1:], strict=False):
        if token.type == "table_open":
            cells = {}
        elif token.type == "tr_open":
            column = 0
        elif token.type in ("th_open", "td_open"):
            if token.type == "th_open":
                token.attrSet("scope", "col")
            cells.setdefault(column, []).append((token, following.content.strip("* ")))
            column += 1
        if following.type == "table_close":
            _align(cells)


def _align(cells: dict[int, list[tuple[Token, str]]]) -> None:
    """To the right where half or more of what a column gives is numbers."""
    for column in cells.values():
        filled = [text for token, text in column if token.type == "td_open" and text not in _NOT_GIVEN]
        numbers = [text for text in filled if _NUMBER.fullmatch(re.sub(r"\s*\(.*\)$", "", text).replace("\u00a0", " "))]
        if 2 * len(numbers) >= len(filled):
            for token, _ in column:
                token.attrJoin("class", "number")


def _directives(state: StateCore) -> None:
    """A {table} gets its caption; of another directive the body remains."""
    out: list[Token] = []
    for token in state.tokens:
        match = _DIRECTIVE.fullmatch(token.info.strip()) if token.type == "fence" else None
        out += _directive(match[1], match[2], token.content, state.md) if match else [token]
    state.tokens = out


def _directive(name: str, caption: str, content: str, parser: MarkdownIt) -> list[Token]:
    lines = content.splitlines()
    options = {}
    while lines and (option := _OPTION.fullmatch(lines[0].strip())):
        options[option[1]] = option[2]
        del lines[0]
    tokens = parser.parse("\n".join(lines))
    if name == "table":
        table = next((t for t in tokens if t.type == "table_open"), None)
        if table is None:
            table = Token("caption", "p", 0)
            tokens.insert(0, table)
        table.meta.update(kind="Table", label=options.get("name", ""), caption=parser.parseInline(caption))
    return tokens


# --- what refers to what -----------------------------------------------------------------------------------------


def _identifier(text: str) -> str:
    return re.sub(r"[^\w-]+", "-", text.lower()).strip("-")


def _number(tokens: Sequence[Token]) -> dict[str, str]:
    """Number tables and figures in the order of the page; identifier → "Table 2"."""
    counts: Counter[str] = Counter()
    numbers: dict[str, str] = {}
    for token in tokens:
        if "kind" not in token.meta:
            continue
        kind, name = token.meta["kind"], _identifier(token.meta["label"])
        counts[kind] += 1
        token.meta["number"] = f"{kind} {counts[kind]}"
        if name and name not in numbers:
            numbers[name] = token.meta["number"]
            token.attrSet("id", name)
    return numbers


def _name_headings(tokens: Sequence[Token], numbers: dict[str, str]) -> list[tuple[str, str]]:
    """Give headings identifiers, leave one h1; returns identifier and text of the second level."""
    taken = set(numbers)
    contents = []
    titled = False
    for opening, inline, closing in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if opening.type != "heading_open":
            continue
        if opening.tag == "h1" and titled:
            opening.tag = closing.tag = "h2"
        titled = titled or opening.tag == "h1"
        text = _plain(inline.children or [], numbers)
        name = _unused(_identifier(text) or "section", taken)
        opening.attrSet("id", name)
        if opening.tag == "h2":
            contents.append((name, text))
    return contents


def _unused(name: str, taken: set[str]) -> str:
    candidate, count = name, 1
    while candidate in taken:
        count += 1
        candidate = f"{name}-{count}"
    taken.add(candidate)
    return candidate


def _plain(tokens: Sequence[Token], numbers: dict[str, str]) -> str:
    """Inline tokens without their markup."""
    parts = []
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        else:
            parts.append(_resolve(token, numbers)[0] if token.type == "role" else token.content)
    return "".join(parts)


def _resolve(role: Token, numbers: dict[str, str]) -> tuple[str, str]:
    """What a role says, and the identifier it points to ("" for none)."""
    match = _TITLED.fullmatch(role.content)
    title, target = (match[1], match[2]) if match else ("", role.content)
    name = _identifier(target)
    if role.info == "numref":
        return (numbers[name], name) if name in numbers else (ELSEWHERE, "")
    if role.info == "within":
        text = role.meta["title"] or numbers.get(name, ELSEWHERE)
        return text, name if name in numbers else ""
    if role.info in ("doc", "ref", "any"):
        return title or BOOK, ""
    if role.info == "eq" or role.info.startswith("cite"):
        return f"({role.content})", ""
    return role.content, ""


# --- tokens to HTML ----------------------------------------------------------------------------------------------


def _render_role(self: RendererHTML, tokens: Sequence[Token], idx: int, options: dict, env: dict) -> str:
    text, name = _resolve(tokens[idx], env["numbers"])
    return f'<a href="#{escape(name)}">{escape(text)}</a>' if name else escape(text)


def _render_image(self: RendererHTML, tokens: Sequence[Token], idx: int, options: dict, env: dict) -> str:
    """An image that a Markdown cell links to: shown if the link holds it, else its alternative text."""
    source, alt = str(tokens[idx].attrGet("src")), escape(tokens[idx].content)
    return f'<img src="{escape(source)}" alt="{alt}">' if source.startswith("data:image/") else alt


def _render_figure(self: RendererHTML, tokens: Sequence[Token], idx: int, options: dict, env: dict) -> str:
    token = tokens[idx]
    image = f'<img src="data:image/png;base64,{escape(token.content)}" alt="{escape(token.meta["alt"])}">'
    caption = f"<figcaption>{_caption(self, token, options, env)}</figcaption>\n" if "kind" in token.meta else ""
    return f"<figure{self.renderAttrs(token)}>\n{image}\n{caption}</figure>\n"


def _render_plain(self: RendererHTML, tokens: Sequence[Token], idx: int, options: dict, env: dict) -> str:
    return f"<pre>{escape(_TERMINAL_COLOUR.sub('', tokens[idx].content))}</pre>\n"


def _render_caption(self: RendererHTML, tokens: Sequence[Token], idx: int, options: dict, env: dict) -> str:
    return f'<p class="caption"{self.renderAttrs(tokens[idx])}>{_caption(self, tokens[idx], options, env)}</p>\n'


def _render_heading_close(self: RendererHTML, tokens: Sequence[Token], idx: int, options: dict, env: dict) -> str:
    """The contents follow the page's title."""
    close = f"</{tokens[idx].tag}>\n"
    if tokens[idx].tag != "h1" or len(env["contents"]) < 2:
        return close
    items = "".join(f'<li><a href="#{escape(name)}">{escape(text)}</a></li>\n' for name, text in env["contents"])
    return f'{close}<nav aria-label="Contents">\n<ul>\n{items}</ul>\n</nav>\n'


def _render_table_open(self: RendererHTML, tokens: Sequence[Token], idx: int, options: dict, env: dict) -> str:
    """A table stands in a box that scrolls, by the keyboard, too."""
    token = tokens[idx]
    caption = ""
    if "kind" in token.meta:
        caption = f"<caption><span>{_caption(self, token, options, env)}</span></caption>\n"
    name = escape(token.meta.get("number", "Table"))
    box = f'<div class="wide" role="region" tabindex="0" aria-label="{name}">'
    return f"{box}\n<table{self.renderAttrs(token)}>\n{caption}"


def _render_table_close(self: RendererHTML, tokens: Sequence[Token], idx: int, options: dict, env: dict) -> str:
    return "</table>\n</div>\n"


def _caption(renderer: RendererHTML, token: Token, options: dict, env: dict) -> str:
    text = renderer.render(token.meta["caption"], options, env)
    return f"<b>{escape(token.meta['number'])}.</b> {text}".rstrip()


_STYLE = """
:root {
  --paper: #ffffff; --ink: #1c1d21; --soft: #4f525a; --line: #cfd2d8; --shade: #f3f4f7;
  --link: #0a529c; --mark: #b4540a;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    color-scheme: dark;
    --paper: #17191e; --ink: #e7e8ec; --soft: #b3b7c0; --line: #464a54; --shade: #22252c;
    --link: #8cbcff; --mark: #f0a35e;
  }
}
* { box-sizing: border-box; }
html { background: var(--paper); color: var(--ink); }
body {
  margin: 0 auto; padding: 1.5rem 1rem 4rem; max-width: 48rem;
  font: 1.0625rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  overflow-wrap: break-word;
}
h1, h2, h3, h4, h5, h6 { line-height: 1.25; margin: 2.25rem 0 .75rem; text-wrap: balance; }
h1 { font-size: 2rem; margin-top: .5rem; }
h2 { font-size: 1.4rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.15rem; }
p, ul, ol, pre { margin: 0 0 1rem; }
ul + ul { margin-top: -1rem; }
a { color: var(--link); text-underline-offset: .15em; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
:target { scroll-margin-top: 1rem; }
nav { margin: 0 0 1.5rem; padding: .75rem 1rem; background: var(--shade); border-radius: .375rem; font-size: .95rem; }
nav ul { margin: 0; padding: 0; list-style: none; }
blockquote {
  margin: 1.25rem 0; padding: .75rem 1.125rem; border-left: .375rem solid var(--mark);
  background: var(--shade); font-size: 1.25rem; line-height: 1.45;
}
blockquote > :last-child { margin-bottom: 0; }
figure { margin: 1.75rem 0; }
img { display: block; max-width: 100%; height: auto; background: #ffffff; color: #1c1d21; }
figure img { margin: 0 auto; border-radius: .25rem; }
figcaption, caption, .caption { color: var(--soft); font-size: .925rem; line-height: 1.45; text-align: left; }
figcaption { margin-top: .625rem; }
caption { padding-bottom: .5rem; }
caption span { display: inline-block; position: sticky; left: 0; max-width: min(46rem, calc(100vw - 2rem)); }
figcaption b, caption b, .caption b { color: var(--ink); }
.wide { margin: 1.5rem 0; overflow-x: auto; }
table {
  border-collapse: collapse; min-width: 100%; font-size: .925rem; line-height: 1.4;
  font-variant-numeric: tabular-nums; overflow-wrap: normal;
}
th, td { padding: .375rem .625rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { vertical-align: bottom; border-bottom: 2px solid var(--soft); }
td:first-child { min-width: 9rem; }
.number { text-align: right; }
td.number { white-space: nowrap; }
pre, code { font-family: ui-monospace, "Liberation Mono", Menlo, Consolas, monospace; font-size: .9em; }
pre { padding: .75rem 1rem; background: var(--shade); white-space: pre-wrap; }
pre code { font-size: 1em; }
@media print {
  html { font-size: 10pt; }
  body { max-width: none; padding: 0; }
  nav { display: none; }
  a { color: inherit; text-decoration: none; }
  h1, h2, h3, h4 { break-after: avoid; }
  figure, .wide, tr, blockquote, pre { break-inside: avoid; }
  .wide { overflow: visible; }
  caption span { max-width: none; }
  table { font-size: .8rem; }
  th, td { padding: .2rem .35rem; }
  td:first-child { min-width: 0; }
  figure img { max-height: 20cm; width: auto; }
}
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"""
