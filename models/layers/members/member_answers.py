"""The answers of all members to one: their mean probability, as a logit."""

import math
from typing import Any

import keras
from keras import ops

from ultimate_deep.models.checks import check_choice, check_positive, check_range
from ultimate_deep.models.layers.members.draw_member import one_of_each_row
from ultimate_deep.models.layers.members.rows import by_member, one_after_another
from ultimate_deep.models.seeds import derive_seed

AVERAGES = ("probability", "value")


@keras.saving.register_keras_serializable(package="ultimate_deep")
class MemberAnswers(keras.layers.Layer):
    """Average the members' answers of one head: `(rows * members, ...)` to `(rows, ...)`.

    The layer is called on a list of readings. The first is what the net answers by: in
    inference all members of each row. Further ones, such as an early exit, are there for
    training alone. A training loop that knows of members (`training_readings`) does not ask this
    layer: it takes each reading's loss, the mean over its members, times its weight. Any
    other loop is given the first reading, with one member of each row drawn at random: its loss is
    in expectation the mean over members.

    Args:
        members: Number of members of each row in inference.
        average: `probability`, of logits `(rows * members, horizons)` of up, or of three classes
            `(rows * members, horizons, 3)`; `value`, of anything else.
        weights: Weights of the readings in the training loss, one for each.
        drawn: Whether the first reading has one member of each row in training, as after
            `DrawMember`, rather than all.
        seed: Seed of the draws.

    Raises:
        ValueError: An argument outside its range, or another number of readings than weights.
    """

    def __init__(
        self,
        members: int,
        *,
        average: str = "probability",
        weights: tuple[float, ...] | list[float] = (1.0,),
        drawn: bool = False,
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        super().__init__(**layer_options)
        check_range("members", members, 1)
        check_choice("average", average, AVERAGES)
        for weight in weights:
            check_positive("weights", weight)
        self.members = int(members)
        self.average = average
        self.weights_of_readings = tuple(float(weight) for weight in weights)
        self.drawn = bool(drawn)
        self.seed = int(seed)
        self.seed_generator = keras.random.SeedGenerator(derive_seed(self.seed, "draws"))

    def call(self, inputs: list[Any], training: bool | None = None) -> Any:
        """Return one answer for each row."""
        self._check_readings(inputs)
        first = inputs[0]
        if training:
            if self.drawn:
                return first
            return one_of_each_row(first, self.members, self.seed_generator.next())
        answers = by_member(first, self.members)
        if self.average == "value":
            return ops.mean(answers, axis=1)
        if len(answers.shape) == 4:
            return _log_mean(ops.log_softmax(answers, axis=-1), self.members)
        up = _log_mean(ops.log_sigmoid(answers), self.members)
        return up - _log_mean(ops.log_sigmoid(-answers), self.members)

    def compute_output_spec(self, inputs: list[Any], training: bool | None = None) -> Any:
        """The first reading's shape but for the number of rows."""
        self._check_readings(inputs)
        return keras.KerasTensor((None, *inputs[0].shape[1:]), dtype=inputs[0].dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        return {
            **super().get_config(),
            "members": self.members,
            "average": self.average,
            "weights": list(self.weights_of_readings),
            "drawn": self.drawn,
            "seed": self.seed,
        }

    def _check_readings(self, inputs: list[Any]) -> None:
        if not isinstance(inputs, (list, tuple)) or len(inputs) != len(self.weights_of_readings):
            given = len(inputs) if isinstance(inputs, (list, tuple)) else "no list"
            raise ValueError(
                f"{self.name!r} reads a list of {len(self.weights_of_readings)} readings, one for "
                f"each weight, got {given}: give as many weights as readings"
            )


@keras.saving.register_keras_serializable(package="ultimate_deep")
class AddToMembers(keras.layers.Layer):
    """Add what all members of a row share to each: of `(rows * members, ...)` and `(rows, ...)`.

    Args:
        members: Number of members of each row.
    """

    def __init__(self, members: int, **layer_options: Any) -> None:
        super().__init__(**layer_options)
        check_range("members", members, 1)
        self.members = int(members)

    def call(self, inputs: list[Any]) -> Any:
        """Return the sums, `(rows * members, ...)`."""
        answers, shared = inputs
        return one_after_another(by_member(answers, self.members) + ops.expand_dims(shared, 1))

    def compute_output_spec(self, inputs: list[Any]) -> Any:
        """The shape of the members' answers."""
        return keras.KerasTensor(inputs[0].shape, dtype=inputs[0].dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        return {**super().get_config(), "members": self.members}


def _log_mean(logarithms: Any, members: int) -> Any:
    """The logarithm of the mean over members, axis 1."""
    return ops.logsumexp(logarithms, axis=1) - math.log(members)
