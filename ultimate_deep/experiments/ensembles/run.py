"""Finished bundles to one ensemble: combined, calibrated, judged like any model, and written."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ultimate_deep.bundles import files
from ultimate_deep.bundles.bundle import Bundle, load_bundle
from ultimate_deep.bundles.ensembles.combiner import Combiner, EnsembleError
from ultimate_deep.bundles.ensembles.outputs import feature_columns
from ultimate_deep.bundles.ensembles.pooling import average_pool
from ultimate_deep.bundles.ensembles.predictor import (
    CALIBRATION_FILE,
    MEMBERS_FILE,
    EnsemblePredictor,
)
from ultimate_deep.bundles.manifest import write_manifest
from ultimate_deep.bundles.predicting import bundle_config
from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.reporting.data import ReportData
from ultimate_deep.evaluation.reporting.json_report import write_json_report
from ultimate_deep.evaluation.reporting.origin import Origin
from ultimate_deep.evaluation.reporting.pdf import check_form, pdf_beside
from ultimate_deep.evaluation.reporting.report import write_report
from ultimate_deep.experiments.ensembles.config import EnsembleConfig
from ultimate_deep.experiments.ensembles.diversity import member_table
from ultimate_deep.experiments.ensembles.members import (
    Members,
    open_members,
    out_of_fold_logits,
    stacking_rows,
)
from ultimate_deep.experiments.ensembles.pooling import fit_pool
from ultimate_deep.experiments.ensembles.stacking import fit_logistic_stack, fit_tree_stack
from ultimate_deep.experiments.ensembles.two_stage import StoppingRows, fit_two_stage, trees_of
from ultimate_deep.experiments.experiment import Outcome, evaluate
from ultimate_deep.experiments.finished import named_rows
from ultimate_deep.experiments.judging.assessing import assess_outcome
from ultimate_deep.experiments.reporting import report_data
from ultimate_deep.experiments.reproducing import (
    counted,
    form_options,
    list_option,
    options_of,
    origin_of,
    plugin_options,
)
from ultimate_deep.experiments.run import Run
from ultimate_deep.experiments.runs import RESULT, Workplace, result_place, tidy
from ultimate_deep.experiments.trials import TrialBook, check_ledgers
from ultimate_deep.experiments.writing import run_metrics
from ultimate_deep.machine.duration import Stopwatch
from ultimate_deep.machine.files import write_json
from ultimate_deep.machine.places import check_places
from ultimate_deep.machine.screen import Fitting
from ultimate_deep.machine.side_by_side.workers import Workers
from ultimate_deep.market.config import DataConfig
from ultimate_deep.pipeline.calibration import log_loss_of_logits
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig
from ultimate_deep.pipeline.forecasts import judged_heads
from ultimate_deep.pipeline.inputs.tables import InputTable, InputTables, RowInputs
from ultimate_deep.pipeline.prepared import Prepared
from ultimate_deep.pipeline.scaling import ArrayScaler
from ultimate_deep.pipeline.steps import Steps
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.result import FitResult


@dataclass(frozen=True, kw_only=True)
class EnsemblePlan:
    """What was combined, and how.

    Args:
        model: The ensemble's name.
        members: Names of the members.
        method: One of the methods of `EnsembleConfig`.
        rows: Rows of each part.
    """

    model: str
    members: tuple[str, ...]
    method: str
    rows: dict[str, int]

    def lines(self) -> dict[str, str]:
        """Return the plan as plain text by heading."""
        rows = ", ".join(f"{count:,} {name}" for name, count in self.rows.items())
        return {"members": ", ".join(self.members), "method": self.method, "rows": rows}


def run_ensemble(
    folders: Sequence[str | Path],
    config: EnsembleConfig,
    progress: Progress,
    *,
    tables: Callable[[Outcome], Mapping[str, pd.DataFrame]] = lambda outcome: {},
    named: Callable[[Path], None] = lambda folder: None,
    fills: str | tuple[str, ...] = (),
    workers: Workers = Workers(),
) -> Run:
    """Combine finished bundles into a new folder of `config.artifacts`.

    Members are neither trained nor calibrated anew; stacking trains copies of them on folds of
    the training part. Weights, temperature and threshold come from validation (a stack's weights
    from the training part); the test part is read once, at the end.

    Args:
        folders: Finished bundles of the same bars, label and split; two or more but for
            `two_stage`.
        config: How they are combined.
        progress: Told what happens.
        tables: What else the folder holds as CSV files, by name.
        named: Told the folder, before it appears.
        fills: Finer bars that orders are filled from, in place of those of the first member.
        workers: How many trainings of stacking at a time.

    Raises:
        BundleError: A folder is no sound bundle.
        EnsembleError: Members that do not fit each other.
    """
    check_form(config.report)
    check_places(artifacts=config.artifacts)
    check_ledgers(config.artifacts)  # before the members are loaded
    tidy(Path(config.artifacts), progress.message)
    watch = Stopwatch()
    bundles = _load_each_once(folders)
    watch.passed("loading members")
    members = open_members(bundles, progress, fewest=config.fewest, fills=fills)
    watch.passed("bars, features and members' predictions")
    combiner = fit_combiner(members, config, progress, workers)
    prepared = combined_rows(members, combiner, config)
    watch.passed("combining")
    predictor = EnsemblePredictor(combiner, bundles)
    with result_place(prepared.config) as place:
        named(place.folder)
        return _judge_and_write(place, members, prepared, predictor, progress, watch, tables)


def _judge_and_write(
    place: Workplace,
    members: Members,
    prepared: Prepared,
    predictor: EnsemblePredictor,
    progress: Progress,
    watch: Stopwatch,
    tables: Callable[[Outcome], Mapping[str, pd.DataFrame]],
) -> Run:
    """Calibrate, judge and report the ensemble, and make its folder appear."""
    folder, config, combiner = place.folder, prepared.config, predictor.combiner
    book = TrialBook.opened(
        folder, members.market, prepared.config,
        others=[bundle.folder for bundle in members.bundles.values()],
    )  # fmt: skip
    fitted = combining(members, combiner, sum(watch.seconds.values()))
    outcome = evaluate(prepared, predictor, fitted, progress, book=book)
    watch.passed("predicting and baselines")
    with progress.busy("assessing: chance, trials, costs, delay, regimes, random entry"):
        assessment = assess_outcome(prepared, outcome)
    watch.passed("assessing")
    parts = {name: len(prepared.part(name)) for name in ("train", "validation", "test")}
    method = str(config.model.options["method"])
    plan = EnsemblePlan(model=config.name, members=members.names, method=method, rows=parts)
    run = Run(folder, prepared, outcome, assessment, plan)
    with progress.busy("writing members, combiner, report and manifest"):
        witness = {"ledger": dataclasses.asdict(book.head()), "seconds": watch.seconds}
        _write(place, run, members, predictor, witness, tables(outcome))
    place.finish(place.path / RESULT, latest=True)
    return run


def _load_each_once(folders: Sequence[str | Path]) -> dict[str, Bundle]:
    bundles: dict[str, Bundle] = {}
    for path in folders:
        bundle = load_bundle(path)
        if bundle.folder.name in bundles:
            raise EnsembleError(f"{bundle.folder.name} is named twice; give each member once")
        bundles[bundle.folder.name] = bundle
    return bundles


def fit_combiner(
    members: Members, config: EnsembleConfig, progress: Progress, workers: Workers = Workers()
) -> Combiner:
    """Return what the configured method makes of the members."""
    if config.method == "average":
        return average_pool(members.names, members.labels.shape[1], members.temperature)
    if config.method == "weighted":
        part = members.split.validation
        return fit_pool(
            members.names, members.logits[:, part], members.labels[part],
            temperature=members.temperature, pull=config.pull,
        )  # fmt: skip
    found = out_of_fold_logits(members, config, progress, workers)
    labels = members.labels[stacking_rows(members)]
    if config.method == "logistic_stack":
        return fit_logistic_stack(found, labels, pull=config.pull)
    if config.method == "tree_stack":
        return fit_tree_stack(found, labels)
    values, part = members.rows.values, members.split.validation
    stopping = StoppingRows(
        logits=members.logits[:, part], features=values[part], labels=members.labels[part]
    )
    features = values[stacking_rows(members)]
    library, grown, said = trees_of(config.trees)
    progress.message(said)
    names = members.rows.names
    return fit_two_stage(found, labels, features, names, stopping, grown, library=library)


def render_members(run: Run) -> Fitting:
    """Return what each member brings, for a rich console."""
    found = pd.read_csv(run.folder / MEMBERS_FILE)
    rows = [[_cell(value) for value in row] for row in found.itertuples(index=False)]
    return named_rows(list(found.columns), rows, title="Members, on validation")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if math.isnan(value) else f"{value:.4f}"
    return str(value)


def combined_rows(
    members: Members, combiner: Combiner, config: EnsembleConfig, steps: Steps = Steps()
) -> Prepared:
    """Return the rows with all that the combiner reads as the model's inputs."""
    rows = members.rows
    options: dict[str, Any] = {"members": list(members.names), **dataclasses.asdict(config)}
    report = options.pop("report")
    own = dataclasses.replace(
        members.config, name=config.name, artifacts=config.artifacts, report=report,
        model=ModelConfig(name=EnsemblePredictor.kind, options=options),
    )  # fmt: skip
    scaler = steps.scale(rows.values, stacking_rows(members))
    scaled = ArrayScaler.from_sklearn(scaler).transform(rows.values)
    count = len(rows.labels)
    logits = np.moveaxis(members.logits, 0, 1).reshape(count, -1)
    side_by_side = np.hstack([logits, feature_columns(members.rows, combiner.feature_names)])
    table = InputTable(None, np.arange(count), np.ones(count, bool), None, scaled=False)
    inputs = RowInputs({"logits": side_by_side}, InputTables({"logits": table}), {})
    return Prepared(own, members.market, rows, members.split, scaler, scaled, inputs, steps)


