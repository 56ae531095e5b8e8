"""
Your own backtest of a saved model
==================================

A bundle says what it thinks of each bar; what to do with that is up to you. A loop of a dozen lines
first repeats the package's own backtest, then trades by another rule.
"""

# %%
# A bundle
# --------
# Any run leaves one; a small net is trained here.

import tempfile

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import ultimate_deep as ud

bars = ud.simulate_bars(4_000, edge=0.15, seed=6, simulation={"signal": "linear"})
config = ud.ExperimentConfig(
    model={"name": "mlp", "preset": "tiny"},
    features={"names": ["return_log_1", "return_log_2", "return_log_3", "return_log_5", "rsi_14"]},
    fit={"epochs": 4},
    backtest={"costs": {"fee_bps": 5.0}},
    baselines=False,
    artifacts=tempfile.mkdtemp(),
)
bundle = ud.load(ud.run(config, bars=bars, progress=False).folder)
print(bundle)

# %%
# What it says
# ------------
# `ud.predict` gives one row for each bar: when it opened, when it is decided on (at its close), the
# probability of up, and the signal at the threshold that was chosen on validation.

predictions = ud.predict(bundle, bars).set_index("timestamp")
print(predictions[["decision_time", "probability_up", "signal"]].tail(3))

# %%
# What the package makes of it
# ----------------------------
# By default it takes the test part alone: the bars that the net has never seen.

ours = ud.backtest(bundle, bars)
print(ours)

# %%
# A loop of your own
# ------------------
# A decision at a bar's close is filled at the next bar's open and held until the open after that.
# Whatever changes hands pays the costs.


def account(wanted: pd.Series, opens: pd.Series, cost: float) -> pd.Series:
    """Return the account's value at each open, for a position wanted at each bar's close."""
    value, held, values = 1.0, 0.0, []
    for bar in range(len(opens)):
        if bar:
            value *= 1.0 + held * (opens.iloc[bar] / opens.iloc[bar - 1] - 1.0)
            target = wanted.iloc[bar - 1]
            value *= 1.0 - cost * abs(target - held)
            held = target
        values.append(value)
    return pd.Series(values, index=opens.index)


unseen = ours.equity.index  # the last decisions are held to their end, so two bars more
opens = bars.frame()["open"][unseen]
wanted = predictions["signal"].reindex(unseen).fillna(0.0)
wanted.iloc[-2:] = 0.0  # the account ends flat
costs = bundle.config["backtest"]["costs"]
cost = (costs["fee_bps"] + costs["slippage_bps"] + costs["spread_bps"] / 2) / 1e4

same_rule = account(wanted, opens, cost)
print(f"the package's backtest: {ours.figures['model']['total_return']:+.6%}")
print(f"the loop, same signals: {same_rule.iloc[-1] - 1:+.6%}")
print("equal:", np.isclose(same_rule.iloc[-1], ours.equity["model"].iloc[-1], rtol=1e-9))

# %%
# Another rule
# ------------
# Trading costs. So: in where the signal says so, out only when down is likelier. The rule was
# written down before its result was seen; one that is found by trying needs bars of its own.

up = predictions["probability_up"].reindex(unseen)
patient = wanted.where((wanted > 0) | (up < 0.5)).ffill().fillna(0.0)
patient.iloc[-2:] = 0.0
own_rule = account(patient, opens, cost)
for name, rule, value in (("package", wanted, same_rule), ("own", patient, own_rule)):
    entries = (rule.diff() > 0).sum()
    print(f"{name:>7}: {entries} entries, net return {value.iloc[-1] - 1:+.1%}")

figure, axes = plt.subplots(figsize=(8, 4))
same_rule.plot(ax=axes, label="the package's rule")
own_rule.plot(ax=axes, label="own rule")
ours.equity["buy and hold"].plot(ax=axes, color="grey", label="buy and hold")
axes.set(xlabel="", ylabel="account", title=f"One net, two rules, {1e4 * cost:g} bps a side")
axes.legend()
plt.show()
