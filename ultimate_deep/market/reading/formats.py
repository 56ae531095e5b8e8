"""What vendors leave unsaid in their files, one literal entry each, and how to tell their files."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ultimate_deep.market.reading.raw_table import RawTable
from ultimate_deep.market.reading.roles import PRICES, SYMBOLS, key
from ultimate_deep.market.validation import BarsError


@dataclass(frozen=True, kw_only=True)
class BarFormat:
    """What a vendor's files mean beyond what they say.

    Attributes:
        says: The format in words, for people.
        timezone: What times without a zone mean; None if the caller has to state it.
        price_scale: Prices in the file are this many times the price; None if the caller has to
            state it for prices that are all integers.
        volume: Names of the volume's column, the first that is there counts; empty for those of
            any table.
        day_first: Whether the day stands before the month; None where the format does not say.
    """

    says: str
    timezone: str | None = None
    price_scale: float | None = 1.0
    volume: tuple[str, ...] = ()
    day_first: bool | None = None


# fmt: off
FORMATS: dict[str, BarFormat] = {
    "canonical": BarFormat(says="a table of bars"),
    "binance_klines": BarFormat(says="klines of Binance", timezone="UTC"),
    "cryptodatadownload": BarFormat(says="a file of CryptoDataDownload", timezone="UTC"),
    "metatrader": BarFormat(says="an export of MetaTrader", price_scale=None, volume=("tickvolume", "tickvol", "volume", "vol")),  # noqa: E501
    "dukascopy": BarFormat(says="an export of Dukascopy", timezone="UTC", day_first=True),
    "lean": BarFormat(says="a file of LEAN", timezone="America/New_York", price_scale=10_000.0),
}
# fmt: on
ALIASES = {"binance": "binance_klines", "mt4": "metatrader", "mt5": "metatrader"}
LEAST_SCALED = 10_000  # of what would be 1.00 in LEAN's files
_DATED = r"\d{8} \d{2}:\d{2}"
_MINUTES = r"\d{8}_[a-z.]+_(minute|second|tick)_trade(\.csv|\.txt)?$"
_QUOTED_IN = ("USD", "USDT", "USDC", "EUR", "GBP", "JPY", "CHF", "AUD", "CAD", "NZD", "BTC", "ETH")
_COINS = (*_QUOTED_IN, "BUSD", "TUSD", "FDUSD", "BNB", "TRY")


def format_names() -> tuple[str, ...]:
    """Return what `format` may be, beside `auto`."""
    return (*FORMATS, *ALIASES)


def find_format(table: RawTable, *, name: str = "auto") -> str:
    """Return the name of the table's format, `canonical` where nothing is left unsaid.

    Args:
        table: A table with its header or first rows.
        name: `"auto"`, or a format, which is checked to exist and believed.

    Raises:
        ValueError: A format that does not exist.
        BarsError: When more than one fits, with the columns and the choice.
    """
    if name != "auto":
        if name not in format_names():
            raise ValueError(
                f"format must be auto or one of {', '.join(format_names())}, got {name!r}; leave "
                "it out to have it found"
            )
        return ALIASES.get(name, name)
    tests = {
        "cryptodatadownload": _is_cryptodatadownload, "metatrader": _is_metatrader,
        "dukascopy": _is_dukascopy, "binance_klines": _is_binance, "lean": _is_lean,
    }  # fmt: skip
    found = [one for one, fits in tests.items() if fits(table)]
    if len(found) > 1:
        raise BarsError(
            f"{table.name}: ambiguous format ({' or '.join(found)}); {table.described}; state it: "
            f"{' or '.join(f'format={one!r}' for one in found)}"
        )
    return found[0] if found else "canonical"


def base_volume(table: RawTable) -> int | None:
    """Return the position of CryptoDataDownload's volume in units of what is traded.

    It is the one that names the first currency of the pair, as `Volume BTC` of BTC/USDT; without
    a pair, and without a plain `volume`, the first that names any. None leaves it to the names.
    """
    keys = [key(name) for name in table.names]
    places = [at for at, one in enumerate(keys) if one.startswith("volume") and one != "volume"]
    symbols = [at for at, one in enumerate(keys) if one in SYMBOLS]
    if symbols and places and len(table.cells):
        pair = key(table.cells.iloc[0, symbols[0]])
        for at in places:
            coin = keys[at].removeprefix("volume")
            if pair.startswith(coin) and pair.removeprefix(coin).upper() in _COINS:
                return at
    return places[0] if places and "volume" not in keys else None


def _is_cryptodatadownload(table: RawTable) -> bool:
    if "cryptodatadownload" in table.comment.lower():
        return True
    keys = [key(name) for name in table.names]
    coins = [one.removeprefix("volume") for one in keys if one.startswith("volume")]
    symbols = [at for at, one in enumerate(keys) if one in SYMBOLS]
    if not symbols or not len(table.cells) or not {"unix", "date"} <= set(keys):
        return False
    pair = key(table.cells.iloc[0, symbols[0]])
    return any(coin and other and pair == coin + other for coin in coins for other in coins)


def _is_metatrader(table: RawTable) -> bool:
    if table.header:
        return bool({"tickvolume", "tickvol"} & {key(name) for name in table.names})
    row = ",".join(table.first_row)
    return bool(re.fullmatch(r"\d{4}\.\d{2}\.\d{2},\d{2}:\d{2}(:\d{2})?(,[^,]*){5,7}", row))


def _is_dukascopy(table: RawTable) -> bool:
    return key(table.names[0]) == "gmttime"


def _is_binance(table: RawTable) -> bool:
    if table.header:
        keys = {key(name) for name in table.names}
        return {"opentime", "closetime"} <= keys and any(one.startswith("taker") for one in keys)
    row = ",".join(table.first_row)
    return bool(re.fullmatch(r"(\d{13}|\d{16})(,[^,]*){5},(\d{13}|\d{16})(,[^,]*){5}", row))


def _is_lean(table: RawTable) -> bool:
    """Equities of LEAN: whole numbers of a hundredth of a cent, in files that LEAN has named.

    Futures and crypto have names such as `es_trade` and the prices themselves, so that of rows with
    dates only the word equity tells; rows with milliseconds are named after day, share and length.
    """
    row = table.first_row
    if table.header or len(row) != 6 or not all(price.isdigit() for price in row[1:5]):
        return False
    words = set(_words(table.name))
    if re.fullmatch(_DATED, row[0]):
        told, when = bool({"lean", "equity"} & words), _DATED
    else:
        member = table.name.rpartition("/")[2].lower()
        told = bool({"lean", "equity"} & words) or bool(re.match(_MINUTES, member))
        when = r"\d{1,8}"
    return told and not _is_pair(table) and _all_match(table, 0, when) and _are_whole(table)


def _all_match(table: RawTable, at: int, pattern: str) -> bool:
    return bool(table.cells[at].astype("str").str.strip().str.fullmatch(pattern).all())


def _are_whole(table: RawTable) -> bool:
    """Return whether the second to fifth column hold whole numbers alone."""
    return all(_all_match(table, at, r"\d+") for at in range(1, 5))


def _words(name: str) -> list[str]:
    return re.split(r"[_\-./ ]+", name.lower())


def _is_pair(table: RawTable) -> bool:
    """Return whether a word of the file's name ends as a pair of currencies does."""
    return any(
        len(word) > len(money) + 2 and word.endswith(money.lower())
        for word in _words(table.name)
        for money in _QUOTED_IN
    )


