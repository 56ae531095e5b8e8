"""Configuration of one fit; importable without Keras."""

import dataclasses
import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from ultimate_deep.machine.fields import check_fields, check_seed
from ultimate_deep.machine.ray_cluster import check_ray
from ultimate_deep.training.losses.loss_config import LossConfig
from ultimate_deep.training.schedules.config import ScheduleConfig
from ultimate_deep.training.settings.augmentations import check_augmentations
from ultimate_deep.training.settings.averaging import AveragingConfig
from ultimate_deep.training.settings.curriculum import CurriculumConfig
from ultimate_deep.training.settings.gradients import GradientsConfig
from ultimate_deep.training.settings.optimizers import OPTIMIZERS, OptimizerName

PRECISIONS = ("auto", "float32", "mixed_bfloat16", "mixed_float16")
CLIPPINGS = ("global", "per_layer", "adaptive", "none")
# The field that each way of clipping reads, with its default.
CLIPPING_NORMS = {
    "global": ("global_clipnorm", 1.0),
    "per_layer": ("layer_clipnorm", 1.0),
    "adaptive": ("adaptive_clip", 0.01),
}
# Losses that read returns themselves, for which a label does not weigh by the size of its return.
RETURN_LOSSES = frozenset({"trading", "quantile"})
# Of a model whose preset says nothing else.
LEARNING_RATE, BATCH_SIZE, EPOCHS = 1e-3, 256, 12
# On which no result depends: a run that goes on may have others, and is the same trial with others.
WITHOUT_EFFECT = ("workers", "engine")
NOT_IN_FINGERPRINT = (*WITHOUT_EFFECT, "checkpoint_every_epochs", "checkpoint_every_seconds")


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """How a model is trained.

    Args:
        epochs: Most passes over the training part; None takes what the model's preset says, 12
            where there is none.
        planned_epochs: Epochs over which the learning rate runs its course; from their end on,
            training ends with the first epoch that is not the best so far, and after `epochs` in
            any case. None plans all of `epochs`.
        batch_size: Rows of one step; None takes what the model's preset says, 256 where there is
            none. The rows of an epoch that fill no batch are left out of it (each epoch is
            shuffled anew, so they differ).
        batch_size_schedule: Rows of one step as training goes on, such as `[512, 256, 128, 64]`;
            the first one replaces `batch_size`. Empty stays with that.
        batch_size_by: When the next of them comes: `epoch` gives each an equal share of the epochs,
            `plateau` waits until the validation loss stalls for
            `schedule.plateau_patience_epochs`, `noise` takes the one next to the gradient noise
            scale of the epoch before.
        augmentations: What training batches are changed by, and how strongly: `{"jitter": 0.03}`.
            Their names: `jitter`, `scaling`, `feature_dropout`, `mixup`, `cutmix`, and for windows
            `time_warp`, `magnitude_warp`, `window_slice`. None takes what the model's preset says,
            `{}` has none.
        curriculum: What is learnt first.
        growing_stages: Shares of the blocks of the net's residual or attention stack that training
            begins with, such as `[0.1, 0.4]`; each stage, and all blocks after the last one, has
            an equal share of the epochs, and goes on from the stage before. Empty has all blocks
            from the start.
        learned_horizon_weights: Whether each horizon weighs the less the larger its loss is, by
            variances that are learnt with the net.
        optimizer: `adamw`; `lamb`, whose learning rate is a relative step: it moves the kernel of
            every layer by that share of its norm, however deep the net; `muon`, which makes the
            steps of matrices orthogonal; `schedule_free`, AdamW whose weights are averaged as it
            goes, so that its rate needs no fall (its schedule is `constant`).
        learning_rate: Peak learning rate, after warm-up; None takes what the model's preset says,
            1e-3 where there is none.
        rate_factors: What the learning rate of a net's parts is multiplied by, by the name of a
            layer, of a weight or of both (`stem/bias`), in which `*` stands for anything and `|`
            between several: `{"residual_stack|dense_stack": 0.25}`. A weight that several factors
            name takes their product; decay is by the same rate. None takes what the model's
            preset says.
        frozen: Names of layers that stay as they are, such as `[stem]`, in which `*` stands for
            anything.
        weight_decay: Decoupled decay of kernels per unit of learning rate; never on norms and
            biases.
        clipping: `global` clips all gradients together; `per_layer` each layer's slice of each
            weight by itself, so that one layer's burst does not shrink the others' steps;
            `adaptive` likewise, in proportion to the norm of the slice's weights; `none`.
        global_clipnorm: `global`: largest norm of all gradients together; None does not clip.
        layer_clipnorm: `per_layer`: largest norm of a layer's slice of a gradient.
        adaptive_clip: `adaptive`: largest norm of it, as a share of the norm of its weights.
        gradients: How the gradients of a step are found: in parts, centralized, at the worst point
            nearby.
        workers: Processes that share out the parts of each batch, at most
            `gradients.micro_batches`; weights are the same to the bit for every number of them,
            and a run that was stopped may go on with another.
        engine: Who runs the workers: `processes` of this machine, or `ray`, which places them on
            this machine or on the cluster that the environment variable RAY_ADDRESS names.
        sharding: What JAX's devices share out among them: the rows of each batch (`data`), or the
            weights of stacks of blocks (`stacks`); the last bits of the weights depend on it.
        averaging: Which average of the weights is judged and kept.
        schedule: Course of the learning rate.
        loss: What training minimises, and what is measured on validation to stop by: a
            cross-entropy at the temperature that suits validation best.
        class_weights: Whether all classes of a horizon weigh the same in the training loss.
            Validation is never reweighted.
        return_weights: How many usual sizes of a return a training label may weigh at most: it
            weighs as much as its return has usual sizes; 0 weighs all alike. It learns the side of
            the mean return in place of the more frequent side: the same where shocks are symmetric.
            Validation is never reweighted, rows whose usual size is unknown are left out, and
            losses that read returns themselves (`trading`, `quantile`) refuse it. None takes what
            the model's preset says, where the losses do not.
        patience_epochs: Epochs without a better validation loss before the run ends; 0 never.
        min_delta: Smallest fall of the validation loss that counts as better.
        label_smoothing: Share of a training label that goes to all classes alike; short for
            `loss.name: smoothed_cross_entropy` with that `loss.smoothing`.
        seed: Seed of the data order.
        jit_compile: XLA for the training step and validation; `auto` uses it for models with
            stacks of blocks or members, where it pays.
        precision: What the model is to be built with; `fit` refuses a model built otherwise,
            unless it is `auto`.
        evaluation_batch_size: Rows of one validation batch.
        checkpoint_every_epochs: Write a checkpoint at the end of every so many epochs; 0 leaves
            it to the clock.
        checkpoint_every_seconds: Least seconds between checkpoints by the clock, stretched so
            that writing stays under 5% of the time; 0 writes after every step.
    """

    epochs: int | None = None
    planned_epochs: int | None = None
    batch_size: int | None = None
    batch_size_schedule: tuple[int, ...] = ()
    batch_size_by: Literal["epoch", "plateau", "noise"] = "epoch"
    augmentations: dict[str, float] | None = field(default=None, hash=False)
    curriculum: CurriculumConfig = CurriculumConfig()
    growing_stages: tuple[float, ...] = ()
    learned_horizon_weights: bool = False
    optimizer: OptimizerName = "adamw"
    learning_rate: float | None = None
    rate_factors: dict[str, float] | None = field(default=None, hash=False)
    frozen: tuple[str, ...] = ()
    weight_decay: float = 1e-2
    clipping: Literal["global", "per_layer", "adaptive", "none"] = "global"
    global_clipnorm: float | None = 1.0
    layer_clipnorm: float = 1.0
    adaptive_clip: float = 0.01
    gradients: GradientsConfig = GradientsConfig()
    workers: int = 1
    engine: Literal["processes", "ray"] = "processes"
    sharding: Literal["none", "data", "stacks"] = "none"
    averaging: AveragingConfig = AveragingConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    loss: LossConfig = LossConfig()
    class_weights: bool = False
    return_weights: float | None = None
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
        check_fields(self, "fit")
        for name, value in (
            ("epochs", self.most_epochs),
            ("batch_size", BATCH_SIZE if self.batch_size is None else self.batch_size),
            ("evaluation_batch_size", self.evaluation_batch_size),
        ):
            _require(value >= 1, name, value, "at least 1")
        _require(self.peak_rate > 0, "learning_rate", self.peak_rate, "above 0")
        self._check_optimizer()
        self._check_course()
        self._check_clipping()
        self._check_return_weights()
        for name, factor in self.factors_of_parts.items():
            rule = f"rate_factors[{name!r}]"
            _require(0 < factor < math.inf, rule, factor, "above 0 and finite")
        for name in (
            "weight_decay",
            "patience_epochs",
            "min_delta",
            "checkpoint_every_epochs",
            "checkpoint_every_seconds",
        ):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "at least 0")
        check_seed("fit.seed", self.seed)
        smoothing = self.label_smoothing
        _require(0 <= smoothing < 1, "label_smoothing", smoothing, "in [0, 1)")
        if smoothing and self.loss != LossConfig():
            raise ValueError(
                f"fit.label_smoothing smooths plain cross_entropy, got {smoothing} with "
                f"fit.loss.name {self.loss.name!r}; set fit.loss.smoothing under "
                "smoothed_cross_entropy, or leave fit.label_smoothing out"
            )
        _require(self.precision in PRECISIONS, "precision", self.precision, f"one of {PRECISIONS}")
        jit = self.jit_compile
        _require(jit == "auto" or isinstance(jit, bool), "jit_compile", jit, "auto, true or false")

    @property
    def peak_rate(self) -> float:
        """The peak learning rate that training uses."""
        return LEARNING_RATE if self.learning_rate is None else self.learning_rate

    @property
    def rows_of_step(self) -> int:
        """The rows of one step that training uses."""
        if self.batch_size_schedule:
            return self.batch_size_schedule[0]
        return BATCH_SIZE if self.batch_size is None else self.batch_size

    @property
    def most_epochs(self) -> int:
        """The most passes that training makes."""
        return max(EPOCHS, self.planned_epochs or 0) if self.epochs is None else self.epochs

    @property
    def course_epochs(self) -> int:
        """The epochs over which the learning rate runs its course."""
        return self.most_epochs if self.planned_epochs is None else self.planned_epochs

    @property
    def parts_of_batch(self) -> int:
        """The parts that every batch is cut into: micro-batches, and halves to measure noise."""
        return self.gradients.micro_batches * (2 if self.batch_size_by == "noise" else 1)

    @property
    def settled_epochs(self) -> int:
        """The epochs before everything is in: the curriculum over, the first average taken."""
        course, found = self.course_epochs, 0
        if self.curriculum.kind != "none":
            found = math.ceil(self.curriculum.share * course)
        if self.averaging.kind == "swa":
            found = max(found, self.averaging.swa_start(course))
        return found

    @property
    def largest_weight(self) -> float:
        """The usual sizes of a return that a label weighs at most; 0 weighs all alike."""
        return self.return_weights or 0.0

    @property
    def factors_of_parts(self) -> dict[str, float]:
        """The factors of the learning rate that training uses, by name."""
        return self.rate_factors or {}

    @property
    def loss_reads_returns(self) -> bool:
        """Whether the loss reads returns itself."""
        return not RETURN_LOSSES.isdisjoint(self.loss.names)

    @property
    def reads_returns(self) -> bool:
        """Whether training reads returns: its loss does, or labels weigh by them."""
        return bool(self.return_weights) or self.loss_reads_returns

    def filled(self, **recipe: Any) -> "FitConfig":
        """Return the same fit with these values where nothing else was asked for.

        Args:
            recipe: Values of fields that may be None.
        """
        unset = {name: value for name, value in recipe.items() if getattr(self, name) is None}
        if unset.get("epochs") is not None and self.planned_epochs is not None:
            unset["epochs"] = max(unset["epochs"], self.planned_epochs)
        return dataclasses.replace(self, **unset)

    def training_loss(self) -> LossConfig:
        """Return the loss, with `label_smoothing` written out."""
        if not self.label_smoothing:
            return self.loss
        return LossConfig(name="smoothed_cross_entropy", smoothing=self.label_smoothing)

    def _check_optimizer(self) -> None:
        name, course = self.optimizer, self.schedule.kind
        _require(name in OPTIMIZERS, "optimizer", name, f"one of {', '.join(OPTIMIZERS)}")
        if name == "schedule_free" and course != "constant":
            raise ValueError(
                "fit.optimizer schedule_free averages its weights in place of a falling rate, got "
                f"fit.schedule.kind {course!r}; set fit.schedule.kind to constant"
            )
        averages = self.averaging
        if name == "schedule_free" and (averages.kind != "none" or averages.lookahead_steps):
            raise ValueError(
                "fit.optimizer schedule_free averages its weights itself, got fit.averaging beside "
                f"it, {averages!r}; leave fit.averaging out, or choose another optimizer"
            )
        parts, rows = self.gradients.micro_batches, self.rows_of_step
        if self.batch_size is None and not self.batch_size_schedule:
            rule = (
                f"a number that divides the {rows} rows of a step where fit.batch_size is not set"
            )
            # A preset's own size is checked when it is known.
            _require(rows % parts == 0, "gradients.micro_batches", parts, rule)
        elif self.batch_size is not None:
            rule = f"a multiple of fit.gradients.micro_batches, {parts}"
            _require(rows % parts == 0, "batch_size", rows, rule)
        _require(self.workers >= 1, "workers", self.workers, "at least 1")

    def check_workers(self) -> None:
        """Refuse workers that cannot share this training out.

        Not when the settings are made: a run that is resumed has others beside them.

        Raises:
            ValueError: More workers than parts of a batch, Ray without workers, or not installed.
        """
        workers, parts = self.workers, self.gradients.micro_batches
        if workers > parts:
            raise ValueError(
                f"fit.workers shares out the parts of a batch, got {workers} workers for "
                f"fit.gradients.micro_batches {parts}; set that to a power of two from {workers} "
                "on, on which the weights depend, or fewer workers, on which they do not"
            )
        if self.engine == "ray" and workers == 1:
            raise ValueError(
                "fit.engine ray is for workers, got fit.workers 1; set fit.workers to 2 or more, "
                "or fit.engine to processes"
            )
        if self.engine == "ray":
            check_ray("fit.engine ray", "fit.engine processes")
        if workers > 1 and self.batch_size_by == "noise":
            raise ValueError(
                "fit.batch_size_by noise measures from each part of a batch to the next, got "
                f"fit.workers {workers}, which compute them at once; leave one of both out"
            )

    def _check_course(self) -> None:
        """Check what changes from epoch to epoch."""
        planned, most = self.planned_epochs, self.most_epochs
        rule = f"from 1 to the {most} epochs of fit.epochs"
        _require(planned is None or 1 <= planned <= most, "planned_epochs", planned, rule)
        sizes, parts = self.batch_size_schedule, self.parts_of_batch
        rule = f"whole numbers from 1 that {parts} parts divide"
        whole = all(size >= 1 and size % parts == 0 for size in sizes)
        _require(whole, "batch_size_schedule", sizes, rule)
        default = self.batch_size_by == "epoch" or bool(sizes)
        rule = "left out where fit.batch_size_schedule is"
        _require(default, "batch_size_by", self.batch_size_by, rule)
        check_augmentations(self.augmentations or {})
        stages = self.growing_stages
        rising = all(0 < a < b <= 1 for a, b in pairwise((*stages, 1.0)))
        rule = "shares that rise between 0 and 1"
        _require(rising, "growing_stages", stages, rule)
        most = self.most_epochs
        rule = f"fewer than the {most} epochs of fit.epochs"
        # The preset may say more where nobody has said how many.
        fits = len(stages) < most or self.epochs is None
        _require(fits, "growing_stages", stages, rule)
        if stages and self.optimizer == "schedule_free":
            raise ValueError(
                "fit.growing_stages takes moments over to a deeper net, and schedule_free keeps "
                "weights in their place; choose another fit.optimizer, or leave the stages out"
            )
        if stages and self.planned_epochs is not None:
            raise ValueError(
                f"fit.planned_epochs plans one course, got {self.planned_epochs} with "
                "fit.growing_stages, which shares fit.epochs out among stages; leave one of both "
                "out"
            )
        _require("" not in self.frozen, "frozen", self.frozen, "names of layers")

    def _check_return_weights(self) -> None:
        largest, losses = self.largest_weight, self.loss.names
        _require(0 <= largest < math.inf, "return_weights", largest, "at least 0 and finite")
        if largest and not RETURN_LOSSES.isdisjoint(losses):
            reading = sorted(RETURN_LOSSES.intersection(losses))
            raise ValueError(
                f"fit.return_weights weighs losses of directions, got {largest} with "
                f"{' and '.join(reading)}, which reads returns itself; leave fit.return_weights "
                "out, or choose a loss of directions without heads.quantiles"
            )

    def _check_clipping(self) -> None:
        """Check all norms, and that none is set which the chosen way of clipping ignores."""
        _require(self.clipping in CLIPPINGS, "clipping", self.clipping, f"one of {CLIPPINGS}")
        for clipping, (name, default) in CLIPPING_NORMS.items():
            norm = getattr(self, name)
            if name == "global_clipnorm" and norm is None:
                continue
            or_null = ", or null" if name == "global_clipnorm" else ""
            _require(0 < norm < math.inf, name, norm, f"above 0 and finite{or_null}")
            if clipping != self.clipping and norm != default:
                raise ValueError(
                    f"fit.{name} is {norm!r} but fit.clipping is {self.clipping!r} and does not "
                    f"read it; set fit.clipping to {clipping!r}, or leave fit.{name} out"
                )


def _require(holds: bool, name: str, value: object, rule: str) -> None:
    if not holds:
        raise ValueError(f"fit.{name} must be {rule}, got {value!r}; change it or leave it out")
