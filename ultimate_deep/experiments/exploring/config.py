"""What is explored, and how: configuration, importable without pandas."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from ultimate_deep.features.judging.config import ScoringConfig, SelectionConfig
from ultimate_deep.machine.fields import check_fields, check_seed
from ultimate_deep.machine.places import check_folder_named, check_name
from ultimate_deep.market.config import DataConfig, LabelSpec, SplitSpec


@dataclass(frozen=True, kw_only=True)
class ExploredFeatures:
    """Which features are explored.

    Args:
        names: Ordered feature names; empty means every feature that the bars allow.
    """

    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_fields(self, "features")


@dataclass(frozen=True, kw_only=True)
class ImportanceConfig:
    """How features are shuffled.

    Args:
        repeats: Shuffles of each feature, averaged.
        block_bars: Bars of the blocks that are shuffled; None for the cube root of the rows, at
            least 20 and twice the label's horizon, at most a twentieth of the rows.
        group_correlation: Features linked by correlations of a size above this on the rows judged
            are shuffled together, in (0, 1); None shuffles each alone.
        level: Two-sided confidence of the intervals, in (0, 1).
        resamples: Bootstrap histories behind each interval.
    """

    repeats: int = 5
    block_bars: int | None = None
    group_correlation: float | None = None
    level: float = 0.95
    resamples: int = 1000

    def __post_init__(self) -> None:
        check_fields(self, "importance")
        for name in ("repeats", "resamples"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} must be at least 1, got {getattr(self, name)}; leave it out"
                )
        if self.block_bars is not None and self.block_bars < 1:
            raise ValueError(f"block_bars must be at least 1, got {self.block_bars}; leave it out")
        for name in ("group_correlation", "level"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < 1.0:
                raise ValueError(f"{name} lies in (0, 1), got {value}; use e.g. 0.95")


@dataclass(frozen=True, kw_only=True)
class ExplorationConfig:
    """What is explored, and how.

    Args:
        name: Prefix of the report's folder.
        artifacts: Folder that it is written into.
        seed: Seed of the shuffles and bootstraps of importance.
        data: Where the bars come from.
        features: Which features are explored.
        label: Its horizon gives the forward return.
        split: Only the training part is explored.
        clip_multiple: Robust standard deviations beyond which values are clipped.
        selection: When features count as constant, duplicate or collinear.
        scoring: How information coefficients are taken.
        importance: How a bundle's features are shuffled.
        importance_part: Part of the bundle's run that it is judged on; `test` reads that part
            once more.
    """

    name: str = "features"
    artifacts: str = "artifacts"
    seed: int = 0
    data: DataConfig = DataConfig()
    features: ExploredFeatures = ExploredFeatures()
    label: LabelSpec = LabelSpec()
    split: SplitSpec = SplitSpec()
    clip_multiple: float = 10.0
    selection: SelectionConfig = SelectionConfig()
    scoring: ScoringConfig = ScoringConfig()
    importance: ImportanceConfig = ImportanceConfig()
    importance_part: Literal["validation", "test"] = "validation"

    def __post_init__(self) -> None:
        check_fields(self)
        check_name("name", self.name)
        check_folder_named("artifacts", self.artifacts)
        check_seed("seed", self.seed)
        if not 0.0 < self.clip_multiple < math.inf:
            raise ValueError(
                f"clip_multiple must be above zero, got {self.clip_multiple}; leave it out"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts, lists and scalars, as written to `config.json`."""
        return dataclasses.asdict(self)
