"""Which settings a subcommand has, from the configuration classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from jsonargparse import Namespace

from ultimate_deep.commands.command_parser import CommandParser
from ultimate_deep.commands.experiment_checks import check_experiment
from ultimate_deep.commands.parser import parse
from ultimate_deep.machine.side_by_side.workers import Workers
from ultimate_deep.market.config import DataConfig
from ultimate_deep.pipeline.config import ExperimentConfig

# What people set first, of everything that trains.
FIRST = (
    "data.path",
    "model.preset",
    "config",
    "fit.epochs",
    "label.horizon_bars",
    "backtest.costs.fee_bps",
    "artifacts",
    "yes",
    "resume",
)
ARTIFACTS = "artifacts"


def experiment_parser(
    command: str, description: str | None, *, first: tuple[str, ...] = (), trains: bool = True
) -> CommandParser:
    """Return a parser of every `ExperimentConfig` field, with `--yes` and `--resume`.

    Args:
        command: Name of the subcommand.
        description: What it does.
        first: Further settings that its help begins with.
        trains: Whether it makes runs, before which it asks and which it can go on with.
    """
    shown = FIRST if trains else tuple(one for one in FIRST if one not in ("yes", "resume"))
    parser = CommandParser(
        command, description, first=(*first, *shown), has_model=True, builds=experiment_of
    )
    parser.add_argument(
        "--config",
        action="config",
        help="YAML file, or a built-in one: small, seed, minutes, complete",
    )
    parser.add_class_arguments(ExperimentConfig)
    parser.link_arguments("seed", "fit.seed")
    parser.link_arguments("label.horizon_bars", "backtest.horizon_bars")
    if not trains:
        return parser
    parser.add_argument("--yes", action="store_true", help="Do not ask before training")
    parser.add_argument(
        "--resume", action="store_true", help="Go on with the newest unfinished run, as it was"
    )
    return parser


def bundle_parser(
    command: str, description: str | None, *, first: tuple[str, ...] = (), period: bool = False
) -> CommandParser:
    """Return a parser of `--bundle` and the data options, for what uses a saved model."""
    parser = CommandParser(
        command, description, first=("bundle", "data.path", *first, "artifacts", "config")
    )
    parser.add_argument("--config", action="config", help="YAML file of these settings")
    parser.add_argument(
        "--bundle", default="latest", help="Folder of a finished run, or its name in --artifacts"
    )
    parser.add_argument("--artifacts", default=ARTIFACTS, help="Folder that runs are written into")
    # What judges no period trades nothing, and fills no orders.
    parser.add_class_arguments(DataConfig, "data", skip=set() if period else {"fills"})
    if period:
        parser.add_argument(
            "--period",
            type=Literal["test", "all"],
            default="test",
            help="Bars from the run's test boundary on, or all of them",
        )
    return parser


def comparison_parser(command: str, description: str | None) -> CommandParser:
    """Return a parser of `--bundles` and the data options, for what uses several models."""
    parser = CommandParser(
        command, description, first=("bundles", "data.path", "artifacts", "config")
    )
    parser.add_argument("--config", action="config", help="YAML file of these settings")
    parser.add_argument(
        "--bundles",
        type=list[str],
        required=True,
        help="Finished runs as a list, folders or names in --artifacts: '[lstm-..., mlp-...]'",
    )
    parser.add_argument("--artifacts", default=ARTIFACTS, help="Folder that runs are written into")
    parser.add_class_arguments(DataConfig, "data")
    return parser


def add_report_form(parser: CommandParser) -> None:
    """Add `--report`, which everything that trains has among its settings."""
    parser.add_argument(
        "--report",
        type=Literal["html", "pdf"],
        default="html",
        help="Whether the report is written as PDF too, beside the page",
    )


def add_workers(parser: CommandParser, tasks: str) -> None:
    """Add `--workers`, `--worker_threads` and `--engine` to what does several independent things.

    Args:
        parser: Parser of a command.
        tasks: What is done side by side, in a plural.
    """
    parser.add_argument(
        "--workers", type=int, default=0, help=f"How many {tasks} at a time, each in a process"
    )
    parser.add_argument(
        "--worker_threads", type=int, default=1, help="Threads of each worker, of which bits depend"
    )
    parser.add_argument(
        "--engine",
        type=Literal["processes", "ray"],
        default="processes",
        help="Who runs workers: this machine's processes, or Ray (RAY_ADDRESS names a cluster)",
    )
    built = parser.builds

    def builds(options: Namespace) -> object:
        workers_of(options)
        return built(options) if built is not None else None

    parser.builds = builds


def workers_of(options: Namespace) -> Workers:
    """Return the workers among parsed options.

    Raises:
        ValueError: A number that there cannot be.
    """
    return Workers(count=options.workers, threads=options.worker_threads, engine=options.engine)


def experiment_of(options: Namespace) -> ExperimentConfig:
    """Return the `ExperimentConfig` among parsed options.

    Raises:
        ValueError: A value that it refuses, or a feature that is not there.
    """
    names = ExperimentConfig.__dataclass_fields__
    config = ExperimentConfig(**{name: options[name] for name in names})
    if not options.get("resume"):  # a run that is resumed has settings of its own beside these
        config.fit.check_workers()
    check_experiment(config)
    return config


def experiment_from(arguments: Sequence[str]) -> ExperimentConfig:
    """Return the experiment that arguments of `ultimate-deep run` describe."""
    return experiment_of(parse(experiment_parser("run", None), arguments).options)


def bundle_to_use(name: str, artifacts: str) -> Path:
    """Return the folder of a bundle that can be loaded as far as its manifest tells.

    Raises:
        FileNotFoundError: There is no such folder.
        BundleError: No bundle, one of another version, or one whose plugins are not loaded.
    """
    folder = bundle_folder(name, artifacts)
    from ultimate_deep.bundles.manifest import check_manifest

    check_manifest(folder)
    return folder


def bundle_folder(name: str, artifacts: str) -> Path:
    """Return the folder of a bundle, given as a path or by its name among the artifacts.

    Raises:
        FileNotFoundError: There is no such folder.
    """
    for folder in (Path(name), Path(artifacts) / name):
        if folder.is_dir():
            return folder
    if not Path(artifacts).is_dir():
        raise FileNotFoundError(
            f"no bundle at {name}, and no folder {artifacts}; name the folder of a finished run, "
            "or the folder that holds it with --artifacts"
        )
    runs = sorted(path.parent.name for path in Path(artifacts).glob("*/manifest.json"))
    known = ", ".join(runs[-5:]) or "no finished run"
    raise FileNotFoundError(
        f"no bundle at {name} or {Path(artifacts) / name}; {artifacts} holds {known}"
    )
