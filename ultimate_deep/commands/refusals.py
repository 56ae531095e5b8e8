"""What a parser refuses, in words: the rule, what was given, and what to give instead."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import yaml

from ultimate_deep.commands.suggestions import did_you_mean
from ultimate_deep.machine.fields import meant, words

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

_OF_VALUE = re.compile(r'Parser key "([^"]+)":.*?(?:Got|Given) value: ?(.*)', re.DOTALL)
_OF_PART = re.compile(r'Parser key "([^"]+)":\s*Unable to load config \'?([^\'\n]*)')
_UNKNOWN = re.compile(r"(?:Group '([^']+)' does not accept option|Option) '([^']+)'")
_LINKED = re.compile(r'Linked "([^"]+)" must be given via "([^"]+)"')
_ONE_MISSING = re.compile(r"argument (--[\w.-]+)\S*: expected (?:one|at least one) argument")
_ONE_TOO_MANY = re.compile(r"argument (--[\w.-]+)\S*: ignored explicit argument '(.*)'")
_STRAY = re.compile(r"unrecognized arguments: (\S+)")
_REQUIRED = re.compile(r"(?:the following arguments are required: |Key \")([\w.]+)")
_PRINTED = re.compile(r'Invalid option "([^"]*)" for --print_config')


def in_words(parser: ArgumentParser, message: str) -> str:
    """Return what a parsing library said in the words of this program, else as it is."""
    if found := _OF_PART.search(message):
        return _part_message(f"--{found[1]}", _read(found[2]), found[1])
    if found := _OF_VALUE.search(message):
        return _value_message(parser, found[1], found[2].strip())
    if found := _UNKNOWN.search(message):
        name = f"--{found[1]}.{found[2]}" if found[1] else f"--{found[2]}"
        return f"no option is called {name}{did_you_mean(name, options_of(parser))}"
    if found := _LINKED.search(message):
        return f"--{found[1]} is taken from --{found[2]}; give --{found[2]} instead"
    if found := _ONE_MISSING.search(message):
        return f"{found[1]} needs a value; {_example(parser, found[1].removeprefix('--'))}"
    if found := _ONE_TOO_MANY.search(message):
        return f"{found[1]} takes no value, got {found[2]!r}; leave the value out"
    if found := _STRAY.search(message):
        return f"{found[1]!r} is no option; options begin with --, and a list is '[first, second]'"
    if found := _REQUIRED.search(message):
        return f"--{found[1]} must be given; {_example(parser, found[1])}"
    if found := _PRINTED.search(message):
        return (
            "--print_config takes comments, skip_default, skip_null or nothing, got "
            f"{found[1]!r}; leave the value out"
        )
    return re.sub(r'Parser key "([^"]+)":\s*', r"--\1: ", message)


def check_file(parser: ArgumentParser, path: str) -> dict[str, Any]:
    """Return the settings of a YAML file, refusing names that are none.

    Args:
        parser: Parser of the subcommand.
        path: A file that is there.

    Raises:
        ValueError: No YAML, no mapping, a name that is no setting, or no mapping where a group of
            settings stands.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text: {error.reason}; name a YAML file") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        said = getattr(error, "problem", None) or "it cannot be read"
        raise ValueError(
            f"{path} is no YAML: {where}{said}; --print_config writes one to begin with"
        ) from error
    if not isinstance(values, Mapping):
        what = "it is empty" if values is None else f"it holds {_shown(values)}"
        raise ValueError(
            f"{path} must hold settings by name, and {what}; write e.g. 'fit: {{epochs: 4}}', or "
            "see --print_config"
        )
    known = options_of(parser)
    groups = {one.rpartition(".")[0] for one in known if "." in one}
    groups |= {one.rpartition(".")[0] for one in groups if "." in one}
    for name, value in _entries(values, path, groups):
        if f"--{name}" in groups:
            if isinstance(value, str) and (Path(path).parent / value).is_file():
                continue  # the settings of this group, in a file of their own
            raise ValueError(f"{path}: {_part_message(name, value, name)}")
        if f"--{name}" not in known:
            hint = did_you_mean(f"--{name}", known).replace("--", "")
            raise ValueError(f"{path} names {name!r}, which is no setting{hint or _LIST}")
    return dict(values)


