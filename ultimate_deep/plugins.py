"""A feature, net, loss, label or step of your own, without editing this package.

Write a module or a package, decorate what it brings, and name it: `--plugin my_module.py` on every
command, or `ultimate_deep.plugins.load("my_module.py")` in Python. A bundle names the plugins of
its run with their hashes, and loads only where the same are loaded; nothing is imported that you
did not name, or that what you named imports.
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

import inspect
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
    from ultimate_deep.features.engine.graph import Node
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

        own = name or _name_of(function, "feature", 'say name="my_feature"')
        definition = _graph(own, function) if _takes_nothing(function) else function
        made = own_feature(
            own, definition, warmup_bars=warmup_bars, source=source, unit=unit, neutral=neutral
        )
        add_feature(made)
        note_registered(f"feature {own}", lambda: remove_feature(own))
        return function

    return register


def _name_of(function: Callable[..., Any], kind: str, remedy: str) -> str:
    """Return the name of a function.

    Raises:
        ValueError: It has none, as a `functools.partial` or a lambda.
    """
    name = getattr(function, "__name__", None)
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(
            f"a {kind} is called after its function, and {function!r} has no name; {remedy}"
        )
    return name


def _takes_nothing(function: Callable[..., Any]) -> bool:
    """Return whether a function cannot be handed bars, so that it gives a graph."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # of a function that is written in C
        return False
    return not any(
        one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD, one.VAR_POSITIONAL)
        for one in parameters
    )


def _graph(name: str, function: Callable[..., Any]) -> Node:
    from ultimate_deep.features.engine.graph import Node

    graph = function()
    if not isinstance(graph, Node):
        raise ValueError(
            f"feature {name!r} takes no bars, so it returns a graph of "
            f"ultimate_deep.features.engine.graph, and it returned {type(graph).__name__}; take "
            "bars as its first argument, or return a graph"
        )
    return graph


def net(builder: Function) -> Function:
    """Register a builder `build_x(inputs, heads=Heads(), config=XConfig()) -> keras.Model` as `x`.

    Its module may say what it reads, its presets and its search space as ours do: `READS`,
    `PRESETS`, `SEARCH_SPACE`.

    Raises:
        PluginError: Outside of a plugin that is being loaded.
        ValueError: A name that is taken or does not begin with `build_`.
    """
    from ultimate_deep.models.registry import BUILDERS, add_model

    called = _name_of(builder, "net", "write a function, def build_x, that calls it")
    if not called.startswith("build_"):
        raise ValueError(f"a builder is called build_<model>, got {called!r}; rename it")
    if "<locals>" in builder.__qualname__:
        raise ValueError(
            f"the builder {called} is made inside of {builder.__qualname__.partition('.')[0]}, "
            "where nobody finds it again; define it at the top of its module"
        )
    name = called.removeprefix("build_")
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

    name = _name_of(function, "loss", "write a function with def that calls it")
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

    name = _name_of(function, "label", "write a function with def that calls it")
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
        ValueError: Another plugin has registered steps, or these change nothing.
    """
    from ultimate_deep.pipeline.own_steps import OWN_STEPS
    from ultimate_deep.pipeline.steps import Steps

    if not isinstance(own, Steps):
        raise ValueError(
            f"steps are registered as Steps(...), got {own!r}; give one, such as "
            "Steps(scale=my_scaler)"
        )
    if not own.own:
        raise ValueError(
            "these steps change nothing: every one is the usual one; give at least one of your "
            "own, such as Steps(scale=my_scaler)"
        )
    if OWN_STEPS:
        raise ValueError("another plugin has registered steps already; put them into one module")
    OWN_STEPS.append(own)
    note_registered("steps", OWN_STEPS.clear)
    return own
