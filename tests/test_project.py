"""The project's own files agree with one another."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("market", "features", "models", "training", "evaluation", "portfolio")


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


def test_every_package_folder_is_installed():
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for name in PACKAGES
        for path in (ROOT / name).rglob("__init__.py")
    }
    assert folders == set(_pyproject()["tool"]["setuptools"]["packages"])


@pytest.mark.parametrize("package", PACKAGES)
def test_files_stay_short_enough_to_read(package):
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines())
        for path in (ROOT / package).rglob("*.py")
    }
    assert not {path: length for path, length in lengths.items() if length > 400}


def test_scripts_stay_thin():
    for path in (ROOT / "train_scripts").glob("*.py"):
        assert len(path.read_text().splitlines()) <= 120, path


@pytest.mark.parametrize("package", [*PACKAGES, "train_scripts"])
def test_public_functions_and_classes_have_docstrings(package):
    bare = []
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            named = isinstance(node, ast.FunctionDef | ast.ClassDef)
            if named and not node.name.startswith("_") and ast.get_docstring(node) is None:
                bare.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert not bare


def test_no_package_has_a_catch_all_module():
    names = {path.stem for name in PACKAGES for path in (ROOT / name).rglob("*")}
    assert not names & {"utils", "common", "helpers", "core"}
