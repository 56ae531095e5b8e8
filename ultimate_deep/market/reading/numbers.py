"""Numbers as countries and vendors write them; what cannot be read becomes NaN, never a guess."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ultimate_deep.market.reading.shown import cell
from ultimate_deep.market.reading.texts import texts_of
from ultimate_deep.market.validation import BarsError

Decimal = Literal["point", "comma"]
SIGNS: dict[Decimal, str] = {"point": ".", "comma": ","}
ABSENT = frozenset(("", "-", "--", "—", "n/a", "na", "#n/a", "nan", "null", "none", ".", "nil"))
THOUSANDS, MILLIONS = {"k": 3, "m": 6, "b": 9, "t": 12}, "kmbt"

# What only a decimal comma writes, and what only a decimal point; 1,234 and 1.234 may be either.
_COMMA = (
    r"^[+-]?(\d+,\d{1,2}|\d+,\d{4,}|0,\d+|\d{4,},\d+|\d{1,3}(\.\d{3})+,\d+|\d{1,3}(\.\d{3}){2,})$"
)
_POINT = (
    r"^[+-]?(\d+\.\d{1,2}|\d+\.\d{4,}|0\.\d+|\d{4,}\.\d+|\d{1,3}(,\d{3})+\.\d+"
    r"|\d{1,3}(,\d{3}){2,}|\d{1,2}(,\d{2})+,\d{3})$"
)
_SAMPLE = 512
_GROUPED = {
    # Thousands, or lakhs and crores as in 1,23,45,678.
    "point": r"^[+-]?(\d{1,3}(,\d{3})+|\d{1,2}(,\d{2})+,\d{3})(\.\d+)?$",
    "comma": r"^[+-]?\d{1,3}(\.\d{3})+(,\d+)?$",
}


def read_numbers(
    texts: Mapping[str, pd.Series], *, decimal: Decimal | None, separator: str, where: str
) -> tuple[dict[str, np.ndarray], str]:
    """Return columns of numbers, and what their decimal sign was taken to be.

    Args:
        texts: Columns by role, as text or as numbers already; all are written in one way.
        decimal: What the decimal sign is stated to be; else what the cells themselves show.
        separator: What stands between the fields of a line.
        where: The file, for messages.

    Returns:
        Columns of float64, NaN where a cell is no number; and the decimal sign in words, empty for
        plain numbers.

    Raises:
        BarsError: Cells of which some show a comma and some a point as decimal sign, or that may
            be read in both ways.
    """
    if decimal is not None and decimal not in get_args(Decimal):
        raise ValueError(f"decimal must be 'point' or 'comma', got {decimal!r}; state either")
    numbers: dict[str, np.ndarray] = {}
    rest: dict[str, pa.ChunkedArray | pa.Array] = {}
    for role, column in texts.items():
        if not pd.api.types.is_numeric_dtype(column.dtype):
            rest[role] = _stripped(column)
        else:
            numbers[role] = column.to_numpy(np.float64, na_value=np.nan)
    if not rest:
        return numbers, ""
    plain = {role: _plain(text) for role, text in rest.items()}
    if decimal is None and all(found is not None for found in plain.values()):
        _refuse_points_of_thousands(rest, separator, where)
        return numbers | {role: found for role, found in plain.items() if found is not None}, ""
    _refuse_parts_of_32(rest, where)
    tidy = {role: _tidy(text) for role, text in rest.items()}
    sign = decimal or _sign(rest, tidy, separator, where)
    for role, text in tidy.items():
        numbers[role] = _read(text, sign, suffixes=role == "volume")
    return numbers, f"decimal {sign}"


def _refuse_points_of_thousands(texts: Mapping[str, pa.Array], separator: str, where: str) -> None:
    """Refuse 28.002 and 3.407 among whole numbers below 1,000, whose points may be of thousands.

    Decimals of which some happen to be whole have fewer than three digits here and there.
    """
    if any(bool(pc.any(_matches(_some(text), _POINT)).as_py()) for text in texts.values()):
        return
    pointed = {role: _any_and_all(pc.match_substring(text, ".")) for role, text in texts.items()}
    mixed = [role for role, (some, every) in pointed.items() if some and not every]
    volume = pointed.get("volume", (True, True))[0]
    prices = [every for role, (_, every) in pointed.items() if role != "volume"]
    alike = separator == ";" and volume and all(prices)
    if not (mixed or alike) or any(
        bool(pc.any(_matches(text, rf"{_POINT}|^\d{{4,}}$")).as_py()) for text in texts.values()
    ):
        return
    for role in mixed or texts:
        doubtful = _first(texts[role], _matches(texts[role], r"^[+-]?\d{1,3}\.\d{3}$"))
        among = not mixed or pc.any(_matches(texts[role], r"^[1-9]\d{0,2}$")).as_py()
        if doubtful and among:
            raise BarsError(_may_be_thousands(doubtful, "point", where))


def _some(text: pa.Array) -> pa.Array:
    return text.take(pa.array(range(0, len(text), max(1, len(text) // _SAMPLE))))


def _matches(text: pa.Array, pattern: str) -> pa.Array:
    return pc.match_substring_regex(text, pattern)


def _any_and_all(found: pa.Array) -> tuple[bool, bool]:
    return bool(pc.any(found).as_py()), bool(pc.all(found).as_py())


def _may_be_thousands(doubtful: tuple[str, int], sign: Decimal, where: str) -> str:
    return (
        f"{where}: {cell(doubtful[0])} in row {doubtful[1]} may be a decimal {sign} or a {sign} "
        "of thousands, and no other number of the file tells; state it: decimal='comma' or "
        "decimal='point'"
    )


def _refuse_parts_of_32(texts: Mapping[str, pa.Array], where: str) -> None:
    """Refuse 110'165, which is 110 and 16.5/32 in the prices of bonds and no 110,165."""
    parts: set[str] = set()
    first = ""
    for role, text in texts.items():
        if role == "volume":
            continue
        found = pc.struct_field(pc.extract_regex(text, r"^\d{1,3}['\x{2019}](?P<s>\d{3})$"), "s")
        known, written = found.drop_null(), text.drop_null()
        if len(known) < len(written):
            return
        parts |= set(known.unique().to_pylist())
        first = first or (str(written[0].as_py()) if len(written) else "")
    if parts and all(part < "320" and part[2] in "0257" for part in parts):
        raise BarsError(
            f"{where}: {cell(first)} and all other prices may be whole numbers and parts of 32, as "
            "those of bonds are, or thousands; write them with a decimal point"
        )


