"""Evaluate a saved model on bars: verdict, chance, trials, costs, delay, regimes.

    python train_scripts/evaluate.py --bundle artifacts/latest [--data.path bars.csv] [--period all]

The same as `ultimate-deep evaluate`, with the same settings: `--help` lists them.
"""

from ultimate_deep.commands import start

if __name__ == "__main__":
    start("evaluate")
