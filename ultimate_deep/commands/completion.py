"""Completion of commands, options and what options take, in a shell."""

from __future__ import annotations

import importlib
import sys
from argparse import Action, ArgumentParser
from typing import TYPE_CHECKING, Any

import shtab

from ultimate_deep.commands.help_text import groups, shown_actions
from ultimate_deep.models.registry import BUILDERS
from ultimate_deep.models.trees.registry import TREES

if TYPE_CHECKING:
    from ultimate_deep.commands.command_parser import CommandParser

SHELLS = ("bash", "zsh", "tcsh")
# Finished runs of --artifacts as it was typed, and configurations by name or as files. Python is
# not started for a press of a key.
BASH = """
_ultimate_deep_runs() {
  local folder=artifacts place manifest
  for ((place = 1; place < COMP_CWORD - 1; place++)); do
    [[ ${COMP_WORDS[place]} == --artifacts ]] && folder=${COMP_WORDS[place + 1]}
  done
  for manifest in "$folder"/*/manifest.json; do
    manifest=${manifest%/manifest.json}
    manifest=${manifest##*/}
    [[ $manifest != "*" && $manifest == "$1"* ]] && printf '%s\\n' "$manifest"
  done
}
_ultimate_deep_bundles() {
  _ultimate_deep_runs "$1"
  compgen -d -- "$1"
}
_ultimate_deep_configs() {
  compgen -W "@CONFIGS@" -- "$1"
  compgen -f -X '!*.yaml' -- "$1"
  compgen -f -X '!*.yml' -- "$1"
  compgen -d -- "$1"
}
"""
ZSH = """
_ultimate_deep_runs() {
  local folder=artifacts place=${words[(i)--artifacts]}
  (( place < $#words )) && folder=${words[place + 1]}
  compadd -- $folder/*/manifest.json(N:h:t)
}
_ultimate_deep_bundles() {
  _ultimate_deep_runs
  _files -/
}
_ultimate_deep_configs() {
  compadd -- @CONFIGS@
  _files -g '*.(yaml|yml)'
}
"""
RUNS = {"bash": "_ultimate_deep_runs", "zsh": "_ultimate_deep_runs", "tcsh": "d"}
# How the shell completes what an option takes.
COMPLETED: dict[str, Any] = {
    "artifacts": shtab.DIRECTORY,
    "bundle": {"bash": "_ultimate_deep_bundles", "zsh": "_ultimate_deep_bundles", "tcsh": "d"},
    "config": {"bash": "_ultimate_deep_configs", "zsh": "_ultimate_deep_configs", "tcsh": "f"},
    **dict.fromkeys(
        ("data.path", "data.fills", "model.start_from", "output", "plugin", "steps"), shtab.FILE
    ),
}


def script(shell: str) -> str:
    """Return a completion script.

    Args:
        shell: One of `SHELLS`.

    Raises:
        SystemExit: Another shell or none, with exit status 2.
    """
    from ultimate_deep.commands import COMMANDS, NAME
    from ultimate_deep.commands.parser import CONFIGS

    if shell not in SHELLS:
        got = f"; there is none for {shell!r}" if shell else ""
        sys.stderr.write(
            f"error: --completion needs the name of a shell: {', '.join(SHELLS)}{got}\n"
            f"  {NAME} --completion bash > ~/.local/share/bash-completion/completions/{NAME}\n"
        )
        raise SystemExit(2)
    whole = ArgumentParser(prog=NAME)
    whole.add_argument("--version", action="store_true", help="The version")
    whole.add_argument("--completion", choices=SHELLS, help="A completion script for a shell")
    commands = whole.add_subparsers()
    for name, text in COMMANDS.items():
        module = importlib.import_module(f"ultimate_deep.commands.{name.replace('-', '_')}")
        one = commands.add_parser(name, help=text)
        _add_words(one, name, module)
        _add_options(one, module.parser())
    names = " ".join(sorted(path.stem for path in CONFIGS.glob("*.yaml")))
    preamble = {"bash": BASH, "zsh": ZSH}.get(shell, "").replace("@CONFIGS@", names)
    return str(shtab.complete(whole, shell, preamble=preamble))


def _add_words(one: ArgumentParser, name: str, module: Any) -> None:
    """Add what a command takes beside options."""
    if name == "runs":
        one.add_argument("deed", choices=module.DEEDS, help="What to do")
        _completed(one.add_argument("run", nargs="*", help="Finished runs"), RUNS)
    elif name == "check":
        _completed(one.add_argument("module", help="A Python file"), shtab.FILE)


def _add_options(one: ArgumentParser, parser: CommandParser) -> None:
    """Add every option with what it takes, and the groups of its help."""
    actions = shown_actions(parser)
    for action in actions:
        _add(one, *action.option_strings, like=action)
    if parser.has_model:
        _add(one, "--model", text="The model, with the settings that suit it")
    if parser.has_plugins:
        _add(one, "--plugin", text="A module of your own")
        _add(one, "--device", text="What computes: auto, cpu, gpu or gpu:1")
    for group in groups(actions):
        one.add_argument(f"--help.{group}", action="store_true", help=f"Settings of {group}")
    one.add_argument("--help.all", action="store_true", help="Every setting")


def _add(one: ArgumentParser, *names: str, like: Action | None = None, text: str = "") -> None:
    """Add an option; of what it takes, a shell is told the words or what kind of file."""
    name = names[-1].removeprefix("--").removesuffix("+")
    told: dict[str, Any] = {"help": (text or (like and like.help) or "").split(". ")[0]}
    told["help"] = told["help"].replace("%", "%%")
    if like is not None and like.nargs == 0:
        one.add_argument(*names, action="store_true", **told)
        return
    added = one.add_argument(*names, choices=_words(name, like) or None, **told)
    if name in COMPLETED:
        _completed(added, COMPLETED[name])


def _words(name: str, action: Action | None) -> tuple[str, ...]:
    """Return the words that an option takes, none where it takes anything."""
    if name in ("model", "model.name"):
        return tuple(sorted([*BUILDERS, *TREES]))
    hint = getattr(action, "_typehint", None)
    if hint is bool:
        return ("true", "false")
    words: Any = getattr(action, "choices", None) or getattr(hint, "__args__", ())
    return tuple(words) if all(isinstance(one, str) for one in words) else ()


def _completed(action: Action, how: Any) -> None:
    """Say how a shell completes what an option takes: shtab reads it from this attribute."""
    action.complete = how  # type: ignore[attr-defined]
