"""Run the contract tests on your own feature, net, loss, label or steps.

    ultimate-deep check my_module.py

Features are asked whether they know the future, depend on the level of prices, are warm when they
say so and stream the same bits; nets whether every weight learns, rows are answered by themselves
and saved files load again; losses whether value and gradient are finite; labels whether they end
with their horizon and are unknown at their decision; steps are examined as `detect-leaks` does.
Exit status: 0 all is kept, 1 a contract is broken, and which. Seconds, for nets half a minute.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from ultimate_deep.commands.command_parser import CommandParser, refuse
from ultimate_deep.commands.parser import parse
from ultimate_deep.machine.plugins import load_plugin


def parser() -> CommandParser:
    """Return the settings of this command: none but the file."""
    return CommandParser("check", __doc__, has_plugins=False)


def main(arguments: Sequence[str]) -> None:
    """Load the plugin, check all that it registers, print."""
    made = parser()
    files = [one for one in arguments if not one.startswith("-")]
    parse(made, [one for one in arguments if one.startswith("-")])
    if len(files) != 1:
        refuse(made, f"check takes one module, got {len(files)}: ultimate-deep check my_module.py")
    from ultimate_deep.machine.screen import Screen
    from ultimate_deep.training.backend import without_chatter

    with without_chatter():
        plugin = load_plugin(files[0])

    from ultimate_deep.experiments.checking.check import check_plugin, needs_keras

    console = Screen()
    if needs_keras(plugin):
        from ultimate_deep.training.backend import start_up

        start_up(console)
    else:
        console.print("loading the feature engine (compiled once on a machine) ...")
    broken = 0
    with warnings.catch_warnings():
        # Code that is run anew for each computation would warn anew, too.
        warnings.showwarning = _once(warnings.showwarning)
        for finding in check_plugin(plugin):
            broken += not finding.kept
            mark = "kept   " if finding.kept else "REFUSED"
            console.print(
                f"{mark} {finding.subject}: {finding.contract}"
                + ("" if finding.kept else f"\n        {finding.problem}"),
                style="" if finding.kept else "bold red",
                highlight=False,
                soft_wrap=True,
            )
    names = ", ".join(plugin.files.digests)
    console.print(f"SHA-256 of {names}: {plugin.sha256}", highlight=False, soft_wrap=True)
    if broken:
        raise SystemExit(1)


def _once(show: Callable[..., None]) -> Callable[..., None]:
    """Return what shows each warning the first time only."""
    shown: set[tuple[str, str, int]] = set()

    def shown_once(message: Any, category: Any, filename: str, lineno: int, *rest: Any) -> None:
        if (str(message), filename, lineno) not in shown:
            shown.add((str(message), filename, lineno))
            show(message, category, filename, lineno, *rest)

    return shown_once
