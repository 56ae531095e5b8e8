"""Numbers in words for people: of things in singular and plural, of amounts, of confidence."""

import math


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


def amount(value: float) -> str:
    """Return an amount above zero in three digits, written out."""
    if not 0.0 < value < math.inf:
        return f"{value:,.0f}"
    digits = max(2 - math.floor(math.log10(value)), 0) if value < 100.0 else 0
    text = f"{float(f'{value:.3g}'):,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def signed(value: float, digits: int = 3) -> str:
    """Return a number with its sign, in more digits where these would not tell it from zero."""
    text = f"{value:+.{digits}f}"
    if float(text) != 0.0 or not value or not math.isfinite(value):
        return text
    return f"{value:+.{-math.floor(math.log10(abs(value)))}f}"
