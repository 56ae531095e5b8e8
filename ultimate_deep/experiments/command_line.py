"""Command line, YAML and `--print_config` for every script, from the configuration classes."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from jsonargparse import ArgumentParser, Namespace
from rich.console import Console, RenderableType

from ultimate_deep.market.config import DataConfig
from ultimate_deep.pipeline.config import ExperimentConfig

Plan = TypeVar("Plan")
Done = TypeVar("Done")
USAGE = "%(prog)s [options], all of them listed by --help"


def experiment_parser(description: str | None) -> ArgumentParser:
    """Return a parser of every `ExperimentConfig` field, with `--config` and `--print_config`."""
    parser = ArgumentParser(description=description, usage=USAGE)
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(ExperimentConfig)
    parser.link_arguments("seed", "fit.seed")
    parser.link_arguments("label.horizon_bars", "backtest.horizon_bars")
    return parser


def with_model_config(arguments: Sequence[str], configs: Path) -> list[str]:
    """Return arguments in which `--model NAME` has become the model's own `--config` file.

    The file comes first, so that everything else on the command line changes what it says.

    Args:
        arguments: Of the command line.
        configs: Folder that holds `NAME.yaml` for every model.

    Raises:
        ValueError: No model has this name.
    """
    rest, names = [], []
    given = iter(arguments)
    for argument in given:
        if argument == "--model":
            names.append(next(given, ""))
        elif argument.startswith("--model="):
            names.append(argument.removeprefix("--model="))
        else:
            rest.append(argument)
    files = []
    for name in names:
        path = configs / f"{name}.yaml"
        if not name or not path.is_file():
            known = sorted(file.stem for file in configs.glob("*.yaml"))
            raise ValueError(f"no model is called {name!r}; --model is one of {', '.join(known)}")
        files += ["--config", str(path)]
    return [*files, *rest]


def script_parser(description: str | None, *, period: bool = False) -> ArgumentParser:
    """Return a parser of `--bundle` and the data options, for scripts that use a saved model."""
    parser = ArgumentParser(description=description, usage=USAGE)
    parser.add_argument("--config", action="config")
    parser.add_argument("--bundle", required=True, help="Folder of a finished run")
    parser.add_class_arguments(DataConfig, "data")
    if period:
        parser.add_argument(
            "--period",
            type=Literal["test", "all"],
            default="test",
            help="Bars from the run's test boundary on, or all of them",
        )
    return parser


def comparison_parser(description: str | None) -> ArgumentParser:
    """Return a parser of `--bundles` and the data options, for scripts that use several models."""
    parser = ArgumentParser(description=description, usage=USAGE)
    parser.add_argument("--config", action="config")
    parser.add_argument(
        "--bundles", type=list[str], required=True, help="Folders of finished runs, as a list"
    )
    parser.add_class_arguments(DataConfig, "data")
    return parser


def parse(parser: ArgumentParser, arguments: Sequence[str] | None = None) -> Namespace:
    """Parse and build the dataclasses; a refused value ends the program with one clear line."""
    parsed = parser.parse_args(arguments)
    try:
        return parser.instantiate(parsed)
    except (ValueError, TypeError) as error:
        parser.error(str(error))


def experiment_of(options: Namespace) -> ExperimentConfig:
    """Return the `ExperimentConfig` among parsed options."""
    names = ExperimentConfig.__dataclass_fields__
    return ExperimentConfig(**{name: options[name] for name in names})


def asker(
    console: Console, question: str, render: Callable[[Plan], RenderableType], *, yes: bool
) -> Callable[[Plan], bool]:
    """Return what shows a plan and asks before it is carried out.

    Args:
        console: Where to show and ask.
        question: Answered with y or yes, anything else declines.
        render: What the plan looks like.
        yes: Do not ask; without a terminal nobody is asked either.
    """

    def confirm(plan: Plan) -> bool:
        console.print(render(plan))
        if yes or not sys.stdin.isatty():
            return True
        return console.input(f"{question} [y/N] ").strip().lower() in ("y", "yes")

    return confirm


def run_planned(
    console: Console,
    run: Callable[..., Done],
    *,
    yes: bool,
    question: str = "Train?",
    render: Callable[[Any], RenderableType] | None = None,
    declined: str = "Nothing was written.",
) -> Done | None:
    """Carry out what has a plan: show it, ask, and show progress until it is done.

    Args:
        console: Where to show, ask and report; the backend has been loaded.
        run: Called with a `Progress` and `confirm`, which it calls with its plan before the work.
        yes: Do not ask.
        question: Answered with y or yes, anything else declines.
        render: What a plan looks like, `training.loop.plan.render_plan` unless given.
        declined: Said where it was declined.

    Returns:
        What `run` returns; None where it was declined.
    """
    # Not at the top: they load TensorFlow, and `--help` need not wait for that.
    from ultimate_deep.experiments.run import DeclinedError
    from ultimate_deep.training.loop.plan import render_plan
    from ultimate_deep.training.progress import make_progress

    confirm = asker(console, question, render or render_plan, yes=yes)
    try:
        return run(make_progress(console), confirm=confirm)
    except DeclinedError:
        console.print(declined)
        return None


def run_main(main: Callable[[], None]) -> None:
    """Run a script; errors of the user's making print one message instead of a traceback.

    Exit status: 0 done, 1 an error named on standard error, 130 interrupted.
    """
    try:
        main()
    except (ValueError, TypeError, OSError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt as stop:
        # A message comes from a run that has kept a checkpoint.
        print(f"{stop} (--resume)" if str(stop) else "interrupted", file=sys.stderr)
        sys.exit(130)
