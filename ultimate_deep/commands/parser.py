"""The parser of a subcommand: built-in configurations by name, short help, errors with a remedy."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jsonargparse import Namespace

from ultimate_deep.commands.command_parser import CommandParser, refuse
from ultimate_deep.commands.experiment_checks import check_option_values
from ultimate_deep.commands.help_text import help_of
from ultimate_deep.commands.known_models import model_declared
from ultimate_deep.commands.refusals import check_file
from ultimate_deep.commands.suggestions import check_options
from ultimate_deep.machine.devices import DEVICE_VARIABLE, check_device
from ultimate_deep.machine.fields import fitted, meant
from ultimate_deep.machine.plugins import load_plugin
from ultimate_deep.market.reading.files import find_files
from ultimate_deep.models.declared import Declared
from ultimate_deep.models.document_names import document_model

CONFIGS = Path(__file__).resolve().parent / "configs"
MODEL_CONFIGS = CONFIGS / "models"
PRINT = "--print_config"
_BARS = ("data.path", "data.fills")  # what names files of bars


@dataclass(frozen=True, eq=False)
class Parsed:
    """What was asked for.

    Args:
        options: Every setting, dataclasses built.
        named: Settings that the user named, by dotted name: on the command line or in a file of
            their own, not in the file of a model.
    """

    options: Namespace
    named: dict[str, Any]


def parse(parser: CommandParser, arguments: Sequence[str]) -> Parsed:
    """Parse and build; help is printed, and a refused value ends the program with one clear line.

    Nothing heavy is loaded for it: no NumPy, no pandas, no Keras.

    Raises:
        FileNotFoundError: There are no bars where they are said to be.
    """
    try:
        if parser.has_plugins:  # whatever computes
            device, arguments = taken(arguments, "--device")
            if device:
                os.environ[DEVICE_VARIABLE] = check_device(device)
        plugins, arguments = all_taken(arguments, "--plugin")
        load_named(plugins)
        model, rest = taken(arguments, "--model") if parser.has_model else ("", list(arguments))
        if plugins and "--plugins" in parser._option_string_actions:
            rest = [*rest, "--plugins", json.dumps(plugins)]
        rest = with_built_in(rest)
        model, rest = _of_documents(parser, model, rest)
        model = model or value_of(rest, "--model.name")
        if asked := [one for one in rest if one in ("-h", "--help") or one.startswith("--help.")]:
            print(help_of(parser, asked[0].partition(".")[2], *_model_of(model)))
            raise SystemExit(0)
        check_options(parser, rest)
        files = model_files(model) if model and parser.has_model else []
        _check_raw(rest, model)
        names = [*(["model.name"] if model else ()), *_named(parser, rest)]
        asking = [one for one in rest if one.partition("=")[0] == PRINT]
        parsed = parser.parse_args([*files, *(one for one in rest if one not in asking)])
        if parser.has_model:
            _check_model(parsed)
        _check_paths(parsed)
        named = {name: _value_at(parsed, name) for name in names}
        options = parser.instantiate(parsed)
        parser.check(options)
        if asking:  # printed once all of it is known to be right; this ends the program
            parser.parse_args([*files, *rest])
        return Parsed(options, named)
    except (ValueError, TypeError) as error:
        refuse(parser, str(error))


def _of_documents(parser: CommandParser, model: str, rest: list[str]) -> tuple[str, list[str]]:
    """Return the model that a name of the documents or `model:preset` means, and the arguments.

    Its run is named after what was asked for, so that one model may come at two presets.
    """
    name, preset = document_model(model)
    if name == model:
        return model, rest
    if preset != "default" and not value_of(rest, "--model.preset"):
        rest = [*rest, "--model.preset", preset]
    if "--name" in parser._option_string_actions and not value_of(rest, "--name"):
        rest = [*rest, "--name", model.replace(":", "_")]
    return name, rest


def load_named(plugins: Iterable[str]) -> None:
    """Load plugins, without what TensorFlow says when one of them imports it."""
    for name in plugins:
        from ultimate_deep.training.backend import without_chatter

        with without_chatter():
            load_plugin(name)


def all_taken(arguments: Iterable[str], option: str) -> tuple[list[str], list[str]]:
    """Return every value of an option that may come several times, and the other arguments."""
    values, rest = [], list(arguments)
    while any(one == option or one.startswith(f"{option}=") for one in rest):
        place = next(
            n for n, one in enumerate(rest) if one == option or one.startswith(f"{option}=")
        )
        width = 1 if rest[place] != option else 2
        values.append(taken(rest[place : place + width], option)[0])
        rest = [*rest[:place], *rest[place + width :]]
    return values, rest


def taken(arguments: Iterable[str], option: str) -> tuple[str, list[str]]:
    """Return the last value of an option, and the arguments without it."""
    rest, value = [], ""
    given = iter(arguments)
    for argument in given:
        if argument == option:
            value = next(given, "")
        elif argument.startswith(f"{option}="):
            value = argument.removeprefix(f"{option}=")
        else:
            rest.append(argument)
            continue
        if not value or value.startswith("--"):
            example = f"such as {option} mlp" if option == "--model" else "and none was given"
            raise ValueError(f"{option} needs a value, {example}")
    return value, rest


def value_of(arguments: Sequence[str], option: str) -> str:
    """Return the last value of an option among arguments, empty where it is not there."""
    return taken(arguments, option)[0]


def with_built_in(arguments: Sequence[str]) -> list[str]:
    """Return arguments in which `--config small` names the built-in file.

    Raises:
        ValueError: Neither a file nor a built-in configuration.
    """
    out: list[str] = []
    for argument in arguments:
        if out and out[-1] == "--config":
            out.append(config_path(argument))
        elif argument.startswith("--config="):
            out.append(f"--config={config_path(argument.removeprefix('--config='))}")
        else:
            out.append(argument)
    return out


def config_path(name: str) -> str:
    """Return a file by its path, or a built-in configuration by its name.

    Raises:
        ValueError: Neither of them.
    """
    if Path(name).is_file():
        return name
    known = {path.stem: path for path in CONFIGS.glob("*.yaml")}
    if name not in known:
        raise ValueError(
            f"--config is a YAML file or one of {', '.join(sorted(known))}, got {name!r}; "
            f"{meant(name, known) or 'there is no such file, name one'}".rstrip()
        )
    return str(known[name])


def model_files(name: str) -> list[str]:
    """Return `--config FILE` of the settings that suit a model, nothing where it has none.

    Raises:
        ValueError: No model has this name.
    """
    path = MODEL_CONFIGS / f"{name}.yaml"
    if path.is_file():
        return ["--config", str(path)]
    model_declared(name)
    return ["--model.name", name]


def model_options(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a model with the types that its configuration has.

    Args:
        name: Name of the model.
        options: Options as they were written, by name.

    Raises:
        TypeError: A value of another kind.
        ValueError: An option that the model does not have, or none of its choices.
    """
    check_model_options(name, options)
    known = {option.name: option.type for option in model_declared(name).options}
    return {
        one: fitted(f"--model.options.{one}", value, known[one]) for one, value in options.items()
    }


