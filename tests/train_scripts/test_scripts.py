"""What every script must have: a way to run it, one to end it, and a page that tells of it."""

import ast
import re
from pathlib import Path

import pytest

from ultimate_deep.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "train_scripts").glob("*.py"))
SCRIPTS = [path.stem for path in PATHS]

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
    """What a script starts catches them: a subcommand's `start`, or `run_main` around its own."""
    last = tree_of(name).body[-1]
    assert isinstance(last, ast.If)
    assert ast.unparse(last.test) == "__name__ == '__main__'"
    (call,) = [ast.unparse(one) for one in last.body]
    command = re.fullmatch(r"start\('([\w-]+)'\)", call)
    assert call == "run_main(main)" if command is None else command[1] in COMMANDS


def test_every_command_that_trains_or_judges_has_its_script():
    started = [re.search(r'start\("([\w-]+)"\)', path.read_text()) for path in PATHS]
    assert {one[1] for one in started if one} == set(COMMANDS) - {"runs", "check", "doctor"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_page_tells_of_it(name):
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert [page.name for page in pages if f"{name}.py" in page.read_text()]
