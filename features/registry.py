"""What a feature is, and the ordered list of all of them.

A new feature is one entry in its family's file. A new family is one file and one line in
`FAMILIES`.
"""

import difflib
import importlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import pandas as pd

from features.graph import Node

# Family name -> module whose `entries()` lists its features. The order is the features' order.
FAMILIES = {
    "price": "features.price",
    "moving_averages": "features.moving_averages",
    "ranges": "features.ranges",
    "momentum": "features.momentum",
    "trend": "features.trend",
    "volatility": "features.volatility",
    "breakout": "features.breakout",
    "volume": "features.volume",
    "risk": "features.risk",
    "statistics": "features.statistics",
    "wavelets": "features.wavelets",
    "time": "features.time",
    "polynomial": "features.polynomial",
    "interactions": "features.interactions",
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
    def inputs(self) -> tuple[str, ...]:
        """Bar columns that the feature depends on."""
        return self.node.columns

    @property
    def warmup_bars(self) -> int:
        """Number of leading bars without a value."""
        return self.node.settled

    @property
    def needs_volume(self) -> bool:
        """Whether the feature means nothing when bars carry no volume."""
        return "volume" in self.node.columns


@dataclass(frozen=True, kw_only=True)
class Registry:
    """Every feature by name, in order, and the family of each."""

    features: dict[str, Feature]
    families: dict[str, str]

    def choose(self, names: Sequence[str] | None) -> tuple[Feature, ...]:
        """The features of these names in this order; all when `names` is None.

        Raises:
            ValueError: A name is unknown (the message lists the nearest ones) or given twice.
        """
        if names is None:
            return tuple(self.features.values())
        wanted = (names,) if isinstance(names, str) else tuple(names)
        unknown = [name for name in wanted if name not in self.features]
        if unknown:
            raise ValueError(self._unknown(unknown))
        twice = sorted({name for name in wanted if wanted.count(name) > 1})
        if twice:
            raise ValueError(f"each feature may be asked for once; given twice: {twice}")
        if not wanted:
            raise ValueError("no feature names given; pass None for all features")
        return tuple(self.features[name] for name in wanted)

    def _unknown(self, unknown: Sequence[str]) -> str:
        parts = []
        for name in unknown[:5]:
            near = difflib.get_close_matches(name, self.features, n=3, cutoff=0.5)
            parts.append(f"{name!r}" + (f" (nearest: {', '.join(near)})" if near else ""))
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        return (
            f"unknown features: {'; '.join(parts)}{more}. "
            f"features.feature_names() lists all {len(self.features)}"
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
        for family, module in FAMILIES.items()
        for feature in importlib.import_module(module).entries()
    )


def feature_names() -> tuple[str, ...]:
    """Names of all features in the order of `compute_features`' columns."""
    return tuple(registry().features)


def feature_table() -> pd.DataFrame:
    """One row per feature.

    Returns:
        Columns `name`, `family`, `inputs` (bar columns, comma separated), `warmup_bars`,
        `source`, `unit`, `neutral`, `low`, `high`.
    """
    known = registry()
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
        ]
    )
