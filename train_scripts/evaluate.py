"""Evaluate a saved model on bars: verdict, chance, trials, costs, delay, regimes, random entry.

    python train_scripts/evaluate.py --bundle artifacts/latest [--data.path bars.csv] [--period all]

Writes `evaluation-<run>-<time>/` beside the bundle, with report.html, report.json and trades.csv,
and prints the verdict with what it rests on. About ten seconds for 10,000 bars. The reading is
counted in your ledger: the more models have been judged on the same bars, the more is asked of the
next. Options that are not given, such as the file's format, are those of the
run; without --data.path a simulated run is simulated again.
"""

from rich.console import Console

from ultimate_deep.experiments.command_line import parse, run_main, script_parser
from ultimate_deep.training.backend import start_up


def main() -> None:
    """Parse, judge, write, print."""
    options = parse(script_parser(__doc__, period=True))
    console = Console()
    start_up(console)
    from ultimate_deep.bundles.bundle import load_any
    from ultimate_deep.experiments.judging.evaluation import evaluate_bundle
    from ultimate_deep.experiments.summary import render_ledger, render_verdict
    from ultimate_deep.training.progress import make_progress

    bundle = load_any(options.bundle)
    done = evaluate_bundle(bundle, options.data, options.period, make_progress(console))
    if done.rejudged.seen:
        console.print(
            f"This is no test: {done.rejudged.seen:,} of {done.rejudged.rows:,} rows lie before "
            "the test part, and the model was trained or its threshold chosen on them.",
            style="bold red",
        )
    console.print(render_verdict(done.assessment))
    console.print(render_ledger(done.rejudged.trials))
    console.print(f"Report: {done.folder / 'report.html'}", highlight=False)


if __name__ == "__main__":
    run_main(main)
