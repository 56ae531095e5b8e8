"""Values that a model's file assigns, without running the rest of it: no Keras is loaded for it.

What a name stands for is what its statement says, so that statement is run, after those that it
needs in turn, in this file and in those that it imports from. What needs Keras is left alone.
"""

import ast
import importlib
import sys
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

from ultimate_deep.models.declared import PACKAGE, config_name, path_of, tree_of
from ultimate_deep.models.search_space import SearchSpace


class UnknownValueError(LookupError):
    """The file alone does not tell."""


def value_of(module: str, name: str) -> Any:
    """Return what a name of a model's file stands for.

    Classes are there for their checks and values: one that is a dataclass can be built, another
    has its constants alone.

    Args:
        module: Name of the module, or path of a file; where it is loaded, its own value is given.
        name: A constant, dataclass or function that stands in the file, or is imported there; of
            a class `Class.CONSTANT`.

    Raises:
        UnknownValueError: It needs more than Python's own modules and those of the models.
    """
    if module in sys.modules:
        try:
            return attrgetter(name)(sys.modules[module])
        except AttributeError as error:
            raise UnknownValueError(f"{module} has no {name}") from error
    return _file(path_of(module)).value(name)


def configuration(target: str, preset: str = "default") -> Any:
    """Return the configuration that a model calls `preset`, to check options with.

    Args:
        target: `module:attribute` of a builder or of a class of trees.
        preset: Name of a preset that it declares.

    Raises:
        UnknownValueError: The file alone does not tell.
    """
    module, _, attribute = target.rpartition(":")
    name = config_name(target)
    for place in (f"{attribute}.PRESETS", "PRESETS"):
        try:
            found = value_of(module, place)[preset]
        except UnknownValueError:
            continue
        return getattr(found, "config", found)
    return value_of(module, name)()


def searched(target: str) -> SearchSpace:
    """Return the ranges of a model's options that a tuner may search.

    Raises:
        UnknownValueError: The file alone does not tell.
    """
    module, _, attribute = target.rpartition(":")
    try:
        return dict(value_of(module, f"{attribute}.SEARCH_SPACE"))
    except UnknownValueError:
        return dict(value_of(module, "SEARCH_SPACE"))


_FILES: dict[tuple[Path, int], "_File"] = {}


def _file(path: Path) -> "_File":
    key = path, path.stat().st_mtime_ns
    return _FILES.setdefault(key, _File(path))


class _File:
    """A file of which no more is run than is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, Any] = {"__name__": __name__}
        self.bound = dict(_bound(tree_of(path)))

    def value(self, name: str) -> Any:
        """Return what a name stands for."""
        if name not in self.found:
            outer, _, inner = name.partition(".")
            node = self.bound.get(outer)
            if inner and isinstance(node, ast.ClassDef):
                return self._constant(node, inner)
            if inner or node is None:
                raise UnknownValueError(f"{self.path} has no {name}")
            self.found[name] = self._made(name, node)
        return self.found[name]

    def _constant(self, node: ast.ClassDef, name: str) -> Any:
        """Return a constant of a class."""
        for one, statement in _bound(node):
            if one == name and isinstance(statement, ast.Assign | ast.AnnAssign):
                return self._run(name, statement, {})
        raise UnknownValueError(f"{self.path} has no {node.name}.{name}")

    def _made(self, name: str, node: ast.stmt) -> Any:
        if isinstance(node, ast.Import | ast.ImportFrom):
            return _imported(name, node)
        if isinstance(node, ast.ClassDef) and not _is_dataclass(node):
            return _Constants(self, node)
        return self._run(name, node, self.found)

    def _run(self, name: str, node: ast.stmt, into: dict[str, Any]) -> Any:
        """Run one statement, after what it needs."""
        node = _Untyped().visit(ast.parse(ast.unparse(node)).body[0])
        for one in ast.walk(node):
            if isinstance(one, ast.Name) and one.id in self.bound and one.id != name:
                self.value(one.id)
        tree = ast.fix_missing_locations(ast.Module([node], []))
        # Of this package or a plugin that its user named: what importing it would run too.
        exec(compile(tree, str(self.path), "exec", dont_inherit=True), self.found, into)
        return into[name]


class _Constants:
    """A class whose constants are known, and nothing else of it."""

    def __init__(self, file: _File, node: ast.ClassDef) -> None:
        self._known = file, node

    def __getattr__(self, name: str) -> Any:
        file, node = self._known
        try:
            return file._constant(node, name)
        except UnknownValueError as error:
            raise AttributeError(str(error)) from error


class _Untyped(ast.NodeTransformer):
    """Leaves annotations out, which may name what is not loaded."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        node.returns = None
        every = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        for one in (*every, node.args.vararg, node.args.kwarg):
            if one is not None:
                one.annotation = None
        self.generic_visit(node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        if "ClassVar" in ast.unparse(node.annotation) and node.value is not None:
            return ast.Assign([node.target], node.value)
        node.annotation = ast.Name("object", ast.Load())  # a field all the same
        return node


def _bound(body: ast.Module | ast.ClassDef) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the names that statements give a value, each with its statement."""
    for one in body.body:
        if isinstance(one, ast.Import | ast.ImportFrom):
            for alias in one.names:
                yield alias.asname or alias.name.partition(".")[0], one
        elif isinstance(one, ast.FunctionDef | ast.ClassDef):
            yield one.name, one
        elif isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name):
            yield one.targets[0].id, one
        elif isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and one.value:
            yield one.target.id, one


def _is_dataclass(node: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(one) for one in node.decorator_list)


def _imported(name: str, node: ast.Import | ast.ImportFrom) -> Any:
    """Return what an import brings: of Python's own modules, or of another file of the models."""
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        (own,) = (one.name for one in node.names if (one.asname or one.name) == name)
        if node.module.startswith(PACKAGE + "."):
            return value_of(node.module, own)
        if node.module.partition(".")[0] in sys.stdlib_module_names:
            return getattr(importlib.import_module(node.module), own)
    elif isinstance(node, ast.Import) and name in sys.stdlib_module_names:
        return importlib.import_module(name)
    raise UnknownValueError(f"{name} is imported from elsewhere")
