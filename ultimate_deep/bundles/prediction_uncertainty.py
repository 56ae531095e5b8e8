"""How sure a saved model is of its predictions: dropout passes of a net, members of an ensemble."""

import keras
import numpy as np
import pandas as pd

from ultimate_deep.bundles.bundle import Bundle
from ultimate_deep.bundles.ensembles.bundle import EnsembleBundle
from ultimate_deep.bundles.ensembles.outputs import member_logits
from ultimate_deep.bundles.predicting import AnyBundle, bundle_config
from ultimate_deep.bundles.row_inputs import spread
from ultimate_deep.bundles.uncertainty import (
    MonteCarloConfig,
    Uncertainty,
    ensemble_uncertainty,
    monte_carlo_uncertainty,
)
from ultimate_deep.market.market import Market
from ultimate_deep.pipeline.inputs.model_inputs import materialised
from ultimate_deep.pipeline.rows import assemble_rows


def uncertainty_columns(bundle: AnyBundle, market: Market, *, passes: int) -> pd.DataFrame:
    """Return how sure a model is of the traded horizon, one row for each that it can predict.

    Columns: `symbol`, `timestamp` (the bar's open, UTC); `confidence`, the mean probability of the
    likelier side; `aleatoric` and `epistemic`, in nats: what is open in the data, and what the
    members (or passes) do not agree on.

    Args:
        bundle: A net with dropout, or an ensemble, whose members are its voices.
        market: Bars by symbol.
        passes: Of dropout, at least 2; not read by ensembles.

    Raises:
        ValueError: Trees, which answer once, or a net without dropout.
    """
    rows = assemble_rows(market, bundle_config(bundle).label, bundle.compute_features)
    if isinstance(bundle, EnsembleBundle):
        logits = member_logits(bundle.members, market, rows)
        known = np.flatnonzero(np.isfinite(logits).all(axis=(0, 2)))
        divided = [
            {"logits": one[known] / member.temperature}
            for one, member in zip(logits, bundle.members.values(), strict=True)
        ]
        found = ensemble_uncertainty(divided)
    elif isinstance(bundle, Bundle) and isinstance(bundle.model, keras.Model):
        inputs, known = bundle.complete_inputs(market, rows)
        config = MonteCarloConfig(passes=passes)
        temperature = float(bundle.temperature[0])
        found = monte_carlo_uncertainty(
            bundle.model, materialised(inputs), config, temperature=temperature
        )
    else:
        raise ValueError(
            f"trees give one answer for each row, {bundle.folder} holds nothing else; ask a net "
            "with dropout, or an ensemble with train_ensemble.py"
        )
    opens = rows.decision_time - np.timedelta64(market.interval.value, "ns")
    table = pd.DataFrame(
        {
            "symbol": np.array(rows.symbols, dtype=object)[rows.symbol_code],
            "timestamp": pd.DatetimeIndex(opens, tz="UTC"),
            **{name: spread(values, known, len(opens)) for name, values in _first(found).items()},
        }
    )
    return table.iloc[known].reset_index(drop=True)


def _first(found: Uncertainty) -> dict[str, np.ndarray]:
    """The traded horizon's figures, `(rows,)`."""
    return {
        "confidence": found.confidence[:, 0],
        "aleatoric": found.aleatoric[:, 0],
        "epistemic": found.epistemic[:, 0],
    }
