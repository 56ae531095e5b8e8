"""Batches whose parts several workers compute; the sums, and so the weights, are those of one."""

import dataclasses
import os
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ultimate_deep.machine.plugins import plugin_paths
from ultimate_deep.machine.threads import usable_cores
from ultimate_deep.training.batches.accumulation import Accumulation
from ultimate_deep.training.batches.gradient_pass import compiled_alone, uses_xla
from ultimate_deep.training.config import FitConfig
from ultimate_deep.training.distributed.parts import move_draws, specs_of, whole_numbers
from ultimate_deep.training.distributed.processes import ProcessTeam
from ultimate_deep.training.distributed.shares import Subtree, halves, shares
from ultimate_deep.training.distributed.team import Job, Recruit, Spec, Team
from ultimate_deep.training.participant import (
    Compute,
    FitOutline,
    StepGradients,
    StepTensors,
)
from ultimate_deep.training.settings.gradients import GradientsConfig

EXAMPLE = FitConfig(gradients=GradientsConfig(micro_batches=4))


class SharedAccumulation(Accumulation):
    """Hands subtrees of a batch's parts to workers, and adds what they find along the same tree.

    Workers are given the batch and all variables for each pass, and keep nothing. This process
    computes the first share meanwhile, then adds, moves the statistics and lets the optimizer
    step: whatever else takes part in the fit knows nothing of workers. The subtrees of a worker
    that is lost are computed here, so that the step ends as any other; then the fit ends.

    Args:
        model: The model that is trained.
        parts: Number of micro-batches, a power of two.
        workers: Workers, this process included.
        team: Workers that compute all shares but the first.
    """

    def __init__(self, model: keras.Model, parts: int, workers: int, team: Team) -> None:
        super().__init__(model, parts)
        self.team = team
        self._variables = list(model.variables)
        self._draws = whole_numbers(model)
        self._shares = shares(parts, workers)
        self._jobs: dict[str, Job] = {}
        self._added = compiled_alone(_added, jit_compile=False)

    def begin(self, outline: FitOutline) -> None:
        self.team.forget()

    def before_step(self) -> None:
        self.team.wait()

    def must_end(self) -> str:
        return self.team.lost

    def outside_bytes(self) -> int:
        return self.team.peak_bytes

    def release(self) -> None:
        self.team.close()

    def gradients(self, tensors: StepTensors, compute: Compute) -> StepGradients:
        self.team.start()  # so that the workers build their model while this one is traced
        job = self._job(tensors)
        values = [tf.identity(variable.value) for variable in self._variables]
        before = [tf.identity(variable.value) for variable in self._draws]

        def publish(*arrays: np.ndarray) -> np.int64:
            self.team.publish(job, list(arrays))
            return np.int64(0)

        handed = [*tf.nest.flatten(tensors), *values]
        with tf.control_dependencies([tf.numpy_function(publish, handed, tf.int64)]):
            sums = {one: self.sums(tensors, compute, one.parts, one.first) for one in job.shares[0]}
        computed = [tensor for own in sums.values() for tensor in own]
        here = sum(one.parts for one in job.shares[0])
        drawn = [
            (tf.cast(variable.value, tf.int64) - tf.cast(value, tf.int64)) // here
            for variable, value in zip(self._draws, before, strict=True)
        ]
        with tf.control_dependencies(computed):
            answers = self._collected(job)

        def again(one: Subtree) -> list[Any]:
            move_draws(self._draws, before, drawn, one.first)
            return self.sums(tensors, compute, one.parts, one.first)

        for own, (came, found) in zip(job.shares[1:], answers, strict=True):
            for one, theirs in zip(own, found, strict=True):
                sums[one] = tf.cond(came, lambda theirs=theirs: theirs, lambda one=one: again(one))
        move_draws(self._draws, before, drawn, self._parts)
        return self.finished(self._joined(Subtree(0, self._parts), sums))

    def _joined(self, subtree: Subtree, sums: dict[Subtree, list[Any]]) -> list[Any]:
        """Return the sums of a subtree: as they were found, or those of both halves, added."""
        if subtree in sums:
            return sums[subtree]
        left, right = (self._joined(half, sums) for half in halves(subtree))
        # From zero on, as one worker adds them: minus zero becomes zero.
        zeros = [tf.zeros(shape, dtype) for shape, dtype in self._shapes]
        return list(self._added(zeros, left, right))

    def _collected(self, job: Job) -> list[tuple[Any, list[list[Any]]]]:
        """Return of every other worker whether its sums came, and them by subtree."""
        kinds = [tf.as_dtype(one.dtype) for one in job.sums]

        def collect() -> list[Any]:
            flat: list[Any] = []
            for own, answer in zip(job.shares[1:], self.team.collect(job), strict=True):
                flat.append(np.bool_(answer is not None))
                if answer is None:
                    answer = [[np.zeros(*one) for one in job.sums] for _ in own]
                flat += [one for sums in answer for one in sums]
            return flat

        others = job.shares[1:]
        found = iter(
            tf.numpy_function(
                collect, [], [kind for own in others for kind in (tf.bool, *(kinds * len(own)))]
            )
        )
        answers = []
        for own in others:
            came = tf.ensure_shape(next(found), ())
            sums = [[tf.ensure_shape(next(found), one.shape) for one in job.sums] for _ in own]
            answers.append((came, sums))
        return answers

    def _job(self, tensors: StepTensors) -> Job:
        flat = tf.nest.flatten(tensors)
        specs = [_plain(one.shape, one.dtype) for one in flat]
        known = repr(specs)
        if known not in self._jobs:
            self._jobs[known] = Job(
                number=len(self._jobs),
                structure=tf.nest.pack_sequence_as(tensors, list(range(len(flat)))),
                tensors=[_plain(one.shape, one.dtype) for one in flat],
                variables=[_plain(one.shape, one.dtype) for one in self._variables],
                sums=[_plain(shape, dtype) for shape, dtype in self._shapes],
                shares=self._shares,
            )
        return self._jobs[known]


