"""List, show and compare finished runs, and say what the ledger has counted.

    ultimate-deep runs list [--artifacts artifacts]
    ultimate-deep runs show lstm-20261128-101500
    ultimate-deep runs compare lstm-20261128-101500 mlp-20261128-104210

`show` prints what a run was asked, what came out and where its files are; `compare` puts the
settings in which runs differ beside their figures. Nothing is judged again: for that there is
`ultimate-deep compare`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ultimate_deep.commands.command_parser import CommandParser, refuse
from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.settings import ARTIFACTS, bundle_folder

if TYPE_CHECKING:
    from rich.console import RenderableType

DEEDS = ("list", "show", "compare")


def parser() -> CommandParser:
    """Return the settings of this command."""
    made = CommandParser("runs", __doc__, first=("artifacts",), has_plugins=False)
    made.add_argument("--artifacts", default=ARTIFACTS, help="Folder that runs are written into")
    return made


def main(arguments: Sequence[str]) -> None:
    """Print what was asked for."""
    made = parser()
    deed, names, rest = _taken(arguments)
    options = parse(made, rest).options
    if deed not in DEEDS:
        refuse(made, f"runs {deed or '...'}: name one of {', '.join(DEEDS)}, such as `runs list`")
    if deed == "show" and len(names) != 1:
        refuse(made, f"runs show takes one run, got {len(names)}; `runs list` names them")
    if deed == "compare" and len(names) < 2:
        refuse(made, f"runs compare takes two runs or more, got {len(names)}")
    if deed == "list" and names:
        refuse(made, f"runs list takes no run, got {names[0]!r}; `runs show {names[0]}` shows it")
    folders = [bundle_folder(name, options.artifacts) for name in names]
    from ultimate_deep.evaluation.ledger.place import ledger_sentence
    from ultimate_deep.experiments import finished
    from ultimate_deep.machine.screen import Screen

    shown: RenderableType
    if deed == "list":
        shown = finished.render_list(Path(options.artifacts), ledger_sentence())
    elif deed == "show":
        shown = finished.render_run(finished.read_run(folders[0]))
    else:
        shown = finished.render_differences([finished.read_run(one) for one in folders])
    Screen().print(shown)


def _taken(arguments: Sequence[str]) -> tuple[str, list[str], list[str]]:
    """Return the deed, the names after it, and the options."""
    words: list[str] = []
    rest: list[str] = []
    takes = False
    for argument in arguments:
        if takes or argument.startswith("-"):
            takes = argument == "--artifacts"
            rest.append(argument)
        else:
            words.append(argument)
    return (words[0] if words else ""), words[1:], rest
