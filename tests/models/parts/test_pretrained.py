"""ImageNet weights from files: the same net as torchvision's, and nothing but tensors read."""

import collections
import io
import os
import pickle
import sys
import types
import zipfile

import keras
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from safetensors.numpy import save_file

from ultimate_deep.models.parts.pretrained import load_imagenet_weights, read_state, torch_names
from ultimate_deep.models.parts.resnet18 import Resnet18, Resnet18Config

STAGES = ((64, 64), (64, 128), (128, 256), (256, 512))


def torch_shapes():
    """Every entry of torchvision's `resnet18().state_dict()`, in order."""
    shapes = {"conv1.weight": (64, 3, 7, 7)}

    def norm(name, channels):
        parts = ("weight", "bias", "running_mean", "running_var")
        shapes.update({f"{name}.{part}": (channels,) for part in parts})
        shapes[f"{name}.num_batches_tracked"] = ()

    norm("bn1", 64)
    for stage, (inputs, channels) in enumerate(STAGES, start=1):
        for block in range(2):
            name = f"layer{stage}.{block}"
            first = inputs if block == 0 else channels
            shapes[f"{name}.conv1.weight"] = (channels, first, 3, 3)
            norm(f"{name}.bn1", channels)
            shapes[f"{name}.conv2.weight"] = (channels, channels, 3, 3)
            norm(f"{name}.bn2", channels)
            if block == 0 and stage > 1:
                shapes[f"{name}.downsample.0.weight"] = (channels, inputs, 1, 1)
                norm(f"{name}.downsample.1", channels)
    return shapes | {"fc.weight": (1000, 512), "fc.bias": (1000,)}


@pytest.fixture(scope="module")
def state():
    rng = np.random.default_rng(0)
    values = {}
    for name, shape in torch_shapes().items():
        if len(shape) == 4:
            scale = np.sqrt(2 / np.prod(shape[1:]))
            values[name] = (scale * rng.standard_normal(shape, np.float32)).astype(np.float32)
        elif name.endswith("num_batches_tracked"):
            values[name] = np.asarray(7, np.int64)
        else:
            values[name] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
    return values


def backbone(**fields):
    net = Resnet18(Resnet18Config(**fields), name="backbone")
    pictures = keras.Input((64, 64, 2))
    return net, keras.Model(pictures, net(pictures))


def torch_conv(x, kernel, stride, padding):
    """Sum over windows of a picture padded alike on every side, as `torch.nn.Conv2d` defines it."""
    size = kernel.shape[-1]
    x = np.pad(x, ((0, 0), (0, 0), (padding,) * 2, (padding,) * 2))
    windows = sliding_window_view(x, (size, size), axis=(2, 3))[:, :, ::stride, ::stride]
    return np.moveaxis(np.tensordot(windows, kernel, ((1, 4, 5), (1, 2, 3))), -1, 1)


def torch_norm(x, state, name):
    mean, variance, scale, offset = (
        state[f"{name}.{part}"][:, None, None]
        for part in ("running_mean", "running_var", "weight", "bias")
    )
    return (x - mean) / np.sqrt(variance + 1e-5) * scale + offset


def torch_resnet18(state, x):
    """torchvision's `resnet18` without its classifier, `(batch, 3, height, width)` in."""
    x = np.maximum(torch_norm(torch_conv(x, state["conv1.weight"], 2, 3), state, "bn1"), 0)
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    x = sliding_window_view(x, (3, 3), axis=(2, 3))[:, :, ::2, ::2].max(axis=(4, 5))
    for stage in range(1, 5):
        for block in range(2):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = torch_conv(x, state[f"{name}.conv1.weight"], stride, 1)
            y = np.maximum(torch_norm(y, state, f"{name}.bn1"), 0)
            y = torch_norm(torch_conv(y, state[f"{name}.conv2.weight"], 1, 1), state, f"{name}.bn2")
            if f"{name}.downsample.0.weight" in state:
                x = torch_conv(x, state[f"{name}.downsample.0.weight"], stride, 0)
                x = torch_norm(x, state, f"{name}.downsample.1")
            x = np.maximum(x + y, 0)
    return x.mean(axis=(2, 3))


