"""What a feature is, and the ordered list of all of them.

A new feature is one entry in its family's file. A new family is one file and one line in
`FAMILIES`.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
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

# Those of bars several times as long.
COARSE_FAMILY = "timeframes"

# Fine bars per coarse bar: any feature may be asked for on coarser bars as `name_15x`.
FACTORS = (4, 5, 15, 16, 60)

# Features of coarser bars that are default ones, by fine bars per coarse bar. They read closes
# alone: a first coarse bar of which only the end is there falsifies none of them.
DEFAULT_COARSE = {
    16: (
        "return_log_3",
        "return_log_lag_3",
        "close_to_sma_10",
        "regression_residual_z_20",
        "bollinger_position_20",
    ),
}

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
    """Every feature by name, in order, and the family of each.

    Attributes:
        features: Those of the bars as they are, by name.
        families: The family of each of them.
        coarse: Default ones of coarser bars, by name.
    """

    features: dict[str, Feature]
    families: dict[str, str]
    coarse: dict[str, Feature] = field(default_factory=dict)

    @property
    def default(self) -> tuple[str, ...]:
        """Names of the features that plain bars allow."""
        plain = tuple(name for name in self.features if self.families[name] in FAMILIES)
        own = tuple(name for name in self.features if self.families[name] == OWN_FAMILY)
        return (*plain, *self.coarse, *own)

    def family_of(self, name: str) -> str:
        """The family of a feature, `timeframes` for one on coarser bars."""
        return self.families.get(name, COARSE_FAMILY)

    def choose(self, names: Sequence[str] | None) -> tuple[Feature, ...]:
        """The features of these names in this order; the default ones when `names` is None.

        A name may end in `_4x`, `_5x`, `_15x`, `_16x` or `_60x`: the feature before it, on coarser
        bars.

        Raises:
            ValueError: A name is unknown (the message lists the nearest ones) or given twice.
        """
        if names is None:
            known = self.features | self.coarse
            return tuple(known[name] for name in self.default)
        wanted = (names,) if isinstance(names, str) else tuple(names)
        found = {name: self.find(name) for name in wanted}
        unknown = [name for name, feature in found.items() if feature is None]
        if unknown:
            raise ValueError(self._unknown(unknown))
        twice = sorted({name for name in wanted if wanted.count(name) > 1})
        if twice:
            raise ValueError(f"each feature may be asked for once; given twice: {twice}")
        if not wanted:
            raise ValueError("no feature names given; pass None for all features")
        return tuple(feature for feature in found.values() if feature is not None)

    def find(self, name: str) -> Feature | None:
        """The feature of this name, which may be one on coarser bars; None where there is none."""
        if found := self.features.get(name) or self.coarse.get(name):
            return found
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
            f"ultimate_deep.features.feature_names() lists all {len(self.default)} default ones"
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
        _check_warmup(feature, family)
        features[feature.name] = feature
        families[feature.name] = family
    return Registry(features=features, families=families)


@lru_cache(maxsize=1)
def registry() -> Registry:
    """All features of all families; built on the first call."""
    known = check_features(
        (family, feature)
        for family, module in (FAMILIES | OPTIONAL_FAMILIES).items()
        for feature in importlib.import_module(module).entries()
    )
    names = [name for factor, bases in DEFAULT_COARSE.items() for name in _coarse(bases, factor)]
    for feature in known.choose(names):
        _check_warmup(feature, COARSE_FAMILY)
        known.coarse[feature.name] = feature
    return known


def _coarse(names: Iterable[str], factor: int) -> tuple[str, ...]:
    return tuple(f"{name}_{factor}x" for name in names)


def _check_warmup(feature: Feature, family: str) -> None:
    """Refuse a default feature that lacks its value for too long."""
    if feature.warmup_bars > MOST_WARMUP_BARS:
        raise ValueError(
            f"feature {feature.name!r} of family {family!r} needs {feature.warmup_bars} bars of "
            f"warm-up; at most {MOST_WARMUP_BARS} are allowed: shorten its windows"
        )


def feature_names(family: str | None = None) -> tuple[str, ...]:
    """Names of the default features in the order of `compute_features`' columns.

    Args:
        family: Only those of this family, which may be `timeframes`, the default features of
            coarser bars, or one that needs further columns (`order_book`, `cross_asset`).

    Raises:
        ValueError: There is no such family.
    """
    known = registry()
    if family is None:
        return known.default
    families = [*FAMILIES, COARSE_FAMILY, *OPTIONAL_FAMILIES, OWN_FAMILY]
    if family not in families:
        raise ValueError(f"unknown family {family!r}; there are {families}")
    if family == COARSE_FAMILY:
        return tuple(known.coarse)
    return tuple(name for name, own in known.families.items() if own == family)


def timeframe_names(names: Sequence[str], factors: Sequence[int] = FACTORS) -> tuple[str, ...]:
    """Names of features on coarser bars: `("rsi_14",)` gives `rsi_14_4x`, `rsi_14_5x`, ...

    Raises:
        ValueError: A factor is not one of 4, 5, 15, 16 and 60, or a name is unknown.
    """
    wrong = [factor for factor in factors if factor not in FACTORS]
    if wrong:
        raise ValueError(f"coarser bars are {FACTORS} times as long; got {wrong}")
    registry().choose(names)
    return tuple(name for factor in factors for name in _coarse(names, factor))


def feature_table(*, optional: bool = False) -> pd.DataFrame:
    """One row per default feature; with `optional`, those that need further columns too.

    Returns:
        Columns `name`, `family`, `inputs` (bar columns, comma separated), `warmup_bars`,
        `source`, `unit`, `neutral`, `low`, `high`.
    """
    import pandas as pd

    known = registry()
    chosen = known.choose(None)
    if optional:
        default = set(known.default)
        chosen += tuple(one for name, one in known.features.items() if name not in default)
    return pd.DataFrame(
        [
            {
                "name": feature.name,
                "family": known.family_of(feature.name),
                "inputs": ",".join(feature.inputs),
                "warmup_bars": feature.warmup_bars,
                "source": feature.source,
                "unit": feature.unit,
                "neutral": feature.neutral,
                "low": feature.low,
                "high": feature.high,
            }
            for feature in chosen
        ]
    )
