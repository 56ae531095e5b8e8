"""Times of day beside a day, as texts or as digits; what may mean several is not read."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ultimate_deep.market.reading.texts import trimmed

_FORMS = (
    "%H:%M:%S", "%H:%M", "%H:%M:%S.%f", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%I:%M%p",
    "%I-%p", "%I %p", "%H:%M:%S:%f",
)  # fmt: skip
# Digits such as 930 are read as hours and minutes only where all of them can be: minutes of a day
# and seconds of a day soon cannot.
LEAST_READ = 0.99


def read_hours(column: pd.Series) -> pd.Series | None:
    """Return times of day as durations, NaT where a cell is none; None where most are none.

    Digits are hours (`9`), hours and minutes (`930`), with seconds (`93000`) or milliseconds
    (`93000000`), by the longest of them.
    """
    if pd.api.types.is_timedelta64_dtype(column.dtype):
        return column
    text = trimmed(column).str.replace(r"\.0+$", "", regex=True)
    filled = text[(text != "") & ~text.isin(("nan", "<NA>", "None", "NaT"))]
    if filled.empty:
        return None
    written = filled.drop_duplicates()
    if bool(written.str.fullmatch(r"[0-9]{1,9}").all()):
        read = _of_digits(written)
        least = LEAST_READ
    else:
        read, least = _of_texts(written), 0.5
    found = pd.Series(pd.to_timedelta(text.map(read)), index=text.index)
    good = float(found[filled.index].notna().mean())
    return found.astype("timedelta64[ns]") if good > least or good == 1.0 else None


def _of_texts(written: pd.Series) -> dict[str, pd.Timedelta]:
    read: dict[str, pd.Timedelta] = {}
    for form in _FORMS:
        rest = written[~written.isin(read.keys())]
        if rest.empty:
            break
        times = pd.to_datetime(rest.str.upper(), format=form, errors="coerce").dropna()
        read |= dict(zip(rest[times.index], times - times.dt.normalize(), strict=True))
    return read


def _of_digits(written: pd.Series) -> dict[str, pd.Timedelta]:
    longest = int(written.str.len().max())
    number = written.astype("int64").to_numpy()
    # In milliseconds: 9, 930, 93000 and 93000000 are half past nine or nine o'clock.
    scale = {1: 10**7, 2: 10**7, 3: 10**5, 4: 10**5, 5: 1000, 6: 1000}.get(longest, 1)
    whole, milliseconds = np.divmod(number * scale, 1000)
    hours, minutes, seconds = whole // 10_000, whole // 100 % 100, whole % 100
    good = (hours < 24) & (minutes < 60) & (seconds < 60)
    total = ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds
    return {
        text: pd.Timedelta(int(one), unit="ms")
        for text, one in zip(written[good], total[good], strict=True)
    }
