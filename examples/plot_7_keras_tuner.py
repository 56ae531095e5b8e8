"""
KerasTuner over our nets
========================

`ud.hypermodel` gives any of our nets, with its search space, to a tuner of your own. What it finds
goes back into a bundle.
"""

# %%
# What is learnt from
# -------------------
# `ud.prepare` walks from bars to scaled rows in three parts, and stops there. A run of the same
# configuration prepares the same.

import os
import tempfile

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import keras_tuner
import matplotlib.pyplot as plt
import numpy as np

import ultimate_deep as ud

folder = tempfile.mkdtemp()
bars = ud.simulate_bars(3_000, edge=0.25, seed=7, simulation={"signal": "linear"})
config = ud.ExperimentConfig(
    name="tuned_mlp",
    model={"name": "mlp"},
    features={"names": ["return_log_1", "return_log_2", "return_log_3", "return_log_5", "rsi_14"]},
    baselines=False,
    artifacts=folder,
)
prepared = ud.prepare(config, bars=bars)
train, validation = prepared.arrays("train"), prepared.arrays("validation")
print(prepared)

# %%
# The space
# ---------
# Each net declares what is worth searching. Here it is three of its fields.

hyper = ud.hypermodel(
    "mlp",
    inputs=prepared.inputs.shapes,
    fields=("model.hidden_widths", "model.dropout_rate", "fit.learning_rate"),
)
print(hyper)

# %%
# The tuner
# ---------
# Any of KerasTuner's own: here a few random choices, judged on validation. The test part is not
# touched.

keras.utils.set_random_seed(0)
tuner = keras_tuner.RandomSearch(
    hyper, objective="val_loss", max_trials=4, seed=0, directory=folder, project_name="search"
)
learning = {
    "x": train.x, "y": train.y, "validation_data": (validation.x, validation.y),
    "batch_size": 64, "epochs": 4, "verbose": 0,
}  # fmt: skip
tuner.search(**learning)
best = tuner.get_best_hyperparameters()[0]
for name, value in hyper.values(best).items():
    print(f"{name}: {value}")

# %%
# The winner
# ----------
# It is trained once more, then judged and saved as it is. The verdict is told how many were tried:
# the best of many looks better than it is.

net = hyper.build(best)
net.fit(**learning)
tried = len(tuner.oracle.trials)
found = hyper.experiment(best, config)
run = ud.run(found, bars=bars, net=net, tried=tried, progress=False)
print(run.verdict.sentence)

# %%
# A bundle like any other
# -----------------------
# It says what the tuner chose, and predicts from bars: features, scaler, net, calibration.

bundle = ud.load(run.folder)
print(bundle)
print(bundle.config["model"]["options"])
print(bundle.predict_proba(bars).tail(3).round(3))
kept = zip(net.get_weights(), bundle.model.get_weights(), strict=True)
print("its net is the tuned one:", all(np.array_equal(one, two) for one, two in kept))

# %%
# Every trial of the search, by what validation said of it:

trials = sorted(tuner.oracle.trials.values(), key=lambda trial: trial.score)
labels = []
for trial in trials:
    widths, dropout, rate = hyper.values(trial.hyperparameters).values()
    labels.append(f"{widths}\ndropout {dropout:.2f}, rate {rate:.1g}")
figure, axes = plt.subplots(figsize=(8, 4), layout="tight")
axes.barh(labels, [trial.score for trial in trials])
axes.axvline(np.log(2), color="grey", label="knowing nothing")
axes.set(xlabel="validation loss", title="What the tuner tried")
axes.legend()
plt.show()
