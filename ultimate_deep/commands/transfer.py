"""Go on with a net that was trained on another asset, beside the same net from scratch.

    ultimate-deep transfer --source artifacts/btc --data.path eth.csv [--yes] [--resume]

The source is a finished run of a net. Its features, label, model and training are taken over; both
runs have the same bars, split and epochs. --frozen names layers that stay as they are, such as
'[hidden_01*]', --rate_factors lets first layers learn more slowly. Then both are compared on the
test part, as `ultimate-deep compare` does: what comes out is what starting from another asset was
worth here, at equal cost. A source whose parts end later than this run's is refused: its weights
would know bars of the same weeks. Takes twice as long as training once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from jsonargparse import Namespace

from ultimate_deep.commands.command_parser import CommandParser
from ultimate_deep.commands.parser import parse
from ultimate_deep.commands.running import run_planned, started
from ultimate_deep.commands.settings import ARTIFACTS, add_workers, bundle_to_use, workers_of
from ultimate_deep.evaluation.ledger.place import check_counted_places
from ultimate_deep.market.config import DataConfig

if TYPE_CHECKING:
    from pathlib import Path

    from ultimate_deep.training.progress import Progress


def parser() -> CommandParser:
    """Return the settings of a transfer."""
    made = CommandParser(
        "transfer",
        __doc__,
        first=("source", "data.path", "epochs", "frozen", "workers", "artifacts"),
    )
    made.add_argument("--config", action="config", help="YAML file of these settings")
    made.add_argument("--source", required=True, help="A finished run of a net: folder or name")
    made.add_argument("--artifacts", default=ARTIFACTS, help="Folder that runs are written into")
    made.add_class_arguments(DataConfig, "data")
    made.add_argument("--epochs", type=int | None, default=None, help="Most epochs of either run")
    made.add_argument(
        "--rate_share", type=float, default=0.25, help="Share of the source's learning rate"
    )
    made.add_argument(
        "--rate_factors", type=dict[str, float], default={}, help="Factors by a layer's name"
    )
    made.add_argument(
        "--frozen", type=list[str], default=[], help="Layers that stay, as a list of names"
    )
    made.add_argument("--seed", type=int, default=0, help="Seed of both runs")
    add_workers(made, "runs")
    made.add_argument("--yes", action="store_true", help="Do not ask before training")
    made.add_argument("--resume", action="store_true", help="Go on with an unfinished transfer")
    return made


def main(arguments: Sequence[str]) -> None:
    """Parse, train both, compare, print."""
    options = parse(parser(), arguments).options
    folder = bundle_to_use(options.source, options.artifacts)
    check_counted_places(artifacts=options.artifacts)
    console = started()
    from ultimate_deep.bundles.bundle import load_any
    from ultimate_deep.experiments.judging.comparing import compare_bundles
    from ultimate_deep.experiments.summary import render_comparison
    from ultimate_deep.training.progress import make_progress

    def both(progress: Progress, *, confirm: Callable[[Any], bool]) -> list[Path]:
        return _trained(folder, options, progress, confirm)

    declined = "Nothing was written for this run; --resume goes on."
    folders = run_planned(console, both, yes=options.yes, declined=declined)
    if folders is None:
        return
    bundles = [load_any(one) for one in folders]
    done = compare_bundles(bundles, options.data, make_progress(console))
    console.print(render_comparison(done.data))
    console.print(f"Report: {done.folder / 'report.html'}", highlight=False, soft_wrap=True)


def _trained(
    source: Path, options: Namespace, progress: Progress, confirm: Callable[[Any], bool]
) -> list[Path]:
    from ultimate_deep.bundles.bundle import load_bundle
    from ultimate_deep.experiments.series import open_series
    from ultimate_deep.experiments.transfer import transfer_configs

    configs = transfer_configs(
        load_bundle(source),
        options.data,
        artifacts=options.artifacts,
        epochs=options.epochs,
        rate_share=options.rate_share,
        rate_factors=options.rate_factors,
        frozen=tuple(options.frozen),
        seed=options.seed,
    )
    with open_series("transfer", options.artifacts, configs, resume=options.resume) as series:
        folders = series.run(progress, confirm=confirm, workers=workers_of(options))
        series.close()
    return folders
