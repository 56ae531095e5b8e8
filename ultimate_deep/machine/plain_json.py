"""JSON of unknown origin: of bounded size, depth and memory, read from regular files only."""

import json
import math
from pathlib import Path
from typing import Any, NoReturn

MOST_BYTES = 2**25
MOST_DEPTH = 64
MOST_MEMORY = 2**27
# What a list, an object, an entry of one and a further value take at most, in bytes beside texts.
_MEMORY = {b"[": 72, b"{": 240, b":": 120, b",": 64}


class JsonError(ValueError):
    """A file is not JSON, or more than what is read here."""


class TooMuchError(JsonError):
    """JSON that is larger, deeper or takes more memory than what is read here."""


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        JsonError: No regular file, more bytes than `MOST_BYTES`, or see `parse_json`.
    """
    try:
        if not path.is_file():
            raise JsonError("it is no regular file")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise TooMuchError(f"it has {size:,} bytes, and at most {MOST_BYTES:,} are read")
        return parse_json(path.read_bytes())
    except OSError as error:
        raise JsonError(f"it cannot be read: {error.strerror}") from error


def parse_json(text: bytes, *, most_depth: int = MOST_DEPTH, most_memory: int = MOST_MEMORY) -> Any:
    """Return what strict JSON says.

    Args:
        text: Encoded in UTF-8.
        most_depth: Most lists and objects inside of each other.
        most_memory: Bytes that its values may take beside its texts.

    Raises:
        JsonError: No JSON, or a number that is NaN or infinite.
        TooMuchError: Deeper than that, or of more values.
    """
    memory = sum(text.count(sign) * size for sign, size in _MEMORY.items())
    if memory > most_memory:
        raise TooMuchError(
            f"its values would take {memory:,} bytes of memory, and at most {most_memory:,} are "
            "given to them"
        )
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except RecursionError:
        raise TooMuchError(_too_deep(most_depth)) from None
    except JsonError:
        raise
    except ValueError as error:  # undecodable bytes and bad JSON alike
        raise JsonError(f"it is not JSON ({error})") from error
    level = [value]
    for _ in range(most_depth):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return value
    raise TooMuchError(_too_deep(most_depth))


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    return [one for one in value if isinstance(one, dict | list)] if isinstance(value, list) else []


def _too_deep(most_depth: int) -> str:
    return f"it nests lists and objects deeper than {most_depth}"


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        _refuse_constant(text)
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise JsonError(f"it is not JSON: it holds the number {name[:40]}")