_LIST = "; --help.all lists them"


def options_of(parser: ArgumentParser) -> list[str]:
    """Return every option that may be given, as it is typed."""
    hidden = ("--help", "-h", "--print_config")
    return [
        name
        for name in parser._option_string_actions
        if name.startswith("--")
        and not name.startswith(hidden)
        and not name.endswith("+")
        and not _names_a_file(parser, name)
    ]


def _names_a_file(parser: ArgumentParser, name: str) -> bool:
    """Whether an option such as `--fit` takes a file of the settings that begin with it."""
    inner = f"{name}."
    return any(one.startswith(inner) for one in parser._option_string_actions)


def _entries(
    values: Mapping[Any, Any], path: str, groups: set[str], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield each setting with its dotted name; what is inside a setting belongs to it."""
    for key, value in values.items():
        if not isinstance(key, str):
            raise ValueError(
                f"{path} must name settings by texts, got {prefix}{key}; write the name in quotes"
            )
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and f"--{name}" in groups:
            yield from _entries(value, path, groups, f"{name}.")
        else:
            yield name, value


def _part_message(shown: str, value: Any, name: str) -> str:
    what = {"model": "name: lstm", "fit": "epochs: 4", "features": "names: [rsi_14]"}.get(name)
    last = name.rpartition(".")[2]
    example = f"write e.g. '{last}: {{{what}}}'" if what else f"see --help.{name.split('.')[0]}"
    return (
        f"{shown} must be a mapping of settings, or a YAML file of them, got {_shown(value)}; "
        f"{example}"
    )


def _value_message(parser: ArgumentParser, name: str, given: str) -> str:
    action = parser._option_string_actions.get(f"--{name}")
    hint = getattr(action, "_typehint", None) or getattr(action, "type", None)
    if action is None or hint is None:
        return f"--{name} does not take {given}; --help.{name.partition('.')[0]} says what it takes"
    remedy = _remedy(parser, name, _read(given), hint)
    return f"--{name} must be {_rule(hint)}, got {given or 'nothing'}; {remedy}"


def _rule(hint: Any) -> str:
    """Return what an annotation asks for, as it is typed."""
    return words(hint).replace("'", "").replace("None", "null")


def _remedy(parser: ArgumentParser, name: str, value: Any, hint: Any) -> str:
    for option in (hint, *get_args(hint)):
        if get_origin(option) is Literal and isinstance(value, str):
            choices = [one for one in get_args(option) if isinstance(one, str)]
            if near := meant(value, choices):
                return near.strip().replace("'", "")
        if get_origin(option) in (tuple, list) and type(value) in get_args(option):
            return f"give '[{value}]'"
        if option is int and isinstance(value, float) and value.is_integer():
            return f"give {int(value)}"
    return _example(parser, name)


def _example(parser: ArgumentParser, name: str) -> str:
    """Return how an option is given, with its default where that says something."""
    action = parser._option_string_actions.get(f"--{name}")
    default = getattr(action, "default", None)
    if isinstance(default, (list, tuple)) and default:
        return f"give e.g. --{name} '{_shown(list(default))}'"
    if isinstance(default, (bool, int, float, str)) and default not in ("", "==SUPPRESS=="):
        return f"give e.g. --{name} {_shown(default)}"
    hint = getattr(action, "_typehint", None)
    if get_origin(hint) in (tuple, list):
        return f"give e.g. --{name} '[first, second]'"
    if name == "config":
        return "give e.g. --config small"
    return "leave it out for the default" if action is not None else "see --help"


def _shown(value: Any) -> str:
    """Return a value as it is written in YAML, in one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000).strip()
    return text.removesuffix("...").strip()[:80]


def _read(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
