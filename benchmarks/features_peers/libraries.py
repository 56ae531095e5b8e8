"""How each library computes the shared indicators of the same bars."""

import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.features_peers.shared import Shared
from benchmarks.features_peers.timing import peer

Outputs = tuple[npt.NDArray[np.float64], ...]
Call = Callable[[], Any]


class Library:
    """How a peer computes an indicator of the same bars."""

    def __init__(self, module: ModuleType, frame: pd.DataFrame) -> None:
        self.module, self.frame = module, frame

    def call(self, one: Shared) -> Call | None:
        """What computes it; None where the peer lacks it."""
        found = self.module.CALLS.get(one.name)
        return None if found is None else lambda: found(self.frame)

    def together(self, chosen: list[Shared]) -> Call | None:
        """What computes all of them at once, where a peer can."""
        return None

    def arrays(self, result: Any) -> Outputs:
        """A call's outputs as arrays."""
        several = result if isinstance(result, tuple) else (result,)
        return tuple(np.asarray(x, dtype=np.float64) for x in several)


class TaLib(Library):
    """Arrays, one at a time."""

    def __init__(self, module: ModuleType, frame: pd.DataFrame) -> None:
        super().__init__(module, frame)
        self.columns = {k: frame[name].to_numpy() for k, name in module.LETTERS.items()}

    def call(self, one: Shared) -> Call:
        return lambda: self.module.compute(one, self.columns)


class Polars(Library):
    """Queries, of one indicator or of all."""

    def __init__(self, module: ModuleType, frame: pd.DataFrame) -> None:
        import polars as pl

        super().__init__(module, frame)
        self.table = pl.DataFrame({name: frame[name].to_numpy() for name in frame.columns})

    def call(self, one: Shared) -> Call | None:
        if one.name not in self.module.EXPRESSIONS:
            return None
        return lambda: self.module.query(self.table, one.name)

    def together(self, chosen: list[Shared]) -> Call:
        names = [one.name for one in chosen]
        return lambda: self.module.query(self.table, *names)

    def arrays(self, result: Any) -> Outputs:
        return tuple(column.to_numpy() for column in result.get_columns())


KINDS: dict[str, type[Library]] = {
    "TA-Lib": TaLib,
    "pandas": Library,
    "polars": Polars,
    "pandas-ta-classic": Library,
}


def libraries(frame: pd.DataFrame) -> tuple[dict[str, Library], dict[str, str]]:
    """Those that are installed, for these bars, and why the others are not."""
    # pandas-ta-classic asks pandas for what a later pandas drops.
    warnings.filterwarnings("ignore", module="pandas_ta_classic")
    found = {name: peer(name) for name in KINDS}
    present = {name: KINDS[name](module, frame) for name, (module, _) in found.items() if module}
    return present, {name: about for name, (module, about) in found.items() if not module}
