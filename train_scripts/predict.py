"""Write a saved model's predictions for bars.

    python train_scripts/predict.py --bundle artifacts/latest --data.path bars.csv --output out.csv

The same as `ultimate-deep predict`, with the same settings: `--help` lists them.
"""

from ultimate_deep.commands import start

if __name__ == "__main__":
    start("predict")