def _added(zeros: list[Any], left: list[Any], right: list[Any]) -> list[Any]:
    return [zero + a + b for zero, a, b in zip(zeros, left, right, strict=True)]


def _plain(shape: Any, dtype: Any) -> Spec:
    return Spec(tuple(shape), np.dtype(tf.as_dtype(dtype).as_numpy_dtype))


def build_accumulation(config: FitConfig, model: keras.Model) -> Accumulation | None:
    """Return it where `fit.gradients.micro_batches` asks for it, with `fit.workers` shared out.

    Raises:
        ValueError: Workers where there can be none.
    """
    parts = config.gradients.micro_batches
    if parts == 1:
        return None
    if config.workers == 1:
        return Accumulation(model, parts)
    check_shareable(model)
    team = _team(config, lambda: recruit_for(model, config))
    return SharedAccumulation(model, parts, config.workers, team)


def _team(config: FitConfig, recruit: Callable[[], Recruit]) -> Team:
    if config.engine == "processes":
        return ProcessTeam(config.workers, recruit)
    from ultimate_deep.training.distributed.ray_team import RayTeam

    def for_elsewhere() -> Recruit:
        # A number: a worker on another machine has another environment and other cores.
        found = recruit()
        within, between = found.threads
        return dataclasses.replace(found, threads=(within or _usual_threads(), between))

    return RayTeam(config.workers, for_elsewhere)


def check_shareable(model: keras.Model) -> None:
    """Refuse workers where processes of their own cannot compute what this one does.

    Raises:
        ValueError: Naming what stands in the way.
    """
    remedy = "leave fit.workers at 1"
    if os.name != "posix":
        raise ValueError(f"fit.workers needs Linux or macOS, this is {os.name!r}; {remedy}")
    if tf.config.get_visible_devices("GPU"):
        raise ValueError(
            "fit.workers shares a batch out among processes of the CPU, and TensorFlow sees a GPU, "
            f"which they would not share; say --device cpu (CUDA_VISIBLE_DEVICES=-1), or {remedy}"
        )
    layers = model._flatten_layers(include_self=False)
    if any(getattr(layer, "compute_dtype", None) == "float16" for layer in layers):
        raise ValueError(
            "fit.workers knows no loss scale, which a net in mixed_float16 has; take "
            f"mixed_bfloat16 or float32 as fit.precision, or {remedy}"
        )
    try:
        model.get_config()
    except NotImplementedError as error:
        raise ValueError(
            f"fit.workers builds the net anew in every worker, got {model.name!r}, which does not "
            f"say how ({error}); give it get_config, or {remedy}"
        ) from error


def _usual_threads() -> int:
    """Return how many threads TensorFlow takes within an operation where nobody says."""
    said = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return int(said) if said.isdigit() and int(said) else usable_cores()


def recruit_for(model: keras.Model, config: FitConfig) -> Recruit:
    """Return what a worker needs to know of a fit."""
    threading = tf.config.threading
    return Recruit(
        model=keras.saving.serialize_keras_object(model),
        variables=specs_of(model),
        trained=len(model.trainable_variables),
        modules=sorted({type(one).__module__ for one in model._flatten_layers()}),
        plugins=plugin_paths(),
        config=config,
        jit_compile=uses_xla(model, config),
        threads=(
            threading.get_intra_op_parallelism_threads(),
            threading.get_inter_op_parallelism_threads(),
        ),
        keras_config=(keras.config.floatx(), keras.config.image_data_format()),
    )
