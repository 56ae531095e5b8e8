"""What a saved bundle says about bars: predictions for each, and its backtest over again."""

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import pandas as pd
from scipy.special import expit

from evaluation.ledger.trial import TrialCount
from evaluation.signals import signal_from_probability
from training.bundle import Bundle
from training.command_line import config_from_dict
from training.config import DataConfig, ExperimentConfig
from training.dataset import Market, Rows, assemble_rows, load_market
from training.experiment import record_reading
from training.inputs.config import InputConfig
from training.inputs.model_inputs import ModelInputs
from training.inputs.tables import RowInputs, apply_scalers, input_tables
from training.judge import Judge, Judgement
from training.targets import horizon_bars_of
from training.trials import TrialBook

if TYPE_CHECKING:
    from training.ensembles.bundle import EnsembleBundle

Period = Literal["test", "all"]
AnyBundle: TypeAlias = "Bundle | EnsembleBundle"


@dataclass(frozen=True, eq=False)
class Rejudged:
    """A bundle's backtest on bars that it was given later.

    Args:
        bundle: The model.
        config: The run's configuration.
        judge: Who judged, on which bars and rows.
        period: Which bars were judged.
        judgement: The model's figures.
        buy_and_hold: The market's, on the same bars and costs.
        rows: Rows judged.
        seen: How many of them lie before the run's test part.
        same_bars: Whether these are bit for bit the bars of the run.
        differing: Figures that differ from the run's although the bars and period are the same.
        notes: Sentences for people.
        trials: What had been tried on these bars by then, this reading included.
    """

    bundle: AnyBundle
    config: ExperimentConfig
    judge: Judge
    period: Period
    judgement: Judgement
    buy_and_hold: Judgement
    rows: int
    seen: int
    same_bars: bool
    differing: tuple[str, ...]
    notes: tuple[str, ...]
    trials: TrialCount


def bundle_config(bundle: AnyBundle) -> ExperimentConfig:
    """Return the configuration of the run that wrote the bundle."""
    return config_from_dict(bundle.config)


def merge_data(given: DataConfig, stored: DataConfig) -> DataConfig:
    """Return the data options: those given, and the run's own where nothing was given."""
    default = DataConfig()
    changed = {
        field.name: getattr(given, field.name)
        for field in dataclasses.fields(DataConfig)
        if getattr(given, field.name) != getattr(default, field.name)
    }
    return dataclasses.replace(stored, **changed)


def row_outputs(bundle: AnyBundle, market: Market, rows: Rows) -> dict[str, np.ndarray]:
    """Return everything that a model says of rows of these bars.

    Args:
        bundle: The model.
        market: Bars by symbol.
        rows: Made by `bundle.compute_features`.

    Returns:
        `logits` and `probability` of up (calibrated), `(rows, horizons)`, and further heads by
        name, NaN in rows that lack an input, such as the first bars of a window.
    """
    if not isinstance(bundle, Bundle):
        return bundle.row_outputs(market, rows)
    inputs, complete = complete_inputs(bundle, market, rows)
    found = bundle.predictor.outputs(inputs)
    found["probability"] = expit(found["logits"].astype(np.float64) / bundle.temperature)
    return {name: spread(values, complete, len(rows.labels)) for name, values in found.items()}


def complete_inputs(bundle: Bundle, market: Market, rows: Rows) -> tuple[ModelInputs, np.ndarray]:
    """Return a model's inputs of the rows that have all of them, and those rows' numbers."""
    kind = _resolved(bundle)
    assert kind.kind != "auto"
    tables = input_tables(market, rows, kind.kind, kind)
    windows = apply_scalers(tables, bundle.scaler.transform(rows.values), bundle.scalers)
    complete = np.flatnonzero(tables.complete)
    return RowInputs(windows, tables, {}).take(complete), complete


def row_probability(bundle: AnyBundle, market: Market, rows: Rows) -> np.ndarray:
    """Return the calibrated probability of up of the traded horizon, float64 `(rows,)`."""
    return row_outputs(bundle, market, rows)["probability"][:, 0]


def _resolved(bundle: Bundle) -> InputConfig:
    """Return what the model reads; bundles from before there were windows read features."""
    inputs = bundle_config(bundle).inputs
    return dataclasses.replace(inputs, kind="features") if inputs.kind == "auto" else inputs


def spread(values: np.ndarray, at: np.ndarray, rows: int) -> np.ndarray:
    """Return values at their row numbers, NaN in the other rows."""
    out = np.full((rows, *values.shape[1:]), np.nan, values.dtype)
    out[at] = values
    return out


