"""Look for leaks: does any step of a run know what it cannot know yet?

    ultimate-deep detect-leaks --bundle artifacts/latest --data.path bars.csv

Runs the run's own path from bars to signals again: on bars that end early, on bars with another
future (poison), on shuffled labels and on pure noise. What may know only the past must come out
the same, bit for bit; the first step that moved is named. A small net stands in for the run's own
model, since steps other than the model leak with any model; --full trains the run's own each
time. --no_training leaves out what trains. Without --data.path the run's own bars are used.
Windows, coarser bars and pictures are compared as the model is fed them; of an ensemble, every
member's and what combines them.

Your own steps are examined with --steps my_steps.py:steps (or module:attribute), where

    from ultimate_deep.pipeline.steps import Steps
    steps = Steps(features=my_features, scale=my_scaler)   # whatever of the run you replace

Writes leaks.json and leaks.html to --output, by default a new folder beside the bundle, which
itself stays as it is. Exit status: 0 no leak found, 1 a leak (its step is named) or an error.
One to two minutes for 20,000 bars on two cores (the newest --leaks.most_bars are looked at), half
of it training. A run of this program without steps of your own passes: on 20,000 hourly bars 35
cuts, 271 features, no finding but a warning where a vendor's opens repeat the last close.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ultimate_deep.commands.command_parser import CommandParser, refuse
from ultimate_deep.commands.known_models import model_declared
from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.running import started
from ultimate_deep.commands.settings import bundle_parser, bundle_to_use
from ultimate_deep.evaluation.leaks.config import LeakConfig
from ultimate_deep.experiments.leaks.asked import (
    SurrogateConfig,
    check_steps,
    free_folder,
    load_steps,
    refuse_existing,
)
from ultimate_deep.machine.places import check_places

if TYPE_CHECKING:
    from rich.console import Console

    from ultimate_deep.evaluation.leaks.findings import LeakReport
    from ultimate_deep.pipeline.steps import Steps

STYLES = {"leak": "bold red", "warning": "yellow", "not run": "yellow", "passed": "green"}


def parser() -> CommandParser:
    """Return the settings of an examination."""
    made = bundle_parser(
        "detect-leaks", __doc__, first=("steps", "full", "no_training", "model", "output")
    )
    made.add_class_arguments(LeakConfig, "leaks")
    made.add_argument("--steps", help="Your own Steps: module:attribute or file.py:attribute")
    made.add_argument("--model", default="mlp", help="Model that stands in for the run's own")
    made.add_argument("--epochs", type=int, default=3, help="Epochs of that model")
    made.add_argument("--full", action="store_true", help="Train the run's own model instead")
    made.add_argument("--no_training", action="store_true", help="Only what needs no training")
    made.add_argument("--output", help="New folder for leaks.json and leaks.html")
    return made


def main(arguments: Sequence[str]) -> None:
    """Parse, examine, print, write; exit status 1 where something leaks."""
    made = parser()
    options = parse(made, arguments).options
    if options.epochs < 1:
        refuse(made, f"--epochs must be at least 1, got {options.epochs}; give e.g. --epochs 3")
    bundled = bundle_to_use(options.bundle, options.artifacts)
    folder = Path(options.output) if options.output else free_folder(bundled)
    refuse_existing(folder)
    surrogate = SurrogateConfig(model=options.model, epochs=options.epochs)
    model_declared(surrogate.model)
    steps = _own_steps(options.steps)
    written = Path(options.output or bundled.resolve()).parent
    check_places(artifacts=written, ledger=False, named="output's folder")
    console = started()
    from ultimate_deep.bundles.bundle import load_any
    from ultimate_deep.bundles.ensembles.bundle import EnsembleBundle
    from ultimate_deep.evaluation.leaks.detect import CHECKS, DATA_CHECKS
    from ultimate_deep.experiments.ensembles.leaks import detect_in_ensemble
    from ultimate_deep.experiments.leaks.detection import detect_in_bundle, write_leaks
    from ultimate_deep.pipeline.steps import Steps
    from ultimate_deep.training.progress import make_progress

    bundle = load_any(bundled)
    asked: dict[str, Any] = {
        "steps": steps or Steps(),
        "surrogate": None if options.full else surrogate,
        "checks": DATA_CHECKS if options.no_training else CHECKS,
        "progress": make_progress(console),
    }
    if isinstance(bundle, EnsembleBundle):
        report = detect_in_ensemble(bundle, options.data, options.leaks, **asked)
    else:
        report = detect_in_bundle(bundle, options.data, options.leaks, **asked)
    write_leaks(report, folder)
    show(report, console)
    console.print(str(folder / "leaks.html"), soft_wrap=True, highlight=False)
    if report.leaking:
        raise SystemExit(1)


def _own_steps(name: str | None) -> Steps | None:
    """Return the steps of a user's file, before what they do not need is loaded."""
    if not name:
        return None
    check_steps(name)
    from ultimate_deep.training.backend import without_chatter

    with without_chatter():
        return load_steps(name)


def show(report: LeakReport, console: Console) -> None:
    """Print every check, every finding, and the verdict last."""
    from rich.table import Table

    table = Table(title=report.subject + (" (simulated bars)" if report.simulated else ""))
    for column in ("check", "looked at", "result"):
        table.add_column(column)
    for check in report.checks:
        style = STYLES[check.outcome]
        looked_at = check.not_run or check.looked_at
        table.add_row(check.name, looked_at, f"[{style}]{check.outcome}[/]")
    console.print(table)
    for finding in report.findings:
        console.print(f"- {finding.severity}: {finding.sentence}", highlight=False)
    style = STYLES["leak" if report.leaking else "passed"]
    console.print(f"\n{report.verdict.capitalize()}", style=style, highlight=False)
    console.print(report.sentence, highlight=False)