def combining(members: Members, combiner: Combiner, seconds: float) -> FitResult:
    """Return the ensemble's validation loss in the shape of a training's end."""
    part = members.split.validation
    features = feature_columns(members.rows, combiner.feature_names)[part]
    logits = combiner.combine(members.logits[:, part], features).astype(np.float64)
    labels = members.labels[part]
    known = np.isfinite(labels) & (labels != 0.5)
    loss = log_loss_of_logits(logits[known], labels[known])
    return FitResult(
        history=pd.DataFrame({"epoch": [1], "validation_loss": [loss]}),
        best_epoch=1,
        epochs_run=1,
        seconds=seconds,
        stopped_reason="members combined",
        first_step_seconds=float("nan"),
        step_seconds=float("nan"),
    )


def _write(
    place: Workplace,
    run: Run,
    members: Members,
    predictor: EnsemblePredictor,
    witness: dict[str, Any],
    tables: Mapping[str, pd.DataFrame],
) -> None:
    prepared, outcome, part = run.prepared, run.outcome, members.split.validation
    combiner = predictor.combiner
    features = feature_columns(members.rows, combiner.feature_names)[part]
    table = member_table(combiner, members.logits[:, part], members.labels[part], features)
    metrics = run_metrics(prepared, outcome, run.plan)
    metrics |= witness | {"members": json_safe(table.to_dict(orient="records"))}
    report = dataclasses.replace(
        _report(run, predictor, table), origin=_origin(run, members, witness["seconds"])
    )
    draft = place.path / RESULT
    draft.mkdir()
    predictor.save(draft)
    _write_calibration(draft / CALIBRATION_FILE, outcome)
    for name, one in {MEMBERS_FILE: table, **tables}.items():
        one.to_csv(draft / name, index=False)
    write_json(draft / files.CONFIG_FILE, json_safe(prepared.config.to_dict()))
    write_json(draft / files.METRICS_FILE, json_safe(metrics))
    page = write_report(draft / "report.html", report)
    if prepared.config.report == "pdf":
        pdf_beside(page)
    write_json_report(draft / "report.json", report)
    write_manifest(
        draft,
        feature_names=predictor.feature_names,
        horizons=predictor.horizons,
        data_fingerprint=members.market.fingerprint(),
        kind=predictor.kind,
    )


