"""What workers are asked for, whatever carries it: processes of this machine, or Ray."""

import time
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.distributed.shares import Subtree
from ultimate_deep.training.participant import StepTensors


class WorkerLostError(ChildProcessError):
    """A worker of a fit is gone: killed, out of memory, or silent for too long."""


def lost_before(how: str) -> WorkerLostError:
    """Return the error where a worker is lost before the first step."""
    return WorkerLostError(f"{how} before the first step; resume, or start again")


def lost_at(how: str, epoch: int, step: int, *, kept: bool) -> WorkerLostError:
    """Return the error where a worker is lost in a step, which was finished without it."""
    word = (
        "the step was finished without it and a checkpoint written; resume the run to go on "
        "from here, with as many workers as you like"
        if kept
        else "this run keeps no checkpoints; start it again"
    )
    return WorkerLostError(f"{how} at epoch {epoch}, step {step}; {word}")


def cannot_build(reason: str) -> ValueError:
    """Return the error where a worker cannot build the net."""
    return ValueError(
        f"fit.workers builds the net in processes of their own, which fails: {reason}; define its "
        "layers in a module that can be imported, with get_config, or leave fit.workers at 1"
    )


class Spec(NamedTuple):
    """Shape and kind of an array."""

    shape: tuple[int, ...]
    dtype: np.dtype


@dataclass(frozen=True, kw_only=True, eq=False)
class Recruit:
    """All that a worker needs to know of a fit; weights come with every batch.

    Args:
        model: The model as Keras serializes it, without its weights.
        variables: Names, shapes and dtypes of its variables, which it must have there too.
        trained: How many of them are trained.
        modules: Modules that define its layers.
        plugins: Files of the plugins that are loaded here.
        config: How the model is trained.
        jit_compile: Whether a part's pass is compiled with XLA.
        threads: Threads within an operation and between operations; 0 of these leaves it to
            TensorFlow.
        keras_config: `floatx` and the format of images.
    """

    model: dict[str, Any]
    variables: list[tuple[str, tuple[int, ...], str]]
    trained: int
    modules: list[str]
    plugins: list[str]
    config: FitConfig
    jit_compile: bool
    threads: tuple[int, int]
    keras_config: tuple[str, str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """Batches of one shape, and what every worker does with them.

    Args:
        number: Which of the team's jobs it is.
        structure: A batch with the place of each tensor among all in its stead.
        tensors: Shapes and kinds of a batch's tensors.
        variables: Those of the model's variables.
        sums: Those of what is added up of a subtree.
        shares: The subtrees of each worker, the first of which is the fit's own process.
    """

    number: int
    structure: StepTensors
    tensors: list[Spec]
    variables: list[Spec]
    sums: list[Spec]
    shares: list[list[Subtree]]


Answers = list[list[list[np.ndarray]] | None]


@dataclass
class Exchange:
    """What the fit's own process spent on the exchange since it was last set to zero.

    Args:
        batches: Batches that were handed out.
        publishing: Seconds of copying tensors and variables out.
        waiting: Seconds until the last answer, once the own share was computed.
        taking: Seconds of copying sums in.
        sent_bytes: Bytes that every worker was handed.
        taken_bytes: Bytes that all of them gave back.
    """

    batches: int = 0
    publishing: float = 0.0
    waiting: float = 0.0
    taking: float = 0.0
    sent_bytes: int = 0
    taken_bytes: int = 0

    def handed_out(self, arrays: list[np.ndarray], *, began: float) -> None:
        """Count a batch that every worker was handed.

        Args:
            arrays: Its tensors and all variables.
            began: When copying them began, by `time.perf_counter`.
        """
        self.batches += 1
        self.sent_bytes += sum(array.nbytes for array in arrays)
        self.publishing += time.perf_counter() - began

    def took(self, found: Answers, *, asked: float, came: float) -> None:
        """Count a batch's sums that are copied in.

        Args:
            found: The sums of each worker.
            asked: When the last of the own share was computed, by `time.perf_counter`.
            came: When the last answer came.
        """
        self.waiting += came - asked
        self.taking += time.perf_counter() - came
        self.taken_bytes += sum(
            one.nbytes for own in found if own is not None for sums in own for one in sums
        )


class Team(Protocol):
    """Workers that compute subtrees of a batch with the weights that they are given.

    A worker keeps nothing from batch to batch, so that one that is lost is missed by nobody: its
    subtrees are computed here.
    """

    @property
    def lost(self) -> str:
        """Which worker is gone and how, in few words; empty while all are there."""

    @property
    def peak_bytes(self) -> int:
        """The workers' peak memory, all together, without that of this process."""

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that run, as far as they are known."""

    def new_exchange(self) -> Exchange:
        """Begin to count the exchange anew, and return what is counted from now on."""

    def start(self) -> None:
        """Let the workers begin to start, where they do not run."""

    def wait(self) -> None:
        """Return when all of them are ready.

        Raises:
            ValueError: The model cannot be built in another process.
            WorkerLostError: One ended, or was not ready in time.
        """

    def publish(self, job: Job, arrays: list[np.ndarray]) -> None:
        """Hand a batch's tensors and all variables to the workers, which begin to compute."""

    def collect(self, job: Job) -> Answers:
        """Return the sums of each subtree of each other worker; None for one that is lost."""

    def forget(self) -> None:
        """Let a loss be no reason to end any longer: another fit begins."""

    def close(self) -> None:
        """End the workers; `start` starts new ones."""
