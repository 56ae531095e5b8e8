"""Golden figures of the EDGE spread, by its authors' own package.

    pip install bidask==2.1.0
    python tests/golden/make_edge_spread.py

Writes `edge_spread.csv` beside this file in under a second: 240 bars in ticks of 0.05, some
without trades, and `bidask.edge(..., sign=True)` of every window of 21 and 51 bars, the first of
which only gives the last close. Figures are fractions of the price; a window in which EDGE is
undefined is empty. The test reads bars and figures from the file, so that no later version of a
random generator can change them.
"""

from pathlib import Path

import bidask
import numpy as np
import pandas as pd

ROWS, TRADES, TICK = 240, 40, 0.05
WINDOWS = (20, 50)


def make_bars() -> pd.DataFrame:
    """Trades at bid or ask around a random walk, gathered into bars."""
    draw = np.random.default_rng(2024)
    value = 40.0 * np.exp(np.cumsum(0.0015 * draw.standard_normal(ROWS * TRADES)))
    value = value.reshape(ROWS, TRADES)
    side = draw.choice([-1.0, 1.0], (ROWS, TRADES))
    trades = np.round(value * (1.0 + 0.004 * side) / TICK) * TICK
    seen = draw.random((ROWS, TRADES)) < 0.15
    rows, last = [], 40.0
    for prices, given in zip(trades, seen, strict=True):
        bar = prices[given] if given.any() else np.array([last])
        last = bar[-1]
        rows.append((bar[0], bar.max(), bar.min(), bar[-1]))
    # A stretch in which nothing trades.
    rows[150:190] = [(rows[149][3],) * 4] * 40
    return pd.DataFrame(rows, columns=["open", "high", "low", "close"]).round(2)


def main() -> None:
    """Write the bars and the figures."""
    bars = make_bars()
    for window in WINDOWS:
        figures = np.full(ROWS, np.nan)
        for row in range(window, ROWS):
            part = bars.iloc[row - window : row + 1]
            figures[row] = bidask.edge(part.open, part.high, part.low, part.close, sign=True)
        bars[f"edge_{window}"] = figures
    bars.to_csv(Path(__file__).with_name("edge_spread.csv"), index=False, float_format="%.17g")


if __name__ == "__main__":
    main()
