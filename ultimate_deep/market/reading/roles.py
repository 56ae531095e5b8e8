"""What the columns of a table of bars are called, by vendors and in other languages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ultimate_deep.market.reading.shown import shown
from ultimate_deep.market.validation import BarsError

PRICES = ("open", "high", "low", "close")
STATED = (*PRICES, "volume", "time", "date", "symbol", "adjusted")
NONE = "none"

# The standard word of each role; then the others, of which a table must have no more than one.
STANDARD: dict[str, tuple[str, ...]] = {
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "volume": ("volume",),
    "adjusted": ("adjclose",),
}
# fmt: off
OTHERS: dict[str, tuple[str, ...]] = {
    "open": ("o", "openprice", "priceopen", "openingprice", "opening", "openbid", "bidopen", "midopen", "eröffnung", "eröffnungskurs", "ouverture", "apertura", "abertura", "开盘", "开盘价", "pxopen", "mido", "bido", "opnpric", "opentradeprice", "otwarcie", "откр", "открытие", "açılış", "eröffn", "ouv", "openen", "始値", "시가"),  # noqa: E501, RUF001
    "high": ("h", "highprice", "pricehigh", "highest", "max", "highbid", "bidhigh", "midhigh", "hoch", "tageshoch", "haut", "plushaut", "máximo", "maximo", "massimo", "máxima", "maxima", "最高", "最高价", "pxhigh", "midh", "bidh", "hghpric", "hightradeprice", "najwyzszy", "najwyższy", "макс", "максимум", "yüksek", "hoogste", "高値", "고가", "高"),  # noqa: E501
    "low": ("l", "lowprice", "pricelow", "lowest", "min", "lowbid", "bidlow", "midlow", "tief", "tagestief", "bas", "plusbas", "mínimo", "minimo", "mínima", "minima", "最低", "最低价", "pxlow", "midl", "bidl", "lwpric", "lowtradeprice", "najnizszy", "najniższy", "мин", "минимум", "düşük", "laagste", "安値", "저가", "低"),  # noqa: E501
    "close": ("c", "closeprice", "priceclose", "closingprice", "closelast", "last", "lastprice", "settle", "price", "closebid", "bidclose", "midclose", "schluss", "schlusskurs", "clôture", "cloture", "cierre", "último", "ultimo", "chiusura", "fechamento", "收盘", "收盘价", "pxlast", "midc", "bidc", "clspric", "lasttradeprice", "zamkniecie", "zamknięcie", "цена", "закрытие", "şimdi", "zuletzt", "dernier", "clot", "laatst", "終値", "종가"),  # noqa: E501
    "volume": ("v", "vol", "volumetraded", "tradevolume", "tradedvolume", "totalvolume", "sharevolume", "basevolume", "volumebase", "tickvolume", "tickvol", "quantity", "volumen", "stücke", "成交量", "pxvolume", "tottrdqty", "ttltradgvol", "wolumen", "объём", "объем", "hacim", "出来高", "거래량"),  # noqa: E501
    "adjusted": ("adjustedclose", "closeadj", "closeadjusted", "adjclosingprice", "adjclose", "adjcloseprice"),  # noqa: E501
}
# When a bar opens, the surest first; two of them must name the same instants.
OPENS = ("opentime", "timestamp", "datetime", "timeperiodstart", "periodstart", "windowstart", "starttime", "begintime", "starttimestamp", "barstart", "start", "begin", "begins", "beginsat", "unix", "unixtime", "unixtimestamp", "epoch", "ts", "tsevent", "timestampms", "timestampns", "gmttime", "utctime", "timeutc", "datetimeutc", "utc", "time", "date", "dateutc", "localtime", "datetimelocal", "tradedate", "tradetime", "tradingday", "bartime", "day", "dt", "t", "d", "datum", "zeit", "zeitstempel", "fecha", "hora", "heure", "data", "ora", "日期", "时间", "dtyyyymmdd", "traddt", "timebarstart", "дата", "tarih", "日付", "日時", "일자", "날짜", "index", "")  # noqa: E501
CLOSES = ("closetime", "endtime", "timeperiodend", "periodend", "windowend", "end", "closedate", "timeclose", "barend", "barendtime", "closetimestamp", "endtimestamp", "closedatetime", "enddatetime", "closets", "endts", "closetimems", "endtimems")  # noqa: E501
# Of these the ones whose word itself says that a bar begins there.
BEGINS = frozenset(("opentime", "timeopen", "timeperiodstart", "periodstart", "windowstart", "starttime", "begintime", "starttimestamp", "barstart", "timebarstart", "start", "begin", "begins", "beginsat"))  # noqa: E501
HOURS = ("time", "hour", "timebarstart", "zeit", "hora", "heure", "ora", "uhrzeit", "tradetime", "时间")  # noqa: E501
SYMBOLS = ("symbol", "ticker", "tic", "sym", "instrument", "instrumentid", "pair", "code", "tscode", "secid", "asset", "contract", "uniqueid", "isin", "ric", "coin", "stock", "security", "tckrsymb", "name")  # noqa: E501
RESOLUTIONS = ("per", "period", "interval", "timeframe", "resolution", "tf", "barsize", "frequency", "freq")  # noqa: E501
# What stands before or behind a price and is no symbol.
_NO_TICKERS = frozenset(("adj", "adjusted", "unadjusted", "raw", "bid", "ask", "mid", "prev", "previous", "last", "trade", "price", "px", "avg", "mean", "ma", "sma", "ema", "change", "chg", "pct", "52w", "time", "date", "interest", "int", "day", "usd", "eur", "next", "lag", "lead", "future", "ha", "norm", "log"))  # noqa: E501
# fmt: on
_FLATTENED = (r"\('(.+)', '(.*)'\)", r"(.+)[._ ]([^._ ]+)", r"([^._ ]+(?: [^._ ]+)?)[._ ](.+)")


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Positions of a symbol's columns in a table.

    Attributes:
        prices: Positions of open, high, low, close.
        volume: That of the volume; None where there is none.
        adjusted: That of the adjusted close; None where there is none.
        ticker: Symbol that the header names over these columns; empty where it names none.
    """

    prices: tuple[int, int, int, int]
    volume: int | None = None
    adjusted: int | None = None
    ticker: str = ""

    @property
    def used(self) -> tuple[int, ...]:
        """All positions."""
        return (*self.prices, *(at for at in (self.volume, self.adjusted) if at is not None))


