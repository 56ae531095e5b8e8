"""Report on the features of bars: which say something, which repeat, which drift.

    python train_scripts/explore_features.py [--data.path bars.csv] [--bundle artifacts/latest]

The same as `ultimate-deep explore`, with the same settings: `--help` lists them.
"""

from ultimate_deep.commands import start

if __name__ == "__main__":
    start("explore")
