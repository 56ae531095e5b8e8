"""Find the learning rates that a net learns at: a range test with its plot.

    ultimate-deep find-rate --model lstm [--data.path bars.csv] [--plot rates.png]

The net of `ultimate-deep train --model NAME` takes a few hundred steps on the training part while
the rate rises from --lowest to --highest. The plot shows the loss over the rate, and the table
beside it has every step; the rate is suggested at which the loss falls fastest, a third of which
is a careful peak. Nothing else is written. Half a minute for small nets.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ultimate_deep.commands.command_parser import CommandParser
from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.running import started
from ultimate_deep.commands.settings import experiment_of, experiment_parser


def parser() -> CommandParser:
    """Return every setting of a run, and those of the test."""
    made = experiment_parser(
        "find-rate", __doc__, first=("plot", "lowest", "highest"), trains=False
    )
    made.add_argument("--plot", type=Path, default=Path("rates.png"), help="PNG that is written")
    made.add_argument("--lowest", type=float, default=1e-6, help="Rate of the first step")
    made.add_argument("--highest", type=float, default=1.0, help="Rate of the last step")
    made.add_argument("--steps", type=int, default=200, help="Number of steps")
    return made


def main(arguments: Sequence[str]) -> None:
    """Parse, test, draw, print what was found."""
    options = parse(parser(), arguments).options
    config = experiment_of(options)
    console = started()
    from ultimate_deep.experiments.rates import find_rate
    from ultimate_deep.training.progress import make_progress

    found = find_rate(
        config,
        options.plot,
        make_progress(console),
        lowest=options.lowest,
        highest=options.highest,
        steps=options.steps,
    )
    console.print(
        f"The loss falls fastest at {found.suggested:.1e}; this run would peak at "
        f"{found.configured:.1e}\n{found.plot}, {found.plot.with_suffix('.csv')}",
        highlight=False,
        soft_wrap=True,
    )
