"""The parser of a subcommand, and how it refuses."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from jsonargparse import ArgumentParser

from ultimate_deep.commands.refusals import in_words


class CommandParser(ArgumentParser):
    """The settings of one subcommand.

    Args:
        command: Name of the subcommand.
        description: What it does, the docstring of its module.
        first: Settings that people use first; the others stand behind `--help.GROUP`.
        has_model: Whether `--model NAME` stands for the settings that suit a model.
        has_plugins: Whether `--plugin FILE` loads modules of the user's own, and `--device NAME`
            says what computes.
        builds: Makes of the options what is run; what it refuses is a bad option.
    """

    def __init__(
        self,
        command: str = "",
        description: str | None = None,
        *,
        first: Sequence[str] = (),
        has_model: bool = False,
        has_plugins: bool = True,
        builds: Callable[[Any], object] | None = None,
        **others: Any,
    ) -> None:
        # jsonargparse makes parsers of this class for parts of its own.
        others.setdefault("add_help", not command)
        super().__init__(prog=program(command), description=description, **others)
        self.first = tuple(first)
        self.has_model = has_model
        self.has_plugins = has_plugins
        self.builds = builds

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """End the program with one error; parsers of parts raise it."""
        if not self.exit_on_error:
            super().error(message, ex)
        refuse(self, message)

    def check(self, options: Any) -> object:
        """Build what the options describe, so that its errors are errors of the options."""
        return self.builds(options) if self.builds is not None else None


def program(command: str) -> str:
    """Return what the user typed: the command, or a script of `train_scripts`."""
    typed = sys.argv[0] if sys.argv else ""
    if typed.endswith(".py") and not typed.endswith("__main__.py"):
        return f"python {os.path.relpath(typed)}"
    return f"ultimate-deep {command}"


def refuse(parser: Any, message: str) -> NoReturn:
    """End the program with an error and where its settings are listed."""
    text = in_words(parser, message.strip()).rstrip(".")
    sys.stderr.write(f"error: {text}\n  {parser.prog} --help lists the settings\n")
    raise SystemExit(2)
