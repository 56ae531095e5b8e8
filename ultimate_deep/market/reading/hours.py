"""Times of day beside a day, as texts or as digits; what may mean several is not read."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ultimate_deep.market.reading.spellings import plain_spelling
from ultimate_deep.market.reading.texts import trimmed

_FORMS = (
    "%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%I:%M%p",
    "%H%M%S", "%H%M", "%I-%p", "%I %p", "%H:%M:%S:%f", "%H", "%Hh%M", "%Hh",
)  # fmt: skip
_DIGITS = {"%H%M%S": 6, "%H%M": 4, "%H": 2}
_SAMPLE = 64
END_OF_DAY = r"24:?00(:?00(\.0+)?)?"
# Digits such as 930 are read as hours and minutes only where all of them can be: minutes of a day
# and seconds of a day soon cannot.
LEAST_READ = 0.99


def read_hours(column: pd.Series, *, whole: bool = False) -> pd.Series | None:
    """Return times of day as durations, NaT where a cell is none; None where most are none.

    Digits are hours and minutes (`930`), with seconds (`93000`) or milliseconds (`93000000`), by
    the longest of them.

    Args:
        column: Cells as the file holds them.
        whole: Whether one or two digits are hours, as in a column of that name.
    """
    if pd.api.types.is_timedelta64_dtype(column.dtype):
        return column
    text = plain_spelling(trimmed(column)).str.replace(r"\.0+$", "", regex=True)
    filled = text[(text != "") & ~text.isin(("nan", "<NA>", "None", "NaT"))]
    if filled.empty:
        return None
    written = filled.drop_duplicates()
    if bool(written.str.fullmatch(r"[0-9]{1,9}").all()):
        read = _of_digits(written, whole=whole)
        least = LEAST_READ
    else:
        read = {text: one for text, (one, _) in clock_times(written).items()}
        least = 0.5
    found = pd.Series(pd.to_timedelta(text.map(read)), index=text.index)
    good = float(found[filled.index].notna().mean())
    return found.astype("timedelta64[ns]") if good > least or good == 1.0 else None


def clock_times(written: pd.Series) -> dict[str, tuple[pd.Timedelta, str]]:
    """Return the time of day of each text and how it is written, without those that are none.

    `24:00` is the end of the day. Digits alone are read by how many they are.
    """
    ends = written[written.str.fullmatch(END_OF_DAY)]
    read = {text: (pd.Timedelta(days=1), "") for text in ends}
    sample = written.iloc[:: max(1, len(written) // _SAMPLE)]
    for form in sorted(_FORMS, key=lambda form: -len(_parsed(sample, form))):
        rest = written[~written.isin(read.keys())]
        if rest.empty:
            break
        times = _parsed(rest, form)
        of_day = times - times.dt.normalize()
        read |= {text: (one, form) for text, one in zip(rest[times.index], of_day, strict=True)}
    return read


def _parsed(written: pd.Series, form: str) -> pd.Series:
    digits = _DIGITS.get(form)
    if digits is not None:
        written = written[written.str.fullmatch(rf"[0-9]{{{digits}}}")]
    return pd.to_datetime(written.str.upper(), format=form, errors="coerce").dropna()


def _of_digits(written: pd.Series, *, whole: bool) -> dict[str, pd.Timedelta]:
    longest = int(written.str.len().max())
    if longest <= 2 and not whole:
        return {}
    number = written.astype("int64").to_numpy()
    # In milliseconds: 9, 930, 93000 and 93000000 are half past nine or nine o'clock.
    scale = {1: 10**7, 2: 10**7, 3: 10**5, 4: 10**5, 5: 1000, 6: 1000}.get(longest, 1)
    clock, milliseconds = np.divmod(number * scale, 1000)
    hours, minutes, seconds = clock // 10_000, clock // 100 % 100, clock % 100
    good = (hours < 24) & (minutes < 60) & (seconds < 60)
    total = ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds
    return {
        text: pd.Timedelta(int(one), unit="ms")
        for text, one in zip(written[good], total[good], strict=True)
    }
