"""Anybody's predictions, from any library, judged as a run's are: baselines, backtest, verdict."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ultimate_deep.evaluation.assessment import Assessment
from ultimate_deep.evaluation.backtesting.config import BacktestConfig
from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.reporting.data import Contender, Predictions, ReportData
from ultimate_deep.evaluation.reporting.json_report import write_json_report
from ultimate_deep.evaluation.reporting.origin import Origin
from ultimate_deep.evaluation.reporting.pdf import check_pdf, write_pdf
from ultimate_deep.evaluation.reporting.report import render_report, write_report
from ultimate_deep.evaluation.verdicts.verdict import Verdict
from ultimate_deep.experiments.baselines import fitted_note
from ultimate_deep.experiments.given import given_count
from ultimate_deep.experiments.judging.assessing import assess_judged
from ultimate_deep.experiments.judging.rivals import judge_rivals
from ultimate_deep.experiments.reporting import bar_facts
from ultimate_deep.experiments.reproducing import judge_lines, origin_of_judged
from ultimate_deep.experiments.takeaway import (
    Contenders,
    contenders,
    equity_curves,
    figures_html,
    write_takeaway,
)
from ultimate_deep.experiments.trials import TrialBook
from ultimate_deep.features.compute import FeatureMatrix
from ultimate_deep.machine.counts import how_many
from ultimate_deep.machine.duration import Stopwatch
from ultimate_deep.machine.files import whole_file, whole_folder
from ultimate_deep.machine.tables import TableFormat
from ultimate_deep.market.bars import Bars
from ultimate_deep.market.config import LabelSpec
from ultimate_deep.market.market import GivenFills, Market, as_market, filled_from
from ultimate_deep.market.times import utc_time, utc_times
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig
from ultimate_deep.pipeline.judge import Judge, Judgement, majority_up
from ultimate_deep.pipeline.rows import Rows, assemble_rows, row_opens
from ultimate_deep.training.progress import Progress

Given = pd.Series | Mapping[str, pd.Series]


@dataclass(frozen=True, eq=False)
class JudgedPredictions:
    """What was found of predictions that somebody else has made.

    Args:
        name: What they are called.
        judge: Who judged, on which bars and rows.
        judgement: Figures of the predictions.
        rivals: Baselines on the same rows and costs, buy and hold last.
        assessment: The verdict and what it rests on.
        notes: Sentences for people.
        origin: What was done with what times, and how to do it again.
    """

    name: str
    judge: Judge
    judgement: Judgement
    rivals: tuple[Judgement, ...]
    assessment: Assessment
    notes: tuple[str, ...]
    origin: Origin

    @property
    def verdict(self) -> Verdict:
        """Whether an edge may be claimed."""
        return self.assessment.verdict

    @property
    def figures(self) -> Contenders:
        """Figures of the predictions and of every baseline, by name."""
        return contenders((self.judgement, *self.rivals))

    @property
    def equity(self) -> pd.DataFrame:
        """Account after every bar, of the predictions and of every baseline."""
        return equity_curves((self.judgement, *self.rivals))

    @property
    def trades(self) -> pd.DataFrame:
        """One row for each trade."""
        return self.judgement.backtest.trades

    def __repr__(self) -> str:
        return f"<{self.name}: {self.verdict.sentence}>"

    def _repr_html_(self) -> str:
        return figures_html(self.verdict.sentence, self.figures)

    def report(self, path: str | Path) -> Path:
        """Write the report as one HTML page, or as a PDF.

        Args:
            path: File to write or to replace; a PDF where its name ends in `.pdf`.

        Raises:
            NoPdfError: A PDF is asked for, and what writes it is not there.
        """
        path = Path(path)
        if path.suffix.lower() == ".pdf":
            check_pdf()
            return write_pdf(path, render_report(self._report()))
        with whole_file(path) as draft:
            write_report(draft, self._report())
        return path

    def save(self, folder: str | Path, *, tables: TableFormat = "csv") -> Path:
        """Write report, figures, predictions, trades, equity and positions into a new folder.

        Args:
            folder: Must not exist.
            tables: Format of the tables.

        Raises:
            FileExistsError: The folder exists.
        """
        folder = Path(folder)
        if folder.exists():
            raise FileExistsError(f"{folder} exists and is never overwritten; name another")
        with whole_folder(folder) as draft:
            report = self._report()
            write_report(draft / "report.html", report)
            write_json_report(draft / "report.json", report)
            write_takeaway(
                draft,
                self.judge,
                self.judgement,
                self.rivals,
                verdict=json_safe(self.verdict),
                form=tables,
                facts={"name": self.name, "notes": list(self.notes)},
                trials=self.assessment.trials,
            )
        return folder

    def _report(self) -> ReportData:
        judge, judged = self.judge, self.judgement
        assert judged.probability is not None
        return ReportData(
            title=f"{self.name}: {', '.join(judge.market.bars)}",
            verdict=self.verdict,
            simulated=judge.market.simulated,
            test=Predictions(
                label=judge.labels(),
                probability=judged.probability,
                probability_raw=judged.probability,
                return_log=judge.rows.return_log[judge.part],
            ),
            threshold=judged.threshold,
            contenders=[
                Contender(name=self.name, metrics=judged.metrics, accuracy=self.verdict.accuracy),
                *(Contender(name=one.name, metrics=one.metrics) for one in self.rivals),
            ],
            backtest=judged.backtest,
            buy_and_hold=self.rivals[-1].backtest,
            mode=judge.config.mode,
            costs=judge.config.costs,
            facts={"decisions": f"{len(judge.part):,}"} | bar_facts(judge.market),
            config={"backtest": dataclasses.asdict(judge.config)},
            notes=[f"{note}." for note in self.notes],
            assessment=self.assessment,
            origin=self.origin,
            fitted=fitted_note((one.name for one in self.rivals), "judgement"),
        )


def judge_predictions(
    probabilities: Given,
    bars: Market | Bars | pd.DataFrame,
    *,
    fills: GivenFills,
    trained_until: pd.Timestamp,
    label: LabelSpec,
    backtest: BacktestConfig,
    threshold: float,
    session: str | None,
    name: str,
    baselines: bool,
    features: Sequence[str] | None,
    artifacts: str,
    tried: int,
    seed: int,
    progress: Progress,
) -> JudgedPredictions:
    """Judge predictions that somebody else has made; see `ultimate_deep.judge`."""
    given_count("tried", tried)
    market = filled_from(as_market(bars, session=session), fills)  # type: ignore[arg-type]
    market.check_common_times()
    given, watch = _by_symbol(probabilities, market), Stopwatch()
    end = _utc(trained_until)
    run = re.sub(r"[^\w-]+", "-", name).strip("-") or "predictions"
    experiment = ExperimentConfig(
        name=run, artifacts=artifacts, label=label, backtest=backtest, seed=seed,
        model=ModelConfig(name=name),
    )  # fmt: skip
    book = TrialBook.opened(Path(artifacts) / run, market, experiment)
    rows = assemble_rows(market, label, _no_features)
    probability = _at_rows(given, market, rows)
    part = np.flatnonzero(np.isfinite(probability))
    _refuse_seen(rows, part, end, market, label)
    before = _known_before(rows, end, market, label)
    judge = Judge(
        market,
        rows,
        part=part,
        backtest=experiment.backtest,
        majority_up=majority_up(rows.labels[before]),
    )
    judged = judge.judge(name, probability[part], threshold)
    watch.passed("labels and backtest")
    rivals: tuple[Judgement, ...] = ()
    notes: list[str] = []
    if baselines:
        with progress.busy("fitting the baselines on the bars before"):
            rivals, notes = judge_rivals(judge, before, label, features=features, seed=seed)
        watch.passed("features and baselines")
    sharpe = judged.metrics["sharpe"] / np.sqrt(judged.backtest.bars_per_year)
    notes += book.check()
    digest = _digest(judge, probability[part], threshold)
    accuracy = judged.metrics["accuracy"]
    book.reading(digest, sharpe_per_bar=float(sharpe), accuracy=accuracy, chosen_from=tried)
    trials = book.count()
    with progress.busy("assessing: chance, trials, costs, delay, regimes, random entry"):
        verdict = judge.verdict(judged, trials=trials, simpler=rivals, seed=seed)
        assessment = assess_judged(judge, judged, verdict, rivals, trials, before=before, seed=seed)
    watch.passed("assessing")
    held = (*rivals, judge.judge_buy_and_hold())
    if market.simulated:
        notes.append("these bars are simulated")
    asked = {"trained_until": str(trained_until), "threshold": threshold, "session": session}
    filled = bool(market.fills)
    asked |= {"name": name, "baselines": baselines, "features": features, "artifacts": artifacts}
    origin = origin_of_judged(
        judge_lines(asked | {"tried": tried, "seed": seed}, label, backtest, filled=filled),
        market,
        seconds=watch.seconds,
        digest=digest,
        predictions=len(part),
        readings=trials.test_readings,
    )
    return JudgedPredictions(name, judge, judged, held, assessment, tuple(notes), origin)


def _digest(judge: Judge, probability: np.ndarray, threshold: float) -> str:
    """Return the digest of what is judged: predictions, their bars, and the rules of trading."""
    digest = hashlib.sha256(probability.tobytes())
    digest.update(judge.rows.decision_time[judge.part].astype("datetime64[ns]").tobytes())
    digest.update(judge.rows.label_end_time[judge.part].astype("datetime64[ns]").tobytes())
    # What an account's size does to its price is no other look at the market.
    costs = dataclasses.replace(judge.config.costs, impact_coefficient=None)
    rules = dataclasses.replace(judge.config, costs=costs, capital=1.0)
    digest.update(f"{threshold!r} {rules!r}{judge.market.fills_digest}".encode())
    return digest.hexdigest()


def _utc(stamp: pd.Timestamp) -> np.datetime64:
    return utc_time(stamp if stamp.tzinfo is not None else stamp.tz_localize("UTC"))


def _by_symbol(probabilities: Given, market: Market) -> dict[str, pd.Series]:
    """Return one Series for each symbol of the bars that has predictions."""
    if isinstance(probabilities, pd.Series):
        if isinstance(probabilities.index, pd.MultiIndex):
            symbols = probabilities.index.get_level_values(0).unique()
            probabilities = {symbol: probabilities.loc[symbol] for symbol in symbols}
        else:
            probabilities = {market.only(): probabilities}
    if not isinstance(probabilities, Mapping):
        raise TypeError(
            "probabilities are a Series indexed by the bars' opening times, or one for each "
            f"symbol, got {type(probabilities).__name__}; for an array of the last rows give "
            "pd.Series(values, index=frame.index[-len(values):])"
        )
    if unknown := sorted(set(probabilities) - set(market)):
        raise ValueError(
            f"there are no bars of {unknown[0]!r}; the bars are of {', '.join(market)}"
        )
    for symbol, series in probabilities.items():
        _check(symbol, series)
    return dict(probabilities)


def _check(symbol: str, series: pd.Series) -> None:
    if not isinstance(series.index, pd.DatetimeIndex):
        raise TypeError(
            f"the predictions of {symbol} are indexed by the bars' opening times, got "
            f"{series.index.dtype}; set the index to that of the bars, such as frame.index"
        )
    if series.index.has_duplicates:
        again = series.index[series.index.duplicated()][0]
        raise ValueError(f"{symbol} has two predictions for the bar of {again}; keep one")
    values = series.to_numpy(np.float64, na_value=np.nan)
    bad = ~np.isnan(values) & ~((values >= 0.0) & (values <= 1.0))
    if bad.any():
        row = int(np.argmax(bad))
        raise ValueError(
            f"a prediction is the probability of up in [0, 1] or NaN, got {values[row]} of "
            f"{symbol} at {series.index[row]}; for logits give 1 / (1 + exp(-logit)), for "
            "classes the model's predict_proba(x)[:, 1]"
        )
    if np.isnan(values).all():
        raise ValueError(f"{symbol} has no prediction that is not NaN; give one of a bar or more")


def _no_features(frame: pd.DataFrame) -> FeatureMatrix:
    """Return nothing that a model could read, of every bar: predictions are there already."""
    values = np.zeros((len(frame), 1), np.float32)
    return FeatureMatrix(
        values=values, names=("none",), families=("none",), warmup_bars=0,
        index=pd.DatetimeIndex(frame.index),
    )  # fmt: skip


def _at_rows(given: Mapping[str, pd.Series], market: Market, rows: Rows) -> np.ndarray:
    """Return each row's prediction, NaN where there is none.

    Raises:
        ValueError: A prediction for a time at which no bar opens.
    """
    out = np.full(len(rows.labels), np.nan)
    for code, (symbol, bars) in enumerate(market.bars.items()):
        if symbol not in given:
            continue
        series = given[symbol].dropna()
        index = pd.DatetimeIndex(utc_times(series.index))
        opens = pd.DatetimeIndex(utc_times(bars.index))
        place = opens.get_indexer(index)
        if (place < 0).any():
            stray = series.index[int(np.argmax(place < 0))]
            raise ValueError(
                f"a prediction of {symbol} is for {stray}, at which no bar opens; index "
                "predictions by the opening times of the bars that they were made at the close of"
            )
        chosen = rows.symbol_code == code
        known = np.full(len(bars), np.nan)
        known[place] = series.to_numpy(np.float64)
        out[chosen] = known[rows.bar_row[chosen]]
    return out


def _refuse_seen(
    rows: Rows, part: np.ndarray, end: np.datetime64, market: Market, label: LabelSpec
) -> None:
    """Refuse predictions for bars that training has seen, or that its labels reached into.

    Raises:
        ValueError: Naming how many, and from which bar on predictions may be judged.
    """
    opens = row_opens(market, rows)
    trained = opens <= end
    if not trained.any():
        raise ValueError(
            f"trained_until is {pd.Timestamp(end, tz='UTC')}, and the bars begin at "
            f"{pd.Timestamp(opens.min(), tz='UTC')}; give bars that begin before the end of "
            "training, since base rate and baselines come from them"
        )
    # What the last labels of training knew: their ends, which purging keeps out of the rest.
    reached = rows.label_end_time[trained].max()
    seen = part[rows.decision_time[part] <= reached]
    if seen.size == 0:
        return
    free = np.setdiff1d(part, seen)
    first = pd.Timestamp(opens[free].min(), tz="UTC") if free.size else None
    earlier = int((opens[seen] <= end).sum())
    what = (
        f"{earlier:,} of them for bars up to it"
        if earlier
        else f"whose bars the labels of training reach, {how_many(label.horizon_bars, 'bar')} "
        "beyond its end"
    )
    remedy = (
        f"judge those from {first} on: probabilities[probabilities.index >= '{first}']"
        if first is not None
        else "predict later bars"
    )
    raise ValueError(
        f"{how_many(seen.size, 'prediction is', 'predictions are')} no test of a model that was "
        "trained until "
        f"{pd.Timestamp(end, tz='UTC')}, {what}; {remedy}"
    )


def _known_before(rows: Rows, end: np.datetime64, market: Market, label: LabelSpec) -> np.ndarray:
    """Return the numbers of the rows up to the end of training that have a label."""
    opens = row_opens(market, rows)
    return np.flatnonzero((opens <= end) & np.isfinite(rows.labels))
