"""Report on the features of bars: which say something, which repeat each other, which drift.

    ultimate-deep explore [--data.path bars.csv] [--bundle artifacts/latest]

Without --data.path the bars are simulated, with an edge that is known. Only the training part is
looked at. With --bundle the model of a finished run, or an ensemble, is judged too on its
validation part, feature by feature: of windows each feature's path, of timeframes and pictures
each by itself. Bars, label and split are then those of its run where nothing else is given.
Writes artifacts/features-<time>/ with report.html, the same as CSV and JSON, and selected.yaml,
which a later run takes by --config. Overwrites nothing.

About 15 seconds for 20,000 bars on an idle core, four minutes for a million; a bundle's importance
adds a minute or more, that of a net of windows many: --importance.repeats 1 is the least. With the
defaults expect about 120 of 250 features to be claimed, and none with --data.simulated_edge 0. On
the hourly real bars tried it was 17 (SPY) to 108 (GBPUSD, mostly moves that are partly taken back
in the next bar); their worth after costs is another question.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from ultimate_deep.commands.command_parser import CommandParser
from ultimate_deep.commands.experiment_checks import check_features
from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.settings import bundle_to_use
from ultimate_deep.experiments.exploring.config import ExplorationConfig
from ultimate_deep.machine.places import check_places

if TYPE_CHECKING:
    from rich.console import Console

    from ultimate_deep.experiments.exploring.exploration import Exploration


def parser() -> CommandParser:
    """Return the settings of an exploration."""
    made = CommandParser(
        "explore",
        __doc__,
        first=("data.path", "bundle", "label.horizon_bars", "artifacts", "config"),
        builds=exploration_of,
    )
    made.add_argument("--config", action="config", help="YAML file of these settings")
    made.add_argument("--bundle", help="A finished run, for importance: folder or name")
    made.add_class_arguments(ExplorationConfig)
    return made


def exploration_of(options: Namespace) -> ExplorationConfig:
    """Return the `ExplorationConfig` among parsed options."""
    names = ExplorationConfig.__dataclass_fields__
    return ExplorationConfig(**{name: options[name] for name in names})


def main(arguments: Sequence[str]) -> None:
    """Parse, explore, write, print the verdict."""
    options = parse(parser(), arguments).options
    config = exploration_of(options)
    check_features(config.features.names)
    folder = bundle_to_use(options.bundle, config.artifacts) if options.bundle else None
    check_places(artifacts=config.artifacts, ledger=folder is not None)
    from ultimate_deep.experiments.exploring.files import write_exploration
    from ultimate_deep.experiments.exploring.summary import heading, sentence
    from ultimate_deep.machine.screen import Screen
    from ultimate_deep.training.progress import make_progress

    console = Screen()
    progress = make_progress(console)
    if folder is None:
        from ultimate_deep.experiments.exploring.exploration import explore

        explored = explore(config, progress)
    else:
        explored = _with_bundle(str(folder), config, console)
    with progress.busy("writing the report"):
        written = write_exploration(explored)
    console.print(f"\n{heading(explored)}", style="bold", highlight=False)
    console.print(sentence(explored), highlight=False)
    kept = len(explored.selection.kept)
    console.print(
        f"{kept} of {len(explored.names)} features are neither constant, duplicate nor collinear: "
        f"--config {written / 'selected.yaml'} trains on them\n{written / 'report.html'}",
        highlight=False,
        soft_wrap=True,
    )


def _with_bundle(folder: str, config: ExplorationConfig, console: Console) -> Exploration:
    """Explore a run's bars, and what its model needs."""
    from ultimate_deep.training.backend import start_up

    start_up(console)
    from ultimate_deep.bundles.bundle import load_any
    from ultimate_deep.experiments.exploring.bundle_importance import explore_with_bundle
    from ultimate_deep.training.progress import make_progress

    return explore_with_bundle(load_any(folder), config, make_progress(console))
