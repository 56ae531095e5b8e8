"""Bars put together to longer ones, before anything else is made of them."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from ultimate_deep.market.bars import Bars, BarsError
from ultimate_deep.market.intervals import interval_in_words, interval_of
from ultimate_deep.market.timeframes import coarse_bars
from ultimate_deep.market.validation import MINIMUM_ROWS


def resampled(bars: Bars, length: str | pd.Timedelta) -> Bars:
    """Return bars put together to bars of `length`, as they are where they have it.

    Longer bars begin at multiples of their length since 1970 in UTC (`coarse_bars`), so that those
    of an exchange may begin before it opens; those that are not over are left out.

    Args:
        bars: Bars of one length.
        length: A multiple of it, such as `15min`.

    Raises:
        BarsError: Irregular bars, no multiple, or too few bars.
    """
    long = interval_of(length, "data.resample")
    if bars.irregular:
        raise BarsError(
            f"{bars.symbol}: data.resample is for bars of one length, got irregular ones; leave it "
            "out"
        )
    if long % bars.interval or long < bars.interval:
        raise BarsError(
            f"{bars.symbol}: data.resample must be a multiple of the bars' length, "
            f"{bars.length_in_words}, got {interval_in_words(long)}; name a multiple, or finer bars"
        )
    if long == bars.interval:
        return bars
    frame = coarse_bars(bars.frame, bars.interval, long // bars.interval).frame
    if len(frame) < MINIMUM_ROWS:
        raise BarsError(
            f"{bars.symbol}: {len(bars):,} bars of {bars.length_in_words} make {len(frame):,} of "
            f"{interval_in_words(long)}, at least {MINIMUM_ROWS} are needed; take a shorter length"
        )
    note = f"put together from {len(bars):,} bars of {bars.length_in_words}"
    return replace(bars, frame=frame, interval=long, notes=(*bars.notes, note))
