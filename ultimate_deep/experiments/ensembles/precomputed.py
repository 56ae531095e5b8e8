"""Nets trained on written pictures: one for each length of bars, and what they say together.

A net is trained on what the files hold, read batch by batch, and kept as the net that draws its
pictures itself of the numbers of a window: the drawing has no weights. With float32 files its
weights are those of a net that drew them in training, bit for bit.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from scipy.special import expit

from ultimate_deep.bundles.saved_model import quiet_saving
from ultimate_deep.experiments.ensembles.picture_scores import (
    direction_scores,
    ensemble_scores,
    pattern_scores,
    worth_of_patterns,
)
from ultimate_deep.experiments.ensembles.precomputed_config import PrecomputedConfig
from ultimate_deep.experiments.run import DeclinedError
from ultimate_deep.features.pictures.registry import picture_of
from ultimate_deep.machine.files import (
    finish_folder,
    read_json,
    remove_folder,
    unfinished_folder,
    whole_file,
    write_json,
)
from ultimate_deep.machine.locks import FolderLock
from ultimate_deep.models.heads import Heads
from ultimate_deep.models.nets.gaf_cnn import PICTURES
from ultimate_deep.models.registry import build_model, preset_of
from ultimate_deep.pipeline.gaf_folders import GafFolder, check_together, read_gaf_folder
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import NOT_IN_FINGERPRINT, FitConfig
from ultimate_deep.training.loop.checkpoint import has_checkpoint
from ultimate_deep.training.loop.compiled import time_fit
from ultimate_deep.training.loop.fit import fit
from ultimate_deep.training.loop.plan import Planlike, make_plan
from ultimate_deep.training.precision import resolve_precision
from ultimate_deep.training.progress import LineProgress, Progress, TogetherProgress
from ultimate_deep.training.result import FitResult

MODEL_FILE, HISTORY_FILE, METRICS_FILE = "model.keras", "history.csv", "metrics.json"
CONFUSION_FILE, WORTH_FILE, TABLE_FILE = "confusion.csv", "patterns.csv", "models.csv"
LOGITS_FILE = "validation_logits.npy"
LOGS = "logs"
_CHECKPOINTS = "checkpoints"
_INPUT = "pictures"
# The kinds of pictures that each net draws itself.
_DRAWN = {"gaf_cnn": PICTURES, "bar_image_cnn": ("bars",)}


@dataclass(frozen=True, eq=False)
class PictureNet:
    """One trained net.

    Args:
        name: Name of its pictures' folder.
        folder: Where it is kept.
        scores: Figures of the validation part, by name.
        logits: Logits of the validation part, `(rows, outputs)`.
    """

    name: str
    folder: Path
    scores: dict[str, float]
    logits: np.ndarray


def train_precomputed(
    config: PrecomputedConfig,
    progress: Progress,
    *,
    confirm: Callable[[Planlike], bool] | None = None,
    resume: bool = False,
) -> pd.DataFrame:
    """Train a net for each folder, judge them on the validation part, and write all of it.

    Each net is kept in a folder of its own: `model.keras`, `history.csv`, `metrics.json`,
    `confusion.csv` and, of patterns, `patterns.csv`. `models.csv` beside them has a row for each
    net and, of several with directions, for their majority and their mean. What is told is also
    appended to `logs/cnn_NAME.log`.

    Args:
        config: Which pictures, and how.
        progress: Told what happens.
        confirm: Shown the plan of each net before it trains: its steps are timed on its pictures.
        resume: Leave finished nets as they are and go on with an unfinished one.

    Returns:
        The table of `models.csv`.

    Raises:
        ValueError: Folders that do not fit their metadata or each other, or a net that they do not
            fit.
        DeclinedError: `confirm` returned false; nothing was written for that net.
        FileExistsError: A net's folder exists, or is unfinished, and `resume` is off.
        Interrupted: Ctrl-C or SIGTERM; resume.
    """
    folders = [read_gaf_folder(path) for path in config.data]
    check_together(folders)
    output = Path(config.output)
    nets = []
    for one in folders:
        name = one.path.name
        with _logged(output / LOGS / f"cnn_{name}.log", progress) as told:
            told.message(f"== {name}: {_sizes(one)}")
            nets.append(_trained(one, config, output / name, told, confirm, resume=resume))
    rows = [{"model": net.name} | net.scores for net in nets]
    if len(nets) > 1 and len(folders[0].label_names) == 2:
        said = [net.logits[:, 0] for net in nets]
        rows += ensemble_scores(folders, said, cost_bps=config.cost_bps)
    table = pd.DataFrame(rows)
    with whole_file(output / TABLE_FILE) as path:
        table.to_csv(path, index=False)
    return table


def build_pair(
    folder: GafFolder, config: PrecomputedConfig
) -> tuple[keras.Model, keras.Model | None]:
    """Return the net that reads what the files hold, and the same net that draws its pictures.

    Args:
        folder: Pictures that are to be trained on.
        config: Preset and options.

    Returns:
        Both with the same first weights; None where the net cannot draw this kind of picture, and
        the same net twice where the files hold numbers.

    Raises:
        ValueError: An unknown preset or option, or numbers that no net of these draws.
    """
    told = folder.metadata
    drawn = _DRAWN[config.model]
    draws = told["picture"] in drawn
    if folder.holds_numbers and not draws:
        raise ValueError(
            f"{folder.path} holds numbers of {told['picture']} pictures, which {config.model} does "
            f"not draw, only {', '.join(drawn)}; write them with --storage float32"
        )
    heads = Heads(horizons=_outputs(folder))
    settings = _settings(config, told)

    def build(shape: tuple[int, ...]) -> keras.Model:
        return build_model(config.model, {_INPUT: shape}, heads, settings)

    given = build(tuple(folder.pictures["train"].shape[1:]))
    if folder.holds_numbers or not draws:
        return given, given if folder.holds_numbers else None
    count = picture_of(told["picture"]).count(told["window_bars"], told["size"])
    return given, build((count,))


def arrays_of(folder: GafFolder, part: str) -> Arrays:
    """Return a part as a fit reads it: pictures are read when a batch asks for them.

    Labels of patterns become one column for each, 1 where it is there.
    """
    labels, outputs = folder.labels[part], _outputs(folder)
    if outputs > 1:
        labels = (labels == np.arange(outputs)).astype(np.float32)
    return Arrays(x={_INPUT: folder.pictures[part]}, y=labels)


def fit_settings(config: PrecomputedConfig) -> FitConfig:
    """Return how to train, with the preset's recipe where nothing else is asked for."""
    recipe = preset_of(config.model, config.preset)
    filled = config.fit.filled(
        learning_rate=recipe.learning_rate,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        return_weights=0.0,
        rate_factors={},
    )
    return dataclasses.replace(filled, seed=config.seed)


