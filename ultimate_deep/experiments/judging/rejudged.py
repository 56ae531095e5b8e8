"""A saved bundle's backtest over again, on its own bars or on others."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from ultimate_deep.bundles.judged_bars import fills_note, judged_market, same_fills
from ultimate_deep.bundles.predicting import (
    AnyBundle,
    bundle_config,
    features_of,
    length_notes,
    row_probability,
)
from ultimate_deep.evaluation.ledger.trial import TrialCount
from ultimate_deep.experiments.baselines import last_move_again
from ultimate_deep.experiments.runs import new_run_folder
from ultimate_deep.experiments.takeaway import (
    Contenders,
    Figures,
    contenders,
    equity_curves,
    figures_html,
    write_takeaway,
)
from ultimate_deep.experiments.trials import TrialBook, record_reading
from ultimate_deep.machine.counts import how_many, noun_for, written
from ultimate_deep.machine.duration import Stopwatch
from ultimate_deep.machine.files import whole_folder
from ultimate_deep.machine.tables import TableFormat
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import Market
from ultimate_deep.market.times import utc_time
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.judge import Judge, Judgement
from ultimate_deep.pipeline.rows import Rows, assemble_rows, own_returns

Period = Literal["test", "all"]


@dataclass(frozen=True, eq=False)
class Rejudged:
    """A bundle's backtest on bars that it was given later.

    Args:
        bundle: Bundle of the model.
        config: The run's configuration.
        judge: Who judged, on which bars and rows.
        period: Which bars were judged.
        judgement: The model's figures.
        rivals: Persistence and buy and hold, on the same bars and costs.
        rows: Number of rows judged.
        seen: How many of them lie before the run's test part.
        same_bars: Whether these are bit for bit the bars of the run.
        same_fills: Whether orders are filled at the prices of the run.
        differing: Figures that differ from the run's although bars, fills and period are the same.
        notes: Sentences for people.
        trials: What had been tried on these bars by then, this reading included.
        seconds: What each step took, by name and in order.
    """

    bundle: AnyBundle
    config: ExperimentConfig
    judge: Judge
    period: Period
    judgement: Judgement
    rivals: tuple[Judgement, ...]
    rows: int
    seen: int
    same_bars: bool
    same_fills: bool
    differing: tuple[str, ...]
    notes: tuple[str, ...]
    trials: TrialCount
    seconds: Mapping[str, float]

    @property
    def repeats_run(self) -> bool:
        """Whether this is the run's own test part, traded as the run traded it."""
        return self.same_bars and self.same_fills and self.period == "test"

    @property
    def figures(self) -> Contenders:
        """Figures of the model, of baselines that need no training, and where it repeats the run,
        of all the run's baselines."""
        found = contenders((self.judgement, *self.rivals))
        if self.repeats_run:
            for name, figures in self.bundle.metrics["test"].items():
                known = {key: value for key, value in figures.items() if value is not None}
                found.setdefault(name, Figures(known))
        return found

    @property
    def equity(self) -> pd.DataFrame:
        """Account after every bar, of the model and of baselines that need no training."""
        return equity_curves((self.judgement, *self.rivals))

    @property
    def trades(self) -> pd.DataFrame:
        """One row for each trade."""
        return self.judgement.backtest.trades

    def _repr_html_(self) -> str:
        return figures_html(repr(self), self.figures)

    def __repr__(self) -> str:
        figures = self.judgement.metrics
        return (
            f"<backtest of {self.bundle.folder.name}: {how_many(self.rows, 'decision')}, accuracy "
            f"{figures['accuracy']:.2%}, net return {written(figures['total_return'], '{:+.2%}')}, "
            f"Sharpe {figures['sharpe']:.2f}>"
        )


def write_backtest(result: Rejudged, form: TableFormat = "csv") -> Path:
    """Write predictions, trades, equity, positions and `summary.json` into a new folder.

    Args:
        result: Backtest to write.
        form: Format of the tables.

    Returns:
        `backtest-<run>-<time>`, beside the bundle.
    """
    bundle = result.bundle.folder
    named = dataclasses.replace(
        result.config, name=f"backtest-{bundle.name}", artifacts=str(bundle.parent)
    )
    folder = new_run_folder(named)
    facts = {"bundle": str(bundle), "period": result.period, "same_bars": result.same_bars}
    with whole_folder(folder) as draft:
        write_takeaway(
            draft,
            result.judge,
            result.judgement,
            result.rivals,
            verdict=None,
            form=form,
            facts=facts | {"notes": list(result.notes)},
            trials=result.trials,
            figures=result.figures,
        )
    return folder


