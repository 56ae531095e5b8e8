"""Running a subcommand: the plan that is shown, the question, and what goes wrong in one line."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from ultimate_deep.commands.remedies import in_options
from ultimate_deep.machine.files import FinishedError

if TYPE_CHECKING:  # `--help` need not wait for it
    from rich.console import Console, RenderableType

Plan = TypeVar("Plan")
Done = TypeVar("Done")


def started() -> Console:
    """Return a console, once the backend and the feature engine are loaded, which it says."""
    from ultimate_deep.machine.screen import Screen
    from ultimate_deep.training.backend import start_up

    console = Screen()
    start_up(console)
    return console


def asker(
    console: Console, question: str, render: Callable[[Plan], RenderableType], *, yes: bool
) -> Callable[[Plan], bool]:
    """Return what shows a plan and asks before it is carried out.

    Args:
        console: Where to show and ask.
        question: Answered with y or yes, anything else declines.
        render: What the plan looks like.
        yes: Do not ask; without a terminal nobody is asked either.
    """

    def confirm(plan: Plan) -> bool:
        console.print(render(plan))
        if yes or not sys.stdin.isatty():
            return True
        return console.input(f"{question} [y/N] ").strip().lower() in ("y", "yes")

    return confirm


def run_planned(
    console: Console,
    run: Callable[..., Done],
    *,
    yes: bool,
    question: str = "Train?",
    render: Callable[[Any], RenderableType] | None = None,
    declined: str = "Nothing was written.",
) -> Done | None:
    """Carry out what has a plan: show it, ask, and show progress until it is done.

    Args:
        console: Where to show, ask and report; the backend has been loaded.
        run: Called with a `Progress` and `confirm`, which it calls with its plan before the work.
        yes: Do not ask.
        question: Answered with y or yes, anything else declines.
        render: What a plan looks like, `training.loop.plan.render_plan` unless given.
        declined: Said where it was declined.

    Returns:
        What `run` returns; None where it was declined.
    """
    # Not at the top: they load TensorFlow, and `--help` need not wait for that.
    from ultimate_deep.experiments.run import DeclinedError
    from ultimate_deep.training.loop.plan import render_plan
    from ultimate_deep.training.progress import make_progress

    confirm = asker(console, question, render or render_plan, yes=yes)
    try:
        return run(make_progress(console), confirm=confirm)
    except DeclinedError:
        console.print(declined)
        return None


def run_main(main: Callable[[], None]) -> None:
    """Run a subcommand; errors of the user's making print one message instead of a traceback.

    Exit status: 0 done, 1 an error named on standard error, 130 interrupted by Ctrl-C or SIGTERM.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files need not be texts
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with _sigterm_as_ctrl_c():
            main()
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except FinishedError as done:  # nothing is wrong: what was asked for is there
        print(done)
    except (ValueError, TypeError, OSError) as error:
        sys.exit(f"error: {in_options(error)}")
    except KeyboardInterrupt as stop:
        # A message comes from a run that has kept a checkpoint.
        said = f"{stop}; the same command with --resume goes on" if str(stop) else NOTHING_KEPT
        print(said, file=sys.stderr)
        sys.exit(130)


@contextlib.contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Let SIGTERM, with which systems and schedulers stop programs, end a command as Ctrl-C does.

    Where it is ignored, or somebody else's already, and outside the main thread, it stays so.
    """
    here = threading.current_thread() is threading.main_thread()
    if not here or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


NOTHING_KEPT = (
    "interrupted before anything was kept; the same command starts again, with --resume where it "
    "had been given"
)
