"""What `--help` prints: the settings people use first, and a group of them at a time."""

from __future__ import annotations

import textwrap
from argparse import SUPPRESS, Action
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ultimate_deep.commands.command_parser import CommandParser
    from ultimate_deep.models.declared import Declared

WIDTH = 96
OPTIONS = "model"


def help_of(
    parser: CommandParser, group: str = "", model: str = "", told: Declared | None = None
) -> str:
    """Return the help of a parser.

    Args:
        parser: Parser of the subcommand.
        group: `fit` for the settings that begin with `--fit.`, `all` for all of them; empty for
            those that people use first.
        model: Name of the model that was chosen, if any.
        told: What its file declares.

    Raises:
        ValueError: There is no such group.
    """
    actions = shown_actions(parser)
    if group and actions:
        chosen = [one for one in actions if group == "all" or _within(one, group)]
        if not chosen:
            known = ", ".join(groups(actions))
            remedy = f"groups are {known}" if known else "--help shows all there are"
            raise ValueError(f"no settings are grouped under --help.{group}; {remedy}")
        lines = [f"usage: {parser.prog} [options]", "", *_rows(chosen)]
        if group == "all" and parser.has_plugins:
            lines += _own_rows()
        if parser.has_model:
            lines += _model_lines(group, model, told)
        return "\n".join(lines)
    summary = textwrap.dedent(parser.description or "").strip()
    names = {f"--{name}" for name in parser.first}
    shown = [one for one in actions if names & set(one.option_strings)]
    ordered = sorted(shown, key=lambda one: parser.first.index(_name(one)))
    lines = [f"usage: {parser.prog} [options]", "", summary, ""]
    if parser.has_model:
        lines += _row("--model NAME", "The model, with the settings that suit it")
    lines += _rows(ordered)
    if parser.has_plugins:
        lines += _own_rows()
    if len(shown) == len(actions):
        return "\n".join(lines).rstrip()
    more = ", ".join(f"--help.{one}" for one in (*groups(actions), "all"))
    return "\n".join([*lines, "", *textwrap.wrap(f"More: {more}", WIDTH)])


def _own_rows() -> list[str]:
    """Return what no setting is and every command takes that computes."""
    return [
        *_row("--plugin FILE", "A module with features, nets, losses of your own"),
        *_row("--device NAME", "What computes: auto, cpu, gpu, or gpu:1 by its number"),
    ]


def shown_actions(parser: CommandParser) -> list[Action]:
    """Return the options that people are told of."""
    return [
        one
        for one in parser._actions
        # A link, such as from `seed` to `fit.seed`, is no option.
        if one.option_strings and one.help != SUPPRESS and "-->" not in _name(one)
        # It names a model; the like of other groups names a file.
        if not (parser.has_model and _name(one) == OPTIONS)
    ]


def groups(actions: Iterable[Action]) -> list[str]:
    """Return what settings begin with: the part before the first dot."""
    found = dict.fromkeys(_name(one).partition(".")[0] for one in actions if "." in _name(one))
    return list(found)


def _name(action: Action) -> str:
    # A list has `--bundles+` too, which appends.
    names = [name for name in action.option_strings if not name.endswith("+")]
    return names[-1].removeprefix("--")


def _within(action: Action, group: str) -> bool:
    return _name(action) == group or _name(action).startswith(f"{group}.")


def _rows(actions: Iterable[Action]) -> list[str]:
    lines: list[str] = []
    for action in actions:
        label = f"--{_name(action)}"
        if action.nargs != 0:
            label = f"{label} {_metavar(action)}"
        default = action.default
        known = isinstance(default, (bool, int, float, str)) and default not in ("", SUPPRESS)
        ends = f" [{str(default).lower() if isinstance(default, bool) else default}]"
        lines += _row(
            label, (action.help or "").rstrip(".") + (ends if known and action.nargs != 0 else "")
        )
    return lines


def _metavar(action: Action) -> str:
    """Return what stands for an option's value: its choices, else what it is called."""
    hint: Any = getattr(action, "_typehint", None) or action.type
    choices = getattr(hint, "__args__", ())
    if action.choices:
        return "{" + ",".join(map(str, action.choices)) + "}"
    if choices and all(isinstance(one, (str, int)) for one in choices):
        return "{" + ",".join(map(str, choices)) + "}"
    return str(action.metavar or _name(action).rpartition(".")[2]).upper()


def _row(label: str, text: str) -> list[str]:
    wrapped = textwrap.wrap(text, WIDTH - 30) or [""]
    first = [f"  {label:<27} {wrapped[0]}"] if len(label) <= 27 else [f"  {label}"]
    rest = wrapped[1:] if len(label) <= 27 else wrapped
    return [*(line.rstrip() for line in first), *(" " * 30 + line for line in rest)]


def _model_lines(group: str, model: str, told: Declared | None) -> list[str]:
    """Return what the chosen model says of itself, under `--help.model` and `--help.all`."""
    if group not in (OPTIONS, "all"):
        return []
    if told is None:
        return ["", "Name a model, --model lstm --help.model, to see its options."]
    lines = ["", f"{model}: {told.summary}", f"  presets: {', '.join(told.presets)}", ""]
    for one in told.options:
        lines += _row(f"--model.options.{one.name}", f"{one.help.rstrip('.')} [{one.default}]")
    return lines
