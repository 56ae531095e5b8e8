"""What the files of models say of them, read without running them: no Keras is loaded for it.

A command line that lists models, or refuses an option that a model does not have, answers at once.
"""

import ast
import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_type_hints

PACKAGE = "ultimate_deep.models"
_ROOT = Path(__file__).resolve().parent
_TYPES: dict[str, Any] = {
    **{kind.__name__: kind for kind in (int, float, str, bool, tuple, dict, list)},
    "Any": Any,
    "Literal": Literal,
}


@dataclass(frozen=True, kw_only=True)
class Option:
    """A field of a model's configuration.

    Args:
        name: Name of the field.
        type: Its type; `Any` where the file alone does not tell.
        default: Default as it is written in the file.
        help: Its line of the docstring.
    """

    name: str
    type: Any
    default: str
    help: str


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What the file of a model declares.

    Args:
        summary: First line of the file's docstring.
        reads: What the model takes.
        sees: Simulated signals that it finds.
        presets: Names of its presets.
        options: Fields of its configuration, its own first.
    """

    summary: str
    reads: str
    sees: tuple[str, ...]
    presets: tuple[str, ...]
    options: tuple[Option, ...]


def declared(target: str) -> Declared:
    """Return what a model's file declares.

    Args:
        target: `module:attribute` of a builder or of a class of trees, or `path/to/file.py:build`.

    Raises:
        ValueError: The file has no such builder or class, or no configuration for it.
    """
    place, _, attribute = target.rpartition(":")
    tree = tree_of(path_of(place))
    constants = dict(_assigned(tree))
    found = _named(tree, attribute)
    if isinstance(found, ast.ClassDef):
        constants |= dict(_assigned(found))
    return Declared(
        summary=(ast.get_docstring(tree) or "").partition("\n")[0],
        reads=_literal(constants.get("READS")) or "features",
        sees=tuple(_literal(constants.get("SEES")) or ()),
        presets=_keys(constants.get("PRESETS")),
        options=tuple(_options(tree, config_name(target))),
    )


def config_name(target: str) -> str:
    """Return what a model's configuration is called in its file; see `declared`."""
    place, _, attribute = target.rpartition(":")
    found = _named(tree_of(path_of(place)), attribute)
    if isinstance(found, ast.ClassDef):
        config = _name(dict(_assigned(found)).get("CONFIG"))
    elif isinstance(found, ast.FunctionDef):
        # `config: LstmConfig = LstmConfig()`, or without the annotation.
        given = dict(zip(reversed(found.args.args), reversed(found.args.defaults), strict=False))
        default = next((value for arg, value in given.items() if arg.arg == "config"), None)
        config = _name(default.func) if isinstance(default, ast.Call) else ""
    else:
        raise ValueError(f"{place} has no {attribute!r}; name its builder, build_<name>")
    if not config:
        raise ValueError(
            f"{target} has no default configuration; give it `config=<Name>Config()`, a dataclass "
            "of its options"
        )
    return config


def options_of(config: Any) -> tuple[Option, ...]:
    """Return the options of a configuration whose class has been loaded.

    Args:
        config: A dataclass, whose values are the defaults.
    """
    told = _told(type(config).__doc__ or "")
    types = get_type_hints(type(config))
    return tuple(
        Option(
            name=field.name,
            type=types[field.name],
            default=repr(getattr(config, field.name)),
            help=told.get(field.name, ""),
        )
        for field in dataclasses.fields(config)
    )


def path_of(module: str) -> Path:
    """Return the file of a module of this package, or the path that is given instead."""
    if module.startswith(PACKAGE + "."):
        return _ROOT.joinpath(*module.removeprefix(PACKAGE + ".").split(".")).with_suffix(".py")
    loaded = sys.modules.get(module)  # a plugin's
    return Path(str(loaded.__file__)) if loaded is not None else Path(module)


def tree_of(path: Path) -> ast.Module:
    """Return a file's statements."""
    # A user's file may change while this program lives.
    return _tree_of(path, path.stat().st_mtime_ns)


@lru_cache
def _tree_of(path: Path, changed: int) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _named(tree: ast.Module, name: str) -> ast.stmt | None:
    return next((one for one in tree.body if getattr(one, "name", None) == name), None)


def _assigned(body: ast.Module | ast.ClassDef) -> Iterator[tuple[str, ast.expr]]:
    for one in body.body:
        if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name):
            yield one.targets[0].id, one.value
        elif isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and one.value:
            yield one.target.id, one.value


def _name(node: ast.expr | None) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _literal(node: ast.expr | None) -> Any:
    try:
        return None if node is None else ast.literal_eval(node)
    except ValueError:
        return None


def _keys(node: ast.expr | None) -> tuple[str, ...]:
    """Return the keys of `MappingProxyType({...})` or `{...}`."""
    if isinstance(node, ast.Call) and node.args:
        node = node.args[0]
    if not isinstance(node, ast.Dict):
        return ("default",)
    return tuple(str(key.value) for key in node.keys if isinstance(key, ast.Constant))


def _options(tree: ast.Module, name: str) -> Iterator[Option]:
    """Yield the fields of a dataclass of this file, then those of the classes that it extends."""
    lineage = list(_lineage(tree, name))
    told: dict[str, str] = {}
    for body, _ in reversed(lineage):
        told |= _told(ast.get_docstring(body) or "")
    seen: set[str] = set()
    for body, holder in lineage:
        for one in body.body:
            if not (isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)):
                continue
            if one.target.id in seen or "ClassVar" in ast.unparse(one.annotation):
                continue
            seen.add(one.target.id)
            yield Option(
                name=one.target.id,
                type=_type(one.annotation, dict(_assigned(holder))),
                default="" if one.value is None else ast.unparse(one.value),
                help=told.get(one.target.id, ""),
            )


def _lineage(tree: ast.Module, name: str) -> Iterator[tuple[ast.ClassDef, ast.Module]]:
    """Yield a class and those that it extends, each with its file."""
    for one in tree.body:
        if isinstance(one, ast.ClassDef) and one.name == name:
            yield one, tree
            for base in one.bases:
                yield from _lineage(tree, _name(base))
        elif isinstance(one, ast.ImportFrom) and one.module and one.module.startswith(PACKAGE):
            for imported in one.names:
                if (imported.asname or imported.name) == name:
                    yield from _lineage(tree_of(path_of(one.module)), imported.name)


def _type(annotation: ast.expr, aliases: dict[str, ast.expr]) -> Any:
    """Return the type that is written, `Any` for what another file says."""
    names = {one.id for one in ast.walk(annotation) if isinstance(one, ast.Name)}
    known = dict(_TYPES)
    for name in names - set(known):
        if name not in aliases:
            return Any
        known[name] = _type(aliases[name], {})
    return eval(compile(ast.Expression(annotation), "annotation", "eval"), {}, known)


def _told(docstring: str) -> dict[str, str]:
    """Return each argument's description of a docstring in sections."""
    section = re.search(r"^Args:\n((?: +.*\n?|\n)+)", inspect.cleandoc(docstring), re.MULTILINE)
    told: dict[str, str] = {}
    names: list[str] = []
    for line in section.group(1).splitlines() if section else ():
        if begun := re.match(r" {4}([\w, ]+): (.*)", line):
            names = [name.strip() for name in begun.group(1).split(",")]
            told |= dict.fromkeys(names, begun.group(2))
        elif line.strip():
            told |= {name: f"{told[name]} {line.strip()}" for name in names}
    return told
