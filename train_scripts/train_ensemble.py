"""Combine several models into one: equal, weighted or stacked, any mix of kinds.

    python train_scripts/train_ensemble.py --members '[lstm, lightgbm]' [--yes] [--resume]

The same as `ultimate-deep ensemble`, with the same settings: `--help` lists them.
"""

from ultimate_deep.commands import start

if __name__ == "__main__":
    start("ensemble")
