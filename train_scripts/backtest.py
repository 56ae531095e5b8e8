"""Backtest a saved model after costs, with its run's own threshold and rules.

    python train_scripts/backtest.py --bundle artifacts/latest --data.path bars.csv

On the file of the run it reproduces the run's test figures exactly, and says so. Seconds.
Options that are not given, such as the file's format, are those of the run; without --data.path
a simulated run is simulated again.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from ultimate_deep.experiments.command_line import parse, run_main, script_parser
from ultimate_deep.training.backend import start_up

if TYPE_CHECKING:
    from ultimate_deep.experiments.judging.rejudged import Rejudged

SHOWN = (
    "accuracy", "roc_auc", "log_loss", "total_return", "annual_return", "sharpe", "sortino",
    "max_drawdown", "win_rate", "profit_factor", "turnover", "exposure", "trades",
)  # fmt: skip


def main() -> None:
    """Parse, judge, print; optionally write the trades."""
    parser = script_parser(__doc__, period=True)
    parser.add_argument("--trades", help="CSV file to write the trade list to")
    options = parse(parser)
    start_up(Console())
    from ultimate_deep.bundles.bundle import load_any
    from ultimate_deep.experiments.judging.rejudged import backtest_bundle
    from ultimate_deep.machine.files import whole_file

    bundle = load_any(options.bundle)
    result = backtest_bundle(bundle, options.data, options.period)
    show(result)
    if options.trades:
        with whole_file(Path(options.trades)) as draft:
            result.judgement.backtest.trades.to_csv(draft, index=False)
    if result.differing:
        raise ValueError(
            "the run's test figures were not reproduced: " + "; ".join(result.differing)
        )


def show(result: "Rejudged") -> None:
    """Print the figures beside buy and hold."""
    table = Table(title=f"{result.rows:,} decisions, after costs")
    table.add_column("figure")
    table.add_column("model", justify="right")
    table.add_column("buy and hold", justify="right")
    for name in SHOWN:
        cells = [side.metrics.get(name) for side in (result.judgement, result.buy_and_hold)]
        table.add_row(name, *("-" if cell is None else f"{cell:.6g}" for cell in cells))
    console = Console()
    console.print(table)
    for note in (*result.notes, result.trials.sentence):
        console.print(f"- {note}", highlight=False)
    if result.same_bars and not result.differing:
        console.print("- every test figure of the run is reproduced exactly", highlight=False)


if __name__ == "__main__":
    run_main(main)
