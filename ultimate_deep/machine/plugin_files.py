"""Which files a plugin consists of: its own, and what its text imports from beside it."""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.metadata
import os
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

ENTRY_POINTS = "ultimate_deep.plugins"
PREFIX = "ultimate_deep_plugins"
_OURS = ("ultimate_deep", PREFIX)


class PluginError(ValueError):
    """A plugin cannot be loaded, or is not the one that is needed."""


@dataclass(frozen=True)
class PluginFiles:
    """A plugin as it lies on disk.

    Args:
        name: What it is called: its file without `.py`, or the folder of a package.
        path: Its file; the `__init__.py` of a package.
        home: Folder in which the modules that it imports are looked for: its own, or that of the
            package's folder.
        package: Whether it is a package.
        modules: What it imports from there, and what those import, by full name.
        digests: SHA-256 of each of its files, by path from `home`.
    """

    name: str
    path: Path
    home: Path
    package: bool
    modules: dict[str, ModuleSpec] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def module_name(self) -> str:
        """Name that its module has among all modules."""
        return self.name if self.package else f"{PREFIX}.{self.name}"

    @property
    def above(self) -> tuple[str, ...]:
        """The folder that holds the package in which a single module lies, if it lies in one."""
        if self.package or not (self.home / "__init__.py").is_file():
            return ()
        return (str(_top_package(self.home).parent),)

    @property
    def paths(self) -> set[str]:
        """Its files, as Python names them in tracebacks."""
        return {str(self.path), *(str(spec.origin) for spec in self.modules.values())}

    def place_of(self, path: Path) -> str:
        """Return a file's path from `home`."""
        return Path(os.path.relpath(path, self.home)).as_posix()

    def digest_of(self, path: Path) -> str:
        """Return the SHA-256 of one of its files."""
        return self.digests[self.place_of(path)]

    @property
    def sha256(self) -> str:
        """Digest of its only file, or of the names and digests of several."""
        if len(self.digests) == 1:
            return next(iter(self.digests.values()))
        listed = "".join(f"{digest}  {name}\n" for name, digest in sorted(self.digests.items()))
        return hashlib.sha256(os.fsencode(listed)).hexdigest()


def plugin_name(asked: str) -> str:
    """Return what a plugin is called that is asked for by a file, a folder or a module's name."""
    path = Path(asked)
    if path.suffix == ".py":
        return path.resolve().parent.name if path.stem == "__init__" else path.stem
    if os.sep in asked or path.is_dir():
        return path.resolve().name
    return asked.rpartition(".")[2]


def files_of_plugin(asked: str) -> PluginFiles:
    """Return the files of a plugin, without running any of them.

    Args:
        asked: A Python file, the folder of a package, an entry point of the group
            `ultimate_deep.plugins`, or a module that can be imported.

    Raises:
        PluginError: There is none, it cannot be read, or it is one module of a package that it
            needs.
    """
    importlib.invalidate_caches()
    path = _path_of(asked)
    package = path.name == "__init__.py"
    name = path.parent.name if package else path.stem
    home = path.parent.parent if package else path.parent
    plugin = PluginFiles(name, path, home, package)
    if package and not name.isidentifier():
        raise PluginError(
            f"a package is called by a word such as my_plugin, got the folder {name!r}; rename it"
        )
    if package and (other := _elsewhere(name, path)):
        raise PluginError(
            f"a module called {name} is there already ({other}), which the package {path.parent} "
            "would stand in front of; rename its folder"
        )
    _add(plugin, plugin.module_name, path)
    return plugin


def is_installed(path: Path | str) -> bool:
    """Return whether a file belongs to Python, to an installed package or to this one."""
    path = Path(path)
    return bool({"site-packages", "dist-packages"} & set(path.parts)) or any(
        path.is_relative_to(root) for root in _roots()
    )


@lru_cache
def _roots() -> tuple[Path, ...]:
    paths = sysconfig.get_paths()
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    this = Path(__file__).resolve().parents[1]
    # Two of this package's rooms lie beside it in a checkout.
    rooms = [(this / room).resolve() for room in ("features", "models")]
    return (this, *rooms, *(Path(paths[name]) for name in names))


def _path_of(asked: str) -> Path:
    path = Path(asked)
    if path.suffix == ".py":
        if not path.is_file():
            raise PluginError(f"there is no plugin at {path}; name a Python file that exists")
        return path.resolve()
    if path.is_dir() and (path / "__init__.py").is_file():
        return (path / "__init__.py").resolve()
    name = asked
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS, name=asked):
        name = entry.module
    spec = _regular(name)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        if path.is_dir():
            raise PluginError(
                f"the folder {path} holds no __init__.py, so it is no package; add one that "
                "imports its modules (from . import my_module), or name one of its files"
            )
        raise PluginError(
            f"no plugin is called {asked!r}; name a file such as my_module.py, the folder of a "
            f"package, a module that can be imported, or an entry point of the group {ENTRY_POINTS}"
        )
    return Path(spec.origin).resolve()


def _regular(name: str) -> ModuleSpec | None:
    """Return where Python finds a module, without running the packages that hold it."""
    spec: ModuleSpec | None = None
    whole, places = "", None
    for part in name.split("."):
        whole = f"{whole}.{part}" if whole else part
        try:
            spec = _first_found(whole, places)
        except (ImportError, ValueError):
            return None
        if spec is None:
            return None
        places = list(spec.submodule_search_locations or ())
    return spec


