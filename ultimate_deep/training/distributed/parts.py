"""What a worker computes: sums of its subtrees, from the batch and the variables it is given."""

import copy
import importlib
import os
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ultimate_deep.machine.memory import reuse_memory
from ultimate_deep.machine.plugins import load_plugin
from ultimate_deep.training.batches.accumulation import Accumulation
from ultimate_deep.training.batches.gradient_pass import GradientPass, pass_alone
from ultimate_deep.training.distributed.shares import Subtree
from ultimate_deep.training.distributed.team import Job, Recruit
from ultimate_deep.training.losses.outputs import head_shapes
from ultimate_deep.training.losses.registry import build_loss


class Parts:
    """Builds the model and computes sums of subtrees; it keeps nothing from batch to batch.

    Args:
        recruit: What a worker must know of the fit.

    Raises:
        ValueError: The model comes out otherwise than where it is trained.
    """

    def __init__(self, recruit: Recruit) -> None:
        self._model = build_again(recruit)
        reuse_memory(self._model.count_params())
        loss = build_loss(recruit.config.training_loss(), head_shapes(self._model.output))
        self._pass = pass_alone(GradientPass(self._model, loss), jit_compile=recruit.jit_compile)
        self._tree = Accumulation(self._model, recruit.config.gradients.micro_batches)
        self._draws = whole_numbers(self._model)
        self._compiled: dict[int, Any] = {}
        self._drawn: dict[int, list[tf.Tensor]] = {}

    def sums(self, job: Job, worker: int, arrays: list[np.ndarray]) -> list[list[np.ndarray]]:
        """Return what each subtree of a worker adds up to.

        Args:
            job: Batches of which shape.
            worker: Which worker this one is.
            arrays: The batch's tensors, then all variables; not kept.
        """
        given = [tf.constant(array) for array in arrays]
        if job.number not in self._compiled:
            drawn = self._draws_of_a_part(job, given)
            traced = self._computing(job, job.shares[worker]).get_concrete_function(given, drawn)
            self._compiled[job.number], self._drawn[job.number] = traced, drawn
        found = self._compiled[job.number](given, self._drawn[job.number])
        return [[one.numpy() for one in sums] for sums in found]

    def _computing(self, job: Job, subtrees: list[Subtree]) -> Any:
        def computed(given: list[Any], drawn: list[Any]) -> list[list[Any]]:
            tensors = self._taken(job, given)
            before = [tf.identity(variable.value) for variable in self._draws]
            found = []
            for first, parts in subtrees:
                move_draws(self._draws, before, drawn, first)
                found.append(self._tree.sums(tensors, self._pass, parts, first))
            return found

        return tf.function(computed, autograph=False)

    def _draws_of_a_part(self, job: Job, given: list[Any]) -> list[tf.Tensor]:
        """Return how far a part's pass moves the states of random numbers."""

        def computed(given: list[Any]) -> list[Any]:
            tensors = self._taken(job, given)
            # Identities, as a cast to the kind that it has returns the variable and no value.
            before = [tf.identity(variable.value) for variable in self._draws]
            with tf.control_dependencies(self._tree.sums(tensors, self._pass, 1)):
                after = [tf.identity(variable.value) for variable in self._draws]
            pairs = zip(before, after, strict=True)
            return [tf.cast(b, tf.int64) - tf.cast(a, tf.int64) for a, b in pairs]

        return list(tf.function(computed, autograph=False)(given))

    def _taken(self, job: Job, given: list[Any]) -> Any:
        """Put all variables in place, and return the batch."""
        count = len(job.tensors)
        for variable, value in zip(self._model.variables, given[count:], strict=True):
            variable.assign(value)
        return tf.nest.map_structure(lambda place: given[place], job.structure)


def whole_numbers(model: keras.Model) -> list[keras.Variable]:
    """Return the variables that count, as states of random numbers do."""
    return [v for v in model.non_trainable_variables if "int" in str(v.dtype)]


def move_draws(
    variables: list[keras.Variable], before: list[Any], drawn: list[Any], parts: Any
) -> None:
    """Put the states of random numbers where they are after so many parts.

    Args:
        variables: States of random numbers, as `whole_numbers` finds them.
        before: Their values before the first part.
        drawn: How far a part moves each, int64.
        parts: Parts that have been computed by then.
    """
    for variable, value, moved in zip(variables, before, drawn, strict=True):
        at = tf.cast(value, tf.int64) + moved * tf.cast(parts, tf.int64)
        variable.assign(tf.cast(at, value.dtype))


def build_again(recruit: Recruit) -> keras.Model:
    """Return the model of another process, its weights not yet in place.

    Raises:
        ValueError: It has other variables here.
    """
    within, between = recruit.threads
    if within:
        tf.config.threading.set_intra_op_parallelism_threads(within)
    if between:
        tf.config.threading.set_inter_op_parallelism_threads(between)
    keras.config.set_floatx(recruit.keras_config[0])
    keras.config.set_image_data_format(recruit.keras_config[1])
    for plugin in recruit.plugins:
        load_plugin(plugin)
    for name in recruit.modules:
        importlib.import_module(name)
    described = copy.deepcopy(recruit.model)  # Keras takes it to pieces
    model: keras.Model = keras.saving.deserialize_keras_object(described, safe_mode=False)
    found, trained = specs_of(model), len(model.trainable_variables)
    if found != recruit.variables or trained != recruit.trained:
        differing = [
            f"{one} there, {other} here"
            for one, other in zip(recruit.variables, found, strict=False)
            if one != other
        ]
        raise ValueError(
            f"it has {len(recruit.variables)} variables, {recruit.trained} of them trained, where "
            f"it is trained, and {len(found)}, {trained} of them, in process {os.getpid()}; "
            f"{'; '.join(differing[:3])}"
        )
    return model


def specs_of(model: keras.Model) -> list[tuple[str, tuple[int, ...], str]]:
    """Return name, shape and dtype of every variable; Keras numbers layers anew in each process."""
    return [(v.name, tuple(v.shape), str(v.dtype)) for v in model.variables]
