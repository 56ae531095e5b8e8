"""What makes two fits the same run, as flat names and values that an error can list."""

import dataclasses
import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from ultimate_deep.training.arrays import Arrays
from ultimate_deep.training.config import NOT_IN_FINGERPRINT, FitConfig


def fit_fingerprint(
    model: keras.Model, train: Arrays, validation: Arrays, config: FitConfig, *, jit_compile: bool
) -> dict[str, Any]:
    """Return every choice that the result depends on.

    Configuration field by field (but for when checkpoints are written), hashes of both parts, of
    the model's variables and configuration, precision, XLA, and the versions whose change may
    move the last bit.
    """
    fields = {
        f"fit.{name}": list(value) if isinstance(value, tuple) else value
        for name, value in _flat(dataclasses.asdict(config)).items()
        if name not in NOT_IN_FINGERPRINT
    }
    return fields | {
        "data.train": train.fingerprint(),
        "data.validation": validation.fingerprint(),
        "model.variables": _variables_hash(model),
        "model.config": _config_hash(model),
        "model.parameters": int(model.count_params()),
        "model.compute": compute_dtypes(model),
        "xla": jit_compile,
        "keras": keras.__version__,
        **_backend_version(),
        "numpy": np.__version__,
    }


def _backend_version() -> dict[str, str]:
    name = keras.backend.backend()
    return {name: importlib.metadata.version(name)}


def compute_dtypes(model: keras.Model) -> str:
    """Return the dtypes that the model's layers with weights compute in, joined by `+`."""
    found = {
        layer.compute_dtype
        for layer in model._flatten_layers(include_self=False)
        if layer.weights and getattr(layer, "compute_dtype", None)
    }
    return "+".join(sorted(found)) or "float32"


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        nested = isinstance(value, Mapping)
        flat |= _flat(value, f"{prefix}{name}.") if nested else {prefix + name: value}
    return flat


def _variables_hash(model: keras.Model) -> str:
    """Hash names within layers, shapes and dtypes; Keras numbers layers anew in each process."""
    rows = [(v.name, tuple(v.shape), str(v.dtype), v.trainable) for v in model.variables]
    return hashlib.blake2b(repr(rows).encode(), digest_size=16).hexdigest()


def _config_hash(model: keras.Model) -> str:
    """Hash the model's configuration with every name replaced by its place.

    Keras numbers names anew with each model that a process builds. A model without a
    configuration hashes to `none`.
    """
    try:
        config = model.get_config()
    except NotImplementedError:
        return "none"
    names: dict[str, str] = {}
    _collect_names(config, names)
    text = json.dumps(
        _renamed(config, names), sort_keys=True, default=lambda item: type(item).__name__
    )
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _collect_names(value: Any, names: dict[str, str]) -> None:
    """Number every value under a key `name`, in the order in which they come."""
    if isinstance(value, Mapping):
        name = value.get("name")
        if isinstance(name, str):
            names.setdefault(name, f"name_{len(names)}")
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            _collect_names(item, names)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _renamed(item, names) for key, item in value.items() if key != "shared_object_id"
        }
    if isinstance(value, (list, tuple)):
        return [_renamed(item, names) for item in value]
    return names.get(value, value) if isinstance(value, str) else value
