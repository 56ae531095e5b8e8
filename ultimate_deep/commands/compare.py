"""Compare saved models on the same bars: who has an edge, and who can be told from whom.

    ultimate-deep compare --bundles '[artifacts/a, artifacts/b]' [--data.path bars.csv]

Judges every model on the decisions that all can make and none was trained on, with the first
model's trading rule and costs, and writes `comparison-<time>/` beside it: report.html, report.json,
models.csv. About ten seconds for each model and 10,000 bars. Every verdict is corrected for all
models that were ever judged on these bars, so looking at many asks more of each.
"""

from __future__ import annotations

from collections.abc import Sequence

from ultimate_deep.commands.command_parser import CommandParser
from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.running import started
from ultimate_deep.commands.settings import add_report_form, bundle_to_use, comparison_parser
from ultimate_deep.evaluation.ledger.place import check_counted_places
from ultimate_deep.evaluation.reporting.pdf import check_form
from ultimate_deep.experiments.judging.comparable import check_different


def parser() -> CommandParser:
    """Return the settings of a comparison."""
    made = comparison_parser("compare", __doc__)
    add_report_form(made)
    return made


def main(arguments: Sequence[str]) -> None:
    """Parse, compare, write, print."""
    options = parse(parser(), arguments).options
    check_form(options.report)  # before anything heavy is loaded
    folders = [bundle_to_use(name, options.artifacts) for name in options.bundles]
    check_different([folder.resolve().name for folder in folders])
    check_counted_places(
        artifacts=folders[0].resolve().parent if folders else None,
        named="the first bundle's folder",
    )
    console = started()
    from ultimate_deep.bundles.bundle import load_any
    from ultimate_deep.experiments.judging.comparing import compare_bundles
    from ultimate_deep.experiments.summary import render_comparison
    from ultimate_deep.training.progress import make_progress

    bundles = [load_any(folder) for folder in folders]
    done = compare_bundles(bundles, options.data, make_progress(console), report=options.report)
    console.print(render_comparison(done.data))
    console.print(f"Report: {done.folder / 'report.html'}", highlight=False, soft_wrap=True)
