"""Bars that a saved model is judged on: its run's own or others, filled as the run's were."""

from __future__ import annotations

import dataclasses
from typing import Any

from ultimate_deep.bundles.predicting import AnyBundle, bundle_config, bundle_data, merge_data
from ultimate_deep.market.config import DataConfig
from ultimate_deep.market.market import Market, load_market, read_fills
from ultimate_deep.market.reading.files import find_files

FILLS = "fills"  # entry of `metrics.json`: the digest of what orders were filled at


def judged_market(bundle: AnyBundle, given: DataConfig, market: Market | None = None) -> Market:
    """Return bars, and what orders on them are filled at.

    On its run's own bars orders are filled from the run's finer bars, where it had some; on other
    bars at the open, unless finer ones are given.

    Args:
        bundle: Bundle of the model.
        given: The bars; options that are not given are the run's.
        market: These bars, whatever `given` says of bars.

    Raises:
        FileNotFoundError: The finer bars of the run are gone.
        ValueError: Bars that break a rule, or finer ones that are none of theirs.
    """
    if market is None:
        bars = dataclasses.replace(given, fills=())
        market = load_market(bundle_data(bundle, bars), bundle_config(bundle).label)
    stored = bundle_config(bundle).data
    if given.fills:
        return read_fills(market, merge_data(given, stored))
    if not stored.fills or market.fills:
        return market
    if market.fingerprint() != _bars_of(bundle):
        return market
    _check_there(bundle, stored)
    return read_fills(market, stored)


def same_fills(bundle: AnyBundle, market: Market) -> bool:
    """Return whether orders on these bars are filled at the prices of the bundle's run."""
    return (bundle.metrics.get(FILLS) or "") == market.fills_digest


def fills_note(bundle: AnyBundle, market: Market) -> str:
    """Return a sentence where a run's orders were filled otherwise than those on these bars."""
    before = bundle.metrics.get(FILLS)
    if bool(before) == bool(market.fills):
        if same_fills(bundle, market) or market.fingerprint() != _bars_of(bundle):
            return ""
        return "orders of the run were filled from other finer bars"
    was, now = ("from finer bars", "at the opens")[:: 1 if before else -1]
    remedy = "; name its finer bars with --data.fills, in Python fills=" if before else ""
    return f"orders of the run were filled {was}, here {now}{remedy}"


def _bars_of(bundle: AnyBundle) -> Any:
    return bundle.manifest["data_fingerprint"]


def _check_there(bundle: AnyBundle, stored: DataConfig) -> None:
    paths = [stored.fills] if isinstance(stored.fills, str) else list(stored.fills)
    try:
        find_files([*paths])
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"the finer bars that orders of {bundle.folder.name} were filled from are gone: "
            f"{error}; bring them back, or say where they are: --data.fills 1m.csv, in Python "
            "fills='1m.csv'"
        ) from error
