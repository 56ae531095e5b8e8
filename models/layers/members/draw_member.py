"""What goes on behind a stem of members: one member a row in training, or the mean of all."""

from typing import Any

import keras
from keras import ops

from ultimate_deep.models.checks import check_range
from ultimate_deep.models.layers.members.rows import by_member
from ultimate_deep.models.layers.stacks.masks import random_choices
from ultimate_deep.models.seeds import derive_seed


@keras.saving.register_keras_serializable(package="ultimate_deep")
class DrawMember(keras.layers.Layer):
    """Let one member of each row through in training, drawn at random; all of them otherwise.

    `(rows * members, ...)` to `(rows, ...)` in training, and to itself in inference. What follows
    is trained at the cost of one net, and judged as an ensemble.

    Args:
        members: Number of members of each row.
        seed: Seed of the draws.
    """

    def __init__(self, members: int, *, seed: int = 0, **layer_options: Any) -> None:
        super().__init__(**layer_options)
        check_range("members", members, 1)
        self.members = int(members)
        self.seed = int(seed)
        self.seed_generator = keras.random.SeedGenerator(derive_seed(self.seed, "draws"))

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the rows of one member each, or `inputs`."""
        if not training:
            return inputs
        return one_of_each_row(inputs, self.members, self.seed_generator.next())

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """The input's shape but for the number of rows."""
        return keras.KerasTensor((None, *inputs.shape[1:]), dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        return {**super().get_config(), "members": self.members, "seed": self.seed}


@keras.saving.register_keras_serializable(package="ultimate_deep")
class MeanOfMembers(keras.layers.Layer):
    """Average the members of each row: `(rows * members, ...)` to `(rows, ...)`.

    Args:
        members: Number of members of each row.
    """

    def __init__(self, members: int, **layer_options: Any) -> None:
        super().__init__(**layer_options)
        check_range("members", members, 1)
        self.members = int(members)

    def call(self, inputs: Any) -> Any:
        """Return the mean of each row's members."""
        return ops.mean(by_member(inputs, self.members), axis=1)

    def compute_output_spec(self, inputs: Any) -> Any:
        """The input's shape but for the number of rows."""
        return keras.KerasTensor((None, *inputs.shape[1:]), dtype=inputs.dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        return {**super().get_config(), "members": self.members}


def one_of_each_row(x: Any, members: int, seed: Any) -> Any:
    """Return one member of each row, drawn at random: `(rows, ...)`.

    Args:
        x: Members one after another, `(rows * members, ...)`.
        members: Number of members of each row.
        seed: Int `(2,)`, new at every step.
    """
    x = by_member(x, members)
    rows = x.shape[0] if x.shape[0] is not None else ops.shape(x)[0]
    # A product with zeros and ones: its gradient is one too, where a gather has a scatter.
    chosen = ops.one_hot(random_choices((rows,), members, seed), members, dtype=x.dtype)
    return ops.sum(x * ops.reshape(chosen, (-1, members, *(1 for _ in x.shape[2:]))), axis=1)
