"""Say what a bug report needs: versions, processor, memory, devices, extras, the ledger's place.

    ultimate-deep doctor

Ends with a prediction of a small net whose every step is exact in float32, so that it comes out to
the last bit wherever arithmetic works, and with a digest of features by which two machines can be
compared. A ledger that a run could not count its trials in is a problem too. Exit status: 0 all is
well, 1 something is not as it must be. Ten to twenty seconds; about a minute the first time, when
the feature engine is compiled.
"""

from __future__ import annotations

from collections.abc import Sequence

from ultimate_deep.commands.command_parser import CommandParser
from ultimate_deep.commands.parser import parse


def parser() -> CommandParser:
    """Return the settings of this command: none."""
    return CommandParser("doctor", __doc__, has_plugins=False)


def main(arguments: Sequence[str]) -> None:
    """Look at the machine, print, and say whether all is well."""
    parse(parser(), arguments)
    from ultimate_deep.training.backend import load_backend

    load_backend()
    from ultimate_deep.experiments.diagnosis import diagnose

    found = diagnose()
    width = max(map(len, found.lines))
    for name, text in found.lines.items():
        print(f"{name:<{width}}  {text}")
    for problem in found.problems:
        print(f"problem: {problem}")
    if found.problems:
        raise SystemExit(1)
    print("All is well.")
