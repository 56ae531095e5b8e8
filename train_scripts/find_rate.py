"""Find the learning rates that a net learns at: a range test with its plot.

    python train_scripts/find_rate.py --model lstm [--data.path bars.csv] [--plot rates.png]

The same as `ultimate-deep find-rate`, with the same settings: `--help` lists them.
"""

from ultimate_deep.commands import start

if __name__ == "__main__":
    start("find-rate")
