"""What every script must have: a way to run it, one to end it, and a page that tells of it."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(path.stem for path in (ROOT / "train_scripts").glob("*.py"))

pytestmark = pytest.mark.contract


def tree_of(name: str) -> ast.Module:
    return ast.parse((ROOT / "train_scripts" / f"{name}.py").read_text())


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_docstring_gives_the_command(name):
    told = ast.get_docstring(tree_of(name)) or ""
    first, _, rest = told.partition("\n\n")
    assert first.endswith((".", "?"))
    assert f"python train_scripts/{name}.py" in rest


@pytest.mark.parametrize("name", SCRIPTS)
def test_errors_of_a_user_end_it_with_one_message(name):
    last = tree_of(name).body[-1]
    assert isinstance(last, ast.If)
    assert ast.unparse(last) == "if __name__ == '__main__':\n    run_main(main)"


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_page_tells_of_it(name):
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert [page.name for page in pages if f"{name}.py" in page.read_text()]
