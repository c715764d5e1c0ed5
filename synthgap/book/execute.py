"""From executed chapters to a Jupyter Book: run, clean, check, stage, build.

One table of contents serves two builds. The repository holds the last published notebooks in `book/executed/`, so
that `jupyter-book build .` renders at once; `synthgap run` stages a copy of the book with fresh notebooks in their
place and builds there.
"""

from __future__ import annotations

import base64
import glob
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread

import nbformat
import psutil
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from ..base.disk import writing
from ..base.errors import UserError
from ..base.progress import Progress
from ..base.words import capital, escaped
from . import guards
from .provenance import FILE

CHAPTERS_AT_ONCE = 2
EXECUTED = Path("book") / "executed"
ANSWER = "a2_your_data"  # the chapter that is a page of its own, too
FRONT = "07_conclusion"  # the chapter whose beginning the front page shows
HEADLINE = ("fig-answer", "headline.png")  # its figure, and the file shown there
SENTENCES = {"five-sentences": "headline.md", "what-to-do": "what_to_do.md"}  # its cells → files included there
OPENS = r"from synthgap\.exhibits\.chapters import open_book\s+show = open_book\(globals\(\)\)"
PLUMBING = re.compile(rf"\s*({OPENS}|show(\.how_made)?\([^()]*\))\s*")  # cells that open a chapter or only show


def find_root(start: Path | None = None) -> Path:
    """The folder with `chapters/` and `_toc.yml`: the working folder, or the source tree of this package."""
    for candidate in [start] if start else [Path.cwd(), Path(__file__).resolve().parents[2]]:
        if (candidate / "chapters").is_dir() and (candidate / "_toc.yml").is_file():
            return candidate
    raise UserError(f"no chapters/ and _toc.yml in {start or Path.cwd()}; run from the folder of the repository")


