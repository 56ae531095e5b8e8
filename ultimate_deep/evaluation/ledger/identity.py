"""Which data a trial was made on: the same bars are the same data, under any name or cut."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ultimate_deep.market.times import utc_times

Times = np.ndarray | pd.Index
OHLCV = ("open", "high", "low", "close", "volume")
# A stretch holds tens to hundreds of bars: short beside any file that a model is trained on.
_STRETCHES = (
    (np.timedelta64(30, "m"), "datetime64[D]"),
    (np.timedelta64(24, "h"), "datetime64[W]"),
)
_LONGEST = "datetime64[M]"
_HASH_BYTES = 16
_VERSION = b"bars-chunk-1"
# Returns at these digits tell a stretch whatever the unit of its prices, their last digits, its
# volume and the seconds of its stamps; fewer that are not zero may be those of another market.
_ALIKE = ((6, b"bars-alike-6"), (4, b"bars-alike-4"))
_LEAST_MOVES = 16


@dataclass(frozen=True)
class DataIdentity:
    """Fingerprints of the bars by stretches of the UTC calendar.

    A stretch is one symbol's bars of a month, of a week where bars are shorter than a day, and of
    a day where they are shorter than half an hour. Two data sets count as the same where they
    share any whole stretch: a file that was renamed, appended to, cut at its ends, or joined by
    further symbols is still the same data. So is one whose prices are in another unit or rounded,
    whose volume is another or whose stamps are some seconds off: a stretch is known by its returns
    from close to close too. Bars of another length, and rows that were repaired or adjusted for
    dividends, are other data where they differ.

    Attributes:
        chunks: Sorted hexadecimal fingerprints, each once.
    """

    chunks: tuple[str, ...]

    @classmethod
    def from_arrays(cls, bars: Mapping[str, tuple[Times, npt.ArrayLike]]) -> "DataIdentity":
        """Identify bars given as arrays.

        Args:
            bars: Symbol to open times, `(bars,)` datetime64 in UTC, strictly increasing, and
                open, high, low, close and volume, `(bars, 5)`, where NaN equals NaN. The names
                do not matter.

        Raises:
            ValueError: No bars, shapes that do not fit, or times that do not increase.
        """
        if not bars:
            raise ValueError("a data set needs bars of at least one symbol, got none; give some")
        chunks: set[str] = set()
        for symbol, (open_time, values) in bars.items():
            chunks.update(_chunks(*_checked(symbol, open_time, values)))
        return cls(tuple(sorted(chunks)))

    @classmethod
    def from_frames(cls, frames: Mapping[str, pd.DataFrame]) -> "DataIdentity":
        """Identify frames of bars (index: open times in UTC); further columns do not matter.

        Raises:
            ValueError: What `from_arrays` refuses, or a frame that lacks one of the five columns.
        """
        arrays = {}
        for symbol, frame in frames.items():
            if missing := [name for name in OHLCV if name not in frame.columns]:
                raise ValueError(
                    f"bars have the columns {', '.join(OHLCV)}; {symbol} lacks {missing}; "
                    "read them with ultimate_deep.market.readers"
                )
            arrays[symbol] = (frame.index, frame[list(OHLCV)].to_numpy(np.float64))
        return cls.from_arrays(arrays)

    @property
    def digest(self) -> str:
        """SHA-256 of all chunks: equal for the same bars, under any name and order of symbols."""
        return hashlib.sha256("\n".join(self.chunks).encode()).hexdigest()

    def overlaps(self, other: "DataIdentity") -> bool:
        """Whether both count as the same data: they share a whole stretch."""
        return not set(self.chunks).isdisjoint(other.chunks)


def _checked(symbol: str, open_time: Times, values: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    index = pd.DatetimeIndex(open_time)
    times = utc_times(index)
    prices = np.asarray(values, np.float64)
    if len(times) == 0 or prices.shape != (len(times), len(OHLCV)):
        raise ValueError(
            f"{symbol} needs at least one bar and values of shape (bars, {len(OHLCV)}), got "
            f"{len(times)} times and values of shape {prices.shape}; give a row of values for each "
            "time"
        )
    wrong = np.flatnonzero(~(np.diff(times) > np.timedelta64(0, "ns")))
    if wrong.size or index.hasnans:
        row = int(wrong[0]) + 1 if wrong.size else 0
        raise ValueError(
            f"open times must increase strictly, got {times[row]} at row {row} of {symbol}; "
            "sort the bars and drop repeated ones"
        )
    return times, prices


def _chunks(times: np.ndarray, values: np.ndarray) -> list[str]:
    """Fingerprint the bars of each stretch."""
    step = np.median(np.diff(times)) if len(times) > 1 else np.timedelta64(24, "h")
    unit = next((unit for limit, unit in _STRETCHES if step < limit), _LONGEST)
    stretch = times.astype(unit)
    starts = np.flatnonzero(np.concatenate([[True], stretch[1:] != stretch[:-1]]))
    ends = np.append(starts[1:], len(times))
    stamps = times.astype("<i8")
    # One bit pattern for each value: no negative zero, one NaN.
    plain = np.where(np.isnan(values), np.nan, values + 0.0).astype("<f8")
    found = []
    for start, end in zip(starts, ends, strict=True):
        digest = hashlib.blake2b(_VERSION, digest_size=_HASH_BYTES)
        digest.update(stamps[start:end].tobytes())
        digest.update(plain[start:end].tobytes())
        found.append(digest.hexdigest())
        found += _alike(plain[start:end, OHLCV.index("close")])
    return found


def _alike(close: np.ndarray) -> list[str]:
    """Fingerprint the returns of a stretch, rounded; nothing where too few of them are moves."""
    found = []
    with np.errstate(divide="ignore", invalid="ignore"):
        returns = np.diff(np.log(close))
    for digits, version in _ALIKE:
        rounded = np.rint(np.nan_to_num(returns, posinf=0.0, neginf=0.0) * 10.0**digits)
        if np.count_nonzero(rounded) < _LEAST_MOVES:
            continue
        digest = hashlib.blake2b(version, digest_size=_HASH_BYTES)
        digest.update(rounded.astype("<i8").tobytes())
        found.append(digest.hexdigest())
    return found
