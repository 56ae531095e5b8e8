"""What people should know of bars that break no rule."""

import numpy as np

from ultimate_deep.market.bars import Bars

STALE_OPEN_SHARE = 0.99
LEAST_BARS = 100  # fewer say nothing of how a vendor makes opens


def remarks(bars: Bars) -> list[str]:
    """Return sentences on gaps, early bars, absent volume and opens that repeat the last close."""
    found = []
    gaps = bars.gaps
    if gaps.count:
        found.append(
            f"{gaps.count:,} gaps at usual hours, the longest {gaps.longest}; {gaps.closings:,} "
            "closings besides."
        )
    sooner = int((np.diff(bars.index.asi8) < bars.interval.as_unit("ns").value).sum())
    if sooner:
        found.append(f"{sooner:,} bars come sooner than the interval of {bars.interval}.")
    if not bars.has_volume:
        found.append("Volume is absent (all zero): features of volume are left out.")
    if len(bars.frame) >= LEAST_BARS and stale_open_share(bars) >= STALE_OPEN_SHARE:
        found.append(
            "Nearly every open repeats the close before it, so a fill at the next open is a fill "
            "at the very print that the decision was made on. If that print bounced between bid "
            "and ask, results look better than anyone could have traded: raise the slippage, or "
            "distrust gains that turn with the last bar."
        )
    return found


def stale_open_share(bars: Bars) -> float:
    """Return the share of bars, the first aside, that open exactly at the close before."""
    opens, closes = bars.frame["open"].to_numpy(), bars.frame["close"].to_numpy()
    return float(np.mean(opens[1:] == closes[:-1])) if len(opens) > 1 else 0.0
