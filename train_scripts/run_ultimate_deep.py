"""Train, judge and save the ultimate net: the main job.

    python train_scripts/run_ultimate_deep.py [--data.path bars.csv] [--config small] [--yes]

The same as `ultimate-deep run`, with the same settings: `--help` lists them.
"""

from ultimate_deep.commands import start

if __name__ == "__main__":
    start("run")
