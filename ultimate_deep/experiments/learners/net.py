"""Keras nets: built, compiled and timed for the plan, trained with checkpoints."""

import time
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np

from ultimate_deep.bundles.executors.net import KerasPredictor
from ultimate_deep.bundles.predictor import Predictor
from ultimate_deep.bundles.saved_model import DEFAULT_BATCH_ROWS
from ultimate_deep.experiments.learners.learner import (
    SIMPLEST,
    TREES,
    AnswerTimes,
    Learner,
    Planned,
)
from ultimate_deep.experiments.warm_start import start_from
from ultimate_deep.market.times import clock_of
from ultimate_deep.models import registry as nets
from ultimate_deep.models.heads import Heads
from ultimate_deep.models.presets import Recipe
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.pipeline.inputs.config import Kind
from ultimate_deep.pipeline.prepared import Prepared
from ultimate_deep.training.backend import one_thread_for_each_operation
from ultimate_deep.training.loop.backends import check_backend
from ultimate_deep.training.loop.checkpoint import to_numpy
from ultimate_deep.training.loop.compiled import CompiledFit, compile_fit, time_fit
from ultimate_deep.training.loop.freezing import freeze
from ultimate_deep.training.loop.plan import make_plan
from ultimate_deep.training.precision import resolve_precision
from ultimate_deep.training.progress import Progress
from ultimate_deep.training.progressive.stages import check_growable, fit_as_configured
from ultimate_deep.training.result import FitResult

# From here on the products of a compiled loop are worth sharing among threads.
SHARED_WIDTH = 128


class NetLearner(Learner):
    """Builds and trains the nets of `models.registry`."""

    kind: ClassVar[str] = "nets"
    predicts: ClassVar[str] = "keras"
    goes_on: ClassVar[bool] = True

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Every architecture."""
        return tuple(nets.BUILDERS)

    @property
    def inputs_kind(self) -> Kind:
        """What the architecture declares."""
        return nets.reads(self.name)

    @property
    def finds(self) -> str:
        """The signals that the architecture declares."""
        return ", ".join(nets.sees(self.name)) or "-"

    @property
    def simpler(self) -> frozenset[str]:
        """Trees too, but for a linear model."""
        return SIMPLEST if self.name == "linear" else SIMPLEST | TREES

    def presets(self) -> tuple[str, ...]:
        """Names of the presets."""
        return nets.presets(self.name)

    def preset_config(self, preset: str) -> Any:
        """Return the configuration called `preset`."""
        return nets.preset_config(self.name, preset)

    def recipe(self, preset: str) -> Recipe:
        """Return what the preset says, which suits its size."""
        return nets.preset_of(self.name, preset)

    def check(self, config: ExperimentConfig) -> None:
        """Refuse workers that cannot be, and what Keras' backend does not have."""
        config.fit.check_workers()
        check_backend(config.fit)

    def given(self, config: ExperimentConfig, known: set[str]) -> dict[str, Any]:
        """Return seed and precision."""
        given = super().given(config, known)
        if "precision" in known:
            half = self.recipe(config.model.preset).half_on_cpu
            given["precision"] = resolve_precision(config.fit.precision, half_on_cpu=half)
        return given

    def plan(self, prepared: Prepared, progress: Progress) -> Planned:
        """Build and compile the net and time its step."""
        fit_config = prepared.config.fit
        parts = (prepared.arrays("train"), prepared.arrays("validation"))
        tested = len(prepared.split.test)
        model = build(prepared)
        compiled = time_fit(model, *parts, fit_config, progress)
        plan = make_plan(model, *parts, fit_config, compiled=compiled, test_rows=tested)
        built = BuiltNet(model, compiled)
        with progress.busy(f"tracing the answers of {model.name}"):
            answers = time_answers(built.predictor, prepared)
        return Planned(prepared=prepared, plan=plan, fits=built, answers=answers)

    def fit(
        self,
        prepared: Prepared,
        progress: Progress,
        *,
        checkpoints: Path | None = None,
        resume: bool = False,
    ) -> tuple[Predictor, FitResult]:
        """Build the net and train it."""
        built = BuiltNet(build(prepared), None)
        return built.fit(prepared, progress, checkpoints=checkpoints, resume=resume)

    def for_folds(self, prepared: Prepared) -> "Trainee":
        """Return the net, built and compiled once for all folds."""
        return Trainee(prepared)


class BuiltNet:
    """A net that is built, and perhaps compiled and timed.

    Args:
        model: The net with its initial weights.
        compiled: Its step and forward pass; None compiles them when it is trained.
    """

    def __init__(self, model: keras.Model, compiled: CompiledFit | None) -> None:
        self.model = model
        self.compiled = compiled
        self.predictor = KerasPredictor(model)

    def fit(
        self,
        prepared: Prepared,
        progress: Progress,
        *,
        checkpoints: Path | None = None,
        resume: bool = False,
    ) -> tuple[Predictor, FitResult]:
        """Train it from the weights that it has."""
        fitted = train(
            prepared,
            self.model,
            progress,
            checkpoints=checkpoints,
            resume=resume,
            compiled=self.compiled,
        )
        return self.predictor, fitted


