"""Rules of an account: what trading costs, how large a position is, when it ends."""

from typing import TYPE_CHECKING

from ultimate_deep.machine.lazy import lazy_names

if TYPE_CHECKING:
    from ultimate_deep.portfolio.breakers import BreakerSpec
    from ultimate_deep.portfolio.costs import CostSpec
    from ultimate_deep.portfolio.event_driven.live_account import LiveAccount
    from ultimate_deep.portfolio.sizing import kelly_fraction, size_positions
    from ultimate_deep.portfolio.sizing_spec import SizingSpec
    from ultimate_deep.portfolio.stops import StopSpec

_HOMES = {
    "breakers": ("BreakerSpec",),
    "costs": ("CostSpec",),
    "event_driven.live_account": ("LiveAccount",),
    "sizing": ("kelly_fraction", "size_positions"),
    "sizing_spec": ("SizingSpec",),
    "stops": ("StopSpec",),
}
__getattr__, __dir__ = lazy_names(__name__, _HOMES)

__all__ = [
    "BreakerSpec",
    "CostSpec",
    "LiveAccount",
    "SizingSpec",
    "StopSpec",
    "kelly_fraction",
    "size_positions",
]
