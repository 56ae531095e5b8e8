"""What an ensemble's members say of rows, and which features they read."""

from collections.abc import Mapping, Sequence

import numpy as np

from ultimate_deep.bundles.bundle import Bundle
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.rows import Rows, keep_features


def member_logits(bundles: Mapping[str, Bundle], market: Market, rows: Rows) -> np.ndarray:
    """Return logits `(members, rows, horizons)`, NaN in rows that lack an input.

    Args:
        bundles: The members' bundles, by name.
        market: Bars by symbol.
        rows: Rows with every feature of every member.
    """
    found = [
        bundle.row_outputs(market, keep_features(rows, bundle.feature_names))["logits"]
        for bundle in bundles.values()
    ]
    return np.stack(found)


def feature_columns(rows: Rows, names: Sequence[str]) -> np.ndarray:
    """Return some features, float32 `(rows, names)`; no column where none is named."""
    return rows.values[:, [rows.names.index(name) for name in names]]


def feature_union(bundles: Sequence[Bundle]) -> tuple[str, ...]:
    """Return every feature that a member reads, in the order in which they first appear."""
    return tuple(dict.fromkeys(name for bundle in bundles for name in bundle.feature_names))
