"""Find how many rows of a step fit into memory: steps of rising size, measured.

    ultimate-deep find-batch --model ultimate --most_gib 4 [--data.path bars.csv]

The net of `ultimate-deep train --model NAME` takes steps of 1, 2, 4 ... rows, at last of a whole
batch, until the process passes --most_gib, and its peak and seconds are printed for each. A batch
that is too large is cut into --fit.gradients.micro_batches, which takes the memory of one part and
leaves the batch as it is. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence

from ultimate_deep.commands.command_parser import CommandParser
from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.running import started
from ultimate_deep.commands.settings import experiment_of, experiment_parser


def parser() -> CommandParser:
    """Return every setting of a run, and the budget."""
    made = experiment_parser(
        "find-batch", __doc__, first=("most_gib", "fit.batch_size"), trains=False
    )
    made.add_argument("--most_gib", type=float, default=4.0, help="Memory that it may take, GiB")
    return made


def main(arguments: Sequence[str]) -> None:
    """Parse, measure, print."""
    options = parse(parser(), arguments).options
    config = experiment_of(options)
    console = started()
    from ultimate_deep.experiments.rates import find_batch
    from ultimate_deep.training.progress import make_progress

    found = find_batch(config, make_progress(console), most_gib=options.most_gib)
    console.print(found.table.round(3).to_string(index=False), highlight=False)
    more = f" --fit.batch_size {found.batch_size}"
    more += f" --fit.gradients.micro_batches {found.micro_batches}"
    said = f"{found.rows:,} rows of a step stay within {options.most_gib:g} GiB"
    whole = "the batch fits as it is" if found.micro_batches == 1 else f"use{more}"
    console.print(f"{said}: {whole}", highlight=False)
