"""Every model of the zoo on real hourly bars, several seeds, net of costs, beside the baselines.

    python benchmarks/bench_real.py --folder BARS [--files '[btcusd_1h, spy_1h]'] [--seeds 3]
    python benchmarks/bench_real.py --folder BARS --shard 0 --shards 2 &   # and --shard 1
    python benchmarks/bench_real.py --table true                           # what is there so far

Each model trains with the settings of `--model NAME`, on the last `--bars` bars of each file, on
one split, at the default costs (1 bp fee and 1 bp slippage per side). A verdict's error is divided
by all models and seeds that read the same test part. One line per file, model and seed in
`benchmarks/results/real_<shard>.csv`; finished lines are kept, so the command can be stopped and
repeated. About an hour for each seed of three files on two idle cores."""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path
from typing import Any

import keras
import pandas as pd
from jsonargparse import CLI

from ultimate_deep import models
from ultimate_deep.commands.settings import experiment_from
from ultimate_deep.evaluation.ledger.trial import count_trials
from ultimate_deep.experiments.experiment import (
    Outcome,
    Prepared,
    evaluate,
    judge_baselines,
    prepare,
    verdict_of,
    with_model,
)
from ultimate_deep.experiments.learners.registry import learner_of
from ultimate_deep.machine.files import whole_file
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import Market, load_market
from ultimate_deep.models.trees.registry import TREES
from ultimate_deep.pipeline.config import ExperimentConfig, HeadConfig
from ultimate_deep.pipeline.forecasts import judged_heads
from ultimate_deep.pipeline.judge import Judgement
from ultimate_deep.training.progress import Progress

RESULTS = Path(__file__).resolve().parent / "results"
FILES = ("btcusd_1h", "spy_1h", "gbpusd_1h")
DEEP = ("sequential_deep", "stack", "gaf_cnn", "ultimate")  # minutes each: they come last
ZOO = (*(name for name in (*TREES, *models.BUILDERS) if name not in DEEP), *DEEP)
KEYS = ["file", "model", "seed"]
BASELINE_SEED = 0


def configured(name: str, seed: int, data: DataConfig, epochs: int | None) -> ExperimentConfig:
    """Return the experiment of a model's own configuration file on these bars."""
    config = experiment_from(["--model", name, "--seed", str(seed)])
    fit = config.fit if epochs is None else dataclasses.replace(config.fit, epochs=epochs)
    # One label for all, so that all rows are the same.
    return dataclasses.replace(config, data=data, fit=fit, heads=HeadConfig(), baselines=False)


def newest_bars(data: DataConfig, config: ExperimentConfig, bars: int) -> Market:
    """Return the last so many bars of a file."""
    market = load_market(data, config.label)
    cut = {
        symbol: dataclasses.replace(one, frame=one.frame.iloc[-bars:])
        for symbol, one in market.bars.items()
    }
    return dataclasses.replace(market, bars=cut)


def trained(prepared: Prepared, progress: Progress) -> Outcome:
    """Train the configured model and read the test part."""
    keras.utils.clear_session()
    predictor, fitted = learner_of(prepared.config.model.name).fit(prepared, progress)
    return evaluate(prepared, predictor, fitted, progress)


def line_of(prepared: Prepared, judged: Judgement, readings: int) -> dict[str, Any]:
    """Return the figures of one predictor on the test part."""
    metrics = judged.metrics
    labels = prepared.judge("test").labels()
    line: dict[str, Any] = {
        "decisions": int((~pd.isna(labels)).sum()),
        "accuracy": metrics.get("accuracy", math.nan),
        "majority": math.nan,
        "roc_auc": metrics.get("roc_auc", math.nan),
        "net_sharpe": metrics["sharpe"],
        "net_return": metrics["total_return"],
        "trades": metrics["trades"],
        "verdict": "",
    }
    if judged.probability is not None:
        trials = dataclasses.replace(count_trials(()), test_readings=readings)
        verdict = verdict_of(prepared, judged, trials=trials)
        line |= {"verdict": verdict.kind, "majority": verdict.majority_accuracy}
    return line


