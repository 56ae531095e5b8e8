"""Write Gramian angular fields of bars as files, for programs that want pictures.

    python train_scripts/generate_gaf.py --data.path bars.csv --output artifacts/gaf

The same as `ultimate-deep gaf`, with the same settings: `--help` lists them.
"""

from ultimate_deep.commands import start

if __name__ == "__main__":
    start("gaf")
