"""The residual nets that are compared: one stacked layer, plain Keras layers and the remat pair.

All compute the same function: a block is norm, activation, dense, norm, activation, dense, then
`1/sqrt(depth)` and the sum; a last dense layer gives one number. Four weighted layers and two
matrix products per block.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

KERAS_KINDS = ("stack", "plain", "remat", "remat_scope")
SCAN_KINDS = ("scan", "scan_checkpoint")


@dataclass(frozen=True, kw_only=True)
class Net:
    """One net of the comparison.

    Args:
        kind: `stack` is ours, `plain` is one Keras layer per norm and dense layer, `remat`
            wraps each block in `keras.remat`, `remat_scope` builds the plain layers inside
            `keras.RematScope("full")`; `scan` and `scan_checkpoint` are plain JAX.
        depth: Number of blocks.
        width: Numbers per row.
        batch: Rows in a step.
        coupling: `residual` or `additive`, of the stack.
        memory: The stack's memory mode.
        jit: Compile with XLA.
        dropout_rate: Dropout rate of the stack.
        stochastic_depth: Share of rows that skip the stack's last block.
        exact: The stack's exact mode.
        normalization: Kind of norm in the stack; the peers have `layer`.
    """

    kind: str
    depth: int
    width: int
    batch: int
    coupling: str = "residual"
    memory: str = "store"
    jit: bool = True
    dropout_rate: float = 0.0
    stochastic_depth: float = 0.0
    exact: bool = False
    normalization: str = "layer"

    def __post_init__(self) -> None:
        kinds = KERAS_KINDS + SCAN_KINDS
        if self.kind not in kinds:
            raise ValueError(f"kind must be one of {', '.join(kinds)}, got {self.kind!r}")
        if min(self.depth, self.width, self.batch) < 1:
            raise ValueError(f"depth, width and batch must be at least 1, got {asdict(self)}")

    @property
    def learning_rate(self) -> float:
        """Adam's rate: the change of the output that one step makes is the same at any size.

        Source: Yang et al. (2022), "Tensor Programs V", arXiv:2203.03466, table 3 (Adam, hidden
        weights: 1 / width); Yang et al. (2024), "Tensor Programs VI", arXiv:2310.02244, table 1
        (1 / sqrt(depth)).
        """
        return 0.03 / (self.width * math.sqrt(self.depth))

    @property
    def branch_scale(self) -> float:
        """The constant factor of each residual branch."""
        return 1 / math.sqrt(self.depth)


def build_model(net: Net) -> Any:
    """The Keras model of `net`, `(batch, width)` to `(batch, 1)`."""
    import keras

    inputs = keras.Input((net.width,), dtype="float32")
    if net.kind == "stack":
        x = stack_layer(net)(inputs)
        x = keras.layers.Reshape((net.width,))(x)
    elif net.kind == "remat_scope":
        with keras.RematScope(mode="full"):
            x = _plain_blocks(inputs, net)
    elif net.kind == "remat":
        x = inputs
        for _ in range(net.depth):
            x = _remat_block_class()(net.width, net.branch_scale)(x)
    else:
        x = _plain_blocks(inputs, net)
    return keras.Model(inputs, keras.layers.Dense(1)(x))


def stack_layer(net: Net, seed: int = 0) -> Any:
    """The stacked layer of `net`; the options at their defaults are left out."""
    from ultimate_deep.models.layers.stacks.residual_stack import ResidualStack

    options: dict[str, Any] = {}
    if net.coupling != "residual":
        options["coupling"] = net.coupling
    if net.stochastic_depth:
        options["stochastic_depth"] = net.stochastic_depth
    if net.exact:
        options["exact"] = True
    return ResidualStack(
        (net.depth,),
        normalization=net.normalization,
        memory=net.memory,
        dropout_rate=net.dropout_rate,
        seed=seed,
        **options,
    )


def make_step(net: Net) -> tuple[Callable[[], float], int]:
    """A compiled Keras training step on a fixed batch, and the number of parameters.

    The step runs Adam and returns the loss before its update. Weights and optimizer slots are
    made here; tracing and compiling happen at the first call.
    """
    import keras

    model = build_model(net)
    optimizer = keras.optimizers.Adam(net.learning_rate)
    # Built ahead, or Keras traces the first step twice; the plain layers get the same help.
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, loss="mean_squared_error", jit_compile=net.jit)
    x, y = data(net)
    return lambda: float(model.train_on_batch(x, y)), model.count_params()


def make_gradient(net: Net) -> Callable[[], float]:
    """A compiled pass forwards and backwards without optimizer, on TensorFlow or JAX.

    The result is the loss; the gradients are computed, handed out and dropped.
    """
    import keras

    model = build_model(net)
    x, y = data(net)
    if keras.backend.backend() == "jax":
        return _jax_gradient(model, x, y)
    import tensorflow as tf

    @tf.function(jit_compile=net.jit)
    def gradient(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
        return loss, tape.gradient(loss, [v.value for v in model.trainable_variables])

    x, y = tf.constant(x), tf.constant(y)
    return lambda: float(gradient(x, y)[0])


def data(net: Net) -> tuple[Any, Any]:
    """One fixed batch: normal inputs `(batch, width)`, a bounded target `(batch, 1)`."""
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.normal(size=(net.batch, net.width)).astype("float32")
    return x, np.tanh(x[:, :1] * 2 + rng.normal(size=(net.batch, 1)) * 0.1).astype("float32")


def _jax_gradient(model: Any, x: Any, y: Any) -> Callable[[], float]:
    import jax
    import jax.numpy as jnp

    trainable = [v.value for v in model.trainable_variables]
    fixed = [v.value for v in model.non_trainable_variables]

    def loss(trainable: Any, x: Any, y: Any) -> Any:
        outputs, _ = model.stateless_call(trainable, fixed, x, training=True)
        return jnp.mean(jnp.square(outputs - y))

    gradient = jax.jit(jax.value_and_grad(loss))
    return lambda: float(jax.block_until_ready(gradient(trainable, x, y))[0])


def _plain_blocks(x: Any, net: Net) -> Any:
    import keras

    for _ in range(net.depth):
        branch = x
        for _half in range(2):
            branch = keras.layers.LayerNormalization(epsilon=1e-5)(branch)
            branch = keras.layers.Activation("relu")(branch)
            branch = keras.layers.Dense(net.width, kernel_initializer="he_normal")(branch)
        branch = keras.layers.Rescaling(net.branch_scale)(branch)
        x = keras.layers.Add()([x, branch])
    return x


def _remat_block_class() -> Any:
    import keras

    class RematBlock(keras.layers.Layer):
        """One block of plain layers whose call is wrapped in `keras.remat`."""

        def __init__(self, width: int, scale: float) -> None:
            super().__init__()
            self.parts = [
                part
                for _ in range(2)
                for part in (
                    keras.layers.LayerNormalization(epsilon=1e-5),
                    keras.layers.Activation("relu"),
                    keras.layers.Dense(width, kernel_initializer="he_normal"),
                )
            ]
            self.scale = scale

        def build(self, input_shape: Any) -> None:
            for part in self.parts:
                part.build(input_shape)

        def call(self, inputs: Any) -> Any:
            def branch(x: Any) -> Any:
                for part in self.parts:
                    x = part(x)
                return x * self.scale

            return inputs + keras.remat(branch)(inputs)

    return RematBlock
