"""Train, judge and save any model of the zoo.

    python train_scripts/train.py --model lstm [--data.path bars.csv] [--yes] [--resume]

The same as `ultimate-deep train`, with the same settings: `--help` lists them.
"""

from ultimate_deep.commands import start

if __name__ == "__main__":
    start("train")
