"""Remedies in the words of the command line: `timezone='UTC'` is `--data.timezone UTC` there."""

from __future__ import annotations

import re
import shlex

# Arguments of `read_bars`, by which the rules of bars name their remedies.
READING = (
    "adjust", "bars", "columns", "decimal", "format", "interval", "price_scale", "repair",
    "session", "stamp", "symbol", "time_format", "timezone",
)  # fmt: skip
_STATED = re.compile(
    rf"(?<![\w.])({'|'.join(READING)})=(?:'([^']*)'|\"([^\"]*)\"|([\w./%:-]*[\w/%]))"
)


def in_options(error: BaseException) -> str:
    """Return an error's text with options in place of arguments; bars' own where it is of bars."""
    text = str(error).replace("period='all'", "--period all")
    if not any(kind.__name__ == "BarsError" for kind in type(error).__mro__):
        return text
    return options_in(text)


def options_in(text: str) -> str:
    """Return a text with options in place of the arguments that it names."""
    return _STATED.sub(_option, text)


def _option(found: re.Match[str]) -> str:
    value = next(value for value in found.groups()[1:] if value is not None)
    return f"--data.{found[1]} {shlex.quote(value)}"
