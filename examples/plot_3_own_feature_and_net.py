"""
Your own feature and your own net
=================================

Both live in a file of yours. The package is not edited: the file is named, checked, and written
into the bundle by its hash.
"""

# %%
# A plugin
# --------
# A feature is a function of bars, a net a builder with the signature of ours. The decorators say
# what they are; `warmup_bars` says how many leading bars have no value.

import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt

import ultimate_deep as ud

folder = Path(tempfile.mkdtemp())
plugin = folder / "my_ideas.py"
_ = plugin.write_text("""
from dataclasses import dataclass

import keras

from ultimate_deep import plugins
from ultimate_deep.models import Heads, prediction_heads


@plugins.feature(warmup_bars=19, unit="share of the range", neutral=0.5, source="my own idea")
def place_in_range_20(bars):
    low, high = bars["low"].rolling(20).min(), bars["high"].rolling(20).max()
    return ((bars["close"] - low) / (high - low)).where(high.isna() | (high > low), 0.5)


@dataclass(frozen=True, kw_only=True)
class TwoLayersConfig:
    width: int = 16
    seed: int = 0


@plugins.net
def build_two_layers(inputs, heads=Heads(), config=TwoLayersConfig()):
    source = keras.Input(inputs["features"], name="features")
    start = keras.initializers.GlorotUniform(config.seed)
    hidden = keras.layers.Dense(config.width, "silu", kernel_initializer=start)(source)
    return keras.Model(source, prediction_heads(heads, hidden, seed=config.seed))
""")

# %%
# Checked
# -------
# The contract tests ask the feature whether it knows the future, and the net whether every weight
# learns, whether rows are answered by themselves, whether a saved file loads again.


def command(*words: str) -> str:
    """Return what `ultimate-deep ...` says in a terminal."""
    words = (sys.executable, "-m", "ultimate_deep", *words)
    done = subprocess.run(words, capture_output=True, text=True, cwd=folder)
    return done.stdout.strip()


print(command("check", "my_ideas.py"))

# %%
# A feature that looks ahead is refused by name. `center=True` is an easy mistake.

(folder / "hindsight.py").write_text("""
from ultimate_deep import plugins


@plugins.feature(warmup_bars=0)
def centred_mean_16(bars):
    return bars["close"] / bars["close"].rolling(16, min_periods=8, center=True).mean() - 1
""")
print(command("check", "hindsight.py"))

# %%
# Trained
# -------
# Named in `plugins`, both are asked for like ours.

bars = ud.simulate_bars(3_000, edge=0.35, seed=3)
config = ud.ExperimentConfig(
    plugins=(str(plugin),),
    features={"names": ["place_in_range_20", "volume_surprise_z_20", "return_log_1"]},
    model={"name": "two_layers", "options": {"width": 32}},
    fit={"epochs": 8},
    baselines=False,
    artifacts=str(folder),
)
run = ud.run(config, bars=bars, progress=False)
print(run.verdict.sentence)

# %%
# Loaded elsewhere
# ----------------
# Another process knows nothing of the plugin. The bundle says what it needs, and by which hash;
# nothing is imported that its user did not name.

script = f"import ultimate_deep as ud; ud.load({str(run.folder)!r})"
done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
print(done.stderr.strip().splitlines()[-1])

# %%
# With the plugin it loads and predicts.

bars.frame().to_csv(folder / "bars.csv")
asked = ("predict", "--bundle", str(run.folder), "--data.path", "bars.csv", "--output", "p.csv")
print(command(*asked, "--plugin", "my_ideas.py"))

# %%
# What the own feature says of the last bars:

frame = ud.compute_features(bars, ["place_in_range_20"]).frame().tail(200)
figure, (above, below) = plt.subplots(2, figsize=(8, 4), sharex=True, layout="tight")
bars.frame()["close"].tail(200).plot(ax=above, color="grey", ylabel="close")
frame["place_in_range_20"].plot(ax=below, ylabel="place in range", xlabel="")
plt.show()
