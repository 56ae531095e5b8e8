"""What the public functions were given, checked before anything heavy is done with it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ultimate_deep.machine.fields import check_seed, fitted, shown
from ultimate_deep.market.sessions import Session
from ultimate_deep.pipeline.config import ExperimentConfig
from ultimate_deep.portfolio.costs import CostSpec
from ultimate_deep.portfolio.mode import Mode

if TYPE_CHECKING:
    import pandas as pd

    from ultimate_deep.bundles.predicting import AnyBundle
    from ultimate_deep.models.heads import Heads
    from ultimate_deep.models.inputs import Inputs
    from ultimate_deep.pipeline.steps import Steps

Period = Literal["test", "all"]


def given_config(config: Any) -> ExperimentConfig:
    """Return the experiment, the default one for None.

    Raises:
        TypeError: It is none.
    """
    if config is None:
        return ExperimentConfig()
    if isinstance(config, Mapping):
        remedy = "give ud.ExperimentConfig(**config)"
    else:
        remedy = "give e.g. ud.ExperimentConfig(model={'name': 'mlp'})"
    return _instance("config", config, ExperimentConfig, "an ExperimentConfig", remedy)


def given_fills(fills: Any) -> Any:
    """Return the names of files as a tuple of texts; finer bars, and None, as they are.

    Raises:
        TypeError: A list of something else than names.
        ValueError: A list of none.
    """
    if isinstance(fills, list) and not fills:
        raise ValueError("fills must name a file or more, got []; leave it out for fills at opens")
    if isinstance(fills, (str, Path)):
        return (given_text("fills", fills, example="1m.csv"),)
    return given_names("fills", fills) if isinstance(fills, Sequence) else fills


def given_steps(steps: Any) -> Steps:
    """Return the steps, the usual ones for None.

    Raises:
        TypeError: They are none.
    """
    from ultimate_deep.pipeline.steps import Steps

    remedy = "give for example Steps(scale=my_scaler), from ultimate_deep.pipeline"
    return Steps() if steps is None else _instance("steps", steps, Steps, "Steps", remedy)


def given_net(net: Any) -> Any:
    """Return the net that was trained elsewhere, or None.

    Raises:
        TypeError: It is no Keras model.
    """
    if net is None:
        return None
    import keras

    remedy = "give the trained net itself, or leave it out to train one"
    return _instance("net", net, keras.Model, "a keras.Model", remedy)


def given_folder(folder: Any) -> Path:
    """Return the path of a run's folder.

    Raises:
        TypeError: It is no path.
    """
    remedy = "give the folder of a finished run, such as 'artifacts/latest'"
    return Path(fitted("folder", folder, str, remedy=remedy))


def given_bundle(bundle: Any) -> AnyBundle:
    """Return a bundle as it is; None of a path.

    Raises:
        TypeError: It is no bundle.
    """
    from ultimate_deep.bundles.predicting import AnswersBars

    remedy = "give what ud.load gives, or its folder, such as 'artifacts/latest'"
    return _instance("bundle", bundle, AnswersBars, "a bundle or the path of one", remedy)


def given_period(period: Any) -> Period:
    """Return which bars are judged.

    Raises:
        TypeError: It is no text.
        ValueError: It is neither of the two.
    """
    return fitted("period", period, Period, default="test")


def check_flags(**given: Any) -> None:
    """Refuse what is neither true nor false.

    Raises:
        TypeError: Naming the argument.
    """
    for name, value in given.items():
        fitted(name, value, bool)


def given_count(name: str, value: Any, *, example: int = 1) -> int:
    """Return a whole number of at least 1.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is below 1.
    """
    found = fitted(name, value, int, default=example)
    if found < 1:
        raise ValueError(f"{name} must be at least 1, got {found}; give for example {example}")
    return found


def given_seed(seed: Any) -> int:
    """Return a seed that every generator takes.

    Raises:
        TypeError: It is no whole number.
        ValueError: It is out of range.
    """
    found = fitted("seed", seed, int, default=0)
    check_seed("seed", found)
    return found


def given_threshold(threshold: Any) -> float:
    """Return the least probability of the side taken.

    Raises:
        TypeError: It is no number.
        ValueError: It is outside [0.5, 1].
    """
    found = fitted("threshold", threshold, float, default=0.5)
    if not 0.5 <= found <= 1.0:
        raise ValueError(
            f"threshold must be in [0.5, 1], got {found}; it is the least probability of the side "
            "that is taken, give e.g. 0.5"
        )
    return found


def given_costs(costs: Any) -> CostSpec:
    """Return what trading costs, of a mapping too.

    Raises:
        TypeError: It is neither.
        ValueError: A cost out of range.
    """
    return fitted("costs", costs, CostSpec)


def given_mode(mode: Any) -> Mode:
    """Return which sides an account takes.

    Raises:
        TypeError: It is no text.
        ValueError: There is no such mode.
    """
    return fitted("mode", mode, Mode, default="long_flat")


def given_session(session: Any) -> Session | None:
    """Return when a market trades, or None.

    Raises:
        TypeError: It is no text.
        ValueError: There is no such session.
    """
    choices = Literal[get_args(Session)]  # type: ignore[valid-type]
    return fitted("session", session, choices | None, default=None)


def given_names(what: str, names: Any) -> tuple[str, ...] | None:
    """Return names in order, or None.

    Raises:
        TypeError: They are no texts.
    """
    if isinstance(names, Sequence) and not isinstance(names, str):
        names = tuple(names)
    return fitted(what, names, tuple[str, ...] | None, default=None)


def given_text(name: str, text: Any, *, example: str) -> str:
    """Return a text that is not empty, of a path too.

    Raises:
        TypeError: It is none.
        ValueError: It is empty.
    """
    found = fitted(name, text, str, default=example)
    if not found.strip():
        raise ValueError(f"{name} must not be empty, got {found!r}; give for example {example!r}")
    return found


def given_time(name: str, time: Any) -> pd.Timestamp:
    """Return the time of a bar; a day without an hour is the end of that day.

    Raises:
        TypeError: A number, or what is no time at all.
        ValueError: A text that says no time, or less than a day.
    """
    import datetime

    import numpy as np
    import pandas as pd

    remedy = "give e.g. '2024-01-31', or a time of the bars' index, such as frame.index[999]"
    if not isinstance(time, (str, datetime.date, np.datetime64)) or time is pd.NaT:
        raise TypeError(f"{name} must be the time of a bar, got {shown(time)}; {remedy}")
    try:
        found = pd.Timestamp(time)
    except ValueError as error:
        raise ValueError(f"{name} must be the time of a bar, got {time!r}; {remedy}") from error
    vague = isinstance(time, str) and re.match(r"\s*\d{4}-\d{2}-\d{2}", time) is None
    if pd.isna(found) or vague:
        raise ValueError(f"{name} must be the time of a bar, got {time!r}; {remedy}")
    if isinstance(time, str):
        day = re.fullmatch(r"\s*\d{4}-\d{2}-\d{2}\s*", time) is not None
    else:
        day = isinstance(time, datetime.date) and not isinstance(time, datetime.datetime)
    return found + pd.Timedelta(days=1) - pd.Timedelta(1, "ns") if day else found


def given_inputs(inputs: Any) -> Inputs:
    """Return the shape of each input, without batch.

    Raises:
        TypeError: No mapping of names to shapes.
        ValueError: No input at all, or a shape without axes or with one below 1.
    """
    remedy = "give e.g. {'features': (8,)}, or prepared.inputs.shapes"
    found = fitted("inputs", inputs, dict[str, tuple[int | None, ...]], remedy=remedy)
    bad = [
        shape
        for shape in found.values()
        if not shape or any(n is not None and n < 1 for n in shape)
    ]
    if not found or bad:
        raise ValueError(
            f"inputs must have one shape or more, of axes from 1 on, got {inputs}; {remedy}"
        )
    return found


def given_heads(heads: Any) -> Heads | None:
    """Return what is predicted, or None.

    Raises:
        TypeError: It is no `Heads`.
    """
    if heads is None:
        return None
    from ultimate_deep.models.heads import Heads

    remedy = "give e.g. ultimate_deep.models.Heads(horizons=2), or leave it out"
    return _instance("heads", heads, Heads, "Heads", remedy)


def _instance(name: str, value: Any, kind: Any, rule: str, remedy: str) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {rule}, got {shown(value)}; {remedy}")
    return value
