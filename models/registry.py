"""Every architecture by name. A new one is one file and one line here."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ultimate_deep.machine.fields import fitted_fields
from ultimate_deep.models.search_space import SearchSpace

if TYPE_CHECKING:  # names alone are known without Keras
    import keras

    from ultimate_deep.models.heads import Heads
    from ultimate_deep.models.inputs import Inputs, Reads
    from ultimate_deep.models.presets import Preset

BUILDERS: dict[str, str] = {
    "adaptive_hybrid": "ultimate_deep.models.nets.adaptive_hybrid:build_adaptive_hybrid",
    "attentive_lstm": "ultimate_deep.models.nets.attentive_lstm:build_attentive_lstm",
    "bar_image_cnn": "ultimate_deep.models.nets.bar_image_cnn:build_bar_image_cnn",
    "bilstm": "ultimate_deep.models.nets.bilstm:build_bilstm",
    "cross_timeframe_transformer": "ultimate_deep.models.nets.cross_timeframe_transformer:build_cross_timeframe_transformer",  # noqa: E501
    "episodic_memory": "ultimate_deep.models.nets.episodic_memory:build_episodic_memory",
    "gaf_cnn": "ultimate_deep.models.nets.gaf_cnn:build_gaf_cnn",
    "gaf_mlp": "ultimate_deep.models.nets.gaf_mlp:build_gaf_mlp",
    "hybrid_lstm_transformer": "ultimate_deep.models.nets.hybrid_lstm_transformer:build_hybrid_lstm_transformer",  # noqa: E501
    "linear": "ultimate_deep.models.nets.linear:build_linear",
    "lstm": "ultimate_deep.models.nets.lstm:build_lstm",
    "memory_augmented": "ultimate_deep.models.nets.memory_augmented:build_memory_augmented",
    "mlp": "ultimate_deep.models.nets.mlp:build_mlp",
    "multi_head_predictor": "ultimate_deep.models.nets.multi_head_predictor:build_multi_head_predictor",  # noqa: E501
    "multi_scale_hybrid": "ultimate_deep.models.nets.multi_scale_hybrid:build_multi_scale_hybrid",
    "nhits": "ultimate_deep.models.nets.nhits:build_nhits",
    "one_layer": "ultimate_deep.models.nets.one_layer:build_one_layer",
    "patch_transformer": "ultimate_deep.models.nets.patch_transformer:build_patch_transformer",
    "resnet_tabular": "ultimate_deep.models.nets.resnet_tabular:build_resnet_tabular",
    "sequential_deep": "ultimate_deep.models.nets.sequential_deep:build_sequential_deep",
    "stack": "ultimate_deep.models.nets.stack:build_stack",
    "stacked_lstm": "ultimate_deep.models.nets.stacked_lstm:build_stacked_lstm",
    "tabm": "ultimate_deep.models.nets.tabm:build_tabm",
    "tcn": "ultimate_deep.models.nets.tcn:build_tcn",
    "transformer": "ultimate_deep.models.nets.transformer:build_transformer",
    "ultimate": "ultimate_deep.models.nets.ultimate:build_ultimate",
}


def add_model(name: str, target: str) -> None:
    """Make a user's builder known by a name.

    Args:
        name: What it is called.
        target: `module:function` of its builder; the module has been imported.

    Raises:
        ValueError: The name is taken.
    """
    if name in BUILDERS:
        raise ValueError(f"a model called {name!r} exists already; choose another name")
    BUILDERS[name] = target


def build_model(
    name: str, inputs: Inputs, heads: Heads | None = None, config: Any | None = None
) -> keras.Model:
    """Build a registered model.

    Args:
        name: A key of `BUILDERS`.
        inputs: Input name to shape without batch, such as `{"features": (220,)}`.
        heads: What to predict; one logit if None.
        config: An instance of `config_class(name)`; its defaults if None.

    Returns:
        A model whose output is float32 logits `(batch, horizons)`.

    Raises:
        ValueError: No builder has this name.
        TypeError: The configuration is another builder's, or holds a value of another kind than
            its field's.

    Example:
        >>> import ultimate_deep as ud
        >>> net = ud.build_model("lstm", {"bars": (32, 220)})
        >>> net.output_shape
        (None, 1)
    """
    expected = config_class(name)
    if config is None:
        config = expected()
    if not isinstance(config, expected):
        raise TypeError(
            f"model {name!r} is configured by {expected.__name__}, got {type(config).__name__}: "
            f"pass ultimate_deep.models.config_class({name!r})(...)"
        )
    from ultimate_deep.models.heads import Heads

    kind: Any = type(config)
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(kind)}
    fitted = kind(**fitted_fields(kind, values, ""))
    return _builder(name)(inputs, heads or Heads(), fitted)


def config_class(name: str) -> type:
    """The frozen dataclass that configures the model called `name`."""
    default = inspect.signature(_builder(name)).parameters["config"].default
    if not dataclasses.is_dataclass(default):
        raise TypeError(f"{BUILDERS[name]} must give `config` a dataclass instance as its default")
    return type(default)


def search_space(name: str) -> SearchSpace:
    """The search space that the builder's module declares: field name to range."""
    return dict(_module(name).SEARCH_SPACE)


