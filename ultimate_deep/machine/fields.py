"""Values against their annotations: fields of frozen dataclasses, arguments of public functions.

An error names the field, the rule, what was given and what to give instead. Nothing heavy is
loaded: whole numbers and numbers of NumPy are known by the protocols of `numbers`.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import numbers
import os
import reprlib
from collections.abc import Collection, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

NOTHING = dataclasses.MISSING
# Seeds that NumPy, scikit-learn and Keras all take.
SEEDS = 2**32
_WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
_MANY = {int: "whole numbers", float: "numbers", bool: "true or false", str: "texts"}


class _MisfitError(Exception):
    """A value does not fit; `kind` says whether it is of a wrong kind or only out of range."""

    def __init__(self, *, kind: bool) -> None:
        super().__init__()
        self.kind = kind


def check_fields(part: Any, where: str = "", *, but: Collection[str] = ()) -> None:
    """Check every field of a frozen dataclass, and put what was converted in its place.

    A list becomes a tuple, a mapping the part that it describes, a number of NumPy Python's own,
    a whole number a float where the annotation says so. A bool is no number, a float no whole
    number and a text no list of texts.

    Args:
        part: Instance whose fields have been set, in its `__post_init__`.
        where: What comes before a field's name in messages, such as `fit`.
        but: Fields that the class checks by itself, as their choices may grow.

    Raises:
        TypeError: A value of another kind than its annotation.
        ValueError: A number that is not finite, or none of the choices.
    """
    kind: Any = type(part)
    for name in _hints(kind):
        if name not in but:
            check_field(part, name, where)


def check_field(part: Any, name: str, where: str = "") -> None:
    """Check one field as `check_fields` does all of them."""
    kind: Any = type(part)
    hint, default = _hints(kind)[name]
    value = getattr(part, name)
    found = fitted(f"{where}.{name}" if where else name, value, hint, default=default)
    if found is not value:
        object.__setattr__(part, name, found)


def fitted_fields(kind: Any, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return some fields' values as the class of a dataclass says they are.

    Args:
        kind: Class that has these fields.
        values: Values by name.
        where: What comes before a field's name in messages; may be empty.

    Raises:
        TypeError: A value of another kind than its annotation.
        ValueError: A number that is not finite, or none of the choices.
    """
    hints, prefix = _hints(kind), f"{where}." if where else ""
    return {
        name: fitted(prefix + name, value, hints[name][0], default=hints[name][1])
        for name, value in values.items()
    }


def fitted(name: str, value: Any, hint: Any, *, default: Any = NOTHING, remedy: str = "") -> Any:
    """Return a value as its annotation says it is.

    Args:
        name: What it is called in messages.
        value: What was given.
        hint: Annotation: `int`, `float`, `bool`, `str`, `None`, `Literal`, `tuple`, `dict`, a
            frozen dataclass, a union of those; any other class is asked for an instance.
        default: What it is where nothing is given; suggested.
        remedy: Said instead of what follows from the annotation.

    Raises:
        TypeError: A value of another kind.
        ValueError: A number that is not finite, or none of the choices.
    """
    try:
        return _fit(name, value, hint)
    except _MisfitError as misfit:
        error = TypeError if misfit.kind else ValueError
    rule = words(hint)
    if isinstance(value, float) and not math.isfinite(value):
        rule = rule.replace("a number", "a finite number")
    remedy = remedy or _remedy(name, value, hint, default)
    raise error(f"{name} must be {rule}, got {shown(value)}; {remedy}")


def built(kind: type[Any], values: Mapping[str, Any], where: str) -> Any:
    """Return a configuration of mappings and lists, such as JSON and YAML have.

    Args:
        kind: Frozen dataclass to build, which checks its fields.
        values: Fields by name; those of a part may be a mapping again.
        where: What it is called in messages.

    Raises:
        TypeError: A name that it does not have, or a value of another kind.
        ValueError: A value that it refuses.
    """
    fields = [field.name for field in dataclasses.fields(kind)]
    if unknown := [name for name in values if name not in fields]:
        raise TypeError(
            f"{where} has no field {unknown[0]!r}; {meant(str(unknown[0]), fields)}it has "
            f"{', '.join(fields)}"
        )
    return kind(**values)