def contents(root: Path) -> list[tuple[str, list[str]]]:
    """The table of contents: parts by caption with their pages in order; the first, without one, is the front page."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    parts = [(part.get("caption", ""), [chapter["file"] for chapter in part["chapters"]]) for part in toc["parts"]]
    return [("", [toc["root"]]), *parts]


def chapter_names(root: Path) -> list[str]:
    """Chapters in the order of the table of contents."""
    pages = [Path(page) for _, part in contents(root) for page in part]
    return [page.name for page in pages if page.parent == EXECUTED]


def execute_chapter(source: Path, target: Path, parameters: dict) -> None:
    """Execute one source notebook by papermill; `target` appears whole, cleaned and checked, or not at all.

    Raises UserError with the chapter's own message when a cell fails; what was executed is kept beside `target` as
    `<name>.failed.ipynb`.
    """
    import papermill

    from .captions import captioned

    with writing(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.ipynb")
    try:
        with writing(target.parent):
            papermill.execute_notebook(
                *(str(path).replace("{", "{{").replace("}", "}}") for path in (source, temporary)),  # it formats paths
                parameters=parameters,
                kernel_name="python3",
                progress_bar=False,
                extra_arguments=["--log-level=50"],  # it warns of plain TCP, its default, and of its own end
            )
            notebook = captioned(clean(nbformat.read(temporary, as_version=4)))
            guards.check_executed(notebook, source.name)
            nbformat.write(notebook, temporary)
            os.replace(temporary, target)
    except papermill.PapermillExecutionError as error:
        failed = target.with_name(f"{target.stem}.failed.ipynb")
        os.replace(temporary, failed)
        raise UserError(f"chapter {source.name} failed: {error.ename}: {error.evalue} (see {failed})") from error
    finally:
        temporary.unlink(missing_ok=True)


def _remove_abandoned(target: Path) -> None:
    """Remove half-executed notebooks for `target` whose process was killed."""
    for path in target.parent.glob(f".{glob.escape(target.stem)}.*.ipynb"):
        number = path.name.split(".")[-2]
        if number.isdigit() and not psutil.pid_exists(int(number)):
            path.unlink(missing_ok=True)


def execute_chapters(
    root: Path,
    target: Path,
    parameters: dict,
    done: tuple[str, ...] = (),
    only: tuple[str, ...] | None = None,
    progress: Progress | None = None,
) -> None:
    """Execute every chapter into `target`, two at a time, each from a process of its own (threads of one hung once).

    done : chapters that lie in `target` already, executed with these parameters. only : no others than these.
    progress : of the command; chapters are its parts, by their names.
    Raises the first failing chapter's UserError. However this process ends, killed perhaps, so do those it started.
    """
    names = [name for name in only or chapter_names(root) if name not in done]
    told = _Told(names, progress)
    processes = get_context("spawn")
    ours, theirs = processes.Pipe()  # this end closes with this process, whatever ends it
    with ProcessPoolExecutor(CHAPTERS_AT_ONCE, processes, _end_with, (theirs,)) as pool:
        running = [
            pool.submit(execute_chapter, root / "chapters" / f"{name}.ipynb", target / f"{name}.ipynb", parameters)
            for name in names
        ]
        for name, future in zip(names, running, strict=True):
            future.add_done_callback(lambda _, name=name: told.ended(name))
        try:
            for future in running:
                future.result()
        except (KeyboardInterrupt, SystemExit):
            ours.close()  # chapters that still run end now
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _Told:
    """Tells `progress`, if there is one, of chapters that begin and end: the next begins when one ends."""

    def __init__(self, names: list[str], progress: Progress | None):
        self.progress, self.waiting, self.beside = progress, iter(names), at_once(names)
        for _ in range(self.beside):
            self._next()

    def _next(self) -> None:
        if self.progress and (name := next(self.waiting, None)):
            self.progress.begin(name, f"chapter {name}", beside=self.beside)

    def ended(self, name: str) -> None:
        """Called by whichever thread sees it."""
        if self.progress:
            self.progress.finish(name)
            self._next()


def at_once(names: Sequence[str]) -> int:
    """How many of several chapters are executed at a time."""
    return min(CHAPTERS_AT_ONCE, len(names))


def _end_with(lifeline: Connection) -> None:
    """In a process of the pool: when the other end of `lifeline` closes, end it and the kernels that it started."""

    def watch() -> None:
        with suppress(EOFError, OSError):
            lifeline.recv()
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def answer_page(folder: Path, name: str) -> Path:
    """Write the executed chapter with the plain answer as one HTML page, `folder`/answer.html. name : of the data.

    Where a first look was taken at the images, the page has it, too.
    """
    from .page import write_page

    executed = folder / "chapters" / f"{ANSWER}.ipynb"
    return write_page(executed, folder / "answer.html", f"Would synthetic images help? {name}", _look_cells(folder))


def _look_cells(folder: Path) -> list[nbformat.NotebookNode]:
    """A section on what the generator's size leaves of the images (`planning.look`); none without a look."""
    from ..planning.look import PICTURE, read_look

    told = read_look(folder)
    if told is None:
        return []
    lines = "\n".join(f"- {escaped(capital(line))}." for line in told["lines"])
    data = {"image/png": base64.b64encode((folder / PICTURE).read_bytes()).decode(), "text/plain": "<Figure>"}
    alt = "Two rows of images: some of yours, and the same as the generator is shown them."
    caption = f"Images as they are (up to 224 pixels), and at {told['size']} pixels, as the generator is shown them."
    return [
        new_markdown_cell(f"## What is left of my images at {told['size']} pixels?\n\n{lines}"),
        new_code_cell(
            execution_count=1,
            outputs=[new_output("display_data", data)],
            metadata={"mystnb": {"figure": {"caption": caption, "name": "fig-look"}, "image": {"alt": alt}}},
        ),
    ]


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop what differs between equal runs: times, paths and the executing tool's own notes. Pages hide plumbing."""
    for key in ("papermill", "widgets"):
        notebook.metadata.pop(key, None)
    notebook.metadata["language_info"] = {"name": "python"}
    for number, cell in enumerate(notebook.cells):
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell["id"] = f"injected-{number}"
        if cell.cell_type == "code" and plumbing(cell):
            tags = [tag for tag in cell.metadata.get("tags", []) if not tag.endswith(("-input", "-cell"))]
            cell.metadata["tags"] = [*tags, "remove-input" if cell.outputs else "remove-cell"]
    return notebook


