"""The one path from bars to verdict, which every script, tuner and leak detector walks.

bars -> features -> labels -> split -> scale -> fit -> temperature -> threshold -> test part
"""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy.special import expit
from sklearn.preprocessing import RobustScaler

from evaluation.ledger.trial import TrialCount
from evaluation.verdict import Verdict
from features import compute_features
from market.splits import Split
from models.heads import Heads
from models.registry import build_model, config_class, preset_config
from training.baselines import BASELINES, BaselineInputs
from training.calibration import TemperatureFit
from training.config import ExperimentConfig
from training.dataset import Market, Rows, assemble_rows, load_market
from training.fitting.arrays import Arrays
from training.fitting.compiled import CompiledFit
from training.fitting.fit import FitResult, fit
from training.fitting.precision import resolve_precision
from training.fitting.progress import Progress
from training.judge import Judge, Judgement
from training.saved_model import compile_logits
from training.scaling import ArrayScaler
from training.steps import ByPart, Steps, keep_features
from training.trials import TrialBook, weights_digest

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Prepared:
    """All that training and judging need, before any model exists.

    Args:
        config: The experiment.
        market: Bars by symbol.
        rows: Pooled rows.
        split: Row numbers of the three parts.
        scaler: Fitted on the labelled training rows.
        scaled: Scaled features of all rows, float32 `(rows, features)`.
        steps: How it was done, and how the rest is to be.
    """

    config: ExperimentConfig
    market: Market
    rows: Rows
    split: Split
    scaler: RobustScaler
    scaled: np.ndarray
    steps: Steps = Steps()

    def part(self, name: str) -> np.ndarray:
        """Return the row numbers of `train`, `validation` or `test`."""
        return getattr(self.split, name)

    def labelled(self, name: str) -> np.ndarray:
        """Return the row numbers of a part whose label is defined."""
        part = self.part(name)
        return part[np.isfinite(self.rows.labels[part])]

    def arrays(self, name: str) -> Arrays:
        """Return scaled features and labels of a part's labelled rows."""
        chosen = self.labelled(name)
        labels = self.rows.labels[chosen].astype(np.float32)
        return Arrays(x=self.scaled[chosen], y=labels[:, None])

    def judge(self, name: str) -> Judge:
        """Return the judge of a part's rows."""
        return Judge(self.market, self.rows, part=self.part(name), backtest=self.config.backtest)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came out of an experiment.

    Args:
        temperature: Fitted on validation.
        logits: Logits of the validation and test rows, `(rows,)`, by part.
        probability: Calibrated probability of up of the same rows.
        model: The model's judgement.
        baselines: The baselines', on the same rows and costs.
        verdict: Whether an edge may be claimed.
        fit: How training went.
        trials: What had been tried on these bars by then, this run included.
    """

    temperature: TemperatureFit
    logits: dict[str, np.ndarray]
    probability: dict[str, np.ndarray]
    model: Judgement
    baselines: tuple[Judgement, ...]
    verdict: Verdict
    fit: FitResult
    trials: TrialCount


def prepare(
    config: ExperimentConfig,
    progress: Progress,
    *,
    market: Market | None = None,
    steps: Steps = Steps(),
) -> Prepared:
    """Walk from bars to scaled parts.

    Args:
        config: The experiment.
        progress: Told what happens.
        market: These bars instead of the configured ones.
        steps: What is done otherwise than usual.

    Raises:
        ValueError: Bad bars, unknown features, or too few rows for the split.
    """
    if market is None:
        market = _load(config, progress)
    count = sum(len(bars.frame) for bars in market.bars.values())
    with progress.busy(f"computing features of {count:,} bars"):
        market, rows = assemble(config, market, steps)
    if rows.dropped:
        progress.message(f"left out {len(rows.dropped)} features: {_reasons(rows.dropped)}")
    split = steps.split(rows, config.split, market.interval)
    return prepare_rows(config, market, rows, split, steps)


def assemble(config: ExperimentConfig, market: Market, steps: Steps) -> tuple[Market, Rows]:
    """Walk from bars to pooled rows, before any split; the market is what `steps.bars` made."""
    if steps.bars is not None:
        market = steps.bars(market)
    names = config.features.names or None
    compute = steps.features or (lambda frame: compute_features(frame, names))
    return market, assemble_rows(market, config.label, compute, steps.labels)


def prepare_rows(
    config: ExperimentConfig, market: Market, rows: Rows, split: Split, steps: Steps = Steps()
) -> Prepared:
    """Change and select rows where the steps say so, then scale: all that follows a split.

    Raises:
        ValueError: No training row has a label.
    """
    if steps.rows is not None:
        rows = steps.rows(rows, split)
    if steps.select is not None:
        rows = keep_features(rows, steps.select(rows, split))
    train = split.train[np.isfinite(rows.labels[split.train])]
    if train.size == 0:
        raise ValueError(
            f"no training row has a label under {config.label}; narrow the cost band or change "
            "the rule for ties"
        )
    scaler = steps.scale(rows.values, train)
    scaled = ArrayScaler.from_sklearn(scaler).transform(rows.values)
    return Prepared(config, market, rows, split, scaler, scaled, steps)


def with_split(prepared: Prepared, split: Split) -> Prepared:
    """Return the same rows in other parts, scaled anew on the new training part.

    Raises:
        ValueError: Rows were changed or selected for the old split, so they must be prepared anew.
    """
    steps = prepared.steps
    if steps.rows is not None or steps.select is not None:
        raise ValueError(
            "rows that a step changed or selected for one split cannot serve another; prepare "
            "without `rows` and `select`, then give the steps to `prepare_rows` for each split"
        )
    return prepare_rows(prepared.config, prepared.market, prepared.rows, split, steps)


def _load(config: ExperimentConfig, progress: Progress) -> Market:
    with progress.busy("reading bars" if config.data.paths else "simulating bars"):
        market = load_market(config.data, config.label)
    for bars in market.bars.values():
        for note in bars.notes:
            progress.message(f"{bars.symbol}: {note}")
    return market


def build(config: ExperimentConfig, features: int) -> keras.Model:
    """Build the configured model for that many features, in the precision that will run.

    Raises:
        ValueError: An unknown model, preset or option.
    """
    keras.utils.set_random_seed(config.seed)
    return build_model(
        config.model.name, {"features": (features,)}, Heads(), builder_config(config)
    )


def builder_config(config: ExperimentConfig) -> object:
    """Return the builder's own configuration: preset, then options, seed and precision.

    Raises:
        ValueError: An unknown preset or option, or a value that the model refuses.
    """
    name = config.model.name
    known = {field.name for field in dataclasses.fields(config_class(name))}
    unknown = sorted(set(config.model.options) - known)
    if unknown:
        raise ValueError(
            f"model {name!r} has no options {unknown}; it has {', '.join(sorted(known))}"
        )
    fixed: dict[str, Any] = {"seed": config.seed}
    if "precision" in known:
        fixed["precision"] = resolve_precision(config.fit.precision).policy
    return dataclasses.replace(
        preset_config(name, config.model.preset), **(fixed | config.model.options)
    )


def train(
    prepared: Prepared,
    model: keras.Model,
    progress: Progress,
    *,
    checkpoints: Path | None = None,
    resume: bool = False,
    compiled: CompiledFit | None = None,
) -> FitResult:
    """Fit the model on train, stopping by validation; see `training.fitting.fit.fit`."""
    return fit(
        model,
        prepared.arrays("train"),
        prepared.steps.stopping(prepared),
        prepared.config.fit,
        checkpoint_folder=checkpoints,
        resume=resume,
        progress=progress,
        compiled=compiled,
    )


def evaluate(
    prepared: Prepared,
    model: keras.Model,
    fitted: FitResult,
    progress: Progress,
    *,
    book: TrialBook | None = None,
) -> Outcome:
    """Calibrate and choose the threshold on validation, then read the test part once.

    Args:
        prepared: Data and split.
        model: Trained.
        fitted: How training went.
        progress: Told what happens.
        book: Where the trials on these bars are kept and counted; None counts this one alone.
    """
    book = book or TrialBook.unkept(prepared.market, prepared.config)
    predict = compile_logits(model)
    with progress.busy("calibrating on validation, then reading the test part"):
        parts = {name: prepared.part(name) for name in ("validation", "test")}
        logits = {name: predict(prepared.scaled[part])[:, 0] for name, part in parts.items()}
        temperature = prepared.steps.temperature(prepared, logits)
        probability = {
            name: expit(values.astype(np.float64) / temperature.temperature)
            for name, values in logits.items()
        }
        judged = judge_trained(prepared, "model", probability)
        record_trials(book, model, fitted, judged)
        trials = book.count()
        verdict = verdict_of(prepared, judged, readings=trials.test_readings)
    return Outcome(
        temperature=temperature,
        logits=logits,
        probability=probability,
        model=judged,
        baselines=judge_baselines(prepared, progress),
        verdict=verdict,
        fit=fitted,
        trials=trials,
    )


def record_trials(
    book: TrialBook, model: keras.Model, fitted: FitResult, judged: Judgement
) -> None:
    """Record a training, its scan of thresholds and its reading of the test part."""
    book.training(float(fitted.history["validation_loss"].min()))
    if judged.choice is not None:
        book.threshold(judged.choice)
    record_reading(book, model, judged)


def record_reading(
    book: TrialBook, model: keras.Model, judged: Judgement, *, unseen: bool = True
) -> None:
    """Record that a model has read these bars, with what came of it.

    Args:
        book: Where trials are kept.
        model: Trained.
        judged: Its figures.
        unseen: Whether all bars are new to the model; else its Sharpe ratio is none to compare.
    """
    sharpe = judged.metrics["sharpe"] / math.sqrt(judged.backtest.bars_per_year)
    book.reading(
        weights_digest(model),
        sharpe_per_bar=sharpe if unseen else math.nan,
        accuracy=judged.metrics["accuracy"],
    )


def judge_trained(prepared: Prepared, name: str, probability: ByPart) -> Judgement:
    """Choose the threshold on `probability["validation"]`, then judge `probability["test"]`."""
    choice = prepared.steps.threshold(prepared, probability)
    return prepared.judge("test").judge(name, probability["test"], choice.threshold, choice)


def judge_baselines(prepared: Prepared, progress: Progress) -> tuple[Judgement, ...]:
    """Fit every baseline on train and judge it as the model is; none where switched off."""
    if not prepared.config.baselines:
        return ()
    inputs = _baseline_inputs(prepared)
    judge = prepared.judge("test")
    judged = []
    for name, baseline in BASELINES.items():
        with progress.busy(f"baseline: {name}"):
            probability = baseline(inputs)
            if name in ("majority", "persistence"):
                judged.append(judge.judge(name, probability["test"], 0.5))
            else:
                judged.append(judge_trained(prepared, name, probability))
    return (*judged, judge.judge_buy_and_hold())


def verdict_of(prepared: Prepared, judged: Judgement, *, readings: int = 1) -> Verdict:
    """Whether what was judged on the test part has an edge there.

    Args:
        prepared: Data and split.
        judged: A predictor on the test part.
        readings: Different models that have read these bars' test part, this one included.
    """
    return prepared.judge("test").verdict(judged, readings=readings, seed=prepared.config.seed)


def _baseline_inputs(prepared: Prepared) -> BaselineInputs:
    rows, parts = prepared.rows, ("validation", "test")
    last = np.empty(len(rows.labels))
    for code, bars in enumerate(prepared.market.bars.values()):
        chosen = rows.symbol_code == code
        close = bars.frame["close"].to_numpy()
        change = np.concatenate([[0.0], np.diff(np.log(close))])
        last[chosen] = change[rows.bar_row[chosen]]
    fitted_on = prepared.labelled("train")
    return BaselineInputs(
        x_train=prepared.scaled[fitted_on],
        y_train=rows.labels[fitted_on],
        parts={name: prepared.scaled[prepared.part(name)] for name in parts},
        last_return={name: last[prepared.part(name)] for name in parts},
        seed=prepared.config.seed,
    )


def _reasons(dropped: dict[str, str]) -> str:
    by_reason: dict[str, list[str]] = {}
    for name, reason in dropped.items():
        by_reason.setdefault(reason, []).append(name)
    return "; ".join(f"{reason} ({', '.join(names)})" for reason, names in by_reason.items())
