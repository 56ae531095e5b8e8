"""
Your own bars
=============

A CSV as a vendor ships it, with three of its usual defects, becomes bars, features and a verdict.
"""

# %%
# A file
# ------
# This one is made up, so that the example needs no download: yours is a path. It has its own
# column names, times without a zone, a high below the low, a missing price and a line that is there
# twice.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import ultimate_deep as ud

folder = Path(tempfile.mkdtemp())
path = folder / "vendor.csv"
made_up = ud.simulate_bars(3_000, edge=0.25, seed=2, simulation={"signal": "linear"})
table = made_up.frame().rename(columns=str.title).tz_localize(None).reset_index(names="Date")
table.loc[1_200, "High"] = 0.9 * table.loc[1_200, "Low"]
table.loc[1_500, "Close"] = np.nan
pd.concat([table[:2_000], table[1_999:]]).to_csv(path, index=False)
print(path.read_text()[:160])

# %%
# Refused, and why
# ----------------
# Nothing is guessed and nothing is dropped in silence: an error names rule, row, value and remedy.
# What do these times mean?

try:
    ud.read_bars(path)
except ValueError as error:
    print(error)

# %%
# Told that, it finds the first bad row.

try:
    ud.read_bars(path, timezone="UTC")
except ValueError as error:
    print(error)

# %%
# Either mend the file, or have such rows dropped, which the bars then say.

bars = ud.read_bars(path, timezone="UTC", symbol="MINE", repair="drop")
print(bars)
for note in bars["MINE"].notes:
    print("-", note)

# %%
# A DataFrame does as well: lower-case columns, and opening times with a zone as its index. Every
# function takes either, and from equal bars come equal features.

names = ["return_log_1", "return_log_2", "return_log_3", "return_log_5", "rsi_14"]
frame = bars.frame()
features = ud.compute_features(bars, names)
print(features)
print("equal from a DataFrame:", ud.compute_features(frame, names).frame().equals(features.frame()))

# %%
# A verdict on them
# -----------------
# Baselines are left out for speed.

config = ud.ExperimentConfig(
    name="mine",
    model={"name": "mlp", "preset": "tiny"},
    features={"names": names},
    fit={"epochs": 4},
    baselines=False,
    artifacts=str(folder / "artifacts"),
)
run = ud.run(config, bars=bars, progress=False)
print(run.verdict.sentence)

# %%
# What was judged
# ---------------
# Only the last part of the bars: the net was trained on the first, and stopped and calibrated on
# the second.

tested = run.equity.index[0]
figure, (above, below) = plt.subplots(2, figsize=(8, 5), height_ratios=(2, 1), layout="tight")
frame["close"].plot(ax=above, color="grey", label="close")
frame["close"][tested:].plot(ax=above, color="C0", label="test part")
above.set(xlabel="", ylabel="price", title=f"{len(frame):,} bars, tested from {tested:%d %B} on")
above.legend()
run.equity["model"].plot(ax=below, color="C0")
below.set(xlabel="", ylabel="account")
plt.show()
