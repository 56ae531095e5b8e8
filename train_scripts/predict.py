"""Write a saved model's predictions for bars.

    python train_scripts/predict.py --bundle artifacts/latest --data.path new_bars.csv \\
        --output predictions.csv

One row for each bar that has all inputs: symbol, timestamp (bar open), decision_time (bar close),
probability_up, signal, and what further heads say. Seconds. The first bars of a file have no
prediction: they are the warm-up of the features and the first windows. --passes 30 adds how sure
the model is: confidence, and in nats what is open in the data (aleatoric) and what 30 passes with
dropout, or an ensemble's members, do not agree on (epistemic).
"""

from pathlib import Path

from rich.console import Console

from ultimate_deep.experiments.command_line import parse, run_main, script_parser
from ultimate_deep.machine.files import whole_file
from ultimate_deep.training.backend import start_up


def main() -> None:
    """Parse, predict, write."""
    parser = script_parser(__doc__)
    parser.add_argument("--output", default="predictions.csv", help="CSV file to write")
    parser.add_argument("--passes", type=int, default=0, help="Of dropout, for uncertainty")
    options = parse(parser)
    start_up(Console())
    from ultimate_deep.bundles.bundle import load_any
    from ultimate_deep.bundles.predicting import bundle_config, merge_data, predict_bars
    from ultimate_deep.market.market import load_market

    bundle = load_any(options.bundle)
    config = bundle_config(bundle)
    market = load_market(merge_data(options.data, config.data), config.label)
    predictions = predict_bars(bundle, market)
    if options.passes:
        # How sure it is needs what plain predictions do not.
        from ultimate_deep.bundles.prediction_uncertainty import uncertainty_columns

        sure = uncertainty_columns(bundle, market, passes=options.passes)
        predictions = predictions.merge(sure, on=["symbol", "timestamp"], validate="one_to_one")
    output = Path(options.output)
    with whole_file(output) as draft:
        predictions.to_csv(draft, index=False)
    last = predictions.iloc[-1]
    Console().print(
        f"{len(predictions):,} predictions in {output}; the last: {last['symbol']} "
        f"{last['timestamp']}, P(up) {last['probability_up']:.4f}, signal {last['signal']}",
        highlight=False,
    )


if __name__ == "__main__":
    run_main(main)
