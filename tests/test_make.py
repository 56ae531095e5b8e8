"""The Makefile's own choices: which Python, and which tests of one name."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("python3.11", "python3.12", "python3.13", "python3")
# What an outer make hands down would answer for the inner one.
HANDED_DOWN = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "PYTHON", "VENV", "K")

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")


def make(
    *given: str, path: str | None = None, folder: Path = ROOT
) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in HANDED_DOWN}
    if path is not None:
        environment["PATH"] = path
    command = ["make", "--no-print-directory", "-C", str(folder), *given]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


def path_with(folder: Path, working: tuple[str, ...]) -> str:
    """A PATH whose Pythons are those of `folder`: some work, the others are there and do not run.

    Such are pyenv's shims of versions that are not selected.
    """
    for name in PYTHONS:
        status = 0 if name in working else 127
        (folder / name).write_text(f"#!/bin/sh\nexit {status}\n")
        (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@needs_make
@pytest.mark.parametrize("first", range(len(PYTHONS)))
def test_the_version_of_ci_comes_first_and_what_does_not_run_is_stepped_over(tmp_path, first):
    path = path_with(tmp_path, PYTHONS[first:])
    venv = tmp_path / "venv"
    said = make("-n", f"VENV={venv}", f"{venv}/bin/python", path=path).stdout
    assert f"== creating {venv} with {tmp_path / PYTHONS[first]}\n" in said.replace('"', "")


@needs_make
def test_a_python_that_is_named_is_taken(tmp_path):
    venv = tmp_path / "venv"
    given = ("-n", f"VENV={venv}", f"{venv}/bin/python", "PYTHON=/opt/some/python")
    assert "creating" in make(*given, path=path_with(tmp_path, PYTHONS)).stdout
    assert "/opt/some/python -m venv" in make(*given, path=path_with(tmp_path, PYTHONS)).stdout


@needs_make
def test_no_python_that_works_is_an_error_that_says_which_would(tmp_path):
    venv = tmp_path / "venv"
    ended = make(f"VENV={venv}", f"{venv}/bin/python", path=path_with(tmp_path, ()))
    assert ended.returncode
    assert "No Python 3.11 to 3.13 found on the PATH" in ended.stdout
    assert not venv.exists()


@needs_make
def test_check_without_a_name_says_how_to_use_it(tmp_path):
    (tmp_path / ".installed-dev").touch()
    installed = (f"VENV={tmp_path}", "-o", f"{tmp_path}/.installed-dev")
    ended = make("check", *installed)
    assert ended.returncode
    assert "make check K=lstm" in ended.stdout


CONTRACTS = """
from pytest import mark

@mark.contract
@mark.parametrize("name", ["lstm", "bilstm"])
def test_model(name):
    pass

@mark.contract(by="case")
@mark.parametrize("case", ["focal", "focal of three", "trading", "quantile+focal"])
def test_loss(case):
    pass

@mark.contract(walks=lambda: ["rsi_14", "rsi_7"])
def test_features():
    pass

def test_of_none():
    pass
"""


@pytest.fixture
def collected(tmp_path):
    """A function that gives what pytest collects with `--of NAME`, and what it says."""
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = contract\n")
    (tmp_path / "test_contracts.py").write_text(CONTRACTS)

    def collect(*given: str) -> tuple[list[str], str]:
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *given]
        environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        ended = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        lines = ended.stdout.splitlines()
        return [line.split("::")[1] for line in lines if "::" in line], ended.stderr

    return collect


def test_a_name_picks_its_own_contract_tests_and_no_others(collected):
    assert collected("--of", "lstm")[0] == ["test_model[lstm]"]
    assert collected("--of", "focal")[0] == [
        "test_loss[focal]", "test_loss[focal of three]", "test_loss[quantile+focal]",
    ]  # fmt: skip
    assert collected("--of", "quantile")[0] == ["test_loss[quantile+focal]"]
    assert collected("--of", "rsi_7")[0] == ["test_features"]
    assert len(collected()[0]) == 8


def test_a_name_that_no_test_is_about_is_an_error_that_says_so(collected):
    found, said = collected("--of", "ltsm")
    assert not found
    assert "no contract test is about 'ltsm'; did you mean lstm" in said
    assert "did you mean lstm" in collected("--of", "LSTM")[1]


def test_the_names_that_are_shown_are_names_and_few(collected, tmp_path):
    known = "known are bilstm, focal, lstm, quantile, rsi_14, rsi_7, trading\n"
    assert known in collected("--of", "xyz")[1]
    assert "test_loss" not in collected("--of", "three")[1]
    many = "[f'n{number:02}' for number in range(50)]"
    path = tmp_path / "test_contracts.py"
    path.write_text(path.read_text().replace('["rsi_14", "rsi_7"]', many))
    said = collected("--of", "xyz")[1]
    assert "n16 and 35 more" in said
    assert "n17" not in said


@needs_make
@pytest.mark.parametrize(
    "name",
    ['a"; touch broken; "', "a'; touch broken; '", "$(shell touch broken)", "`touch broken`"],
)
def test_a_name_is_handed_on_as_it_is_and_never_run(tmp_path, name):
    """The tests of a name that is a command are asked for; the command does not run."""
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$4" > "$(dirname "$0")/asked"\n')
    python.chmod(0o755)
    for tool in ("ruff", "lint-imports", "mypy"):
        (tmp_path / "bin" / tool).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / tool).chmod(0o755)
    for mark in (".installed", ".installed-dev"):
        (tmp_path / mark).touch()
    folder = tmp_path / "here"
    folder.mkdir()
    for file in ("Makefile", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / file, folder)
    (folder / "tests").mkdir()
    done = make("check", f"K={name}", f"VENV={tmp_path}", "-o", f"{tmp_path}/.installed",
                "-o", f"{tmp_path}/.installed-dev", folder=folder)  # fmt: skip
    assert (tmp_path / "bin" / "asked").read_text() == f"{name}\n", done.stdout + done.stderr
    assert not list(tmp_path.rglob("broken"))
