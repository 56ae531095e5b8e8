"""How much of a known edge the nets find beside the baselines, and what they claim at zero.

    python benchmarks/bench_known_answer.py                     # default net, half an hour
    python benchmarks/bench_known_answer.py --models '[small]' --rows 40000

Simulated bars, whose true probabilities score the predictions, so that noise does not decide.
One line per model, edge and seed in `benchmarks/results/known_answer.csv`; the test part decides.
Expected: at edge 0.2 at least 0.9 of the oracle's edge, at edge 0 never the verdict "edge".
"""

import math
from pathlib import Path
from typing import Any

import keras
import pandas as pd
from jsonargparse import CLI

from ultimate_deep.experiments.experiment import Outcome, Prepared, build, evaluate, prepare, train
from ultimate_deep.market.config import DataConfig
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import LineProgress

RESULTS = Path(__file__).resolve().parent / "results"
MODELS = {
    "default": ModelConfig(name="ultimate", preset="default"),
    "small": ModelConfig(name="ultimate", preset="small"),
    "mlp": ModelConfig(name="mlp", options={"hidden_widths": (64,), "dropout_rate": 0.3}),
}


def run(model: str, rows: int, edge: float, seed: int, epochs: int) -> pd.DataFrame:
    """Return one line for the model and one for each baseline."""
    config = ExperimentConfig(
        seed=seed,
        data=DataConfig(simulated_rows=rows, simulated_edge=edge, simulated_seed=100 + seed),
        model=MODELS[model],
        fit=FitConfig(epochs=epochs, patience_epochs=3, weight_decay=0.05),
    )
    keras.utils.clear_session()
    progress = LineProgress()
    prepared = prepare(config, progress)
    net = build(prepared)
    outcome = evaluate(prepared, net, train(prepared, net, progress), progress)
    return _lines(prepared, outcome, {"rows": rows, "edge": edge, "seed": seed}, model)


def _lines(
    prepared: Prepared, outcome: Outcome, setting: dict[str, float], model: str
) -> pd.DataFrame:
    lines: list[dict[str, Any]] = []
    for judged in (outcome.model, *outcome.baselines):
        if judged.probability is None:
            continue
        is_model = judged is outcome.model
        lines.append(
            setting
            | {
                "model": model if is_model else judged.name,
                "share_of_edge": judged.metrics.get("share_of_edge", math.nan),
                "accuracy": judged.metrics["accuracy"],
                "oracle_accuracy": judged.metrics.get("oracle_accuracy", math.nan),
                "net_sharpe": judged.metrics["sharpe"],
                "verdict": outcome.verdict.kind if is_model else "",
                "fit_seconds": round(outcome.fit.seconds, 1) if is_model else math.nan,
                "epochs": outcome.fit.epochs_run if is_model else math.nan,
            }
        )
    return pd.DataFrame(lines)


def main(
    models: tuple[str, ...] = ("default",),
    rows: int = 100_000,
    edges: tuple[float, ...] = (0.2, 0.0),
    seeds: int = 1,
    epochs: int = 8,
) -> None:
    """Run every model at every edge and seed and write the CSV after each."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / "known_answer.csv"
    tables = [pd.read_csv(path)] if path.exists() else []
    for model in models:
        for edge in edges:
            for seed in range(seeds):
                tables.append(run(model, rows, edge, seed, epochs))
                keys = ["rows", "edge", "seed", "model"]
                merged = pd.concat(tables).drop_duplicates(keys, keep="last")
                merged.to_csv(path, index=False, float_format="%.4f")
                print(tables[-1].to_string(index=False), flush=True)


if __name__ == "__main__":
    CLI(main)
