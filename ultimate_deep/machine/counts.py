"""Numbers in words for people: of things in singular and plural, of amounts, of confidence."""

import math

_MOST_PERCENT = 100.0  # as a share: from 10,000% on, a multiple is read more easily
_LARGE = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))
_WITHOUT_NAME = 1e15


def noun_for(count: float, noun: str, plural: str = "") -> str:
    """Return the noun that stands after a number; its plural ends in `s` unless given."""
    return noun if count == 1 else plural or f"{noun}s"


def how_many(count: float, noun: str, plural: str = "") -> str:
    """Return a whole number with its noun, such as `1 bar` and `1,200 bars`."""
    return f"{count:,.0f} {noun_for(count, noun, plural)}"


def sure_of(confidence: float) -> str:
    """Return a confidence below one in percent, in as many digits as tell it from certainty."""
    left = 100.0 * (1.0 - confidence)
    digits = 0 if left <= 0.0 else max(0, -math.floor(math.log10(left) + 1e-9))
    return f"{100.0 * confidence:.{digits}f}%"


def chance(probability: float, digits: int = 1) -> str:
    """Return a probability in percent that is never written as certain, for or against."""
    text = f"{probability:.{digits}%}"
    if text == f"{1:.{digits}%}":
        return f"more than {1.0 - 10.0 ** -(digits + 2):.{digits}%}"
    return f"less than {10.0 ** -(digits + 2):.{digits}%}" if float(text[:-1]) == 0.0 else text


def written(value: float, form: str) -> str:
    """Return `form.format(value)`; of 10,000% and more, how many times it is, in three digits."""
    before, sign, rest = form.partition("{")
    spec, _, after = rest.partition("}")
    size = abs(value)
    if not (sign and spec.endswith("%")) or not _MOST_PERCENT <= float(f"{size:.6g}") < math.inf:
        return form.format(value)
    mark = "-" if value < 0.0 else "+" if "+" in spec else ""
    return f"{before}{mark}{_large(size, 1e6) or amount(size)} times{after}"


def amount(value: float) -> str:
    """Return an amount above zero in three digits, the largest in words or as a power."""
    if not 0.0 < value < math.inf:
        return f"{value:,.0f}"
    if words := _large(value, 1e9):
        return words
    digits = max(2 - math.floor(math.log10(value)), 0) if value < 100.0 else 0
    text = f"{float(f'{value:.3g}'):,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _large(value: float, least: float) -> str:
    """Return a number from `least` on in words or as a power; an empty string for a smaller one."""
    rounded = float(f"{value:.3g}")
    if rounded >= _WITHOUT_NAME:
        first, power = f"{value:.1e}".split("e")
        return f"{float(first):g}\u00d710^{int(power)}"
    named = (f"{rounded / size:g} {name}" for size, name in _LARGE if rounded >= size >= least)
    return next(named, "")


def signed(value: float, digits: int = 3) -> str:
    """Return a number with its sign, in more digits where these would not tell it from zero."""
    text = f"{value:+.{digits}f}"
    if float(text) != 0.0 or not value or not math.isfinite(value):
        return text
    return f"{value:+.{-math.floor(math.log10(abs(value)))}f}"
