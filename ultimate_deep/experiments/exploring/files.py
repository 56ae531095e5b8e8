"""The folder of an exploration: report, tables, and what a later run can take from it."""

from pathlib import Path
from typing import Any

import pandas as pd

from ultimate_deep.evaluation.json_safe import json_safe
from ultimate_deep.evaluation.reporting.page import write_page
from ultimate_deep.experiments.exploring.exploration import Exploration
from ultimate_deep.experiments.exploring.report import render_exploration
from ultimate_deep.experiments.exploring.summary import (
    counts,
    heading,
    notes,
    on_simulated,
    sentence,
    sorted_features,
)
from ultimate_deep.experiments.runs import RESULT, result_place, tidy
from ultimate_deep.machine.files import write_json, write_text
from ultimate_deep.pipeline.config import ExperimentConfig


def write_exploration(explored: Exploration) -> Path:
    """Write a new folder beside the runs, whole or not at all, and return it.

    `artifacts/latest` stays where it is: it names a model.
    """
    config = explored.config
    tidy(Path(config.artifacts))
    with result_place(ExperimentConfig(name=config.name, artifacts=config.artifacts)) as place:
        draft = place.path / RESULT
        draft.mkdir()
        _write_files(draft, explored, place.folder.name)
        place.finish(draft)
    return place.folder


def _write_files(folder: Path, explored: Exploration, name: str) -> None:
    write_page(folder / "report.html", render_exploration(explored))
    sorted_features(explored).to_csv(folder / "features.csv", index=False)
    scores = explored.scores
    periods = pd.DataFrame(scores.by_period, columns=list(scores.periods))
    periods.insert(0, "name", scores.names)
    periods.to_csv(folder / "ic_by_period.csv", index=False)
    if explored.importances is not None:
        explored.importances.to_frame().to_csv(folder / "importance.csv", index=False)
    write_json(folder / "exploration.json", exploration_dict(explored))
    write_json(folder / "selection.json", explored.selection.to_dict())
    write_json(folder / "limits.json", explored.limits.to_dict())
    write_json(folder / "config.json", json_safe(explored.config.to_dict()))
    lines = [
        f"# Features kept by {name}"
        f"{on_simulated(explored)}: constant, duplicate and collinear ones are left out.",
        "features:",
        "  names:",
        *(f"  - {name}" for name in explored.selection.kept),
    ]
    write_text(folder / "selected.yaml", "\n".join(lines) + "\n")


def exploration_dict(explored: Exploration) -> dict[str, Any]:
    """Everything that the page says, as plain JSON values."""
    scores, stability = explored.scores, explored.stability
    return json_safe(
        {
            "simulated": explored.market.simulated,
            "verdict": {"heading": heading(explored), "sentence": sentence(explored)},
            "part": "train",
            "rows": explored.train_rows,
            "from": explored.train_span[0],
            "to": explored.train_span[1],
            "counts": counts(explored),
            "left_out": explored.left_out,
            "features": sorted_features(explored),
            "ic_by_period": {"periods": scores.periods, "rows": scores.rows_by_period}
            | dict(zip(scores.names, scores.by_period, strict=True)),
            "psi_by_period": {"periods": stability.periods, "rows": stability.rows_by_period}
            | dict(zip(stability.names, stability.psi, strict=True)),
            "importance": explored.importances,
            "notes": notes(explored),
        }
    )
