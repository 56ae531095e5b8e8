"""
Features, live and in batch
===========================

A model is trained on features of a whole file and later asked bar by bar. Both must be the same
numbers. Here they are, to the last bit.
"""

# %%
# In batch
# --------
# One row for each bar, from that bar and earlier ones only. The first rows lack what their windows
# need.

import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import ultimate_deep as ud

names = ["rsi_14", "close_to_sma_20", "realised_volatility_20", "rsi_14_5x"]
bars = ud.simulate_bars(3_000, seed=4, interval="1min")
batch = ud.compute_features(bars, names, interval="1min")
print(batch)
print(batch.frame().tail(3).round(4))

# %%
# Live
# ----
# A stream takes the history at once, then each bar as it closes. `rsi_14_5x` is computed on bars of
# five minutes: it changes only when such a bar is complete.

frame = bars.frame()
history, live = frame[:2_000], frame[2_000:]
stream = ud.FeatureStream(names, interval="1min")
stream.extend(history)

rows, seconds = [], []
for bar in live.itertuples():
    begun = time.perf_counter()
    rows.append(stream.push(bar.Index, bar.open, bar.high, bar.low, bar.close, bar.volume))
    seconds.append(time.perf_counter() - begun)
print(f"{len(rows):,} bars pushed, {1e6 * np.median(seconds):.0f} microseconds for the median one")

# %%
# The same bits
# -------------
# Not about the same: the same. Bytes are compared, in which even two kinds of zero differ.

same = np.array(rows).tobytes() == batch.values[len(history) :].tobytes()
print("live and batch are the same to the bit:", same)

# %%
# A restart
# ---------
# What the stream remembers fits into a small file. After a restart it goes on from there, without
# the history.

saved = Path(tempfile.mkdtemp()) / "stream.npz"
half = ud.FeatureStream(names, interval="1min")
half.extend(frame[:2_500])
half.save(saved)
resumed = ud.FeatureStream.load(saved)
again = resumed.extend(frame[2_500:])
print(f"{saved.stat().st_size / 1024:.0f} KiB on disk")
print("after the restart too:", again.values.tobytes() == batch.values[2_500:].tobytes())

# %%
# A bar that cannot be
# --------------------
# A feed repeats a bar. The stream refuses it and is as if it had never come.

last = frame.iloc[-1]
try:
    resumed.push(frame.index[-1], *last[["open", "high", "low", "close", "volume"]])
except ValueError as error:
    print(error)
print("still at bar", f"{resumed.bars_taken:,}")

# %%
# Both in one picture: a line of what the file gave, dots of what the stream said bar by bar.

shown = slice(-120, None)
figure, axes = plt.subplots(figsize=(8, 4))
for place, name in enumerate(names):
    if name.startswith("rsi"):
        whole = batch.frame()[name][shown]
        axes.plot(whole.index, whole, label=f"{name}, batch")
        axes.plot(whole.index, np.array(rows)[shown, place], "k.", markersize=3)
axes.set(ylabel="value", title="Lines: from the file. Dots: bar by bar")
axes.legend()
plt.show()
