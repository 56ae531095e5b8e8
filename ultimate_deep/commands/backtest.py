"""Backtest a saved model after costs, with its run's own threshold and rules.

    ultimate-deep backtest --bundle artifacts/latest --data.path bars.csv

Prints the figures beside buy and hold, and on the file of the run beside its baselines; there it
reproduces the run's test figures exactly, and says so. Writes `backtest-<run>-<time>/` beside the
bundle with predictions, trades, equity and positions (--tables parquet instead of csv) and
summary.json. Seconds. Options that are not given, such as the file's format, are those of the run;
without --data.path a simulated run is simulated again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ultimate_deep.commands.command_parser import CommandParser
from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.running import started
from ultimate_deep.commands.settings import bundle_parser, bundle_to_use
from ultimate_deep.evaluation.ledger.place import check_counted_places


def parser() -> CommandParser:
    """Return the settings of a backtest."""
    made = bundle_parser("backtest", __doc__, first=("period", "tables"), period=True)
    made.add_argument(
        "--tables", type=Literal["csv", "parquet"], default="csv", help="Format of the tables"
    )
    return made


def main(arguments: Sequence[str]) -> None:
    """Parse, judge, write, print."""
    options = parse(parser(), arguments).options
    folder = bundle_to_use(options.bundle, options.artifacts)
    check_counted_places(artifacts=folder.resolve().parent, named="the bundle's folder")
    console = started()
    from ultimate_deep.bundles.bundle import load_any
    from ultimate_deep.experiments.judging.rejudged import backtest_bundle, write_backtest
    from ultimate_deep.experiments.summary import render_backtest

    result = backtest_bundle(load_any(folder), options.data, options.period)
    written = write_backtest(result, options.tables)
    console.print(render_backtest(result))
    console.print(f"Tables: {written}", highlight=False)
    if result.differing:
        raise ValueError(
            "the run's test figures were not reproduced: " + "; ".join(result.differing)
        )
