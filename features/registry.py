"""What a feature is, and the ordered list of all of them.

A new feature is one entry in its family's file. A new family is one file and one line in
`FAMILIES`.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING

from ultimate_deep.features.engine.graph import COLUMNS, Node

if TYPE_CHECKING:  # names alone are known without pandas
    import pandas as pd

# Family name -> module whose `entries()` lists its features. The order is the features' order.
FAMILIES = {
    "price": "ultimate_deep.features.families.price",
    "moving_averages": "ultimate_deep.features.families.moving_averages",
    "ranges": "ultimate_deep.features.families.ranges",
    "momentum": "ultimate_deep.features.families.momentum",
    "trend": "ultimate_deep.features.families.trend",
    "volatility": "ultimate_deep.features.families.volatility",
    "breakout": "ultimate_deep.features.families.breakout",
    "volume": "ultimate_deep.features.families.volume",
    "risk": "ultimate_deep.features.families.risk",
    "statistics": "ultimate_deep.features.families.statistics",
    "wavelets": "ultimate_deep.features.families.wavelets",
    "fractional": "ultimate_deep.features.families.fractional",
    "microstructure": "ultimate_deep.features.families.microstructure",
    "time": "ultimate_deep.features.families.time",
    "polynomial": "ultimate_deep.features.families.polynomial",
    "interactions": "ultimate_deep.features.families.interactions",
}

# Families whose features need columns that plain bars lack; asked for by name.
OPTIONAL_FAMILIES = {
    "order_book": "ultimate_deep.features.families.order_book",
    "cross_asset": "ultimate_deep.features.families.cross_asset",
}

# Those of a user's own, which a plugin has registered.
OWN_FAMILY = "own"

# Fine bars per coarse bar: any feature may be asked for on coarser bars as `name_15x`.
FACTORS = (5, 15, 60)

# Warm-up that no default feature may exceed, in bars.
MOST_WARMUP_BARS = 500


@dataclass(frozen=True, eq=False)
class Feature:
    """One number per bar that a net may see.

    Attributes:
        name: Unique, snake_case, windows in bars included (`rsi_14`).
        node: How it is computed from bars.
        source: Author and year, or the textbook.
        unit: What the number means.
        neutral: Its value on a motionless market, where ranges, deviations and volumes are
            zero and denominators vanish; `None` for features of the clock, which have none.
        low: Least value it can take, where there is one.
        high: Greatest value it can take, where there is one.
    """

    name: str
    node: Node
    source: str
    unit: str
    neutral: float | None = 0.0
    low: float | None = None
    high: float | None = None

    @property
    def factor(self) -> int:
        """Bars that make up one of those it is computed on: 1, they are the same."""
        return 1

    @property
    def inputs(self) -> tuple[str, ...]:
        """Bar columns that the feature depends on."""
        return self.node.columns

    @property
    def warmup_bars(self) -> int:
        """Number of leading bars without a value; on coarser bars, of those when none lacks."""
        return (self.node.settled + 1) * self.factor - 1

    @property
    def further_columns(self) -> tuple[str, ...]:
        """Columns that it needs beyond those of plain bars."""
        return tuple(name for name in self.inputs if name not in COLUMNS)

    @property
    def needs_volume(self) -> bool:
        """Whether the feature means nothing when bars carry no volume."""
        return "volume" in self.node.columns


@dataclass(frozen=True, eq=False)
class CoarseFeature(Feature):
    """A feature of bars that are several times as long.

    Attributes:
        bars: Bars that make up one of those it is computed on.
    """

    bars: int = 1

    @property
    def factor(self) -> int:
        """Bars that make up one of those it is computed on."""
        return self.bars


@dataclass(frozen=True, kw_only=True)
class Registry:
    """Every feature by name, in order, and the family of each."""

    features: dict[str, Feature]
    families: dict[str, str]

    @property
    def default(self) -> tuple[str, ...]:
        """Names of the features that plain bars allow."""
        default = {*FAMILIES, OWN_FAMILY}
        return tuple(name for name in self.features if self.families[name] in default)

    def family_of(self, name: str) -> str:
        """The family of a feature, `timeframes` for one on coarser bars."""
        return self.families.get(name, "timeframes")

    def choose(self, names: Sequence[str] | None) -> tuple[Feature, ...]:
        """The features of these names in this order; the default ones when `names` is None.

        A name may end in `_5x`, `_15x` or `_60x`: the feature before it, on coarser bars.

        Raises:
            ValueError: A name is unknown (the message lists the nearest ones) or given twice.
        """
        if names is None:
            return tuple(self.features[name] for name in self.default)
        wanted = (names,) if isinstance(names, str) else tuple(names)
        found = {name: self._find(name) for name in wanted}
        unknown = [name for name, feature in found.items() if feature is None]
        if unknown:
            raise ValueError(self._unknown(unknown))
        twice = sorted({name for name in wanted if wanted.count(name) > 1})
        if twice:
            raise ValueError(f"each feature may be asked for once; given twice: {twice}")
        if not wanted:
            raise ValueError("no feature names given; pass None for all features")
        return tuple(feature for feature in found.values() if feature is not None)

    def _find(self, name: str) -> Feature | None:
        if name in self.features:
            return self.features[name]
        for factor in FACTORS:
            base = self.features.get(name.removesuffix(f"_{factor}x"))
            # A user's function is no graph that could read coarser bars.
            if type(base) is Feature and name.endswith(f"_{factor}x"):
                known = {field.name: getattr(base, field.name) for field in fields(base)}
                known |= {"name": name, "unit": f"{base.unit}, of bars {factor} times as long"}
                return CoarseFeature(**known, bars=factor)
        return None

    def _unknown(self, unknown: Sequence[str]) -> str:
        parts = []
        for name in unknown[:5]:
            near = difflib.get_close_matches(name, self.features, n=3, cutoff=0.5)
            parts.append(f"{name!r}" + (f" (nearest: {', '.join(near)})" if near else ""))
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        return (
            f"unknown features: {'; '.join(parts)}{more}. "
            f"ultimate_deep.features.feature_names() lists all {len(self.features)}"
        )


def check_features(entries: Iterable[tuple[str, Feature]]) -> Registry:
    """Collect `(family, feature)` pairs into a registry.

    Raises:
        ValueError: A name is taken twice, a feature never forgets its first bar, or its warm-up
            is longer than `MOST_WARMUP_BARS`.
    """
    features: dict[str, Feature] = {}
    families: dict[str, str] = {}
    for family, feature in entries:
        if feature.name in features:
            raise ValueError(
                f"feature {feature.name!r} of family {family!r} exists already "
                f"in family {families[feature.name]!r}; choose another name"
            )
        if feature.node.endless:
            raise ValueError(
                f"feature {feature.name!r} sums from the first bar on and never forgets it; "
                "use a windowed sum"
            )
        if feature.warmup_bars > MOST_WARMUP_BARS:
            raise ValueError(
                f"feature {feature.name!r} needs {feature.warmup_bars} bars of warm-up; "
                f"at most {MOST_WARMUP_BARS} are allowed: shorten its windows"
            )
        features[feature.name] = feature
        families[feature.name] = family
    return Registry(features=features, families=families)


@lru_cache(maxsize=1)
def registry() -> Registry:
    """All features of all families; built on the first call."""
    return check_features(
        (family, feature)
        for family, module in (FAMILIES | OPTIONAL_FAMILIES).items()
        for feature in importlib.import_module(module).entries()
    )


def feature_names(family: str | None = None) -> tuple[str, ...]:
    """Names of the default features in the order of `compute_features`' columns.

    Args:
        family: Only those of this family, which may be one that needs further columns
            (`order_book`, `cross_asset`).

    Raises:
        ValueError: There is no such family.
    """
    known = registry()
    if family is None:
        return known.default
    families = [*FAMILIES, *OPTIONAL_FAMILIES, OWN_FAMILY]
    if family not in families:
        raise ValueError(f"unknown family {family!r}; there are {families}")
    return tuple(name for name, own in known.families.items() if own == family)


def timeframe_names(names: Sequence[str], factors: Sequence[int] = FACTORS) -> tuple[str, ...]:
    """Names of features on coarser bars: `("rsi_14",)` gives `rsi_14_5x`, `rsi_14_15x`, ...

    Raises:
        ValueError: A factor is not one of 5, 15 and 60, or a name is unknown.
    """
    wrong = [factor for factor in factors if factor not in FACTORS]
    if wrong:
        raise ValueError(f"coarser bars are {FACTORS} times as long; got {wrong}")
    registry().choose(names)
    return tuple(f"{name}_{factor}x" for factor in factors for name in names)


def feature_table(*, optional: bool = False) -> pd.DataFrame:
    """One row per default feature; with `optional`, those that need further columns too.

    Returns:
        Columns `name`, `family`, `inputs` (bar columns, comma separated), `warmup_bars`,
        `source`, `unit`, `neutral`, `low`, `high`.
    """
    import pandas as pd

    known = registry()
    chosen = set(known.default)
    return pd.DataFrame(
        [
            {
                "name": feature.name,
                "family": known.families[feature.name],
                "inputs": ",".join(feature.inputs),
                "warmup_bars": feature.warmup_bars,
                "source": feature.source,
                "unit": feature.unit,
                "neutral": feature.neutral,
                "low": feature.low,
                "high": feature.high,
            }
            for feature in known.features.values()
            if optional or feature.name in chosen
        ]
    )
