"""The project's own files agree with one another."""

import ast
import importlib
import importlib.util
import os
import re
import tomllib
from functools import lru_cache
from pathlib import Path
from types import ModuleType

import pytest
from setuptools.discovery import PackageFinder

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "ultimate_deep"
ROOMS = tuple(sorted(path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()))


UNNAMED = {"commands", "machine"}  # nobody imports these but we


def _files(room: str) -> list[Path]:
    folder = PACKAGE / room if room in ROOMS else ROOT / room
    return sorted(folder.resolve().rglob("*.py"))


@lru_cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _whole_strings(tree: ast.AST) -> set[str]:
    """String constants that are no part of an f-string."""
    parts = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts
    }


def _pyproject() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_requirements_and_pyproject_name_the_same_ranges():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    required = [line for line in lines if line and not line.startswith(("#", "-e"))]
    assert required == _pyproject()["project"]["dependencies"]
    assert "-e ." in lines


def test_every_requirement_has_a_lower_and_an_upper_bound():
    for line in _pyproject()["project"]["dependencies"]:
        assert re.search(r">=[\d.]+,<[\d.]+$", line), line


def test_two_rooms_stand_at_the_root_and_are_reached_through_relative_links():
    for name in ("models", "features"):
        link = PACKAGE / name
        assert link.is_symlink()
        assert os.readlink(link) == f"../{name}"
        assert (ROOT / name).is_dir()


def test_every_folder_with_code_is_a_package_and_every_package_has_code():
    folders = {
        Path(folder).relative_to(ROOT): {name for name in files if name.endswith(".py")}
        for folder, _, files in os.walk(PACKAGE, followlinks=True)
    }
    with_code = {folder: files for folder, files in folders.items() if files}
    assert not [folder for folder, files in with_code.items() if "__init__.py" not in files]
    above = {parent for folder, files in with_code.items() if len(files) > 1 for parent in
             (folder, *folder.parents)}  # fmt: skip
    assert not set(with_code) - above, "an empty package was left behind"


def test_every_package_and_every_file_that_is_no_code_is_installed():
    """What `pyproject.toml` configures finds all of them, the links at the root included."""
    tool = _pyproject()["tool"]["setuptools"]
    find = PackageFinder.find(str(ROOT), include=tool["packages"]["find"]["include"])
    ours = {
        Path(folder).relative_to(ROOT): set(files) - {"__pycache__"}
        for folder, _, files in os.walk(PACKAGE, followlinks=True)
        if Path(folder).name != "__pycache__"
    }
    packages = {folder: files for folder, files in ours.items() if "__init__.py" in files}
    assert {".".join(folder.parts) for folder in packages} == set(find)
    data = {folder / name for folder, files in ours.items() for name in files
            if not name.endswith(".py")}  # fmt: skip
    told = {
        path.relative_to(ROOT)
        for package, patterns in tool["package-data"].items()
        for pattern in patterns
        for path in ROOT.joinpath(*package.split(".")).glob(pattern)
    }
    assert data == told


def test_every_import_of_ours_says_the_package():
    """`from models import ...` would find a user's own folder, or nothing."""
    bare = []
    for path in [*ROOT.glob("ultimate_deep/**/*.py"), *(p for room in ROOMS for p in _files(room))]:
        for node in ast.walk(_tree(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{'.' * node.level}{node.module or ''}"]
            outside = {*ROOMS, "train_scripts", "benchmarks", "tests", ""}
            bare += [f"{path}: {name}" for name in names if name.split(".")[0] in outside]
    assert not bare


def test_every_module_path_in_a_registry_can_be_imported():
    """Strings such as `ultimate_deep.models.nets.lstm:build_lstm`, wherever the code has them."""
    pattern = re.compile(r"ultimate_deep(?:\.\w+)+(?::\w+)?")
    named = {
        text
        for room in ROOMS
        for path in _files(room)
        for text in _whole_strings(_tree(path))
        if pattern.fullmatch(text)
    }
    assert len(named) > 50
    for text in sorted(named):
        module, _, attribute = text.partition(":")
        found = importlib.import_module(module)
        assert not attribute or hasattr(found, attribute), text


@pytest.mark.parametrize("room", ROOMS)
def test_files_stay_short_enough_to_read(room):
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in _files(room)
    }
    assert not {path: length for path, length in lengths.items() if length > 400}


def test_scripts_stay_thin():
    for path in (ROOT / "train_scripts").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 120, path


@pytest.mark.parametrize("room", [*ROOMS, "train_scripts"])
def test_public_functions_and_classes_have_docstrings(room):
    bare = []
    for path in _files(room):
        for node in _tree(path).body:
            named = isinstance(node, ast.FunctionDef | ast.ClassDef)
            if named and not node.name.startswith("_") and ast.get_docstring(node) is None:
                bare.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert not bare


def test_no_package_has_a_catch_all_module():
    names = {path.stem for room in ROOMS for path in (PACKAGE / room).resolve().rglob("*")}
    assert not names & {"utils", "common", "helpers", "core"}


def test_no_function_stands_twice():
    """Four lines or more that two files have alike belong into the lower room of the two."""
    seen: dict[str, str] = {}
    twice = []
    for path in sorted({path for room in ROOMS for path in _files(room)}):
        for node in ast.walk(_tree(path)):
            if not isinstance(node, ast.FunctionDef):
                continue
            body = node.body[1:] if ast.get_docstring(node) else node.body
            text = "\n".join(map(ast.unparse, body))
            where = f"{path.relative_to(ROOT)}: {node.name}"
            if text.count("\n") >= 3 and seen.setdefault(text, where) != where:
                twice.append((seen[text], where))
    assert twice == []


@pytest.mark.parametrize(
    "package", ["ultimate_deep", *(f"ultimate_deep.{r}" for r in ROOMS if r not in UNNAMED)]
)
def test_no_module_hides_a_public_name(package):
    """What is found on first asking must not become a module of that name once it is imported."""
    module = importlib.import_module(package)
    names = [name for name in module.__all__ if importlib.util.find_spec(f"{package}.{name}")]
    for name in names:
        importlib.import_module(f"{package}.{name}")
    found = {name: getattr(module, name) for name in module.__all__}
    modules = [name for name, value in found.items() if isinstance(value, ModuleType)]
    assert set(modules) <= {"layers"}
    assert set(module.__all__) <= set(dir(module))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = module.nothing
