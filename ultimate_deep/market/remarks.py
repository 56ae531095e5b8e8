"""What people should know of bars that break no rule."""

import numpy as np

from ultimate_deep.machine.counts import written
from ultimate_deep.market.bars import Bars

STALE_OPEN_SHARE = 0.99
LEAST_IN_ORDER = 8
EXCHANGED_ERRORS = 3.0  # standard errors of what may be chance
LEAST_BARS = 100  # fewer say nothing of how a vendor makes opens
# A share that opens at one of these parts of its last close was rather split than ruined.
SPLITS = (1.5, 2, 3, 4, 5, 7, 8, 10, 15, 20, 25, 30, 50, 100)
NEAR_A_SPLIT = 0.04
LARGEST_FALL, LARGEST_RISE = 0.5, 2.0


def remarks(bars: Bars) -> list[str]:
    """Return sentences on gaps, nights like splits, absent volume and repeated prices."""
    found = []
    gaps = bars.gaps
    if gaps.count:
        found.append(
            f"{gaps.count:,} gaps at usual hours, the longest {gaps.longest}; {gaps.closings:,} "
            "closings besides."
        )
    found += _jumps(bars)
    if exchanged(bars.frame["open"].to_numpy(), bars.frame["close"].to_numpy()):
        found.append(
            "Bars open where they should close: each closes nearer to the open before it than it "
            "opens to the close before it. Look whether the file has the two exchanged."
        )
    if not bars.has_volume:
        found.append("Volume is absent (all zero): features of volume are left out.")
    if len(bars.frame) >= LEAST_BARS and stale_open_share(bars) >= STALE_OPEN_SHARE:
        found.append(
            "Nearly every open repeats the close before it, so a fill at the next open is a fill "
            "at the very print that the decision was made on. If that print bounced between bid "
            "and ask, results look better than anyone could have traded: fill orders from finer "
            "bars of the same market (data.fills), raise the slippage, or distrust gains that turn "
            "with the last bar."
        )
    return found


def _jumps(bars: Bars) -> list[str]:
    """Return a sentence on bars that open at half of the last close or less, or at a multiple."""
    opens, closes = bars.frame["open"].to_numpy(), bars.frame["close"].to_numpy()
    ratio = opens[1:] / closes[:-1]
    ratios = np.array([part for many in SPLITS for part in (1.0 / many, float(many))])
    # Few bars open so far away that they need to be compared with splits.
    edge = min(SPLITS) * (1.0 - 2 * NEAR_A_SPLIT)
    far = np.flatnonzero((ratio > edge) | (ratio < 1.0 / edge))
    apart = np.abs(ratio[far, None] / ratios - 1.0).min(axis=1)
    nearest = dict(zip(far.tolist(), apart.tolist(), strict=True))
    large = (ratio[far] <= LARGEST_FALL) | (ratio[far] >= LARGEST_RISE)
    jumps = far[(apart < NEAR_A_SPLIT) | large]
    if len(jumps) == 0:
        return []
    first = int(jumps[0])
    change = ratio[first] - 1.0
    part = ratios[np.argmin(np.abs(ratio[first] / ratios - 1.0))]
    like = ""
    if nearest[first] < NEAR_A_SPLIT:
        split = _in_words(1 / part if part < 1 else part, forward=part < 1)
        like = f", as after a split of {split}"
    several = f" and {len(jumps) - 1:,} more such nights" if len(jumps) > 1 else ""
    return [
        f"{bars.index[first + 1]:%Y-%m-%d %H:%M} opens at {opens[first + 1]:.6g} after a close of "
        f"{closes[first]:.6g}, {written(change, '{:+.1%}')}{like}{several}: if nobody lost or won "
        "that, take bars that are adjusted for splits."
    ]


def _in_words(many: float, *, forward: bool) -> str:
    new, old = (3, 2) if many == 1.5 else (round(many), 1)
    return f"{new}:{old}" if forward else f"{old}:{new}"


def exchanged(opens: np.ndarray, closes: np.ndarray) -> bool:
    """Return whether opens and closes of bars in order look like each other's.

    A bar opens nearer to the close before it than it closes to the open before it; bars that hardly
    move within say nothing.
    """
    if len(opens) < LEAST_IN_ORDER:
        return False
    farther = np.abs(opens[1:] - closes[:-1]) - np.abs(closes[1:] - opens[:-1])
    spread = float(np.std(farther))
    return float(np.mean(farther)) > EXCHANGED_ERRORS * spread / np.sqrt(len(farther)) > 0.0


def stale_open_share(bars: Bars) -> float:
    """Return the share of bars, the first aside, that open exactly at the close before."""
    opens, closes = bars.frame["open"].to_numpy(), bars.frame["close"].to_numpy()
    return float(np.mean(opens[1:] == closes[:-1])) if len(opens) > 1 else 0.0
