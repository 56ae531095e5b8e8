"""Other symbols beside the target: features of the pair.

An optional family: it needs the columns `peer_close`, `peer_age_bars` and `peers_rising`, which
`features.peers.join_peers` adds to a frame and `PeerJoin` gives live, the same bits.
"""

import math

from ultimate_deep.features.engine.graph import (
    Node,
    affine,
    clip,
    column,
    lag,
    log1p,
    log_ratio,
    ratio,
)
from ultimate_deep.features.engine.windows import covariance, deviation, mean
from ultimate_deep.features.families.price import return_log
from ultimate_deep.features.families.ranges import z_score
from ultimate_deep.features.indicators.classic import close, correlation
from ultimate_deep.features.registry import Feature


def peer_close() -> Node:
    """Last known close of the reference symbol."""
    return column("peer_close")


def peer_return(bars: int = 1) -> Node:
    """Log return of the reference over some of the target's bars; 0 while it is closed."""
    return log_ratio(peer_close(), lag(peer_close(), bars))


def breadth() -> Node:
    """Share of rising less share of falling peers, -1 to 1."""
    return affine(column("peers_rising"), 2.0, -1.0)


def beta(window: int) -> Node:
    """Slope of the target's returns on the reference's; 0 while it stands still."""
    scale = deviation(peer_return(), window)
    slope = ratio(covariance(return_log(), peer_return(), window), scale * scale)
    return clip(slope, -20.0, 20.0)


def relative_strength(bars: int, window: int = 100) -> Node:
    """Return above the reference's, in standard deviations of a random walk of the pair."""
    step = deviation(return_log() - peer_return(), window) * math.sqrt(bars)
    return clip(ratio(return_log(bars) - peer_return(bars), step), -20.0, 20.0)


def residual_z(window: int) -> Node:
    """The last return less beta times the reference's, in the target's standard deviations."""
    residual = return_log() - beta(window) * peer_return()
    return clip(ratio(residual, deviation(return_log(), window)), -20.0, 20.0)


def pair_spread_z(window: int) -> Node:
    """Z-score of the ratio of both closes.

    The ratio and not its log, of which a z-score to first order is the same: prices of another
    unit then change no bit. Source: Gatev, Goetzmann & Rouwenhorst (2006).
    """
    return z_score(ratio(close(), peer_close()), window)


def _unit(name: str, node: Node, source: str) -> Feature:
    return Feature(name, node, source, "-1 to 1", low=-1.0, high=1.0)


def _scaled(name: str, node: Node, source: str, unit: str = "standard deviations") -> Feature:
    return Feature(name, node, source, unit, low=-20.0, high=20.0)


def _pair() -> list[Feature]:
    moves, others = return_log(), peer_return()
    lo = "Lo & MacKinlay (1990)"
    return [
        *[
            _unit(f"peer_correlation_{w}", correlation(moves, others, w), "Pearson (1896)")
            for w in (50, 200)
        ],
        _scaled("peer_beta_100", beta(100), "Sharpe (1964)", "return per return"),
        _unit("peer_leads_1_100", correlation(moves, lag(others, 1), 100), lo),
        _unit("peer_follows_1_100", correlation(lag(moves, 1), others, 100), lo),
    ]


def _distances() -> list[Feature]:
    levy, gatev = "Levy (1967)", "Gatev, Goetzmann & Rouwenhorst (2006)"
    return [
        *[
            _scaled(
                f"peer_return_z_{bars}",
                clip(
                    ratio(peer_return(bars), deviation(peer_return(), 50) * math.sqrt(bars)),
                    -20.0,
                    20.0,
                ),
                "Moskowitz, Ooi & Pedersen (2012), eq. 1",
            )
            for bars in (1, 5)
        ],
        _scaled("peer_residual_z_100", residual_z(100), "Blitz, Huij & Martens (2011)"),
        *[_scaled(f"relative_strength_{n}", relative_strength(n), levy) for n in (5, 20)],
        *[_scaled(f"pair_spread_z_{w}", pair_spread_z(w), gatev) for w in (50, 200)],
    ]


def entries() -> list[Feature]:
    """The features of this family."""
    source = "Zweig (1986)"
    age = log1p(column("peer_age_bars"))
    return [
        *_pair(),
        *_distances(),
        _unit("breadth", breadth(), source),
        _unit("breadth_mean_10", mean(breadth(), 10), source),
        Feature("peer_age_log", age, "Lo & MacKinlay (1990)", "log of 1 + bars", low=0.0),
    ]