def _settings(config: PrecomputedConfig, told: dict[str, Any]) -> Any:
    recipe = preset_of(config.model, config.preset)
    preset = recipe.config
    known = {field.name for field in dataclasses.fields(preset)}
    if unknown := sorted(set(config.options) - known):
        raise ValueError(
            f"options of {config.model} are {', '.join(sorted(known))}, got {', '.join(unknown)}; "
            "leave it out"
        )
    precision = resolve_precision(config.fit.precision, half_on_cpu=recipe.half_on_cpu)
    given: dict[str, Any] = {"seed": config.seed, "precision": precision}
    if told["picture"] in _DRAWN[config.model]:
        given |= {"picture": told["picture"]} if "picture" in known else {"height": told["size"]}
    return dataclasses.replace(preset, **given | config.options)


def _trained(
    pictures: GafFolder,
    config: PrecomputedConfig,
    folder: Path,
    progress: Progress,
    confirm: Callable[[Planlike], bool] | None,
    *,
    resume: bool,
) -> PictureNet:
    draft = unfinished_folder(folder)
    if folder.exists() or draft.exists():
        if not resume:
            raise FileExistsError(
                f"{folder} exists or is unfinished; go on with --resume, or name another --output"
            )
        if folder.exists():
            return _finished(pictures, config, folder, progress)
    given, drawing = build_pair(pictures, config)
    settings_of_net = _settings(config, pictures.metadata)
    if getattr(settings_of_net, "frozen_parts", ()) and not settings_of_net.pretrained_weights:
        progress.message(
            "nothing is frozen: frozen_parts keeps weights as they were trained before, and there "
            'are none; --options \'{"pretrained_weights": "resnet18.pth"}\' names them'
        )
    train, validation = (arrays_of(pictures, part) for part in ("train", "val"))
    settings = fit_settings(config)
    compiled = time_fit(given, train, validation, settings, progress)
    if confirm is not None:
        plan = make_plan(given, train, validation, settings, compiled=compiled)
        if not confirm(plan):
            raise DeclinedError
    draft.mkdir(parents=True, exist_ok=True)
    checkpoints = draft / _CHECKPOINTS
    with FolderLock.taken(draft):
        result = fit(
            given,
            train,
            validation,
            settings,
            checkpoint_folder=checkpoints,
            resume=has_checkpoint(checkpoints),
            progress=progress,
            compiled=compiled,
        )
        logits = compiled.forward.predictions(validation)["logits"]
        scores = _scores(pictures, logits, result, config)
        kept = given if drawing is None else drawing
        kept.set_weights(given.get_weights())
        _write(pictures, kept, logits, scores, result, config, draft)
        if checkpoints.exists():
            remove_folder(checkpoints)
        finish_folder(folder)
    return PictureNet(pictures.path.name, folder, scores, logits)


