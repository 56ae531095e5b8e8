"""Everything that a plugin registered, held to its contracts."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator

from ultimate_deep.experiments.checking.findings import Finding
from ultimate_deep.machine.plugins import Plugin
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import load_market
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.pipeline.own_steps import OWN_STEPS

# Imported when they are asked for: features are checked without Keras.
CHECKS = {
    "feature": "features:check_feature",
    "net": "nets:check_net",
    "loss": "losses:check_loss",
    "label": "losses:check_label",
}
WITHOUT_KERAS = ("feature",)
FEATURES = ("return_log_1", "momentum_z_20", "realised_volatility_20")


def check_plugin(plugin: Plugin) -> Iterator[Finding]:
    """Yield what was found of each thing that a plugin registered, in its order."""
    for registered in plugin.registered:
        kind, _, name = registered.partition(" ")
        if kind == "steps":
            yield from _check_steps()
        else:
            yield from _check_of(kind)(name)


def needs_keras(plugin: Plugin) -> bool:
    """Return whether anything that a plugin registered is checked with Keras."""
    return any(one.partition(" ")[0] not in WITHOUT_KERAS for one in plugin.registered)


def _check_of(kind: str) -> Callable[[str], Iterator[Finding]]:
    module, _, name = CHECKS[kind].partition(":")
    found: Callable[[str], Iterator[Finding]] = getattr(
        importlib.import_module(f"ultimate_deep.experiments.checking.{module}"), name
    )
    return found


def _check_steps() -> Iterator[Finding]:
    """Run the leak detector's checks of data on the registered steps."""
    from ultimate_deep.evaluation.leaks.config import LeakConfig
    from ultimate_deep.evaluation.leaks.detect import DATA_CHECKS
    from ultimate_deep.experiments.leaks.pipeline import detect_in_experiment

    own = OWN_STEPS[0]
    subject = f"steps {', '.join(own.own)}"
    config = ExperimentConfig(
        data=DataConfig(simulated_rows=3_000),
        features=FeatureConfig(names=FEATURES),
        model=ModelConfig(name="linear"),
        baselines=False,
    )
    try:
        report = detect_in_experiment(
            config,
            load_market(config.data, config.label),
            LeakConfig(cuts=4, truncations=2, noise_markets=1),
            steps=own,
            checks=DATA_CHECKS,
            subject=subject,
        )
    except Exception as error:  # of the user's code: it is the finding
        yield Finding(subject, "runs", f"{type(error).__name__}: {error}")
        return
    leaks = [one.sentence for one in report.findings if one.severity == "leak"]
    yield Finding(subject, "knows no future", "; ".join(leaks))