def key(name: object) -> str:
    """Return a column's name as it is compared: letters and digits in lower case, no numbering.

    `<OPEN>`, `1. open`, `Open (USD)`, `Open Price`, `openPrice` and `open_price` are alike.
    """
    text = re.sub(r"^\s*\d+[a-z]?\s*[.):]\s*", "", str(name).strip().strip("<>").lower())
    text = re.sub(r"(?<=\w)[\s_]*\([^()]*\)$", "", text)  # a unit, as in Open (USD)
    return re.sub(r"[\W_]+", "", re.sub(r"^unnamed:\s*\d+$", "", text))


def parse_columns(stated: str | Mapping[str, str]) -> dict[str, str]:
    """Return what the caller says of columns, `{"time": "ts"}`.

    Args:
        stated: Such as `time=ts,volume=vol`, or a mapping.

    Raises:
        ValueError: A role that there is not, or a pair without a name.
    """
    if isinstance(stated, Mapping):
        pairs = {str(role): str(name) for role, name in stated.items()}
    else:
        parts = [part for part in stated.split(",") if part.strip()]
        split = [part.partition("=") for part in parts]
        pairs = {role.strip(): name.strip() for role, _, name in split}
    for role, name in pairs.items():
        if role not in STATED or not name:
            raise ValueError(
                f"columns says which column is which, as in time=ts,volume=vol, with "
                f"{', '.join(STATED)} to the left, got {role!r} = {name!r}; headerless columns are "
                "called 0, 1, 2, ..., and volume=none says that there is none"
            )
    return pairs


def has_prices(names: Sequence[object]) -> bool:
    """Return whether a line of names has a column for each of the four prices."""
    keys = {key(name) for name in names}
    return all(keys & {*STANDARD[role], *OTHERS[role]} for role in PRICES)


def without_tickers(names: Sequence[str]) -> tuple[list[str], list[str]] | None:
    """Return names without the symbol that each of them holds, and the symbols, empty for none.

    `AAPL.Open`, `Open_AAPL` and `('Open', 'AAPL')` are so written by whoever flattens tables of
    several symbols, which are written in capitals. None where the names are not all of this kind,
    or name the four prices as they are.
    """
    if has_prices(names):
        return None
    fields, tickers = [], []
    for name in names:
        field, ticker = _split(name)
        fields.append(field)
        tickers.append(ticker)
    found = dict.fromkeys(one for one in tickers if one)
    of_each = [[field for field, one in zip(fields, tickers, strict=True) if one == ticker]
               for ticker in found]  # fmt: skip
    return (fields, tickers) if found and all(map(has_prices, of_each)) else None