def predict_bars(bundle: AnyBundle, market: Market) -> pd.DataFrame:
    """Return one row for each bar that has all inputs, by symbol and time.

    Columns: `symbol`, `timestamp` (the bar's open, UTC), `decision_time` (its close, when the
    prediction is known), `probability_up` (calibrated, for the run's label), `signal` (-1, 0 or 1
    at the bundle's threshold and mode, to be filled at the next bar's open); and of further heads
    `probability_up_4_bars` for each further horizon and `quantile_0.1_4_bars` for each quantile, in
    units of the return's recent size.

    Raises:
        BundleError: These bars do not allow a feature that the model needs.
    """
    config = bundle_config(bundle)
    rows = assemble_rows(market, config.label, bundle.compute_features)
    outputs = row_outputs(bundle, market, rows)
    probability = outputs["probability"][:, 0]
    opens = rows.decision_time - np.timedelta64(market.interval.value, "ns")
    table = pd.DataFrame(
        {
            "symbol": np.array(rows.symbols, dtype=object)[rows.symbol_code],
            "timestamp": pd.DatetimeIndex(opens, tz="UTC"),
            "decision_time": pd.DatetimeIndex(rows.decision_time, tz="UTC"),
            "probability_up": probability,
            "signal": signal_from_probability(
                probability, bundle.threshold, mode=config.backtest.mode
            ),
            **_further_columns(outputs, config, market.interval),
        }
    )
    known = table[np.isfinite(probability)].reset_index(drop=True)
    return known.astype({"signal": np.int64})


def _further_columns(
    outputs: dict[str, np.ndarray], config: ExperimentConfig, interval: pd.Timedelta
) -> dict[str, np.ndarray]:
    """Return what the heads beside the traded one say, by column."""
    further = [horizon_bars_of(one, interval) for one in config.heads.further_horizons]
    bars = (config.label.horizon_bars, *further)[: outputs["probability"].shape[1]]
    columns = {
        f"probability_up_{count}_bars": outputs["probability"][:, place]
        for place, count in enumerate(bars)
        if place
    }
    for place, count in enumerate(bars if "quantiles" in outputs else ()):
        for number, level in enumerate(config.heads.quantiles):
            columns[f"quantile_{level:g}_{count}_bars"] = outputs["quantiles"][:, place, number]
    return columns


def backtest_bundle(bundle: AnyBundle, data: DataConfig, period: Period = "test") -> Rejudged:
    """Judge a bundle on bars, with the run's own rules, threshold and costs.

    The reading is counted in the ledger beside the bundle.

    Args:
        bundle: The model.
        data: The bars; options that are not given are the run's.
        period: `test` takes the bars from the run's test boundary on, `all` takes every bar,
            those that the model was trained on included.

    Raises:
        ValueError: No bar lies in the period.
    """
    config = bundle_config(bundle)
    market = load_market(merge_data(data, config.data), config.label)
    rows = assemble_rows(market, config.label, bundle.compute_features)
    boundary = pd.Timestamp(bundle.metrics["split"]["test_from"])
    unseen = rows.decision_time >= boundary.tz_convert(None).to_datetime64()
    probability = row_probability(bundle, market, rows)
    known = np.isfinite(probability)  # rows that lack an input are not judged
    chosen = np.flatnonzero(known & unseen if period == "test" else known)
    if chosen.size == 0:
        raise ValueError(
            f"no bar is decided at or after {boundary}, where this model's test part begins; the "
            f"last one is {rows.decision_time.max()}. Earlier bars may be ones it was trained on: "
            "use --period all to see them all the same"
        )
    judge = Judge(market, rows, part=chosen, backtest=config.backtest)
    probability = probability[chosen]
    judged = judge.judge("model", probability, bundle.threshold)
    book = TrialBook.opened(bundle.folder, market, config)
    seen = int((~unseen[chosen]).sum())
    record_reading(book, bundle.predictor, judged, unseen=not seen)
    same = market.fingerprint() == bundle.manifest["data_fingerprint"]
    return Rejudged(
        bundle=bundle,
        config=config,
        judge=judge,
        period=period,
        judgement=judged,
        buy_and_hold=judge.judge_buy_and_hold(),
        rows=int(chosen.size),
        seen=seen,
        same_bars=same,
        differing=_differing(bundle, judged) if same and period == "test" else (),
        notes=(*_bar_notes(bundle, market), *_notes(market, rows, chosen, seen, same)),
        trials=book.count(),
    )


def _differing(bundle: AnyBundle, judged: Judgement) -> tuple[str, ...]:
    stored = bundle.metrics["test"]["model"]
    lines = []
    for name, value in judged.metrics.items():
        before = stored.get(name)
        if before is None and not np.isfinite(value):
            continue  # written as null
        if before != value:
            lines.append(f"{name}: {before} in the run, {value} now")
    return tuple(lines)


def _bar_notes(bundle: AnyBundle, market: Market) -> tuple[str, ...]:
    """Say where the bars are of another length than those that the model was trained on."""
    trained = {data["interval_seconds"] for data in bundle.metrics["data"].values()}
    seconds = market.interval.total_seconds()
    if seconds in trained:
        return ()
    lengths = ", ".join(f"{length:g} s" for length in sorted(trained))
    return (
        f"these bars are {seconds:g} s long and the model was trained on bars of {lengths}: its "
        "features mean something else here",
    )


def _notes(
    market: Market, rows: Rows, chosen: np.ndarray, seen: int, same: bool
) -> tuple[str, ...]:
    notes = [f"{bars.symbol}: {note}" for bars in market.bars.values() for note in bars.notes]
    if market.simulated:
        notes.append("these bars are simulated")
    if seen:
        notes.append(
            f"{seen:,} of {chosen.size:,} rows lie before the test part: the model may have been "
            "trained or its threshold chosen on them, so these figures flatter it"
        )
    if same:
        notes.append("the bars are those of the run: this reads its test part again")
    if len(rows.symbols) > 1:
        notes.append("several symbols share the capital equally")
    return tuple(notes)