def plumbing(cell: nbformat.NotebookNode) -> bool:
    """Does a code cell set the chapter up, or only call for an exhibit, whose code is told under it? Readers of a page
    need neither; any other code is there to be read."""
    set_up = {"parameters", "injected-parameters"} & set(cell.metadata.get("tags", []))
    return bool(set_up or PLUMBING.fullmatch(cell.source))


def stage(root: Path, executed: Path, target: Path) -> Path:
    """Assemble the book's sources in `target`: configuration, pages, and the notebooks in `executed`."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy2(root / name, target / name)
    shutil.copytree(root / "book", target / "book", ignore=shutil.ignore_patterns("executed", "runs", "__pycache__"))
    place_executed(root, executed, target / EXECUTED)
    return target


def place_executed(root: Path, executed: Path, target: Path, published: bool = False) -> None:
    """Copy the checked notebooks, and beside them raw rows, provenance and what the front page shows, to `target`.

    published : the repository will hold them, so that no file may be large or show a path of this machine.
    """
    for chapter in chapter_names(root):
        source = executed / f"{chapter}.ipynb"
        if not source.is_file():
            raise UserError(f"chapter {chapter} has not been executed into {executed}; run synthgap run")
        guards.check_executed(nbformat.read(source, as_version=4), source.name)
    files = [
        file
        for pattern in ("[!.]*.ipynb", "*.csv", "*.npz", FILE)
        for file in sorted(executed.glob(pattern))
        if not file.name.endswith(".failed.ipynb")
    ]
    for file in files if published else []:
        guards.check_file(file, file.name)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for file in files:
        shutil.copy2(file, target / file.name)
    figure, name = HEADLINE
    (target / name).write_bytes(figure_png(executed / f"{FRONT}.ipynb", figure))
    for cell, name in SENTENCES.items():
        (target / name).write_text(cell_markdown(executed / f"{FRONT}.ipynb", cell) + "\n", encoding="utf-8")


def figure_png(path: Path, name: str) -> bytes:
    """The PNG of the figure called `name` in an executed notebook."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.metadata.get("mystnb", {}).get("figure", {}).get("name") == name:
            for output in cell.outputs:
                if "image/png" in output.get("data", {}):
                    return base64.b64decode(output.data["image/png"])
    raise UserError(f"{path.name} holds no figure {name}; execute it again")


def cell_markdown(path: Path, cell_id: str) -> str:
    """What the cell with this id of an executed notebook displays as Markdown."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.get("id") == cell_id:
            texts = [o.data["text/markdown"] for o in cell.outputs if "text/markdown" in o.get("data", {})]
            return "\n\n".join(texts)
    raise UserError(f"{path.name} holds no cell {cell_id}; execute it again")


def build(source: Path, say: Callable[[str], None] = print, published: bool = False) -> Path:
    """Run jupyter-book on staged sources, warnings being errors, and check its pages; returns the front page's path.

    published : the book is for others, so that no file may be large or show a path of this machine.
    """
    program = "from jupyter_book.cli.main import main; main()"  # the package has no __main__
    command = [sys.executable, "-c", program, "build", str(source), "--all", "-W", "-n", "--keep-going"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace")
    index = source / "_build" / "html" / "index.html"
    if done.returncode or not index.is_file():
        log = source / "build.log"
        log.write_text(done.stdout + done.stderr, encoding="utf-8")
        complaints = [
            re.sub(r"\x1b\[[0-9;]*m", "", line)
            for line in (done.stdout + done.stderr).splitlines()
            if re.search(r"WARNING|ERROR|Error|CRITICAL", line)
        ]
        for line in complaints[:5]:
            say(line)
        raise UserError(f"the book was not built ({len(complaints)} complaints); mend the pages named in {log}")
    guards.check_pages(index.parent)
    if published:
        guards.check_files(index.parent, but=("_static",))
    return index
