"""A hash of the code behind a result, so that a fixed bug never leaves an old number valid."""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

PACKAGE = "synthgap"
ROOT = Path(__file__).resolve().parents[1]


@functools.cache
def code_hash(roots: tuple[str, ...]) -> str:
    """SHA-256 over the syntax trees of `roots` and of every module of this package that they import.

    A root is a module ("synthgap.diffusion.train") or one function of a module
    ("synthgap.graph.compute:train_diffusion"; its module's imports are not followed). Comments, docstrings,
    formatting and the wording of errors don't count: none of them changes a result.
    """
    digest = hashlib.sha256()
    for name in sorted(reached(roots)) + sorted(r for r in roots if ":" in r):
        digest.update(f"{name}\n{_normal_form(name)}\n".encode())
    return digest.hexdigest()


def reached(roots: tuple[str, ...]) -> set[str]:
    """The modules among `roots`, and every module of this package that they import, directly or through others."""
    waiting = [r for r in roots if ":" not in r]
    seen: set[str] = set()
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += imports_of(module)
    return seen


def _path(module: str) -> Path | None:
    relative = Path(*module.split(".")[1:])
    for candidate in (ROOT / relative.with_suffix(".py"), ROOT / relative / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


@functools.cache
def _tree(module: str) -> ast.Module:
    path = _path(module)
    if path is None:
        raise LookupError(f"{module} is not a module of {PACKAGE}")
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def imports_of(module: str) -> list[str]:
    """Modules of this package that `module` imports, at any depth of its source."""
    tree = _tree(module)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] == PACKAGE]
        elif isinstance(node, ast.ImportFrom):
            target = _home(module, node)
            if target is None:
                continue
            submodules = [f"{target}.{a.name}" for a in node.names]
            found += [m if _path(m) else target for m in submodules]
    return [m for m in found if m != PACKAGE and _path(m)]


def _home(module: str, node: ast.ImportFrom) -> str | None:
    """The module of this package that a statement of `module` imports from; None of another package's."""
    if not node.level:
        return node.module if (node.module or "").split(".")[0] == PACKAGE else None
    is_package = _path(module).name == "__init__.py"
    parts = module.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, *((node.module or "").split(".") if node.module else [])])


class _Strip(ast.NodeTransformer):
    """Drop docstrings and what errors say."""

    def _body(self, node):
        self.generic_visit(node)
        first = node.body[0] if node.body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            node.body = node.body[1:] or [ast.Pass()]
        return node

    visit_Module = visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = _body

    def visit_Raise(self, node: ast.Raise) -> ast.Raise:
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return node


@functools.cache
def _normal_form(name: str) -> str:
    module, _, function = name.partition(":")
    tree: ast.AST = _tree(module)
    if function:
        wanted = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == function]
        if len(wanted) != 1:
            raise LookupError(f"{module} has {len(wanted)} functions named {function}")
        tree = wanted[0]
    return _stripped(tree)


def _stripped(tree: ast.AST) -> str:
    return ast.unparse(_Strip().visit(ast.parse(ast.unparse(tree))))  # of a copy that may be changed


def definitions_hash(roots: Iterable[str], packages: tuple[str, ...]) -> str:
    """SHA-256 over the syntax trees of functions ("synthgap.stats.crossed:crossed") and of all that they name.

    Followed are names that a module defines at its top, or imports from modules of these `packages`, through any
    number of steps. What does not count is as of `code_hash`.
    """
    waiting, seen = sorted(set(roots)), set()
    while waiting:
        root = waiting.pop()
        if root not in seen:
            seen.add(root)
            waiting += _named_by(root, packages)
    digest = hashlib.sha256()
    for root in sorted(seen):
        digest.update(f"{root}\n{_definition_form(root)}\n".encode())
    return digest.hexdigest()


@functools.cache
def _defined(module: str) -> dict[str, ast.stmt]:
    """Names that a module defines at its top → the statement."""
    found: dict[str, ast.stmt] = {}
    for node in _tree(module).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = node
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {n.id: node for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}
    return found


@functools.cache
def _imported(module: str) -> dict[str, str]:
    """Names that a module imports from modules of this package → "module:name"."""
    found = {}
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and (home := _home(module, node)) is not None:
            found |= {a.asname or a.name: f"{home}:{a.name}" for a in node.names if _path(home)}
    return found


@functools.cache
def _named_by(root: str, packages: tuple[str, ...]) -> list[str]:
    module, _, name = root.partition(":")
    node = _defined(module).get(name)
    if node is None:
        return []
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - {name}
    own = [f"{module}:{n}" for n in sorted(names & set(_defined(module)))]
    others = [_imported(module)[n] for n in sorted(names & set(_imported(module)))]
    return own + [other for other in others if other.split(":")[0].startswith(packages)]


@functools.cache
def _definition_form(root: str) -> str:
    module, _, name = root.partition(":")
    node = _defined(module).get(name)
    if node is None:  # a module that is imported whole, or a name that it imports itself
        return ""
    return _stripped(node)