def check_model_options(name: str, options: Iterable[str]) -> None:
    """Refuse options that a model does not have.

    Raises:
        ValueError: Naming the first of them, and what was probably meant.
    """
    known = [option.name for option in model_declared(name).options]
    if unknown := [one for one in options if one not in known]:
        near = difflib.get_close_matches(unknown[0], known, 1)
        meant = f"did you mean --model.options.{near[0]}? " if near else ""
        raise ValueError(
            f"model {name!r} has no option {unknown[0]!r}; {meant}its options are "
            f"{', '.join(known)}"
        )


def _check_raw(arguments: Sequence[str], model: str) -> None:
    """Refuse what can be refused before arguments are parsed, which takes its time."""
    for name in _BARS:
        path = value_of(arguments, f"--{name}")
        if path and not path.startswith("["):
            _find(name, path)
    prefix = "--model.options."
    names = [one.partition("=")[0] for one in arguments if one.startswith(prefix)]
    if model and names:
        check_model_options(model, [name.removeprefix(prefix) for name in names])


def _check_model(parsed: Namespace) -> None:
    """Refuse a model, preset or option that is not there, before anything is loaded."""
    model = parsed.get("model")
    if not isinstance(model, Namespace):
        return
    there = model_declared(model.name)
    if model.preset not in there.presets:
        raise ValueError(
            f"model {model.name!r} has no preset {model.preset!r}; its presets are "
            f"{', '.join(there.presets)}"
        )
    if model.options:
        parsed["model.options"] = model_options(model.name, dict(model.options))
        check_option_values(model.name, model.preset, parsed["model.options"])


def _model_of(model: str) -> tuple[str, Declared | None]:
    return (model, model_declared(model)) if model else ("", None)


def _check_paths(parsed: Namespace) -> None:
    """Refuse bars that are not there, before anything is loaded."""
    for name in _BARS:
        path = parsed.get(name)
        if path:
            _find(name, path if isinstance(path, str) else list(path))


def _find(name: str, path: str | list[str | Path]) -> None:
    """Refuse files that are not there, by the name of their option."""
    try:
        find_files(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"--{name}: {error}") from error


def _named(parser: CommandParser, arguments: Sequence[str]) -> list[str]:
    """Return the settings that arguments name, and those that files among them name.

    Raises:
        ValueError: A file that holds what is no setting.
    """
    names: list[str] = []
    given = iter(arguments)
    for argument in given:
        name, _, value = argument.partition("=")
        if name == "--config":
            if file := value or next(given, ""):
                names += _dotted(check_file(parser, file))
        elif name.startswith("--"):
            names.append(name.removeprefix("--").removesuffix("+"))
    return list(dict.fromkeys(names))


def _value_at(parsed: Any, name: str) -> Any:
    """Return a setting by its dotted name, an entry of `model.options` too."""
    for part in name.split("."):
        parsed = parsed.get(part) if isinstance(parsed, (Namespace, dict)) else None
    return parsed


def _dotted(values: Any, prefix: str = "") -> list[str]:
    if not isinstance(values, dict):
        return [prefix.removesuffix(".")]
    return [one for name, value in values.items() for one in _dotted(value, f"{prefix}{name}.")]
