"""How sure a saved model is of its predictions: dropout passes of a net, members of an ensemble."""

import numpy as np
import pandas as pd

from ultimate_deep.bundles.predicting import AnyBundle, bundle_config, features_of
from ultimate_deep.bundles.row_inputs import spread
from ultimate_deep.bundles.uncertainty import Uncertainty
from ultimate_deep.market.market import Market
from ultimate_deep.market.times import utc_index
from ultimate_deep.pipeline.rows import assemble_rows, row_opens


def uncertainty_columns(bundle: AnyBundle, market: Market, *, passes: int) -> pd.DataFrame:
    """Return how sure a model is of the traded horizon, one row for each that it can predict.

    Columns: `symbol`, `timestamp` (the bar's open, UTC); `confidence`, the mean probability of the
    likelier side; `aleatoric` and `epistemic`, in nats: what is open in the data, and what the
    members (or passes) do not agree on.

    Args:
        bundle: A net with dropout, or an ensemble, whose members are its voices.
        market: Bars by symbol.
        passes: Number of passes of dropout, at least 2; not read by ensembles.

    Raises:
        ValueError: Trees, which answer once, or a net without dropout.
    """
    rows = assemble_rows(market, bundle_config(bundle).label, features_of(bundle, market))
    found, known = bundle.row_uncertainty(market, rows, passes=passes)
    opens = utc_index(row_opens(market, rows))
    table = pd.DataFrame(
        {
            "symbol": np.array(rows.symbols, dtype=object)[rows.symbol_code],
            "timestamp": opens,
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
