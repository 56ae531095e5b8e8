"""A saved model judged with everything that a run is judged with, on any bars."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import expit, logit

from ultimate_deep.bundles.predicting import AnyBundle
from ultimate_deep.evaluation.assessment import Assessment
from ultimate_deep.evaluation.reporting.data import Contender, Predictions, ReportData
from ultimate_deep.evaluation.reporting.json_report import write_json_report
from ultimate_deep.evaluation.reporting.origin import Origin
from ultimate_deep.evaluation.reporting.pdf import ReportForm, check_form, pdf_beside
from ultimate_deep.evaluation.reporting.report import write_report
from ultimate_deep.experiments.baselines import fitted_note
from ultimate_deep.experiments.judging.assessing import assess_judged
from ultimate_deep.experiments.judging.rejudged import Period, Rejudged, backtest_bundle
from ultimate_deep.experiments.judging.rivals import judge_rivals
from ultimate_deep.experiments.learners.registry import simpler_than
from ultimate_deep.experiments.reporting import bar_facts
from ultimate_deep.experiments.reproducing import (
    counted,
    data_options,
    form_options,
    named_path,
    origin_of,
    plugin_options,
)
from ultimate_deep.experiments.runs import new_run_folder
from ultimate_deep.machine.duration import Stopwatch
from ultimate_deep.machine.files import whole_folder
from ultimate_deep.market.config import DataConfig
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.judge import Judgement
from ultimate_deep.training.progress import Progress

FILES = {
    "report.html": "this page",
    "report.json": "the same figures",
    "trades.csv": "every trade of the model",
}


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A model's evaluation and where it was written.

    Args:
        folder: Report, figures and trades.
        rejudged: The model on these bars.
        assessment: Verdict and what it rests on.
    """

    folder: Path
    rejudged: Rejudged
    assessment: Assessment


def evaluate_bundle(
    bundle: AnyBundle,
    data: DataConfig,
    period: Period,
    progress: Progress,
    *,
    report: ReportForm = "html",
) -> Evaluated:
    """Judge a bundle on bars and write the report into a new folder beside it.

    The reading is counted in the user's ledger.

    Args:
        bundle: What is judged.
        data: The bars; options that are not given are the run's.
        period: Which of them are judged.
        progress: Told what happens.
        report: Whether the report is written as PDF too.

    Raises:
        ValueError: No bar lies in the period, or bad bars, or nothing is there that writes PDFs.
    """
    check_form(report)
    with progress.busy("features, predictions and backtest"):
        rejudged = backtest_bundle(bundle, data, period)
    for note in rejudged.notes:
        progress.message(note)
    judge, config = rejudged.judge, rejudged.config
    watch = Stopwatch()
    with progress.busy("baselines, fitted on the bars before"):
        rejudged = _with_baselines(rejudged)
    watch.passed("baselines")
    with progress.busy("assessing: chance, trials, costs, delay, regimes, random entry"):
        known = simpler_than(config.model.name)
        verdict = judge.verdict(
            rejudged.judgement,
            trials=rejudged.trials,
            simpler=[one for one in rejudged.rivals if one.name in known],
            others=[one for one in rejudged.rivals if one.name not in known],
            seen=rejudged.seen,
            seed=config.seed,
        )
        decided = judge.rows.decision_time
        assessment = assess_judged(
            judge,
            rejudged.judgement,
            verdict,
            rejudged.rivals,
            rejudged.trials,
            before=np.flatnonzero(decided < decided[judge.part].min()),
            seed=config.seed,
        )
    watch.passed("assessing")
    origin = origin_of(
        [*_words(bundle, data, period, config), *form_options(report)],
        judge.market,
        seconds={**rejudged.seconds, **watch.seconds},
        needs=[counted(rejudged.trials.test_readings)],
    )
    named = dataclasses.replace(
        config, name=f"evaluation-{bundle.folder.name}", artifacts=str(bundle.folder.parent)
    )
    folder = new_run_folder(named)
    with progress.busy("writing the report"):
        _write(folder, rejudged, _report(rejudged, assessment, origin), report)
    return Evaluated(folder, rejudged, assessment)


