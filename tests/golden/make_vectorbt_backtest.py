"""Golden figures of backtests, by vectorbt.

    pip install "vectorbt>=1.2,<1.3"
    python tests/golden/make_vectorbt_backtest.py

Writes `vectorbt_backtest.json` beside this file in about a minute, most of it compilation. Bars,
signals and figures are all in it, so that no later version of a random generator changes them.

Accounts by `Portfolio.from_orders`, a target share of the portfolio's value at each open:
    free        long and short shares from -1 to 1, no costs
    all_in      all or nothing, fees and slippage
    shares      long and short shares, fees and slippage
    together    two symbols that share the cash (`group_by`, `cash_sharing`), no costs
Stops by `Portfolio.from_signals`, no costs. vectorbt fills an entry at the close of the bar that
signals it and looks for stops from the next bar on. So each bar is given to it as two: one that
consists of the open alone, at which signals act, and the bar itself. Its trade list then has an
entry at the open and stops from the bar of the entry on.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import vectorbt as vbt

ROWS = 240
FEES, SLIPPAGE = 0.0005, 0.0003
STOPS = {
    "stop_loss": {"sl_stop": 0.02},
    "take_profit": {"tp_stop": 0.025},
    "stop_and_profit": {"sl_stop": 0.015, "tp_stop": 0.02},
    "trailing": {"sl_stop": 0.02, "sl_trail": True},
}


def make_bars(seed: int) -> pd.DataFrame:
    """A random walk with gaps between a close and the next open."""
    draw = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(0.01 * draw.standard_normal(ROWS)))
    opens = np.concatenate([[100.0], close[:-1]]) * np.exp(0.004 * draw.standard_normal(ROWS))
    reach = 0.006 * np.abs(draw.standard_normal((2, ROWS)))
    return pd.DataFrame(
        {
            "open": opens,
            "high": np.maximum(opens, close) * np.exp(reach[0]),
            "low": np.minimum(opens, close) * np.exp(-reach[1]),
            "close": close,
        }
    )


def make_positions(seed: int, values: list[float]) -> np.ndarray:
    """What to hold from each open on: runs of a few bars, flat at the first and the last open."""
    draw = np.random.default_rng(seed)
    positions = np.repeat(draw.choice(values, ROWS), draw.integers(1, 8, ROWS))[:ROWS]
    positions[[0, -1]] = 0.0
    return positions


def by_orders(opens: Any, positions: Any, **options: Any) -> dict[str, Any]:
    """Value after each open's trading, and the number of orders."""
    account = vbt.Portfolio.from_orders(
        opens, positions, size_type="targetpercent", price=opens, init_cash=1.0, **options
    )
    value = np.asarray(account.value()).ravel()
    return {"value": value.tolist(), "orders": len(account.orders.records)}


def by_stops(bars: pd.DataFrame, positions: np.ndarray, **stops: Any) -> list[dict[str, Any]]:
    """vectorbt's trades, rows counted in our bars."""
    doubled = {name: np.repeat(bars["open"].to_numpy(), 2) for name in bars}
    for name in bars:
        doubled[name][1::2] = bars[name]
    changed = np.diff(positions, prepend=0.0) != 0.0
    at_open = np.zeros(2 * ROWS, bool)
    at_open[::2] = changed
    wanted = np.repeat(positions, 2)
    price = np.repeat(bars["open"].to_numpy(), 2)
    account = vbt.Portfolio.from_signals(
        pd.Series(doubled["close"]),
        entries=at_open & (wanted > 0),
        exits=at_open & (wanted <= 0),
        short_entries=at_open & (wanted < 0),
        short_exits=at_open & (wanted >= 0),
        price=price,
        open=doubled["open"],
        high=doubled["high"],
        low=doubled["low"],
        init_cash=1.0,
        accumulate=False,
        upon_opposite_entry="Reverse",
        **stops,
    )
    trades = account.trades.records
    return [
        {
            "side": 1 if row.direction == 0 else -1,
            "entry_row": int(row.entry_idx) // 2,
            "exit_row": int(row.exit_idx) // 2,
            "inside_bar": bool(row.exit_idx % 2),
            "entry_price": float(row.entry_price),
            "exit_price": float(row.exit_price),
            "return": float(row["return"]),
        }
        for _, row in trades.iterrows()
    ]


def main() -> None:
    """Write the bars, the positions and vectorbt's figures."""
    bars, other = make_bars(11), make_bars(12)
    shares = make_positions(21, [-1.0, -0.6, -0.25, 0.0, 0.25, 0.5, 1.0])
    all_in = make_positions(22, [0.0, 1.0])
    sides = make_positions(23, [-1.0, 0.0, 1.0])
    pair = np.column_stack([shares, make_positions(24, [-0.8, 0.0, 0.5, 1.0])]) / 2.0
    costs = {"fees": FEES, "slippage": SLIPPAGE}
    opens = pd.Series(bars["open"])
    both = pd.DataFrame({"first": bars["open"], "second": other["open"]})
    golden = {
        "versions": {"vectorbt": vbt.__version__, "numpy": np.__version__},
        "costs": costs,
        "bars": bars.to_dict("list"),
        "other_open": other["open"].tolist(),
        "positions": {"shares": shares, "all_in": all_in, "sides": sides, "pair": pair},
        "free": by_orders(opens, shares),
        "all_in": by_orders(opens, all_in, **costs),
        "shares": by_orders(opens, shares, **costs),
        "together": by_orders(both, pair, group_by=True, cash_sharing=True, call_seq="auto"),
        "stops": {
            name: {"options": options, "trades": by_stops(bars, sides, **options)}
            for name, options in STOPS.items()
        },
    }
    path = Path(__file__).with_name("vectorbt_backtest.json")
    path.write_text(json.dumps(golden, default=lambda array: array.tolist()) + "\n")


if __name__ == "__main__":
    main()
