"""Bars of one symbol or several: read, checked, labelled, split, simulated."""

from typing import TYPE_CHECKING

from ultimate_deep.machine.lazy import lazy_names

if TYPE_CHECKING:
    from ultimate_deep.market.bars import Bars, BarsError
    from ultimate_deep.market.config import DataConfig, LabelSpec, SplitSpec
    from ultimate_deep.market.labels import Labels, label_end_times, make_labels
    from ultimate_deep.market.market import Market, as_market, load_market
    from ultimate_deep.market.readers import bars_of_frame, read_files, write_bars
    from ultimate_deep.market.simulation_spec import SimulationSpec
    from ultimate_deep.market.simulator import SimulatedMarket, simulate_assets, simulate_bars
    from ultimate_deep.market.splits import Split, chronological_split
    from ultimate_deep.market.validation import validate_bars

_HOMES = {
    "bars": ("Bars", "BarsError"),
    "config": ("DataConfig", "LabelSpec", "SplitSpec"),
    "labels": ("Labels", "label_end_times", "make_labels"),
    "market": ("Market", "as_market", "load_market"),
    "readers": ("bars_of_frame", "read_files", "write_bars"),
    "simulation_spec": ("SimulationSpec",),
    "simulator": ("SimulatedMarket", "simulate_assets", "simulate_bars"),
    "splits": ("Split", "chronological_split"),
    "validation": ("validate_bars",),
}
__getattr__, __dir__ = lazy_names(__name__, _HOMES)

__all__ = [
    "Bars",
    "BarsError",
    "DataConfig",
    "LabelSpec",
    "Labels",
    "Market",
    "SimulatedMarket",
    "SimulationSpec",
    "Split",
    "SplitSpec",
    "as_market",
    "bars_of_frame",
    "chronological_split",
    "label_end_times",
    "load_market",
    "make_labels",
    "read_files",
    "simulate_assets",
    "simulate_bars",
    "validate_bars",
    "write_bars",
]