def _first_found(name: str, places: list[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        if getattr(finder, "of_plugins", False):
            continue
        find = getattr(finder, "find_spec", None)
        if find is not None and (spec := find(name, places)) is not None:
            found: ModuleSpec = spec
            return found
    return None


def _elsewhere(name: str, path: Path | None) -> str:
    """Return where Python finds a module of this name, if not in the given file; empty if nowhere.

    Folders without `__init__.py` stand behind every module, so they do not count.
    """
    if name in sys.stdlib_module_names:
        return "of Python's own library"
    spec = _first_found(name, None)
    if spec is None or spec.origin is None:
        return ""
    same = path is not None and Path(spec.origin).resolve() == path.resolve()
    return "" if same else spec.origin


def _add(plugin: PluginFiles, module: str, path: Path) -> None:
    """Add a file and, where it is Python, all that it imports from the plugin's folder."""
    place = plugin.place_of(path)
    if place in plugin.digests:
        return
    data = path.read_bytes()
    plugin.digests[place] = hashlib.sha256(data).hexdigest()
    if path.suffix != ".py":
        return
    try:
        tree = ast.parse(data, str(path))
    except (SyntaxError, ValueError) as error:
        raise failure(plugin, error) from error
    within = module if path.name == "__init__.py" else module.rpartition(".")[0]
    within = "" if within == PREFIX else within
    _refuse_relative(path, tree, within.count(".") + 1 if within else 0)
    for wanted in _imported(tree, within):
        _add_import(plugin, wanted)


def _add_import(plugin: PluginFiles, wanted: str) -> None:
    parts = wanted.split(".")
    if parts[0] in _OURS:
        return
    places = [str(plugin.home), *plugin.above]
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        spec = plugin.modules.get(name)
        if spec is None:
            spec = PathFinder.find_spec(name, places)
            if spec is None or (count == 1 and not _is_own(plugin, name, spec)):
                return
            plugin.modules[name] = spec
            if spec.origin is not None:
                _add(plugin, name, Path(spec.origin))
        places = list(spec.submodule_search_locations or ())
        if not places:
            return


def _is_own(plugin: PluginFiles, name: str, spec: ModuleSpec) -> bool:
    """Return whether a module beside the plugin is the one that is meant.

    Raises:
        PluginError: It cannot be told from one elsewhere.
    """
    path = None if spec.origin is None else Path(spec.origin)
    if plugin.package and path == plugin.path:
        return True
    if is_installed(plugin.home) or (path is not None and is_installed(path)):
        return False  # the neighbours of an installed plugin are other packages
    other = _elsewhere(name, path)
    if not other:
        return True
    if path is None or other.startswith("of Python") or other in ("built-in", "frozen"):
        return False
    if is_installed(other):
        return False
    raise PluginError(
        f"the plugin {plugin.path} imports {name}, and there are two: {path} beside it and "
        f"{other}; rename one of them"
    )


def _refuse_relative(path: Path, tree: ast.Module, packages: int) -> None:
    """Refuse imports from packages around a file beyond those that it is run in.

    Args:
        path: File that imports.
        tree: What it says, as parsed.
        packages: How many packages it is run in.
    """
    tried = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.Try) and node.handlers
        for one in node.body
        for inner in ast.walk(one)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.level <= packages or node in tried:
            continue
        written = f"from {'.' * node.level}{node.module or ''} import {node.names[0].name}"
        where = f"{path} says `{written}` in line {node.lineno}"
        if not (path.parent / "__init__.py").is_file():
            raise PluginError(
                f"{where} and lies in no package; write `import {node.module or '...'}`, which is "
                "looked for in its own folder, or make the folder a package with an __init__.py"
            )
        top = _top_package(path.parent)
        whole = path.parent if path.name == "__init__.py" else path.with_suffix("")
        inside = ".".join(whole.relative_to(top).parts[:-1])
        raise PluginError(
            f"{where}, so it needs its package; name that, --plugin {top}, and import the module "
            f"in {top / '__init__.py'}: from .{inside} import {whole.name}"
        )


def _top_package(folder: Path) -> Path:
    while (folder.parent / "__init__.py").is_file():
        folder = folder.parent
    return folder


def _imported(tree: ast.Module, within: str) -> Iterator[str]:
    """Yield the full names that a module imports, attributes among them.

    Args:
        tree: Module, as parsed.
        within: Package that it lies in; empty for none.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = within.split(".")[: len(within.split(".")) - node.level + 1]
            parts = [*(above if node.level else ()), *((node.module,) if node.module else ())]
            base = ".".join(part for part in parts if part)
            if base:
                yield base
                yield from (f"{base}.{one.name}" for one in node.names if one.name != "*")
        elif isinstance(node, ast.Call) and _called(node) in ("import_module", "__import__"):
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                name = first.value
                yield f"{within}{name}" if name.startswith(".") else name


def _called(node: ast.Call) -> str:
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def failure(plugin: PluginFiles, error: BaseException) -> PluginError:
    """Return what to say of an error of a plugin's text: its kind, words, file and line."""
    words, place = str(error), ""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        words, place = error.msg, f" ({error.filename}, line {error.lineno})"
    trace = error.__traceback__
    while trace is not None and not isinstance(error, SyntaxError):
        file = trace.tb_frame.f_code.co_filename
        if file in plugin.paths:
            place = f" ({file}, line {trace.tb_lineno})"
        trace = trace.tb_next
    said = f"{type(error).__name__}: {words}" if words else type(error).__name__
    return PluginError(f"the plugin {plugin.path} fails: {said}{place}{_remedy(plugin, error)}")


def _remedy(plugin: PluginFiles, error: BaseException) -> str:
    missing = getattr(error, "name", None) if isinstance(error, ModuleNotFoundError) else None
    if not missing:
        return ""
    top, _, _ = missing.partition(".")
    if PathFinder.find_spec(top, [str(plugin.home)]) is None:
        return f"; install {top}, or put {top}.py into {plugin.home}"
    return (
        f"; {top} lies in {plugin.home}, but what is imported from there is read from the text: "
        f"write `import {missing}`"
    )
