"""Saved models side by side: the same bars, decisions and costs for all."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ultimate_deep.bundles.judged_bars import fills_note, judged_market
from ultimate_deep.bundles.predicting import (
    AnyBundle,
    bundle_config,
    features_of,
    row_probability,
)
from ultimate_deep.evaluation.assessment import Assessment
from ultimate_deep.evaluation.contest import contest
from ultimate_deep.evaluation.measures.classes import f1_of, precision_of, recall_of
from ultimate_deep.evaluation.measures.metrics import confusion, predicted_up
from ultimate_deep.evaluation.reporting.comparison import write_comparison_report
from ultimate_deep.evaluation.reporting.comparison_data import (
    ComparedModel,
    ComparisonData,
    FurtherTable,
)
from ultimate_deep.evaluation.reporting.json_report import write_json_report
from ultimate_deep.evaluation.reporting.pdf import ReportForm, check_form, pdf_beside
from ultimate_deep.experiments.judging.assessing import assess_judged
from ultimate_deep.experiments.judging.comparable import check_different, rules_note
from ultimate_deep.experiments.reporting import bar_facts
from ultimate_deep.experiments.reproducing import (
    counted,
    data_options,
    form_options,
    list_option,
    origin_of,
)
from ultimate_deep.experiments.runs import flat, new_run_folder
from ultimate_deep.experiments.trials import TrialBook, record_reading
from ultimate_deep.machine.counts import written
from ultimate_deep.machine.duration import Stopwatch
from ultimate_deep.machine.files import whole_folder
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import Market
from ultimate_deep.market.times import utc_time
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.judge import Judge, Judgement
from ultimate_deep.pipeline.rows import Rows, assemble_rows
from ultimate_deep.training.progress import Progress

TREES = "trees"
FILES = {
    "report.html": "this page",
    "report.json": "the same figures",
    "models.csv": "one row for each model",
}


@dataclass(frozen=True, eq=False)
class Entrant:
    """One model on the common decisions.

    Args:
        bundle: Bundle of the model.
        judge: Its judge, on its own rows of the common decisions.
        judged: Figures of the model there.
    """

    bundle: AnyBundle
    judge: Judge
    judged: Judgement

    @property
    def name(self) -> str:
        """The bundle's folder."""
        return self.bundle.folder.name

    @property
    def is_trees(self) -> bool:
        """Whether the model is boosted trees."""
        return self.bundle.predictor.kind == TREES


@dataclass(frozen=True, eq=False)
class ComparedBundles:
    """A finished comparison.

    Args:
        folder: Where it was written.
        data: What its report shows.
    """

    folder: Path
    data: ComparisonData


def compare_bundles(
    bundles: Sequence[AnyBundle],
    data: DataConfig,
    progress: Progress,
    *,
    report: ReportForm = "html",
    tables: Sequence[FurtherTable] = (),
) -> ComparedBundles:
    """Judge models on the decisions that all of them can make and none was trained on.

    The first bundle's trading rule and costs hold for all, and its bars where none are given. Every
    reading is counted, and each verdict is corrected for all models read on these bars.

    Args:
        bundles: Models to compare.
        data: The bars; options that are not given are those of the first model's run.
        progress: Told what happens.
        report: Whether the report is written as PDF too.
        tables: Further tables of the report.

    Raises:
        ValueError: Fewer than two models, one twice, models that predict different labels, or no
            bar that is new to all.
    """
    check_form(report)
    configs = [bundle_config(bundle) for bundle in bundles]
    _check(bundles, configs)
    watch = Stopwatch()
    named = data.paths or configs[0].data.paths
    with progress.busy(reading := "reading bars" if named else "simulating bars"):
        market = judged_market(bundles[0], data)
    watch.passed(reading)
    entrants = _entrants(bundles, configs, market, progress)
    watch.passed("features, predictions and backtests")
    first, *others = (bundle.folder for bundle in bundles)
    book = TrialBook.opened(first, market, configs[0], others=others)
    for entrant, config in zip(entrants, configs, strict=True):
        record_reading(book.with_config(config), entrant.bundle.predictor, entrant.judged)
    assessed = []
    for entrant, config in zip(entrants, configs, strict=True):
        with progress.busy(f"assessing {entrant.name}"):
            assessed.append(_assess(entrant, entrants, book, config.seed))
    watch.passed("assessing")
    with progress.busy("comparing"):
        shown = _comparison(entrants, assessed, configs, book)
    watch.passed("comparing")
    origin = origin_of(
        [*_words(bundles, data, configs), *form_options(report)],
        market,
        seconds=watch.seconds,
        needs=[counted(book.count().test_readings)],
    )
    shown = dataclasses.replace(shown, origin=origin, tables=tables)
    config = dataclasses.replace(
        configs[0], name="comparison", artifacts=str(bundles[0].folder.parent)
    )
    folder = new_run_folder(config)
    _write(folder, shown, entrants, report)
    return ComparedBundles(folder, shown)


