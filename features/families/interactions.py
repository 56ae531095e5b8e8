"""Products of features whose joint sign carries what neither says alone."""

from ultimate_deep.features.engine.graph import Node, calendar, clip, cosine, sine
from ultimate_deep.features.families.momentum import centred, momentum_z
from ultimate_deep.features.families.moving_averages import alignment
from ultimate_deep.features.families.price import close_location, return_log
from ultimate_deep.features.families.statistics import autocorrelation
from ultimate_deep.features.families.time import elapsed_log
from ultimate_deep.features.families.trend import efficiency, trend_score
from ultimate_deep.features.families.volatility import volatility_state
from ultimate_deep.features.families.volume import volume_balance, volume_surprise_z
from ultimate_deep.features.indicators.classic import adx, close, rsi
from ultimate_deep.features.registry import Feature


def _bounded(node: Node, limit: float = 4.0) -> Node:
    """A z-score cut where a product of two would be ruled by one of them."""
    return clip(node, -limit, limit)


def _with_volume() -> list[tuple[str, Node, str]]:
    surprise = _bounded(volume_surprise_z())
    source = "Llorente, Michaely, Saar & Wang (2002)"
    return [
        *[
            (
                f"momentum_z_{bars}_x_volume_surprise",
                _bounded(momentum_z(bars)) * surprise,
                source,
            )
            for bars in (1, 5, 20)
        ],
        ("close_location_x_volume_surprise", close_location() * surprise, source),
        ("volatility_state_x_volume_surprise", volatility_state() * surprise, "Karpoff (1987)"),
        ("trend_score_x_obv_change", trend_score() * volume_balance(20), "Granville (1963)"),
    ]


def _with_volatility() -> list[tuple[str, Node, str]]:
    state = volatility_state()
    source = "LeBaron (1992)"
    return [
        *[
            (f"momentum_z_{bars}_x_volatility_state", _bounded(momentum_z(bars)) * state, source)
            for bars in (1, 5, 20)
        ],
        ("rsi_14_x_volatility_state", centred(rsi(close(), 14)) * state, source),
    ]


def _with_memory() -> list[tuple[str, Node, str]]:
    memory = autocorrelation(return_log(), 1, 50)
    source = "Lo & MacKinlay (1990)"
    return [
        ("momentum_z_1_x_autocorrelation", _bounded(momentum_z(1)) * memory, source),
        ("momentum_z_5_x_efficiency_20", _bounded(momentum_z(5)) * efficiency(20), source),
        (
            "momentum_z_1_x_momentum_z_20",
            _bounded(momentum_z(1)) * _bounded(momentum_z(20)),
            "Jegadeesh & Titman (1993)",
        ),
        (
            "momentum_z_5_x_momentum_z_50",
            _bounded(momentum_z(5)) * _bounded(momentum_z(50)),
            "Jegadeesh & Titman (1993)",
        ),
        ("rsi_14_x_adx_14", centred(rsi(close(), 14)) * adx(14) / 100.0, "Wilder (1978)"),
        (
            "alignment_x_momentum_z_3",
            alignment((5, 10, 20, 50, 100)) * _bounded(momentum_z(3)),
            "Murphy (1999)",
        ),
    ]


def _with_time() -> list[tuple[str, Node, str]]:
    source = "Gao, Han, Li & Zhou (2018)"
    turns = calendar("hour") / 24.0
    last = _bounded(momentum_z(1))
    return [
        ("momentum_z_1_x_day_sin", last * sine(turns), source),
        ("momentum_z_1_x_day_cos", last * cosine(turns), source),
        ("momentum_z_1_x_elapsed", last * elapsed_log(), "French (1980)"),
    ]


def entries() -> list[Feature]:
    """The features of this family."""
    parts = [*_with_volume(), *_with_volatility(), *_with_memory(), *_with_time()]
    return [Feature(name, node, source, "product") for name, node, source in parts]
