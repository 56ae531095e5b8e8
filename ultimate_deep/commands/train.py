"""Train, judge and save any model with the settings that suit it.

    ultimate-deep train --model lstm [--data.path bars.csv] [--yes] [--resume]
    ultimate-deep train --list

Nets and boosted trees, on features, windows, timeframes or pictures: each model says what it reads.
Path, bundle, report, resume and progress are the main job's, and so is every setting. `--model
NAME` takes the settings that suit the model from a file of its name; what else is on the command
line changes them. Without --data.path the bars are simulated, with an edge that is known. With the
defaults, 20,000 bars: a minute or so for trees and tabular nets, two to ten minutes for sequences
and pictures on two cores.
"""

from __future__ import annotations

from collections.abc import Sequence

from ultimate_deep.commands import run
from ultimate_deep.commands.command_parser import CommandParser


def parser() -> CommandParser:
    """Return every setting of a run."""
    return run.parser("train", __doc__)


def main(arguments: Sequence[str]) -> None:
    """Parse, run, print the summary."""
    run.train(parser(), arguments)
