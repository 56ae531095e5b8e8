"""Judge a saved model on bars: verdict, chance, trials, costs, delay, regimes, random entry.

    ultimate-deep evaluate --bundle artifacts/latest [--data.path bars.csv] [--period all]

Writes `evaluation-<run>-<time>/` beside the bundle, with report.html, report.json and trades.csv,
and prints the verdict with what it rests on. About ten seconds for 10,000 bars. The reading is
counted in your ledger: the more models have been judged on the same bars, the more is asked of the
next. Options that are not given, such as the file's format, are those of the run; without
--data.path a simulated run is simulated again.
"""

from __future__ import annotations

from collections.abc import Sequence

from ultimate_deep.commands.command_parser import CommandParser
from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.running import started
from ultimate_deep.commands.settings import add_report_form, bundle_parser, bundle_to_use
from ultimate_deep.evaluation.ledger.place import check_counted_places
from ultimate_deep.evaluation.reporting.pdf import check_form


def parser() -> CommandParser:
    """Return the settings of an evaluation."""
    made = bundle_parser("evaluate", __doc__, first=("period", "report"), period=True)
    add_report_form(made)
    return made


def main(arguments: Sequence[str]) -> None:
    """Parse, judge, write, print."""
    options = parse(parser(), arguments).options
    check_form(options.report)  # before anything heavy is loaded
    folder = bundle_to_use(options.bundle, options.artifacts)
    check_counted_places(artifacts=folder.resolve().parent, named="the bundle's folder")
    console = started()
    from ultimate_deep.bundles.bundle import load_any
    from ultimate_deep.experiments.judging.evaluation import evaluate_bundle
    from ultimate_deep.experiments.summary import render_ledger, render_verdict
    from ultimate_deep.training.progress import make_progress

    bundle = load_any(folder)
    done = evaluate_bundle(
        bundle, options.data, options.period, make_progress(console), report=options.report
    )
    if done.rejudged.seen:
        console.print(
            f"This is no test: {done.rejudged.seen:,} of {done.rejudged.rows:,} rows lie before "
            "the test part, and the model was trained or its threshold chosen on them.",
            style="bold red",
        )
    console.print(render_verdict(done.assessment))
    console.print(render_ledger(done.rejudged.trials))
    console.print(f"Report: {done.folder / 'report.html'}", highlight=False, soft_wrap=True)
