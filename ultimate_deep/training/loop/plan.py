"""What a fit is going to do and cost, shown before it is confirmed."""

import math
from dataclasses import dataclass
from typing import Protocol

import keras
import numpy as np
from rich.table import Table

from ultimate_deep.machine.duration import Duration
from ultimate_deep.machine.memory import peak_resident_bytes
from ultimate_deep.models.layers import MemberStem
from ultimate_deep.models.surgery.describe import count_layers
from ultimate_deep.models.surgery.readings import members_of
from ultimate_deep.training.accelerator import peak_bytes
from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.loop.compiled import CompiledFit
from ultimate_deep.training.loop.fingerprint import compute_dtypes
from ultimate_deep.training.precision import device_sentence, hardware_sentence

MIB, GIB = 2**20, 2**30
FLOAT32_BYTES = 4


@dataclass(frozen=True, kw_only=True, repr=False)
class Plan:
    """Size, precision and estimated cost of one fit.

    Args:
        model: The model's name.
        train_rows: Rows to train on.
        validation_rows: Rows to validate on.
        test_rows: Rows of the test part; 0 where there is none.
        features: Values in a row, over all inputs.
        weighted_layers: Dense and norm layers.
        matrix_products: Matrix products of one forward pass.
        parameters: All weights, moving statistics included.
        precision: Dtypes that the layers compute in.
        device: What computes, for people.
        precision_reason: What the hardware can do.
        xla: Whether the step is compiled with XLA.
        batch_size: Rows of a step.
        steps_per_epoch: Steps of an epoch.
        epochs: Most epochs that there may be.
        first_step_seconds: Tracing and compiling, already spent.
        step_seconds: One training step.
        validation_seconds: Validation after each epoch.
        least_epochs: Epochs of a training that stops as early as it may.
        memory_bytes: Estimated peak of the resident memory, of all workers together.
        device_memory_bytes: Peak of the GPU's memory so far; None without one.
        members: Members of the net's stem; 1 of a net without any.
        member_bytes: Memory of one member in a step: what the stem keeps of it for the backward
            pass, and its own weights with their gradients and moments; computed, not measured.
        workers: Processes that share out the parts of a batch.
        engine: Who runs them.
        sharing: What JAX's devices share out; empty where nothing is.
        micro_batches: Parts of a batch.
        estimated_by: How time and memory were estimated.
    """

    model: str
    train_rows: int
    validation_rows: int
    test_rows: int
    features: int
    weighted_layers: int
    matrix_products: int
    parameters: int
    precision: str
    device: str
    precision_reason: str
    xla: bool
    batch_size: int
    steps_per_epoch: int
    epochs: int
    first_step_seconds: float
    step_seconds: float
    validation_seconds: float
    least_epochs: int
    memory_bytes: int
    device_memory_bytes: int | None
    members: int = 1
    member_bytes: int = 0
    workers: int = 1
    engine: str = "processes"
    sharing: str = ""
    micro_batches: int = 1
    estimated_by: str

    def __repr__(self) -> str:
        lines = self.lines()
        return f"<plan of {self.model}: {lines['steps']}; {lines['time']}>"

    @property
    def epoch_seconds(self) -> float:
        """Estimate for one epoch with its validation."""
        return self.steps_per_epoch * self.step_seconds + self.validation_seconds

    @property
    def member_seconds(self) -> float:
        """A training step divided by the members; the part that they share is in it."""
        return self.step_seconds / self.members

    @property
    def seconds(self) -> Duration:
        """Estimate for the training; where it ends between the two, early stopping decides."""
        return Duration(self.least_epochs * self.epoch_seconds, self.epochs * self.epoch_seconds)

    def lines(self) -> dict[str, str]:
        """Return what `render_plan` shows, as plain text by heading."""
        memory = f"{self.memory_bytes / GIB:.1f} GiB"
        if self.device_memory_bytes is not None:
            memory += f", and {self.device_memory_bytes / GIB:.1f} GiB on the GPU"
        return {
            "rows": f"{self.train_rows:,} train, {self.validation_rows:,} validation, "
            f"{self.test_rows:,} test",
            "features": f"{self.features:,}",
            "layers": f"{self.weighted_layers:,} weighted, "
            f"{self.matrix_products:,} matrix products",
            "parameters": f"{self.parameters:,}",
            **self._of_members(),
            **self._of_workers(),
            **({"devices": self.sharing} if self.sharing else {}),
            "device": self.device,
            "precision": f"{self.precision} ({self.precision_reason})",
            "compiled": f"{'with' if self.xla else 'without'} XLA, in "
            f"{self.first_step_seconds:.1f} s",
            "steps": f"{self.steps_per_epoch:,} of {self.batch_size:,} rows in each of at most "
            f"{self.epochs:,} epochs",
            "epoch": f"about {self.epoch_seconds:.1f} s ({self.step_seconds * 1e3:.1f} ms a step, "
            f"validation {self.validation_seconds:.1f} s)",
            "time": f"{self.seconds} of training{self._stopping()}",
            "peak memory": f"about {memory}",
            "estimated by": self.estimated_by,
        }

    def _of_members(self) -> dict[str, str]:
        if self.members == 1:
            return {}
        seconds, mebibytes = self.member_seconds, self.member_bytes / MIB
        return {
            "members": f"{self.members:,}: {seconds * 1e3:.1f} ms of a step for each, if what they "
            f"share is divided among them, and {mebibytes:.1f} MiB kept of each (computed)"
        }

    def _of_workers(self) -> dict[str, str]:
        if self.workers == 1:
            return {}
        parts, where = self.micro_batches, " on Ray" if self.engine == "ray" else ""
        return {
            "workers": f"{self.workers:,} processes{where} share out {parts:,} parts of "
            f"{self.batch_size // parts:,} rows; weights do not depend on how many there are"
        }

    def _stopping(self) -> str:
        if self.least_epochs == self.epochs:
            return ""
        return f": early stopping ends it after {self.least_epochs} to {self.epochs} epochs"