def backtest_bundle(
    bundle: AnyBundle,
    data: DataConfig,
    period: Period = "test",
    *,
    market: Market | None = None,
) -> Rejudged:
    """Judge a bundle on bars, with the run's own rules, threshold and costs.

    The reading is counted in the user's ledger.

    Args:
        bundle: Bundle of the model.
        data: The bars; options that are not given are the run's.
        period: `test` takes the bars from the run's test boundary on, `all` takes every bar,
            those that the model was trained on included.
        market: These bars, whatever `data` says.

    Raises:
        ValueError: No bar lies in the period.
    """
    config, watch = bundle_config(bundle), Stopwatch()
    given = market is not None
    market = judged_market(bundle, data, market)
    if not given:
        watch.passed("simulating bars" if market.simulated else "reading bars")
    market.check_common_times()
    rows = assemble_rows(market, config.label, features_of(bundle, market))
    watch.passed("features")
    boundary = pd.Timestamp(bundle.metrics["split"]["test_from"])
    unseen = rows.decision_time >= utc_time(boundary)
    # The test part by itself, as the run predicted it: in the same batches, so to the same bit.
    asked = np.flatnonzero(unseen) if period == "test" else np.arange(len(unseen))
    chosen = asked
    if asked.size:
        probability = row_probability(bundle, market, rows, asked)
        chosen = np.flatnonzero(np.isfinite(probability))  # rows that lack an input are not judged
    watch.passed("predicting")
    if chosen.size == 0:
        raise ValueError(
            f"no bar is decided at or after {boundary}, where this model's test part begins; the "
            f"last one is {rows.decision_time.max()}; give later bars, or "
            "period='all' to see these, which it may have been trained on"
        )
    judge = Judge(
        market,
        rows,
        part=chosen,
        backtest=config.backtest,
        majority_up=bundle.metrics.get("majority_up"),
    )
    probability = probability[chosen]
    judged = judge.judge("model", probability, bundle.threshold)
    book = TrialBook.opened(bundle.folder, market, config)
    seen = int((~unseen[chosen]).sum())
    record_reading(book, bundle.predictor, judged, unseen=not seen)
    rivals = (_persistence(judge), judge.judge_buy_and_hold())
    watch.passed("backtest and baselines")
    same = market.fingerprint() == bundle.manifest["data_fingerprint"]
    alike, note = same_fills(bundle, market), fills_note(bundle, market)
    return Rejudged(
        bundle=bundle,
        config=config,
        judge=judge,
        period=period,
        judgement=judged,
        rivals=rivals,
        rows=int(chosen.size),
        seen=seen,
        same_bars=same,
        same_fills=alike,
        differing=_differing(bundle, judged) if same and alike and period == "test" else (),
        notes=(
            *length_notes(bundle, market),
            *([note] if note else []),
            *_notes(market, rows, chosen, seen, same),
        ),
        trials=book.count(),
        seconds=watch.seconds,
    )


def _persistence(judge: Judge) -> Judgement:
    last = own_returns(judge.market, judge.rows)[judge.part]
    return judge.judge("persistence", last_move_again(last), 0.5)


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


def _notes(
    market: Market, rows: Rows, chosen: np.ndarray, seen: int, same: bool
) -> tuple[str, ...]:
    notes = list(market.told)
    if market.simulated:
        notes.append("these bars are simulated")
    if seen:
        notes.append(
            f"{seen:,} of {how_many(chosen.size, 'row')} {noun_for(seen, 'lies', 'lie')} before "
            "the test part: the model may have been "
            "trained or its threshold chosen on them, so these figures flatter it"
        )
    if same:
        notes.append("the bars are those of the run: this reads its test part again")
    if len(rows.symbols) > 1:
        notes.append("several symbols share the capital equally")
    return tuple(notes)
