"""Write a saved model's predictions for bars.

    ultimate-deep predict --bundle artifacts/latest --data.path new_bars.csv --output out.csv

One row for each bar that has all inputs: symbol, timestamp (bar open), decision_time (bar close),
probability_up, signal, and what further heads say. --output ends in .csv, .csv.gz or .parquet; a
file that is there is replaced, which it says. Seconds. The first bars of a file have no prediction:
they are the warm-up of the features and the first windows. --passes 30 adds how sure the model is:
confidence, and in nats what is open in the data (aleatoric) and what 30 passes with dropout, or an
ensemble's members, do not agree on (epistemic).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ultimate_deep.commands.command_parser import CommandParser, refuse
from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.remedies import options_in
from ultimate_deep.commands.running import started
from ultimate_deep.commands.settings import bundle_parser, bundle_to_use
from ultimate_deep.machine.places import check_places
from ultimate_deep.machine.tables import ENDS, cell_text, check_table_file, write_table


def parser() -> CommandParser:
    """Return the settings of predictions."""
    made = bundle_parser("predict", __doc__, first=("output", "passes"))
    made.add_argument(
        "--output", default="predictions.csv", help=f"File to write: {', '.join(ENDS)}"
    )
    made.add_argument("--passes", type=int, default=0, help="Of dropout, for uncertainty")
    return made


def main(arguments: Sequence[str]) -> None:
    """Parse, predict, write."""
    made = parser()
    options = parse(made, arguments).options
    output = Path(options.output)
    check_table_file(output)
    if options.passes < 0:
        refuse(made, f"--passes must be at least 0, got {options.passes}; give e.g. --passes 30")
    folder = bundle_to_use(options.bundle, options.artifacts)
    check_places(output=options.output, ledger=False)
    console = started()
    from ultimate_deep.bundles.bundle import load_any
    from ultimate_deep.bundles.predicting import (
        bundle_config,
        bundle_data,
        closed_bars,
        length_notes,
        predict_bars,
    )
    from ultimate_deep.market.market import load_market

    bundle = load_any(folder)
    config = bundle_config(bundle)
    market = load_market(bundle_data(bundle, options.data), config.label)
    market, open_bars = closed_bars(market)
    for line in (*market.told, *length_notes(bundle, market), *open_bars):
        console.print(options_in(line), highlight=False, soft_wrap=True)
    predictions = predict_bars(bundle, market)
    if options.passes:
        # How sure it is needs what plain predictions do not.
        from ultimate_deep.bundles.prediction_uncertainty import uncertainty_columns

        sure = uncertainty_columns(bundle, market, passes=options.passes)
        predictions = predictions.merge(sure, on=["symbol", "timestamp"], validate="one_to_one")
    replaced = ", in place of the file that was there" if output.exists() else ""
    write_table(output, predictions)
    last = predictions.iloc[-1]
    console.print(
        f"{len(predictions):,} predictions in {output}{replaced}; the last: "
        f"{cell_text(last['symbol'])} "
        f"{last['timestamp']}, P(up) {last['probability_up']:.4f}, signal {last['signal']}",
        highlight=False,
        soft_wrap=True,
    )