def meant(name: str, known: Any) -> str:
    """Return a question that names a known name where one is near, nothing otherwise."""
    near = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean {near[0]!r}? " if near else ""


def check_seed(name: str, seed: int) -> None:
    """Refuse what some generator of a run would not take.

    Raises:
        ValueError: No whole number in [0, 2**32).
    """
    if not 0 <= seed < SEEDS:
        raise ValueError(f"{name} must be in [0, 2**32), got {seed}; give e.g. 0")


def words(hint: Any) -> str:
    """Return what an annotation asks for, in words."""
    origin, inside = get_origin(hint), get_args(hint)
    if hint in (None, NoneType):
        return "None"
    if origin is Literal:
        return ("one of " if len(inside) > 1 else "") + ", ".join(map(repr, inside))
    if origin in (Union, UnionType):
        parts = [words(one) for one in inside]
        return " or ".join([", ".join(parts[:-1]), parts[-1]])
    if hint in (tuple, list) or origin in (tuple, list):
        return f"a list of {_many(inside[0])}" if inside else "a list"
    if hint is dict or origin is dict:
        return "a mapping of names to values"
    if dataclasses.is_dataclass(hint):
        return f"{_one(_name(hint))} or a mapping of its fields"
    return _WORDS.get(hint) or _one(_name(hint))


def shown(value: Any) -> str:
    """Return a value for a message: itself where it is plain, else what it is."""
    if isinstance(value, (str, int, float, tuple, list, dict, set, NoneType, os.PathLike)):
        return reprlib.repr(value)
    return value.__name__ if isinstance(value, type) else _one(type(value).__name__)


def _one(name: str) -> str:
    return f"an {name}" if name[:1].lower() in "aeio" else f"a {name}"


def _many(hint: Any) -> str:
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(_many(one) for one in inside)
    if origin is Literal:
        return ", ".join(map(repr, inside))
    return _MANY.get(hint) or words(hint)


def _name(hint: Any) -> str:
    return getattr(hint, "__name__", str(hint))


@cache
def _hints(kind: Any) -> dict[str, tuple[Any, Any]]:
    """Return annotation and default of each field of a dataclass."""
    hints = get_type_hints(kind)
    return {
        field.name: (
            hints[field.name],
            field.default if field.default_factory is NOTHING else field.default_factory(),
        )
        for field in dataclasses.fields(kind)
    }


def _fit(name: str, value: Any, hint: Any) -> Any:
    """Return the value, converted where nothing is lost by it; else `_MisfitError` is raised."""
    origin = get_origin(hint)
    if hint is Any:
        return value
    if hint in (None, NoneType):
        return _instance(value, NoneType)
    if hint in _PLAIN:
        return _PLAIN[hint](value)
    if origin is Literal:
        return _choice(value, get_args(hint))
    if origin in (Union, UnionType):
        return _either(name, value, get_args(hint))
    if hint in (tuple, list) or origin in (tuple, list):
        return _sequence(name, value, get_args(hint))
    if hint is dict or origin is dict:
        return _mapping(name, value, get_args(hint))
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return built(hint, value, name)  # type: ignore[arg-type]
    return _instance(value, origin or hint)


