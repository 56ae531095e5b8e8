"""Modules of a user's own, loaded because their user named them, and told apart by their hash."""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import module_from_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ultimate_deep.machine.plugin_files import (
    PluginError,
    PluginFiles,
    failure,
    files_of_plugin,
    plugin_name,
)
from ultimate_deep.machine.plugin_modules import (
    claim,
    forget_code,
    own_spec,
    refuse_unread,
    release,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "Plugin",
    "PluginError",
    "forget_plugins",
    "is_loaded",
    "load_plugin",
    "loaded_plugins",
    "missing_plugins",
    "note_registered",
    "plugin_files",
    "plugin_paths",
    "plugin_records",
    "plugins_loaded",
    "run_anew",
    "shown_plugin",
]


@dataclass(eq=False)
class Plugin:
    """A loaded module or package.

    Args:
        name: Name of the module, without the folder that it lies in; of a package its folder.
        path: File of the module; `__init__.py` of a package.
        sha256: SHA-256 digest of that file, or of all files where it imports some from its folder.
        files: Its files and what they import from each other.
        module: The module, once it has run.
        registered: What it registered, as `kind name`.
        forget: Takes back what it registered, the last first.
        asked: What it was asked for by.
    """

    name: str
    path: Path
    sha256: str
    files: PluginFiles
    module: ModuleType | None = None
    registered: list[str] = field(default_factory=list)
    forget: list[Callable[[], None]] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)


_LOADED: dict[str, Plugin] = {}
_LOADING: list[Plugin] = []


def load_plugin(name: str | Path) -> Plugin:
    """Run a user's module or package, which registers what it brings; once in a process.

    What it imports from its own folder belongs to it: it is found there, though never in front of
    Python's own library or installed packages, and changes its hash.

    Args:
        name: A Python file, the folder of a package, an entry point of the group
            `ultimate_deep.plugins`, or a module that can be imported.

    Raises:
        PluginError: There is no such file, module or entry point; it fails; it has changed since
            it was loaded; or it registers nothing.
    """
    asked = str(name)
    known = _LOADED.get(plugin_name(asked))
    if known is not None and not Path(asked).exists():
        return known  # under the name that it had on another machine
    files = files_of_plugin(asked)
    if before := _LOADED.get(files.name):
        if before.sha256 != files.sha256:
            raise PluginError(
                f"the plugin {files.name} was loaded from {before.path} and {files.path} is "
                f"another one{_differing(before.files.digests, files.digests)}; rename it, or "
                "start Python anew"
            )
        before.asked.add(asked)
        return before
    plugin = Plugin(files.name, files.path, files.sha256, files, asked={asked})
    claim(files)
    _run(plugin)
    _LOADED[plugin.name] = plugin
    return plugin


def run_anew(plugin: Plugin) -> None:
    """Run a loaded plugin's code again, so that nothing is left of what it kept between calls.

    Raises:
        PluginError: It fails this time.
    """
    _take_back(plugin)
    forget_code(plugin.files)
    try:
        _run(plugin)
    except BaseException:
        _LOADED.pop(plugin.name, None)
        raise


def _run(plugin: Plugin) -> None:
    files = plugin.files
    spec = own_spec(files.module_name, files.path)
    assert spec.loader is not None
    plugin.module = module_from_spec(spec)
    sys.modules[files.module_name] = plugin.module
    for name, one in files.modules.items():
        if one.origin == str(files.path):  # what it imports imports it in turn
            sys.modules[name] = plugin.module
    _LOADING.append(plugin)
    modules, paths = set(sys.modules), list(sys.path)
    try:
        spec.loader.exec_module(plugin.module)
        refuse_unread(files, modules, paths)
        if not plugin.registered:
            raise PluginError(
                f"{files.path} registers nothing; decorate what it brings with "
                "ultimate_deep.plugins.feature, net, loss or label, or call "
                "ultimate_deep.plugins.steps"
                + (", and import the modules that do it" if files.package else "")
            )
    except BaseException as error:
        _undo(plugin)
        if isinstance(error, (PluginError, KeyboardInterrupt)):
            raise
        raise failure(files, error) from error
    finally:
        _LOADING.remove(plugin)


