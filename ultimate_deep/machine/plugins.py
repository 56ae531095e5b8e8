"""Modules of a user's own, loaded because their user named them, and told apart by their hash."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Container, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ENTRY_POINTS = "ultimate_deep.plugins"
_PACKAGE = "ultimate_deep_plugins"


class PluginError(ValueError):
    """A plugin cannot be loaded, or is not the one that is needed."""


@dataclass(eq=False)
class Plugin:
    """A loaded module.

    Args:
        name: Name of the module, without the folder that it lies in.
        path: File of the module.
        sha256: SHA-256 digest of that file.
        module: The module, once it has run.
        registered: What it registered, as `kind name`.
        forget: Takes back what it registered, the last first.
    """

    name: str
    path: Path
    sha256: str
    module: ModuleType | None = None
    registered: list[str] = field(default_factory=list)
    forget: list[Callable[[], None]] = field(default_factory=list)


_LOADED: dict[str, Plugin] = {}
_LOADING: list[Plugin] = []


def load_plugin(name: str | Path) -> Plugin:
    """Run a user's module, which registers what it brings; once in a process.

    Args:
        name: A Python file, an entry point of the group `ultimate_deep.plugins`, or a module that
            can be imported.

    Raises:
        PluginError: There is no such file, module or entry point; it fails; it has changed since
            it was loaded; or it registers nothing.
    """
    known = _LOADED.get(Path(str(name)).stem)
    if known is not None and not Path(str(name)).is_file():
        return known  # under the name that it had on another machine
    path = _file_of(str(name))
    plugin = Plugin(path.stem, path, hashlib.sha256(path.read_bytes()).hexdigest())
    if before := _LOADED.get(plugin.name):
        if before.sha256 != plugin.sha256:
            raise PluginError(
                f"the plugin {plugin.name} was loaded from {before.path} and {path} is another "
                "one; rename it, or start Python anew"
            )
        return before
    module_name = f"{_PACKAGE}.{plugin.name}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"a plugin is a Python file, got {path}; name a file that ends in .py")
    plugin.module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = plugin.module
    _LOADING.append(plugin)
    try:
        spec.loader.exec_module(plugin.module)
        if not plugin.registered:
            raise PluginError(
                f"{path} registers nothing; decorate what it brings with ultimate_deep.plugins."
                "feature, net, loss or label, or call ultimate_deep.plugins.steps"
            )
    except BaseException as error:
        _undo(plugin)
        if isinstance(error, (PluginError, KeyboardInterrupt)):
            raise
        raise PluginError(f"the plugin {path} fails: {type(error).__name__}: {error}") from error
    finally:
        _LOADING.remove(plugin)
    _LOADED[plugin.name] = plugin
    return plugin


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


def plugin_records() -> dict[str, str]:
    """Return the SHA-256 of each loaded plugin by name, for a manifest."""
    return {name: plugin.sha256 for name, plugin in sorted(_LOADED.items())}


def missing_plugins(needed: dict[str, str]) -> list[str]:
    """Return what is wrong with the loaded plugins for whom needs these, in words.

    Args:
        needed: SHA-256 by name.
    """
    wrong = []
    for name, digest in needed.items():
        there = _LOADED.get(name)
        if there is None:
            wrong.append(f"{name}.py (SHA-256 {digest[:16]}...), which is not loaded")
        elif there.sha256 != digest:
            wrong.append(
                f"{name}.py (SHA-256 {digest[:16]}...), and {there.path} is another "
                f"({there.sha256[:16]}...)"
            )
    return wrong


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
    for forget in reversed(plugin.forget):
        forget()
    sys.modules.pop(f"{_PACKAGE}.{plugin.name}", None)


def _file_of(name: str) -> Path:
    path = Path(name)
    if path.suffix == ".py":
        if not path.is_file():
            raise PluginError(f"there is no plugin at {path}; name a Python file that exists")
        return path.resolve()
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS, name=name):
        name = entry.module
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        spec = None
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise PluginError(
            f"no plugin is called {name!r}; name a file such as my_module.py, a module that can "
            f"be imported, or an entry point of the group {ENTRY_POINTS}"
        )
    return Path(spec.origin)
