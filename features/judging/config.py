"""How features are judged: configuration, importable without NumPy."""

from dataclasses import dataclass
from typing import Literal

from ultimate_deep.machine.fields import check_fields

Period = Literal["auto", "year", "quarter", "month", "week", "day"]
Method = Literal["spearman", "pearson"]


@dataclass(frozen=True, kw_only=True)
class ScoringConfig:
    """How information coefficients are taken and when one is claimed.

    Args:
        method: `spearman` correlates ranks, `pearson` the values themselves (clip them first).
        period: Span over which the coefficient is taken again; `auto` is the longest that the rows
            fill six times.
        least_rows: Periods of fewer rows have no coefficient; at least 3.
        false_discovery_rate: Share of the claims that may be false, in (0, 1); also the level at
            which uncorrected claims are counted.
        correction: `bh` Benjamini and Hochberg (1995); `by` Benjamini and Yekutieli (2001), for
            any dependence between features, and stricter.
    """

    method: Method = "spearman"
    period: Period = "auto"
    least_rows: int = 50
    false_discovery_rate: float = 0.05
    correction: Literal["bh", "by"] = "bh"

    def __post_init__(self) -> None:
        check_fields(self, "scoring")
        if self.least_rows < 3:
            raise ValueError(f"least_rows must be at least 3, got {self.least_rows}; use e.g. 50")
        if not 0.0 < self.false_discovery_rate < 1.0:
            raise ValueError(
                f"false_discovery_rate is a share in (0, 1), got {self.false_discovery_rate}; "
                "use e.g. 0.05"
            )


@dataclass(frozen=True, kw_only=True)
class SelectionConfig:
    """When a feature is left out.

    Args:
        constant_share: A feature is constant where one value fills at least this share of the
            training rows, in (0.5, 1].
        duplicate_correlation: Two features are duplicates where they are equal bit for bit or the
            size of their correlation is above this, in (0, 1].
        collinear_correlation: They are collinear where it is above this, in (0, 1]; 1 keeps all
            but duplicates.
    """

    constant_share: float = 0.999
    duplicate_correlation: float = 0.99999
    collinear_correlation: float = 0.95

    def __post_init__(self) -> None:
        check_fields(self, "selection")
        if not 0.5 < self.constant_share <= 1.0:
            raise ValueError(
                f"constant_share is a share in (0.5, 1], got {self.constant_share}; use e.g. 0.999"
            )
        if not 0.0 < self.duplicate_correlation <= 1.0:
            raise ValueError(
                f"duplicate_correlation lies in (0, 1], got {self.duplicate_correlation}"
            )
        if not 0.0 < self.collinear_correlation <= 1.0:
            raise ValueError(
                f"collinear_correlation lies in (0, 1], got {self.collinear_correlation}; "
                "1 keeps all but duplicates"
            )
