"""What shows a plan, asks, runs and says what was declined."""

import io
import subprocess
import sys

import pytest
from rich.console import Console

from ultimate_deep.commands.running import run_main, run_planned
from ultimate_deep.experiments.run import DeclinedError
from ultimate_deep.training.progress import Progress


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=100)


@pytest.fixture
def answer(monkeypatch, console):
    """Answer every question on a terminal; returns the questions."""

    def give(text):
        asked = []
        monkeypatch.setattr("sys.stdin", io.StringIO())
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr(console, "input", lambda question: asked.append(question) or text)
        return asked

    return give


def planned(progress, *, confirm):
    assert isinstance(progress, Progress)
    if not confirm("a plan of three steps"):
        raise DeclinedError
    return "done"


def said(console):
    return console.file.getvalue()


@pytest.mark.parametrize("text", ["y", "Yes "])
def test_a_yes_runs(console, answer, text):
    asked = answer(text)
    assert run_planned(console, planned, yes=False, render=str) == "done"
    assert asked == ["Train? [y/N] "]
    assert said(console) == "a plan of three steps\n"


def test_anything_else_declines_and_says_so(console, answer):
    asked = answer("later")
    done = run_planned(
        console, planned, yes=False, question="Search?", render=str, declined="Not even a folder."
    )
    assert done is None
    assert asked == ["Search? [y/N] "]
    assert said(console) == "a plan of three steps\nNot even a folder.\n"


def test_nobody_is_asked_with_yes_or_without_a_terminal(console, answer, monkeypatch):
    asked = answer("n")
    assert run_planned(console, planned, yes=True, render=str) == "done"
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    assert run_planned(console, planned, yes=False, render=str) == "done"
    assert not asked


def test_what_runs_may_fail(console):
    def fails(progress, *, confirm):
        raise ValueError("no bars")

    with pytest.raises(ValueError, match="no bars"):
        run_planned(console, fails, yes=True)


def test_a_name_in_another_encoding_is_printed_by_its_codes(capfdbinary, monkeypatch):
    with open(1, "w", encoding="utf-8", closefd=False) as out:
        monkeypatch.setattr("sys.stdout", out)
        run_main(lambda: print("b\udce4r"))
    assert capfdbinary.readouterr().out == b"b\\udce4r\n"


def test_help_waits_for_no_backend_and_no_statistics():
    code = "import sys, ultimate_deep.commands.running; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"tensorflow", "keras", "scipy.stats", "sklearn"} & set(done.stdout.split())
