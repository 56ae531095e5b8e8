"""What loaded plugins import from their own folders: found by name, run from source, forgotten."""

from __future__ import annotations

import sys
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

from ultimate_deep.machine.plugin_files import PREFIX, PluginError, PluginFiles, is_installed


class _FromSource(SourceFileLoader):
    """Runs what the file says now: a cache of bytecode goes by seconds and size, not by content."""

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


@dataclass(eq=False)
class _Claimed:
    """A module that belongs to plugins.

    Args:
        spec: Where it lies.
        digest: SHA-256 of its file; empty for a folder.
        owners: Names of the plugins that import it.
        before: What had its name before: the same file, imported without a plugin.
    """

    spec: ModuleSpec
    digest: str
    owners: list[str] = field(default_factory=list)
    before: ModuleType | None = None


class _Finder:
    """Finds the modules that plugins import from their folders, and no other ones."""

    of_plugins = True

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the module's place, None where it belongs to no plugin."""
        claimed = _CLAIMED.get(name)
        if claimed is None:
            return None
        origin = claimed.spec.origin
        if origin is not None and origin.endswith(".py"):
            return own_spec(name, Path(origin))
        return claimed.spec


_CLAIMED: dict[str, _Claimed] = {}
_FINDER = _Finder()


def own_spec(name: str, path: Path) -> ModuleSpec:
    """Return how a plugin's file is run under a name."""
    inside = [str(path.parent)] if path.name == "__init__.py" else None
    spec = spec_from_file_location(
        name, path, loader=_FromSource(name, str(path)), submodule_search_locations=inside
    )
    assert spec is not None
    return spec


def claim(plugin: PluginFiles) -> None:
    """Make the modules that a plugin imports from its folder importable.

    Raises:
        PluginError: Another module of such a name is loaded, or the file has changed since.
    """
    wanted = dict(plugin.modules)
    if plugin.package:
        wanted[plugin.name] = own_spec(plugin.name, plugin.path)
    digests = {
        name: "" if spec.origin is None else plugin.digest_of(Path(spec.origin))
        for name, spec in wanted.items()
    }
    for name, spec in wanted.items():
        _refuse_other(plugin, name, spec, digests[name])
    for name, spec in wanted.items():
        if name not in _CLAIMED:
            _CLAIMED[name] = _Claimed(spec, digests[name], before=sys.modules.pop(name, None))
        _CLAIMED[name].owners.append(plugin.name)
    if _CLAIMED and _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def release(plugin: PluginFiles) -> None:
    """Forget the modules of a plugin that no other plugin imports."""
    sys.modules.pop(plugin.module_name, None)
    for name in [name for name, one in _CLAIMED.items() if plugin.name in one.owners]:
        claimed = _CLAIMED[name]
        claimed.owners.remove(plugin.name)
        if not claimed.owners:
            del _CLAIMED[name]
            sys.modules.pop(name, None)
            if claimed.before is not None:
                sys.modules[name] = claimed.before
    if not _CLAIMED and _FINDER in sys.meta_path:
        sys.meta_path.remove(_FINDER)


def forget_code(plugin: PluginFiles) -> None:
    """Forget the code of a plugin, so that it is run from its files when it is next imported."""
    for name in (plugin.module_name, *plugin.modules):
        sys.modules.pop(name, None)


def refuse_unread(plugin: PluginFiles, before: Container[str], paths: Sequence[str]) -> None:
    """Refuse a plugin that has imported a file that its hash does not cover.

    Its folder, where it has put that on `sys.path` itself, is taken off again: what lies there is
    found without.

    Args:
        plugin: The plugin, which has run.
        before: Names of the modules before.
        paths: `sys.path` before.

    Raises:
        PluginError: A file of its folder, or of one that it has put on `sys.path`, was imported in
            a way that its text does not show.
    """
    added = {Path(one).resolve() for one in sys.path if one not in paths}
    sys.path[:] = [one for one in sys.path if one in paths or Path(one).resolve() != plugin.home]
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name in before or name in _CLAIMED or name.startswith(f"{PREFIX}."):
            continue
        if not isinstance(file, str) or is_installed(file):
            continue
        path = Path(file).resolve()
        top = path.parent if path.name == "__init__.py" else path
        root = top.parents[min(name.count("."), len(top.parents) - 1)]
        inside = plugin.package and path.is_relative_to(plugin.path.parent)
        if root in added or root == plugin.home or inside:
            raise PluginError(
                f"the plugin {plugin.path} imports {path}, which its hash does not cover: it is "
                "read from the text, and only from the plugin's own folder; put the file into "
                f"{plugin.home} and write `import {name}`, or install it as a package"
            )


def _refuse_other(plugin: PluginFiles, name: str, spec: ModuleSpec, digest: str) -> None:
    claimed, loaded = _CLAIMED.get(name), sys.modules.get(name)
    if claimed is not None:
        whose = f"the plugin {claimed.owners[0]}"
        if claimed.spec.origin != spec.origin:
            raise PluginError(
                f"the plugin {plugin.path} imports {name} from {spec.origin}, and {whose} has "
                f"loaded another one, {claimed.spec.origin}; rename one of them"
            )
        if claimed.digest != digest:
            raise PluginError(
                f"{spec.origin} has changed since {whose} loaded it; start Python anew"
            )
        if plugin.package and name == plugin.name:
            raise PluginError(
                f"the package {plugin.path.parent} is loaded already, as a part of {whose}; "
                "name one of them only"
            )
        return
    file = getattr(loaded, "__file__", None)
    same = file == spec.origin or (
        file is not None and spec.origin is not None and Path(file).samefile(spec.origin)
    )
    if loaded is not None and not same:
        raise PluginError(
            f"the plugin {plugin.path} imports {name} from {spec.origin}, and another module of "
            f"this name is loaded ({file or loaded!r}); rename it"
        )
