"""Write Gramian angular fields of bars as files, for programs that want pictures on disk.

    ultimate-deep gaf --data.path bars.csv --output artifacts/gaf
        [--window_bars 128] [--size 64] [--label.horizon_bars 1] [--resume]

Writes train_images.npy, train_labels.npy, val_images.npy, val_labels.npy (float32 memory maps,
the oldest 90% of the rows and the newest 10%, labels purged at the boundary) and metadata.json.
33 KB a bar: 20,000 bars are 0.65 GB and take as long as the disk needs. After Ctrl-C or a kill,
--resume goes on to the same bytes. Without --data.path the bars are simulated, and the metadata
says so.

A net needs no such files: ultimate_deep.models.layers.GafImages makes the same pictures from 64
numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse import Namespace

from ultimate_deep.commands.command_parser import CommandParser
from ultimate_deep.commands.parser import parse
from ultimate_deep.machine.places import check_places
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.pipeline.gaf_config import GafFilesConfig

if TYPE_CHECKING:
    from rich.console import Console

LINE_SECONDS = 10.0


def parser() -> CommandParser:
    """Return the settings of pictures."""
    made = CommandParser(
        "gaf",
        __doc__,
        first=("data.path", "output", "window_bars", "size", "label.horizon_bars", "resume"),
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
    from ultimate_deep.machine.screen import Screen
    from ultimate_deep.market.market import load_market
    from ultimate_deep.pipeline.gaf_files import write_gaf_files

    console = Screen()
    market = load_market(options.data, options.label)
    for line in market.told:
        console.print(line, highlight=False, soft_wrap=True)
    with reporting(console) as report:
        folder = write_gaf_files(
            market, options.label, config, resume=options.resume, report=report
        )
    size = sum(path.stat().st_size for path in folder.iterdir())
    simulated = " of simulated bars" if market.simulated else ""
    said = f"{size / 1e9:,.3f} GB of pictures{simulated} in {folder}"
    console.print(said, highlight=False, soft_wrap=True)


@contextmanager
def reporting(console: Console) -> Iterator[Callable[[int, int], None]]:
    """Show rows done: a bar on a terminal, elsewhere a line every ten seconds."""
    from rich.progress import Progress

    if console.is_terminal:
        with Progress(console=console) as bars:
            task = bars.add_task("pictures", total=None)
            yield lambda done, total: bars.update(task, completed=done, total=total)
        return
    last = -LINE_SECONDS

    def line(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_SECONDS or done == total:
            last = time.monotonic()
            console.print(f"{done:,} of {total:,} pictures", highlight=False)

    yield line