def refuse_scaled(table: RawTable) -> None:
    """Refuse whole prices that may be a multiple of the price, though nothing names their format.

    Raises:
        BarsError: What they look like, and what to state.
    """
    keys = {key(name) for name in table.names}
    row = table.first_row
    if table.header and {"rtype", "publisherid"} <= keys:
        prices = [row[at] for at, name in enumerate(table.names) if key(name) in PRICES]
        what, choices = "billionths of the price, as Databento has them", "price_scale=1000000000"
    elif not table.header and re.fullmatch(_DATED, row[0]) and not _is_pair(table):
        prices = list(row[1:5]) if _are_whole(table) else []
        what = "LEAN's hundredths of a cent"
        choices = "format='lean', or timezone and price_scale=10000"
    else:
        return
    if prices and all(price.isdigit() and int(price) >= LEAST_SCALED for price in prices):
        raise BarsError(
            f"{table.name}: whole prices, {table.described}, may be {what}; state it: {choices}; "
            "price_scale=1 where they are the prices themselves"
        )


def date_in_name(name: str) -> str:
    """Return the date that a file's name holds as `yyyymmdd`, empty where it holds none."""
    found = re.search(r"(?<!\d)((?:19|20)\d{6})(?!\d)", name)
    return found[1] if found else ""