@pytest.fixture
def torch_modules(monkeypatch):
    """Names under which a `.pth` file's classes are known, so that pickle can write them."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in KINDS.values():
        setattr(torch, name, type(name, (), {"__module__": "torch", "__qualname__": name}))
    for name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
        function = types.FunctionType((lambda *_: None).__code__, {}, name)
        function.__module__, function.__qualname__ = "torch._utils", name
        setattr(utils, name, function)
    torch._utils = utils
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    return torch


class Tensor:
    """An array that is pickled as torch pickles a tensor: by its storage, shape and strides."""

    def __init__(self, torch, key, array, strides=None):
        self.torch, self.key, self.array = torch, key, array
        steps = [stride // array.itemsize for stride in array.strides]
        self.strides = tuple(steps) if strides is None else strides

    def __reduce__(self):
        storage = Storage(self.torch, self.key, self.array)
        arguments = (storage, 0, self.array.shape, self.strides, False, collections.OrderedDict())
        return self.torch._utils._rebuild_tensor_v2, arguments


KINDS = {
    "<f4": "FloatStorage",
    "<f8": "DoubleStorage",
    "<f2": "HalfStorage",
    "<i8": "LongStorage",
    "<i4": "IntStorage",
}


class Storage:
    """The numbers of an array, as `persistent_id` names them."""

    def __init__(self, torch, key, array):
        kind = getattr(torch, KINDS[array.dtype.str])
        self.identity = ("storage", kind, key, "cpu", array.size)


class TorchPickler(pickle.Pickler):
    def persistent_id(self, obj):
        return obj.identity if isinstance(obj, Storage) else None


def write_pth(path, content, arrays=(), *, compression=zipfile.ZIP_STORED, protocol=2):
    """An archive as `torch.save` lays it out, around any pickled content."""
    program = io.BytesIO()
    TorchPickler(program, protocol=protocol).dump(content)
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("weights/data.pkl", program.getvalue())
        archive.writestr("weights/byteorder", b"little")
        for key, array in enumerate(arrays):
            archive.writestr(f"weights/data/{key}", array.tobytes())
        archive.writestr("weights/version", b"3\n")
    return path


def write_state(path, torch, state, **options):
    tensors = collections.OrderedDict(
        (name, Tensor(torch, str(key), value)) for key, (name, value) in enumerate(state.items())
    )
    tensors._metadata = collections.OrderedDict({"": {"version": 1}})
    return write_pth(path, tensors, state.values(), **options)


def test_a_loaded_backbone_computes_what_torchvision_computes(state, tmp_path):
    save_file(state, tmp_path / "resnet18.safetensors")
    net, model = backbone()
    load_imagenet_weights(net, read_state(tmp_path / "resnet18.safetensors"))
    grey = np.random.default_rng(3).normal(size=(2, 64, 64)).astype("float32")
    # Equal in both channels here, in all three colours there.
    seen = model(np.stack([grey, grey], axis=-1))
    expected = torch_resnet18(state, np.stack([grey] * 3, axis=1))
    assert seen.shape == (2, 512)
    # Both sum up thousands of float32 products in their own order.
    np.testing.assert_allclose(seen, expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())
    # torchvision's own count without the classifier, less one of three colours.
    trained = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert trained == 11_689_512 - 513_000 - 64 * 49


def test_each_channel_gets_the_mean_of_the_colours(state):
    net, _ = backbone()
    load_imagenet_weights(net, state)
    kernel = net.layers["stem_conv"].kernel.numpy()
    colours = state["conv1.weight"].transpose(2, 3, 1, 0)
    for channel in range(2):
        np.testing.assert_allclose(
            kernel[:, :, channel], colours.mean(axis=2) * 1.5, rtol=1e-5, atol=1e-7
        )


@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(7, 2, 3), (3, 2, 1), (3, 1, 1), (1, 2, 0)]
)
def test_convolutions_are_padded_alike_on_every_side(size, stride, padding):
    net = Resnet18(Resnet18Config(base_width=2), name="net")
    pictures = keras.Input((8, 8, 2))
    model = keras.Model(pictures, net._conv(pictures, 3, size, stride, "part"))
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 2)).astype("float32")
    kernel = net.layers["part"].kernel.numpy()
    expected = torch_conv(x.transpose(0, 3, 1, 2), kernel.transpose(3, 2, 0, 1), stride, padding)
    np.testing.assert_allclose(model(x), expected.transpose(0, 2, 3, 1), rtol=1e-4, atol=1e-5)


def test_a_pth_file_is_read_without_torch(state, tmp_path, torch_modules):
    small = {name: value for name, value in state.items() if value.size < 40_000}
    small["half"] = np.arange(6, dtype=np.float16).reshape(2, 3)
    small["double"] = np.linspace(0, 1, 4)
    small["whole"] = np.arange(3, dtype=np.int32)
    found = read_state(write_state(tmp_path / "state.pth", torch_modules, small))
    assert list(found) == list(small)
    for name, value in small.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], value.astype(np.float32))


def test_both_kinds_of_file_give_the_same_net(state, tmp_path, torch_modules):
    path = write_state(tmp_path / "resnet18.pth", torch_modules, state)
    net, _ = backbone()
    load_imagenet_weights(net, read_state(path))
    values = torch_names(net)
    np.testing.assert_array_equal(
        values["layer4.1.conv2.weight"].numpy(),
        state["layer4.1.conv2.weight"].transpose(2, 3, 1, 0),
    )
    np.testing.assert_array_equal(values["bn1.running_var"].numpy(), state["bn1.running_var"])


class Runs:
    """What a pickle calls when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_hostile_pickle_is_refused_and_runs_nothing(tmp_path, protocol):
    victim = tmp_path / "made_by_the_file"
    for content in (
        Runs(os.mkdir, str(victim)),
        {"conv1.weight": Runs(os.system, f"touch {victim}")},
        {"conv1.weight": Runs(eval, f"open({str(victim)!r}, 'w')")},
        collections.OrderedDict(a=[Runs(os.mkdir, str(victim))]),
    ):
        path = write_pth(tmp_path / "hostile.pth", content, protocol=protocol)
        with pytest.raises(ValueError, match="is not read, it is no plain state dict") as error:
            read_state(path)
        assert "use no file that you do not trust" in str(error.value)
    assert not victim.exists()
    # The pickles do harm where they are unpickled: the refusal is what helps.
    with zipfile.ZipFile(write_pth(tmp_path / "h.pth", Runs(os.mkdir, str(victim)))) as archive:
        pickle.loads(archive.read("weights/data.pkl"))
    assert victim.exists()


