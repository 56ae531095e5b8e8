import keras
import numpy as np
import pytest
from keras import ops

from ultimate_deep.models.layers.stacks.layer_slices import layer_of_row, mark_layers


@keras.saving.register_keras_serializable(package="test_layer_slices")
class PackedLayer(keras.layers.Layer):
    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], 2))
        mark_layers(self.kernel, [0, 0, 1])
        self.scale = self.add_weight(name="scale", shape=(2,))
        mark_layers(self.scale, np.arange(2))
        self.bias = self.add_weight(name="bias", shape=(2,))

    def call(self, inputs):
        return ops.matmul(inputs, self.kernel) * self.scale + self.bias


def assert_marked(layer):
    np.testing.assert_array_equal(layer_of_row(layer.kernel), [0, 0, 1])
    np.testing.assert_array_equal(layer_of_row(layer.scale), [0, 1])
    assert layer_of_row(layer.kernel).dtype == np.int32
    assert layer_of_row(layer.bias) is None


def test_marks_are_there_after_building_cloning_and_loading(tmp_path):
    model = keras.Sequential([keras.Input((3,)), PackedLayer(name="packed")])
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for one in (model, keras.models.clone_model(model), loaded):
        assert_marked(one.get_layer("packed"))


def test_marks_are_a_copy_that_nobody_changes():
    variable, rows = keras.Variable(np.zeros((3, 2))), np.array([0, 1, 1])
    mark_layers(variable, rows)
    rows[:] = 0
    np.testing.assert_array_equal(layer_of_row(variable), [0, 1, 1])
    with pytest.raises(ValueError, match="read-only"):
        layer_of_row(variable)[0] = 5


@pytest.mark.parametrize(
    ("shape", "rows", "error", "match"),
    [
        ((3, 2), [0.0, 1.0, 2.0], TypeError, "layer_of_row holds the numbers of layers"),
        ((3, 2), [True, False, True], TypeError, "layer_of_row holds the numbers of layers"),
        ((3, 2), [0, 1], ValueError, r"got shape \(2,\) for a variable of shape \(3, 2\)"),
        ((3, 2), [[0, 1, 2]], ValueError, r"got shape \(1, 3\)"),
        ((), 0, ValueError, r"for a variable of shape \(\)"),
        ((3,), [0, 2, 2], ValueError, "got 2 where 1 is due; number them 0 to 1"),
        ((3,), [-1, 0, 1], ValueError, "got -1 where 0 is due"),
        ((3,), [1, 2, 3], ValueError, "got 1 where 0 is due"),
    ],
)
def test_bad_marks_are_refused_by_name(shape, rows, error, match):
    variable = keras.Variable(np.zeros(shape), name="stacked")
    with pytest.raises(error, match=f"stacked: .*{match}"):
        mark_layers(variable, rows)
    assert layer_of_row(variable) is None


def test_only_keras_variables_are_marked():
    with pytest.raises(TypeError, match="got ndarray"):
        mark_layers(np.zeros((2, 2)), [0, 1])
