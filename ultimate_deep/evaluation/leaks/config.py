"""How thoroughly a pipeline is examined: configuration, importable without NumPy."""

from dataclasses import dataclass

from ultimate_deep.machine.fields import check_fields, check_seed


@dataclass(frozen=True, kw_only=True)
class LeakConfig:
    """How thoroughly a pipeline is examined.

    Args:
        cuts: Random times at which the future is replaced; up to as many again where bars are
            unusual: before gaps, without volume, or repeated.
        truncations: Times at which the bars end.
        noise_markets: Markets without an edge to run on.
        most_bars: Newest bars that are looked at, all symbols together.
        error_rate: Chance of a false alarm of each check that rests on chance.
        seed: Same seed, same cuts, poison, shuffles and noise.
    """

    cuts: int = 16
    truncations: int = 4
    noise_markets: int = 2
    most_bars: int = 20_000
    error_rate: float = 0.001
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self, "leaks")
        for name, least in (("cuts", 2), ("truncations", 1), ("noise_markets", 1)):
            if getattr(self, name) < least:
                raise ValueError(
                    f"{name} is at least {least}, got {getattr(self, name)}; leave it out"
                )
        if self.most_bars < 500:
            raise ValueError(
                f"most_bars is at least 500, got {self.most_bars}; fewer do not carry a split"
            )
        if not 0 < self.error_rate < 0.5:
            raise ValueError(f"error_rate lies in (0, 0.5), got {self.error_rate}; use 0.001")
        check_seed("leaks.seed", self.seed)
