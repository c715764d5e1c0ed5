"""What SECURITY.md promises, read off the package's syntax trees."""

import ast
import re
from pathlib import Path

from synthgap.data.publicfiles import cifar_md5s
from synthgap.data.publicsets import DOWNLOADABLE, PUBLIC
from synthgap.metrics import extractors

PACKAGE = Path(__file__).resolve().parents[1] / "synthgap"
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
READER = PACKAGE / "base" / "inert.py"
RUNS_CODE = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
FORBIDDEN = {"eval", "exec", "compile", "__import__", "yaml.load", "yaml.unsafe_load", "os.system", "os.popen"}
FORBIDDEN |= {"torch.load"}
FETCHING = {"urllib.request", "urllib3", "requests", "httpx", "ftplib", "socket", "aiohttp"}


def imported(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module


def calls(tree):
    """(dotted name, node) of every call whose function has a name."""
    return [(ast.unparse(node.func), node) for node in ast.walk(tree) if isinstance(node, ast.Call)]


def option(node, name):
    return next((ast.unparse(k.value) for k in node.keywords if k.arg == name), None)


def test_nothing_unpickles():
    for path, tree in TREES.items():
        assert not RUNS_CODE & set(imported(tree)), path


def test_no_text_is_evaluated_no_shell_is_run_and_files_of_numpy_are_read_as_data():
    for path, tree in TREES.items():
        for name, node in calls(tree):
            assert name not in FORBIDDEN, (path, ast.unparse(node))
            assert option(node, "shell") in (None, "False"), (path, ast.unparse(node))
            if name in ("np.load", "numpy.load"):
                assert option(node, "allow_pickle") == "False", (path, ast.unparse(node))


def test_the_reader_of_pickles_looks_up_no_name_and_holds_nothing_that_a_file_could_call():
    tree = TREES[READER]
    assert not {"importlib", "sys", "builtins", "operator", "functools"} & set(imported(tree))
    assert not {"getattr", "setattr", "globals", "locals", "vars", "type"} & {name for name, _ in calls(tree)}
    # pickletools lends it the list of opcodes and the decoding of their arguments, nothing else
    used = {
        ast.unparse(n) for n in ast.walk(tree) if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "pickletools"
    }
    assert used == {"pickletools.OpcodeInfo", "pickletools.code2op"}


def test_what_is_fetched_is_fetched_in_two_places_each_with_a_checksum():
    for path, tree in TREES.items():
        assert not FETCHING & set(imported(tree)), path
        fetches = [(name, node) for name, node in calls(tree) if "download" in name.lower() or option(node, "download")]
        if path.name == "extractors.py":
            (node,) = (node for name, node in fetches if name.startswith("torch.hub"))
            assert option(node, "hash_prefix") == "Path(name).stem.rpartition('-')[2]"
        elif path.name not in ("publicfiles.py", "cli.py"):
            assert not fetches, path


def test_the_weights_that_are_fetched_have_their_hash_in_their_name():
    assert re.search(r"-[0-9a-f]{8,}\.pth$", extractors.INCEPTION_FILE)
    assert extractors.INCEPTION_URL.startswith("https://")
    assert extractors.INCEPTION_URL.endswith(extractors.INCEPTION_FILE)


def test_every_data_set_that_is_fetched_has_a_checksum_for_what_is_opened():
    for name in DOWNLOADABLE:
        if name.startswith("cifar"):
            found = cifar_md5s(name)
            assert len(found) >= 3
        else:
            found = PUBLIC[name].archives
            assert found
        assert all(re.fullmatch(r"[0-9a-f]{32}", md5) for md5 in found.values())


def test_the_page_names_the_module_that_reads_pickles():
    page = (PACKAGE.parent / "SECURITY.md").read_text(encoding="utf-8")
    assert READER.relative_to(PACKAGE.parent).as_posix() in page
