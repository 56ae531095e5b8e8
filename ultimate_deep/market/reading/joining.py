"""The bars of one symbol from all files that hold it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd

from ultimate_deep.market.bars import Bars
from ultimate_deep.market.config import BarKind
from ultimate_deep.market.reading.irregular import (
    irregular_bars,
    median_step,
    notes_of,
    refuse_clock,
    remedy,
)
from ultimate_deep.market.reading.rows import TABLE, Part
from ultimate_deep.market.reading.shown import shown
from ultimate_deep.market.reading.stretches import refuse_stretches
from ultimate_deep.market.reading.time_columns import ends_of_bars
from ultimate_deep.market.remarks import remarks
from ultimate_deep.market.sessions import Session, find_interval, find_session
from ultimate_deep.market.validation import BarsError, Repair, validate_bars

DAY, HOUR = pd.Timedelta(days=1), pd.Timedelta(hours=1)
LEAST_OF_A_DAY = 0.85
MOST_ODD_STEPS = 0.1
# Files that differ in more of the bars which both have are of two markets.
MOST_DIFFERENT = 0.1
LEAST_DIFFERENT = 3
JUMP = np.log(1.5)
JUMP_DEVIATIONS = 12.0
_SESSION_GUESS = (
    "The session was taken to be {session}, but these few bars do not settle it: state "
    "session='{session}' or another to annualise rightly."
)


def join_parts(
    symbol: str,
    parts: Sequence[Part],
    *,
    interval: pd.Timedelta | None,
    session: Session | None,
    minimum_rows: int,
    repair: Repair,
    kind: BarKind = "regular",
) -> Bars:
    """Return the bars of one symbol from its files.

    Args:
        symbol: Name of the market, for messages.
        parts: Its bars in each file.
        interval: What the caller says that it is.
        session: What the caller says that it is.
        minimum_rows: Fewer bars raise.
        repair: What to do of bars of one time that differ: `"drop"` keeps that of the first file.
        kind: Whether bars have one length, or none as those of ticks, volume and dollars.

    Raises:
        BarsError: Files of different intervals, files that contradict each other, or that are of
            two markets by their prices.
    """
    parts = sorted(parts, key=lambda part: part.frame.index[0])
    irregular = remedy(of_table=parts[0].file == TABLE)
    _refuse_mixed_stamps(symbol, parts)
    _refuse_unlike(symbol, parts)
    if kind == "irregular":
        refuse_clock(symbol, interval, session)
    else:
        _refuse_intervals(symbol, parts, irregular)
    notes: list[str] = []
    joined = _without_shared(symbol, parts, repair, notes)
    _refuse_jumps(symbol, joined, notes, kind)
    notes += _joined_note(symbol, parts)
    frame, more = validate_bars(
        pd.concat([part.frame for part in joined]),
        symbol=symbol, minimum_rows=max(minimum_rows, 2),
    )  # fmt: skip
    read_as = tuple(dict.fromkeys(part.read_as for part in parts if part.read_as))
    dropped = dict.fromkeys(note for part in parts for note in part.notes)
    if kind == "irregular":
        ends = any(part.ends for part in parts)
        bars = replace(irregular_bars(symbol, frame, ends=ends), read_as=read_as)
        told = notes_of(bars, pd.DatetimeIndex(frame.index))
        return replace(bars, notes=(*dropped, *notes, *more, *told, *remarks(bars)))
    found = find_interval(pd.DatetimeIndex(frame.index))
    if interval is not None and found != interval:
        raise BarsError(
            f"{symbol}: the interval is stated as {interval}, but the most common "
            f"difference of times is {found}; leave it out, or resample the bars"
        )
    frame = _without_early(symbol, frame, found, repair, notes, irregular)
    refuse_stretches(symbol, pd.DatetimeIndex(frame.index), found, irregular)
    if any(part.ends for part in parts):
        short = ends_of_bars(pd.DatetimeIndex(frame.index))
        frame = frame.set_axis(pd.DatetimeIndex(frame.index) + (short - found), axis=0)
        frame.index.name = "timestamp"
        notes.append(f"Times are the ends of bars and were moved back by {found - short}.")
    index = pd.DatetimeIndex(frame.index)
    zone = next((part.zone for part in parts if part.zone != "UTC"), "UTC")
    guessed, settled = find_session(index, found, zone)
    bars = Bars(
        frame=frame, symbol=symbol, interval=found, session=session or guessed, read_as=read_as
    )
    guess = () if session or settled else (_SESSION_GUESS.format(session=guessed),)
    return replace(bars, notes=(*dropped, *notes, *more, *guess, *remarks(bars)))


def _joined_note(symbol: str, parts: Sequence[Part]) -> list[str]:
    files = list(dict.fromkeys(part.file for part in parts))
    if len(files) < 2 or parts[0].stated:
        return []
    return [f"{shown(files, 4)} are joined as {symbol}, in the order of their times."]


def _without_early(
    symbol: str,
    frame: pd.DataFrame,
    interval: pd.Timedelta,
    repair: Repair,
    notes: list[str],
    irregular: str,
) -> pd.DataFrame:
    """Refuse or drop bars that open before the one before them is over."""
    stamps = pd.DatetimeIndex(frame.index).asi8
    steps, length = np.diff(stamps), interval.as_unit("ns").value
    if interval <= DAY:
        odd = float((steps % length != 0).mean())
        days = interval == DAY and float((steps % HOUR.value == 0).mean()) == 1.0
        what = (
            f"the most common step is {interval}, and {odd:.0%} of the steps are no multiple of it"
        )
    else:
        # Weeks and months differ by days, and by the hour of a clock change.
        odd, days = float(((steps + HOUR.value) % DAY.value > 2 * HOUR.value).mean()), False
        what = f"{odd:.0%} of the steps, of which the most common is {interval}, are no whole days"
    if odd > MOST_ODD_STEPS and not days:
        raise BarsError(
            f"{symbol}: bars of no fixed length, as those of ticks, volume and dollars are: "
            f"{what}; resample them to a fixed length, or, {irregular}"
        )
    # A day of a clock change has 23 hours, and a month 28 days or more.
    least = length if interval < DAY else round(LEAST_OF_A_DAY * length)
    if (steps >= least).all():
        return frame
    keep, last = np.ones(len(frame), dtype=bool), stamps[0]
    for row in range(1, len(frame)):
        keep[row] = stamps[row] - last >= least
        if keep[row]:
            last = stamps[row]
    many, first = int((~keep).sum()), int(np.argmin(keep))
    what = f"bars come at least {interval} apart"
    where = f"{frame.index[first]}, {pd.Timedelta(int(steps[first - 1]), unit='ns')} after the last"
    if repair == "raise":
        raise BarsError(
            f"{symbol}: {what}; broken by {many:,} of {len(frame):,} bars, first by {where}; "
            'remove them at their source, or repair="drop" to drop such bars, or, '
            f"{irregular}"
        )
    notes.append(f"Dropped {many:,} bar{'s' * (many != 1)}: {what}. The first was {where}.")
    return frame[keep]


def _refuse_mixed_stamps(symbol: str, parts: Sequence[Part]) -> None:
    files = {part.ends: part.file for part in parts}
    if len(files) > 1:
        raise BarsError(
            f"{symbol}: times of {files[True]} are the ends of bars, and those of {files[False]} "
            "say when they open; read the files apart"
        )


def _refuse_unlike(symbol: str, parts: Sequence[Part]) -> None:
    """Refuse files of which some are adjusted, or have a volume, and the others are not so."""
    adjusted = next((part.file for part in parts if part.adjusted), None)
    raw = next((part.file for part in parts if part.adjusted is None), None)
    if adjusted and raw:
        raise BarsError(
            f"{symbol}: {adjusted} has an adjusted close that adjusts its prices, and {raw} has "
            "none, so that they are no prices of one kind; add it there, or take all prices as "
            "they were: adjust='none'"
        )
    of_volume = next((part.file for part in parts if part.has_volume), None)
    without = next((part.file for part in parts if not part.has_volume), None)
    if of_volume and without:
        raise BarsError(
            f"{symbol}: {of_volume} has a volume and {without} has none; add it there, or read "
            "all files without it: columns='volume=none'"
        )


def _refuse_intervals(symbol: str, parts: Sequence[Part], irregular: str) -> None:
    lengths = {
        part.file: find_interval(pd.DatetimeIndex(part.frame.index))
        for part in parts
        if len(part.frame) > 2
    }
    if len(set(lengths.values())) > 1:
        files = list(lengths)
        other = next(file for file in files if lengths[file] != lengths[files[0]])
        raise BarsError(
            f"{symbol}: the bars of {files[0]} are of {lengths[files[0]]}, those of {other} of "
            f"{lengths[other]}; read files of different intervals apart, or, {irregular}"
        )


def _without_shared(
    symbol: str, parts: Sequence[Part], repair: Repair, notes: list[str]
) -> list[Part]:
    """Keep a bar that several files hold once, where they agree on it."""
    out: list[Part] = []
    for part in parts:
        if not out or part.frame.index[0] > out[-1].frame.index[-1]:
            out.append(part)
            continue
        before = pd.concat([one.frame for one in out])
        shared = part.frame.index.intersection(before.index)
        last = out[-1]
        differs = (part.frame.loc[shared] != before.loc[shared]).any(axis=1).to_numpy()
        most = max(LEAST_DIFFERENT, MOST_DIFFERENT * len(shared))
        if differs.any() and (repair == "raise" or differs.sum() > most):
            at = int(np.argmax(differs))
            ours, theirs = (one.loc[shared].to_numpy()[at] for one in (before, part.frame))
            column = int(np.argmax(ours != theirs))
            drop = ', or repair="drop" to keep those of the file that begins first'
            raise BarsError(
                f"{symbol}: {last.file} and {part.file} overlap and do not agree on "
                f"{int(differs.sum()):,} of {len(shared):,} bars that both have; at {shared[at]} "
                f"{before.columns[column]} is {ours[column]:.10g} in one and "
                f"{theirs[column]:.10g} in the other; cut one of them, or read them apart if they "
                f"are of different markets{drop if differs.sum() <= most else ''}"
            )
        if len(shared):
            how = "in the same words" if not differs.any() else (
                f"of which {int(differs.sum()):,} differ and are taken from {last.file}"
            )  # fmt: skip
            notes.append(
                f"{last.file} and {part.file} share {len(shared):,} "
                f"bar{'s' * (len(shared) != 1)}, kept once, {how}."
            )
        rest = part.frame.drop(shared)
        if len(rest) == 0:
            continue
        if rest.index[0] < last.frame.index[-1]:
            out[-1] = replace(last, frame=pd.concat([last.frame, rest]).sort_index())
        else:
            out.append(replace(part, frame=rest))
    return out


def _refuse_jumps(symbol: str, parts: Sequence[Part], notes: list[str], kind: BarKind) -> None:
    """Refuse files that continue each other at another price: they are of two markets."""
    for left, right in pairwise(parts):
        if left.file == right.file:
            continue
        last, first = float(left.frame["close"].iloc[-1]), float(right.frame["open"].iloc[0])
        both = pd.concat([left.frame["close"], right.frame["close"]])
        steps = np.diff(np.log(left.frame["close"].to_numpy())) if len(left.frame) > 2 else []
        deviation = float(np.std(steps)) if len(steps) else 0.0
        step_of = median_step if kind == "irregular" else find_interval
        interval = step_of(pd.DatetimeIndex(both.index))
        bars = max(1.0, float((right.frame.index[0] - left.frame.index[-1]) / interval))
        jump = abs(np.log(first / last))
        if jump <= max(JUMP, JUMP_DEVIATIONS * deviation * np.sqrt(bars)):
            continue
        what = (
            f"{symbol}: {left.file} ends at {last:.10g} ({left.frame.index[-1]}) and {right.file} "
            f"begins at {first:.10g} ({right.frame.index[0]})"
        )
        if left.stated and right.stated:
            notes.append(f"{what}; both are {symbol} as stated.")
            continue
        raise BarsError(
            f"{what}, which are no prices of one market; read them apart, rename the files after "
            f"their markets, or, if they are of one, state it: symbol={symbol!r}"
        )
