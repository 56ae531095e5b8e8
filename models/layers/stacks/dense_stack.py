"""Units of DenseNet blocks as one layer: every block reads all earlier ones of its unit."""

from typing import Any

import keras
import numpy as np
from keras import ops

from ultimate_deep.models.checks import check_range
from ultimate_deep.models.layers.stacks.dense_block import DenseLayout, DenseSettings
from ultimate_deep.models.layers.stacks.loops import dense_loop
from ultimate_deep.models.layers.stacks.normalization import has_offset
from ultimate_deep.models.layers.stacks.stack_layer import StackLayer
from ultimate_deep.models.seeds import derive_seed


@keras.saving.register_keras_serializable(package="ultimate_deep")
class DenseStack(StackLayer):
    """Densely connected units with transitions: `(batch, width)` to `(batch, units, width)`.

    Of an input `(batch, units, width)`, such as another stack's output, it reads the last unit.
    (Slicing there instead would put an operation into the model that `.h5` files cannot hold.)

    A block is norm, activation, dense to `growth_rate` values, dropout; its output is joined to
    what it read. A unit's transition (norm, activation, dense) brings everything back to
    `width`. The output holds what each unit hands on, in order; the last is the stack's own.

    Blocks read inputs of growing width, so their weights are packed row after row (see
    `DenseLayout`) and one loop runs them all: neither the number of variables nor the time to
    trace depends on the number of blocks. Carry, norms and weights are float32 under every
    policy; matrix products run in the policy's compute type.

    Args:
        blocks_per_unit: Number of blocks of each unit.
        growth_rate: Number of values that a block adds.
        normalization: `layer`, `rms`, `batch`, or `none`, which only adds an offset.
        activation: A Keras activation's name.
        dropout_rate: Share of a block's outputs dropped.
        stochastic_depth: Share of samples that skip the last block, whose output is then zero;
            earlier blocks are skipped in proportion to their number in the whole stack.
        l2: Penalty on the sum of squares of all kernels.
        seed: Seed of the initial weights and of the masks.

    Source: Huang et al. (2017), "Densely Connected Convolutional Networks", arXiv:1608.06993,
    sec. 3, with dense layers for convolutions; our transitions return to the stack's width
    rather than to a share of what they read.

    Raises:
        ValueError: An argument outside its range or an input of another shape.
    """

    def __init__(
        self,
        blocks_per_unit: tuple[int, ...] | list[int],
        growth_rate: int,
        *,
        normalization: str = "layer",
        activation: str = "relu",
        dropout_rate: float = 0.0,
        stochastic_depth: float = 0.0,
        l2: float = 0.0,
        seed: int = 0,
        **layer_options: Any,
    ) -> None:
        super().__init__(
            blocks_per_unit,
            normalization=normalization,
            activation=activation,
            dropout_rate=dropout_rate,
            stochastic_depth=stochastic_depth,
            l2=l2,
            seed=seed,
            **layer_options,
        )
        check_range("growth_rate", growth_rate, 1)
        self.growth_rate = int(growth_rate)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the packed weights for inputs `(batch, width)` or `(batch, units, width)`."""
        if len(input_shape) not in (2, 3) or input_shape[-1] is None:
            raise ValueError(
                f"DenseStack reads (batch, width) or (batch, units, width) with a known width, got "
                f"{input_shape}: flatten or project the input first"
            )
        self.layout = DenseLayout(self.blocks_per_unit, int(input_shape[-1]), self.growth_rate)
        self._add_part("block", self.layout.block_fans, self.growth_rate)
        self._add_part("transition", self.layout.transition_fans, self.layout.width)

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Run all units: `(batch, width)` to `(batch, units, width)` float32."""
        if len(inputs.shape) == 3:
            inputs = inputs[:, -1, :]
        weights, moving = self.stacked_weights()
        outputs, moments = dense_loop()(
            ops.cast(inputs, "float32"),
            weights,
            moving,
            layout=self.layout,
            settings=DenseSettings(
                normalization=self.normalization,
                activation=self.activation,
                dropout_rate=self.dropout_rate,
                stochastic_depth=self.stochastic_depth,
                compute_dtype=self.compute_dtype,
            ),
            seed=self.step_seed(training),
            batch_moments=self.uses_batch_moments(training),
        )
        self.move_statistics(moments)
        return outputs

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        """`(batch, units, width)` float32, without tracing the loop."""
        batch, width = inputs.shape[0], inputs.shape[-1]
        return keras.KerasTensor((batch, self.units, width), dtype="float32")

    def get_config(self) -> dict[str, Any]:
        """The arguments that rebuild this layer."""
        return {**super().get_config(), "growth_rate": self.growth_rate}

    def _add_part(self, part: str, fans: tuple[int, ...], outputs: int) -> None:
        """The weights of all blocks, or of all transitions, that read `fans` values each."""
        readers = np.arange(len(fans))
        rows = np.repeat(readers, fans)
        norms = {} if self.normalization == "none" else {"norm_scale": "ones"}
        if has_offset(self.normalization):
            norms["norm_offset"] = "zeros"
        if self.normalization == "batch":
            norms |= {"norm_moving_mean": "zeros", "norm_moving_variance": "ones"}
        for name, initial in norms.items():
            self._add_stacked(
                f"{part}_{name}",
                (len(rows),),
                initial,
                layer_of_row=rows,
                trainable="moving" not in name,
            )
        seed = derive_seed(self.seed, f"{part}_kernel")

        def he_normal(shape: Any, dtype: Any = None) -> Any:
            normal = keras.initializers.RandomNormal(stddev=1.0, seed=seed)(shape, dtype=dtype)
            scale = np.repeat(np.sqrt(2 / np.array(fans)), fans)
            return normal * ops.convert_to_tensor(scale, dtype=normal.dtype)[:, None]

        shape = (len(rows), outputs)
        self._add_stacked(f"{part}_kernel", shape, he_normal, layer_of_row=rows, decays=True)
        shape = (len(fans), outputs)
        self._add_stacked(f"{part}_bias", shape, "zeros", layer_of_row=readers)
