"""Options that do not exist, and what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser


def check_options(parser: ArgumentParser, arguments: Sequence[str]) -> None:
    """Refuse an option that the parser does not have.

    Raises:
        ValueError: Naming it and what is nearest to it.
    """
    known = parser._option_string_actions
    for argument in arguments:
        name = argument.partition("=")[0].removesuffix("+")
        if not name.startswith("--") or name in known or _inside(name, known):
            continue
        raise ValueError(f"no option is called {name}{did_you_mean(name, list(known))}")


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Return `; did you mean --fit.epochs?` where an option is near, nothing otherwise."""
    near = nearest(name, known)
    return f"; did you mean {near}?" if near else ""


def _inside(name: str, known: Mapping[str, object]) -> bool:
    """Whether an option is an entry of another one, as `--model.options.width` is."""
    outer = name
    while "." in outer:
        outer = outer.rpartition(".")[0]
        if outer in known and getattr(known[outer], "_typehint", None) is not None:
            return True
    return False


def nearest(name: str, known: Sequence[str]) -> str:
    """Return the option that was probably meant, empty where none is near.

    The same last word counts first: `--epochs` is `--fit.epochs`.
    """
    last = {option: option.rpartition(".")[2].removeprefix("--") for option in known}
    word = name.rpartition(".")[2].removeprefix("--").replace("-", "_")
    if same := [option for option in known if last[option] == word]:
        return min(same, key=len)
    if near := difflib.get_close_matches(name, known, 1, cutoff=0.75):
        return near[0]
    close = difflib.get_close_matches(word, sorted(set(last.values())), 1, cutoff=0.75)
    same = [option for option in known if close and last[option] == close[0]]
    return min(same, key=len) if same else ""
