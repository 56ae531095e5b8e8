"""Checks on numeric options: an error names the option, the rule, the value and a remedy."""

import math


def check_number(
    name: str,
    value: object,
    *,
    lowest: float = -math.inf,
    highest: float = math.inf,
    above: float = -math.inf,
    remedy: str,
) -> float:
    """Return `value` as a float.

    Args:
        name: What to call the option in an error.
        value: A finite number, no boolean.
        lowest, highest: Bounds that the value may reach.
        above: Bound that it must exceed.
        remedy: What to give instead, a clause without a full stop.

    Raises:
        TypeError: `value` is no number.
        ValueError: `value` is out of bounds or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, got {value!r}; {remedy}")
    if not (math.isfinite(value) and lowest <= value <= highest and value > above):
        rules = ["finite"]
        if math.isfinite(lowest):
            rules.append("not negative" if lowest == 0 else f"at least {lowest:g}")
        if math.isfinite(above):
            rules.append(f"above {above:g}")
        if math.isfinite(highest):
            rules.append(f"at most {highest:g}")
        raise ValueError(f"{name} must be {' and '.join(rules)}, got {value}; {remedy}")
    return float(value)


def check_count(name: str, value: object, *, lowest: int, remedy: str) -> int:
    """Return `value`, a whole number of at least `lowest`.

    Raises:
        TypeError: `value` is no whole number.
        ValueError: `value` is too small.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be a whole number, got {value!r}; {remedy}")
    if value < lowest:
        raise ValueError(f"{name} must be at least {lowest}, got {value}; {remedy}")
    return value