def _split(name: str) -> tuple[str, str]:
    words = {word for role in STANDARD for word in (*STANDARD[role], *OTHERS[role])}
    words |= {"adjusted"}
    for pattern in _FLATTENED:
        found = re.fullmatch(pattern, name.strip())
        if found is None:
            continue
        field, ticker = found.groups() if key(found[1]) in words else found.groups()[::-1]
        if found[2] == "":
            return found[1], ""
        capital = ticker == ticker.upper() and key(ticker) not in _NO_TICKERS
        if key(field) in words and len(key(field)) > 1 and capital:
            return ("adj close" if key(field) == "adjusted" else field), ticker
    return name, ""


def find_columns(
    names: Sequence[str], tickers: Sequence[str], stated: Mapping[str, str], where: str
) -> list[Columns]:
    """Return the columns of each symbol of a table.

    Args:
        names: The names of all columns, as the file spells them.
        tickers: The symbol that the header names over each column; empty for none.
        stated: What the caller says, from `parse_columns`.
        where: The file, for messages.

    Raises:
        BarsError: A role that is missing, or there more than once.
    """
    groups: dict[str, list[int]] = {}
    for at in range(len(names)):
        groups.setdefault(tickers[at] if tickers else "", []).append(at)
    shared = groups.pop("", []) if len(groups) > 1 else []
    found = []
    for ticker, members in groups.items():
        places = [*members, *shared]
        prices = [_only(role, names, places, stated, where) for role in PRICES]
        missing = [role for role, at in zip(PRICES, prices, strict=True) if at is None]
        if missing:
            raise BarsError(
                f"{where}: no column is recognised as {', '.join(missing)}; the columns are "
                f"{shown(names)}; state it, such as columns='{missing[0]}={_unknown(names)}'"
            )
        volume = _only("volume", names, places, stated, where)
        adjusted = _only("adjusted", names, places, stated, where)
        found.append(
            Columns(prices=tuple(prices), volume=volume, adjusted=adjusted, ticker=ticker)  # type: ignore[arg-type]
        )
    return found


def _unknown(names: Sequence[str]) -> str:
    """Return a column whose name says nothing, which may be the one that is missing."""
    said = {word for words in (*STANDARD.values(), *OTHERS.values()) for word in words}
    said |= {*OPENS, *CLOSES, *SYMBOLS, *RESOLUTIONS}
    return next((name for name in names if key(name) not in said), "NAME")


def named(name: str, names: Sequence[str], where: str, role: str) -> int:
    """Return the position of a column that the caller names.

    Raises:
        BarsError: No or more than one column of that name.
    """
    exact = [at for at, one in enumerate(names) if one.strip() == name]
    alike = exact or [at for at, one in enumerate(names) if key(one) == key(name)]
    if len(alike) == 1:
        return alike[0]
    many = "there is none" if not alike else f"there are {len(alike)}"
    raise BarsError(
        f"{where}: {role} is stated to be the column {name!r}, and {many} of that name; the "
        f"columns are {shown(names)}; name one of them"
    )


def _only(
    role: str, names: Sequence[str], places: Sequence[int], stated: Mapping[str, str], where: str
) -> int | None:
    if role in stated:
        if stated[role].lower() == NONE and role in ("volume", "adjusted"):
            return None
        return named(stated[role], names, where, role)
    taken = {key(name) for name in stated.values()}
    keys = {at: key(names[at]) for at in places if key(names[at]) not in taken}
    for words in (STANDARD[role], OTHERS[role]):
        found = [at for at, word in keys.items() if word in words]
        if len(found) == 1:
            return found[0]
        if found:
            which = " and ".join(repr(names[at]) for at in found[:4])
            remedy = f"state which, such as columns='{role}={names[found[0]]}', or rename one"
            if [names[at] for at in found].count(names[found[0]]) > 1:
                remedy = "rename one of them"
            raise BarsError(f"{where}: {which} may each be the {role}; {remedy}")
    return None
