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
# Words that count where a table has none of those above.
FURTHER: dict[str, tuple[str, ...]] = {
    "volume": ("numberofshares", "sharestraded", "tradedshares", "tradedqty", "qtytraded", "tradedquantity", "totaltradedquantity", "totaltradequantity", "qty", "quantidade", "cantidad", "quantità", "volumefrom", "acvoluns", "cshtrd", "contractstraded"),  # noqa: E501
    "adjusted": ("adjusted", "adjustedprice", "adjprice", "priceadj", "priceadjusted", "adjlast", "lastadj", "adjustedlast", "adjustedcloseprice", "splitadjustedclose", "closesplitadjusted", "splitadjclose", "adjcls"),  # noqa: E501
}
# Notes in parentheses that say in what a column is counted, and no other column.
_UNITS = frozenset(("shares", "lots", "lot", "contracts", "units", "coins", "pcs", "base", "rs", "dollar", "dollars", "usdollar", "usdollars", "euro", "euros", "yen", "pounds", "rupees", "points", "pts", "股", "手", "份", "张", "元", "円", "株", "원", "주", "руб", "zł", "kr", "usd", "usdt", "usdc", "eur", "gbp", "jpy", "chf", "aud", "cad", "nzd", "cny", "inr", "hkd", "krw", "brl", "sek", "nok", "dkk", "pln", "sgd", "twd", "zar", "mxn", "rub", "btc", "eth", "bnb", "sol", "xrp", "ltc", "ada", "doge"))  # noqa: E501, RUF001
_NO_UNITS = frozenset(("k", "m", "mm", "mn", "mil", "mio", "b", "bn", "bln", "t", "cr", "avg", "ma", "sma", "ema", "vwap", "twap", "adv", "adj", "raw", "bid", "ask", "mid", "last", "prev", "next", "nav", "ha", "chg", "pct", "log", "usdk", "usdm"))  # noqa: E501
# Notes that make other prices of all four.
_OTHER_BARS = frozenset(("prev", "previous", "prior", "next", "lag", "lead", "change", "chg", "pct", "ma", "sma", "ema", "avg", "mean", "ha", "norm", "log", "future", "52w"))  # noqa: E501
# When a bar opens, the surest first; two of them must name the same instants.
OPENS = ("opentime", "timestamp", "datetime", "timeperiodstart", "periodstart", "windowstart", "starttime", "begintime", "starttimestamp", "barstart", "start", "begin", "begins", "beginsat", "unix", "unixtime", "unixtimestamp", "epoch", "ts", "tsevent", "timestampms", "timestampns", "gmttime", "utctime", "timeutc", "datetimeutc", "utc", "time", "date", "dateutc", "localtime", "datetimelocal", "tradedate", "tradetime", "tradingday", "bartime", "day", "dt", "t", "d", "datum", "zeit", "zeitstempel", "fecha", "hora", "heure", "data", "ora", "日期", "时间", "dtyyyymmdd", "traddt", "timebarstart", "дата", "tarih", "日付", "日時", "일자", "날짜", "index", "")  # noqa: E501
CLOSES = ("closetime", "endtime", "timeperiodend", "periodend", "windowend", "end", "closedate", "timeclose", "barend", "barendtime", "closetimestamp", "endtimestamp", "closedatetime", "enddatetime", "closets", "endts", "closetimems", "endtimems")  # noqa: E501
# Of these the ones whose word itself says that a bar begins there.
BEGINS = frozenset(("opentime", "timeopen", "timeperiodstart", "periodstart", "windowstart", "starttime", "begintime", "starttimestamp", "barstart", "timebarstart", "start", "begin", "begins", "beginsat"))  # noqa: E501
HOURS = ("time", "hour", "timebarstart", "zeit", "hora", "heure", "ora", "uhrzeit", "tradetime", "时间")  # noqa: E501
SYMBOLS = ("symbol", "ticker", "tic", "sym", "instrument", "instrumentid", "pair", "code", "tscode", "secid", "asset", "contract", "uniqueid", "isin", "ric", "coin", "stock", "security", "tckrsymb", "tradingsymbol", "ativo", "papel", "código", "codigo", "símbolo", "simbolo", "代码", "股票代码", "证券代码", "合约代码", "종목코드", "銘柄コード", "тикер", "sembol", "name")  # noqa: E501
RESOLUTIONS = ("per", "period", "interval", "timeframe", "resolution", "tf", "barsize", "frequency", "freq")  # noqa: E501
# fmt: on


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