def _instance(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise _MisfitError(kind=True)
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise _MisfitError(kind=True)
    return int(value)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise _MisfitError(kind=True)
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise _MisfitError(kind=False)
    return found


def _text(value: Any) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    return str(_instance(value, str))


_PLAIN = {
    int: _whole,
    float: _number,
    str: _text,
    bool: lambda value: _instance(value, bool),
}


def _choice(value: Any, choices: tuple[Any, ...]) -> Any:
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        value = int(value)
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return choice
    raise _MisfitError(kind=not isinstance(value, tuple({type(choice) for choice in choices})))


def _either(name: str, value: Any, hints: tuple[Any, ...]) -> Any:
    kind = True
    for hint in hints:
        try:
            return _fit(name, value, hint)
        except _MisfitError as misfit:
            kind = kind and misfit.kind
    raise _MisfitError(kind=kind)


def _sequence(name: str, value: Any, inside: tuple[Any, ...]) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise _MisfitError(kind=True)
    if inside and inside[-1] is not Ellipsis and len(inside) > 1:
        if len(value) != len(inside):
            raise _MisfitError(kind=False)
        hints: tuple[Any, ...] = inside
    else:
        hints = (inside[0] if inside else Any,) * len(value)
    found = tuple(_fit(name, one, hint) for one, hint in zip(value, hints, strict=True))
    if isinstance(value, tuple) and all(a is b for a, b in zip(found, value, strict=True)):
        return value
    return found


def _mapping(name: str, value: Any, inside: tuple[Any, ...]) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise _MisfitError(kind=True)
    keys, values = inside or (Any, Any)
    return {_fit(name, key, keys): _fit(name, one, values) for key, one in value.items()}


def _remedy(name: str, value: Any, hint: Any, default: Any) -> str:
    """Return what to give instead: the value in the right form, else a default."""
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    for option in options:
        if suggested := _suggested(name, value, option):
            return suggested
    if isinstance(default, (bool, int, float, str, tuple)) and default not in ("", ()):
        return f"give e.g. {default!r}"
    if NoneType in options or default is not NOTHING:
        return "leave it out for the default"
    if get_origin(options[0]) is Literal:
        return f"give e.g. {get_args(options[0])[0]!r}"
    example = {int: "3", float: "0.5", str: "'name'", bool: "True"}.get(options[0])
    return f"give e.g. {example}" if example else f"give {words(options[0])}"


def _suggested(name: str, value: Any, hint: Any) -> str:
    """Return what was probably meant, empty where nobody knows."""
    if get_origin(hint) is Literal:
        texts = [one for one in get_args(hint) if isinstance(one, str)]
        near = difflib.get_close_matches(value, texts, 1) if isinstance(value, str) else []
        return f"did you mean {near[0]!r}?" if near else ""
    if dataclasses.is_dataclass(hint):
        return _of_part(name, value, hint)
    if get_origin(hint) in (tuple, list) and _fits(value, get_args(hint)[0]):
        return f"give [{value!r}]"
    if hint is bool and isinstance(value, str) and value.lower() in _SAID:
        return f"give {_SAID[value.lower()]}"
    if hint is int and isinstance(value, float) and value.is_integer():
        return f"give {int(value)}"
    if hint in (int, float) and isinstance(value, str) and _fits(number := _read(value), hint):
        return f"give {number}"
    return ""


_SAID = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _of_part(name: str, value: Any, kind: Any) -> str:
    """Return how a part is given, with the value where its first field takes that."""
    known = list(_hints(kind).items())
    text = isinstance(value, (list, tuple)) or (isinstance(value, str) and value)
    first, (hint, default) = next((one for one in known if one[1][1] is not None), known[0])
    if text and _fits(value, hint):
        return f"give e.g. {name}={{{first!r}: {value!r}}}"
    # A default that is None or empty shows nothing.
    shown = (one for one in known if one[1][1] not in (None, (), {}))
    first, (hint, default) = next(shown, known[0])
    chosen = value if text and _fits(value, hint) else default
    return f"give e.g. {name}={{{first!r}: {chosen!r}}}"


def _fits(value: Any, hint: Any) -> bool:
    try:
        _fit("", value, hint)
    except (_MisfitError, TypeError, ValueError):
        return False
    return True


def _read(text: str) -> Any:
    """Return the number that a text writes, the text where it writes none."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
