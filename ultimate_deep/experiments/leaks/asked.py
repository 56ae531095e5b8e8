"""What an examination is asked for, refused or taken before anything heavy is loaded."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ultimate_deep.experiments.learners.registry import resolved
from ultimate_deep.machine.fields import check_fields
from ultimate_deep.pipeline.config import ExperimentConfig, ModelConfig

if TYPE_CHECKING:
    from ultimate_deep.pipeline.steps import Steps


@dataclass(frozen=True, kw_only=True)
class SurrogateConfig:
    """The small model that stands in for the bundle's own, which may take hours to train.

    Whether a step before or after the model leaks does not depend on the model. It is fed what the
    model is fed: windows, coarse bars and pictures, flattened, but no clock.

    Args:
        model: Name of a registered model.
        epochs: Passes over the training part.
        learning_rate: Peak learning rate; high, since passes are few.
    """

    model: str = "mlp"
    epochs: int = 3
    learning_rate: float = 2e-3

    def __post_init__(self) -> None:
        check_fields(self, "surrogate")
        if self.epochs < 1:
            raise ValueError(f"surrogate epochs are at least 1, got {self.epochs}; use e.g. 3")

    def applied(self, config: ExperimentConfig) -> ExperimentConfig:
        """Return the experiment with this model, and without baselines."""
        fit = dataclasses.replace(
            config.fit, epochs=self.epochs, learning_rate=self.learning_rate, precision="float32"
        )
        kind = resolved(config).inputs.kind
        inputs = dataclasses.replace(config.inputs, kind="window" if kind == "episodic" else kind)
        model = ModelConfig(name=self.model)
        return dataclasses.replace(config, model=model, inputs=inputs, fit=fit, baselines=False)


def check_steps(name: str) -> None:
    """Refuse the name of a user's `Steps` whose module or file is not there; nothing is run.

    Raises:
        ValueError: No `module:attribute` or `file.py:attribute`, or no such module or file.
    """
    place, _ = _parts(name)
    if place.endswith(".py"):
        _check_file(Path(place))
    elif _spec_of(place.partition(".")[0]) is None:
        raise ValueError(
            f"--steps: No module named {place!r}; give a module that can be imported from "
            f"{os.getcwd()}, or a .py file"
        )


def load_steps(name: str) -> Steps:
    """Return a user's `Steps` from `module:attribute` or `file.py:attribute`.

    Raises:
        ValueError: No such module, file or attribute, or it is no `Steps`.
    """
    check_steps(name)
    from ultimate_deep.pipeline.steps import Steps

    place, attribute = _parts(name)
    module = _module_of(place)
    steps = getattr(module, attribute, None)
    if not isinstance(steps, Steps):
        held = "nothing of that name" if steps is None else f"a {type(steps).__name__}"
        raise ValueError(
            f"{name!r} must be an ultimate_deep.pipeline.steps.Steps, found {held}; write e.g. "
            f"`{attribute} = Steps(features=my_features)` in {place}"
        )
    return steps


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


def _parts(name: str) -> tuple[str, str]:
    place, separator, attribute = name.rpartition(":")
    if not separator or not place or not attribute:
        raise ValueError(
            f"--steps names a Steps object as module:attribute or file.py:attribute, got {name!r}"
        )
    return place, attribute


def _spec_of(module: str) -> object:
    folder = os.getcwd()
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.util.find_spec(module)


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise ValueError(f"--steps: no file {path}; give the path of your Python file")


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
    _check_file(path)
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
