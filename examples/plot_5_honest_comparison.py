"""
Honest comparison: somebody else's model
========================================

`ud.judge` takes predictions of anything, here of a scikit-learn forest, and asks of them what it
asks of our nets: baselines, a backtest after costs, and a verdict. Predictions that know too much
are refused.
"""

# %%
# A model
# -------
# It predicts whether the price will be higher four bars after the fill. A decision at a bar's close
# is filled at the next bar's open, so that its label ends at the open five bars on. Leaves of 20
# rows keep its probabilities honest: those of single rows are so sure of themselves that they say
# less than one constant, however well they rank.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

import ultimate_deep as ud

horizon = 4
signal = {"signal": "linear"}
bars = ud.simulate_bars(3_000, edge=0.2, seed=5, horizon_bars=horizon, simulation=signal)
frame = bars.frame()
opens = frame["open"]
label = (opens.shift(-1 - horizon) > opens.shift(-1)).where(opens.shift(-1 - horizon).notna())

names = ["return_log_1", "return_log_3", "return_log_5", "return_log_10", "rsi_14"]
features = ud.compute_features(bars, names).frame().dropna()

trained_until = frame.index[1_999]
train = features[:trained_until]
forest = RandomForestClassifier(100, min_samples_leaf=20, random_state=0)
forest.fit(train, label[train.index].astype(bool))

# %%
# Predictions for everything
# --------------------------
# In the rows that it was trained on the forest looks better than it is: it has seen the answers.

everything = pd.Series(forest.predict_proba(features)[:, 1], index=features.index)
right = (everything > 0.5) == label[features.index].astype(bool)
print(f"right on {right[:trained_until].mean():.1%} of the rows it was trained on")

# %%
# `ud.judge` must be told until when training saw bars, and does not judge those.

asked = {"horizon_bars": horizon, "trained_until": trained_until, "name": "forest",
         "features": names}  # fmt: skip
try:
    ud.judge(everything, bars, **asked)
except ValueError as error:
    print(error)

# %%
# Later than the last training row is not late enough
# ---------------------------------------------------
# The last labels of training were made of prices that lie after it. So a test begins where they
# end.

later = everything[everything.index > trained_until]
try:
    ud.judge(later, bars, **asked)
except ValueError as error:
    print(error)

# %%
# The error says what to do. It is done.

probabilities = later[later.index >= trained_until + (horizon + 1) * pd.Timedelta("1h")]
found = ud.judge(probabilities, bars, **asked)
print(found.verdict.sentence)

# %%
# Beside it stand baselines on the same rows and costs, fitted on the bars before.

shown = ["accuracy", "log_loss", "total_return", "sharpe", "trades"]
print(pd.DataFrame(found.figures).T[shown].round(3))

# %%
# The same forest on luck
# -----------------------
# Predictions in random order are as sure of themselves, and worth nothing.

draw = np.random.default_rng(0)
luck = pd.Series(draw.permutation(probabilities), index=probabilities.index)
lucky = ud.judge(luck, bars, **asked | {"name": "luck"}, baselines=False)
print(lucky.verdict.sentence)

# %%
# `found.report("r.html")` writes the page that every run has. Here are the accounts.

figure, axes = plt.subplots(figsize=(8, 4))
found.equity["forest"].plot(ax=axes, label=f"forest: {found.verdict.kind}")
lucky.equity["luck"].plot(ax=axes, label=f"luck: {lucky.verdict.kind}")
found.equity["buy and hold"].plot(ax=axes, color="grey", label="buy and hold")
axes.set(xlabel="", ylabel="account, start = 1", title="Judged on bars after training")
axes.legend()
plt.show()
