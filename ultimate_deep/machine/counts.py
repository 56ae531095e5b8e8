"""Numbers of things, in singular and plural."""


def noun_for(count: float, noun: str, plural: str = "") -> str:
    """Return the noun that stands after a number; its plural ends in `s` unless given."""
    return noun if count == 1 else plural or f"{noun}s"


def how_many(count: float, noun: str, plural: str = "") -> str:
    """Return a whole number with its noun, such as `1 bar` and `1,200 bars`."""
    return f"{count:,.0f} {noun_for(count, noun, plural)}"
