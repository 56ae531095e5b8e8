"""Times as vendors write them; what cannot be read becomes NaT, and what is doubtful is refused."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ultimate_deep.market.reading.counted_times import (
    EXCEL_ORIGIN,
    read_counted,
    refuse_other_origin,
)
from ultimate_deep.market.reading.dates import bounded, read_dates
from ultimate_deep.market.reading.doubtful_dates import Dates
from ultimate_deep.market.reading.doubtful_times import WITHOUT_ZERO, refuse_doubtful
from ultimate_deep.market.reading.shown import cell
from ultimate_deep.market.reading.spellings import plain_spelling
from ultimate_deep.market.reading.texts import trimmed
from ultimate_deep.market.reading.zones import MOST_OFFSETS, OFFSET, offsets_of, split_zones
from ultimate_deep.market.validation import BarsError

# Seconds, milliseconds, microseconds and nanoseconds since 1970, told apart by size: from 1973 on
# none can be mistaken for another, nor for a date written as a number.
UNITS = (("s", 1e8, 1e10), ("ms", 1e11, 1e13), ("us", 1e14, 1e16), ("ns", 1e17, 9.2e18))
NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
IN_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
EXCEL_DAYS = (20_000, 80_000)  # 1954 to 2119
_COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S", 17: "%Y%m%d%H%M%S%f"}
_ISO = rf"^\d{{4}}-\d{{2}}-\d{{2}}([ T]\d{{2}}:\d{{2}}(:\d{{2}}(\.\d{{1,9}})?)?(Z|{OFFSET})?)?$"
_ISO_ZONE = rf":\d{{2}}(\.\d+)?(Z|{OFFSET})$"
_ISO_OFFSET = r"(?P<s>Z|[+-]\d{2}(?::?\d{2})?)$"
_COUNTED = re.compile(r" since (1900|1970)")
_NUMBER = re.compile(r"\d+(\.\d*)?([eE]\+?\d+)?")


@dataclass(frozen=True, eq=False)
class Stamps:
    """A column of times that has been read.

    Args:
        times: Naive, or in UTC where the column states its zone; NaT where a cell cannot be read.
        style: How they are written, in words.
        days: Whether they are days without an hour.
        zone: Zone that every cell names and the times are in, such as `America/New_York`.
        ends: Whether some are 24:00, at which a day ends and no bar opens.
    """

    times: pd.DatetimeIndex
    style: str
    days: bool = False
    zone: str | None = None
    ends: bool = False

    @property
    def aware(self) -> bool:
        """Whether the column states its zone."""
        return self.times.tz is not None or self.zone is not None

    @property
    def is_counted(self) -> bool:
        """Whether they are numbers that count from a day on, which nobody stated."""
        return bool(_COUNTED.search(self.style)) and not self.style.startswith("times as")

    @property
    def readable(self) -> float:
        """Share of cells that were read."""
        return float(np.mean(np.asarray(self.times.notna()))) if len(self.times) else 0.0


def read_stamps(
    column: pd.Series,
    *,
    where: str,
    stated: str | None = None,
    day_first: bool | None = None,
    timezone: str | None = None,
) -> Stamps:
    """Return the times of a column of text, numbers or times.

    Args:
        column: Cells as the file holds them.
        where: File and column, for messages.
        stated: How times are written, in the signs of `strptime`; else they themselves show it.
        day_first: Whether the day stands before the month where both would fit; None refuses it.
        timezone: The zone whose short names may stand behind times, such as EST.

    Raises:
        BarsError: Times that may be read in two ways, zones of which only some cells have one, or
            the short name of a zone, which several zones share.
    """
    dtype = column.dtype
    if isinstance(dtype, pd.DatetimeTZDtype):
        return Stamps(bounded(pd.DatetimeIndex(column).tz_convert("UTC")), "times with a zone")
    if pd.api.types.is_datetime64_dtype(dtype):
        times = bounded(pd.DatetimeIndex(column))
        return Stamps(times, "times without a zone", days=_midnights(times))
    if pd.api.types.is_bool_dtype(dtype):
        return Stamps(_none(len(column)), "no times")
    if pd.api.types.is_numeric_dtype(dtype):
        return _numbers(column, where, stated)
    text = trimmed(column)
    if stated:
        return _stated(text, stated, where, timezone)
    filled = text[text.str.len() > 0]
    if filled.empty:
        return Stamps(_none(len(text)), "no times")
    iso = _iso(text)
    if iso is not None:
        return iso
    numeric = filled.str.fullmatch(_NUMBER)
    if float(numeric.mean()) > 0.5:
        return _numbers(text, where, None)
    return _texts(text, where, day_first, timezone)


def _none(rows: int) -> pd.DatetimeIndex:
    return pd.DatetimeIndex([pd.NaT] * rows).as_unit("ns")


def _midnights(times: pd.DatetimeIndex) -> bool:
    known = times.dropna()
    return bool(len(known)) and bool((known == known.normalize()).all())


def _numbers(column: pd.Series, where: str, stated: str | None) -> Stamps:
    """Return dates written as digits, days as spreadsheets count them, or an epoch."""
    digits = trimmed(column)
    if stated:
        return _stated(digits, stated, where)
    refuse_doubtful(digits, where)
    found = _compact(digits)
    if found is not None:
        return found
    cells = pa.array(digits, pa.string())
    whole = pc.match_substring_regex(cells, r"^([0-9]{1,18}|[1-8][0-9]{18})$")
    exact = pc.cast(pc.if_else(whole, cells, pa.scalar(None, pa.string())), pa.int64())
    if pc.all(whole).as_py():
        number = exact.to_numpy().astype(np.float64)
    else:
        number = pd.to_numeric(column, errors="coerce").astype("float64").to_numpy()
    known = number[np.isfinite(number)]
    if len(known) and (known >= EXCEL_DAYS[0]).all() and (known < EXCEL_DAYS[1]).all():
        days = pd.to_timedelta(np.round(number * 86_400.0, 1), unit="s")
        times = pd.DatetimeIndex(pd.Timestamp(EXCEL_ORIGIN) + days.round("s"))
        whole_days = bool((known == np.floor(known)).all())
        refuse_other_origin(times, "days", digits, where, ("%y%j",) if whole_days else ())
        return Stamps(times.as_unit("ns"), "days since 1900, as spreadsheets count", whole_days)
    integers = np.asarray(pc.fill_null(exact, 0).to_numpy(), dtype=np.int64)
    exactly = np.asarray(whole.to_numpy(zero_copy_only=False), bool)
    found = _epoch(integers, exactly, number)
    counted = found.style.removesuffix(" since 1970")
    if counted in IN_WORDS.values():
        refuse_other_origin(found.times, counted, digits, where)
    return found


def _compact(digits: pd.Series) -> Stamps | None:
    """Return dates such as 20230102 or 20230102093000; None where most cells are none."""
    cells = pc.replace_substring_regex(pa.array(digits, pa.string()), r"\.0+$", "")
    lengths = np.asarray(pc.utf8_length(cells).to_numpy(zero_copy_only=False))
    for length, form in _COMPACT.items():
        if not (lengths == length).sum() > 0.5 * (lengths > 0).sum():
            continue
        texts = pd.Series(cells.to_pandas(), dtype="str")
        times = pd.DatetimeIndex(pd.to_datetime(texts, format=form, errors="coerce"))
        if np.sum(np.asarray(times.isna())) < 0.5 * len(times):
            return Stamps(bounded(times), f"dates as {form}", days=length == 8)
    return None


def _epoch(integers: np.ndarray, exact: np.ndarray, number: np.ndarray) -> Stamps:
    """Return times since 1970, each in the unit of its size.

    Args:
        integers: The numbers, where they are whole.
        exact: Where they are.
        number: All of them in floating point, which holds microseconds of today's seconds.
    """
    nanoseconds = np.zeros(len(number), dtype=np.int64)
    good = np.zeros(len(number), dtype=bool)
    units = []
    for unit, least, most in UNITS:
        rows = np.isfinite(number) & (number >= least) & (number < most)
        if not rows.any():
            continue
        units.append(unit)
        factor = NANOSECONDS[unit]
        whole, rough = rows & exact, rows & ~exact
        nanoseconds[whole] = integers[whole] * factor
        nanoseconds[rough] = np.rint(number[rough] * factor / 1_000).astype(np.int64) * 1_000
        good |= rows
    times = nanoseconds.view("datetime64[ns]")
    times[~good] = np.datetime64("NaT")
    words = " and ".join(IN_WORDS[unit] for unit in units) or "no times"
    return Stamps(pd.DatetimeIndex(times, tz="UTC"), f"{words} since 1970" if units else words)


def _stated(text: pd.Series, form: str, where: str, timezone: str | None = None) -> Stamps:
    counted = read_counted(text, form, where)
    if counted is not None:
        days = counted.tz is None and _midnights(counted)
        return Stamps(bounded(counted), f"times as {form}", days=days)
    if form in WITHOUT_ZERO:
        text = text.where(~text.str.fullmatch("[0-9]{5}"), text.str.zfill(6))
    read = _parsed(text, form, where)
    if read.isna().all() and "%z" not in form.lower():
        return _texts(text, where, None, timezone, form)
    if not len(read) or read.isna().all():
        raise BarsError(
            f"{where}: no time is written as time_format={form!r} states; the first is "
            f"{cell(text.iloc[0]) if len(text) else 'not there'}; state how it is written"
        )
    days = not any(sign in form for sign in ("%z", "%H", "%I", "%s", "%X", "%c", "%T"))
    return Stamps(bounded(read), f"times as {form}", days=days)


def _parsed(text: pd.Series, form: str, where: str) -> pd.DatetimeIndex:
    try:
        return pd.DatetimeIndex(
            pd.to_datetime(text, format=form, errors="coerce", utc="%z" in form.lower())
        )
    except (ValueError, re.error) as error:
        raise BarsError(
            f"{where}: time_format is {form!r}, and {error}; state it in the signs of strptime, "
            "such as time_format='%d.%m.%Y %H:%M'"
        ) from error


def _iso(text: pd.Series) -> Stamps | None:
    """Return times of ISO 8601, as most files have them; None where any cell is written otherwise.

    Here too a zone stands in every cell or in none.
    """
    cells = pa.array(text, pa.string())
    if not pc.all(pc.match_substring_regex(cells, _ISO)).as_py():
        return None
    if pc.any(pc.match_substring_regex(cells, r"[ T]24:00")).as_py():
        return None
    zoned = pc.match_substring_regex(cells, _ISO_ZONE)
    every = bool(pc.all(zoned).as_py())
    if not every and pc.any(zoned).as_py():
        return None
    if every and not pc.all(pc.ends_with(cells, "Z")).as_py():
        offsets = pc.unique(pc.struct_field(pc.extract_regex(cells, _ISO_OFFSET), "s"))
        if len(offsets) > MOST_OFFSETS:
            return None
    times = pd.DatetimeIndex(pd.to_datetime(text, format="ISO8601", errors="coerce", utc=every))
    first = str(text.iloc[0])
    form = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")[first.count(":", 0, 19)]
    fraction = ".%f" if "." in first else ""
    days = not pc.any(pc.match_substring(cells, ":")).as_py()
    return Stamps(bounded(times), f"times as {form}{fraction}{' with a zone' * every}", days)


def _texts(
    text: pd.Series,
    where: str,
    day_first: bool | None,
    timezone: str | None,
    form: str | None = None,
) -> Stamps:
    body, zones = split_zones(plain_spelling(text))
    zoned = zones.notna()
    if form is None:
        read = read_dates(body, where, day_first)
    else:
        times = _parsed(body, form, where)
        if times.isna().all():
            raise BarsError(
                f"{where}: no time is written as time_format={form!r} states; the first is "
                f"{cell(text.iloc[0]) if len(text) else 'not there'}; state how it is written"
            )
        read = Dates(times, form, days=False)
    style = f"times as {read.form}" if read.form else "no times"
    # A zone in a vendor's last words is none of the times.
    zoned &= np.asarray(read.times.notna())
    if not zoned.any():
        return Stamps(bounded(read.times), style, read.days, ends=read.ends)
    offset, place = offsets_of(zones, zoned, where, read.times, timezone)
    # A cell without a zone among others that have one names no instant.
    kept = pd.Series(read.times).where(np.asarray(zoned))
    naive = bounded(pd.DatetimeIndex(kept))
    if place is not None:
        return Stamps(naive, f"{style} in {place}", read.days, zone=place, ends=read.ends)
    shift = pd.TimedeltaIndex(offset.fillna(pd.Timedelta(0)))  # type: ignore[union-attr]
    times = (naive - shift).tz_localize("UTC")
    return Stamps(times, f"{style} with a zone", ends=read.ends)
