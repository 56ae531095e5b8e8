"""Everything that a plugin registered, held to its contracts."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Iterator
from typing import Any

from ultimate_deep.experiments.checking.bars import rough_bars
from ultimate_deep.experiments.checking.findings import Finding
from ultimate_deep.machine.plugins import Plugin, run_anew
from ultimate_deep.market.market import Market
from ultimate_deep.market.simulator import simulate_bars
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.pipeline.own_steps import OWN_STEPS
from ultimate_deep.pipeline.steps import Steps

# Imported when they are asked for: features and labels are checked without Keras.
CHECKS = {
    "feature": "features:check_feature",
    "net": "nets:check_net",
    "loss": "losses:check_loss",
    "label": "labels:check_label",
}
WITHOUT_KERAS = ("feature", "label")
FEATURES = ("return_log_1", "momentum_z_20", "realised_volatility_20")


def check_plugin(plugin: Plugin) -> Iterator[Finding]:
    """Yield what was found of each thing that a plugin registered, in its order."""
    for registered in tuple(plugin.registered):  # some checks run it anew
        kind, _, name = registered.partition(" ")
        if kind == "steps":
            yield from _check_steps(plugin)
        else:
            yield from _check_of(kind)(name, plugin)


def needs_keras(plugin: Plugin) -> bool:
    """Return whether anything that a plugin registered is checked with Keras."""
    return any(one.partition(" ")[0] not in WITHOUT_KERAS for one in plugin.registered)


def _check_of(kind: str) -> Callable[[str, Plugin], Iterator[Finding]]:
    module, _, name = CHECKS[kind].partition(":")
    found: Callable[[str, Plugin], Iterator[Finding]] = getattr(
        importlib.import_module(f"ultimate_deep.experiments.checking.{module}"), name
    )
    return found


def _check_steps(plugin: Plugin) -> Iterator[Finding]:
    """Run the leak detector's checks of data on the registered steps, on rough bars."""
    from ultimate_deep.evaluation.leaks.config import LeakConfig
    from ultimate_deep.evaluation.leaks.detect import DATA_CHECKS
    from ultimate_deep.experiments.leaks.pipeline import detect_in_experiment

    own = OWN_STEPS[0]
    subject = f"steps {', '.join(own.own)}"
    config = ExperimentConfig(
        features=FeatureConfig(names=FEATURES), model=ModelConfig(name="linear"), baselines=False
    )
    try:
        report = detect_in_experiment(
            config,
            _rough_market(),
            LeakConfig(cuts=12, truncations=4, noise_markets=1),
            steps=_run_anew_steps(own, plugin),
            checks=DATA_CHECKS,
            subject=subject,
        )
    except Exception as error:  # of the user's code: it is the finding
        yield Finding(subject, "runs", f"{type(error).__name__}: {error}")
        return
    leaks = [one.sentence for one in report.findings if one.severity == "leak"]
    yield Finding(subject, "knows no future", "; ".join(leaks))


def _rough_market() -> Market:
    bars = simulate_bars(1_000, seed=0).bars
    return Market({bars.symbol: dataclasses.replace(bars, frame=rough_bars().frame)})


def _run_anew_steps(own: Steps, plugin: Plugin) -> Steps:
    """Return the steps that see bars with code that is run anew each time: it keeps nothing."""

    def anew(name: str) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            run_anew(plugin)
            return getattr(OWN_STEPS[0], name)(*given, **named)

        return call

    seen = [name for name in ("bars", "features", "labels") if name in own.own]
    changed: dict[str, Any] = {name: anew(name) for name in seen}
    return dataclasses.replace(own, **changed)
