"""
Sixty seconds to a verdict
==========================

Bars go in; a trained net, its backtest after costs and a verdict come out. The bars are simulated
here, so that the right answer is known: one market has an edge, the other has none.
"""

# %%
# Two markets
# -----------
# In the first, whoever knows the rules is right clearly more often than not. In the second nobody
# can be.

import tempfile

import matplotlib.pyplot as plt
import pandas as pd

import ultimate_deep as ud

signal = {"signal": "linear"}
markets = {
    "an edge": ud.simulate_bars(4_000, edge=0.2, seed=1, simulation=signal),
    "no edge": ud.simulate_bars(4_000, edge=0.0, seed=1, simulation=signal),
}
print(markets["an edge"])

# %%
# One configuration
# -----------------
# Everything has a default: what is predicted (does the price rise over a bar?), how the bars are
# shared out in time, what a trade costs. A small net on five features is enough here.

artifacts = tempfile.mkdtemp()
config = ud.ExperimentConfig(
    model={"name": "mlp", "preset": "tiny"},
    features={"names": ["return_log_1", "return_log_2", "return_log_3", "return_log_5", "rsi_14"]},
    fit={"epochs": 4},
    artifacts=artifacts,
)
print(config.split)
print(config.backtest.costs)

# %%
# One call trains, calibrates, tests once and saves.

run = ud.run(config, bars=markets["an edge"], progress=False)
print(run.verdict.sentence)

# %%
# Is that much? Beside it stands what is easily tried: always the same side, the last bar again,
# logistic regression, trees, buying once. `oracle_accuracy` is that of who knows the rules.

shown = ["accuracy", "oracle_accuracy", "total_return", "sharpe", "trades"]
print(pd.DataFrame(run.figures).T[shown].round(3))

# %%
# The same net, the market without an edge
# ----------------------------------------

quiet = ud.ExperimentConfig(
    model=config.model, features=config.features, fit=config.fit, baselines=False,
    artifacts=artifacts,
)  # fmt: skip
nothing = ud.run(quiet, bars=markets["no edge"], progress=False)
print(nothing.verdict.sentence)

# %%
# The test part as an account
# ---------------------------
# Both nets trade bars that they never saw, and pay for it.

figure, axes = plt.subplots(figsize=(8, 4))
run.equity["model"].plot(ax=axes, label=f"market with an edge: {run.verdict.kind}")
nothing.equity["model"].plot(ax=axes, label=f"market without one: {nothing.verdict.kind}")
axes.axhline(1.0, color="grey", linewidth=0.8)
axes.set(ylabel="account, start = 1", xlabel="", title="The same net on two markets")
axes.legend()
plt.show()

# %%
# What is left
# ------------
# A folder with the net, its scaler, the report to open, and the figures as files. `ud.load` reads
# it anywhere, after it has checked every file.

bundle = ud.load(run.folder)
print(bundle.predict_proba(markets["an edge"]).tail(3).round(3))
print("report:", run.report.name)
