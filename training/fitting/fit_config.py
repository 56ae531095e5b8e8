"""Configuration of one fit; importable without Keras."""

from dataclasses import dataclass
from typing import Literal

from training.fitting.schedules import ScheduleConfig

PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
NOT_IN_FINGERPRINT = ("checkpoint_every_epochs", "checkpoint_every_seconds")


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How a model is trained.

    Args:
        epochs: Most passes over the training part.
        batch_size: Rows of one step; the rows of an epoch that fill no batch are left out of it
            (each epoch is shuffled anew, so they differ).
        learning_rate: Peak learning rate, after warm-up.
        weight_decay: Decoupled decay of kernels per unit of learning rate; never on norms and
            biases.
        global_clipnorm: Largest norm of all gradients together; None does not clip.
        schedule: Course of the learning rate.
        class_weights: Whether both classes of a horizon weigh the same in the training loss.
            Validation is never reweighted.
        patience_epochs: Epochs without a better validation loss before the run ends; 0 never.
        min_delta: Smallest fall of the validation loss that counts as better.
        label_smoothing: Share by which training labels move towards one half.
        seed: Seed of the data order.
        jit_compile: XLA for the training step and validation; `auto` uses it for models with
            stacks of blocks, where it pays.
        precision: What the model is to be built with; `fit` refuses a model built otherwise,
            unless it is `auto`.
        evaluation_batch_size: Rows of one validation batch.
        checkpoint_every_epochs: Write a checkpoint at the end of every so many epochs; 0 leaves
            it to the clock.
        checkpoint_every_seconds: Least seconds between checkpoints by the clock, stretched so
            that writing stays under 5% of the time; 0 writes after every step.
    """

    epochs: int = 12
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    global_clipnorm: float | None = 1.0
    schedule: ScheduleConfig = ScheduleConfig()
    class_weights: bool = False
    patience_epochs: int = 5
    min_delta: float = 0.0
    label_smoothing: float = 0.0
    seed: int = 0
    jit_compile: Literal["auto"] | bool = "auto"
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
    evaluation_batch_size: int = 1024
    checkpoint_every_epochs: int = 0
    checkpoint_every_seconds: float = 60.0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "evaluation_batch_size"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        _require(self.learning_rate > 0, "learning_rate", self.learning_rate, "above 0")
        norm = self.global_clipnorm
        _require(norm is None or norm > 0, "global_clipnorm", norm, "above 0, or null")
        for name in (
            "weight_decay",
            "patience_epochs",
            "min_delta",
            "seed",
            "checkpoint_every_epochs",
            "checkpoint_every_seconds",
        ):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "at least 0")
        smoothing = self.label_smoothing
        _require(0 <= smoothing < 1, "label_smoothing", smoothing, "in [0, 1)")
        _require(self.precision in PRECISIONS, "precision", self.precision, f"one of {PRECISIONS}")
        jit = self.jit_compile
        _require(jit == "auto" or isinstance(jit, bool), "jit_compile", jit, "auto, true or false")


def _require(holds: bool, name: str, value: object, rule: str) -> None:
    if not holds:
        raise ValueError(f"fit.{name} must be {rule}, got {value!r}; change it or leave it out")