def note_registered(what: str, forget: Callable[[], None]) -> None:
    """Keep in mind that the plugin that is being loaded registered something.

    Args:
        what: Kind and name, such as `feature gap`.
        forget: Takes it back.

    Raises:
        PluginError: No plugin is being loaded.
    """
    if not _LOADING:
        forget()
        raise PluginError(
            f"{what} is registered outside of a plugin, so that no bundle could name where it "
            "comes from; load its file with ultimate_deep.plugins.load('my_module.py')"
        )
    _LOADING[-1].registered.append(what)
    _LOADING[-1].forget.append(forget)


def loaded_plugins() -> dict[str, Plugin]:
    """Return the plugins of this process by name."""
    return dict(_LOADED)


def is_loaded(asked: str) -> bool:
    """Return whether a plugin is loaded that a stored configuration asks for by this name."""
    return plugin_name(asked) in _LOADED or any(asked in one.asked for one in _LOADED.values())


def plugin_records() -> dict[str, str]:
    """Return the SHA-256 of each loaded plugin by name, for a manifest."""
    return {name: plugin.sha256 for name, plugin in sorted(_LOADED.items())}


def plugin_paths() -> list[str]:
    """Return what loads each plugin of this process elsewhere: a file, a package by its folder."""
    paths = [plugin.path for plugin in loaded_plugins().values()]
    return [str(path.parent if path.name == "__init__.py" else path) for path in paths]


def plugin_files() -> dict[str, dict[str, str]]:
    """Return the SHA-256 of each file of loaded plugins that are more than one file, by name."""
    return {
        name: dict(sorted(plugin.files.digests.items()))
        for name, plugin in sorted(_LOADED.items())
        if list(plugin.files.digests) != [f"{name}.py"]
    }


def missing_plugins(
    needed: Mapping[str, str], files: Mapping[str, Mapping[str, str]] | None = None
) -> list[str]:
    """Return what is wrong with the loaded plugins for whom needs these, in words.

    Args:
        needed: SHA-256 by name.
        files: SHA-256 of each file, by name of the plugin, of those that are more than one file.
    """
    wrong = []
    for name, digest in needed.items():
        there, were = _LOADED.get(name), (files or {}).get(name, {f"{name}.py": digest})
        what = f"{shown_plugin(name, were)} (SHA-256 {digest[:16]}...)"
        if there is None:
            wrong.append(f"{what}, which is not loaded")
        elif there.sha256 != digest:
            wrong.append(
                f"{what}, and {there.path} is another ({there.sha256[:16]}...)"
                f"{_differing(were, there.files.digests)}"
            )
    return wrong


def shown_plugin(name: str, files: Mapping[str, str] | None) -> str:
    """Return how a plugin of these files is named: its file, or the folder of a package."""
    return name if files and f"{name}/__init__.py" in files else f"{name}.py"


def _differing(were: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Return which files differ, in words; empty where the only file does."""
    if len(were) == 1 == len(now):
        return ""
    parts = [
        ("changed", [one for one in were if one in now and were[one] != now[one]]),
        ("no longer imported", [one for one in were if one not in now]),
        ("imported and not recorded", [one for one in now if one not in were]),
    ]
    said = "; ".join(f"{what}: {', '.join(sorted(names))}" for what, names in parts if names)
    return f": {said}"


def forget_plugins(*, keep: Container[str] = ()) -> None:
    """Take back what loaded plugins have registered.

    Args:
        keep: Names of plugins that stay.
    """
    for name in [name for name in _LOADED if name not in keep]:
        _undo(_LOADED.pop(name))


@contextmanager
def plugins_loaded(names: Iterable[str | Path]) -> Iterator[None]:
    """Load plugins for a while: what they registered is taken back at the end."""
    before = set(_LOADED)
    try:
        for name in names:
            load_plugin(name)
        yield
    finally:
        forget_plugins(keep=before)


def _undo(plugin: Plugin) -> None:
    _take_back(plugin)
    release(plugin.files)


def _take_back(plugin: Plugin) -> None:
    for forget in reversed(plugin.forget):
        forget()
    plugin.forget.clear()
    plugin.registered.clear()
