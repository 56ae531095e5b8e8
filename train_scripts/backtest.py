"""Backtest a saved model after costs, with its run's own threshold and rules.

    python train_scripts/backtest.py --bundle artifacts/latest --data.path bars.csv

The same as `ultimate-deep backtest`, with the same settings: `--help` lists them.
"""

from ultimate_deep.commands import start

if __name__ == "__main__":
    start("backtest")
