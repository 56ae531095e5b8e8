"""The pages of the reference: one for each package of `ultimate_deep`, made from its files.

A new room or module is there with the next build; nothing needs to be listed by hand.
"""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "ultimate_deep"
FACE = "ultimate_deep"
HEADING = "=" * 80


def write_reference(folder: Path) -> None:
    """Write a page for each package that has public names, and remove what has become stale.

    Args:
        folder: Where the pages lie; `index.md` is written by hand and stays.
    """
    folder.mkdir(exist_ok=True)
    pages = {f"{package}.rst": text for package, text in reference_pages()}
    for stale in folder.glob("*.rst"):
        if stale.name not in pages:
            stale.unlink()
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def reference_pages() -> Iterator[tuple[str, str]]:
    """Yield each package's dotted name and its page."""
    for place, folders, files in os.walk(PACKAGE, followlinks=True):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        path = Path(place)
        package = ".".join(("ultimate_deep", *path.relative_to(PACKAGE).parts))
        modules = sorted(name[:-3] for name in files if name.endswith(".py"))
        public = [name for name in modules if name[0] != "_" and public_names(path / f"{name}.py")]
        if "__init__" in modules and (public or exported(path / "__init__.py")):
            yield package, _page(package, public, exported(path / "__init__.py"))


def public_names(path: Path) -> list[str]:
    """Return the functions and classes that a file defines for others."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    body = ast.parse(path.read_text()).body
    return [n.name for n in body if isinstance(n, kinds) and not n.name.startswith("_")]


def exported(path: Path) -> list[str]:
    """Return the names in a package's `__all__`, none where it has no such list."""
    for node in ast.parse(path.read_text()).body:
        named = isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        if named and node.targets[0].id == "__all__" and isinstance(node.value, ast.List):
            return [one.value for one in node.value.elts if isinstance(one, ast.Constant)]
    return []


def _page(package: str, modules: list[str], names: list[str]) -> str:
    short = package.removeprefix("ultimate_deep.")
    lines = [short, HEADING, "", f".. automodule:: {package}", "   :no-members:", ""]
    if package == FACE:
        # What people import by this very name is told of here, with its examples; functions first.
        for one in sorted(names, key=lambda one: one[0].isupper()):
            kind = "autoclass" if one[0].isupper() else "autofunction"
            lines += [f".. {kind}:: {package}.{one}", ""]
    elif names:
        lines += [
            f"Import from ``{package}``: " + ", ".join(f"``{one}``" for one in names) + ".",
            "",
        ]
    for module in modules:
        lines += [module, "-" * 80, "", f".. automodule:: {package}.{module}", ""]
    return "\n".join(lines)