class Trainee:
    """The net of every fold: compiled once, and put back to its first weights for each.

    A fold whose training part has a use for more features, or for fewer, has a net of its own.

    Args:
        prepared: What to build for, and how to train it.
    """

    def __init__(self, prepared: Prepared) -> None:
        self.model = build(prepared)
        self._shapes = prepared.inputs.shapes
        self._fit = prepared.config.fit
        self._first: dict[str, np.ndarray] | None = None
        self._compiled: CompiledFit | None = None
        self._rows = 0

    def fit(
        self,
        prepared: Prepared,
        progress: Progress,
        *,
        checkpoints: Path | None = None,
        resume: bool = False,
    ) -> tuple[Predictor, FitResult]:
        """Train it anew on a fold; nothing that it learned before is kept."""
        if prepared.inputs.shapes != self._shapes:
            keras.utils.clear_session(free_memory=False)  # names as in a process that resumes here
            Trainee.__init__(self, prepared)
        renewed = BuiltNet(self.model, self.renewed(prepared))
        return renewed.fit(prepared, progress, checkpoints=checkpoints, resume=resume)

    def renewed(self, fold: Prepared) -> CompiledFit:
        """Return the compiled model in the state that it was built in, optimizer included.

        What a model remembers of the past is that of the fold's own training part.

        Args:
            fold: What it is trained on next; a step is compiled for one size of batch.
        """
        rows = min(self._fit.rows_of_step, len(fold.labelled("train")))
        if self._compiled is None or rows != self._rows:
            self._put_back()
            self._compiled, self._rows = compile_fit(self.model, self._fit), rows
            variables = self._compiled.step.variables()
            self._first = {name: to_numpy(one) for name, one in variables.items()}
        self._put_back()
        fill_memory(fold, self.model)
        return self._compiled

    def _put_back(self) -> None:
        if self._compiled is None or self._first is None:
            return
        for name, variable in self._compiled.step.variables().items():
            variable.assign(self._first[name])


def time_answers(predictor: Predictor, prepared: Prepared) -> AnswerTimes:
    """Ask a net twice, which traces it; a predictor that is asked later need not trace it again."""
    row = prepared.inputs.take(prepared.part("validation")[:1])
    moments = [time.perf_counter()]
    for _ in range(2):
        predictor.outputs(row)
        moments.append(time.perf_counter())
    first, second = np.diff(moments)
    return AnswerTimes(
        tracing=max(first - second, 0.0), batch=float(second), batch_rows=DEFAULT_BATCH_ROWS
    )


def build(prepared: Prepared) -> keras.Model:
    """Build the configured net for the prepared inputs, in the precision that will run.

    A model that remembers the past is given the training part to remember.

    Raises:
        ValueError: An unknown model, preset or option, trees, which are grown and not built, or
            weights to start from that do not fit or have seen too much.
    """
    config = prepared.config
    settings = NetLearner(config.model.name).settings(config)
    width = nets.loop_width(config.model.name, settings)
    if width is not None and width < SHARED_WIDTH and config.fit.jit_compile in ("auto", True):
        one_thread_for_each_operation()
    keras.utils.set_random_seed(config.seed)
    model = nets.build_model(
        config.model.name,
        prepared.inputs.shapes,
        model_heads(config, prepared.learnt.shape[1]),
        settings,
    )
    start_from(prepared, model)
    freeze(model, config.fit.frozen)
    check_growable(model, config.fit)
    fill_memory(prepared, model)
    return model


def model_heads(config: ExperimentConfig, horizons: int) -> Heads:
    """Return what the model predicts for so many horizons."""
    heads = config.heads
    return Heads(
        horizons=horizons,
        classes=heads.classes,
        quantiles=heads.quantiles,
        variance=heads.variance,
    )


def fill_memory(prepared: Prepared, model: keras.Model) -> None:
    """Give a model that retrieves past windows the labelled training rows, and nothing later."""
    filler = nets.memory_filler(prepared.config.model.name)
    if filler is None:
        return
    chosen = prepared.labelled("train")
    arrays = prepared.arrays("train")
    known = clock_of(prepared.rows.label_end_time[chosen], upwards=True)
    targets = prepared.rows.targets
    returns = prepared.rows.return_log[:, None] if targets is None else targets.return_log
    filler(model, arrays.inputs(), arrays.y, returns[chosen], known)


def train(
    prepared: Prepared,
    model: keras.Model,
    progress: Progress,
    *,
    checkpoints: Path | None = None,
    resume: bool = False,
    compiled: CompiledFit | None = None,
) -> FitResult:
    """Fit the net on train, stopping by validation; see `training.loop.fit.fit`."""
    return fit_as_configured(
        model,
        prepared.arrays("train"),
        prepared.steps.stopping(prepared),
        prepared.config.fit,
        checkpoint_folder=checkpoints,
        resume=resume,
        progress=progress,
        compiled=compiled,
    )
