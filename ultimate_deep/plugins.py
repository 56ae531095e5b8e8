"""A feature, net, loss, label or step of your own, without editing this package.

Write a module, decorate what it brings, and name it: `--plugin my_module.py` on every command, or
`ultimate_deep.plugins.load("my_module.py")` in Python. A bundle names the plugins of its run with
their hashes, and loads only where the same are loaded; nothing is imported that you did not name.
`ultimate-deep check my_module.py` runs the contract tests on what it brings.

    from ultimate_deep import plugins

    @plugins.feature(warmup_bars=19, neutral=0.5, unit="share of the range", source="my idea")
    def close_in_range_20(bars):
        low, high = bars["low"].rolling(20).min(), bars["high"].rolling(20).max()
        return ((bars["close"] - low) / (high - low)).where((high > low) | low.isna(), 0.5)

A net is a builder with the signature of ours, `build_x(inputs, heads, config) -> keras.Model`; a
loss maps labels and logits to the loss of each label; a label maps bars to 0, 1 or NaN for each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from ultimate_deep.machine.plugins import (
    Plugin,
    PluginError,
    load_plugin,
    loaded_plugins,
    note_registered,
    plugins_loaded,
)

if TYPE_CHECKING:
    from ultimate_deep.pipeline.steps import Steps

Function = TypeVar("Function", bound=Callable[..., Any])

__all__ = [
    "Plugin",
    "PluginError",
    "feature",
    "label",
    "load",
    "loaded",
    "loss",
    "net",
    "plugins_loaded",
    "steps",
]

load = load_plugin
loaded = loaded_plugins


def feature(
    *,
    warmup_bars: int | None = None,
    source: str = "own",
    unit: str = "",
    neutral: float | None = None,
    name: str | None = None,
) -> Callable[[Function], Function]:
    """Register a feature: a function of bars, or one without arguments that returns a graph.

    Args:
        warmup_bars: Leading bars without a value; a graph knows its own.
        source: Author and year, or what else tells where it comes from.
        unit: What the number means.
        neutral: Its value on a motionless market; None where it has none.
        name: What it is called; the function's name by default.

    Raises:
        PluginError: Outside of a plugin that is being loaded.
        ValueError: A name that is taken, or a function without its warm-up.

    Example:
        >>> from ultimate_deep import plugins
        >>> from ultimate_deep.features import compute_features
        >>> from ultimate_deep import simulate_bars
        >>> text = '''
        ... from ultimate_deep import plugins
        ... @plugins.feature(warmup_bars=1)
        ... def gap(bars):
        ...     return bars["open"] / bars["close"].shift(1) - 1
        ... '''
        >>> from pathlib import Path
        >>> _ = Path("my_gap.py").write_text(text)
        >>> with plugins.plugins_loaded(["my_gap.py"]):
        ...     compute_features(simulate_bars(1_000), ["gap"]).values.shape
        (1000, 1)
    """

    def register(function: Function) -> Function:
        from ultimate_deep.features.own import add_feature, own_feature, remove_feature

        own = name or function.__name__
        graph = function.__code__.co_argcount == 0
        definition = function() if graph else function
        made = own_feature(
            own, definition, warmup_bars=warmup_bars, source=source, unit=unit, neutral=neutral
        )
        add_feature(made)
        note_registered(f"feature {own}", lambda: remove_feature(own))
        return function

    return register


def net(builder: Function) -> Function:
    """Register a builder `build_x(inputs, heads=Heads(), config=XConfig()) -> keras.Model` as `x`.

    Its module may say what it reads, its presets and its search space as ours do: `READS`,
    `PRESETS`, `SEARCH_SPACE`.

    Raises:
        PluginError: Outside of a plugin that is being loaded.
        ValueError: A name that is taken or does not begin with `build_`.
    """
    from ultimate_deep.models.registry import BUILDERS, add_model

    if not builder.__name__.startswith("build_"):
        raise ValueError(f"a builder is called build_<model>, got {builder.__name__!r}; rename it")
    name = builder.__name__.removeprefix("build_")
    add_model(name, f"{builder.__module__}:{builder.__name__}")
    note_registered(f"net {name}", lambda: _forget(BUILDERS, name))
    return builder


def _forget(registry: dict[str, str], name: str) -> None:
    registry.pop(name, None)


def loss(function: Function) -> Function:
    """Register a loss `(y, logits) -> loss of each label` under the function's name.

    Both are tensors `(batch, horizons)`: `y` 0 down, 1 up, 0.5 flat; `logits` of up. The result has
    the same shape; it is averaged by the training loop. Written with `keras.ops` it runs on every
    backend; it is measured on validation as it is.

    Raises:
        PluginError: Outside of a plugin that is being loaded.
        ValueError: A name that is taken.
    """
    from ultimate_deep.training.losses.loss_config import NAMES, OWN_NAMES
    from ultimate_deep.training.losses.own import OWN_LOSSES

    name = function.__name__
    if name in (*NAMES, *OWN_NAMES):
        raise ValueError(f"a loss called {name!r} exists already; choose another name")
    OWN_LOSSES[name] = function
    OWN_NAMES.append(name)

    def forget() -> None:
        OWN_NAMES.remove(name)
        del OWN_LOSSES[name]

    note_registered(f"loss {name}", forget)
    return function


def label(function: Function) -> Function:
    """Register a label `(frame, spec) -> 0, 1 or NaN for each bar` under the function's name.

    A decision at a bar's close is filled at the next open; its label may use bars up to the open
    at which the horizon ends, `spec.horizon_bars` bars later, and nothing beyond.

    Raises:
        PluginError: Outside of a plugin that is being loaded.
        ValueError: A name that is taken.
    """
    from ultimate_deep.market.config import LABEL_KINDS, OWN_KINDS
    from ultimate_deep.market.labels import OWN_LABELS

    name = function.__name__
    if name in (*LABEL_KINDS, *OWN_KINDS):
        raise ValueError(f"a label called {name!r} exists already; choose another name")
    OWN_LABELS[name] = function
    OWN_KINDS.append(name)

    def forget() -> None:
        OWN_KINDS.remove(name)
        del OWN_LABELS[name]

    note_registered(f"label {name}", forget)
    return function


def steps(own: Steps) -> Steps:
    """Register what every run does otherwise than usual on its way from bars to verdict.

    Args:
        own: Such as `Steps(scale=my_scaler)`.

    Raises:
        PluginError: Outside of a plugin that is being loaded.
        ValueError: Another plugin has registered steps.
    """
    from ultimate_deep.pipeline.own_steps import OWN_STEPS

    if OWN_STEPS:
        raise ValueError("another plugin has registered steps already; put them into one module")
    OWN_STEPS.append(own)
    note_registered("steps", OWN_STEPS.clear)
    return own
