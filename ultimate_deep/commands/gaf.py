"""Write pictures of bars as files: Gramian angular fields, other fields, or price charts.

    ultimate-deep gaf --data.path bnb_1m.parquet --windows 15min,30min,60min --output ml/data/gaf
    ultimate-deep gaf --data.path bars.csv --output artifacts/gaf [--picture markov] [--resume]

Writes train_images.npy, train_labels.npy, val_images.npy, val_labels.npy (memory maps, the oldest
90% of the rows and the newest 10%, labels purged at the boundary), metadata.json and metadata.pkl;
with --windows into one folder for each length of bars. 33 KB a bar as float32: 20,000 bars are 0.65
GB and take as long as the disk needs. --storage numbers keeps 256 bytes a bar, of which a net draws
the same pictures, bit for bit. After Ctrl-C or a kill, --resume goes on to the same bytes. Without
--data.path the bars are simulated, and the metadata says so.

Train on them with train_scripts/train_gaf_cnn_precomputed.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from jsonargparse import Namespace

from ultimate_deep.commands.command_parser import CommandParser
from ultimate_deep.commands.parser import parse
from ultimate_deep.machine.places import check_places
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.pipeline.gaf_config import GafFilesConfig


def parser() -> CommandParser:
    """Return the settings of pictures."""
    made = CommandParser(
        "gaf",
        __doc__,
        first=("data.path", "windows", "output", "window_bars", "size", "storage", "resume"),
        has_plugins=False,
        builds=pictures_of,
    )
    made.add_argument("--config", action="config", help="YAML file of these settings")
    made.add_class_arguments(DataConfig, "data", skip={"fills"})
    made.add_class_arguments(LabelSpec, "label")
    made.add_class_arguments(GafFilesConfig)
    made.add_argument("--resume", action="store_true", help="Go on with unfinished files")
    return made


def pictures_of(options: Namespace) -> GafFilesConfig:
    """Return the `GafFilesConfig` among parsed options."""
    return GafFilesConfig(**{name: options[name] for name in GafFilesConfig.__dataclass_fields__})


def main(arguments: Sequence[str]) -> None:
    """Parse, write, say where."""
    options = parse(parser(), arguments).options
    config = pictures_of(options)
    check_places(artifacts=Path(config.output).parent, ledger=False, named="output's folder")
    from ultimate_deep.machine.screen import Screen, counting
    from ultimate_deep.market.market import load_market
    from ultimate_deep.pipeline.gaf_files import write_gaf_files
    from ultimate_deep.pipeline.gaf_plan import plan_gaf_files
    from ultimate_deep.pipeline.gaf_windows import (
        WindowFiles,
        plan_sentences,
        plan_windows,
        write_windows,
    )

    console = Screen()
    say = partial(console.print, highlight=False, soft_wrap=True)
    # What is drawn needs no true probability, which simulated bars have of directions alone.
    market = load_market(options.data, LabelSpec(horizon_bars=options.label.horizon_bars))
    for line in market.told:
        say(line)
    how = {"resume": options.resume}
    if config.windows:
        files = plan_windows(market, options.label, config)
    else:
        plan = plan_gaf_files(market, options.label, config)
        files = [WindowFiles(Path(config.output).name, market, config, plan)]
    for line in plan_sentences(files):
        say(line)
    if config.windows:
        with counting(console, "pictures") as report:
            folders = write_windows(files, options.label, report=report, **how)
    else:
        with counting(console, "pictures") as report:
            folders = [write_gaf_files(market, options.label, config, report=report, **how)]
    simulated = " of simulated bars" if market.simulated else ""
    for folder in folders:
        size = sum(path.stat().st_size for path in folder.iterdir())
        say(f"{size / 1e9:,.3f} GB of pictures{simulated} in {folder}")