def _stripped(column: pd.Series) -> pa.Array:
    """Return trimmed text without signs of currencies; null where nothing is written."""
    text = pc.utf8_trim_whitespace(texts_of(column))
    absent = pc.is_in(pc.utf8_lower(text), pa.array(sorted(ABSENT)))
    return pc.if_else(absent, pa.scalar(None, pa.string()), text)


def are_absent(column: pd.Series) -> np.ndarray:
    """Return where nothing is written, or what stands for nothing."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        return np.asarray(column.isna(), dtype=bool)
    return np.asarray(_stripped(column).is_null().to_numpy(zero_copy_only=False), dtype=bool)


def _plain(text: pa.Array) -> np.ndarray | None:
    """Return the numbers of a column written plainly; None where any cell is written otherwise."""
    try:
        found = pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        return None
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.float64)


def _tidy(text: pa.Array) -> pa.Array:
    """Take away signs of currencies, and blanks and apostrophes between digits."""
    if not pc.any(pc.match_substring_regex(text, r"[^0-9.,eE+-]")).as_py():
        return text
    text = pc.replace_substring_regex(text, r"^([+-]?)\s*[$€£¥₹₽₩₿]\s*", r"\1")
    text = pc.replace_substring_regex(text, r"\s*[$€£¥₹₽₩₿]$", "")
    return pc.replace_substring_regex(
        text, r"(\d)[\s'\x{2019}_\x{00A0}\x{202F}\x{2009}](\d{3})", r"\1\2"
    )


def _sign(
    texts: Mapping[str, pa.Array], tidied: Mapping[str, pa.Array], separator: str, where: str
) -> Decimal:
    """Return the decimal sign that the cells of all columns show together."""
    comma: tuple[str, int] | None = None
    point: tuple[str, int] | None = None
    doubtful: tuple[str, int] | None = None
    points_seen = False
    for role, text in texts.items():
        tidy = _unsuffixed(tidied[role])[0]
        comma = comma or _first(text, pc.match_substring_regex(tidy, _COMMA))
        point = point or _first(text, pc.match_substring_regex(tidy, _POINT))
        doubtful = doubtful or _first(text, pc.match_substring_regex(tidy, r"^[+-]?\d{1,3},\d{3}$"))
        points_seen = points_seen or bool(pc.any(pc.match_substring(tidy, ".")).as_py())
    if comma and point:
        raise BarsError(
            f"{where}: {cell(comma[0])} in row {comma[1]} has a decimal comma and "
            f"{cell(point[0])} in row {point[1]} a decimal point; a file has one of the two; state "
            "which it is: decimal='comma' or decimal='point'"
        )
    # A long whole number, or no volume at all, has no need of a comma of thousands.
    plain = points_seen or separator != ";" or not (
        any(_first(one, pc.match_substring_regex(one, r"^\d{4,}$")) for one in tidied.values())
        or _any_and_all(pc.equal(tidied.get("volume", pa.array(["1"])), "0"))[1]
    )  # fmt: skip
    if comma or (doubtful and not point and not plain):
        return "comma"
    if doubtful and not point:
        raise BarsError(_may_be_thousands(doubtful, "comma", where))
    return "point"


def _first(text: pa.Array, found: pa.Array) -> tuple[str, int] | None:
    row = pc.index(found, True).as_py()
    return None if row < 0 else (str(text[row].as_py()), int(row))


def _unsuffixed(text: pa.Array) -> tuple[pa.Array, np.ndarray | float]:
    """Return text without K, M, B or T behind the digits, and what to multiply with."""
    if not pc.any(pc.match_substring_regex(text, r"[kKmMbBtT]$")).as_py():
        return text, 1.0
    letter = pc.utf8_lower(pc.struct_field(pc.extract_regex(text, r"(?P<s>[kKmMbBtT])$"), "s"))
    power = np.ones(len(text))
    for name, tens in THOUSANDS.items():
        hit = pc.fill_null(pc.equal(letter, name), False).to_numpy(zero_copy_only=False)
        power[np.asarray(hit, bool)] = 10.0**tens
    return pc.replace_substring_regex(text, r"\s*[kKmMbBtT]$", ""), power


def _read(text: pa.Array, sign: Decimal, *, suffixes: bool) -> np.ndarray:
    power: np.ndarray | float = 1.0
    if suffixes:
        text, power = _unsuffixed(text)
    grouped = pc.match_substring_regex(text, _GROUPED[sign])
    thousands = "," if sign == "point" else "."
    text = pc.if_else(grouped, pc.replace_substring(text, thousands, ""), text)
    if sign == "comma":
        # A point that groups no thousands is no number here.
        pointed = pc.match_substring(text, ".")
        text = pc.if_else(pointed, pa.scalar(None, pa.string()), text)
        text = pc.replace_substring(text, ",", ".")
    text = pc.replace_substring_regex(text, r"^\+", "")
    good = pc.match_substring_regex(text, r"^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$")
    text = pc.if_else(good, text, pa.scalar(None, pa.string()))
    numbers = np.asarray(pc.cast(text, pa.float64()).to_numpy(zero_copy_only=False), np.float64)
    return _scaled(numbers, power)


def _scaled(numbers: np.ndarray, power: np.ndarray | float) -> np.ndarray:
    """Multiply; 46.3K is 46300 and not 46299.99999999999."""
    if isinstance(power, float):
        return numbers
    with np.errstate(invalid="ignore", over="ignore"):
        product = numbers * power
        whole = np.rint(product)
        near = np.abs(product - whole) < 1e-9 * np.maximum(np.abs(product), 1.0)
    return np.where((power > 1.0) & near, whole, product)
