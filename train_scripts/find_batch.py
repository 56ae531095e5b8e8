"""Find how many rows of a step fit into memory.

    python train_scripts/find_batch.py --model ultimate [--data.path bars.csv] [--most_gib 4]

The same as `ultimate-deep find-batch`, with the same settings: `--help` lists them.
"""

from ultimate_deep.commands import start

if __name__ == "__main__":
    start("find-batch")
