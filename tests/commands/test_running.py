"""What shows a plan, asks, runs and says what was declined."""

import io
import os
import signal
import subprocess
import sys
import time

import pytest
from rich.console import Console

from ultimate_deep.commands.running import NOTHING_KEPT, run_main, run_planned
from ultimate_deep.experiments.run import DeclinedError
from ultimate_deep.machine.interrupts import stop_requests
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


def test_sigterm_ends_a_command_as_ctrl_c_does(capsys):
    def work(message=""):
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(message) from None

    for main in (work, lambda: work("stopped; a.unfinished is kept")):
        with pytest.raises(SystemExit) as ended:
            run_main(main)
        assert ended.value.code == 130
    assert capsys.readouterr().err.splitlines() == [
        NOTHING_KEPT,
        "stopped; a.unfinished is kept; the same command with --resume goes on",
    ]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_training_still_ends_between_two_steps_with_the_first_sigterm():
    def train():
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        with stop_requests() as request:
            os.kill(os.getpid(), signal.SIGTERM)
            assert request.received is signal.SIGTERM
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)

    with pytest.raises(SystemExit, match="130"):
        run_main(train)


def test_a_sigterm_that_is_ignored_stays_ignored():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        run_main(lambda: os.kill(os.getpid(), signal.SIGTERM))
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_help_waits_for_no_backend_and_no_statistics():
    code = "import sys, ultimate_deep.commands.running; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"tensorflow", "keras", "scipy.stats", "sklearn"} & set(done.stdout.split())
