"""Write pictures of bars as files: Gramian angular fields, other fields, or price charts.

    python train_scripts/generate_gaf.py --data.path bnb_1m.parquet --windows 15min,30min,60min \
        --output ml/data/gaf

The same as `ultimate-deep gaf`, with the same settings: `--help` lists them.
"""

from ultimate_deep.commands import start

if __name__ == "__main__":
    start("gaf")
