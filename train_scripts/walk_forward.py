"""Retrain along time: every fold its own model, all test parts judged as one account.

    python train_scripts/walk_forward.py [--data.path bars.csv] [--model mlp]

The same as `ultimate-deep walk-forward`, with the same settings: `--help` lists them.
"""

from ultimate_deep.commands import start

if __name__ == "__main__":
    start("walk-forward")