def _words(
    bundles: Sequence[AnyBundle], data: DataConfig, configs: Sequence[ExperimentConfig]
) -> list[str]:
    """Return the words of the command that makes the same report."""
    plugins = dict.fromkeys(name for config in configs for name in config.plugins)
    loaded = [word for name in plugins for word in ("--plugin", name)]
    named = list_option("--bundles", [bundle.folder for bundle in bundles])
    return ["compare", *loaded, *named, *data_options(data)]


def _check(bundles: Sequence[AnyBundle], configs: Sequence[ExperimentConfig]) -> None:
    names = [bundle.folder.name for bundle in bundles]
    check_different([bundle.folder.resolve().name for bundle in bundles])
    labels = {name: config.label for name, config in zip(names, configs, strict=True)}
    if len(set(labels.values())) > 1:
        raise ValueError(
            f"models that predict different labels cannot be compared: {labels}; choose models "
            "of one label"
        )


def _entrants(
    bundles: Sequence[AnyBundle],
    configs: Sequence[ExperimentConfig],
    market: Market,
    progress: Progress,
) -> list[Entrant]:
    rows, probabilities = [], []
    for bundle in bundles:
        with progress.busy(f"predictions of {bundle.folder.name}"):
            rows.append(assemble_rows(market, configs[0].label, features_of(bundle, market)))
            probabilities.append(row_probability(bundle, market, rows[-1]))
    parts = _common_rows(rows, probabilities, _boundary(bundles))
    found = []
    for bundle, own, probability, part in zip(bundles, rows, probabilities, parts, strict=True):
        judge = Judge(
            market,
            own,
            part=part,
            backtest=configs[0].backtest,
            majority_up=bundle.metrics.get("majority_up"),
        )
        judged = judge.judge(bundle.folder.name, probability[part], bundle.threshold)
        found.append(Entrant(bundle, judge, judged))
    return found


def _boundary(bundles: Sequence[AnyBundle]) -> np.datetime64:
    """The time from which bars are in no model's training or validation part."""
    times = [pd.Timestamp(bundle.metrics["split"]["test_from"]) for bundle in bundles]
    return utc_time(max(times))


def _common_rows(
    rows: Sequence[Rows], probabilities: Sequence[np.ndarray], boundary: np.datetime64
) -> list[np.ndarray]:
    """Row numbers, for each model, of the decisions that all can make, in one order."""
    keys = [pd.MultiIndex.from_arrays([own.symbol_code, own.bar_row]) for own in rows]
    able = [
        key[np.isfinite(probability)] for key, probability in zip(keys, probabilities, strict=True)
    ]
    common = keys[0][(rows[0].decision_time >= boundary) & np.isfinite(probabilities[0])]
    for key in able[1:]:
        common = common.intersection(key, sort=False)
    if not len(common):
        raise ValueError(
            f"no bar is decided at or after {boundary}, where the last model's test part begins, "
            f"by all {len(rows)} models; bring later bars"
        )
    return [key.get_indexer(common) for key in keys]


def _assess(
    entrant: Entrant, entrants: Sequence[Entrant], book: TrialBook, seed: int
) -> Assessment:
    """Assess a model beside the others; trees are simpler than what is none."""
    trials = book.count()
    judge, judged = entrant.judge, entrant.judged
    rivals = [one for one in entrants if one is not entrant]
    simpler = [one for one in rivals if one.is_trees and not entrant.is_trees]
    verdict = judge.verdict(
        judged,
        trials=trials,
        simpler=[one.judged for one in simpler],
        others=[one.judged for one in rivals if one not in simpler],
        seed=seed,
    )
    return assess_judged(judge, judged, verdict, (), trials, seed=seed)


