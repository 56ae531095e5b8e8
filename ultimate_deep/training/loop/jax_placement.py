"""Where arrays lie: on one device, each on all of them, or shared out among them."""

from __future__ import annotations

from typing import Any

import jax
import keras
import numpy as np

from ultimate_deep.models.layers.stacks.layer_slices import layer_of_row

BATCH, MODEL = "batch", "model"


class Placement:
    """Lays out batches and variables on JAX's devices, those of other processes too.

    Args:
        sharding: `none` takes the first device; `data` shares the rows of each batch out among all
            of them; `stacks` the columns of each layer's weights in stacks of blocks.
        model: Whose variables they are.

    Raises:
        ValueError: Nothing to share out among the devices that there are.
    """

    def __init__(self, sharding: str, model: keras.Model) -> None:
        self.sharding, self.devices = sharding, 1
        self._shared_shapes: set[tuple[int, ...]] = set()
        if sharding == "none":
            return
        names = keras.distribution.list_devices()
        self.devices = len(names)
        if self.devices == 1:
            raise ValueError(
                f"fit.sharding {sharding} needs several devices, and JAX sees {names[0]} alone; "
                "leave fit.sharding at none, or let JAX see more (on a processor, to try: "
                "XLA_FLAGS=--xla_force_host_platform_device_count=4)"
            )
        if sharding == "stacks" and jax.process_count() > 1:
            raise ValueError(
                "fit.sharding stacks shares weights out among the devices of one process, got "
                f"{jax.process_count()} processes; take fit.sharding data"
            )
        axis = BATCH if sharding == "data" else MODEL
        mesh = keras.distribution.DeviceMesh((self.devices,), [axis], names)
        self._mesh = mesh
        self._data = keras.distribution.DataParallel(
            device_mesh=keras.distribution.DeviceMesh((self.devices,), [BATCH], names),
            auto_shard_dataset=False,
        )
        if sharding == "stacks":
            self._shared_shapes = self._stacked(model)

    def _stacked(self, model: keras.Model) -> set[tuple[int, ...]]:
        stacked = {
            tuple(variable.shape)
            for variable in model.trainable_variables
            if layer_of_row(variable) is not None and len(variable.shape) > 2
        }
        found = {shape for shape in stacked if shape[-1] % self.devices == 0}
        if not found:
            widths = sorted({shape[-1] for shape in stacked})
            raise ValueError(
                "fit.sharding stacks shares the columns of stacked weights out among "
                f"{self.devices} devices, and {model.name} has "
                + (f"widths {widths}" if widths else "no stack of blocks")
                + "; take fit.sharding data, or a width that the devices divide"
            )
        return found

    @property
    def said(self) -> str:
        """What a plan says of it; empty on one device."""
        if self.sharding == "none":
            return ""
        parts = {
            "data": f"the rows of a batch are shared out among {self.devices} devices",
            "stacks": f"the weights of stacks are shared out among {self.devices} devices",
        }[self.sharding]
        count = jax.process_count()
        where = f" of {count} processes" if count > 1 else ""
        return f"{parts}{where}; the last bits of weights differ from one device's"

    def check_rows(self, rows: int, what: str) -> None:
        """Refuse batches that cannot be shared out.

        Raises:
            ValueError: Rows that the devices do not divide.
        """
        if self.sharding == "data" and rows % self.devices:
            raise ValueError(
                f"fit.sharding data gives each of {self.devices} devices as many rows, got {what} "
                f"{rows}; set it to a multiple of {self.devices}"
            )

    def of_variable(self, variable: keras.Variable) -> Any:
        """Return the layout of a variable, None on one device."""
        if self.sharding == "none":
            return None
        shape = tuple(variable.shape)
        axes: list[str | None] = [None] * len(shape)
        if shape in self._shared_shapes:
            axes[-1] = MODEL
        return keras.distribution.TensorLayout(axes, self._mesh).backend_layout

    @property
    def replicated(self) -> Any:
        """The layout of what every device has whole; None on one device."""
        if self.sharding == "none":
            return None
        return keras.distribution.TensorLayout([], self._mesh).backend_layout

    def rows(self, values: np.ndarray) -> Any:
        """Return rows of a batch where the step wants them."""
        if self.sharding == "none":
            return jax.numpy.asarray(values)
        if self.sharding == "stacks":
            return _placed(values, self.replicated)
        return _placed(values, self._data.get_data_layout(values.shape).backend_layout)

    def value(self, variable: keras.Variable) -> Any:
        """Return a variable's value where the step wants it."""
        value, layout = variable.value, self.of_variable(variable)
        if layout is None or value.sharding == layout:
            return value
        return _placed(value, layout)


def _placed(values: Any, layout: Any) -> Any:
    """Return an array in a layout; each process gives what lies on its own devices."""
    if jax.process_count() == 1:
        return jax.device_put(values, layout)
    whole = np.asarray(values)
    return jax.make_array_from_callback(whole.shape, layout, lambda index: whole[index])
