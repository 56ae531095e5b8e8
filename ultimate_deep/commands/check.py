"""Run the contract tests on your own feature, net, loss, label or steps.

    ultimate-deep check my_module.py

Features are asked whether they know the future, depend on the level of prices, are warm when they
say so and stream the same bits; nets whether every weight learns, rows are answered by themselves
and saved files load again; losses whether value and gradient are finite; labels whether they end
with their horizon; steps are examined as `detect-leaks` does. Exit status: 0 all is kept, 1 a
contract is broken, and which. Seconds, for nets half a minute.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    console.print(
        f"SHA-256 of {plugin.path.name}: {plugin.sha256}", highlight=False, soft_wrap=True
    )
    if broken:
        raise SystemExit(1)