def _comparison(
    entrants: Sequence[Entrant],
    assessed: Sequence[Assessment],
    configs: Sequence[ExperimentConfig],
    book: TrialBook,
) -> ComparisonData:
    first = entrants[0].judge
    labels, times = first.labels(), first.rows.decision_time[first.part]
    known = np.flatnonzero(np.isfinite(labels))
    known = known[np.argsort(times[known], kind="stable")]
    result = contest(
        {e.name: np.square(_probability(e)[known] - labels[known]) for e in entrants},
        {e.name: e.judged.backtest.return_net for e in entrants},
        decision_time=times[known],
        horizon_bars=configs[0].label.horizon_bars,
        seed=configs[0].seed,
    )
    return ComparisonData(
        title=f"{len(entrants)} models: {', '.join(first.market.bars)}",
        simulated=first.market.simulated,
        models=[_model(e, a) for e, a in zip(entrants, assessed, strict=True)],
        confidence_set=result.confidence_set,
        superior=result.superior,
        overfitting=result.overfitting,
        pairwise=result.pairwise,
        trials=book.count(),
        rules=rules_note(
            [
                (entrant.name, flat(config.to_dict()["backtest"], "backtest."))
                for entrant, config in zip(entrants, configs, strict=True)
            ]
        ),
        distinct=_distinct(entrants),
        facts=_facts(first),
        config={
            "label": configs[0].to_dict()["label"],
            "backtest": configs[0].to_dict()["backtest"],
        },
        notes=_notes(first, entrants),
        files=FILES,
    )


def _probability(entrant: Entrant) -> np.ndarray:
    assert entrant.judged.probability is not None
    return entrant.judged.probability


def _model(entrant: Entrant, assessment: Assessment) -> ComparedModel:
    return ComparedModel(
        name=entrant.name,
        verdict=assessment.verdict,
        metrics=entrant.judged.metrics,
        intervals=assessment.intervals,
        sharpe=assessment.sharpe,
        backtest=entrant.judged.backtest,
        share_left_after_delay=assessment.robustness.delay.share_left,
        calls=_calls(entrant),
        regimes=assessment.robustness.regimes,
    )


def _facts(judge: Judge) -> dict[str, str]:
    facts = {"decisions in common": f"{len(judge.part):,}"} | bar_facts(judge.market)
    held = judge.judge_buy_and_hold().metrics
    gained = written(held["total_return"], "{:+.1%}")
    facts["buy and hold"] = f"net return {gained}, Sharpe {held['sharpe']:.2f}"
    return facts


def _distinct(entrants: Sequence[Entrant]) -> int:
    """How many of them predict, on the common decisions, what none before them does."""
    return len({_probability(entrant).tobytes() for entrant in entrants})


def _notes(judge: Judge, entrants: Sequence[Entrant]) -> list[str]:
    notes = list(judge.market.told)
    for bundle in (entrant.bundle for entrant in entrants):
        if note := fills_note(bundle, judge.market):
            notes.append(f"{bundle.folder.name}: {note}")
    return notes


def _write(
    folder: Path, shown: ComparisonData, entrants: Sequence[Entrant], form: ReportForm
) -> None:
    with whole_folder(folder) as draft:
        page = write_comparison_report(draft / "report.html", shown)
        if form == "pdf":
            pdf_beside(page)
        write_json_report(draft / "report.json", shown)
        table = [
            {
                "model": one.name,
                "verdict": one.verdict.kind,
                **one.metrics,
                "parameters": _parameters(entrant),
                **one.calls,
            }
            for one, entrant in zip(shown.models, entrants, strict=True)
        ]
        pd.DataFrame(table).to_csv(draft / "models.csv", index=False)


def _parameters(entrant: Entrant) -> float:
    """Return the number of weights that training may go on from; NaN of trees, which have none."""
    weights = [values.size for _, values in entrant.bundle.predictor.weights()]
    return float(sum(weights)) if weights else math.nan


def _calls(entrant: Entrant) -> dict[str, float]:
    """Return `ComparedModel.calls`."""
    labels, probability = entrant.judge.labels(), _probability(entrant)
    known = np.isfinite(labels)
    counts = confusion(labels[known], predicted_up(probability[known]))
    (down_right, up_wrong), (down_wrong, up_right) = counts.astype(float).tolist()
    return {
        "up_right": up_right,
        "up_wrong": up_wrong,
        "down_right": down_right,
        "down_wrong": down_wrong,
        "precision": float(precision_of(counts)[1]),
        "recall": float(recall_of(counts)[1]),
        "f1": float(f1_of(counts)[1]),
    }
