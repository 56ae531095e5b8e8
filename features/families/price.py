"""Returns and the shape of single bars."""

from ultimate_deep.features.engine.graph import (
    Node,
    difference,
    lag,
    log_ratio,
    maximum,
    minimum,
    ratio,
)
from ultimate_deep.features.indicators.classic import close, high, low, opening
from ultimate_deep.features.registry import Feature

LAGS = range(1, 10)
HORIZONS = (2, 3, 5, 10, 20, 50)


def return_log(bars: int = 1) -> Node:
    """Log return of the close over some bars."""
    return log_ratio(close(), lag(close(), bars))


def close_location() -> Node:
    """Where in the bar's range the close lies: -1 low, 1 high, 0 without range."""
    return ratio((close() - low()) - (high() - close()), difference(high(), low()))


def _returns() -> list[Feature]:
    source = "Campbell, Lo & MacKinlay (1997), ch. 1"
    last = Feature(
        name="return_log_1", node=return_log(), source=source, unit="log return over 1 bar"
    )
    earlier = [
        Feature(
            name=f"return_log_lag_{bars}",
            node=lag(return_log(), bars),
            source=source,
            unit=f"log return over 1 bar, {bars} bars earlier",
        )
        for bars in LAGS
    ]
    longer = [
        Feature(
            name=f"return_log_{bars}",
            node=return_log(bars),
            source=source,
            unit=f"log return over {bars} bars",
        )
        for bars in HORIZONS
    ]
    return [last, *earlier, *longer]


def _shapes() -> list[Feature]:
    source = "Nison (1991)"
    span = difference(high(), low())
    top = maximum(opening(), close())
    bottom = minimum(opening(), close())
    share = "share of the bar's range"
    return [
        Feature(
            name="gap_log",
            node=log_ratio(opening(), lag(close(), 1)),
            source=source,
            unit="log of open over last close",
        ),
        Feature(
            name="body_log",
            node=log_ratio(close(), opening()),
            source=source,
            unit="log of close over open",
        ),
        Feature(
            name="range_log", node=log_ratio(high(), low()), source=source, unit="log", low=0.0
        ),
        Feature(
            name="high_change_log",
            node=log_ratio(high(), lag(high(), 1)),
            source=source,
            unit="log of high over last high",
        ),
        Feature(
            name="low_change_log",
            node=log_ratio(low(), lag(low(), 1)),
            source=source,
            unit="log of low over last low",
        ),
        Feature(
            name="close_location", node=close_location(), source=source, unit=share, low=-1, high=1
        ),
        Feature(
            name="upper_shadow",
            node=ratio(high() - top, span),
            source=source,
            unit=share,
            low=0,
            high=1,
        ),
        Feature(
            name="lower_shadow",
            node=ratio(bottom - low(), span),
            source=source,
            unit=share,
            low=0,
            high=1,
        ),
    ]


def entries() -> list[Feature]:
    """The features of this family."""
    return [*_returns(), *_shapes()]
