"""Everything that a plugin registered, held to its contracts."""

from __future__ import annotations

from collections.abc import Iterator

from ultimate_deep.evaluation.leaks.config import LeakConfig
from ultimate_deep.evaluation.leaks.detect import DATA_CHECKS
from ultimate_deep.experiments.checking.features import check_feature
from ultimate_deep.experiments.checking.findings import Finding
from ultimate_deep.experiments.checking.losses import check_label, check_loss
from ultimate_deep.experiments.checking.nets import check_net
from ultimate_deep.experiments.leaks.pipeline import detect_in_experiment
from ultimate_deep.machine.plugins import Plugin
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import load_market
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.pipeline.own_steps import OWN_STEPS

CHECKS = {
    "feature": check_feature,
    "net": check_net,
    "loss": check_loss,
    "label": check_label,
}
FEATURES = ("return_log_1", "momentum_z_20", "realised_volatility_20")


def check_plugin(plugin: Plugin) -> Iterator[Finding]:
    """Yield what was found of each thing that a plugin registered, in its order."""
    for registered in plugin.registered:
        kind, _, name = registered.partition(" ")
        if kind == "steps":
            yield from _check_steps()
        else:
            yield from CHECKS[kind](name)


def _check_steps() -> Iterator[Finding]:
    """Run the leak detector's checks of data on the registered steps."""
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
