"""Features of a user's own: a graph of operators like ours, or a function over whole bars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ultimate_deep.features.engine.graph import COLUMNS, Node, column
from ultimate_deep.features.registry import OWN_FAMILY, Feature, registry

Function = Callable[[pd.DataFrame], Any]


@dataclass(frozen=True, eq=False)
class FunctionFeature(Feature):
    """A feature that a function computes from whole bars, such as one of pandas.

    It is checked for causality as every other (`ultimate-deep check`), but has no stream: nobody
    can know what a function of whole bars would say of one bar more.

    Attributes:
        function: A function from canonical bars to one number for each.
        leading: Bars without a value.
    """

    function: Function | None = None
    leading: int = 0

    @property
    def inputs(self) -> tuple[str, ...]:
        """All usual columns: which it reads, only the function knows."""
        return COLUMNS

    @property
    def warmup_bars(self) -> int:
        """Bars without a value, as declared."""
        return self.leading

    @property
    def further_columns(self) -> tuple[str, ...]:
        """None: it is computed from plain bars."""
        return ()

    @property
    def needs_volume(self) -> bool:
        """Never left out."""
        return False

    def compute(self, frame: pd.DataFrame) -> np.ndarray:
        """Return its values, float32 `(rows,)`, NaN in the declared warm-up.

        Raises:
            ValueError: Another number of values than bars, or a value that is not finite after
                the warm-up; naming the feature and the bar.
        """
        assert self.function is not None
        values = np.asarray(self.function(frame.copy()), dtype=np.float64)
        if values.shape != (len(frame),):
            raise ValueError(
                f"feature {self.name!r} gave values of shape {values.shape} for {len(frame)} bars; "
                "return one number for each bar"
            )
        out = values.astype(np.float32)
        out[: self.leading] = np.nan
        bad = ~np.isfinite(out)
        bad[: self.leading] = False
        if bad.any():
            row = int(np.argmax(bad))
            raise ValueError(
                f"feature {self.name!r} is {values[row]} for the bar at {frame.index[row]} (row "
                f"{row}), after a warm-up of {self.leading} bars; declare the true warm-up, and "
                "give a number where a denominator is zero"
            )
        return out


def own_feature(
    name: str,
    definition: Node | Function,
    *,
    warmup_bars: int | None,
    source: str,
    unit: str,
    neutral: float | None,
) -> Feature:
    """Return a user's feature.

    Args:
        name: Unique name in snake_case.
        definition: A graph of `features.engine.graph`, which has a stream too, or a function from
            bars to one number for each.
        warmup_bars: Leading bars without a value; needed for a function, known of a graph.
        source: Author and year, or what else tells where it comes from.
        unit: What the number means.
        neutral: Its value on a motionless market; None where it has none.

    Raises:
        ValueError: A name that is taken or no name, or a function without its warm-up.
    """
    if not name.isidentifier():
        raise ValueError(f"a feature's name is a word such as gap_20, got {name!r}")
    if registry().find(name) is not None:
        family = registry().family_of(name)
        raise ValueError(
            f"feature {name!r} exists already in family {family!r}; choose another name"
        )
    if isinstance(definition, Node):
        return Feature(name, definition, source, unit, neutral)
    if warmup_bars is None or warmup_bars < 0:
        raise ValueError(
            f"feature {name!r} is a function, which says its warm-up: warmup_bars=20 for a window "
            f"of 21 bars, got {warmup_bars}"
        )
    # The engine never sees it; a node of the close stands in its place.
    return FunctionFeature(
        name, column("close"), source, unit, neutral, function=definition, leading=warmup_bars
    )


def refuse_functions(features: Sequence[Feature], why: str) -> None:
    """Refuse features that need whole bars.

    Raises:
        ValueError: Naming the first of them.
    """
    for feature in features:
        if isinstance(feature, FunctionFeature):
            raise ValueError(
                f"feature {feature.name!r} is a function of whole bars and {why}; write it as a "
                "graph of ultimate_deep.features.engine.graph, or leave it out"
            )


def add_feature(feature: Feature) -> None:
    """Make a user's feature one that can be asked for by name, and a default one."""
    known = registry()
    known.features[feature.name] = feature
    known.families[feature.name] = OWN_FAMILY


def remove_feature(name: str) -> None:
    """Forget a user's feature."""
    known = registry()
    known.features.pop(name, None)
    known.families.pop(name, None)
