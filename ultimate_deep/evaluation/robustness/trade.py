"""What every check of robustness starts from: a way to trade signals, and the decisions judged."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ultimate_deep.evaluation.arrays import Array1D, same_length, unit_interval, vector
from ultimate_deep.evaluation.backtesting.account import BacktestResult
from ultimate_deep.evaluation.backtesting.config import BacktestConfig

Trade = Callable[[Array1D, BacktestConfig], BacktestResult]
"""From the signals of the test rows, shape `(rows,)`, and a trading rule to the account."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Decisions:
    """The test part's decisions, pooled over symbols, each symbol's rows in order of time.

    Args:
        probability: Probability of up, shape `(rows,)`, NaN where there is none.
        label: 0, 1 or NaN (not judged), shape `(rows,)`.
        return_log: Log return from fill to exit, NaN where undefined, shape `(rows,)`.
        decision_time: Time of each decision, its bar's close, UTC, `datetime64`, shape `(rows,)`.
        group: Whole number of each row's symbol, shape `(rows,)`; None for one symbol.
        trend, volatility: The market's state known at the decision (see `market_state`), NaN
            where unknown, shape `(rows,)`; None leaves the regimes of trend and volatility out.

    Raises:
        ValueError: Lengths that differ, no rows, values outside their range.
    """

    probability: Array1D
    label: Array1D
    return_log: Array1D
    decision_time: npt.NDArray[np.datetime64]
    group: npt.NDArray[np.int64] | None = None
    trend: Array1D | None = None
    volatility: Array1D | None = None

    def __post_init__(self) -> None:
        columns = {
            "probability": unit_interval("probability", self.probability, allow_nan=True),
            "label": unit_interval("label", self.label, allow_nan=True),
            "return_log": vector("return_log", self.return_log, allow_nan=True),
        }
        label = columns["label"][np.isfinite(columns["label"])]
        if not np.isin(label, [0.0, 1.0]).all():
            raise ValueError("label must be 0, 1 or NaN; give classes, not probabilities")
        for name in ("trend", "volatility"):
            if (values := getattr(self, name)) is not None:
                columns[name] = vector(name, values, allow_nan=True)
        times = np.asarray(self.decision_time)
        if not np.issubdtype(times.dtype, np.datetime64):
            raise ValueError(
                f"decision_time must hold datetime64 in UTC, got {times.dtype}; "
                "convert the bars' closes to UTC and drop the zone"
            )
        group = np.zeros(len(times), dtype=np.int64) if self.group is None else self.group
        same_length(**columns, decision_time=times, group=np.asarray(group))
        for name, column in columns.items():
            object.__setattr__(self, name, column)
        object.__setattr__(self, "decision_time", times.astype("datetime64[ns]"))
        object.__setattr__(self, "group", np.asarray(group, dtype=np.int64))

    def groups(self) -> list[npt.NDArray[np.intp]]:
        """Row numbers of each symbol."""
        assert self.group is not None  # set in `__post_init__`
        return rows_by_group(self.group)


def rows_by_group(group: npt.NDArray[np.int64]) -> list[npt.NDArray[np.intp]]:
    """Return the row numbers of each symbol, in order."""
    return [np.flatnonzero(group == code) for code in np.unique(group)]


def account_figures(account: BacktestResult) -> dict[str, float]:
    """The figures that every table of this package shows of an account."""
    metrics = account.metrics
    return {
        "net_return": metrics["total_return"],
        "sharpe": metrics["sharpe"],
        "net_return_bps": metrics["mean_return_net_bps"],
        "trades": metrics["trades"],
    }


def at_cost(config: BacktestConfig, per_side_bps: float) -> BacktestConfig:
    """Return the rule with one flat cost per side in place of fee, slippage and half the spread.

    Impact, borrowing and funding stay as they are.
    """
    costs = replace(config.costs, fee_bps=per_side_bps, slippage_bps=0.0, spread_bps=0.0)
    return replace(config, costs=costs)
