"""How far each memory mode's float32 gradients are from float64, with masks on."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from benchmarks.depth.nets import Net, stack_layer
from benchmarks.depth.reference import Masks, reference_gradients

DROPOUT_RATE = 0.1
STOCHASTIC_DEPTH = 0.2
# coupling, memory, exact
VARIANTS = (
    ("residual", "store", False),
    ("residual", "checkpoint", False),
    ("additive", "store", False),
    ("additive", "checkpoint", False),
    ("additive", "reversible", False),
    ("additive", "store", True),
    ("additive", "checkpoint", True),
    ("additive", "reversible", True),
)

Arrays = dict[str, Any]


def gradient_errors(depth: int, width: int, batch: int, jit: bool) -> list[dict[str, Any]]:
    """One line per variant: relative errors of output and gradients against float64.

    An error is the Euclidean norm of the difference over that of the float64 array: of all
    weights' gradients together, and of the weight whose own error is largest. The reference of
    an exact variant is the same float64 function, which does not round.
    `equal_to_store` says whether output and all gradients have the very bits of the store mode
    of the same coupling and exactness, `distance_to_store` how far all of them together are.
    """
    rng = np.random.default_rng(1)
    x = rng.normal(size=(batch, width)).astype("float32")
    out_gradient = rng.normal(size=(batch, width)).astype("float32")
    arrays: Arrays = {}
    references: dict[str, Arrays] = {}
    stores: dict[tuple[str, bool], Arrays] = {}
    lines = []
    for coupling, memory, exact in VARIANTS:
        net = Net(
            kind="stack",
            depth=depth,
            width=width,
            batch=batch,
            coupling=coupling,
            memory=memory,
            jit=jit,
            dropout_rate=DROPOUT_RATE,
            stochastic_depth=STOCHASTIC_DEPTH,
            exact=exact,
        )
        layer = stack_layer(net, seed=3)
        layer.build((batch, width))
        if not arrays:
            arrays = _arrays(layer, rng)
        for weight in layer.trainable_weights:
            weight.assign(arrays[weight.name])
        seed = np.array(layer.seed_generator.state)
        if coupling not in references:
            references[coupling] = _reference(x, out_gradient, arrays, net, seed)
        found = _gradients(layer, x, out_gradient, jit)
        store = stores.setdefault((coupling, exact), found)
        lines.append(
            {
                "coupling": coupling,
                "memory": memory,
                "exact": exact,
                "depth": depth,
                "width": width,
                "batch": batch,
                **_errors(found, references[coupling]),
                "equal_to_store": all(np.array_equal(found[name], store[name]) for name in store),
                "distance_to_store": _relative(_joined(found, store), _joined(store, store)),
            }
        )
    return lines


def _arrays(layer: Any, rng: np.random.Generator) -> Arrays:
    """Weights for every variant: the initial ones, moved so that none is all zeros or ones."""
    return {
        weight.name: np.array(weight) + 0.05 * rng.normal(size=weight.shape).astype("float32")
        for weight in layer.trainable_weights
    }


def _gradients(layer: Any, x: Any, out_gradient: Any, jit: bool) -> Arrays:
    import tensorflow as tf

    @tf.function(jit_compile=jit)
    def run(x: Any) -> Any:
        weights = [weight.value for weight in layer.trainable_weights]
        with tf.GradientTape() as tape:
            tape.watch(x)
            output = layer(x, training=True)[:, -1]
        return output, tape.gradient(output, [x, *weights], out_gradient)

    output, gradients = run(tf.constant(x))
    names = ["input", *(weight.name for weight in layer.trainable_weights)]
    values = (gradient.numpy() for gradient in gradients)
    return {"output": output.numpy(), **dict(zip(names, values, strict=True))}


def _reference(x: Any, out_gradient: Any, arrays: Arrays, net: Net, seed: Any) -> Arrays:
    output, dx, gradients = reference_gradients(
        x.astype("float64"),
        out_gradient.astype("float64"),
        {name: array.astype("float64") for name, array in arrays.items()},
        _masks(net, seed),
        net.coupling,
    )
    return {"output": output, "input": dx, **gradients}


def _masks(net: Net, seed: Any) -> Masks:
    """The very masks that the stack draws from this seed, as float64."""
    import tensorflow as tf

    from ultimate_deep.models.layers.stacks.masks import mask_source

    shape, rows = (net.batch, net.width), (net.batch, 1)
    rates = net.stochastic_depth * np.arange(1, net.depth + 1) / net.depth

    @tf.function
    def masks(source: Any) -> Any:
        return tf.map_fn(source.mask, tf.range(net.depth), fn_output_signature=tf.float32)

    dropout, depth = (
        masks(source).numpy().astype("float64")
        for source in (
            mask_source(shape, net.depth, seed, net.dropout_rate),
            mask_source(rows, net.depth, seed, rates, salt=1),
        )
    )
    return Masks(dropout=dropout, rows=depth)


def _errors(found: Arrays, wanted: Arrays) -> dict[str, float]:
    weights = [name for name in wanted if name not in ("input", "output")]
    each = {name: _relative(found[name], wanted[name]) for name in wanted}
    together = [_joined(arrays, weights) for arrays in (found, wanted)]
    return {
        "output_error": each["output"],
        "input_gradient_error": each["input"],
        "gradient_error": _relative(*together),
        "worst_weight_error": max(each[name] for name in weights),
    }


def _joined(arrays: Arrays, names: Iterable[str]) -> Any:
    return np.concatenate([arrays[name].ravel() for name in names]).astype("float64")


def _relative(found: Any, wanted: Any) -> float:
    return float(np.linalg.norm(found - wanted) / np.linalg.norm(wanted))
