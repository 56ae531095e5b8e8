"""What a net is trained on, for who trains it himself."""

from __future__ import annotations

import pandas as pd

from ultimate_deep.experiments import experiment
from ultimate_deep.experiments.given import given_config, given_steps
from ultimate_deep.market.bars import Bars
from ultimate_deep.market.market import Market, given_market
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.prepared import Prepared
from ultimate_deep.pipeline.steps import Steps
from ultimate_deep.training.progress import Progress


def prepare(
    config: ExperimentConfig | None = None,
    *,
    bars: Market | Bars | pd.DataFrame | None = None,
    steps: Steps | None = None,
) -> Prepared:
    """Walk from bars to what the experiment's model would be trained on, and stop there.

    For nets that are trained elsewhere, by KerasTuner or by `net.fit`: `run(config, bars=bars,
    net=net)` prepares the same, judges the net and saves it.

    Args:
        config: The experiment; the ultimate net on simulated bars by default.
        bars: Instead of those that `config.data` names.
        steps: What is done otherwise than usual.

    Returns:
        `arrays("train")` and `arrays("validation")`, whose `x` and `y` are learnt from, and
        `inputs.shapes`, which `build_model` and `hypermodel` take.

    Raises:
        ValueError: Bad bars or configuration.

    Example:
        >>> import ultimate_deep as ud
        >>> config = ud.ExperimentConfig(
        ...     model={"name": "mlp"}, features={"names": ["return_log_1", "rsi_14"]}
        ... )
        >>> prepared = ud.prepare(config, bars=ud.simulate_bars(1_000))
        >>> prepared
        <prepared for mlp: 458 rows to train, 98 to validate, 97 to test; features (2,)>
        >>> prepared.arrays("train").x.shape
        (458, 2)
    """
    config, steps = given_config(config), given_steps(steps)
    market = None if bars is None else given_market(bars, config.data)
    return experiment.prepare(config, Progress(), market=market, steps=steps)