def _with_baselines(rejudged: Rejudged) -> Rejudged:
    """Return the same beside baselines fitted on the bars before, where there are some.

    Nothing is fitted for a run that had none, or where bars of its training are judged too.
    """
    judge, config = rejudged.judge, rejudged.config
    decided = judge.rows.decision_time
    known = np.flatnonzero(np.isfinite(judge.rows.labels) & (decided < decided[judge.part].min()))
    times = np.unique(decided[known])
    reach = config.label.horizon_bars + 1  # labels of the last rows reach into the part
    if not config.baselines or rejudged.seen or len(times) <= reach:
        return rejudged
    before = known[decided[known] < times[-reach]]
    trained, told = judge_rivals(judge, before, config.label, features=None, seed=config.seed)
    own = [one for one in rejudged.rivals if one.name not in {each.name for each in trained}]
    return dataclasses.replace(rejudged, rivals=(*trained, *own), notes=(*rejudged.notes, *told))


def _words(
    bundle: AnyBundle, data: DataConfig, period: Period, config: ExperimentConfig
) -> list[str]:
    """Return the words of the command that makes the same report."""
    which = ["--period", period] if period != "test" else []
    where = ["--bundle", named_path(bundle.folder)]
    return ["evaluate", *plugin_options(config), *where, *data_options(data), *which]


def _report(rejudged: Rejudged, assessment: Assessment, origin: Origin) -> ReportData:
    judge, judged, bundle = rejudged.judge, rejudged.judgement, rejudged.bundle
    probability = judged.probability
    assert probability is not None
    # One temperature for each horizon; the first is the one that is traded.
    temperature = float(bundle.temperature[0])
    seen = ", bars of before its test part included" if rejudged.seen else ""
    return ReportData(
        title=f"{bundle.folder.name}: {', '.join(judge.market.bars)}{seen}",
        verdict=assessment.verdict,
        simulated=judge.market.simulated,
        test=Predictions(
            label=judge.labels(),
            probability=probability,
            probability_raw=expit(logit(probability) * temperature),
            return_log=judge.rows.return_log[judge.part],
        ),
        threshold=judged.threshold,
        temperature=temperature,
        contenders=_contenders(rejudged, assessment),
        backtest=judged.backtest,
        buy_and_hold=rejudged.rivals[-1].backtest,
        mode=judge.config.mode,
        costs=judge.config.costs,
        facts={"decisions": f"{rejudged.rows:,}"} | bar_facts(judge.market),
        config=rejudged.config.to_dict(),
        notes=[f"{note.removesuffix('.')}." for note in rejudged.notes],
        files=FILES,
        assessment=assessment,
        origin=origin,
        fitted=fitted_note((one.name for one in rejudged.rivals), "evaluation"),
    )


def _contenders(rejudged: Rejudged, assessment: Assessment) -> list[Contender]:
    """The model, its rivals here, and on the run's own bars the run's baselines of other names."""
    model: Judgement = rejudged.judgement
    found = [
        Contender(name="model", metrics=model.metrics, accuracy=assessment.verdict.accuracy),
        *(Contender(name=one.name, metrics=one.metrics) for one in rejudged.rivals),
    ]
    if not rejudged.repeats_run:
        return found
    stored = rejudged.bundle.metrics["test"]
    for name, figures in stored.items():
        if name not in {one.name for one in found}:
            known = {key: value for key, value in figures.items() if value is not None}
            found.append(Contender(name=f"{name} (the run's)", metrics=known))
    return found


def _write(folder: Path, rejudged: Rejudged, report: ReportData, form: ReportForm) -> None:
    with whole_folder(folder) as draft:
        page = write_report(draft / "report.html", report)
        if form == "pdf":
            pdf_beside(page)
        write_json_report(draft / "report.json", report)
        rejudged.judgement.backtest.trades.to_csv(draft / "trades.csv", index=False)
