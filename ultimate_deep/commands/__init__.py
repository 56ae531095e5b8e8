"""The command `ultimate-deep`: one file for each subcommand, loaded when it is asked for."""

import difflib
import importlib
import sys
from collections.abc import Sequence

NAME = "ultimate-deep"
# Each is a module here, with dashes as underscores, that has `main(arguments)`.
COMMANDS: dict[str, str] = {
    "run": "Train, judge and save the ultimate net, or --model NAME: the main job",
    "train": "The same with the settings that suit a model; --list names all",
    "tune": "Search a model's settings and save the winner",
    "predict": "Write a saved model's predictions for bars",
    "backtest": "Backtest a saved model after costs",
    "evaluate": "Judge a saved model on bars: verdict, chance, costs, regimes",
    "compare": "Compare saved models on the same bars",
    "walk-forward": "Retrain along time and judge all test parts as one account",
    "detect-leaks": "Look for a step that knows what it cannot know yet",
    "explore": "Report on the features of bars",
    "ensemble": "Combine several models into one",
    "transfer": "Go on from another asset's net, beside the same net from scratch",
    "find-rate": "Test which learning rates a net learns at, and draw it",
    "find-batch": "Measure how many rows of a step fit into memory",
    "features": "Write the features of any number of symbols as files",
    "gaf": "Write pictures of bars as files, such as Gramian angular fields",
    "runs": "List, show and compare finished runs",
    "check": "Run the contract tests on your own feature, net or loss",
    "doctor": "Say what a bug report needs: versions, processor, devices, extras",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a subcommand; exit status 0 done, 1 an error, 2 bad usage, 130 interrupted."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print(overview())
        return
    if given[0] == "--version":
        from ultimate_deep import __version__

        print(f"{NAME} {__version__}")
        return
    if given[0] == "--completion":
        from ultimate_deep.commands.completion import script

        print(script(given[1] if len(given) > 1 else ""), end="")
        return
    if given[0] not in COMMANDS:
        near = difflib.get_close_matches(given[0], COMMANDS, 1)
        meant = f"; did you mean {near[0]}?" if near else ""
        sys.stderr.write(
            f"error: {NAME} has no command {given[0]!r}{meant}\n  {NAME} --help lists them\n"
        )
        raise SystemExit(2)
    start(given[0], given[1:])


def start(command: str, arguments: Sequence[str] | None = None) -> None:
    """Run one subcommand; what its user did wrong is one message, and no traceback."""
    from ultimate_deep.commands.running import run_main

    given = list(sys.argv[1:] if arguments is None else arguments)
    if command in ("run", "train") and "--list" in given:
        from ultimate_deep.commands.listing import listed_models

        print("\n".join(listed_models()))
        return

    def run() -> None:
        importlib.import_module(f"{__name__}.{command.replace('-', '_')}").main(given)

    run_main(run)


def overview() -> str:
    """Return what `ultimate-deep --help` says."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return "\n".join(
        [
            f"usage: {NAME} COMMAND [options]",
            "",
            "Can a deep model trade these bars?",
            "",
            *lines,
            "",
            f"{NAME} COMMAND --help     the settings that people use first",
            f"{NAME} --version          the version",
            f"{NAME} --completion SHELL a completion script for bash, zsh or tcsh",
        ]
    )
