"""The whole pipeline on one simulated market, down to the verdict."""

import time
from typing import Any

import keras
import numpy as np

from benchmarks.verdicts.markets import Case
from ultimate_deep.evaluation.measures.oracle import oracle_signal, share_of_net_return
from ultimate_deep.experiments.experiment import Outcome, Prepared, build, evaluate, prepare, train
from ultimate_deep.market.market import Market
from ultimate_deep.market.simulator import SimulatedMarket
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

MODEL = ModelConfig(name="mlp", options={"hidden_widths": (32,), "dropout_rate": 0.3})
FIT = FitConfig(epochs=15, patience_epochs=3, learning_rate=2e-3, weight_decay=0.1, batch_size=128)


def run_case(case: Case) -> dict[str, Any]:
    """Return the row of one market: its verdict, with the figures behind it.

    Features, labels, split, scaling, fit, temperature, threshold, costs and rule are those of
    every experiment; each market is a data set of its own, read once. No baselines, for speed.
    """
    keras.utils.clear_session()
    started = time.process_time()
    simulated = case.simulate()
    symbol = simulated.bars.symbol
    market = Market({symbol: simulated.bars}, {symbol: simulated.probability_up})
    config = ExperimentConfig(seed=case.seed, model=MODEL, fit=FIT, baselines=False)
    quiet = Progress()
    prepared = prepare(config, quiet, market=market)
    model = build(prepared)
    fitted = train(prepared, model, quiet)
    outcome = evaluate(prepared, model, fitted, quiet)
    row = case.to_dict() | _figures(outcome, prepared, simulated)
    return row | {"epochs": fitted.epochs_run, "cpu_seconds": time.process_time() - started}


def _figures(outcome: Outcome, prepared: Prepared, simulated: SimulatedMarket) -> dict[str, Any]:
    verdict, metrics = outcome.verdict, outcome.model.metrics
    oracle_net = _oracle_net(prepared, simulated)
    return {
        "verdict": verdict.kind,
        "decisions": verdict.decisions,
        "accuracy": verdict.accuracy.estimate,
        "majority": verdict.majority_accuracy,
        "advantage": verdict.advantage.estimate,
        "advantage_lower": verdict.advantage.lower,
        "net_bps": 1e4 * verdict.net_return.estimate,
        "net_bps_lower": 1e4 * verdict.net_return.lower,
        "coverage": metrics["coverage"],
        "oracle_accuracy": metrics["oracle_accuracy"],
        "share_of_edge": metrics["share_of_edge"],
        "oracle_net_bps": 1e4 * float(oracle_net.mean()),
        "share_of_net": share_of_net_return(outcome.model.backtest.return_net, oracle_net),
    }


def _oracle_net(prepared: Prepared, simulated: SimulatedMarket) -> np.ndarray:
    """Net return per bar of the oracle's account on the test part."""
    bar_row = prepared.rows.bar_row[prepared.split.test]
    truth, mean = simulated.probability_up[bar_row], simulated.expected_return[bar_row]
    known = np.isfinite(truth)
    signal = np.zeros(len(bar_row))
    backtest = prepared.config.backtest
    signal[known] = oracle_signal(
        truth[known],
        mean[known],
        cost_fraction=backtest.costs.per_side_fraction,
        mode=backtest.mode,
        horizon_bars=backtest.horizon_bars,
    )
    return prepared.judge("test").trade(signal).return_net