def _kept_settings(config: PrecomputedConfig) -> dict[str, Any]:
    """Return what is asked of a net, but for what no figure of it depends on."""
    found: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(config)))
    fit = {key: value for key, value in found["fit"].items() if key not in NOT_IN_FINGERPRINT}
    return {key: value for key, value in found.items() if key not in ("data", "output")} | {
        "fit": fit
    }


def _finished(
    pictures: GafFolder, config: PrecomputedConfig, folder: Path, progress: Progress
) -> PictureNet:
    told, asked = read_json(folder / METRICS_FILE), _kept_settings(config)
    if differing := [key for key, value in asked.items() if told["settings"].get(key) != value]:
        raise ValueError(
            f"{folder} is finished and was trained with other {', '.join(differing)}; ask for "
            "those it was trained with, or name another --output"
        )
    if told["pictures"] != pictures.metadata:
        raise ValueError(
            f"{folder} was trained on other pictures than {pictures.path} now holds; name another "
            "--output"
        )
    progress.message(f"{folder} is finished")
    logits = np.load(folder / LOGITS_FILE)
    return PictureNet(pictures.path.name, folder, told["scores"], logits)


def _scores(
    pictures: GafFolder, logits: np.ndarray, result: FitResult, config: PrecomputedConfig
) -> dict[str, float]:
    labels, rows = pictures.labels["val"][:, 0], pictures.rows["val"]
    if len(pictures.label_names) == 2:
        probability = expit(logits[:, 0].astype(np.float64))
        scores = direction_scores(labels, probability, rows["return_log"], cost_bps=config.cost_bps)
        scores["best_validation_accuracy"] = float(result.history["validation_accuracy"].max())
    else:
        scores = pattern_scores(labels.astype(np.int64), logits.argmax(axis=1))
    return scores | {
        "best_epoch": result.best_epoch,
        "epochs": result.epochs_run,
        "fit_seconds": result.seconds,
    }


def _write(
    pictures: GafFolder,
    net: keras.Model,
    logits: np.ndarray,
    scores: dict[str, float],
    result: FitResult,
    config: PrecomputedConfig,
    folder: Path,
) -> None:
    names, labels = pictures.label_names, pictures.labels["val"][:, 0].astype(np.int64)
    found = logits.argmax(axis=1) if len(names) > 2 else (logits[:, 0] > 0).astype(np.int64)
    with quiet_saving():
        net.save(folder / MODEL_FILE)
    np.save(folder / LOGITS_FILE, logits)
    result.history.to_csv(folder / HISTORY_FILE, index=False)
    counts = np.zeros((len(names), len(names)), np.int64)
    np.add.at(counts, (labels, found), 1)
    confusion = pd.DataFrame(counts, index=pd.Index(names, name="label"), columns=names)
    confusion.to_csv(folder / CONFUSION_FILE)
    if len(names) > 2:
        returns = pictures.rows["val"]["return_log"]
        worth = worth_of_patterns(labels, found, returns, cost_bps=config.cost_bps)
        worth.to_csv(folder / WORTH_FILE, index=False)
    told = {"scores": scores, "pictures": pictures.metadata, "settings": _kept_settings(config)}
    write_json(folder / METRICS_FILE, told)


@contextmanager
def _logged(path: Path, progress: Progress) -> Iterator[Progress]:
    """Append lines of what happens to a file too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        yield TogetherProgress(progress, LineProgress(file))


def _outputs(folder: GafFolder) -> int:
    """One logit of up, or one for each pattern."""
    return 1 if len(folder.label_names) == 2 else len(folder.label_names)


def _sizes(folder: GafFolder) -> str:
    train, validation = (len(folder.labels[part]) for part in ("train", "val"))
    simulated = ", of simulated bars" if folder.metadata["simulated"] else ""
    return f"{train:,} pictures to train on, {validation:,} to validate{simulated}"
