"""What each member brings to an ensemble, as a table."""

import numpy as np
import pandas as pd

from ultimate_deep.bundles.ensembles.combiner import Combiner, check_logits
from ultimate_deep.experiments.ensembles.labelled_logits import labelled
from ultimate_deep.pipeline.calibration import log_loss_of_logits


def member_table(
    combiner: Combiner,
    logits: np.ndarray,
    labels: np.ndarray,
    features: np.ndarray | None = None,
) -> pd.DataFrame:
    """Return one row per horizon and member, and one for the ensemble.

    Args:
        combiner: A fitted combiner of the members' logits.
        logits: Logits of the members on validation, not calibrated, `(members, rows, horizons)`.
        labels: 0, 1, or NaN or one half (left out), `(rows, horizons)`.
        features: What else the combiner reads, `(rows, features)`.

    Returns:
        `horizon` (from 1), `member`, `weight`, `log_loss` (nats, alone), `accuracy`,
        `correlation` (mean of its logits' with those of each other member; NaN where there is
        none or a member never moves), `gain` (nats that the ensemble loses when the member says
        what the others say on average; above zero is good).
    """
    weight = combiner.weights()
    logits = check_logits(logits, *weight.shape)
    together = combiner.combine(logits, features)[None].astype(np.float64)
    without = [
        combiner.combine(_replaced(logits, member), features) for member in range(len(weight))
    ]
    rows: list[dict[str, object]] = []
    for horizon in range(weight.shape[1]):
        chosen, up = labelled(logits, labels, horizon)
        ensemble = labelled(together, labels, horizon)[0][0]
        best = log_loss_of_logits(ensemble, up)
        correlation = mean_correlation(chosen)
        for member, name in enumerate(combiner.names):
            lone = labelled(without[member][None], labels, horizon)[0][0]
            rows.append(
                _row(horizon, name, chosen[member], up)
                | {
                    "weight": weight[member, horizon],
                    "correlation": correlation[member],
                    "gain": log_loss_of_logits(lone, up) - best if len(weight) > 1 else np.nan,
                }
            )
        rows.append(_row(horizon, "ensemble", ensemble, up))
    columns = ["horizon", "member", "weight", "log_loss", "accuracy", "correlation", "gain"]
    return pd.DataFrame(rows, columns=columns)


def mean_correlation(logits: np.ndarray) -> np.ndarray:
    """Return the mean correlation of each member with every other, `(members,)`.

    Args:
        logits: `(members, rows)`.
    """
    members = len(logits)
    if members < 2:
        return np.full(members, np.nan)
    centred = logits - logits.mean(axis=1, keepdims=True)
    spread = np.sqrt((centred**2).sum(axis=1))
    products = np.outer(spread, spread)
    full = np.full((members, members), np.nan)
    np.divide(centred @ centred.T, products, out=full, where=products > 0)
    np.fill_diagonal(full, 0.0)
    return full.sum(axis=1) / (members - 1)


def _row(horizon: int, name: str, logits: np.ndarray, up: np.ndarray) -> dict[str, object]:
    return {
        "horizon": horizon + 1,
        "member": name,
        "log_loss": log_loss_of_logits(logits, up),
        "accuracy": float(np.mean((logits > 0) == up)),
    }


def _replaced(logits: np.ndarray, member: int) -> np.ndarray:
    """Return the logits with one member's replaced by the mean of the others'."""
    if len(logits) < 2:
        return logits
    out = logits.copy()
    out[member] = np.delete(logits, member, axis=0).mean(axis=0)
    return out
