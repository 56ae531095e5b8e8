"""Train a net on each folder of written pictures, and say what they are worth alone and together.

    python train_scripts/train_gaf_cnn_precomputed.py --data ml/data/gaf/bnb_15m [...] [--yes]

The pictures come from `ultimate-deep gaf`; several folders, such as those of 15, 30 and 60 minutes,
are averaged and voted on too. Files are read batch by batch, so that 13 GB of them need no memory
of their own. The net of the specification is `--preset gaf_resnet18 --fit.weight_decay 0.00001
--fit.patience_epochs 10 --options '{"pretrained_weights": "resnet18.pth"}'`: hours on a CPU.
`--preset tiny` shows in a minute that all is well. The plan of each net, timed on its pictures, is
shown and asked about before it trains; `--yes` does not ask.

Prints one table and keeps it as `models.csv` in the output's folder, with a folder for each net.
Its figures are of the validation part, by which the best epoch is chosen: they flatter. What is
left after costs on bars that nobody looked at is what train_gaf_cnn.py says.
"""

import json
import sys
from collections.abc import Sequence
from functools import partial
from itertools import takewhile
from pathlib import Path

from jsonargparse import Namespace

from ultimate_deep.commands.command_parser import CommandParser
from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.running import run_main, run_planned, started
from ultimate_deep.experiments.ensembles.precomputed_config import PrecomputedConfig
from ultimate_deep.machine.places import check_places

FIRST = ("data", "output", "preset", "options", "yes", "resume")


def settings_of(options: Namespace) -> PrecomputedConfig:
    """Return the `PrecomputedConfig` among parsed options."""
    fields = PrecomputedConfig.__dataclass_fields__
    return PrecomputedConfig(**{name: options[name] for name in fields})


def one_list(arguments: Sequence[str], name: str) -> list[str]:
    """Return the arguments with several values behind an option as the one list that it takes."""
    if name not in arguments:
        return list(arguments)
    start = list(arguments).index(name) + 1
    values = list(takewhile(lambda one: not one.startswith("-"), arguments[start:]))
    if not values or values[0].startswith("["):
        return list(arguments)
    return [*arguments[:start], json.dumps(values), *arguments[start + len(values) :]]


def main() -> None:
    """Parse, train, print the table."""
    parser = CommandParser("", __doc__, first=FIRST, has_plugins=False, builds=settings_of)
    parser.add_argument("--config", action="config", help="YAML file of these settings")
    parser.add_class_arguments(PrecomputedConfig)
    parser.add_argument("--yes", action="store_true", help="Do not ask before training")
    parser.add_argument("--resume", action="store_true", help="Go on with unfinished nets")
    options = parse(parser, one_list(sys.argv[1:], "--data")).options
    config = settings_of(options)
    check_places(artifacts=Path(config.output), ledger=False, named="output's folder")
    console = started()
    say = partial(console.print, highlight=False, soft_wrap=True)
    from ultimate_deep.experiments.ensembles.precomputed import train_precomputed

    train = partial(train_precomputed, config, resume=options.resume)
    declined = "Nothing was written for this net; --resume goes on after those before it."
    table = run_planned(console, train, yes=options.yes, declined=declined)
    if table is None:
        return
    say(table.round(4).to_string(index=False))
    say(f"figures of the validation part, which chose the epoch; kept in {config.output}")


if __name__ == "__main__":
    run_main(main)