def preset_config(name: str, preset: str = "default") -> Any:
    """The configuration that the builder's module calls `preset`, an instance of `config_class`.

    Modules without `PRESETS` have one preset, `default`: their configuration's defaults.

    Raises:
        ValueError: No model or no preset has this name.
    """
    return preset_of(name, preset).config


def preset_of(name: str, preset: str = "default") -> Preset[Any]:
    """The configuration that the builder's module calls `preset`, and the training that suits it.

    Raises:
        ValueError: No model or no preset has this name.
    """
    from ultimate_deep.models.presets import Preset

    named = named_presets(name) or {"default": Preset(config=config_class(name)())}
    if preset not in named:
        raise ValueError(
            f"model {name!r} has no preset {preset!r}; known presets: {', '.join(named)}"
        )
    return named[preset]


def presets(name: str) -> tuple[str, ...]:
    """The names of a model's presets."""
    return tuple(named_presets(name)) or ("default",)


def named_presets(name: str) -> Mapping[str, Preset[Any]]:
    """The presets that the builder's module declares; none where its defaults are all there is."""
    return getattr(_module(name), "PRESETS", {})


def reads(name: str) -> Reads:
    """What the model takes, one of `models.inputs.Reads`."""
    return getattr(_module(name), "READS", "features")


def sees(name: str) -> tuple[str, ...]:
    """Simulated signals on which the model reaches 80% of the oracle's edge."""
    return tuple(getattr(_module(name), "SEES", ()))


def loop_width(name: str, config: Any) -> int | None:
    """Width of the blocks that a model so configured runs as a loop; None where it has no loop."""
    width_of = getattr(_module(name), "loop_width", None)
    return None if width_of is None else width_of(config)


def still_weights(name: str) -> tuple[str, ...]:
    """Patterns of the weight paths that training may leave as they are."""
    return tuple(getattr(_module(name), "STILL", ()))


def memory_filler(name: str) -> Callable[..., None] | None:
    """The model's `fill_memory(model, x, y, returns, known_clock)`; None where it has no index."""
    return getattr(_module(name), "fill_memory", None)


def receptive_field_bars(name: str, config: Any, window_bars: int) -> int:
    """How many of the newest bars of the finest window can matter to a prediction.

    Raises:
        ValueError: The model does not read windows.
    """
    module = _module(name)
    if not hasattr(module, "receptive_field_bars"):
        raise ValueError(f"model {name!r} reads {reads(name)}, not windows of bars")
    return int(module.receptive_field_bars(config, window_bars))


def _builder(name: str) -> Any:
    return getattr(_module(name), BUILDERS[name].split(":")[1])


def _module(name: str) -> ModuleType:
    return importlib.import_module(_module_name(name))


def _module_name(name: str) -> str:
    if name not in BUILDERS:
        raise ValueError(
            f"no model is called {name!r}; known models: {', '.join(sorted(BUILDERS))}; a new "
            "one is one file in models/nets/ and one line in "
            "ultimate_deep.models.registry.BUILDERS: "
            '"name": "ultimate_deep.models.nets.name:build_name"'
        )
    return BUILDERS[name].split(":")[0]