def run_model(prepared: Prepared, progress: Progress, readings: int) -> dict[str, Any]:
    """Return the line of the configured model."""
    began = time.monotonic()
    outcome = trained(prepared, progress)
    measures, _ = judged_heads(prepared, outcome.outputs["test"], outcome.temperatures)
    first = measures[measures["horizon_bars"] == prepared.config.label.horizon_bars]
    ranked = first.loc[first["metric"] == "rank_ic", "value"]
    return line_of(prepared, outcome.model, readings) | {
        "rank_ic": float(ranked.iloc[0]),
        "epochs": outcome.fit.epochs_run,
        "seconds": round(time.monotonic() - began, 1),
    }


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return one line for each file and model: mean and spread over seeds."""
    table = table.assign(above=table["accuracy"] - table["majority"])
    rows = []
    for (file, model), part in table.groupby(["file", "model"], sort=False):
        rows.append(
            {
                "file": file,
                "model": model,
                "seeds": len(part),
                "accuracy": part["accuracy"].mean(),
                "above_majority": part["above"].mean(),
                "above_majority_sd": part["above"].std(),
                "rank_ic": part["rank_ic"].mean(),
                "net_sharpe": part["net_sharpe"].mean(),
                "net_sharpe_sd": part["net_sharpe"].std(),
                "verdicts": ", ".join(sorted(part["verdict"].fillna("").unique())),
            }
        )
    return pd.DataFrame(rows)


def stored() -> pd.DataFrame:
    """Return every line so far, of all shards."""
    parts = [pd.read_csv(path) for path in sorted(RESULTS.glob("real_*.csv"))]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=KEYS)


def main(
    folder: str = "",
    files: tuple[str, ...] = FILES,
    names: tuple[str, ...] = (),
    seeds: int = 3,
    bars: int = 12_000,
    epochs: int | None = None,
    shard: int = 0,
    shards: int = 1,
    table: bool = False,
) -> None:
    """Run what is left of every file, seed and model, or show what is there."""
    if table:
        print(summary(stored()).to_string(index=False, float_format="{:.4f}".format))
        return
    readings = len(ZOO) * seeds
    prepared: dict[str, Prepared] = {}
    cells = [(seed, file, name) for seed in range(seeds) for file in files for name in names or ZOO]
    for seed, file, name in cells[shard::shards]:
        if _is_done(file, name, seed):
            continue
        data = DataConfig(path=str(Path(folder) / f"{file}.parquet"))
        if file not in prepared:
            base = configured("linear", BASELINE_SEED, data, epochs)
            market = newest_bars(data, base, bars)
            prepared[file] = prepare(base, Progress(), market=market)
            _run_baselines(prepared[file], file, shard, readings)
        print(f"== {file}, {name}, seed {seed}", flush=True)
        config = configured(name, seed, data, epochs)
        found = run_model(with_model(prepared[file], config), Progress(), readings)
        _keep({"file": file, "model": name, "seed": seed} | found, shard)


def _run_baselines(prepared: Prepared, file: str, shard: int, readings: int) -> None:
    if shard or _is_done(file, "buy and hold", BASELINE_SEED):
        return
    asked = dataclasses.replace(prepared.config, baselines=True)
    for judged in judge_baselines(dataclasses.replace(prepared, config=asked), Progress()):
        line = {"file": file, "model": judged.name, "seed": BASELINE_SEED}
        _keep(line | line_of(prepared, judged, readings), shard)


def _is_done(file: str, model: str, seed: int) -> bool:
    done = stored()
    return bool(((done["file"] == file) & (done["model"] == model) & (done["seed"] == seed)).any())


def _keep(line: dict[str, Any], shard: int) -> None:
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"real_{shard}.csv"
    before = [pd.read_csv(path)] if path.exists() else []
    with whole_file(path) as draft:
        pd.concat([*before, pd.DataFrame([line])]).to_csv(draft, index=False, float_format="%.5f")


if __name__ == "__main__":
    CLI(main)
