"""Leak detection of a saved bundle: its options in, a report in a new folder out."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from ultimate_deep.bundles.bundle import Bundle
from ultimate_deep.bundles.predicting import bundle_config, bundle_data
from ultimate_deep.evaluation.leaks.config import LeakConfig
from ultimate_deep.evaluation.leaks.detect import CHECKS, Check
from ultimate_deep.evaluation.leaks.findings import LeakReport
from ultimate_deep.evaluation.reporting.leaks_page import write_leak_page
from ultimate_deep.experiments.leaks.pipeline import SurrogateConfig, detect_in_experiment
from ultimate_deep.machine.files import whole_folder, write_json
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import load_market
from ultimate_deep.pipeline.steps import Steps
from ultimate_deep.training.progress import Progress

JSON_FILE, PAGE_FILE = "leaks.json", "leaks.html"


def detect_in_bundle(
    bundle: Bundle,
    data: DataConfig,
    leak_config: LeakConfig = LeakConfig(),
    *,
    steps: Steps = Steps(),
    surrogate: SurrogateConfig | None = SurrogateConfig(),
    checks: Sequence[Check] = CHECKS,
    progress: Progress = Progress(),
) -> LeakReport:
    """Examine the experiment that wrote a bundle, on bars given or its own.

    Args:
        bundle: Its configuration says what is examined.
        data: The bars; options that are not given are the run's.
        leak_config: How thoroughly to look.
        steps: The steps of a user that are to be examined.
        surrogate: Stands in for the bundle's model; None trains that one.
        checks: Which checks; `evaluation.leaks.detect.DATA_CHECKS` train nothing.
        progress: Told of every run.

    Raises:
        ValueError: The experiment cannot run on these bars.
    """
    config = bundle_config(bundle)
    with progress.busy("reading bars"):
        market = load_market(bundle_data(bundle, data), config.label)
    model = config.model.name
    stand_in = "" if surrogate is None else f", {surrogate.model} in place of {model}"
    replaced = steps.own
    own = f", own steps: {', '.join(replaced)}" if replaced else ""
    return detect_in_experiment(
        config,
        market,
        leak_config,
        steps=steps,
        surrogate=surrogate,
        checks=checks,
        progress=progress,
        subject=f"{bundle.folder.name}: {', '.join(market.bars)}{stand_in}{own}",
    )


def load_steps(name: str) -> Steps:
    """Return a user's `Steps` from `module:attribute` or `file.py:attribute`.

    Raises:
        ValueError: No such module, file or attribute, or it is no `Steps`.
    """
    place, separator, attribute = name.rpartition(":")
    if not separator or not place or not attribute:
        raise ValueError(
            f"--steps names a Steps object as module:attribute or file.py:attribute, got {name!r}"
        )
    module = _module_of(place)
    steps = getattr(module, attribute, None)
    if not isinstance(steps, Steps):
        held = "nothing of that name" if steps is None else f"a {type(steps).__name__}"
        raise ValueError(
            f"{name!r} must be an ultimate_deep.pipeline.steps.Steps, found {held}; write e.g. "
            f"`{attribute} = Steps(features=my_features)` in {place}"
        )
    return steps


def write_leaks(report: LeakReport, folder: Path) -> Path:
    """Write `leaks.json` and `leaks.html` into a new folder, whole or not at all.

    Raises:
        FileExistsError: The folder exists; it is never overwritten.
    """
    refuse_existing(folder)
    # Not `<folder>.unfinished`, which a killed process would leave in the way of the next.
    with whole_folder(folder, folder.with_name(f".{folder.name}-{os.getpid()}.draft")) as draft:
        write_json(draft / JSON_FILE, report.to_dict())
        write_leak_page(draft / PAGE_FILE, report)
    return folder


def refuse_existing(folder: Path) -> None:
    """Raise `FileExistsError` where the folder is there; asked before minutes of work too."""
    if os.path.lexists(folder):
        raise FileExistsError(f"{folder} exists and is never overwritten; give another --output")


def free_folder(bundle: Path) -> Path:
    """Return a folder beside a bundle that does not exist yet: `<bundle>-leaks`, then numbered.

    Never inside the bundle, whose files are listed and hashed.
    """
    bundle = bundle.resolve()
    folder, number = bundle.with_name(f"{bundle.name}-leaks"), 1
    while os.path.lexists(folder):
        number += 1
        folder = bundle.with_name(f"{bundle.name}-leaks-{number}")
    return folder


def _module_of(place: str) -> ModuleType:
    if not place.endswith(".py"):
        folder = os.getcwd()
        if folder not in sys.path:
            sys.path.insert(0, folder)
        try:
            return importlib.import_module(place)
        except ModuleNotFoundError as error:
            raise ValueError(
                f"--steps: {error}; give a module that can be imported from {folder}, or a .py file"
            ) from error
    path = Path(place)
    if not path.is_file():
        raise ValueError(f"--steps: no file {path}; give the path of your Python file")
    # A name of its own: a user's features.py must not stand in for the package `features`.
    name = f"steps_of_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ValueError(f"--steps: {path} cannot be imported; give a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and pickles look their module up by name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
