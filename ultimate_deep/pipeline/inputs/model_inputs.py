"""What predictors are handed: one array for one input, else arrays by name."""

from collections.abc import Mapping

import numpy as np

from ultimate_deep.market.windows import Windows

ModelInputs = np.ndarray | Windows | Mapping[str, np.ndarray | Windows]


def materialised(inputs: ModelInputs) -> np.ndarray | dict[str, np.ndarray]:
    """Return plain arrays, with windows copied out."""
    if isinstance(inputs, Mapping):
        return {name: values[:] for name, values in inputs.items()}
    return inputs[:]