def make_plan(
    model: keras.Model,
    train: Arrays,
    validation: Arrays,
    config: FitConfig,
    *,
    compiled: CompiledFit,
    test_rows: int = 0,
) -> Plan:
    """Return the plan of a fit whose step has been timed.

    Args:
        model: A built model.
        train: Rows to train on.
        validation: Rows to validate on.
        config: The fit's settings.
        compiled: What `time_fit` returned for exactly these; hand it to `fit` too.
        test_rows: Rows of the test part.
    """
    layers = count_layers(model)
    batch_size = min(config.rows_of_step, train.rows)
    steps = train.rows // batch_size
    batches = -(-validation.rows // config.evaluation_batch_size)
    validation_seconds = batches * compiled.forward_seconds
    stems = members_of(model)
    return Plan(
        model=model.name,
        train_rows=train.rows,
        validation_rows=validation.rows,
        test_rows=test_rows,
        features=numbers_per_row(train),
        weighted_layers=layers.weighted,
        matrix_products=layers.matrix_products,
        parameters=int(model.count_params()),
        precision=compute_dtypes(model),
        device=device_sentence(),
        precision_reason=hardware_sentence(compute_dtypes(model)),
        xla=compiled.step.jit_compile,
        batch_size=batch_size,
        steps_per_epoch=steps,
        epochs=config.most_epochs,
        first_step_seconds=compiled.first_step_seconds,
        step_seconds=compiled.step_seconds,
        validation_seconds=validation_seconds,
        least_epochs=least_epochs(config),
        memory_bytes=_peak_memory_bytes(model) + compiled.step.participant.outside_bytes(),
        device_memory_bytes=peak_bytes(),
        members=max((stem.members for stem in stems), default=1),
        member_bytes=sum(_member_bytes(stem, batch_size) for stem in stems),
        workers=config.workers,
        engine=config.engine,
        sharing=compiled.step.sharing,
        micro_batches=config.gradients.micro_batches,
        estimated_by=(
            f"time: {compiled.trial_steps} steps and one validation batch of this very model; "
            "memory: the process's peak in those steps plus two copies of the weights (the best "
            "epoch's, and the one that replaces it)"
        ),
    )


def least_epochs(config: FitConfig) -> int:
    """Return the epochs after which early stopping may end a fit first; all without it."""
    patience = config.patience_epochs
    return min(config.most_epochs, patience + 1) if patience else config.most_epochs


class Planlike(Protocol):
    """Any plan: a net's, or that of trees."""

    @property
    def model(self) -> str:
        """Whose plan it is."""

    def lines(self) -> dict[str, str]:
        """Return the plan as plain text by heading."""


class Timed(Planlike, Protocol):
    """A plan of something that takes its time."""

    @property
    def seconds(self) -> Duration:
        """Estimate."""


def render_plan(plan: Planlike) -> Table:
    """Return the plan as a table for a rich console."""
    table = Table(title=f"Plan: {plan.model}", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column()
    for name, value in plan.lines().items():
        table.add_row(name, value)
    return table


def numbers_per_row(arrays: Arrays) -> int:
    """Return how many numbers one row feeds to a model, over all inputs."""
    return sum(math.prod(values.shape[1:]) for values in arrays.inputs().values())


def _peak_memory_bytes(model: keras.Model) -> int:
    weights = sum(math.prod(v.shape) * np.dtype(v.dtype).itemsize for v in model.weights)
    return peak_resident_bytes() + 2 * weights


def _member_bytes(stem: MemberStem, rows: int) -> int:
    """Return the bytes of one member in a step: values kept of each row, and its own weights."""
    own = sum(math.prod(w.shape[1:]) for w in stem.weights if not w.name.endswith("kernel"))
    # Weights, their gradients, and the optimizer's two moments.
    return FLOAT32_BYTES * (rows * stem.values_per_member + 4 * own)
