"""Write the features of any number of symbols as Parquet files.

    ultimate-deep features --data.path bars/ --output features/ [--workers 2] [--resume]

Reads a folder of bars, a file or more for each symbol, and writes SYMBOL.parquet for each: open
times and one float32 column for each feature, bit for bit what `ud.compute_features` gives, and
features.json about all of them. A worker holds the bars of one symbol and 16,384 rows of its
features. Three seconds for a million bars and one core to compute, as much again to write. After
Ctrl-C or a kill, --resume goes on with the symbols that are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from jsonargparse import Namespace

from ultimate_deep.commands.command_parser import CommandParser
from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.settings import add_workers, workers_of
from ultimate_deep.machine.places import check_places
from ultimate_deep.market.config import DataConfig
from ultimate_deep.pipeline.feature_files_config import FeatureFilesConfig


def parser() -> CommandParser:
    """Return the settings of feature files."""
    made = CommandParser(
        "features", __doc__,
        first=("data.path", "output", "names", "workers", "engine", "resume"), builds=files_of,
    )  # fmt: skip
    made.add_argument("--config", action="config", help="YAML file of these settings")
    made.add_class_arguments(DataConfig, "data", skip={"fills"})
    made.add_class_arguments(FeatureFilesConfig)
    add_workers(made, "symbols")
    made.add_argument("--resume", action="store_true", help="Go on with unfinished files")
    return made


def files_of(options: Namespace) -> FeatureFilesConfig:
    """Return the `FeatureFilesConfig` among parsed options."""
    names = FeatureFilesConfig.__dataclass_fields__
    return FeatureFilesConfig(**{name: options[name] for name in names})


def main(arguments: Sequence[str]) -> None:
    """Parse, write, say where."""
    options = parse(parser(), arguments).options
    config, workers = files_of(options), workers_of(options)
    check_places(artifacts=Path(config.output).parent, ledger=False, named="output's folder")
    from ultimate_deep.machine.screen import Screen, counting
    from ultimate_deep.pipeline.feature_files import write_feature_files

    console = Screen()
    say = partial(console.print, highlight=False, soft_wrap=True)
    with counting(console, "symbols") as report:
        folder = write_feature_files(
            options.data, config,
            workers=workers, resume=options.resume, say=say, report=report,
        )  # fmt: skip
    size = sum(path.stat().st_size for path in folder.iterdir())
    say(f"{size / 1e9:,.3f} GB of features in {folder}")