def key(name: object, *, noted: bool = False) -> str:
    """Return a column's name as it is compared: letters and digits in lower case, no numbering.

    `<OPEN>`, `1. open`, `Open (USD)`, `Open Price`, `openPrice` and `open_price` are alike.

    Args:
        name: Name as the file spells it.
        noted: Whether a note in parentheses belongs to it, as in `High (52w)`.
    """
    text = re.sub(r"^\s*\d+[a-z]?\s*[.):]\s*", "", str(name).strip().strip("<>").lower())
    if not noted:
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
        # A comma may be part of a name, as in Volume (BTC, spot).
        parts = [part.rstrip(" ,") for part in re.split(r",(?=\s*\w+\s*=)", stated)]
        parts = [part for part in parts if part.strip()]
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
            choice = ",".join(f"{role}={_likely(role, names, missing)}" for role in missing)
            raise BarsError(
                f"{where}: no column is recognised as {', '.join(missing)}; the columns are "
                f"{shown(names)}; state it, such as columns='{choice}'"
            )
        volume = _only("volume", names, places, stated, where)
        adjusted = _only("adjusted", names, places, stated, where)
        used = dict(zip((*PRICES, "volume"), (*prices, volume), strict=True))
        _refuse_notes(names, used, stated, where)
        found.append(
            Columns(prices=tuple(prices), volume=volume, adjusted=adjusted, ticker=ticker)  # type: ignore[arg-type]
        )
    return found


def _likely(role: str, names: Sequence[str], missing: Sequence[str]) -> str:
    """Return a column whose name says nothing else and may be the one that is missing.

    It is the only one whose name holds the role's word, or the only one that is left; else `NAME`,
    for which people put the right one.
    """
    said = {word for every in (STANDARD, OTHERS, FURTHER) for words in every.values()
            for word in words}  # fmt: skip
    said |= {*OPENS, *CLOSES, *SYMBOLS, *RESOLUTIONS}
    unknown = [name for name in names if key(name, noted=True) not in said]
    holding = [name for name in unknown if role in key(name)]
    if len(holding) == 1:
        return holding[0]
    return unknown[0] if len(unknown) == len(missing) == 1 else "NAME"


def _refuse_notes(
    names: Sequence[str],
    places: Mapping[str, int | None],
    stated: Mapping[str, str],
    where: str,
) -> None:
    """Refuse columns whose note in parentheses is no unit, as `High (52w)` and `Close (mid)` are.

    Raises:
        BarsError: Such a column, several units of prices, or a volume in thousands.
    """
    found = {role: names[at] for role, at in places.items()
             if at is not None and role not in stated}  # fmt: skip
    notes = {role: _note(name) for role, name in found.items()}
    of_prices = {notes[role] for role in PRICES if role in notes}
    shared = len(of_prices) == 1 and not {key(one) for one in of_prices} & _OTHER_BARS
    for role, note in notes.items():
        if not note or _is_unit(note) or (role in PRICES and shared):
            continue
        raise BarsError(
            f"{where}: {found[role]} may be another thing than the {role}, for its note ({note}) "
            f"is no unit; where it is the {role}, state it: columns='{role}={found[role]}'"
        )
    units = sorted(note for note in of_prices if note)
    if len(units) > 1:
        raise BarsError(
            f"{where}: prices are in several units, {shown(units)}; keep the columns of one"
        )


def _note(name: str) -> str:
    found = re.search(r"\w[\s_]*\(([^()]*)\)$", name.strip().strip("<>"))
    return found[1].strip() if found else ""


def _is_unit(note: str) -> bool:
    """Return whether a note says in what a column is counted, such as USD, lots or €."""
    letters = re.sub(r"[\W_]+", "", re.sub(r"^in\s+", "", note.strip(), flags=re.IGNORECASE))
    if not letters or letters.lower() in _UNITS:
        return True
    capital = letters.isalpha() and letters.isupper() and 2 <= len(letters) <= 6
    return capital and letters.lower() not in _NO_UNITS


def _alike(name: str, names: Sequence[str]) -> list[int]:
    """Return the positions of a stated name: as it is spelled, else as names are compared."""
    exact = [at for at, one in enumerate(names) if one.strip() == name]
    noted = exact or [at for at, one in enumerate(names)
                      if key(one, noted=True) == key(name, noted=True)]  # fmt: skip
    return noted or [at for at, one in enumerate(names) if key(one) == key(name)]


def named(name: str, names: Sequence[str], where: str, role: str) -> int:
    """Return the position of a column that the caller names.

    Raises:
        BarsError: No or more than one column of that name.
    """
    alike = _alike(name, names)
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
    taken = {at for name in stated.values() for at in _alike(name, names)}
    free = [at for at in places if at not in taken]
    whole = {at: key(names[at], noted=True) for at in free}
    for words in (STANDARD[role], OTHERS[role], FURTHER.get(role, ())):
        found = [at for at in free if whole[at] in words]
        if found:
            return _one_of(found, role, names, where)
    # A word with a note behind it, where no word stands alone: Open (USD).
    every = {word for words in (*STANDARD.values(), *OTHERS.values()) for word in words}
    alone = {*STANDARD[role], *OTHERS[role]}
    found = [at for at in free if key(names[at]) in alone and whole[at] not in every]
    return _one_of(found, role, names, where) if found else None


def _one_of(found: Sequence[int], role: str, names: Sequence[str], where: str) -> int:
    if len(found) == 1:
        return found[0]
    which = " and ".join(repr(names[at]) for at in found[:4])
    remedy = f"state which, such as columns='{role}={names[found[0]]}', or rename one"
    if [names[at] for at in found].count(names[found[0]]) > 1:
        remedy = "rename one of them"
    raise BarsError(f"{where}: {which} may each be the {role}; {remedy}")
