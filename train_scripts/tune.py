"""Search a model's settings with KerasTuner and save the winner as an ordinary bundle.

    python train_scripts/tune.py --model mlp [--data.path bars.csv] [--tune.trials 12]

The same as `ultimate-deep tune`, with the same settings: `--help` lists them.
"""

from ultimate_deep.commands import start

if __name__ == "__main__":
    start("tune")
