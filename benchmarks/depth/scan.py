"""The peer in plain JAX: `jax.lax.scan` over stacked weights, `jax.checkpoint` around a block.

Written as a JAX user would write it without this project: no Keras, automatic differentiation
through the scan, Adam as a few lines over the tree of weights.
"""

from collections.abc import Callable
from typing import Any

from benchmarks.depth.nets import Net, data

BETA_1, BETA_2, ADAM_EPSILON = 0.9, 0.999, 1e-7


def make_scan_step(net: Net) -> tuple[Callable[[], float], int]:
    """A jitted Adam step on a fixed batch, and the number of parameters; as `make_step`."""
    import jax
    import jax.numpy as jnp

    weights = _weights(net)
    zeros = jax.tree.map(jnp.zeros_like, weights)
    state = (weights, zeros, jax.tree.map(jnp.zeros_like, weights), jnp.zeros((), "int32"))
    loss = _loss(net)

    def step(state: Any, x: Any, y: Any) -> Any:
        weights, first, second, count = state
        value, gradient = jax.value_and_grad(loss)(weights, x, y)
        count = count + 1
        rate = net.learning_rate * jnp.sqrt(1 - BETA_2**count) / (1 - BETA_1**count)
        first = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, first, gradient)
        second = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, second, gradient)
        weights = jax.tree.map(
            lambda w, m, v: w - rate * m / (jnp.sqrt(v) + ADAM_EPSILON), weights, first, second
        )
        return (weights, first, second, count), value

    compiled = jax.jit(step, donate_argnums=0)
    x, y = (jnp.asarray(array) for array in data(net))
    held = [state]

    def run() -> float:
        held[0], value = compiled(held[0], x, y)
        jax.block_until_ready(held[0])
        return float(value)

    return run, sum(w.size for w in jax.tree.leaves(weights))


def make_scan_gradient(net: Net) -> Callable[[], float]:
    """A jitted pass forwards and backwards without optimizer; as `make_gradient`."""
    import jax
    import jax.numpy as jnp

    weights = _weights(net)
    gradient = jax.jit(jax.value_and_grad(_loss(net)))
    x, y = (jnp.asarray(array) for array in data(net))
    return lambda: float(jax.block_until_ready(gradient(weights, x, y))[0])


def _weights(net: Net) -> dict[str, Any]:
    import jax.numpy as jnp
    import numpy as np

    rng = np.random.default_rng(0)
    per_block = (net.depth, net.width)
    weights = {"last": rng.standard_normal((net.width, 1), "float32") * net.width**-0.5}
    for half in (1, 2):
        weights[f"scale_{half}"] = np.ones(per_block, "float32")
        weights[f"offset_{half}"] = np.zeros(per_block, "float32")
        weights[f"bias_{half}"] = np.zeros(per_block, "float32")
        kernel = rng.standard_normal((*per_block, net.width), "float32")
        kernel *= (2 / net.width) ** 0.5
        weights[f"kernel_{half}"] = kernel
    # NumPy draws what JAX would first compile a program for. A copy, for what is donated to a
    # step must not be memory that NumPy owns.
    return {name: jnp.array(weights.pop(name), copy=True) for name in list(weights)}


def _loss(net: Net) -> Callable[[dict[str, Any], Any, Any], Any]:
    import jax
    import jax.numpy as jnp

    def half(x: Any, scale: Any, offset: Any, kernel: Any, bias: Any) -> Any:
        centred = x - x.mean(-1, keepdims=True)
        x = centred * jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + 1e-5)
        return jax.nn.relu(x * scale + offset) @ kernel + bias

    def block(x: Any, w: dict[str, Any]) -> tuple[Any, None]:
        branch = x
        for number in (1, 2):
            names = ("scale", "offset", "kernel", "bias")
            branch = half(branch, *(w[f"{name}_{number}"] for name in names))
        return x + branch * net.branch_scale, None

    body = jax.checkpoint(block) if net.kind == "scan_checkpoint" else block

    def loss(weights: dict[str, Any], x: Any, y: Any) -> Any:
        stacked = {name: w for name, w in weights.items() if name != "last"}
        x, _ = jax.lax.scan(body, x, stacked)
        return jnp.mean(jnp.square(x @ weights["last"] - y))

    return loss
