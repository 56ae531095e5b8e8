"""Mixture of experts: each bar's feed-forward net is chosen by a router."""

import math
from typing import Any, NamedTuple

import keras
from keras import ops

from ultimate_deep.models.checks import check_positive, check_range
from ultimate_deep.models.seeds import derive_seed


class Routing(NamedTuple):
    """Where the bars of each window go.

    Args:
        chance: The router's softmax, `(batch, time, experts)` float32.
        wanted: 1 for the experts a bar chose, `(batch, time, experts)`.
        send: 1 where a bar fills a place of an expert, `(batch, time, experts, places)`.
        gather: `send` times the weight of the expert's answer.
    """

    chance: Any
    wanted: Any
    send: Any
    gather: Any


@keras.saving.register_keras_serializable(package="ultimate_deep")
class ExpertsFeedForward(keras.layers.Layer):
    """Feed-forward nets of which every bar uses the few its router chose: `(batch, time, width)`.

    Within each window an expert has `capacity_factor * experts_per_bar * time / experts` places
    (rounded up), in training and afterwards alike. The newest bars take their places first, so
    that older bars never displace newer ones and windows never meet; a choice that finds no place
    is dropped and adds nothing, which leaves that bar to the residual around this layer. In
    training `balance_weight * experts * sum(share * chance)` is added to the loss, 1 times the
    weight where the load is even.

    All experts lie in one weight each, `(experts, ...)`: one that no bar chose in a step keeps its
    part as it was, though the weight as a whole moves.

    Args:
        experts: Experts, at least 2.
        hidden_width: Hidden width of each.
        experts_per_bar: How many each bar uses.
        capacity_factor: Places per expert over those an even load needs.
        balance_weight: Weight of the load-balancing loss.
        activation: A Keras activation.
        seed: Seed of the kernels.

    Source: Shazeer et al. (2017), arXiv:1701.06538, sec. 2; Fedus et al. (2021), "Switch
    Transformers", arXiv:2101.03961, eq. 2 to 6, for capacity, residual and loss (its fractions
    count every choice here); Lepikhin et al. (2020), "GShard", arXiv:2006.16668, algorithm 1, for
    the weights of two experts and places by group, a group being a window. The order of places,
    by recency, is ours.

    Raises:
        ValueError: An argument outside its range.
    """

    def __init__(
        self,
        experts: int,
        hidden_width: int,
        *,
        experts_per_bar: int = 2,
        capacity_factor: float = 1.25,
        balance_weight: float = 0.01,
        activation: str = "gelu",
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        super().__init__(autocast=False, **layer_options)
        check_range("experts", experts, 2)
        check_range("hidden_width", hidden_width, 1)
        check_range("experts_per_bar", experts_per_bar, 1, experts + 1)
        check_positive("capacity_factor", capacity_factor)
        check_range("balance_weight", balance_weight, 0.0)
        self.experts = int(experts)
        self.hidden_width = int(hidden_width)
        self.experts_per_bar = int(experts_per_bar)
        self.capacity_factor = float(capacity_factor)
        self.balance_weight = float(balance_weight)
        self.activation = activation
        self.seed = int(seed)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the router and the experts."""
        time, width = int(input_shape[1] or 0), int(input_shape[2] or 0)
        even = self.experts_per_bar * time / self.experts
        self.places = max(1, min(time, math.ceil(self.capacity_factor * even)))
        count, hidden = self.experts, self.hidden_width
        self.router_kernel = self._add_kernel("router_kernel", (width, count))
        self.up_kernel = self._add_kernel("up_kernel", (count, width, hidden))
        self.up_bias = self._add("up_bias", (count, 1, hidden), "zeros")
        self.down_kernel = self._add_kernel("down_kernel", (count, hidden, width))
        self.down_bias = self._add("down_bias", (count, 1, width), "zeros")

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Return the chosen experts' answers, weighed, `(batch, time, width)`."""
        routing = self.route(inputs)
        if training and self.balance_weight:
            self.add_loss(self.balance_weight * balance_loss(routing, self.experts_per_bar))
        sent = ops.einsum("btep,btw->ebpw", self._cast(routing.send), self._cast(inputs))
        shape = ops.shape(sent)
        flat = ops.reshape(sent, (self.experts, -1, shape[3]))
        hidden = ops.matmul(flat, self._cast(self.up_kernel)) + self._cast(self.up_bias)
        hidden = keras.activations.get(self.activation)(hidden)
        answer = ops.matmul(hidden, self._cast(self.down_kernel)) + self._cast(self.down_bias)
        answer = ops.reshape(answer, shape)
        return ops.einsum("btep,ebpw->btw", self._cast(routing.gather), answer)

    def route(self, inputs: Any) -> Routing:
        """Where the bars of `inputs` go; computed in float32."""
        scores = ops.matmul(ops.cast(inputs, "float32"), self.router_kernel)
        chance = ops.softmax(scores, axis=-1)
        weights, chosen = ops.top_k(chance, self.experts_per_bar)
        if self.experts_per_bar > 1:
            weights = weights / ops.sum(weights, axis=-1, keepdims=True)
        # (batch, time, choices, experts)
        choices = ops.one_hot(chosen, self.experts, dtype="float32")
        taken = ops.one_hot(self._queue(choices), self.places, dtype="float32")
        taken = taken * choices[..., None]
        return Routing(
            chance=chance,
            wanted=ops.sum(choices, axis=2),
            send=ops.sum(taken, axis=2),
            gather=ops.sum(taken * weights[..., None, None], axis=2),
        )

    def dropped_share(self, inputs: Any) -> Any:
        """Share of all choices that found no place, a scalar in [0, 1)."""
        routing = self.route(inputs)
        return 1.0 - ops.sum(routing.send) / ops.sum(routing.wanted)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The input's shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        config = super().get_config()
        config.pop("autocast", None)
        return {
            **config,
            "experts": self.experts,
            "hidden_width": self.hidden_width,
            "experts_per_bar": self.experts_per_bar,
            "capacity_factor": self.capacity_factor,
            "balance_weight": self.balance_weight,
            "activation": self.activation,
            "seed": self.seed,
        }

    def _queue(self, choices: Any) -> Any:
        """Every choice's place with each expert, newest bar first, int32 like `choices`.

        Places from `places` on do not exist: their one-hot vector is zero.
        """
        shape = tuple(choices.shape[1:])
        newest_first = ops.flip(choices, axis=1)
        ordered = ops.reshape(newest_first, (-1, shape[0] * shape[1], shape[2]))
        # Counts below 2**24 are exact in float32.
        before = ops.cumsum(ordered, axis=1) - ordered
        queue = ops.flip(ops.reshape(before, (-1, *shape)), axis=1)
        return ops.cast(queue, "int32")

    def _cast(self, x: Any) -> Any:
        return ops.cast(x, self.compute_dtype)

    def _add_kernel(self, name: str, shape: tuple[int, ...]) -> Any:
        initializer = keras.initializers.RandomNormal(
            stddev=1 / math.sqrt(shape[-2]), seed=derive_seed(self.seed, name)
        )
        return self._add(name, shape, initializer)

    def _add(self, name: str, shape: tuple[int, ...], initializer: Any) -> Any:
        # Keras would hand out the weights in the compute type, whatever the layer asks.
        return self.add_weight(
            name=name, shape=shape, initializer=initializer, dtype="float32", autocast=False
        )


def balance_loss(routing: Routing, experts_per_bar: int) -> Any:
    """`experts * sum(share of choices * mean chance)`: 1 where even, `experts` where all meet.

    Source: Fedus et al. (2021), arXiv:2101.03961, eq. 4 to 6.
    """
    experts = routing.chance.shape[-1]
    share = ops.mean(routing.wanted, axis=(0, 1)) / experts_per_bar
    chance = ops.mean(routing.chance, axis=(0, 1))
    return experts * ops.sum(ops.stop_gradient(share) * chance)