def _origin(run: Run, members: Members, seconds: Mapping[str, float]) -> Origin:
    config, options = run.prepared.config, dict(run.prepared.config.model.options)
    options.pop("members")
    asked = EnsembleConfig(**options)
    # Snapshots are of members that were to be trained; by now they are bundles.
    plain = EnsembleConfig(
        artifacts=asked.artifacts,
        snapshots=asked.snapshots,
        snapshot_cycles=asked.snapshot_cycles,
    )
    folders = [bundle.folder for bundle in members.bundles.values()]
    words = ["ensemble", *plugin_options(config), *list_option("--bundles", folders)]
    words += options_of(asked, "ensemble.", default=plain)
    if asked.artifacts != ExperimentConfig().artifacts:
        words += ["--artifacts", asked.artifacts]
    # Those of the first member are found again by its bundle.
    own = bundle_config(next(iter(members.bundles.values()))).data.fills
    if config.data.fills and config.data.fills != own:
        words += options_of(DataConfig(fills=config.data.fills), "data.")
    words += form_options(config.report)
    return origin_of(
        words,
        members.market,
        seconds=seconds,
        needs=[
            "The members' own reports say how they come about.",
            counted(run.outcome.trials.test_readings),
        ],
    )


def _report(run: Run, predictor: EnsemblePredictor, table: pd.DataFrame) -> ReportData:
    # An ensemble has no learning curve: its one row of history is left out of the page.
    fitted = run.outcome.fit
    outcome = dataclasses.replace(
        run.outcome, fit=dataclasses.replace(fitted, history=pd.DataFrame())
    )
    measures, _ = judged_heads(run.prepared, outcome.outputs["test"], outcome.temperatures)
    data = report_data(run.prepared, predictor, outcome, run.assessment, run.plan, measures)
    facts = dict(data.facts) | {"training": f"members combined in {fitted.seconds:.0f} s"}
    notes = [*_member_sentences(table), *data.notes]
    return dataclasses.replace(data, facts=facts, notes=notes)


def _member_sentences(table: pd.DataFrame) -> list[str]:
    members = table[table["member"] != "ensemble"].to_dict(orient="records")
    return [
        f"Member {row['member']}, horizon {row['horizon']}: weight {row['weight']:.3f}, validation "
        f"log loss {row['log_loss']:.4f} alone, mean correlation with the others "
        f"{row['correlation']:.2f}, gain {row['gain']:+.5f} nats."
        for row in members
    ]


def _write_calibration(path: Path, outcome: Outcome) -> None:
    content = {
        "temperature": outcome.temperatures.tolist(),
        "threshold": float(outcome.model.threshold),
    }
    write_json(path, content)
