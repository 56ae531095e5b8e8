"""Completion of commands and options in a shell."""

from __future__ import annotations

import argparse
import importlib
from argparse import SUPPRESS

SHELLS = ("bash", "zsh", "tcsh")


def script(shell: str) -> str:
    """Return a completion script.

    Args:
        shell: One of `SHELLS`.

    Raises:
        SystemExit: Another shell, with exit status 2.
    """
    from ultimate_deep.commands import COMMANDS, NAME

    if shell not in SHELLS:
        raise SystemExit(f"error: completion is for {', '.join(SHELLS)}, got {shell!r}")
    import shtab

    whole = argparse.ArgumentParser(prog=NAME)
    commands = whole.add_subparsers()
    for name, text in COMMANDS.items():
        module = importlib.import_module(f"ultimate_deep.commands.{name.replace('-', '_')}")
        one = commands.add_parser(name, help=text)
        for action in module.parser()._actions:
            # A second dot would make hundreds of lines of a screen.
            if (
                action.option_strings
                and "-->" not in action.dest
                and action.help != SUPPRESS
                and action.dest != "help"
            ):
                one.add_argument(
                    *action.option_strings,
                    help=(action.help or "").replace("%", "%%").split(". ")[0],
                    action="store_true" if action.nargs == 0 else "store",
                )
    return str(shtab.complete(whole, shell))
