"""From an experiment's outcome to the report's plain arrays and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.special import expit

from ultimate_deep.bundles.files import file_of_model
from ultimate_deep.bundles.predictor import Predictor
from ultimate_deep.evaluation.assessment import Assessment
from ultimate_deep.evaluation.measures.metrics import predicted_up
from ultimate_deep.evaluation.reporting.data import Contender, Predictions, ReportData
from ultimate_deep.evaluation.significance.bootstrap import Interval
from ultimate_deep.evaluation.verdicts.accuracy import accuracy_interval
from ultimate_deep.evaluation.verdicts.bounds import Bounds
from ultimate_deep.evaluation.verdicts.verdict import Verdict
from ultimate_deep.experiments.baselines import fitted_note
from ultimate_deep.experiments.exploring.looks import looks_of
from ultimate_deep.experiments.takeaway import purposes
from ultimate_deep.machine.counts import how_many
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.forecasts import horizons_summary
from ultimate_deep.pipeline.judge import Judgement
from ultimate_deep.pipeline.prepared import PARTS, Prepared

if TYPE_CHECKING:  # the page of others' predictions is written without nets
    from ultimate_deep.experiments.experiment import Outcome
    from ultimate_deep.training.loop.plan import Planlike

ATTENTION_ROWS = 2_048


def report_data(
    prepared: Prepared,
    predictor: Predictor,
    outcome: Outcome,
    assessment: Assessment,
    plan: Planlike,
    measures: pd.DataFrame,
) -> ReportData:
    """Return what `evaluation.reporting.report.write_report` shows of this run.

    Args:
        prepared: Data and split.
        predictor: Predictor that has been trained.
        outcome: Figures and verdict.
        assessment: What the verdict rests on.
        plan: What had been planned.
        measures: Measures of every head on the test part, from `pipeline.forecasts.judged_heads`.
    """
    config, judged = prepared.config, outcome.model
    held = [one.backtest for one in outcome.baselines if one.name == "buy and hold"]
    attention = predictor.attention(prepared.inputs.take(prepared.split.test[:ATTENTION_ROWS]))
    return ReportData(
        title=f"{config.name}: {', '.join(prepared.market.bars)}",
        verdict=outcome.verdict,
        simulated=prepared.market.simulated,
        test=_predictions(prepared, outcome, "test"),
        validation=_predictions(prepared, outcome, "validation"),
        threshold=judged.threshold,
        temperature=outcome.temperature.temperature,
        contenders=[
            Contender(name=judged.name, metrics=judged.metrics, accuracy=outcome.verdict.accuracy),
            *(_contender(prepared, one, outcome.verdict) for one in outcome.baselines),
        ],
        backtest=judged.backtest,
        buy_and_hold=held[0] if held else None,
        mode=config.backtest.mode,
        costs=config.backtest.costs,
        history=outcome.fit.history,
        horizons=horizons_summary(measures),
        attention=attention.units,
        attention_units=attention.unit_names,
        attention_maps=dict(attention.maps),
        looks=looks_of(prepared, predictor),
        facts=_facts(prepared, outcome),
        plan=[f"{name}: {text}" for name, text in plan.lines().items()],
        config=config.to_dict(),
        notes=_notes(prepared, outcome),
        files={
            file_of_model(name, config.model.name): purpose
            for name, purpose in predictor.purposes.items()
        }
        | purposes(config.tables),
        assessment=assessment,
        fitted=fitted_note((one.name for one in outcome.baselines), "run"),
    )


def _predictions(prepared: Prepared, outcome: Outcome, name: str) -> Predictions:
    part = prepared.part(name)
    return Predictions(
        label=prepared.rows.labels[part],
        probability=outcome.probability[name],
        probability_raw=expit(outcome.logits[name].astype(np.float64)),
        return_log=prepared.rows.return_log[part],
    )


def _contender(prepared: Prepared, judged: Judgement, verdict: Verdict) -> Contender:
    bounds = Bounds(verdict.error_rate, verdict.accuracy.resamples)
    return Contender(
        name=judged.name,
        metrics=judged.metrics,
        accuracy=_accuracy_interval(prepared, judged.probability, bounds),
    )


def _accuracy_interval(
    prepared: Prepared, probability: np.ndarray | None, bounds: Bounds
) -> Interval | None:
    if probability is None:
        return None
    test = prepared.split.test
    labels = prepared.rows.labels[test]
    known = np.isfinite(labels)
    return accuracy_interval(
        labels[known],
        predicted_up(probability[known]),
        decision_time=prepared.rows.decision_time[test][known],
        horizon_bars=prepared.config.label.horizon_bars,
        seed=prepared.config.seed,
        bounds=bounds,
    )


def _facts(prepared: Prepared, outcome: Outcome) -> dict[str, str]:
    facts = bar_facts(prepared.market)
    for name in PARTS:
        count, labelled = len(prepared.part(name)), len(prepared.labelled(name))
        facts[f"{name} rows"] = f"{count:,}, of which {labelled:,} have a label"
    first, second = prepared.split.boundaries
    facts["boundaries"] = (
        f"validation from {first:%Y-%m-%d %H:%M}, test from {second:%Y-%m-%d %H:%M} UTC"
    )
    facts["features"] = (
        f"{len(prepared.rows.names)}, warm-up {how_many(prepared.rows.warmup_bars, 'bar')}"
    )
    facts["label"] = _label_sentence(prepared.config.label)
    fitted = outcome.fit
    facts["training"] = (
        f"{how_many(fitted.epochs_run, 'epoch')} in {fitted.seconds:.0f} s "
        f"({fitted.stopped_reason}), "
        f"weights of epoch {fitted.best_epoch}"
    )
    return facts


def bar_facts(market: Market) -> dict[str, str]:
    """Return what bars each symbol has, in words."""
    facts = {}
    for symbol, bars in market.bars.items():
        first, last = bars.frame.index[0], bars.frame.index[-1]
        facts[symbol] = (
            f"{how_many(len(bars.frame), 'bar')} of {bars.length_in_words}, {first:%Y-%m-%d} to "
            f"{last:%Y-%m-%d}"
        )
        if symbol in market.fills:
            fills = market.fills[symbol]
            facts[f"{symbol}, fills"] = (
                f"bars of {fills.length_in_words}, in {fills.share:.1%} of the bars; fingerprint "
                f"{fills.digest[:12]}"
            )
    return facts


def _label_sentence(label: LabelSpec) -> str:
    bars = how_many(label.horizon_bars, "bar")
    if label.kind == "triple_barrier":
        return (
            f"which barrier is met first within {bars}: {label.barrier_up:g} times the volatility "
            f"above the entry or {label.barrier_down:g} times below"
        )
    ties = {"drop": "are left out", "down": "count as down", "up": "count as up"}[label.ties]
    band = f"within {label.cost_band_bps:g} bps" if label.cost_band_bps else "of zero"
    return f"direction over {bars} from the next open; returns {band} {ties}"


def _notes(prepared: Prepared, outcome: Outcome) -> list[str]:
    notes = list(prepared.market.told)
    notes += [f"{note}." for note in outcome.notes]
    if prepared.rows.dropped:
        notes.append(f"Features left out: {', '.join(prepared.rows.dropped)}.")
    notes += [f"{line[0].upper()}{line[1:]}." for line in prepared.left_out.lines()]
    temperature = outcome.temperature
    notes.append(
        f"Temperature {temperature.temperature:.3g}: validation log loss "
        f"{temperature.log_loss_before:.4f} before, {temperature.log_loss_after:.4f} after."
    )
    choice = outcome.model.choice
    if choice is not None:
        notes.append(
            f"Threshold {choice.threshold:.4f} is the best of {len(choice.table)} by mean net "
            f"return per bar on validation; it trades {choice.coverage:.1%} of the validation rows."
        )
    notes += [text + "." for text in (temperature.note, choice.note if choice else "") if text]
    return notes
