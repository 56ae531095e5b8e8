"""Weights of a ResNet-18 trained on ImageNet, from a file, into a backbone of two channels.

Two kinds of file hold torchvision's state dict: `.safetensors`, and `.pth` as `torch.save`
writes it. The second is a pickle, which could run any program when it is read; here it is never
unpickled. `models.parts.torch_file` walks through it and knows nothing but tensors and dicts.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from ultimate_deep.models.parts.resnet18 import Resnet18
from ultimate_deep.models.parts.torch_file import read_torch_state

State = dict[str, npt.NDArray[np.float32]]

# The classifier of the 1,000 ImageNet classes, and counters that nothing here reads.
UNUSED = re.compile(r"fc\.(weight|bias)|.*\.num_batches_tracked")
CONV_WEIGHTS = {"weight": "kernel"}
NORM_WEIGHTS = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def read_state(path: str | Path) -> State:
    """Read a state dict: name to array.

    Raises:
        ValueError: No such file, another kind of file, or a damaged or hostile one.
    """
    file = Path(path)
    if not file.is_file():
        raise ValueError(
            f"pretrained_weights must name a file, got {str(path)!r}: save torchvision's resnet18 "
            "state dict as .safetensors or .pth and give its path"
        )
    if file.suffix == ".safetensors":
        return _read_safetensors(file)
    if file.suffix in (".pth", ".pt"):
        return read_torch_state(file)
    raise ValueError(
        f"pretrained_weights must end with .safetensors, .pth or .pt, got {file.name!r}: save the "
        "state dict with safetensors.torch.save_file or torch.save"
    )


def load_imagenet_weights(backbone: Resnet18, state: State) -> None:
    """Put a state dict of `read_state` into a backbone that has been called.

    Kernels turn from (out, in, height, width) to (height, width, in, out). The first one's three
    colours become their mean, given to each of the n channels, times 3 / n: a picture that is
    equal in all channels answers as a grey photograph did. The classifier is left out.

    Raises:
        ValueError: A missing, unexpected or misshapen weight; nothing has been changed then.
    """
    found = {name: value for name, value in state.items() if not UNUSED.fullmatch(name)}
    targets = torch_names(backbone)
    _check_names(found, targets)
    values = {}
    for name, variable in targets.items():
        shape = tuple(variable.shape)
        value = _as_kernel(found[name], shape[2]) if len(shape) == 4 else found[name]
        negative = name.endswith("running_var") and (value < 0).any()
        if value.shape != shape or not np.isfinite(value).all() or negative:
            expected = f"(height, width, in, out) = {shape}" if len(shape) == 4 else str(shape)
            raise ValueError(
                f"the pretrained weight {name} must be finite, a variance not below zero, and "
                f"make {expected}, got shape {found[name].shape}: give the state dict of a "
                "ResNet-18 trained on ImageNet"
            )
        values[name] = value
    for name, variable in targets.items():
        variable.assign(values[name])


def torch_names(backbone: Resnet18) -> dict[str, keras.Variable]:
    """Torchvision's name of every variable of a backbone, such as `layer1.0.conv1.weight`."""
    names = {}
    for part, layer in backbone.layers.items():
        convolution = isinstance(layer, keras.layers.Conv2D)
        own = {variable.name: variable for variable in layer.weights}
        for theirs, ours in (CONV_WEIGHTS if convolution else NORM_WEIGHTS).items():
            if ours in own:
                names[f"{_torch_layer(part)}.{theirs}"] = own[ours]
    return names


def torch_parts(stages: int) -> tuple[str, ...]:
    """Torchvision's names of the parts of a backbone: `conv1`, `bn1`, `layer1` onwards."""
    return ("conv1", "bn1", *(f"layer{stage}" for stage in range(1, stages + 1)))


def _torch_layer(name: str) -> str:
    """`stage_2_block_1_conv_2` is `layer2.0.conv2` there, `stem_norm` is `bn1`."""
    if name.startswith("stem_"):
        return {"stem_conv": "conv1", "stem_norm": "bn1"}[name]
    _, stage, _, block, *part = name.split("_")
    kind = {
        "conv_1": "conv1",
        "norm_1": "bn1",
        "conv_2": "conv2",
        "norm_2": "bn2",
        "shortcut_conv": "downsample.0",
        "shortcut_norm": "downsample.1",
    }["_".join(part)]
    return f"layer{stage}.{int(block) - 1}.{kind}"


def _as_kernel(kernel: npt.NDArray[np.float32], channels: int) -> npt.NDArray[np.float32]:
    """(out, in, height, width) to (height, width, in, out), the colours averaged."""
    if kernel.ndim == 4 and kernel.shape[1] == 3 and channels != 3:
        mean = kernel.mean(axis=1, keepdims=True, dtype=np.float64) * (3 / channels)
        kernel = np.repeat(mean, channels, axis=1).astype(np.float32)
    return kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel


def _check_names(state: Mapping[str, object], targets: Mapping[str, object]) -> None:
    missing, unexpected = sorted(set(targets) - set(state)), sorted(set(state) - set(targets))
    for what, names in (("lacks", missing), ("has unexpected", unexpected)):
        if names:
            raise ValueError(
                f"the pretrained file {what} {len(names)} weights, such as "
                f"{', '.join(names[:3])}: give torchvision's resnet18().state_dict()"
            )


def _read_safetensors(file: Path) -> State:
    # Needed by few, so that the others need not install it.
    try:
        import safetensors
        from safetensors.numpy import load_file
    except ImportError as error:
        raise ValueError(
            f"{file.name} is read by the package safetensors, which is not installed ({error}); "
            "run `pip install safetensors`, or give the state dict as .pth"
        ) from error
    try:
        loaded = load_file(file)
        return {name: np.asarray(value, np.float32) for name, value in loaded.items()}
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{file.name} is no safetensors file of numbers ({str(error)[:200]}): download or "
            "save it again as float32"
        ) from error