def test_objects_that_are_no_tensors_are_refused(tmp_path, torch_modules):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    cases = {
        "no named tensor": ({"a": 1}, []),
        "a list where a dict belongs": ([1, 2], []),
        "is not contiguous": ({"a": Tensor(torch_modules, "0", array, (1, 2))}, [array]),
        "not 6 plain float32 numbers": ({"a": Tensor(torch_modules, "0", array)}, [array[:1]]),
        "cannot be": ({"a": Tensor(torch_modules, "0", array, (-3, 1))}, [array]),
        "There is no item": ({"a": Tensor(torch_modules, "9", array)}, [array]),
    }
    for message, (content, arrays) in cases.items():
        with pytest.raises(ValueError, match=message):
            read_state(write_pth(tmp_path / "state.pth", content, arrays))
    packed = write_pth(tmp_path / "state.pth", {}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match="packed"):
        read_state(packed)


def test_other_files_are_refused_with_a_remedy(tmp_path):
    for name, content, message in (
        ("a.pth", b"no archive", "no zip archive, which torch.save writes since 1.6"),
        ("a.safetensors", b"no tensors", "is no safetensors file"),
        ("a.h5", b"", "must end with .safetensors, .pth or .pt"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_state(tmp_path / name)
    with pytest.raises(ValueError, match="must name a file"):
        read_state(tmp_path / "absent.pth")
    with zipfile.ZipFile(tmp_path / "b.pth", "w") as archive:
        archive.writestr("readme.txt", "nothing here")
    with pytest.raises(ValueError, match=r"must hold one data\.pkl, got 0"):
        read_state(tmp_path / "b.pth")


def test_missing_unexpected_and_misshapen_weights_change_nothing(state):
    net, _ = backbone()
    before = net.layers["stem_norm"].gamma.numpy().copy()
    broken = {
        "lacks 1 weights, such as layer2.0.bn1.bias": {
            name: value for name, value in state.items() if name != "layer2.0.bn1.bias"
        },
        "has unexpected 1 weights, such as layer5.0": {**state, "layer5.0": state["bn1.bias"]},
        "layer3.1.conv1.weight must be finite": {
            **state,
            "layer3.1.conv1.weight": state["layer2.1.conv1.weight"],
        },
        "bn1.bias must be finite": {**state, "bn1.bias": state["bn1.bias"] * np.nan},
    }
    for message, weights in broken.items():
        with pytest.raises(ValueError, match=message):
            load_imagenet_weights(net, weights)
    np.testing.assert_array_equal(net.layers["stem_norm"].gamma.numpy(), before)
