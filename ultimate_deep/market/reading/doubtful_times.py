"""Times in digits that two ways of writing them would read: refused, with what settles it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ultimate_deep.market.reading.shown import cell
from ultimate_deep.market.validation import BarsError

# Fewer different times may be read in two ways by chance.
LEAST_TIMES = 5
# A bar lasts no more days than this where days are counted.
LONGEST_BAR_DAYS = 31
SPREADSHEET_DAY_ONE = pd.Timestamp("1899-12-30")
# Of 1997 to 2047 in steps of 100 ns since the year 1 (.NET), of 1978 to 2060 since 1601 (Windows);
# as nanoseconds since 1970 they would be of 1989 and 1990, and of 1973 and 1974.
_HUNDREDS = ((6.30e17, 6.46e17, "the year 1"), (1.19e17, 1.45e17, "1601"))
_SAMPLE = 64
_DOUBTFUL_LENGTHS = {5, 6, 10, 12, 18}
# Ways to write a time in as many digits, with two digits for the year.
WITHOUT_ZERO = ("%y%m%d", "%d%m%y", "%m%d%y")
_SHORT_YEARS = {
    6: (*WITHOUT_ZERO, "%Y%m"),
    10: ("%y%m%d%H%M",),
    12: ("%y%m%d%H%M%S",),
}


def refuse_doubtful(digits: pd.Series, where: str) -> None:
    """Refuse digits that would be read as one kind of time and may well be another.

    Args:
        digits: Cells as text, empty where nothing is written.
        where: File and column, for messages.

    Raises:
        BarsError: The value, its meanings, and what to state.
    """
    cells = pc.unique(pa.array(digits, pa.string()))
    cells = pc.filter(cells, pc.not_equal(cells, ""))
    rounded = pc.all(pc.match_substring_regex(cells, r"^[0-9](\.[0-9]{0,6})?[eE]\+?[0-9]+$"))
    if len(cells) and rounded.as_py():
        raise BarsError(
            f"{where}: {cell(cells[0].as_py())} is a time that was rounded, as spreadsheets do to "
            "long numbers; take the file as it was before"
        )
    some = pc.all(pc.match_substring_regex(cells, r"^[0-9]+$")).as_py()
    lengths = set(pc.unique(pc.utf8_length(cells)).to_pylist())
    if not some or not len(cells) or not lengths <= _DOUBTFUL_LENGTHS:
        return
    written = pd.Series(cells.to_pandas(), dtype="str")
    if lengths == {5}:
        _refuse_days(written, where)
    # No other times have five and six digits, however few there are.
    if len(cells) < LEAST_TIMES and not lengths <= {5, 6}:
        return
    if lengths == {5, 6}:
        _refuse_short_years(written, 6, where)
    if len(lengths) == 1:
        _refuse_short_years(written, int(lengths.pop()), where)
        _refuse_hundreds(written, where)


def _reads(written: pd.Series, form: str) -> bool:
    some = written.iloc[:: max(1, len(written) // _SAMPLE)]
    if pd.to_datetime(some, format=form, errors="coerce").isna().any():
        return False
    if form == "%Y%m" and not written.str.match("19|20").all():
        return False  # pandas knows the year 501
    return bool(pd.to_datetime(written, format=form, errors="coerce").notna().all())


def _refuse_days(written: pd.Series, where: str) -> None:
    """Refuse 050103, the third of January 2005, and seconds of a day, as days since 1900."""
    first = cell(written.iloc[0])
    fits = [form for form in WITHOUT_ZERO if _reads(written.str.zfill(6), form)]
    if fits:
        choices = " or ".join(f"time_format='{form}'" for form in fits)
        raise BarsError(
            f"{where}: {first} may be a date without its first zero or days since 1900 as "
            f"spreadsheets count; state which: {choices} or "
            "time_format='days since 1899-12-30'"
        )
    if len(written) < LEAST_TIMES:
        return
    number = written.astype("int64").to_numpy()
    steps, counts = np.unique(np.abs(np.diff(number)), return_counts=True)
    last = SPREADSHEET_DAY_ONE + pd.Timedelta(days=int(number.max()))
    future = last > pd.Timestamp.now() + pd.Timedelta(days=2)
    if future or steps[np.argmax(counts)] > LONGEST_BAR_DAYS:
        why = f"the last would be {last:%Y-%m-%d}" if future else (
            f"the bars would be {steps[np.argmax(counts)]} days apart"
        )  # fmt: skip
        raise BarsError(
            f"{where}: {first} would be days since 1900 as spreadsheets count, but {why}; they may "
            "be seconds of a day: write times in full, such as 2024-01-31 09:30:00, or state that "
            "they are days: time_format='days since 1899-12-30'"
        )


def _refuse_short_years(written: pd.Series, length: int, where: str) -> None:
    digits = written.str.zfill(length)
    fits = [form for form in _SHORT_YEARS.get(length, ()) if _reads(digits, form)]
    if not fits:
        return
    if length == 12 and _reads(written, "%Y%m%d%H%M"):
        inside = pd.to_datetime(written, format="%Y%m%d%H%M").dt.year
        fits += ["%Y%m%d%H%M"] * bool(inside.between(1900, 2261).all())
    choices = " or ".join(f"time_format='{form}'" for form in fits)
    raise BarsError(
        f"{where}: {cell(written.iloc[0])} may be a date and a time in digits, and no other time "
        f"of the file tells; state how times are written: {choices}"
    )


def _refuse_hundreds(written: pd.Series, where: str) -> None:
    if int(written.str.len().iloc[0]) != 18:
        return
    number = written.astype("int64").to_numpy()
    for least, most, since in _HUNDREDS:
        if bool(((number >= least) & (number < most)).all()):
            raise BarsError(
                f"{where}: {cell(written.iloc[0])} may be nanoseconds since 1970 or steps of 100 "
                f"nanoseconds since {since}; write times in full, such as 2024-01-31 09:30:00"
            )
