"""From a judged run to its folder: model, tables, figures and page."""

import dataclasses
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ultimate_deep.bundles.contents import BundleContents
from ultimate_deep.bundles.judged_bars import FILLS
from ultimate_deep.bundles.predictor import Predictor
from ultimate_deep.bundles.writing import bundle_writer
from ultimate_deep.evaluation.assessment import Assessment
from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.reporting.json_report import write_json_report
from ultimate_deep.evaluation.reporting.origin import Origin
from ultimate_deep.evaluation.reporting.pdf import pdf_beside
from ultimate_deep.evaluation.reporting.report import write_report
from ultimate_deep.experiments.experiment import PARTS, Outcome, Prepared
from ultimate_deep.experiments.kept import Kept, digest_of, versions_of
from ultimate_deep.experiments.learners.learner import Planned
from ultimate_deep.experiments.reporting import report_data
from ultimate_deep.experiments.reproducing import origin_of_run
from ultimate_deep.experiments.takeaway import write_takeaway
from ultimate_deep.machine.files import write_json
from ultimate_deep.training.loop.plan import Planlike


@dataclass(frozen=True, eq=False)
class Extras:
    """What a bundle holds beside an ordinary run's files.

    Args:
        metrics: Further entries of `metrics.json`.
        tables: Further CSV files by name.
        settings: Further JSON files by name.
        command: Words of the command that makes such a bundle; those of a run where empty.
    """

    metrics: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    command: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Judged:
    """A trained run with all that was found of it, before it is written.

    Args:
        planned: What was trained.
        predictor: The trained model.
        outcome: Figures and verdict.
        assessment: What the verdict rests on.
        measures: Measures of every head on the test part.
        model_files: Folder of the model's files, where they are written already.
        seconds: What each step took.
        resumed: Whether the run had been interrupted.
    """

    planned: Planned
    predictor: Predictor
    outcome: Outcome
    assessment: Assessment
    measures: pd.DataFrame
    model_files: Path | None
    seconds: Mapping[str, float]
    resumed: bool


def write_run(folder: Path, judged: Judged, extras: Extras, *, workspace: Path) -> None:
    """Write a judged run as a bundle with its tables and its page.

    Args:
        folder: Where the bundle appears, whole or not at all.
        judged: What was trained and found.
        extras: What else the bundle holds.
        workspace: Folder of the draft; what is in it is removed first.
    """
    shutil.rmtree(workspace, ignore_errors=True)  # what a killed one has begun to write
    planned, outcome = judged.planned, judged.outcome
    prepared, predictor, plan = planned.prepared, judged.predictor, planned.plan
    contents = BundleContents(
        model=predictor,
        feature_names=prepared.rows.names,
        families=prepared.rows.families,
        scaler=prepared.scaler,
        temperature=outcome.temperatures,
        threshold=outcome.model.threshold,
        config=prepared.config.to_dict(),
        metrics=run_metrics(prepared, outcome, plan) | dict(extras.metrics),
        history=outcome.fit.history,
        architecture=predictor.describe(),
        data_fingerprint=prepared.market.fingerprint(),
        scalers=prepared.inputs.scalers,
        limits=prepared.limits,
    )
    summary: dict[str, Any] = {"run": folder.name, "model": prepared.config.model.name}
    if outcome.notes:
        summary["notes"] = list(outcome.notes)
    with bundle_writer(folder, workspace=workspace) as draft:
        draft.save(contents, model_files=judged.model_files)
        for name, table in extras.tables.items():
            table.to_csv(draft.path / name, index=False)
        for name, settings in extras.settings.items():
            write_json(draft.path / name, json_safe(dict(settings)))
        report = report_data(prepared, predictor, outcome, judged.assessment, plan, judged.measures)
        report = dataclasses.replace(report, origin=_origin(folder, judged, extras))
        page = write_report(draft.path / "report.html", report)
        if prepared.config.report == "pdf":
            pdf_beside(page)
        write_json_report(draft.path / "report.json", report)
        write_takeaway(
            draft.path,
            prepared.judge("test"),
            outcome.model,
            outcome.baselines,
            verdict=json_safe(outcome.verdict),
            form=prepared.config.tables,
            facts=summary,
            trials=outcome.trials,
        )


def _origin(folder: Path, judged: Judged, extras: Extras) -> Origin:
    planned = judged.planned
    return origin_of_run(
        folder,
        planned.prepared,
        seconds=judged.seconds,
        readings=judged.outcome.trials.test_readings,
        command=extras.command,
        net_given=planned.given,
        tried=planned.tried,
        resumed=judged.resumed,
    )


def model_files_of(predictor: Predictor, temperatures: np.ndarray, kept: Kept) -> Path | None:
    """Return the folder of the model's files, written once however often the writing is killed."""
    origin = versions_of(of=["keras", "tensorflow"]) | {
        "model": predictor.digest(),
        "temperatures": digest_of(temperatures),
    }
    return kept.folder_of(
        "model files", origin, lambda folder: predictor.save(folder, temperature=temperatures)
    )


def run_metrics(prepared: Prepared, outcome: Outcome, plan: Planlike) -> dict[str, Any]:
    """Return everything that `metrics.json` holds."""
    first, second = prepared.split.boundaries
    test = {"model": dict(outcome.model.metrics)}
    test |= {judged.name: dict(judged.metrics) for judged in outcome.baselines}
    choice = outcome.model.choice
    return {
        "simulated": prepared.market.simulated,
        "bars_given": prepared.bars_given,
        FILLS: prepared.market.fills_digest or None,
        "own_steps": list(prepared.steps.own),
        "verdict": json_safe(outcome.verdict),
        "majority_up": prepared.majority_up,
        "trials": json_safe(outcome.trials),
        "test": test,
        "temperature": dataclasses.asdict(outcome.temperature),
        "threshold": {
            "threshold": outcome.model.threshold,
            "validation_mean_net_return": choice.value if choice else None,
            "validation_coverage": choice.coverage if choice else None,
            "note": choice.note if choice else "",
        },
        "split": {
            "validation_from": first.isoformat(),
            "test_from": second.isoformat(),
            "rows": {name: len(prepared.part(name)) for name in PARTS},
            "labelled_rows": {name: len(prepared.labelled(name)) for name in PARTS},
            "purged": prepared.split.purged,
            "embargoed": prepared.split.embargoed,
        },
        "data": {
            symbol: {
                "bars": len(bars.frame),
                "from": bars.frame.index[0].isoformat(),
                "to": bars.frame.index[-1].isoformat(),
                "interval_seconds": bars.interval.total_seconds(),
                "session": None if bars.irregular else bars.session,
                "irregular": bars.irregular,
                "stamp": "open" if bars.opens_known else "close",
                "bars_per_year": bars.bars_per_year,
                "notes": list(bars.notes),
            }
            for symbol, bars in prepared.market.bars.items()
        },
        "dropped_features": dict(prepared.rows.dropped) | prepared.left_out.reasons,
        "fit": {
            "best_epoch": outcome.fit.best_epoch,
            "epochs_run": outcome.fit.epochs_run,
            "seconds": outcome.fit.seconds,
            "stopped_reason": outcome.fit.stopped_reason,
            "first_step_seconds": outcome.fit.first_step_seconds,
            "step_seconds": outcome.fit.step_seconds,
        },
        "plan": plan.lines(),
    }
