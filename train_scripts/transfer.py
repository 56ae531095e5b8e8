"""Go on with a net that was trained on another asset, beside the same net from scratch.

    python train_scripts/transfer.py --source artifacts/btc --data.path eth.csv [--frozen '[stem]']

The same as `ultimate-deep transfer`, with the same settings: `--help` lists them.
"""

from ultimate_deep.commands import start

if __name__ == "__main__":
    start("transfer")
