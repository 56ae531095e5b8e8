"""Small jobs of every kind that writes folders, and what must be there after each."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ultimate_deep.bundles.bundle import load_any
from ultimate_deep.experiments.ensembles.config import EnsembleConfig
from ultimate_deep.experiments.ensembles.run import run_ensemble
from ultimate_deep.experiments.run import run_experiment
from ultimate_deep.experiments.series import open_series
from ultimate_deep.experiments.tuning.tune import tune_experiment
from ultimate_deep.experiments.tuning.tune_config import TuneConfig
from ultimate_deep.experiments.walk_forward.config import WalkForwardConfig
from ultimate_deep.experiments.walk_forward.report import write_walk
from ultimate_deep.experiments.walk_forward.walk_forward import finish, walk_forward
from ultimate_deep.machine.files import FinishedError
from ultimate_deep.market.config import DataConfig, LabelSpec
from ultimate_deep.market.market import load_market
from ultimate_deep.pipeline.config import ExperimentConfig, FeatureConfig, ModelConfig
from ultimate_deep.pipeline.gaf_config import GafFilesConfig
from ultimate_deep.pipeline.gaf_files import write_gaf_files
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.progress import Progress

Make = Callable[[Path, bool], None]
QUIET = Progress()
LABEL = LabelSpec(horizon_bars=3)


@dataclass(frozen=True)
class Job:
    """Something that writes a folder, and can be gone on with.

    Args:
        make: Called with the folder to write into, and whether to resume.
        finished: How many folders it leaves.
        is_model: Whether `latest` points at the last of them.
    """

    make: Make
    finished: int = 1
    is_model: bool = True


def config_of(folder: Path, name: str, model: str = "linear") -> ExperimentConfig:
    """Return an experiment of seconds."""
    return ExperimentConfig(
        name=name,
        artifacts=str(folder),
        data=DataConfig(simulated_rows=1_500, simulated_edge=0.2),
        features=FeatureConfig(names=("return_log_1", "rsi_14", "momentum_z_20")),
        model=ModelConfig(name=model),
        fit=FitConfig(epochs=2, batch_size=256, jit_compile=False),
        baselines=False,
    )


def run(folder: Path, resume: bool) -> None:
    """Train one model."""
    run_experiment(config_of(folder, "run"), QUIET, resume=resume)


def tune(folder: Path, resume: bool) -> None:
    """Search among two configurations and finish the better one."""
    settings = TuneConfig(trials=2, epochs=2, fields=("fit.learning_rate",))
    tune_experiment(config_of(folder, "search"), settings, QUIET, resume=resume)


def pictures(folder: Path, resume: bool) -> None:
    """Write pictures of a few bars."""
    settings = GafFilesConfig(output=str(folder / "gaf"), window_bars=16, size=8)
    market = load_market(DataConfig(simulated_rows=300), LABEL)
    write_gaf_files(market, LABEL, settings, resume=resume)


def walk(folder: Path, resume: bool) -> None:
    """Walk forward in two folds."""
    settings = WalkForwardConfig(train=0.5, test=0.25)
    walked = walk_forward(config_of(folder, "walk"), settings, QUIET, resume=resume)
    write_walk(walked)
    finish(walked)


def ensemble(folder: Path, resume: bool) -> None:
    """Train two members and combine them."""
    members = [config_of(folder, name) for name in ("first", "second")]
    settings = EnsembleConfig(name="both", artifacts=str(folder), method="average")
    with open_series(settings.name, str(folder), members, resume=resume) as series:
        run_ensemble(series.run(QUIET), settings, QUIET, named=series.keep_result)
        series.close()


JOBS = {
    "run": Job(run),
    "tune": Job(tune),
    "pictures": Job(pictures, is_model=False),
    "walk-forward": Job(walk, is_model=False),
    "ensemble": Job(ensemble, finished=3),
}


def resume_to_the_end(job: Job, folder: Path) -> str:
    """Do as a user does after a kill: resume, or start anew where nothing had begun.

    Returns:
        What was said or done.

    Raises:
        AssertionError: There is nothing to resume although something has begun.
    """
    try:
        job.make(folder, True)
    except FinishedError as said:
        _require("is finished" in str(said), said)
        return "finished"
    except FileNotFoundError as said:
        _require("nothing to resume" in str(said), said)
        if len(folders_in(folder)) == job.finished:
            return "finished"
        _require(not folders_in(folder), said)
        job.make(folder, False)
        return "anew"
    return "resumed"


def _require(holds: bool, said: object) -> None:
    if not holds:
        raise AssertionError(said)


def folders_in(folder: Path) -> list[Path]:
    """Return the finished folders, in order of their names without the time."""
    found = [one for one in folder.glob("*") if one.is_dir() and not one.is_symlink()]
    found = [one for one in found if not one.name.startswith(".") and not one.suffix]
    return sorted(found)


def check_whole(job: Job, folder: Path, straight: Path) -> None:
    """Check that a folder holds what an undisturbed job leaves, to the bit, and nothing else.

    Raises:
        AssertionError: Naming what is there, or what differs.
    """
    made, expected = folders_in(folder), folders_in(straight)
    assert len(made) == len(expected) == job.finished, made
    there = {path.name for path in folder.iterdir()} - {path.name for path in made}
    assert there == ({"latest"} if job.is_model else set()), there
    for one, other in zip(made, expected, strict=True):
        files, wanted = _files(one), _files(other)
        assert files == wanted, (one.name, files ^ wanted)
        ours, theirs = content(one), content(other)
        differing = [name for name in theirs if ours[name] != theirs[name]]
        assert not differing, (one.name, differing)
        if (one / "manifest.json").is_file():
            load_any(one)
    if job.is_model:
        pointed = (folder / "latest").resolve()
        newest = max(made, key=lambda path: path.stat().st_mtime_ns)
        assert pointed == newest.resolve(), (pointed, newest)


def content(folder: Path) -> dict[str, Any]:
    """Return what a finished folder says that depends on its bits, and on no clock."""
    said: dict[str, Any] = {}
    for path in sorted(folder.glob("*.npy")):
        said[path.name] = path.read_bytes()
    for path in sorted(folder.glob("*.parquet")):
        said[path.name] = pd.read_parquet(path).to_csv()
    if (folder / "preprocessing.npz").is_file():
        with np.load(folder / "preprocessing.npz") as arrays:
            said |= {name: arrays[name].tobytes() for name in arrays.files}
    if (folder / "metrics.json").is_file():
        said["test"] = json.loads((folder / "metrics.json").read_text())["test"]
    if (folder / "history.csv").is_file():
        said["history"] = pd.read_csv(folder / "history.csv").drop(columns="seconds").to_csv()
    return said


def _files(folder: Path) -> set[str]:
    """Return the files of a folder; names with a run's time in them without it."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return {one for one in found if not one.startswith("members/")}
