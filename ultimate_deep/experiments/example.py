"""The worked example: bars with a known answer, models of three kinds, an ensemble, a comparison.

Every step is the function that the commands call, so that this is also how to do it in Python.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ultimate_deep.bundles.bundle import load_any
from ultimate_deep.experiments.ensembles.config import EnsembleConfig
from ultimate_deep.experiments.ensembles.run import run_ensemble
from ultimate_deep.experiments.judging.comparing import ComparedBundles, compare_bundles
from ultimate_deep.experiments.run import Run
from ultimate_deep.experiments.series import open_series
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.training.progress import Progress


@dataclass(frozen=True, eq=False)
class Completed:
    """What the worked example has made.

    Args:
        folders: Each model's own bundle.
        ensemble: All of them together.
        compared: Who is better, who is the same.
        predictions: The ensemble's, made in a new process.
    """

    folders: tuple[Path, ...]
    ensemble: Run
    compared: ComparedBundles
    predictions: pd.DataFrame


def run_complete(
    configs: tuple[ExperimentConfig, ...],
    ensemble: EnsembleConfig,
    progress: Progress,
    *,
    resume: bool = False,
) -> Completed:
    """Train, combine, compare, then load the ensemble in a new process and predict.

    Args:
        configs: One experiment for each member, on the same bars.
        ensemble: How they are combined.
        progress: Told what happens.
        resume: Whether to go on with the newest series of that name.

    Raises:
        ValueError: What the steps themselves refuse; what is finished by then stays.
        FileNotFoundError: Nothing to resume.
        Interrupted: Ctrl-C or SIGTERM; resume.
        RuntimeError: The new process could not predict.
    """
    with open_series(ensemble.name, ensemble.artifacts, configs, resume=resume) as series:
        folders = series.run(progress)
        progress.message("== the ensemble")
        combined = run_ensemble(folders, ensemble, progress, named=series.keep_result)
        series.close()
    progress.message("== the comparison")
    bundles = [load_any(one) for one in (*folders, combined.folder)]
    compared = compare_bundles(bundles, configs[0].data, progress)
    progress.message("== the ensemble in a new process")
    predictions = predict_elsewhere(combined.folder)
    return Completed(tuple(folders), combined, compared, predictions)


def predict_elsewhere(folder: Path) -> pd.DataFrame:
    """Return what `ultimate-deep predict` writes for the run's own bars, in a new process.

    Raises:
        RuntimeError: It failed; with what it said.
    """
    output = folder.parent / f"{folder.name}-predictions.csv"
    given = ["predict", "--bundle", str(folder), "--output", str(output)]
    command = [sys.executable, "-m", "ultimate_deep", *given]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"ultimate-deep predict could not load {folder}: {done.stderr.strip()}")
    return pd.read_csv(output)
