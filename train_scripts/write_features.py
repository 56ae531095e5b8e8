"""Write the features of any number of symbols as Parquet files.

    python train_scripts/write_features.py --data.path bars/ --output features/ [--workers 2]

The same as `ultimate-deep features`, whose settings `--help` lists.
"""

from ultimate_deep.commands import start

if __name__ == "__main__":
    start("features")
